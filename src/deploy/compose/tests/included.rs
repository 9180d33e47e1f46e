//! `include`, `extends` with `file`, and circles.

use super::{Input, UNREADABLE};

/// A file that includes another one.
const MAIN: &str = "include: [db/compose.yaml]\nservices:\n  web:\n    image: redis\n    depends_on: [api]\n";

/// The service of the member, with further lines.
fn api(lines: &str) -> String {
    let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!("services:\n  api:\n    image: ghcr.io/ws/api:1.0\n{indented}")
}

#[test]
fn services_of_included_files_are_checked() {
    let found = |lines: &str| Input::new(MAIN).other("ws/db/compose.yaml", &api(lines)).findings();
    assert_eq!(found("environment: [TOKEN=x]"), [""; 0]);
    let missing = "error[missing-variable] ws/db/compose.yaml:3:12 api: the image requires environment variable TOKEN, \
                   which is not set";
    assert_eq!(found(""), [missing]);
    // A dependency may be in any file.
    let none = Input::new(MAIN)
        .other("ws/db/compose.yaml", "services: { x: { image: redis } }")
        .findings();
    assert!(
        none[0].starts_with("error[dependency-missing] ws/compose.yaml:5:18 web: "),
        "{none:?}"
    );
    // A file that has nothing else.
    let only = Input::new("include: [a.yaml]\n").other("ws/a.yaml", &api("environment: [TOKEN=x]"));
    assert_eq!(only.report().1.checked.len(), 1);
    let nested = Input::new("include: [a/b.yaml]\n")
        .other("ws/a/b.yaml", "include: [../c/d.yaml]")
        .other("ws/c/d.yaml", &api(""));
    assert!(
        nested.findings()[0].contains("ws/c/d.yaml:3:12"),
        "{:?}",
        nested.findings()
    );
}

#[test]
fn paths_are_relative_to_the_directory_of_the_include() {
    let text = api("env_file: a.env");
    let paths = |include: &str| {
        let input = Input::new(&format!("include:\n  - {include}\n")).other("ws/db/compose.yaml", &text);
        let stack = input.read().1.unwrap();
        let paths = stack.env_files().into_iter().map(|path| path.display().to_string());
        paths.collect::<Vec<_>>()
    };
    assert_eq!(paths("db/compose.yaml"), ["ws/db/a.env"]);
    assert_eq!(paths("{ path: db/compose.yaml }"), ["ws/db/a.env"]);
    assert_eq!(paths("{ path: ./db/compose.yaml, project_directory: . }"), ["ws/a.env"]);
    assert_eq!(
        paths("{ path: [db/compose.yaml], project_directory: ../x }"),
        ["x/a.env"]
    );
    let several = Input::new("include: [{ path: [db/compose.yaml, over/b.yaml] }]\n")
        .other("ws/db/compose.yaml", &text)
        .other(
            "ws/over/b.yaml",
            "services:\n  api:\n    env_file: [b.env]\n    environment: [TOKEN=x]\n",
        )
        .text("db/a.env", Some(""))
        .text("db/b.env", Some(""));
    assert_eq!(several.findings(), [""; 0]);
    // An included file includes from the directory of its project.
    let nested = Input::new("include: [{ path: a/b.yaml, project_directory: p }]\n")
        .other("ws/a/b.yaml", "include: [c.yaml]")
        .other("ws/p/c.yaml", &text);
    let stack = nested.read().1.unwrap();
    assert!(stack.env_files().contains(std::path::Path::new("ws/p/a.env")));
}

