//! `lock --show`, `update` and `outdated`.

use std::fs;

use serde_json::{Value, json};

use crate::lock::project::{Project, lines};
use crate::support::{part, tool};

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_tag_that_moved_is_outdated_and_an_update_says_what_changed() {
    let project = Project::new("lock/update");
    let old = project.push_base("1.0");
    let on_old = project.sandbox.ok(&["build", "app"]).digest();
    project.sandbox.ok(&["outdated", "app"]);
    let new = project.push_base("2.0");
    // Another cache: nothing is written or needed.
    let cache = project.sandbox.path("no-cache");
    let text = project.lock_text();
    let said = project
        .run_with_cache(&cache, &["outdated", "app"])
        .expect(3)
        .says(&["ocitect update"]);
    assert!(
        said.stdout.contains(&format!("{}  {old} -> {new}", project.base())),
        "{}",
        said.stdout
    );
    let said = json_of(
        &project
            .run_with_cache(&cache, &["outdated", "app", "--json"])
            .expect(3)
            .stdout,
    );
    assert_eq!(said["images"][0]["outdated"], true);
    assert_eq!(said["images"][0]["locked_digest"], json!(old));
    assert_eq!(said["images"][0]["current_digest"], json!(new));
    assert!(!cache.exists());
    assert_eq!(project.lock_text(), text);
    // The pin is valid until it is updated.
    assert_eq!(project.run_cold(&["build", "app"]).expect(0).digest(), on_old);

    let before = fs::metadata(project.lock()).unwrap().modified().unwrap();
    let said = project.sandbox.ok(&["update", "app", "--image", &project.base()]);
    for line in [
        &*format!("{}  {old} -> {new}", project.base()),
        "created    1970-01-01T00:00:00Z -> 1970-01-01T00:00:00Z",
        "layers     1 of 2 shared",
        "changed    libc6 1.0 -> 2.0",
        "added      only-2.0 1",
        "removed    only-1.0 1",
    ] {
        assert!(said.stdout.contains(line), "{line} in\n{}", said.stdout);
    }
    assert!(!said.stdout.contains("dash"), "{}", said.stdout);
    assert!(fs::metadata(project.lock()).unwrap().modified().unwrap() > before);
    assert_ne!(project.sandbox.ok(&["build", "app", "--locked"]).digest(), on_old);
    project.sandbox.ok(&["outdated", "app"]);
    let text = project.lock_text();
    assert_eq!(
        project.run_cold(&["update", "app"]).expect(0).stdout,
        "no pin changed\n"
    );
    assert_eq!(project.lock_text(), text);
}

#[test]
fn an_update_is_told_to_programs_too() {
    let project = Project::new("lock/update-json");
    let old = project.push_base("1.0");
    project.sandbox.ok(&["lock", "app"]);
    let new = project.push_base("1.1");
    let said = json_of(&project.sandbox.ok(&["update", "--json", "app/ocitect.toml"]).stdout);
    assert_eq!(said["lock"], "app/ocitect.lock");
    let image = &said["images"][0];
    assert_eq!((&image["old_digest"], &image["new_digest"]), (&json!(old), &json!(new)));
    assert_eq!(
        (&image["name"], &image["changed"]),
        (&json!(project.base()), &json!(true))
    );
    let change = &image["platforms"][1];
    assert_eq!(change["platform"], "linux/arm64");
    assert_eq!((&change["layers"], &change["shared_layers"]), (&json!(2), &json!(1)));
    assert_eq!(
        change["packages"]["changed"],
        json!([{ "name": "libc6", "old_version": "1.0", "new_version": "1.1" }])
    );
    assert_eq!(
        change["packages"]["added"],
        json!([{ "name": "only-1.1", "version": "1" }])
    );
    assert_eq!(
        change["packages"]["removed"],
        json!([{ "name": "only-1.0", "version": "1" }])
    );
}

#[test]
fn one_image_is_updated_alone() {
    let project = Project::new("lock/one");
    let other = Project::new("lock/one-other");
    project.on(&[&project.base(), &format!("docker://{}", other.base())]);
    project.sandbox.ok(&["lock", "app"]);
    let new = project.push_base("2.0");
    other.push_base("2.0");
    let before = project.lock_text();
    // Selected by the repository alone.
    let repository = project.base().replace(":latest", "");
    project.sandbox.ok(&["update", "app", "--image", &repository]);
    let after = project.lock_text();
    let line_of = |text: &str, name: &str| lines(text).into_iter().find(|line| line.name == name).unwrap();
    assert_eq!(line_of(&after, &project.base()).digest, new);
    assert_eq!(line_of(&before, &other.base()), line_of(&after, &other.base()));
    assert_eq!(project.facts_texts().len(), 2, "the old facts are removed");
    let said = project.sandbox.run(&["outdated", "app"]).expect(3).stdout;
    assert_eq!(said.lines().filter(|line| line.contains(" -> ")).count(), 1, "{said}");

    let unknown = project
        .sandbox
        .run(&["update", "app", "--image", "lock/one-othr"])
        .expect(2);
    unknown.says(&["the spec has no image \"lock/one-othr\"", "help:"]);
    let close = other.base().replace("latest", "latst");
    project
        .sandbox
        .run(&["update", "app", "--image", &close])
        .expect(2)
        .says(&[&format!("did you mean {}?", other.base())]);
    assert_eq!(project.lock_text(), after);
}

