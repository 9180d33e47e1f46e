//! Runs of `ocitect pin`: several files, `--check`, `--stdout`, `--json`, and what is written.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::process::Stdio;

use super::{read, sandbox};
use crate::support::odd_yaml::DIGEST;
use crate::support::refusal::{refused, refused_as, state};
use crate::support::{Outcome, Sandbox};

const COMPOSE: &str = "services:\n  web:\n    image: ghcr.io/me/app:1.0\n  db:\n    image: postgres:16\n";

fn pinned() -> String {
    COMPOSE.replace("app:1.0", &format!("app:1.0@{DIGEST}"))
}

#[test]
fn each_change_is_printed_and_an_unchanged_file_is_not_written() {
    let sandbox = sandbox();
    sandbox.write("compose.yaml", COMPOSE);
    let outcome = sandbox.ok(&["pin", "compose.yaml", "--from", "m.json"]);
    assert_eq!(
        outcome.stdout,
        format!("compose.yaml:3 ghcr.io/me/app:1.0 \u{2192} ghcr.io/me/app:1.0@{DIGEST}\n")
    );
    assert_eq!(read(&sandbox, "compose.yaml"), pinned());
    let before = state(sandbox.root());
    let outcome = sandbox.ok(&["pin", "compose.yaml", "--from", "m.json"]);
    assert_eq!(outcome.stdout, "");
    assert_eq!(state(sandbox.root()), before);
}

#[test]
fn nothing_is_written_unless_all_files_can_be_pinned() {
    let sandbox = sandbox();
    sandbox.write("a.yaml", COMPOSE);
    sandbox.write("b.yaml", "services: {web: {image: \"ghcr.io/me/app:${T}\"}}\n");
    sandbox.write("c.yaml", "services: {web: {image: [x]}}\n");
    let outcome = refused(
        &sandbox,
        &["pin", "a.yaml", "b.yaml", "c.yaml", "--from", "m.json"],
        2,
        &["b.yaml:1:25"],
    );
    assert!(outcome.stderr.contains("c.yaml:1:25"), "{}", outcome.stderr);
    sandbox.write("b.yaml", COMPOSE);
    sandbox.write("c.yaml", "apiVersion: v1\nkind: Service\n");
    let outcome = sandbox.ok(&["pin", "a.yaml", "./a.yaml", "b.yaml", "c.yaml", "--from", "m.json"]);
    assert_eq!(outcome.stdout.lines().count(), 2, "{}", outcome.stdout);
    assert!(
        outcome.stderr.contains("skipped c.yaml: it names no image"),
        "{}",
        outcome.stderr
    );
    assert_eq!(
        (read(&sandbox, "a.yaml"), read(&sandbox, "b.yaml")),
        (pinned(), pinned())
    );
    sandbox.write("c.yaml", "services: {web: {image: redis}}\n");
    refused(
        &sandbox,
        &["pin", "a.yaml", "c.yaml", "--from", "m.json"],
        2,
        &["c.yaml does not name ghcr.io/me/app", "it names redis"],
    );
}

#[test]
fn a_file_that_cannot_be_replaced_leaves_all_files() {
    let sandbox = sandbox();
    sandbox.write("a.yaml", COMPOSE).write("b.yaml", COMPOSE);
    let mut command = sandbox.command(&["pin", "a.yaml", "/dev/stdin", "--from", "m.json"]);
    command.stdin(fs::File::open(sandbox.path("b.yaml")).unwrap());
    refused_as(&sandbox, command, 2, &["/dev/stdin", "it is not a regular file"]);
}

#[test]
fn check_is_a_gate_and_changes_nothing() {
    let sandbox = sandbox();
    sandbox.write("compose.yaml", COMPOSE);
    let before = state(sandbox.root());
    let arguments = ["pin", "compose.yaml", "--from", "m.json", "--check"];
    let outcome = sandbox
        .run(&arguments)
        .expect(3)
        .says(&["1 of 1 images are not pinned to their digests"]);
    assert!(outcome.stdout.starts_with("compose.yaml:3 "), "{}", outcome.stdout);
    assert_eq!(state(sandbox.root()), before);
    sandbox.write(
        "compose.yaml",
        COMPOSE.replace("app:1.0", &format!("app:1.0@sha256:{}", "b".repeat(64))),
    );
    sandbox.run(&arguments).expect(3);
    sandbox.write("compose.yaml", pinned());
    sandbox.ok(&arguments);
}