#[test]
fn variables_of_an_include_are_those_of_all_and_then_of_its_own_file() {
    let text = api("environment:\n  TOKEN: ${API}");
    let input = || Input::new("include: [db/compose.yaml]\n").other("ws/db/compose.yaml", &text);
    let empty = "error[missing-variable] ws/db/compose.yaml:5:14 api: the image requires environment variable TOKEN, which \
                 is set to an empty string: API is not set";
    assert_eq!(input().findings(), [empty]);
    assert_eq!(input().env("API=x").findings(), [""; 0]);
    assert_eq!(input().other("ws/db/.env", "API=x").findings(), [""; 0]);
    // What the including file has takes precedence.
    let state = |input: Input| input.findings().len();
    assert_eq!(state(input().other("ws/db/.env", "API=x").env("API=")), 1);
    assert_eq!(state(input().other("ws/db/.env", "API=").env("API=x")), 0);
    assert_eq!(state(input().other("ws/db/.env", "API=x").shell("API", "")), 1);
    let with = |env_file: &str| {
        Input::new(&format!(
            "include: [{{ path: db/compose.yaml, env_file: {env_file} }}]\n"
        ))
        .other("ws/db/compose.yaml", &text)
        .other("ws/db/.env", "API=x")
        .other("ws/one.env", "API=one")
        .other("ws/none.env", "API=")
    };
    assert_eq!(state(with("one.env")), 0);
    assert_eq!(state(with("none.env")), 1, "the default is not read");
    assert_eq!(state(with("[none.env, one.env]")), 0, "the later one counts");
    assert_eq!(state(with("[one.env, none.env]")), 1);
    assert_eq!(state(with("/dev/null")), 1, "no file at all");
    // A name alone takes its value from there, too.
    let named = |env: &str| {
        let text = api("environment: [TOKEN]");
        Input::new("include: [db/compose.yaml]\n")
            .other("ws/db/compose.yaml", &text)
            .other("ws/db/.env", env)
    };
    assert_eq!(state(named("TOKEN=x")), 0);
    assert_eq!(state(named("")), 1);
    assert_eq!(state(named("TOKEN=x").shell("TOKEN", "")), 1);
    // Compose looks only at names in a list, and in what it merges to one.
    let mapped = |lines: &str| {
        let text = api("environment: { TOKEN: }");
        let main = Input::new("include: [db/compose.yaml]\n").other("ws/db/.env", "TOKEN=x");
        main.other(
            "ws/db/compose.yaml",
            &format!("{text}{lines}  base:\n    environment: {{ A: b }}\n"),
        )
    };
    assert_eq!(state(mapped("")), 1);
    assert_eq!(state(mapped("    extends: base\n")), 0);
    // Nothing of it reaches the including file.
    let other = Input::new(&format!("include: [db/compose.yaml]\n{text}"))
        .other("ws/db/compose.yaml", "services: { x: { image: redis } }")
        .other("ws/db/.env", "API=x\nB=$NO");
    let findings = other.findings();
    assert!(findings[0].contains("API is not set"), "{findings:?}");
    assert!(
        findings[1].starts_with("warning[unset-interpolation] ws/db/.env:2 -: "),
        "{findings:?}"
    );
}

#[test]
fn a_service_is_defined_once() {
    let conflict = |place: &str, file: &str| {
        format!("ws/compose.yaml:{place}: service api is also defined in {file}, which is included")
    };
    let both = Input::new(&format!("include: [a.yaml]\n{}", api(""))).other("ws/a.yaml", &api(""));
    assert_eq!(both.error(), conflict("3:3", "ws/a.yaml"));
    let two = Input::new("include: [a.yaml, b.yaml]\n")
        .other("ws/a.yaml", &api(""))
        .other("ws/b.yaml", &api(""));
    assert_eq!(two.error(), conflict("1:19", "ws/a.yaml"));
    // One file may be reached on several ways.
    let diamond = Input::new("include: [a.yaml, b.yaml]\n")
        .other("ws/a.yaml", "include: [c.yaml]")
        .other("ws/b.yaml", "include: [./c.yaml]")
        .other("ws/c.yaml", &api("profiles: [x]\ncommand: $NO\nenvironment: [TOKEN=x]"));
    let found = diamond.findings();
    assert_eq!(found.len(), 2, "each once: {found:?}");
    let moved = Input::new("include: [a.yaml, { path: a.yaml, project_directory: x }]\n")
        .other("ws/a.yaml", &api("env_file: a.env"));
    assert_eq!(moved.error(), conflict("1:19", "ws/a.yaml"));
    // Another file of the command line is merged, and an own service may be without the included one.
    let later = Input::new("include: [a.yaml]\n")
        .other("ws/a.yaml", &api(""))
        .file("ws/later.yaml", "services: { api: { environment: [TOKEN=x] } }");
    assert_eq!(later.findings(), [""; 0]);
    let reset = Input::new("include: [a.yaml]\nservices: { api: !reset null, x: { image: redis } }\n")
        .other("ws/a.yaml", &api(""));
    assert_eq!(reset.findings(), [""; 0]);
}

