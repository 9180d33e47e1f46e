//! `ocitect check --compose`: the services that run the images of a spec or a workspace.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::refusal::{refused, refused_as};
use crate::support::{Outcome, Sandbox, tool};

/// A spec whose artifacts do not exist.
const SPEC: &str = "[image]\nname = \"ghcr.io/ws/api\"\ntags = [\"1.0\"]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n\
                    [[layers]]\nname = \"app\"\nfiles = [{ from = \"not/built/yet\", to = \"/app\" }]\n\
                    [config]\nenv = { MODE = \"fast\" }\nrequired-env = [\"TOKEN\", \"MODE\"]\n";

const COMPOSE: &str = "services:\n  api:\n    image: ghcr.io/ws/api:1.0\n    environment:\n      TOKEN: ${API_TOKEN}\n";

pub fn prepared(compose: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.spec(SPEC).write("compose.yaml", compose);
    sandbox
}

fn with_shell(sandbox: &Sandbox, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = sandbox.command(arguments);
    command.envs(variables.iter().copied());
    command
}

pub const CHECK: [&str; 3] = ["check", "--compose", "compose.yaml"];

/// Returns the blocks of a section of the guide, each with its language.
fn blocks(section: &str) -> Vec<(String, String)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/compose-kubernetes.md");
    let text = std::fs::read_to_string(page).unwrap();
    let section = text.split("\n## ").find(|part| part.starts_with(section)).unwrap();
    let blocks = section.split("\n```").skip(1).step_by(2);
    let split = |block: &str| {
        let (language, body) = block.split_once('\n').unwrap();
        (language.to_owned(), format!("{body}\n"))
    };
    blocks.map(split).collect()
}

#[test]
fn the_guide_shows_what_is_printed() {
    let blocks = blocks("Check the variables");
    let block = |language: &str| {
        let found = blocks.iter().find(|(known, _)| known == language);
        found.map(|(_, body)| body.clone()).unwrap()
    };
    let sandbox = Sandbox::new();
    sandbox.write("ocitect.toml", block("toml"));
    sandbox.write("compose.yaml", block("yaml"));
    sandbox.write(".env", block("sh"));
    let console = block("console");
    let (command, output) = console.split_once('\n').unwrap();
    let arguments: Vec<&str> = command.split_whitespace().skip(2).collect();
    let outcome = sandbox.run(&arguments).expect(3);
    assert_eq!(outcome.stdout, output);
    let errors = "error: the check found 1 error\nhelp: fix each error, or ignore a finding with `allow` in the spec's [check]\n";
    assert_eq!(outcome.stderr, errors);
}

#[test]
fn variables_come_from_the_shell_then_the_env_file_and_nothing_needs_to_be_built() {
    let sandbox = prepared(COMPOSE);
    let checked = "checked service api: ghcr.io/ws/api:1.0, 2 required variables\n";
    let unset = sandbox.run(&CHECK).expect(3).stdout;
    assert!(
        unset.contains("error[missing-variable]: service api: ") && unset.contains("compose.yaml:5:14"),
        "{unset}"
    );
    let from = |variables: &[(&str, &str)], arguments: &[&str]| {
        Outcome::of(with_shell(&sandbox, &[&CHECK[..], arguments].concat(), variables))
    };
    assert_eq!(
        from(&[("API_TOKEN", "x")], &[]).expect(0).stdout,
        format!("{checked}0 errors, 0 warnings\n")
    );
    sandbox
        .write(".env", "API_TOKEN=x\n")
        .write("empty.env", "API_TOKEN=\n")
        .write("set.env", "API_TOKEN=y\n");
    from(&[], &[]).expect(0);
    from(&[("API_TOKEN", "")], &[]).expect(3);
    // A given file replaces .env; the later one counts.
    from(&[], &["--env-file", "empty.env"]).expect(3);
    from(&[], &["--env-file", "empty.env", "--env-file", "set.env"]).expect(0);
    from(&[], &["--env-file", "set.env", "--env-file", "empty.env"]).expect(3);
    from(&[("API_TOKEN", "x")], &["--env-file", "empty.env"]).expect(0);
    assert!(!sandbox.path("ocitect.lock").exists() && !sandbox.path("build").exists());
}

