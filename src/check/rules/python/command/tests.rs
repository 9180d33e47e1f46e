use serde_json::json;

use super::*;
use crate::check::subject::Subject;
use crate::check::testing::{Image, Thing, path};

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

/// Debian's Python, and a virtual environment in /app.
fn image() -> Image {
    let mut image = Image::new("linux/amd64").config(json!({ "WorkingDir": "/srv" }));
    for file in [
        "usr/bin/python3.11",
        "usr/lib/python3.11/os.py",
        "usr/lib/python3.11/http/server.py",
    ] {
        image = image.base(file, 0o755, Thing::Unread(1));
    }
    for file in [
        "srv/local.py",
        "srv/tool/cli.py",
        "srv/part/__init__.py",
        "opt/src/agent/__main__.py",
        "app/.venv/lib/python3.11/site-packages/runner/__main__.py",
        "app/.venv/lib/python3.11/site-packages/fast.cpython-311-x86_64-linux-gnu.so",
        "app/.venv/lib/python3.11/site-packages/_virtualenv.pth",
    ] {
        image = image.own(file, 0o644, Thing::Unread(1));
    }
    image.base("usr/bin/python3", 0o777, Thing::Link("python3.11")).own(
        "app/.venv/bin/python",
        0o777,
        Thing::Link("/usr/bin/python3"),
    )
}

fn check_in(subject: &Subject, line: &str) -> Option<Failure> {
    let named = path("app/.venv/bin/python");
    let program = Program {
        at: subject.resolve(&named).unwrap(),
        named,
    };
    check_python(&Setting::of(subject), &program, &words(line))
        .err()
        .map(|failure| *failure)
}

fn missing(image: Image, line: &str) -> Option<String> {
    check_in(&image.subject(), line).map(|failure| failure.path.to_string())
}

#[test]
fn options_are_passed_over() {
    let shown = |line: &str| match handed(&words(line)) {
        Some(Handed::Module { name, sees_workdir }) => format!("module {name} {sees_workdir}"),
        Some(Handed::Script(script)) => format!("script {script}"),
        Some(Handed::Code { text, .. }) => format!("code {text}"),
        None => "nothing".to_owned(),
    };
    for (line, expected) in [
        ("-m app", "module app true"),
        ("-um app x", "module app true"),
        ("-mapp", "module app true"),
        ("-I -m app", "module app false"),
        ("-W error -X utf8 -B app.py", "script app.py"),
        ("-Xutf8 -uB app.py -m x", "script app.py"),
        ("-c code", "code code"),
        ("-Ic code -m x", "code code"),
        ("-", "nothing"),
        ("-V", "nothing"),
        ("--check-hash-based-pycs never x.py", "nothing"),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
}

#[test]
fn modules_are_found_where_python_looks() {
    for (line, expected) in [
        ("-m runner", None),
        ("-m fast", None),
        ("-m local", None),
        ("-m tool.cli", None),
        ("-m http.server", None),
        ("-m agent", Some("/srv/agent")),
        ("-m part", Some("/srv/part")),
        ("-m tool.gone", Some("/srv/tool/gone")),
        ("-I -m local", Some("/srv/local")),
        ("local.py", None),
        ("gone.py", Some("/srv/gone.py")),
        ("/srv/tool", Some("/srv/tool")),
        ("/app/.venv/lib/python3.11/site-packages/runner", None),
    ] {
        assert_eq!(missing(image(), line).as_deref(), expected, "{line}");
    }
}

#[test]
fn what_may_be_anywhere_is_passed_over() {
    let site = "app/.venv/lib/python3.11/site-packages";
    assert!(missing(image(), "-m agent").is_some());
    let pth = format!("{site}/__editable__.agent.pth");
    assert_eq!(missing(image().own(&pth, 0o644, Thing::Unread(1)), "-m agent"), None);
    let customised = image().own(&format!("{site}/sitecustomize.py"), 0o644, Thing::Unread(1));
    assert_eq!(missing(customised, "-m agent"), None);
    let with = |env: &str| image().config(json!({ "WorkingDir": "/srv", "Env": [env] }));
    assert_eq!(missing(with("PYTHONPATH=/opt/src"), "-m agent"), None);
    assert_eq!(missing(with("PYTHONPATH=/srv/local.py"), "-m agent"), None);
    assert_eq!(missing(with("PYTHONHOME=/x"), "-m agent"), None);
    assert_eq!(
        missing(with("PYTHONPATH=/none"), "-m agent").as_deref(),
        Some("/srv/agent")
    );
    let no_library = image().own("usr/lib/python3.11", 0o644, Thing::Unread(1));
    assert_eq!(missing(no_library, "-m agent"), None);
}

#[test]
fn messages_say_where_the_module_is_and_what_a_package_lacks() {
    let subject = image().subject();
    let failure = check_in(&subject, "-m agent").unwrap();
    assert_eq!(
        failure.message,
        "runs the Python module \"agent\", which is not in Python's search path"
    );
    assert_eq!(
        failure.expected,
        "agent in /srv, /app/.venv/lib/python3.11, /app/.venv/lib/python3.11/site-packages, /usr/lib/python3.11"
    );
    assert_eq!(failure.found, "/opt/src/agent/__main__.py");
    let expected =
        "it is at /opt/src/agent/__main__.py: set PYTHONPATH or `workdir` to the directory that contains its package";
    assert_eq!(failure.help, expected);
    let failure = check_in(&subject, "-m part").unwrap();
    assert_eq!(
        failure.message,
        "runs the Python package \"part\", which has no __main__.py"
    );
    assert_eq!(failure.expected, "/srv/part/__main__.py");
}
