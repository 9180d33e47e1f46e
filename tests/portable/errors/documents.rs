//! Registries that send invalid content: damaged blobs, ambiguous documents, endless ones.

use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::support::liar::{INDEX, Liar, MANIFEST, Page, digest};
use crate::support::refusal::{base, layer, refused, spec};

/// Size limit of a manifest.
const MANIFEST_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// Checks that a build on the image of `liar`, and a copy of it, fail with a registry error, and that nothing is
/// written here or there.
#[track_caller]
fn refused_image(liar: &Liar, words: &[&str]) {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    spec(
        &sandbox,
        &[&base(&format!("{}:latest", liar.image())), &layer("app", "/app")],
    );
    refused(&sandbox, &["build"], 5, words);
    refused(&sandbox, &["inspect", &liar.image()], 5, words);
    let sandbox = Sandbox::new();
    refused(&sandbox, &["copy", &liar.image(), "oci-archive:copy.tar"], 5, words);
    liar.assert_only_read();
}

/// Returns the manifest of `liar`, changed.
fn manifest_with(liar: &Liar, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut manifest: Value = serde_json::from_slice(&liar.blobs[&liar.manifest]).unwrap();
    change(&mut manifest);
    manifest.to_string().into_bytes()
}

#[test]
fn an_honest_image_is_built_on_and_copied() {
    let liar = Liar::honest();
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    spec(
        &sandbox,
        &[&base(&format!("{}:latest", liar.image())), &layer("app", "/app")],
    );
    sandbox.ok(&["build"]);
    sandbox.ok(&["copy", &liar.image(), "oci:copy"]);
    liar.assert_only_read();
}

#[test]
fn a_manifest_with_another_digest_is_damaged() {
    let liar = Liar::honest();
    let mut other = liar.blobs[&liar.manifest].clone();
    let at = other.windows(3).position(|window| window == b"tar").unwrap();
    other[at] = b'T';
    liar.put(
        &format!("/v2/app/manifests/{}", liar.manifest),
        Page::new(MANIFEST, other.clone()),
    );
    let words = format!(
        "{} in {} is damaged: expected {0}, found {}\nhelp: try again; if it fails again, push the image again\n",
        liar.manifest,
        liar.image(),
        digest(&other)
    );
    refused_image(&liar, &[&words]);
}

#[test]
fn a_manifest_with_another_size_is_damaged() {
    let liar = Liar::honest();
    let size = liar.blobs[&liar.manifest].len();
    let mut index: Value = serde_json::from_slice(&liar.blobs[&liar.index]).unwrap();
    let path = format!("/v2/app/manifests/{}", liar.manifest);
    let page = Page::new(MANIFEST, liar.blobs[&liar.manifest].clone());
    let of_unknown_length = Page {
        length: None,
        ..page.clone()
    };
    let whole = format!("{size} bytes");
    for (page, claimed, found) in [
        (&page, size - 1, &*whole),
        (&page, size + 1, &whole),
        (&of_unknown_length, size - 1, "more"),
    ] {
        liar.put(&path, page.clone());
        index["manifests"][0]["size"] = claimed.into();
        liar.put("/v2/app/manifests/latest", Page::new(INDEX, index.to_string()));
        let words = format!(
            "{} in {} is damaged: expected {claimed} bytes, found {found}",
            liar.manifest,
            liar.image()
        );
        refused_image(&liar, &[&words]);
    }
}

#[test]
fn a_pinned_index_that_is_another_is_damaged() {
    let liar = Liar::honest();
    let pinned = digest(b"what was meant");
    liar.put(
        &format!("/v2/app/manifests/{pinned}"),
        Page::new(INDEX, liar.blobs[&liar.index].clone()),
    );
    let sandbox = Sandbox::new();
    let words = format!(
        "{pinned} in {} is damaged: expected {pinned}, found {}",
        liar.image(),
        liar.index
    );
    spec(&sandbox, &[&base(&format!("{}@{pinned}", liar.image()))]);
    refused(&sandbox, &["build"], 5, &[&words]);
    refused(
        &sandbox,
        &["copy", &format!("{}@{pinned}", liar.image()), "oci:copy"],
        5,
        &[&words],
    );
}

