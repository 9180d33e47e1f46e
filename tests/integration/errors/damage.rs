//! Damaged local layouts and archives: invalid input, and nothing is written.

use std::fs;

use crate::errors::refusal::{assert_only_read, requests_so_far};
use crate::support::refusal::{base, layer, refused, spec};
use crate::support::{Sandbox, part};

/// Returns a sandbox with `oci:image` and `image.tar`, of one platform.
fn built() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("app", "x".repeat(10_000));
    spec(&sandbox, &["compression = \"none\"\n", &layer("app", "/app")]);
    sandbox.ok(&["build", "-o", "oci:image", "-o", "oci-archive:image.tar"]);
    sandbox
}

/// Returns the paths of index, manifest, config and layer below `image`.
fn blobs(sandbox: &Sandbox) -> [String; 4] {
    let layout = sandbox.layout("image");
    let named = |value: &serde_json::Value| value["digest"].as_str().unwrap().to_owned();
    let manifest = layout.manifest("latest", "linux/amd64");
    [
        named(&layout.index()["manifests"][0]),
        named(&layout.tagged("latest")["manifests"][0]),
        named(&manifest["config"]),
        named(&manifest["layers"][0]),
    ]
}

fn path_of(digest: &str) -> String {
    format!("image/blobs/sha256/{}", digest.strip_prefix("sha256:").unwrap())
}

/// Changes the last byte.
fn flip(sandbox: &Sandbox, relative: &str) {
    let mut bytes = fs::read(sandbox.path(relative)).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(sandbox.path(relative), bytes).unwrap();
}

#[test]
fn a_document_of_a_layout_that_is_damaged_is_named() {
    for at in 0..3 {
        let sandbox = built();
        let digest = &blobs(&sandbox)[at];
        flip(&sandbox, &path_of(digest));
        let words = [
            "in oci:",
            &*format!("image is damaged: expected {digest}, found sha256:"),
            "\nhelp: create or copy it again\n",
        ];
        refused(&sandbox, &["inspect", "oci:image"], 2, &words);
        refused(&sandbox, &["copy", "oci:image", "oci-archive:copy.tar"], 2, &words);
        let repository = format!("bad-input/damaged-{at}");
        let target = format!("{}/{repository}:1", part("REGISTRY_OPEN"));
        refused(&sandbox, &["push", "oci:image", &target], 2, &words);
        assert!(
            requests_so_far("OPEN", &repository)
                .iter()
                .all(|request| !request.path.contains("/manifests/")
                    || ["GET", "HEAD"].contains(&request.method.as_str()))
        );
        spec(&sandbox, &[&base("oci:image"), &layer("app", "/app")]);
        refused(&sandbox, &["build", "--push", "-t", &target], 2, &words);
    }
}

#[test]
fn a_layer_of_a_layout_that_is_damaged_is_never_tagged_elsewhere() {
    let sandbox = built();
    let digest = blobs(&sandbox)[3].clone();
    let size = fs::metadata(sandbox.path(path_of(&digest))).unwrap().len();
    let host = part("REGISTRY_OPEN");
    for (change, words) in [
        (true, "found sha256:".to_owned()),
        (false, format!("expected {size} bytes, found 100 bytes")),
    ] {
        if change {
            flip(&sandbox, &path_of(&digest))
        } else {
            fs::write(sandbox.path(path_of(&digest)), [0; 100]).unwrap()
        }
        let words = [&*digest, "image is damaged", &words];
        refused(&sandbox, &["copy", "oci:image", "oci-archive:copy.tar"], 2, &words);
        refused(
            &sandbox,
            &["push", "oci:image", &format!("{host}/bad-input/damaged-layer:1")],
            2,
            &words,
        );
        let written = requests_so_far("OPEN", "bad-input/damaged-layer");
        assert!(
            !written
                .iter()
                .any(|request| request.method == "PUT" && request.status < 300 && request.path.contains(&digest))
        );
        assert!(
            !written
                .iter()
                .any(|request| request.method == "PUT" && request.path.contains("/manifests/"))
        );
        spec(&sandbox, &[&base("oci:image"), &layer("app", "/app")]);
        refused(
            &sandbox,
            &["build", "--push", "-t", &format!("{host}/bad-input/damaged-base:1")],
            2,
            &words,
        );
    }
    assert_only_read("OPEN", "bad-input/damaged-base");
}

