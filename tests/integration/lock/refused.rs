//! Rejected lockfiles: `--locked` with missing pins, bad edits and merges, newer versions.

use std::fs;

use crate::lock::project::{Project, lines};
use crate::support::part;

#[test]
fn locked_wants_everything_in_the_lock_and_lists_what_is_not() {
    let project = Project::new("lock/locked");
    let other = format!("{}/base:latest", part("REGISTRY_OPEN"));
    let base = project.base();
    let lacks = |image: &str, platform: &str| format!("{image} for {platform}");
    let said = project.sandbox.run(&["build", "app", "--locked"]).expect(2);
    let said = said.says(&[
        "lockfile app/ocitect.lock does not exist, but --locked was given (missing: ",
        "`ocitect lock`",
    ]);
    let _ = said.says(&[&lacks(&base, "linux/amd64"), &lacks(&base, "linux/arm64")]);
    assert!(!project.lock().exists() && !project.sandbox.path("build").exists());

    project.sandbox.ok(&["build", "app", "--platform", "linux/amd64"]);
    project.on(&[&base, &format!("docker://{other}")]);
    let text = project.lock_text();
    let said = project
        .sandbox
        .run(&["build", "app", "--locked"])
        .expect(2)
        .says(&["lockfile app/ocitect.lock is out of date"]);
    for one in [lacks(&other, "linux/amd64"), lacks(&other, "linux/arm64")] {
        assert!(said.stderr.contains(&one), "{one} in\n{}", said.stderr);
    }
    // The pin of a name holds for all platforms.
    assert!(!said.stderr.contains(&base), "{}", said.stderr);
    assert_eq!(project.lock_text(), text);

    project.on(&[&base]);
    project
        .sandbox
        .ok(&["build", "app", "--locked", "--platform", "linux/amd64"]);
    project.sandbox.ok(&["lock", "app"]);
    project.sandbox.ok(&["build", "app", "--locked"]);
    // Variables determine which pins are needed.
    project.on(&[&base.replace("latest", "${VERSION}")]);
    project.sandbox.ok(&["build", "app", "--locked"]);
    let moved = base.replace("latest", "2");
    let said = project
        .sandbox
        .run(&["build", "app", "--locked", "--set", "VERSION=2"])
        .expect(2);
    said.says(&[&lacks(&moved, "linux/amd64")]);
}

const COMMANDS: [&[&str]; 6] = [
    &["build", "app"],
    &["build", "app", "--locked"],
    &["lock", "app"],
    &["lock", "app", "--show"],
    &["update", "app"],
    &["outdated", "app"],
];

#[test]
fn a_lock_that_cannot_be_understood_is_refused_by_every_command() {
    let project = Project::new("lock/edited");
    project.sandbox.ok(&["lock", "app"]);
    let text = project.lock_text();
    let base = project.base();
    let [line] = &lines(&text)[..] else { panic!("{text}") };
    let zeros = format!("sha256:{}", "0".repeat(64));
    let twice = {
        let line = text.lines().nth(4).unwrap();
        text.replace(line, &format!("{line}\n{}", line.replace(digest_of(line), &zeros)))
    };
    let cases = [
        (
            text.replace("  { name", "<<<<<<< ours\n  { name")
                .replace("\n]\n", "\n=======\n>>>>>>> theirs\n]\n"),
            "has conflict markers of a merge: lines 5 to 8".to_owned(),
            "delete the markers",
        ),
        (
            twice,
            format!("pins {base} twice: line 5 to {}, line 6 to {zeros}", line.digest),
            "delete line 5 or line 6",
        ),
        (
            text.replace("digest = ", "disgest = "),
            "is invalid: line 5: unknown field `disgest`".to_owned(),
            "fix line 5",
        ),
        (
            String::new(),
            "is invalid: line 1: missing field `version`".to_owned(),
            "version control",
        ),
    ];
    for (edit, reason, help) in cases {
        fs::write(project.lock(), &edit).unwrap();
        for arguments in COMMANDS {
            let said = project.sandbox.run(arguments).expect(2);
            said.says(&[&format!("lockfile app/ocitect.lock {reason}"), help]);
            assert_eq!(fs::read_to_string(project.lock()).unwrap(), edit);
        }
    }
}

/// Returns the digest in a line of a lockfile.
fn digest_of(line: &str) -> &str {
    let (_, rest) = line.split_once("digest = \"").unwrap();
    rest.split_once('"').unwrap().0
}

#[test]
fn an_edited_lock_of_version_1_is_refused_by_every_command() {
    let project = Project::new("lock/edited-first");
    project.sandbox.ok(&["lock", "app"]);
    project.write_first_version();
    let text = project.lock_text();
    let zeros = "0".repeat(64);
    let index = text.split("index = \"sha256:").nth(1).unwrap()[..64].to_owned();
    for edit in [
        text.replace(&index, &zeros),
        text.replacen("\n[[image]]", "\n<<<<<<< ours\n[[image]]", 1),
        format!("{text}\n# a note\n"),
    ] {
        fs::write(project.lock(), &edit).unwrap();
        for arguments in COMMANDS {
            let said = project.sandbox.run(arguments).expect(2);
            said.says(&[
                "app/ocitect.lock was changed after ocitect wrote it",
                "version control",
                "delete it",
            ]);
            assert_eq!(fs::read_to_string(project.lock()).unwrap(), edit);
        }
    }
}

#[test]
fn a_newer_lock_is_refused_by_name() {
    let project = Project::new("lock/newer");
    project.sandbox.ok(&["lock", "app"]);
    let newer = project
        .lock_text()
        .replace("version = 2\n", "version = 3\n")
        .replace("images = [", "others = [");
    fs::write(project.lock(), &newer).unwrap();
    for arguments in [
        &["build", "app"][..],
        &["lock", "app"],
        &["update", "app"],
        &["outdated", "app"],
    ] {
        let said = project.sandbox.run(arguments).expect(2);
        said.says(&[
            "lockfile app/ocitect.lock has version 3",
            "supports only versions up to 2",
            "use the version of ocitect that wrote it",
        ]);
    }
    assert_eq!(project.lock_text(), newer);
}

#[test]
fn a_pipe_in_the_place_of_a_lock_is_not_waited_for() {
    let project = Project::new("lock/pipe");
    let lock = project.lock();
    let _ = std::fs::remove_file(&lock);
    crate::support::tool("mkfifo", &[&lock]);
    for command in [&["build", "app"][..], &["lock", "app", "--show"], &["outdated", "app"]] {
        project
            .sandbox
            .run(command)
            .expect(1)
            .says(&["ocitect.lock", "expected a regular file"]);
    }
}
