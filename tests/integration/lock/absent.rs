//! Facts that are not at hand: the directory beside the lockfile is missing, damaged, or belongs to another image.

use std::fs;

use crate::lock::project::{Project, lines};
use crate::registries::images::{all_requests, count, own_base};
use crate::support::{Outcome, part};

const LOCKED: [&str; 3] = ["build", "app", "--locked"];

/// Returns the lockfile and its facts.
fn state(project: &Project) -> (String, Vec<(String, String)>) {
    (project.lock_text(), project.facts_texts().into_iter().collect())
}

#[test]
fn without_facts_the_image_is_resolved_by_its_digest() {
    let project = Project::new("lock/absent");
    let digest = project.sandbox.ok(&["build", "app"]).digest();
    let whole = state(&project);
    project.push_base("2.0");
    fs::remove_dir_all(project.facts()).unwrap();
    let before = count(&project.sandbox, "OPEN", "lock/absent");
    assert_eq!(project.run_cold(&LOCKED).expect(0).digest(), digest);
    let requests = all_requests(&project.sandbox, "OPEN", "lock/absent", before);
    assert!(
        requests.len() > 4 && !requests.iter().any(|request| request.path.ends_with(":latest")),
        "{requests:#?}"
    );
    assert!(
        !requests.iter().any(|request| request.path.ends_with("/latest")),
        "{requests:#?}"
    );
    assert!(!project.facts().exists(), "--locked writes nothing");
    assert_eq!(project.lock_text(), whole.0);
    // From the cache, then from the layers: the same facts are written again.
    assert_eq!(project.sandbox.ok(&["build", "app"]).digest(), digest);
    assert_eq!(state(&project), whole);
    fs::remove_dir_all(project.facts()).unwrap();
    project
        .run_cold(&["lock", "app"])
        .expect(0)
        .says(&["wrote app/ocitect.lock"]);
    assert_eq!(state(&project), whole);
}

#[test]
fn facts_of_the_cache_are_enough() {
    let project = Project::new("lock/absent-cache");
    let base = own_base(&project.sandbox, "OPEN", "lock/absent-cache-base");
    project.on(&[&base]);
    project.sandbox.ok(&["build", "app", "-o", "oci:out"]);
    fs::remove_dir_all(project.facts()).unwrap();
    let before = count(&project.sandbox, "OPEN", "lock/absent-cache-base");
    project.sandbox.ok(&["build", "app", "--locked", "-o", "oci:out"]);
    let requests = all_requests(&project.sandbox, "OPEN", "lock/absent-cache-base", before);
    let layers = crate::registries::images::base_layers();
    let is_layer = |request: &&crate::support::Request| crate::registries::images::is_get_of(request, &layers);
    assert!(!requests.iter().any(|request| is_layer(&request)), "{requests:#?}");
}

#[test]
fn a_build_of_one_platform_does_not_take_the_other_from_the_lock() {
    let project = Project::new("lock/absent-one");
    project.sandbox.ok(&["lock", "app"]);
    let whole = state(&project);
    fs::remove_dir_all(project.facts()).unwrap();
    let one = project.sandbox.ok(&["build", "app", "--platform", "linux/amd64"]);
    assert!(!one.stderr.contains("ocitect.lock"), "{}", one.stderr);
    assert_eq!(project.lock_text(), whole.0);
    project.sandbox.ok(&["build", "app"]).says(&["wrote app/ocitect.lock"]);
    assert_eq!(state(&project), whole);
}

#[test]
fn a_damaged_facts_file_is_named_and_made_again() {
    let project = Project::new("lock/absent-damaged");
    let digest = project.sandbox.ok(&["build", "app"]).digest();
    let whole = state(&project);
    let file = project.facts_file(&project.base());
    let text = fs::read_to_string(&file).unwrap();
    let name = format!("app/ocitect.lock.d/{}", file.file_name().unwrap().to_str().unwrap());
    let warning = format!("facts file {name} is not used: its content has the digest sha256:");
    for command in [&LOCKED[..], &["build", "app"], &["lock", "app"]] {
        fs::write(&file, text.replace("linux/arm64", "linux/arm65")).unwrap();
        let outcome: Outcome = project.run_cold(command).expect(0).says(&[&warning]);
        assert_eq!(outcome.stderr.matches("is not used").count(), 1, "{}", outcome.stderr);
        if command[0] == "build" {
            assert_eq!(outcome.digest(), digest);
        }
        assert_eq!(state(&project) == whole, command != LOCKED);
    }
    fs::write(&file, "x").unwrap();
    project.sandbox.ok(&["lock", "app", "--show"]).says(&[&warning]);
}

#[test]
fn a_platform_without_facts_is_looked_up_in_the_pinned_index() {
    let project = Project::new("lock/absent-platform");
    let digest = project.sandbox.ok(&["build", "app"]).digest();
    fs::remove_file(project.lock()).unwrap();
    project.sandbox.ok(&["build", "app", "--platform", "linux/amd64"]);
    let one = state(&project);
    project.push_base("2.0");
    assert_eq!(project.run_cold(&LOCKED).expect(0).digest(), digest);
    assert_eq!(state(&project), one);
    let spec = fs::read_to_string(project.sandbox.path("app/ocitect.toml")).unwrap();
    project
        .sandbox
        .write("app/ocitect.toml", spec.replace("linux/arm64", "linux/riscv64"));
    project
        .run_cold(&LOCKED)
        .expect(6)
        .says(&["has no image for linux/riscv64", "linux/amd64"]);
}

#[test]
fn what_is_not_at_hand_is_shown() {
    let project = Project::new("lock/absent-show");
    let other = format!("{}/base:latest", part("REGISTRY_OPEN"));
    project.on(&[&project.base(), &format!("docker://{other}")]);
    project.sandbox.ok(&["lock", "app"]);
    fs::remove_file(project.facts_file(&project.base())).unwrap();
    let shown = project.sandbox.ok(&["lock", "app", "--show"]).stdout;
    let pin = lines(&project.lock_text())
        .into_iter()
        .find(|line| line.name == project.base())
        .unwrap();
    let wanted = format!(
        "{}\n    digest     {}\n    facts      not at hand; `ocitect lock` reads them from the image\n",
        pin.name, pin.digest
    );
    assert!(shown.contains(&wanted) && shown.contains("paths "), "{shown}");
    let shown = project.sandbox.ok(&["lock", "app", "--show", "--json"]).stdout;
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let images = shown["images"].as_array().unwrap();
    let image = images.iter().find(|image| image["name"] == pin.name).unwrap();
    assert_eq!(image["digest"], pin.digest);
    assert_eq!(image["facts_digest"], pin.facts.unwrap());
    assert_eq!(
        (&image["index"], &image["platforms"]),
        (&serde_json::Value::Null, &serde_json::json!([]))
    );
    // An update says what changed all the same: the cache has the facts of the earlier image.
    let new = project.push_base("2.0");
    let said = project.sandbox.ok(&["update", "app"]).stdout;
    for line in [
        &*format!("{}  {} -> {new}", pin.name, pin.digest),
        "layers     1 of 2 shared",
        "changed    libc6 1.0 -> 2.0",
    ] {
        assert!(said.contains(line), "{line} in\n{said}");
    }
}