#[test]
fn env_files_are_beside_the_first_compose_file() {
    let sandbox = Sandbox::new();
    sandbox.spec(SPEC);
    sandbox.write(
        "deploy/compose.yaml",
        "services:\n  api:\n    image: ghcr.io/ws/api:1.0\n    env_file: [api.env]\n",
    );
    sandbox.write("other/later.yaml", "services:\n  api:\n    env_file: [later.env]\n");
    sandbox
        .write("deploy/.env", "API_TOKEN=x\n")
        .write("deploy/api.env", "TOKEN=<$API_TOKEN>\n");
    sandbox.ok(&["check", "--compose", "deploy/compose.yaml"]);
    let both = [
        "check",
        "--compose",
        "deploy/compose.yaml",
        "--compose",
        "other/later.yaml",
    ];
    let missing = sandbox.run(&both).expect(3).stdout;
    assert!(
        missing.contains("env file deploy/later.env does not exist"),
        "{missing}"
    );
    assert!(missing.contains("--> other/later.yaml:3:16"), "{missing}");
    sandbox.write("deploy/later.env", "TOKEN=\n");
    let empty = sandbox.run(&both).expect(3).stdout;
    assert!(
        empty.contains("error[missing-variable]") && empty.contains("--> deploy/later.env:1\n"),
        "{empty}"
    );
}

#[test]
fn json_has_every_finding_with_its_place() {
    let sandbox = prepared(COMPOSE);
    let report = |arguments: &[&str]| -> Value {
        let outcome = sandbox.run(&[&CHECK[..], &["--json"], arguments].concat()).expect(3);
        serde_json::from_str(&outcome.stdout).unwrap()
    };
    let found = report(&[]);
    let expected = json!({
        "version": 1,
        "findings": [{
            "code": "missing-variable",
            "severity": "error",
            "service": "api",
            "member": null,
            "platforms": ["linux/amd64", "linux/arm64"],
            "file": "compose.yaml",
            "line": 5,
            "column": 14,
            "message": "the image requires environment variable TOKEN, which is set to an empty string: API_TOKEN is not set",
            "help": "set API_TOKEN in the shell, or in a file .env beside the first compose file",
        }],
        "errors": 1,
        "warnings": 0,
        "allowed": 0,
        "services": [{ "service": "api", "image": "ghcr.io/ws/api:1.0", "member": null, "required": 2 }],
        "notes": [],
    });
    assert_eq!(found, expected);
    assert_eq!(
        report(&["--platform", "linux/arm64"])["findings"][0]["platforms"],
        json!(["linux/arm64"])
    );
}

/// Writes a workspace of a base, which requires a variable, and two members on it.
fn workspace() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.spec(
        "[workspace]\nmembers = [\"base\", \"api\", \"web\"]\n[defaults.image]\nplatforms = [\"linux/amd64\"]\ntags = [\"1.0\"]\n",
    );
    let spec =
        |name: &str, base: &str, rest: &str| format!("format = 1\n[image]\nname = \"ghcr.io/ws/{name}\"\n{base}{rest}");
    let member = "base = \"workspace:base\"\n";
    sandbox.write(
        "base/ocitect.toml",
        spec("base", "", "[config]\nrequired-env = [\"TOKEN\"]\n"),
    );
    sandbox.write(
        "api/ocitect.toml",
        spec("api", member, "[check]\nallow = [\"missing-variable:/\"]\n"),
    );
    sandbox.write(
        "web/ocitect.toml",
        spec("web", member, "[check]\ndeny = [\"unset-interpolation\"]\n"),
    );
    sandbox
}

#[test]
fn members_inherit_what_their_base_requires_and_have_their_own_policies() {
    let sandbox = workspace();
    sandbox.write(
        "compose.yaml",
        "services:\n  api:\n    image: ghcr.io/ws/api:1.0\n  web:\n    image: ghcr.io/ws/web:1.0\n    environment: [TOKEN=x]\n    \
         command: ${NO}\n",
    );
    let outcome = sandbox.run(&[&CHECK[..], &["--json"]].concat()).expect(3);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["allowed"], 1, "{report}");
    assert_eq!(report["services"][0]["member"], "api");
    assert_eq!(report["services"][0]["required"], 1);
    let finding = &report["findings"][0];
    assert_eq!(finding["code"], "unset-interpolation");
    assert_eq!(finding["member"], "web");
    assert_eq!(finding["severity"], "error");
    // A member's own directory is for the whole workspace too.
    let from_member = sandbox
        .run(&["check", "web", "--compose", "compose.yaml", "--json"])
        .expect(3);
    assert_eq!(from_member.stdout, outcome.stdout);
    // What only this check finds is not called unused by the other one.
    let images = sandbox.run(&["check", "-p", "api"]);
    assert!(!images.stdout.contains("unused-allow"), "{}", images.stdout);
    let service = |name: &str| sandbox.run(&[&CHECK[..], &["--service", name]].concat());
    service("api").expect(0);
    service("web").expect(3);
    service("wep")
        .expect(2)
        .says(&["no service has the name \"wep\"", "help: did you mean web?"]);
}

