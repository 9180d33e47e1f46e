//! Layers of earlier images: `--cache-from`.

use std::fs;

use serde_json::Value;

use crate::registries::images::{all_requests, at, count, is_mount, is_upload, write_spec_with};
use crate::support::Sandbox;

/// A machine with an empty cache.
fn machine(name: &str, more: &str, content: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    write_spec_with(&sandbox, name, "scratch", more);
    sandbox
        .write("files/content", content.repeat(10_000))
        .write("files/name", "the same on every machine\n");
    sandbox
}

fn origins(sandbox: &Sandbox) -> Vec<String> {
    let origin = |platform: &Value| platform["layers"][0]["origin"].as_str().unwrap().to_owned();
    sandbox.json("metadata.json")["platforms"]
        .as_array()
        .unwrap()
        .iter()
        .map(origin)
        .collect()
}

/// Builds and pushes with the layers of `earlier`. Returns the digest.
fn push_from(sandbox: &Sandbox, earlier: &str) -> String {
    sandbox
        .ok(&[
            "build",
            "--push",
            "--metadata",
            "metadata.json",
            "--cache-from",
            earlier,
        ])
        .digest()
}

#[test]
fn a_layer_that_an_earlier_image_has_is_neither_packed_nor_sent() {
    let name = at("OPEN", "earlier/same");
    let first = machine(&name, "tags = [\"1\"]", "content\n")
        .ok(&["build", "--push"])
        .digest();
    let cold = machine(&name, "tags = [\"2\"]", "content\n");
    let before = count(&cold, "OPEN", "earlier/same");
    assert_eq!(push_from(&cold, &format!("{name}:1")), first);
    assert_eq!(origins(&cold), ["earlier", "earlier"]);
    let seen = all_requests(&cold, "OPEN", "earlier/same", before);
    assert!(!seen.iter().any(is_upload), "{seen:#?}");
    assert!(
        !seen
            .iter()
            .any(|request| request.method == "GET" && request.path.contains("/blobs/") && request.sent_bytes > 2000)
    );
    // Nothing was compressed, so nothing is stored in the cache.
    assert!(!cold.path("cache/blocks").exists());
}

#[test]
fn a_layer_of_another_repository_is_mounted() {
    let [name, other] = ["earlier/from", "earlier/to"].map(|repository| at("OPEN", repository));
    machine(&name, "tags = [\"1\"]", "mounted\n").ok(&["build", "--push"]);
    let cold = machine(&other, "", "mounted\n");
    let alone = machine(&other, "", "mounted\n")
        .ok(&["build", "-o", "oci:alone"])
        .digest();
    assert_eq!(push_from(&cold, &format!("{name}:1")), alone);
    let seen = all_requests(&cold, "OPEN", "earlier/to", 0);
    assert_eq!(
        seen.iter()
            .filter(|request| is_mount(request) && request.status == 201)
            .count(),
        1,
        "{seen:#?}"
    );
}

#[test]
fn a_layout_gets_the_layer_from_the_registry() {
    let name = at("OPEN", "earlier/layout");
    machine(&name, "tags = [\"1\"]", "fetched\n").ok(&["build", "--push"]);
    let cold = machine(&name, "", "fetched\n");
    cold.ok(&[
        "build",
        "-o",
        "oci:image",
        "--metadata",
        "metadata.json",
        "--cache-from",
        &format!("{name}:1"),
    ]);
    assert_eq!(origins(&cold), ["earlier", "earlier"]);
    cold.ok(&["copy", "oci:image", "oci:verified"]);
    // The next build needs neither.
    let digest = cold.ok(&["build", "-o", "oci:image"]).digest();
    let same = cold.ok(&["build", "-o", "oci:other"]).digest();
    assert_eq!(digest, same);
}

#[test]
fn only_what_would_be_packed_is_taken() {
    let name = at("OPEN", "earlier/other");
    machine(&name, "tags = [\"1\"]\nlevel = 1", "content\n").ok(&["build", "--push"]);
    for (more, content) in [
        ("", "content\n"),
        ("level = 1", "changed\n"),
        ("compression = \"none\"", "content\n"),
    ] {
        let cold = machine(&name, &format!("tags = [\"2\"]\n{more}"), content);
        let alone = machine(&name, more, content).ok(&["build", "-o", "oci:alone"]).digest();
        assert_eq!(push_from(&cold, &format!("{name}:1")), alone);
        assert_eq!(origins(&cold), ["packed", "reused"], "{more} {content}");
    }
}

#[test]
fn an_image_that_is_not_there_is_told_of_and_passed_over() {
    let name = at("OPEN", "earlier/first");
    let cold = machine(&name, "tags = [\"1\"]", "first\n");
    let pushed = cold.ok(&[
        "build",
        "--push",
        "--cache-from",
        &format!("{name}:1"),
        "--cache-from",
        "localhost:1/none:1",
    ]);
    pushed.says(&[
        &format!("cannot reuse layers from {name}:1"),
        "cannot reuse layers from localhost:1/none:1",
    ]);
    cold.run(&["build", "--cache-from", "no name at all"]).expect(2);
    cold.run(&["build", "--offline", "--cache-from", &name])
        .expect(2)
        .says(&["--offline"]);
    assert!(fs::exists(cold.path("cache/blocks")).unwrap());
}
