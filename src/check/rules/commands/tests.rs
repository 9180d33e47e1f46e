use serde_json::{Value, json};

use super::*;
use crate::check::testing::{Image, Thing, elf};

fn text(text: &str) -> Thing {
    Thing::Text(text.to_owned())
}

/// A base with a shell and Node, and an app of your layers.
fn image(config: Value) -> Image {
    let base = |image: Image, at: &str| image.base(at, 0o755, Thing::Elf(elf(None, &[])));
    let programs = [
        "usr/bin/dash",
        "usr/bin/node",
        "usr/bin/env",
        "usr/bin/tini",
        "usr/bin/gosu",
        "usr/bin/nginx",
    ];
    programs
        .into_iter()
        .fold(Image::new("linux/amd64"), base)
        .config(config)
        .base("bin", 0o777, Thing::Link("usr/bin"))
        .base("usr/bin/sh", 0o777, Thing::Link("dash"))
        .base("usr/bin/python3.11", 0o755, Thing::Elf(elf(None, &[])))
        .base("usr/lib/python3.11/os.py", 0o644, Thing::Unread(1))
        .base("usr/local/bin/docker-entrypoint.sh", 0o755, text("#!/bin/sh\n"))
        .own("app/dist/index.js", 0o644, Thing::Unread(1))
        .own("app/server", 0o755, Thing::Elf(elf(None, &[])))
        .own("app/plain", 0o644, Thing::Elf(elf(None, &[])))
        .own("app/notes", 0o755, text("hello\n"))
        .own("app/run.sh", 0o755, text("#!/bin/sh\nexec node dist/index.js\n"))
        .own("app/dangling", 0o777, Thing::Link("/opt/gone"))
        .own("app/wasm", 0o755, text("\0asm\u{1}"))
        .own("app/empty", 0o755, text(""))
        .own("app/bom.sh", 0o755, text("\u{feff}#!/bin/sh\n"))
}

/// The findings about what starts, as `code path message`.
fn told(config: Value) -> Vec<String> {
    told_of(image(config))
}