#[test]
fn what_is_not_pinned_is_outdated() {
    let project = Project::new("lock/not-pinned");
    let said = project.sandbox.run(&["outdated", "app"]).expect(3).stdout;
    assert!(said.contains("not pinned"), "{said}");
    let said = json_of(&project.sandbox.run(&["outdated", "app", "--json"]).expect(3).stdout);
    assert_eq!(
        said["images"][0]["missing_platforms"],
        json!(["linux/amd64", "linux/arm64"])
    );
    // The pin of a name holds for all platforms.
    project.sandbox.ok(&["build", "app", "--platform", "linux/amd64"]);
    assert!(project.sandbox.ok(&["outdated", "app"]).stdout.contains("is current"));
    let said = json_of(&project.sandbox.ok(&["outdated", "app", "--json"]).stdout);
    assert_eq!(said["images"][0]["missing_platforms"], json!([]));
}

#[test]
fn a_lock_is_shown_readable() {
    let project = Project::new("lock/show");
    project
        .sandbox
        .run(&["lock", "--show", "app"])
        .expect(6)
        .says(&["lockfile app/ocitect.lock does not exist", "ocitect lock"]);
    project.on(&[&project.base(), &format!("oci:{}", part("BASE"))]);
    project.sandbox.ok(&["lock", "app"]);
    let text = project.sandbox.ok(&["lock", "--show", "app"]).stdout;
    for line in [
        "package    libc6 1.0",
        "user       node 1000:1000",
        "  linux/arm64",
        "layer      sha256:",
        "paths      ",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    let shown = json_of(&project.sandbox.ok(&["lock", "--show", "--json", "app"]).stdout);
    let image = shown["images"]
        .as_array()
        .unwrap()
        .iter()
        .find(|image| image["name"] == project.base())
        .unwrap();
    assert_eq!(image["digest"], image["index"]);
    assert!(image["facts_digest"].as_str().unwrap().starts_with("sha256:"));
    let pin = &image["platforms"][0];
    assert_eq!(pin["platform"], "linux/amd64");
    assert_eq!(
        pin["facts"]["packages"][1],
        json!({ "name": "libc6", "version": "1.0" })
    );
    assert_eq!(pin["facts"]["users"], json!([{ "name": "root", "uid": 0, "gid": 0 }]));
    assert_eq!(pin["layers"].as_array().unwrap().len(), 2);
    assert!(pin["layers"][0]["diff_id"].as_str().unwrap().starts_with("sha256:"));
    project
        .sandbox
        .run(&["lock", "--json", "app"])
        .expect(2)
        .says(&["--show"]);
}

#[test]
fn a_digest_that_is_gone_is_told_from_a_tag_that_moved() {
    let project = Project::new("lock/gone");
    let old = project.push_base("1.0");
    project.sandbox.ok(&["lock", "app"]);
    let new = project.push_base("2.0");
    let reference = |digest: &str| format!("docker://{}@{digest}", project.base().trim_end_matches(":latest"));
    let raw = tool("skopeo", &["inspect", "--raw", "--tls-verify=false", &reference(&old)]);
    let manifests = json_of(&raw);
    let manifests = manifests["manifests"].as_array().unwrap();
    for manifest in manifests {
        let digest = manifest["digest"].as_str().unwrap();
        tool("skopeo", &["delete", "--tls-verify=false", &reference(digest)]);
    }
    tool("skopeo", &["delete", "--tls-verify=false", &reference(&old)]);
    let said = project.run_cold(&["build", "app"]).expect(6);
    let update = format!("`ocitect update --image {}`", project.base());
    said.says(&[
        &format!("{old} no longer exists"),
        &format!("the tag now points to {new}"),
        &update,
    ]);
    // The facts in the cache are enough to plan.
    project.sandbox.ok(&["build", "app", "--print-plan"]);
    tool("skopeo", &["delete", "--tls-verify=false", &reference(&new)]);
    let said = project.run_cold(&["build", "app"]).expect(6);
    said.says(&[&format!("{old} no longer exists"), "the tag no longer exists"]);
}