#[test]
fn a_blob_that_is_missing_is_not_found() {
    let sandbox = built();
    let digest = blobs(&sandbox)[3].clone();
    fs::remove_file(sandbox.path(path_of(&digest))).unwrap();
    let words = [&*format!("blob {digest} was not found in oci:image")];
    refused(&sandbox, &["copy", "oci:image", "oci-archive:copy.tar"], 6, &words);
}

#[test]
fn a_layout_that_is_none_says_what_it_lacks() {
    let sandbox = built();
    fs::create_dir(sandbox.path("empty")).unwrap();
    refused(
        &sandbox,
        &["inspect", "oci:nowhere"],
        6,
        &["oci:nowhere", "does not exist"],
    );
    refused(
        &sandbox,
        &["inspect", "oci:empty"],
        2,
        &["cannot use oci:empty: it is not an OCI layout: it has no file oci-layout"],
    );
    refused(
        &sandbox,
        &["inspect", "oci:image:nope"],
        6,
        &["nope", "not found in oci:image", "latest"],
    );
    fs::remove_file(sandbox.path("image/index.json")).unwrap();
    refused(
        &sandbox,
        &["inspect", "oci:image"],
        2,
        &["cannot use oci:image: it has no file index.json", "write it again"],
    );
    for text in ["{", "{\"schemaVersion\":2,\"schemaVersion\":2,\"manifests\":[]}", "[]"] {
        sandbox.write("image/index.json", text);
        refused(&sandbox, &["inspect", "oci:image"], 2, &["oci:image (index.json)"]);
    }
    sandbox.write("image/oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}");
    refused(&sandbox, &["inspect", "oci:image"], 2, &["oci:image", "2.0.0"]);
}

#[test]
fn a_tag_of_another_image_is_not_taken_over() {
    let sandbox = built();
    spec(&sandbox, &["name = \"ghcr.io/a/one\"\n", &layer("app", "/app")]);
    sandbox.ok(&["build", "-o", "oci:shared"]);
    spec(&sandbox, &[&layer("app", "/app")]);
    let words = [
        "the tag latest in oci:shared belongs to ghcr.io/a/one, not to an image without a name",
        "help: give the image a `name` in [image], or write to another layout with `-o oci:OTHER`",
    ];
    refused(&sandbox, &["build", "-o", "oci:shared"], 2, &words);
}

#[test]
fn an_archive_that_is_cut_short_damaged_or_none_is_refused() {
    let sandbox = built();
    let whole = fs::read(sandbox.path("image.tar")).unwrap();
    let [_, _, _, layer_digest] = blobs(&sandbox);
    let copy = |image: &str, words: &[&str]| {
        refused(&sandbox, &["copy", image, "oci-archive:copy.tar"], 2, words);
    };
    sandbox.write("cut.tar", &whole[..whole.len() / 2]);
    copy("oci-archive:cut.tar", &["cut.tar", "truncated"]);
    sandbox.write("text.tar", "this is no tar at all\n".repeat(100));
    copy("oci-archive:text.tar", &["text.tar"]);
    sandbox.write("empty.tar", "");
    copy("oci-archive:empty.tar", &["empty.tar"]);
    copy("docker-archive:text.tar", &["text.tar"]);
    copy("docker-archive:image.tar", &["image.tar", "manifest.json"]);

    let mut flipped = whole.clone();
    let at = flipped.windows(100).position(|window| window == [b'x'; 100]).unwrap();
    flipped[at] = b'y';
    sandbox.write("flipped.tar", flipped);
    copy("oci-archive:flipped.tar", &[&layer_digest, "flipped.tar is damaged"]);
    refused(&sandbox, &["inspect", "oci-archive:nowhere.tar"], 6, &["nowhere.tar"]);
}