#[test]
fn the_config_of_a_base_image_counts_and_no_layer_of_it_is_read() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "x");
    sandbox.write(
        "base/ocitect.toml",
        "format = 1\n[image]\nplatforms = [\"linux/amd64\"]\nmedia-types = \"docker\"\n[[layers]]\nname = \"app\"\nfiles = [{ from = \
         \"../file\", to = \"/app/file\" }]\n[config]\nenv = { MODE = \"fast\" }\nrequired-env = [\"MODE\", \"TOKEN\"]\n\
         healthcheck = { test = [\"CMD\", \"/app/file\"] }\n[check]\nallow = [\"*:/**\"]\n",
    );
    sandbox.ok(&["build", "base", "-o", "oci:layout"]);
    let spec = "[image]\nname = \"ghcr.io/ws/api\"\ntags = [\"1.0\"]\nbase = \"oci:layout\"\nplatforms = [\"linux/amd64\"]\n\
                media-types = \"docker\"\n[config]\n";
    sandbox.spec(&format!("{spec}env = {{ MODE = \"${{base.MODE}}er\" }}\n"));
    for layer in crate::support::files_below(&sandbox.path("layout/blobs")) {
        let is_layer = !std::fs::read(&layer).unwrap().starts_with(b"{");
        if is_layer {
            std::fs::remove_file(layer).unwrap();
        }
    }
    let waiting =
        format!("{COMPOSE}  web:\n    image: redis\n    depends_on: {{ api: {{ condition: service_healthy }} }}\n");
    sandbox.write("compose.yaml", &waiting);
    let found = || {
        let mut command = with_shell(&sandbox, &[&CHECK[..], &["--json", "--offline"]].concat(), &[]);
        command.env("OCITECT_CACHE_DIR", sandbox.path("other-cache"));
        let report: Value = serde_json::from_str(&Outcome::of(command).expect(3).stdout).unwrap();
        let codes = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["code"].clone());
        codes.collect::<Vec<_>>()
    };
    assert_eq!(found(), ["missing-variable"]);
    sandbox.spec(&format!("{spec}healthcheck = false\nenv = {{ MODE = false }}\n"));
    assert_eq!(found(), ["missing-variable", "missing-variable", "no-health-check"]);
}

#[test]
fn a_check_without_a_members_image_fails_and_names_what_there_is() {
    let sandbox = prepared("services:\n  db:\n    image: postgres:16\n  cache:\n    image: redis\n");
    let words = [
        "no service runs an image of .: the services run postgres:16, redis",
        "help: use the `name` in [image]",
    ];
    refused(&sandbox, &CHECK, 2, &words);
    let nameless = prepared(COMPOSE);
    nameless.spec("[image]\nplatforms = [\"linux/amd64\"]\n");
    refused(
        &nameless,
        &CHECK,
        2,
        &["the image of . has no name", "help: set `name` in [image]"],
    );
    refused(
        &sandbox,
        &["check", "oci:x", "--compose", "compose.yaml"],
        2,
        &["an image is given"],
    );
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let sandbox = prepared(COMPOSE);
    for option in [
        &["--sarif"][..],
        &["--codes"],
        &["-p", "x"],
        &["--exclude", "x"],
        &["--with-dependents"],
    ] {
        refused(&sandbox, &[&CHECK[..], option].concat(), 2, &["cannot be used with"]);
    }
    refused(&sandbox, &["check", "--service", "api"], 2, &["--compose"]);
}

#[test]
fn malformed_compose_files_are_shown_with_a_caret() {
    for (text, words) in [
        (
            "services:\n  api:\n    environment: [TOKEN=${TOKEN:?x}]\n",
            &["--> compose.yaml:3:", "put quotes around the value"][..],
        ),
        (
            "services:\n  api:\n    image: a\n    image: b\n",
            &[
                "the key \"image\" occurs twice",
                "--> compose.yaml:4:5",
                "4 |     image: b",
                "^^^^^",
            ],
        ),
        (
            "services:\n  api:\n    command: echo ${HOME\n",
            &[
                "`${` is not closed by `}`",
                "--> compose.yaml:3:19",
                "help: add the closing }",
            ],
        ),
        ("services: [\n", &["invalid YAML", "--> compose.yaml:"]),
        ("kind: Deployment\n", &["the file has no `services`"]),
        ("", &["the file has no `services`"]),
        ("\u{0}", &["compose.yaml:1:"]),
    ] {
        refused(&prepared(text), &CHECK, 2, words);
    }
}