fn told_of(image: Image) -> Vec<String> {
    let mut findings = Vec::new();
    commands(&image.subject(), &mut findings);
    findings
        .iter()
        .map(|finding| format!("{} {} {}", finding.code, finding.path, finding.message))
        .collect()
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// Returns what is reported for an entrypoint of these words, in /app.
fn entrypoint(line: &str) -> Vec<String> {
    told(json!({ "Entrypoint": words(line), "WorkingDir": "/app" }))
}

/// Returns what is reported for an entrypoint in shell form.
fn shell_form(line: &str) -> Vec<String> {
    told(json!({ "Entrypoint": ["/bin/sh", "-c", line], "WorkingDir": "/app" }))
}

#[test]
fn what_starts_is_passed_over() {
    for line in [
        "node dist/index.js",
        "node",
        "/app/server --flag",
        "./server",
        "run.sh",
        "./run.sh anything",
        "tini -- node dist/index.js",
        "gosu app:app node dist",
        "env A=b node dist/index.js",
        "/bin/sh run.sh",
        "sh -eu -o pipefail run.sh",
        "sh",
        "./wasm",
        "/proc/self/exe",
    ] {
        let config = json!({ "Entrypoint": words(line), "WorkingDir": "/app", "Env": ["PATH=/app:/usr/bin"] });
        assert_eq!(told(config), [""; 0], "{line}");
    }
    assert_eq!(told(json!({})), [""; 0]);
}

#[test]
fn a_missing_program_is_an_error() {
    for (line, expected) in [
        (
            "nod dist/index.js",
            "entrypoint-missing / the entrypoint starts \"nod\", which is not on PATH",
        ),
        (
            "/app/serve",
            "entrypoint-missing /app/serve the entrypoint starts this program, which is not in the image",
        ),
        (
            "./dangling",
            "entrypoint-missing /app/dangling the entrypoint starts this program, which is not in the image",
        ),
        (
            "/app",
            "entrypoint-missing /app the entrypoint starts this program, which is not in the image",
        ),
        (
            "tini -- jav",
            "entrypoint-missing / the entrypoint starts \"jav\", which is not on PATH",
        ),
        (
            "server",
            "entrypoint-missing / the entrypoint starts \"server\", which is not on PATH",
        ),
        (
            "exec node",
            "entrypoint-missing / the entrypoint starts \"exec\", which is not on PATH",
        ),
        (
            "node dist/main.js",
            "entrypoint-missing /app/dist/main.js the entrypoint runs this script with node, but it is not in the \
             image",
        ),
        (
            "tini -g -- env A=b node dist/main.js",
            "entrypoint-missing /app/dist/main.js the entrypoint runs this script with node, but it is not in the \
             image",
        ),
        (
            "python3.11 -m agent",
            "entrypoint-missing /app/agent the entrypoint runs the Python module \"agent\", which is not in \
             Python's search path",
        ),
        (
            "sh -e start.sh",
            "entrypoint-missing /app/start.sh the entrypoint runs this script with sh, but it is not in the image",
        ),
    ] {
        assert_eq!(entrypoint(line), [expected], "{line}");
    }
}

#[test]
fn evidence_and_help_lead_to_the_file() {
    let found = |line: &str| {
        let config = json!({ "Entrypoint": words(line), "WorkingDir": "/app" });
        let finding = image(config).found(Code::EntrypointMissing).remove(0);
        (finding.expected.unwrap(), finding.found.unwrap(), finding.help)
    };
    let (expected, instead, help) = found("server");
    assert_eq!(
        expected,
        "an executable file server in /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    );
    assert_eq!(instead, "/app/server, outside of PATH");
    assert_eq!(help, "use the path /app/server, or add its directory to PATH in `env`");
    let (_, instead, help) = found("/usr/local/bin/server");
    assert_eq!(instead, "nothing");
    assert_eq!(
        help,
        "a file of this name is at /app/server: use that path, or pack it at this one"
    );
    let (_, instead, _) = found("/app/dangling");
    assert_eq!(instead, "a symbolic link to /opt/gone, which does not exist");
}

#[test]
fn cmd_counts_where_there_is_no_entrypoint_and_as_arguments_where_there_is() {
    let cmd = |entrypoint: &[&str], cmd: &str| {
        told(json!({ "Entrypoint": entrypoint, "Cmd": words(cmd), "WorkingDir": "/app" }))
    };
    assert_eq!(
        cmd(&[], "gone"),
        ["entrypoint-missing / the command starts \"gone\", which is not on PATH"]
    );
    let missing = "entrypoint-missing /app/x.js the entrypoint runs this script with node, but it is not in the image";
    assert_eq!(cmd(&["node"], "x.js"), [missing]);
    assert_eq!(cmd(&["tini", "--"], "node x.js"), [missing]);
    assert_eq!(cmd(&["./run.sh"], "gone"), [""; 0]);
    assert_eq!(cmd(&["./server"], "gone"), [""; 0]);
    let missing = "entrypoint-missing /app/x.js the command runs this script with node, but it is not in the image";
    assert_eq!(cmd(&["docker-entrypoint.sh"], "node x.js"), [missing]);
    assert_eq!(cmd(&["docker-entrypoint.sh"], "x.js"), [""; 0]);
    assert_eq!(cmd(&["docker-entrypoint.sh"], "node dist/index.js"), [""; 0]);
}

#[test]
fn what_cannot_be_executed_is_an_error() {
    let refused = "the entrypoint starts this file, but the kernel cannot execute it (exec format error)";
    for (line, expected) in [
        (
            "./plain",
            "entrypoint-not-executable /app/plain the entrypoint starts this file, which is not executable".to_owned(),
        ),
        ("./notes", format!("entrypoint-not-executable /app/notes {refused}")),
        ("./empty", format!("entrypoint-not-executable /app/empty {refused}")),
        ("./bom.sh", format!("entrypoint-not-executable /app/bom.sh {refused}")),
    ] {
        assert_eq!(entrypoint(line), [expected], "{line}");
    }
    let config = json!({ "Entrypoint": ["/app/plain"] });
    let finding = image(config).found(Code::EntrypointNotExecutable).remove(0);
    assert_eq!(finding.expected.as_deref(), Some("execute permission for user 0:0"));
    assert_eq!(finding.found.as_deref(), Some("mode 0644, owner 0:0"));
    assert_eq!(
        finding.help,
        "set `executable = [\"plain\"]` or `mode` in its `files` entry, or `keep-modes` for an archive"
    );
    // A shell, and whatever starts programs as execvp does, runs text as a script.
    assert_eq!(shell_form("./notes"), [""; 0]);
    assert_eq!(entrypoint("tini ./notes"), [""; 0]);
}

#[test]
fn the_user_counts() {
    let config = |user: &str| json!({ "Entrypoint": ["/srv/x"], "User": user });
    let image = |user| image(config(user)).owned("srv/x", 0o700, 1000, Thing::Elf(elf(None, &[])));
    let expected = "entrypoint-not-executable /srv/x the entrypoint starts this file, which is not executable";
    assert_eq!(told_of(image("1000")), [""; 0]);
    assert_eq!(told_of(image("")), [""; 0]);
    assert_eq!(told_of(image("1001")), [expected]);
    assert_eq!(told_of(image("unknown")), [""; 0]);
    let closed = image("1000").own("srv", 0o700, Thing::Directory);
    let expected = "entrypoint-not-executable /srv/x the entrypoint starts this program, but its user cannot access it";
    assert_eq!(told_of(closed), [expected]);
}

#[test]
fn a_script_without_its_interpreter_is_an_error() {
    let with = |line: &str| {
        let config = json!({ "Entrypoint": ["/app/start"], "WorkingDir": "/app" });
        told_of(image(config).own("app/start", 0o755, text(&format!("{line}\n"))))
    };
    let expected = "shebang-missing /app/start the entrypoint starts this script, but its #! line names /bin/bash, \
                    which is not in the image";
    assert_eq!(with("#!/bin/bash"), [expected]);
    let expected = "shebang-missing /app/start the entrypoint starts this script, but its #! line ends with a carriage \
                    return (Windows line ending)";
    assert_eq!(with("#!/bin/sh\r"), [expected]);
    assert_eq!(with("#!/bin/sh"), [""; 0]);
    assert_eq!(with("#!/usr/bin/env node"), [""; 0]);
}

#[test]
fn shells_are_followed_to_their_first_command() {
    let missing = "entrypoint-missing / the entrypoint starts \"gone\", which is not on PATH";
    for text in [
        "gone",
        "exec gone",
        "cd /app && A=b gone -x",
        "gone || exit 1",
        "set -e; gone; node",
        "sh -c gone",
    ] {
        assert_eq!(shell_form(text), [missing], "{text}");
    }
    let missing = "entrypoint-missing /app/x.js the entrypoint runs this script with node, but it is not in the image";
    for text in [
        "node x.js",
        "exec node x.js $ARGS",
        "cd / && cd app; exec tini -- node x.js",
    ] {
        assert_eq!(shell_form(text), [missing], "{text}");
    }
    for text in [
        "gone; node",
        "gone || true",
        "cd /later && gone",
        "[ -x gone ] && gone",
        "$GONE",
        "cd dist && node index.js",
    ] {
        assert_eq!(shell_form(text), [""; 0], "{text}");
    }
    let with = |argv: Value, env: &str| told(json!({ "Entrypoint": argv, "Env": [env] }));
    assert_eq!(with(json!(["sh", "-lc", "gone"]), "A=b"), [""; 0]);
    assert_eq!(with(json!(["sh", "-c", "gone"]), "ENV=/etc/profile"), [""; 0]);
    assert_eq!(with(json!(["sh", "-c"]), "A=b"), [""; 0]);
    let no_shell = Image::new("linux/amd64").config(json!({ "Entrypoint": ["/bin/sh", "-c", "node"] }));
    assert_eq!(
        told_of(no_shell),
        ["entrypoint-missing /bin/sh the entrypoint starts this program, which is not in the image"]
    );
}

#[test]
fn a_busybox_may_have_its_programs_inside() {
    let config = |text: &str| json!({ "Healthcheck": { "Test": ["CMD-SHELL", text] } });
    let with = |text: &str| {
        let image = Image::new("linux/amd64")
            .config(config(text))
            .base("bin/busybox", 0o755, Thing::Unread(1));
        told_of(image.base("bin/sh", 0o777, Thing::Link("/bin/busybox")))
    };
    assert_eq!(with("wget -q http://localhost || exit 1"), [""; 0]);
    let expected = "healthcheck-missing / the health check starts \"curl\", which is not on PATH";
    assert_eq!(with("curl -f http://localhost || exit 1"), [expected]);
}

#[test]
fn health_checks_are_followed_too() {
    let check = |test: Value| image(json!({ "Healthcheck": { "Test": test } })).found(Code::HealthcheckMissing);
    let curl = "the health check starts \"curl\", which is not on PATH";
    for test in [
        json!(["CMD", "curl", "-f", "http://localhost/"]),
        json!([
            "CMD-SHELL",
            "curl -f http://localhost:${PORT:-3000}/api/health || exit 1"
        ]),
        json!(["CMD-SHELL", "curl -s http://localhost | grep -q ok"]),
    ] {
        let found = check(test);
        assert_eq!(found[0].message, curl);
        assert_eq!(
            found[0].help,
            "use a base image that contains curl, or use a health check that runs a program of the image"
        );
    }
    let node = "the health check runs this script with node, but it is not in the image";
    assert_eq!(check(json!(["CMD", "node", "/app/health.js"]))[0].message, node);
    for test in [
        json!(["NONE"]),
        json!([]),
        json!(["CMD"]),
        json!(["CMD-SHELL"]),
        json!(["CMD", "node", "-e", "fetch('http://localhost')"]),
        json!(["CMD-SHELL", "curl -f http://x || wget -q http://x || exit 1"]),
        json!(["CMD-SHELL", "test -f /run/x"]),
    ] {
        assert!(check(test.clone()).is_empty(), "{test}");
    }
    let config = json!({ "Healthcheck": { "Test": ["CMD-SHELL", "curl x"] }, "Shell": ["/bin/bash", "-c"] });
    let expected = ["healthcheck-missing /bin/bash the health check starts this program, which is not in the image"];
    assert_eq!(told(config), expected);
}

#[test]
fn other_systems_are_left_alone() {
    assert_eq!(
        told_of(Image::new("windows/amd64").config(json!({ "Entrypoint": ["gone"] }))),
        [""; 0]
    );
}

#[test]
fn programs_of_macos_are_named() {
    for (bytes, expected) in [
        (&b"\xcf\xfa\xed\xfe\x07\0\0\x01"[..], true),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", true),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", false),
        (b"MZ", false),
    ] {
        assert_eq!(is_mach_o(bytes), expected);
    }
}

#[test]
fn the_last_line_of_a_script_of_ones_own_is_followed() {
    let with = |script: &str, cmd: &str| {
        let config = json!({ "Entrypoint": ["/entry.sh"], "Cmd": words(cmd), "WorkingDir": "/app" });
        told_of(image(config).own("entry.sh", 0o755, text(&format!("#!/bin/sh\nset -e\n{script}\n"))))
    };
    let missing = "entrypoint-missing /srv/server the entrypoint starts this program, which is not in the image";
    assert_eq!(with("exec \"$@\"", "/srv/server --port 80"), [missing]);
    assert_eq!(with("exec /srv/server --port 80", "x"), [missing]);
    assert_eq!(with("exec gosu app \"$@\"", "/srv/server"), [missing]);
    let missing = "entrypoint-missing /app/x.js the entrypoint runs this script with node, but it is not in the image";
    assert_eq!(with("exec \"$@\"", "node x.js"), [missing]);
    for (script, cmd) in [
        ("exec \"$@\"", "node dist/index.js"),
        ("exec \"$@\"", "./server"),
        ("set -- node \"$@\"\nexec \"$@\"", "gone"),
        ("export PATH=/srv:$PATH\nexec \"$@\"", "gone"),
        ("exec /proc/self/exe", "x"),
    ] {
        assert_eq!(with(script, cmd), [""; 0], "{script}");
    }
    let named = |argv: Value| {
        told_of(image(json!({ "Entrypoint": argv })).own("entry.sh", 0o644, text("exec /srv/server \"$@\"")))
    };
    let missing = "entrypoint-missing /srv/server the entrypoint starts this program, which is not in the image";
    assert_eq!(named(json!(["sh", "/entry.sh", "--port"])), [missing]);
}

#[test]
fn a_directory_is_no_script() {
    let with = |line: &str| {
        let config = json!({ "Entrypoint": words(line), "WorkingDir": "/app" });
        let image = ["java", "dotnet", "perl", "php", "ruby"]
            .into_iter()
            .fold(image(config), |image, name| {
                image.base(&format!("usr/bin/{name}"), 0o755, Thing::Elf(elf(None, &[])))
            });
        told_of(
            image
                .own("app.jar/crm-1.0.jar", 0o644, Thing::Unread(1))
                .own("x.dll/y", 0o644, Thing::Unread(1)),
        )
    };
    for (line, tool, path) in [
        ("java -jar /app.jar", "java", "/app.jar"),
        ("dotnet /x.dll", "dotnet", "/x.dll"),
        ("perl dist", "perl", "/app/dist"),
        ("php dist", "php", "/app/dist"),
        ("sh dist", "sh", "/app/dist"),
    ] {
        let expected =
            format!("entrypoint-missing {path} the entrypoint runs this path with {tool}, but it is a directory");
        assert_eq!(with(line), [expected], "{line}");
    }
    assert_eq!(with("ruby dist"), [""; 0]);
    let health = json!({ "Healthcheck": { "Test": ["CMD", "sh", "/app/dist"] } });
    let expected = "healthcheck-missing /app/dist the health check runs this path with sh, but it is a directory";
    assert_eq!(told(health), [expected]);
    let config = json!({ "Entrypoint": ["java", "-jar", "/app.jar"] });
    let image = image(config).base("usr/bin/java", 0o755, Thing::Elf(elf(None, &[])));
    let finding = image
        .own("app.jar/crm-1.0.jar", 0o644, Thing::Unread(1))
        .found(Code::EntrypointMissing)
        .remove(0);
    assert_eq!(
        finding.help,
        "use /app.jar/crm-1.0.jar, or pack that file as /app.jar: if `from` is a directory, it is packed as a directory"
    );
}

#[test]
fn scripts_of_packages_are_followed_to_their_programs() {
    let with = |line: &str, scripts: &str| {
        let config = json!({ "Entrypoint": words(line), "WorkingDir": "/app" });
        let image = ["npm", "pnpm", "yarn"].into_iter().fold(image(config), |image, name| {
            image.base(&format!("usr/bin/{name}"), 0o755, text("#!/usr/bin/env node\n"))
        });
        told_of(
            image
                .own("app/package.json", 0o644, text(&format!(r#"{{"scripts": {scripts}}}"#)))
                .own("app/node_modules/.bin/tool", 0o755, text("#!/usr/bin/env node\n")),
        )
    };
    let missing = "entrypoint-missing / the entrypoint starts \"next\", which is not on PATH";
    for line in ["npm start", "pnpm run start", "yarn start"] {
        assert_eq!(with(line, r#"{"start": "next start -p 3000"}"#), [missing], "{line}");
        assert_eq!(with(line, r#"{"start": "tool --port"}"#), [""; 0], "{line}");
    }
    let missing = "entrypoint-missing /app/x.js the entrypoint runs this script with node, but it is not in the image";
    assert_eq!(
        with("npm start", r#"{"start": "NODE_ENV=production node x.js"}"#),
        [missing]
    );
    assert_eq!(
        with("npm start", r#"{"start": "node x.js", "prestart": "npm run build"}"#),
        [""; 0]
    );
    assert_eq!(with("npm start", r#"{"start": "next start || node dist"}"#), [""; 0]);
}
