//! Lockfiles of version 1, which hold the facts too.

use std::fs;

use crate::lock::project::{Project, lines};
use crate::registries::images::{all_requests, count};
use crate::support::part;

#[test]
fn they_are_used_as_they_are_and_moved_by_the_next_write() {
    let project = Project::new("lock/first");
    let digest = project.sandbox.ok(&["build", "app"]).digest();
    let text = project.lock_text();
    let facts = project.facts_texts();
    project.write_first_version();
    let first = project.lock_text();
    assert!(first.contains("version = 1\n") && !project.facts().exists());
    // No tag is resolved and no layer is read.
    project.push_base("2.0");
    for arguments in [
        &["build", "app", "--locked", "--push"][..],
        &["build", "app", "--push"],
        &["lock", "app", "--show"],
    ] {
        let built = project.run_cold(arguments).expect(0);
        assert!(arguments[0] == "lock" || built.digest() == digest);
        assert_eq!(project.lock_text(), first);
        assert!(!project.facts().exists());
    }
    let before = count(&project.sandbox, "OPEN", "lock/first");
    project
        .run_cold(&["lock", "app"])
        .expect(0)
        .says(&["wrote app/ocitect.lock"]);
    assert_eq!(all_requests(&project.sandbox, "OPEN", "lock/first", before), []);
    assert_eq!((project.lock_text(), project.facts_texts()), (text, facts));
    project
        .sandbox
        .ok(&["lock", "app"])
        .says(&["app/ocitect.lock is up to date"]);
}

#[test]
fn a_build_that_adds_a_pin_and_an_update_move_them() {
    let project = Project::new("lock/first-moves");
    let other = format!("{}/base:latest", part("REGISTRY_OPEN"));
    project.sandbox.ok(&["lock", "app"]);
    let line = lines(&project.lock_text()).remove(0);
    project.write_first_version();
    project.on(&[&project.base(), &format!("docker://{other}")]);
    project.sandbox.ok(&["build", "app"]);
    let moved = lines(&project.lock_text());
    assert!(moved.len() == 2 && moved.contains(&line), "{moved:?}");
    assert_eq!(project.facts_texts().len(), 2);

    project.write_first_version();
    let said = project.sandbox.ok(&["update", "app"]).stdout;
    assert_eq!(said, "no pin changed\n");
    assert_eq!(lines(&project.lock_text()), moved);
    project.write_first_version();
    let new = project.push_base("2.0");
    project.sandbox.ok(&["update", "app", "--image", &project.base()]);
    let pins = lines(&project.lock_text());
    assert!(pins.iter().any(|pin| pin.digest == new), "{pins:?}");
    fs::remove_file(project.facts_file(&other)).unwrap();
    project.sandbox.ok(&["build", "app", "--locked"]);
}