#[test]
fn a_config_with_another_digest_or_size_is_damaged() {
    let liar = Liar::honest();
    let config = liar.blobs[&liar.config].clone();
    let other = String::from_utf8(config.clone())
        .unwrap()
        .replace("amd64", "arm64")
        .into_bytes();
    liar.put_blob(&liar.config, other);
    refused_image(
        &liar,
        &[&format!(
            "{} in {} is damaged: expected sha256:",
            liar.config,
            liar.image()
        )],
    );
    liar.put_blob(&liar.config, config[..config.len() - 1].to_vec());
    let words = format!(
        "is damaged: expected {} bytes, found {} bytes",
        config.len(),
        config.len() - 1
    );
    refused_image(&liar, &[&words]);
}

#[test]
fn a_layer_with_another_digest_or_size_is_damaged_for_facts_and_for_copies() {
    let liar = Liar::honest();
    let layer_bytes = liar.blobs[&liar.layer].clone();
    let mut flipped = layer_bytes.clone();
    flipped[700] ^= 1;
    let short = layer_bytes[..5000].to_vec();
    let long = [&layer_bytes[..], b"more"].concat();
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    spec(
        &sandbox,
        &[&base(&format!("{}:latest", liar.image())), &layer("app", "/app")],
    );
    let page = |body: Vec<u8>| Page::new("application/octet-stream", body);
    let of_unknown_length = |body: Vec<u8>| Page {
        length: None,
        ..page(body)
    };
    let all = format!("{} bytes", long.len());
    for (page, found) in [
        (page(flipped), "sha256:"),
        (page(short), "5000 bytes"),
        (page(long.clone()), &*all),
        (of_unknown_length(long), "more"),
    ] {
        liar.put(&format!("/v2/app/blobs/{}", liar.layer), page);
        let words = [
            &*format!("{} in {} is damaged: expected ", liar.layer, liar.image()),
            &format!(", found {found}"),
        ];
        refused(&sandbox, &["build"], 5, &words);
        let target = Sandbox::new();
        refused(&target, &["copy", &liar.image(), "oci-archive:copy.tar"], 5, &words);
        target.run(&["copy", &liar.image(), "oci:copy"]).expect(5).says(&words);
        assert!(
            !target.path("copy/index.json").exists(),
            "a tag for an image that is not there"
        );
        let hex = liar.layer.strip_prefix("sha256:").unwrap();
        assert!(!target.path("copy/blobs/sha256").join(hex).exists());
        target.run(&["inspect", "oci:copy"]).expect(2);
    }
    liar.assert_only_read();
}

#[test]
fn a_layer_that_is_damaged_after_its_facts_were_read_is_found_when_it_is_copied() {
    let liar = Liar::honest();
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    spec(
        &sandbox,
        &[&base(&format!("{}:latest", liar.image())), &layer("app", "/app")],
    );
    sandbox.ok(&["lock"]);
    let mut flipped = liar.blobs[&liar.layer].clone();
    flipped[700] ^= 1;
    liar.put_blob(&liar.layer, flipped);
    let words = [
        &*format!("{} in {} is damaged: expected sha256:", liar.layer, liar.image()),
        "failed at the source",
    ];
    refused(&sandbox, &["build", "-o", "oci-archive:out.tar"], 5, &words);
    sandbox.run(&["build", "-o", "oci:out"]).expect(5).says(&words);
    assert!(!sandbox.path("out/index.json").exists());
}

#[test]
fn a_reply_that_breaks_off_is_said_to() {
    let liar = Liar::honest();
    let whole = &liar.blobs[&liar.layer];
    let page = Page {
        length: Some(whole.len()),
        ..Page::new("application/octet-stream", &whole[..5000])
    };
    liar.put(&format!("/v2/app/blobs/{}", liar.layer), page);
    let sandbox = Sandbox::new();
    let broken = format!("{} ended after 5000 of {} bytes", liar.layer, whole.len());
    let words = [&*format!("pulling a blob at {}", liar.image()), &broken];
    refused(&sandbox, &["copy", &liar.image(), "oci-archive:copy.tar"], 5, &words);
}