#[test]
fn services_of_other_files_are_extended() {
    let main = |lines: &str| {
        format!(
            "services:\n  api:\n    image: ghcr.io/ws/api:1.0\n    extends: {{ file: x/base.yaml, service: base }}\n{lines}"
        )
    };
    let base = |lines: &str| format!("services:\n  base:\n    image: redis\n{lines}  other:\n    command: $NO\n");
    let found = |lines: &str, more: &str| Input::new(&main(lines)).other("ws/x/base.yaml", &base(more)).findings();
    assert_eq!(
        found("", "    environment: [TOKEN=x]\n"),
        [""; 0],
        "what others have does not matter"
    );
    assert_eq!(
        found("    environment: [TOKEN=x]\n", "    environment: [TOKEN=]\n"),
        [""; 0]
    );
    let empty = "error[missing-variable] ws/x/base.yaml:4:19 api: the image requires environment variable TOKEN, which is \
                 set to an empty string";
    assert_eq!(found("", "    environment: [TOKEN=]\n"), [empty]);
    let unset = "error[unset-interpolation] ws/x/base.yaml:4:26 -: variable NO is not set, and is part of TOKEN, which the \
                 image requires";
    assert_eq!(found("", "    environment: [TOKEN=a$NO]\n"), [unset]);
    // Paths are relative to the file that names them.
    let input = Input::new(&main(""))
        .other(
            "ws/x/base.yaml",
            "services:\n  base:\n    extends: { file: ../y/more.yaml, service: more }\n    env_file: a.env\n",
        )
        .other(
            "ws/y/more.yaml",
            "services:\n  more:\n    extends: most\n    env_file: b.env\n  most:\n    env_file: c.env\n",
        )
        .text("x/a.env", Some("TOKEN=x"))
        .text("y/b.env", Some("TOKEN="))
        .text("y/c.env", Some(""));
    assert_eq!(input.findings(), [""; 0]);
    let dependency = found("    environment: [TOKEN=x]\n", "    depends_on: [no]\n");
    assert!(
        dependency[0].starts_with("error[dependency-missing] ws/x/base.yaml:4:18 api: "),
        "{dependency:?}"
    );
    // Compose replaces the variables of the whole file.
    let refused = found("    environment: [TOKEN=x]\n", "  unused:\n    image: ${NO:?}\n");
    assert!(
        refused[0].starts_with("error[unset-interpolation] ws/x/base.yaml:5:12 -: Compose refuses"),
        "{refused:?}"
    );
    let profiles = found("    environment: [TOKEN=x]\n", "    profiles: [x]\n");
    assert!(
        profiles[0].starts_with("warning[not-evaluated] ws/x/base.yaml:4:15 -: "),
        "{profiles:?}"
    );
    // An included service may be extended, and a file is read once for all of its services.
    let included = Input::new("include: [a.yaml]\nservices:\n  web:\n    extends: api\n")
        .other("ws/a.yaml", &api("environment: [TOKEN=x]"));
    assert_eq!(included.report().1.checked.len(), 2);
    let documents = Input::new(&main("")).other(
        "ws/x/base.yaml",
        "services: { base: { environment: [TOKEN=] } }\n---\nservices: { base: { environment: [TOKEN=x] } }\n",
    );
    assert_eq!(documents.findings(), [""; 0]);
}