#[test]
fn stdout_gets_the_file_byte_by_byte() {
    let sandbox = sandbox();
    sandbox.write("compose.yaml", format!("\u{feff}{}", COMPOSE.replace('\n', "\r\n")));
    let before = state(sandbox.root());
    let outcome = sandbox.ok(&["pin", "compose.yaml", "--from", "m.json", "--stdout"]);
    assert_eq!(outcome.stdout, format!("\u{feff}{}", pinned().replace('\n', "\r\n")));
    assert_eq!(state(sandbox.root()), before);
    let piped = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(COMPOSE.as_bytes()).unwrap();
        Outcome::from(child.wait_with_output().unwrap())
    };
    assert_eq!(piped(&["pin", "-", "--from", "m.json"]).expect(0).stdout, pinned());
    piped(&["pin", "-", "--from", "m.json", "--check"])
        .expect(3)
        .says(&["not pinned"]);
    let with_password = ["pin", "-", "--from", "m.json", "--username", "me", "--password-stdin"];
    refused(&sandbox, &with_password, 2, &["both the file and the password"]);
    refused(
        &sandbox,
        &["pin", "-", "compose.yaml", "--from", "m.json"],
        2,
        &["several are given"],
    );
}

#[test]
fn json_lists_our_images_and_those_of_others() {
    let sandbox = sandbox();
    sandbox.write("compose.yaml", COMPOSE);
    let outcome = sandbox
        .run(&["pin", "compose.yaml", "--from", "m.json", "--check", "--json"])
        .expect(3);
    let value: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    let expected = serde_json::json!({
        "version": 1,
        "files": [{
            "file": "compose.yaml",
            "kind": "compose",
            "changed": true,
            "images": [{
                "line": 3, "column": 12, "path": "services.web.image", "changed": true,
                "old": "ghcr.io/me/app:1.0", "new": format!("ghcr.io/me/app:1.0@{DIGEST}"),
            }],
            "others": [{ "line": 5, "path": "services.db.image", "image": "postgres:16" }],
        }],
    });
    assert_eq!(value, expected);
}

#[test]
fn mode_and_links_of_a_file_stay() {
    let sandbox = sandbox();
    sandbox.write_mode("real.yaml", COMPOSE, 0o640);
    symlink("real.yaml", sandbox.path("compose.yaml")).unwrap();
    sandbox.ok(&["pin", "compose.yaml", "--from", "m.json"]);
    assert_eq!(read(&sandbox, "real.yaml"), pinned());
    assert_eq!(fs::metadata(sandbox.path("real.yaml")).unwrap().mode() & 0o7777, 0o640);
    assert!(fs::symlink_metadata(sandbox.path("compose.yaml")).unwrap().is_symlink());
    assert_eq!(names(&sandbox), ["compose.yaml", "home", "m.json", "real.yaml"]);
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(sandbox.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_no_file_is_refused() {
    let sandbox = sandbox();
    sandbox.write("compose.yaml", COMPOSE);
    for (arguments, words) in [
        (vec!["pin", "no.yaml", "--from", "m.json"], "cannot read no.yaml"),
        (vec!["pin", "home", "--from", "m.json"], "found a directory"),
        (vec!["pin", "/dev/null", "--from", "m.json"], "names no image"),
        (vec!["pin", "compose.yaml"], "no images to pin were given"),
        (vec!["pin", "compose.yaml", "--from", "no.json"], "cannot read no.json"),
        (
            vec!["pin", "compose.yaml", "--from", "compose.yaml"],
            "is not the metadata of a build",
        ),
        (
            vec!["pin", "compose.yaml", "--from", "me/app"],
            "does not include a registry",
        ),
        (
            vec!["pin", "compose.yaml", "--from", "m.json", "--stdout", "--json"],
            "cannot be used with",
        ),
    ] {
        refused(&sandbox, &arguments, 2, &[words]);
    }
}