#[test]
fn files_that_are_no_text_are_refused() {
    let large = "# x\n".repeat(300_000);
    for (text, words) in [
        (&b"services:\n  a: \xff\n"[..], &["compose.yaml is not UTF-8"][..]),
        (b"\xff\xfes\0e\0", &["compose.yaml is not UTF-8"]),
        (large.as_bytes(), &["compose.yaml has more than 1048576 bytes"]),
    ] {
        let sandbox = prepared(COMPOSE);
        sandbox.write("compose.yaml", text);
        refused(&sandbox, &CHECK, 2, words);
    }
    let sandbox = prepared(COMPOSE);
    refused(
        &sandbox,
        &["check", "--compose", "no.yaml"],
        2,
        &["compose file no.yaml does not exist"],
    );
    refused(
        &sandbox,
        &["check", "--compose", "home"],
        2,
        &["cannot read home", "found a directory"],
    );
    tool("mkfifo", &[sandbox.path("pipe")]);
    refused(
        &sandbox,
        &["check", "--compose", "pipe"],
        2,
        &["cannot read pipe", "found a fifo"],
    );
    refused(
        &sandbox,
        &[&CHECK[..], &["--env-file", "no.env"]].concat(),
        2,
        &["env file no.env does not exist"],
    );
}

#[test]
fn env_files_that_cannot_be_read_are_refused_and_never_shown() {
    let large = "A=b\n".repeat(300_000);
    for (text, words) in [
        (&b"A=hunter2\nB=\xff\n"[..], &["is not UTF-8"][..]),
        (large.as_bytes(), &["has more than 1048576 bytes"]),
        (b"A=1\nB hunter2\n", &[":2: the line has no ="]),
        (b"A=\"hunter2\n", &[":1: unterminated quote"]),
        (b"A=hunter2${\n", &[":1: `${` is not closed by `}`"]),
    ] {
        for (file, arguments) in [
            (".env", &[][..]),
            ("given.env", &["--env-file", "given.env"]),
            ("api.env", &[]),
        ] {
            let sandbox = prepared(&format!("{COMPOSE}    env_file: api.env\n"));
            sandbox.write("api.env", "").write(file, text);
            let outcome = refused(&sandbox, &[&CHECK[..], arguments].concat(), 2, words);
            assert!(
                outcome.stderr.contains(file) && !outcome.stderr.contains("hunter2"),
                "{}",
                outcome.stderr
            );
        }
    }
}

#[test]
fn an_env_file_may_be_a_pipe() {
    let sandbox = prepared(COMPOSE);
    let mut command = Command::new("bash");
    let line = format!(
        "exec {} check --compose compose.yaml --env-file <(echo API_TOKEN=x)",
        env!("CARGO_BIN_EXE_ocitect")
    );
    command.args(["-c", &line]).current_dir(sandbox.root());
    command
        .env("HOME", sandbox.path("home"))
        .env("OCITECT_CACHE_DIR", sandbox.path("cache"))
        .env_remove("API_TOKEN");
    Outcome::of(command).expect(0);
}

#[test]
fn bombs_end_quickly_with_an_error() {
    let mut aliases = "x0: &x0 [a, b]\n".to_owned();
    for at in 1..64 {
        aliases.push_str(&format!("x{at}: &x{at} [*x{0}, *x{0}]\n", at - 1));
    }
    aliases.push_str(COMPOSE);
    refused(&prepared(&aliases), &CHECK, 2, &["aliases make more than"]);
    let nested = format!("services:\n  api:\n    command: '{}'\n", "${A:-".repeat(50_000));
    refused(&prepared(&nested), &CHECK, 2, &["nested more than 32 levels deep"]);
    let deep = format!("services:\n  api: {}\n", "[".repeat(100_000));
    refused(&prepared(&deep), &CHECK, 2, &["levels deep"]);
    let growing: String = (1..64)
        .map(|at| format!("A{at}=${{A{0}}}${{A{0}}}\n", at - 1))
        .collect();
    let sandbox = prepared(COMPOSE);
    sandbox.write(".env", format!("A0=xxxxxxxx\n{growing}"));
    refused(&sandbox, &CHECK, 2, &["the value has more than 131072 bytes"]);
    let many: String = (0..30).map(|at| format!("      A{at}: ${{NO{at}}}\n")).collect();
    let sandbox = prepared(&format!("{COMPOSE}{many}"));
    let outcome = Outcome::of(with_shell(&sandbox, &CHECK, &[("API_TOKEN", "x")])).expect(0);
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    let first = "warning[unset-interpolation]: compose.yaml:6:11: service api: variable NO0 is not set, and an empty string is \
                 used instead";
    assert_eq!((lines[0], lines.len()), (first, 32));
}

#[test]
fn an_invalid_line_on_the_command_line_changes_nothing() {
    let sandbox = prepared(COMPOSE);
    let command = with_shell(
        &sandbox,
        &[&CHECK[..], &["--set", "X=1"]].concat(),
        &[("API_TOKEN", "x")],
    );
    refused_as(&sandbox, command, 2, &["--set"]);
}