#[test]
fn what_is_included_or_extended_must_be_readable() {
    let including = |include: &str| {
        let input = Input::new(&format!("include: {include}\nservices: {{ a: {{ image: x }} }}\n"));
        input
            .other("ws/good.yaml", "services: { b: { image: x } }")
            .other("ws/dir", UNREADABLE)
            .other("ws/bad.yaml", "services: [\n")
            .other("ws/bad.env", "A\"")
            .error()
    };
    for (include, expected) in [
        ("[no.yaml]", "ws/compose.yaml:1:11: file ws/no.yaml does not exist"),
        (
            "[{ path: [bad.yaml, no.yaml] }]",
            "ws/compose.yaml:1:30: file ws/no.yaml does not exist",
        ),
        ("[dir]", "ws/compose.yaml:1:11: cannot read ws/dir: it is a directory"),
        ("[bad.yaml]", "ws/bad.yaml:"),
        ("x.yaml", "ws/compose.yaml:1:10: expected a list of files to include"),
        ("[[a]]", "ws/compose.yaml:1:11: expected text"),
        (
            "[{ env_file: x }]",
            "ws/compose.yaml:1:11: an item of `include` does not name a file",
        ),
        (
            "[{ path: good.yaml, file: x }]",
            "ws/compose.yaml:1:30: unknown key \"file\" in `include`",
        ),
        (
            "[{ path: bad.yaml, env_file: no.env }]",
            "ws/compose.yaml:1:39: file ws/no.env does not exist",
        ),
        (
            "[{ path: bad.yaml, env_file: bad.env }]",
            "ws/compose.yaml:1:39: ws/bad.env:1: ",
        ),
        (
            "[{ path: bad.yaml, env_file: dir }]",
            "ws/compose.yaml:1:39: cannot read ws/dir",
        ),
    ] {
        let error = including(include);
        assert!(error.starts_with(expected), "{include}: {error}");
    }
    let extending = |extends: &str| {
        let input = Input::new(&format!("services: {{ a: {{ image: x, extends: {extends} }} }}\n"));
        input
            .other("ws/b.yaml", "services: { base: { image: x } }")
            .other("ws/c.yaml", "x-y: z")
            .other("ws/d.yaml", "secret: x")
            .other("ws/e.yaml", "services: [\n")
            .error()
    };
    for (extends, expected) in [
        ("{ file: no.yaml, service: x }", "1:45: file ws/no.yaml does not exist"),
        (
            "{ file: b.yaml, service: bas }",
            "1:62: `extends` names no service of the other file: \"bas\"",
        ),
        (
            "{ file: c.yaml, service: x }",
            "1:62: `extends` names no service of the other file: \"x\"",
        ),
        ("{ file: b.yaml }", "1:37: `extends` does not name a service"),
        (
            "{ file: d.yaml, service: x }",
            "1:45: ws/d.yaml:1:1: this is not a compose file",
        ),
    ] {
        let error = extending(extends);
        assert!(!error.contains(" more)"), "{extends}: {error}");
        assert!(
            error.contains(&format!("ws/compose.yaml:{expected}")),
            "{extends}: {error}"
        );
    }
    let malformed = extending("{ file: e.yaml, service: x }");
    assert!(
        malformed.starts_with("ws/e.yaml:") && !malformed.contains(" more)"),
        "{malformed}"
    );
}