#[test]
fn a_manifest_that_is_also_an_index_is_ambiguous() {
    let liar = Liar::honest();
    let both = manifest_with(&liar, |manifest| manifest["manifests"] = json!([]));
    let shown = liar.put_manifest(&both);
    let words = [
        &*format!("cannot use a document of {}", liar.image()),
        &format!("the document {shown} is ambiguous"),
        "but has a field \"manifests\"",
    ];
    refused_image(&liar, &words);

    let index: Value = serde_json::from_slice(&liar.blobs[&liar.index]).unwrap();
    for more in ["layers", "config", "fsLayers"] {
        let mut both = index.clone();
        both[more] = json!([]);
        liar.put("/v2/app/manifests/latest", Page::new(INDEX, both.to_string()));
        refused_image(&liar, &["is ambiguous", &format!("has a field \"{more}\"")]);
    }
}

#[test]
fn a_document_that_says_another_type_than_it_was_sent_as_is_ambiguous() {
    let liar = Liar::honest();
    liar.put(
        "/v2/app/manifests/latest",
        Page::new(MANIFEST, liar.blobs[&liar.index].clone()),
    );
    refused_image(&liar, &["is ambiguous", INDEX, MANIFEST]);
}

#[test]
fn duplicate_keys_are_refused_at_every_depth() {
    let liar = Liar::honest();
    let text = String::from_utf8(liar.blobs[&liar.manifest].clone()).unwrap();
    let top = text.replacen('{', "{\"config\":{},", 1);
    let deep = text.replacen("\"layers\":[{", "\"layers\":[{\"size\":1,", 1);
    let unknown = text.replacen('{', "{\"x\":{\"y\":1,\"y\":2},", 1);
    for (manifest, name) in [(top, "config"), (deep, "size"), (unknown, "y")] {
        let shown = liar.put_manifest(manifest.as_bytes());
        refused_image(&liar, &[&shown, &format!("duplicate key \"{name}\""), "line 1 column "]);
    }
    let variant = text.replacen('{', "{\"Layers\":[],", 1);
    liar.put_manifest(variant.as_bytes());
    refused_image(&liar, &["\"Layers\"", "\"layers\""]);
}

#[test]
fn duplicate_keys_of_a_config_are_refused() {
    let liar = Liar::honest();
    let text = String::from_utf8(liar.blobs[&liar.config].clone()).unwrap();
    let config = text.replacen('{', "{\"os\":\"windows\",", 1).into_bytes();
    liar.put_blob(&digest(&config), config.clone());
    liar.put_manifest(&manifest_with(&liar, |manifest| {
        manifest["config"]["digest"] = digest(&config).into();
        manifest["config"]["size"] = config.len().into();
    }));
    // A copy passes on configs unchanged, of any kind of artifact: they are only read where they are needed.
    let words = [&*digest(&config), "duplicate key \"os\" at line 1 column "];
    let sandbox = Sandbox::new();
    spec(&sandbox, &[&base(&format!("{}:latest", liar.image()))]);
    refused(&sandbox, &["build"], 5, &words);
    refused(&sandbox, &["inspect", &liar.image()], 5, &words);
}

#[test]
fn a_manifest_over_the_limit_is_not_read_on() {
    let liar = Liar::honest();
    let padded = manifest_with(&liar, |manifest| {
        manifest["annotations"] = json!({ "padding": "x".repeat(MANIFEST_LIMIT_BYTES) });
    });
    let words = ["4194304"];
    liar.put("/v2/app/manifests/latest", Page::new(MANIFEST, padded.clone()));
    refused_image(&liar, &words);
    liar.put(
        "/v2/app/manifests/latest",
        Page {
            length: None,
            ..Page::new(MANIFEST, padded.clone())
        },
    );
    refused_image(&liar, &words);
    liar.put_manifest(&padded);
    refused_image(&liar, &words);
}

#[test]
fn what_is_no_document_is_refused() {
    let liar = Liar::honest();
    for (body, what) in [
        (
            &b"<html><title>Sign in</title>"[..],
            "expected value at line 1 column 1",
        ),
        (b"", "EOF"),
        (b"[]", "expected an object"),
        (b"{}", "missing field `schemaVersion`"),
        (&[b'['; 100_000], "recursion limit"),
    ] {
        liar.put("/v2/app/manifests/latest", Page::new(INDEX, body));
        refused_image(&liar, &[&format!("cannot use a document of {}", liar.image()), what]);
    }
}
