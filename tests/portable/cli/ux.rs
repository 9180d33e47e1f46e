//! The output that a person sees, and the output that a script relies on.

use std::fs::File;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Outcome, Sandbox, tool};

const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/hello");

const COMMANDS: [&str; 16] = [
    "init",
    "build",
    "lock",
    "update",
    "outdated",
    "cache",
    "check",
    "push",
    "copy",
    "inspect",
    "ls",
    "login",
    "logout",
    "schema",
    "completions",
    "man",
];

/// First character of a terminal's escape codes.
const ESCAPE: char = '\u{1b}';

#[test]
fn stdout_holds_the_result_alone() {
    let sandbox = Sandbox::new();
    let built = sandbox.ok(&["build", HELLO, "-t", "example.com/me/hello:1"]);
    assert_eq!(built.stdout, format!("example.com/me/hello@{}\n", built.digest()));
    for text in [
        "linux/amd64",
        "linux/arm64",
        "program",
        "packed",
        "total",
        "of 100.0 kB (max-size)",
        "tags 1",
    ] {
        assert!(built.stderr.contains(text), "{text} in\n{}", built.stderr);
    }
    let copied = sandbox.ok(&["copy", "oci:build/oci", "oci:copy"]);
    assert_eq!(copied.stdout, format!("@{}\n", built.digest()));
    let failed = sandbox.run(&["inspect", "oci:nowhere"]).expect(6);
    assert_eq!(failed.stdout, "");
}

#[test]
fn a_copy_names_what_it_writes_and_its_tags() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["build", HELLO]);
    sandbox.ok(&["copy", "oci:build/oci", "oci:copy:x"]).says(&[
        "copied config for linux/amd64 (",
        "copied layer for linux/arm64 (",
        "copied manifest for linux/arm64 (",
        "oci:copy:x: tags x\n",
    ]);
}

#[test]
fn sizes_of_a_build_are_in_one_column() {
    let sandbox = Sandbox::new();
    sandbox.write("f", "content");
    sandbox.spec(
        "[image]\nplatforms = [\"linux/amd64\"]\n[[layers]]\nname = \"app\"\nfiles = [{ from = \"f\", to = \"/\" }]\n",
    );
    let built = sandbox.ok(&["build"]);
    let column = |start: &str| {
        let line = built.stderr.lines().find(|line| line.starts_with(start));
        line.and_then(|line| line.find(" B"))
            .unwrap_or_else(|| panic!("{start}: {}", built.stderr))
    };
    assert_eq!(column("  app "), column("  total "), "{}", built.stderr);
}

#[test]
fn notes_are_events_without_a_label() {
    let sandbox = Sandbox::new();
    sandbox.write("package.json", "{ \"name\": ");
    let noted = events(&sandbox.ok(&["init", "--offline", "--progress", "json"]));
    let texts: Vec<&str> = noted.iter().filter_map(|event| event["text"].as_str()).collect();
    assert!(
        texts.iter().any(|text| text.starts_with("package.json was skipped: ")),
        "{texts:?}"
    );
}

#[test]
fn quiet_means_errors_and_warnings_alone() {
    let sandbox = Sandbox::new();
    let built = sandbox.ok(&["build", HELLO, "--progress", "none"]);
    assert_eq!(built.stderr, "");
    assert!(built.stdout.starts_with("@sha256:"));
    sandbox
        .run(&["inspect", "oci:nowhere", "--progress", "none"])
        .expect(6)
        .says(&["error: "]);
}

/// Returns every line of stderr, which must be an object with the name of an event.
#[track_caller]
fn events(outcome: &Outcome) -> Vec<Value> {
    let events: Vec<Value> = outcome
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(events.iter().all(|event| event["event"].is_string()), "{events:#?}");
    events
}