#[test]
fn circles_are_named() {
    let include = Input::new("include: [a.yaml]\n")
        .other("ws/a.yaml", "include: [sub/b.yaml]\n")
        .other(
            "ws/sub/b.yaml",
            "services: { x: { image: y } }\ninclude:\n  - ../a.yaml\n",
        );
    let ring = "files include each other in a circle: ws/a.yaml \u{2192} ws/sub/b.yaml \u{2192} ws/a.yaml";
    assert_eq!(include.error(), format!("ws/sub/b.yaml:3:5: {ring}"));
    let itself = Input::new("include: [./compose.yaml]\n").error();
    assert!(
        itself.ends_with("in a circle: ws/compose.yaml \u{2192} ws/compose.yaml"),
        "{itself}"
    );
    let extends = "services:\n  c: { extends: b }\n  b: { extends: a }\n  a: { extends: c }\n  d: { extends: c }\n";
    assert_eq!(
        Input::new(extends).error(),
        "ws/compose.yaml:4:17: services extend each other in a circle: a \u{2192} c \u{2192} b \u{2192} a"
    );
    let files = Input::new("services: { a: { extends: { file: b.yaml, service: b } } }\n")
        .other(
            "ws/b.yaml",
            "services: { b: { extends: { file: compose.yaml, service: a } } }\n",
        )
        .other("ws/compose.yaml", "");
    assert!(
        files.error().ends_with("in a circle: a \u{2192} b \u{2192} a"),
        "{}",
        files.error()
    );
    let same_name = Input::new("services: { a: { extends: { file: b.yaml, service: a } } }\n")
        .other("ws/b.yaml", "services: { a: { image: redis } }\n");
    assert_eq!(same_name.findings(), [""; 0]);
    let depends = "services:\n  a: { image: x, depends_on: [b] }\n  b: { image: x, depends_on: { c: { condition: service_healthy } } }\n  \
                   c: { image: x, depends_on: [d, b] }\n  d: { image: x }\n";
    assert_eq!(
        Input::new(depends).error(),
        "ws/compose.yaml:3:48: services depend on each other in a circle: b \u{2192} c \u{2192} b"
    );
    let itself = Input::new("services: { a: { image: x, depends_on: [a] } }\n").error();
    assert!(itself.ends_with("in a circle: a \u{2192} a"), "{itself}");
    let open = Input::new("services: { a: { image: x, depends_on: [no] } }\n");
    assert_eq!(open.findings().len(), 1, "what is missing is no circle");
}

#[test]
fn many_files_are_bounded() {
    let chain = |count: usize| {
        let mut input = Input::new("include: [f0]\n");
        for at in 0..count {
            input = input.other(&format!("ws/f{at}"), &format!("include: [f{}]", at + 1));
        }
        input.other(&format!("ws/f{count}"), &api("environment: [TOKEN=x]"))
    };
    assert_eq!(chain(31).findings(), [""; 0]);
    assert!(
        chain(32)
            .error()
            .contains("files are included more than 32 levels deep"),
        "{}",
        chain(32).error()
    );
    // Each file includes the next one twice.
    let mut input = Input::new("include: [f0]\n");
    for at in 0..20 {
        input = input.other(&format!("ws/f{at}"), &format!("include: [f{0}, f{0}]", at + 1));
    }
    let error = input.other("ws/f20", "services: { x: { image: y } }").error();
    assert!(error.contains("more than 100 files"), "{error}");
    let large = format!("services: {{ x: {{ image: y }} }}\n{}", "# x\n".repeat(250_000));
    let many: String = (0..20).map(|_| "f, ".to_owned()).collect();
    let error = Input::new(&format!("include: [{many}]\n"))
        .other("ws/f", &large)
        .error();
    assert!(error.contains("more than 16777216 bytes together"), "{error}");
    let extending: String = (0..40)
        .map(|at| format!("  s{at}: {{ extends: s{} }}\n", at + 1))
        .collect();
    let error = Input::new(&format!("services:\n{extending}  s40: {{ image: x }}\n")).error();
    assert!(error.contains("more than 32 services extend each other"), "{error}");
    // What is extended is copied.
    let variables: String = (0..1000).map(|at| format!("      A{at}: x\n")).collect();
    let services: String = (0..900).map(|at| format!("  s{at}: {{ extends: base }}\n")).collect();
    let error = Input::new(&format!("services:\n  base:\n    environment:\n{variables}{services}")).error();
    assert!(error.contains("all values have more than 4194304 bytes"), "{error}");
}
