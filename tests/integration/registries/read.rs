//! Reading from a registry: `inspect` and `ls`, and their requests.

use serde_json::Value;

use crate::registries::images::{all_requests, at, base_layers, count, is_get_of, own_base, small_image};
use crate::support::Sandbox;

#[test]
fn inspect_fetches_no_layer() {
    let sandbox = Sandbox::new();
    let base = own_base(&sandbox, "OPEN", "read/inspect");
    let before = count(&sandbox, "OPEN", "read/inspect");
    let image: Value = serde_json::from_str(&sandbox.ok(&["inspect", "--json", &base]).stdout).unwrap();
    // arm64 is v8.
    assert_eq!(image["platforms"][1]["platform"], "linux/arm64");
    assert_eq!(image["platforms"][0]["layers"].as_array().unwrap().len(), 2);
    assert_eq!(image["platforms"][0]["config"]["config"]["Env"][1], "BASE_VERSION=1");
    let text = sandbox
        .ok(&["inspect", "--platform", "linux/arm64", &format!("docker://{base}")])
        .stdout;
    assert!(text.contains("linux/arm64") && !text.contains("linux/amd64"), "{text}");
    let seen = all_requests(&sandbox, "OPEN", "read/inspect", before);
    assert!(
        !seen.iter().any(|request| is_get_of(request, &base_layers())),
        "{seen:#?}"
    );
    assert!(
        seen.iter()
            .all(|request| request.method == "GET" || request.method == "HEAD"),
        "{seen:#?}"
    );
}

#[test]
fn ls_lists_what_a_container_would_see_and_reads_layers_once() {
    let sandbox = Sandbox::new();
    let base = own_base(&sandbox, "OPEN", "read/ls");
    let lines = sandbox.ok(&["ls", "--json", "--platform", "linux/amd64", &base]).stdout;
    let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let entry = |path: &str| entries.iter().find(|entry| entry["path"] == path);
    assert_eq!(entry("/tmp").unwrap()["mode"], "1777");
    assert_eq!(entry("/bin").unwrap()["target"], "usr/bin");
    assert_eq!(entry("/home/node").unwrap()["uid"], 1000);
    assert!(entry("/usr/share/doc/base/copyright").is_none(), "a whiteout hides it");

    let before = count(&sandbox, "OPEN", "read/ls");
    let below = sandbox.ok(&["ls", "--platform", "linux/amd64", &base, "/home"]).stdout;
    assert_eq!(below.lines().count(), 3, "{below}");
    assert!(
        below.lines().last().unwrap().ends_with("/home/node/.profile"),
        "{below}"
    );
    sandbox
        .run(&["ls", "--platform", "linux/amd64", &base, "/nowhere"])
        .expect(6)
        .says(&["/nowhere"]);
    let seen = all_requests(&sandbox, "OPEN", "read/ls", before);
    assert!(
        !seen.iter().any(|request| is_get_of(request, &base_layers())),
        "{seen:#?}"
    );
}

#[test]
fn what_is_not_there_is_not_found_and_a_digest_goes_before_a_tag() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    let name = at("OPEN", "read/missing");
    sandbox.ok(&["push", "oci:image", &format!("{name}:1")]);
    sandbox.ok(&["inspect", &format!("{name}:no-such-tag@{digest}")]);
    sandbox
        .run(&["inspect", &format!("{name}:no-such-tag")])
        .expect(6)
        .says(&["no-such-tag", "was not found"]);
    let unknown = format!("{name}:1@sha256:{}", "2".repeat(64));
    sandbox
        .run(&["inspect", &unknown])
        .expect(6)
        .says(&[&"2".repeat(64), "was not found"]);
    sandbox
        .run(&["copy", &unknown, "oci:copied"])
        .expect(6)
        .says(&["was not found"]);
    assert!(!sandbox.path("copied").exists());
    sandbox
        .run(&["inspect", &at("OPEN", "read/no-such-repository")])
        .expect(6)
        .says(&["was not found"]);
    sandbox
        .run(&["inspect", "--platform", "linux/s390x", &format!("{name}:1")])
        .expect(6)
        .says(&[
            "no image for linux/s390x",
            "available platforms: linux/amd64, linux/arm64",
        ]);
}

#[test]
fn a_registry_that_does_not_answer_is_the_other_sides_failure() {
    let sandbox = Sandbox::new();
    // A port that was free a moment ago.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    drop(taken);
    sandbox
        .run(&["inspect", &format!("{address}/x:1")])
        .expect(5)
        .says(&[&address.to_string()]);
    sandbox
        .run(&["inspect", "registry.invalid/x:1"])
        .expect(5)
        .says(&["registry.invalid"]);
}