#[test]
fn progress_as_json_is_one_object_a_line_to_the_end() {
    let sandbox = Sandbox::new();
    let built = sandbox.ok(&["build", HELLO, "--progress", "json", "--metadata", "meta.json"]);
    let told = events(&built);
    let last = told.last().unwrap();
    assert_eq!(last["event"], "built");
    assert_eq!(last["digest"], built.digest());
    let mut fields = last.clone();
    fields.as_object_mut().unwrap().remove("event");
    assert_eq!(fields, sandbox.json("meta.json"));
    let started: Vec<&Value> = told.iter().filter(|event| event["event"] == "started").collect();
    assert!(
        started
            .iter()
            .any(|event| event["what"] == "packing program for linux/arm64"),
        "{started:#?}"
    );
    for start in started {
        let ends = told
            .iter()
            .filter(|event| event["event"] == "finished" && event["task"] == start["task"])
            .count();
        assert_eq!(ends, 1, "{start}");
    }
}

#[test]
fn an_error_is_an_event_too() {
    let sandbox = Sandbox::new();
    let failed = sandbox.run(&["inspect", "oci:nowhere", "--progress", "json"]).expect(6);
    let told = events(&failed);
    assert_eq!((&told[0]["event"], &told[0]["exit_code"]), (&json!("error"), &json!(6)));
    assert!(told[0]["message"].as_str().unwrap().contains("nowhere"), "{told:#?}");

    sandbox.spec("[image]\nplatform = [\"linux/amd64\"]\n");
    let failed = sandbox.run(&["build", "--progress", "json"]).expect(2);
    let told = events(&failed);
    assert_eq!(told.len(), 1);
    assert!(
        told[0]["diagnostic"].as_str().unwrap().contains("ocitect.toml:3:1"),
        "{told:#?}"
    );
}

#[test]
fn a_digest_on_stderr_is_an_event_where_events_are_told() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(&["build", HELLO, "--progress", "json", "-o", "oci-archive:-"]);
    command.stdout(File::create(sandbox.path("archive.tar")).unwrap());
    let output = command
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    let told = events(&Outcome::from(output).expect(0));
    let said = sandbox.ok(&["inspect", "--json", "oci-archive:archive.tar"]).stdout;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        told.last().unwrap(),
        &json!({ "event": "done", "image": format!("@{}", said["digest"].as_str().unwrap()) })
    );
}

#[test]
fn elsewhere_than_on_a_terminal_there_are_no_escape_codes() {
    let sandbox = Sandbox::new();
    sandbox.spec("[image]\nplatform = [\"linux/amd64\"]\n");
    for arguments in [
        &["build", HELLO][..],
        &["build"],
        &["inspect", "oci:nowhere"],
        &["--help"],
        &["biuld"],
    ] {
        let mut command = sandbox.command(arguments);
        command.env("TERM", "xterm-256color");
        let outcome = Outcome::of(command);
        assert!(
            !outcome.stderr.contains(ESCAPE) && !outcome.stdout.contains(ESCAPE),
            "{arguments:?}: {outcome:?}"
        );
    }
}

#[test]
fn a_quiet_run_prints_the_result_alone() {
    let sandbox = Sandbox::new();
    let built = sandbox.ok(&["build", HELLO, "-q"]);
    assert_eq!((built.stdout.lines().count(), built.stderr.as_str()), (1, ""));
    sandbox.run(&["build", HELLO, "-q", "--progress", "plain"]).expect(2);
}

#[test]
fn every_help_text_has_an_example() {
    let sandbox = Sandbox::new();
    let top = sandbox.ok(&["--help"]).stdout;
    for command in COMMANDS {
        assert!(top.contains(&format!("  {command} ")), "{command} in\n{top}");
        let help = sandbox.ok(&[command, "--help"]).stdout;
        assert!(help.contains("Example"), "{help}");
        assert!(
            help.contains(&format!("  ocitect {command} ")) || help.contains(&format!("| ocitect {command} ")),
            "{help}"
        );
        assert_eq!(sandbox.ok(&["help", command]).stdout, help);
    }
    assert!(
        top.contains("Examples:\n  ocitect init ") && top.contains("Exit status:\n  0  success"),
        "{top}"
    );
    // Commands that do not exist are not mentioned.
    for later in ["bundle", "verify", "serve", "rebase"] {
        assert!(!top.contains(&format!("  {later} ")), "{later} in\n{top}");
    }
    assert_eq!(
        sandbox.ok(&["--version"]).stdout,
        format!("ocitect {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn completions_name_every_command() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = sandbox.ok(&["completions", shell]).stdout;
        for command in COMMANDS {
            assert!(script.contains(command), "{command} for {shell}");
        }
    }
    let bash = sandbox
        .write("completions", sandbox.ok(&["completions", "bash"]).stdout)
        .path("completions");
    tool("bash", &["-n", bash.to_str().unwrap()]);
    sandbox
        .run(&["completions", "tcsh"])
        .expect(2)
        .says(&["bash", "zsh", "fish"]);
}

#[test]
fn the_schema_documents_every_key() {
    let sandbox = Sandbox::new();
    let schema: Value = serde_json::from_str(&sandbox.ok(&["schema"]).stdout).unwrap();
    assert!(
        schema["$schema"].as_str().unwrap().contains("json-schema.org"),
        "{schema}"
    );
    for key in [
        "format",
        "env-files",
        "image",
        "vars",
        "users",
        "groups",
        "dirs",
        "layers",
        "config",
        "check",
        "platform",
    ] {
        let property = &schema["properties"][key];
        assert!(property.is_object(), "{key}");
        assert!(!documentation(property, &schema).is_empty(), "{key} has no description");
    }
    let text = schema.to_string();
    for key in [
        "max-size",
        "keep-modes",
        "start-interval",
        "required-env",
        "ignore-file",
        "capabilities",
        "dir-mode",
    ] {
        assert!(text.contains(&format!("\"{key}\":{{")), "{key}");
    }
    assert_eq!(sandbox.ok(&["schema"]).stdout, sandbox.ok(&["schema"]).stdout);
}

/// Returns the description of a property, or of its reference.
fn documentation<'a>(property: &'a Value, schema: &'a Value) -> &'a str {
    let own = property["description"].as_str();
    let reference = property["$ref"]
        .as_str()
        .and_then(|reference| schema.pointer(reference.trim_start_matches('#')));
    own.or_else(|| reference.and_then(|target| target["description"].as_str()))
        .unwrap_or_default()
}

#[test]
fn typing_errors_get_the_nearest_name() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["biuld"])
        .expect(2)
        .says(&["unrecognized subcommand 'biuld'", "similar", "'build'"]);
    sandbox
        .run(&["build", "--pussh"])
        .expect(2)
        .says(&["--pussh", "'--push'"]);
    sandbox
        .run(&["inspect", "--progress", "jsn", "oci:x"])
        .expect(2)
        .says(&["jsn", "json"]);
    sandbox.run(&["push", "oci:x"]).expect(2).says(&["<REF>"]);
    sandbox.run(&["inspect"]).expect(2).says(&["<IMAGE>"]);
    sandbox
        .run(&["inspect", "oic:build/oci"])
        .expect(2)
        .says(&["oci:DIR[:TAG]"]);
    sandbox
        .run(&["build", "no/such/place"])
        .expect(2)
        .says(&["no/such/place"]);
    sandbox.run(&[]).expect(2).says(&["Usage: ocitect"]);
}

#[test]
fn a_time_that_is_none_is_refused() {
    let sandbox = Sandbox::new();
    for (value, code) in [
        ("0", 0),
        ("8589934591", 0),
        ("", 0),
        ("8589934592", 2),
        ("-1", 2),
        ("now", 2),
        ("1.5", 2),
    ] {
        let mut command = sandbox.command(&["build", HELLO]);
        command.env("SOURCE_DATE_EPOCH", value);
        let outcome = Outcome::of(command).expect(code);
        if code != 0 {
            outcome.says(&["SOURCE_DATE_EPOCH:", "seconds since 1970"]);
        }
    }
}
