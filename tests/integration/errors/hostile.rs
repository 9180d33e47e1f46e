//! Registries that send harmful content: documents that are too large or too deep, impossible sizes, and layers that
//! are small when they are sent and endless when they are read. Each ends with exit status 5, a message that names the
//! registry, and no more memory than other images need.

use std::io::Write as _;

use serde_json::{Value, json};

use crate::support::liar::{INDEX, Liar, MANIFEST, Page, digest};
use crate::support::refusal::{base, layer, spec};
use crate::support::{Sandbox, tool};

const MIB: usize = 1024 * 1024;

/// Memory limit of any command, in bytes; none of these images has anything that allows more.
const RESIDENT_BYTES: u64 = 64 * MIB as u64;

/// Invalid sizes: larger than any file, larger than a number can hold, negative, and not an integer.
const SIZES: [&str; 6] = [
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-1",
    "1e3",
    "\"12\"",
];

/// Checks that each of the commands rejects the content of `liar`.
#[track_caller]
fn refused_within_bounds(liar: &Liar, commands: &[&str], words: &[&str]) {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    spec(
        &sandbox,
        &[&base(&format!("{}:latest", liar.image())), &layer("app", "/app")],
    );
    for name in commands {
        let image = liar.image();
        let arguments: &[&str] = match *name {
            "copy" => &["copy", &image, "oci:copy"],
            "inspect" => &["inspect", &image],
            _ => &[name],
        };
        let (outcome, peak_bytes) = sandbox.run_measured(&sandbox.command(arguments));
        println!("{name}, {} MiB: {}", peak_bytes / MIB as u64, outcome.stderr);
        outcome.expect(5).says(words).says(&[&liar.host(), "error: "]);
        assert!(peak_bytes <= RESIDENT_BYTES, "{name} took {peak_bytes} bytes");
        assert!(!sandbox.path("copy/index.json").exists() && !sandbox.path("build/oci/index.json").exists());
    }
    liar.assert_only_read();
}

const ALL: [&str; 3] = ["build", "inspect", "copy"];

fn text_of(liar: &Liar, digest: &str) -> String {
    String::from_utf8(liar.blobs[digest].clone()).unwrap()
}

/// Returns a document with 5 MiB of annotations.
fn padded(document: &str) -> Vec<u8> {
    let mut value: Value = serde_json::from_str(document).unwrap();
    value["annotations"] = json!({ "padding": "x".repeat(5 * MIB) });
    value.to_string().into_bytes()
}

#[test]
fn documents_of_five_mebibytes_are_not_read() {
    let liar = Liar::honest();
    let words = ["4194304"];
    for (media_type, document) in [(INDEX, &liar.index), (MANIFEST, &liar.manifest)] {
        let large = padded(&text_of(&liar, document));
        for length in [Some(large.len()), None] {
            let page = Page {
                length,
                ..Page::new(media_type, large.clone())
            };
            liar.put("/v2/app/manifests/latest", page);
            refused_within_bounds(&liar, &ALL, &words);
        }
    }
    liar.put_manifest(&padded(&text_of(&liar, &liar.manifest)));
    refused_within_bounds(&liar, &ALL, &words);
    liar.put_config(&padded(&text_of(&liar, &liar.config)));
    refused_within_bounds(&liar, &["build", "inspect"], &words);
    // Its descriptor has a small size, but it is large.
    liar.put_manifest(text_of(&liar, &liar.manifest).as_bytes());
    let large = padded(&text_of(&liar, &liar.config));
    let said = format!("found {} bytes", large.len());
    for (length, found) in [(Some(large.len()), &*said), (None, "found more")] {
        let page = Page {
            length,
            ..Page::new("application/octet-stream", large.clone())
        };
        liar.put(&format!("/v2/app/blobs/{}", liar.config), page);
        refused_within_bounds(&liar, &ALL, &[&*liar.config, "is damaged", found]);
    }
}

#[test]
fn words_about_an_error_and_tokens_without_end_are_not_read() {
    let liar = Liar::honest();
    let endless = format!(
        "{{\"errors\":[{{\"code\":\"UNKNOWN\",\"message\":\"{}\"}}]}}",
        "x".repeat(5 * MIB)
    );
    liar.put(
        "/v2/app/manifests/latest",
        Page {
            status: 500,
            ..Page::new("application/json", endless)
        },
    );
    refused_within_bounds(&liar, &["inspect"], &["500"]);
    let challenge = Some(format!("Bearer realm=\"http://{}/token\",service=\"s\"", liar.host()));
    let refusal = Page {
        challenge,
        ..Page::error(401, "UNAUTHORIZED", "who are you")
    };
    liar.put("/v2/", refusal.clone());
    liar.put("/v2/app/manifests/latest", refusal);
    let token = format!("{{\"token\":\"{}\"}}", "x".repeat(5 * MIB));
    liar.put("/token", Page::new("application/json", token));
    refused_within_bounds(&liar, &["inspect"], &["token"]);
}

#[test]
fn names_that_stand_twice_and_both_families_in_one_are_refused() {
    let liar = Liar::honest();
    let index = text_of(&liar, &liar.index);
    let manifest = text_of(&liar, &liar.manifest);
    let mut cases = Vec::new();
    for (document, media_type) in [(&index, INDEX), (&manifest, MANIFEST)] {
        for (insertion, words) in [
            ("{\"schemaVersion\":2,", "duplicate key"),
            ("{\"x\":[{\"y\":{\"z\":1,\"z\":1}}],", "duplicate key"),
            ("{\"\\u0078\":1,\"x\":2,", "duplicate key"),
            ("{\"MediaType\":\"x\",", "differs from \"mediaType\" only in case"),
            ("{\"LAYERS\":[],", "differs from \"layers\" only in case"),
            ("{\"Manifests\":[],", "differs from \"manifests\" only in case"),
            ("{\"fsLayers\":[],", "is ambiguous"),
        ] {
            cases.push((media_type, document.replacen('{', insertion, 1), words));
        }
    }
    cases.push((INDEX, index.replacen('{', "{\"layers\":[],", 1), "is ambiguous"));
    cases.push((
        MANIFEST,
        manifest.replacen('{', "{\"manifests\":[],", 1),
        "is ambiguous",
    ));
    cases.push((MANIFEST, index, "is ambiguous"));
    cases.push((INDEX, manifest, "is ambiguous"));
    for (media_type, document, words) in cases {
        println!("{document}");
        liar.put("/v2/app/manifests/latest", Page::new(media_type, document));
        refused_within_bounds(&liar, &["inspect", "copy"], &["a document of", words]);
    }
}

#[test]
fn sizes_that_nothing_has_are_not_believed() {
    let liar = Liar::honest();
    let with_size = |document: &str, digest: &str, size: &str| {
        let old = format!("\"size\":{}", liar.blobs[digest].len());
        let text = text_of(&liar, document);
        assert!(text.contains(&old), "{text}");
        text.replace(&old, &format!("\"size\":{size}"))
    };
    for size in SIZES {
        liar.put(
            "/v2/app/manifests/latest",
            Page::new(INDEX, with_size(&liar.index, &liar.manifest, size)),
        );
        refused_within_bounds(&liar, &ALL, &[]);
        liar.put_manifest(with_size(&liar.manifest, &liar.config, size).as_bytes());
        refused_within_bounds(&liar, &["build", "copy"], &[]);
        liar.put_manifest(with_size(&liar.manifest, &liar.layer, size).as_bytes());
        refused_within_bounds(&liar, &["build", "copy"], &[]);
    }
    // The sum of two of them overflows.
    let manifest = with_size(&liar.manifest, &liar.layer, SIZES[1]);
    let mut manifest: Value = serde_json::from_str(&manifest).unwrap();
    let twice = manifest["layers"][0].clone();
    manifest["layers"].as_array_mut().unwrap().push(twice);
    liar.put_manifest(manifest.to_string().as_bytes());
    refused_within_bounds(&liar, &["build", "copy"], &[]);
}

#[test]
fn documents_ten_thousand_levels_deep_are_refused() {
    let liar = Liar::honest();
    for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let deepened = |digest: &str| text_of(&liar, digest).replacen('{', &format!("{{\"x\":{deep},"), 1);
        liar.put("/v2/app/manifests/latest", Page::new(INDEX, deepened(&liar.index)));
        refused_within_bounds(&liar, &ALL, &["a document of", "recursion limit"]);
        liar.put_manifest(deepened(&liar.manifest).as_bytes());
        refused_within_bounds(&liar, &ALL, &["a document of", "recursion limit"]);
        liar.put_config(deepened(&liar.config).as_bytes());
        refused_within_bounds(&liar, &["build", "inspect"], &["recursion limit"]);
    }
}

/// Returns the header of a tar member of 8 GiB, the largest size of a header.
fn head_of_a_large_file() -> Vec<u8> {
    let mut head = tar::Header::new_ustar();
    head.set_path("bomb").unwrap();
    head.set_mode(0o644);
    head.set_entry_type(tar::EntryType::Regular);
    head.set_size(0o777_7777_7777);
    head.set_cksum();
    head.as_bytes().to_vec()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let sandbox = Sandbox::new();
    sandbox.write("plain", bytes);
    let plain = sandbox.path("plain");
    let packed = sandbox.path("packed");
    tool(
        "zstd",
        &["-q", "-19", plain.to_str().unwrap(), "-o", packed.to_str().unwrap()],
    );
    std::fs::read(packed).unwrap()
}

#[test]
fn a_bomb_among_the_layers_of_a_base_is_given_up() {
    let zeros = vec![0; 16 * MIB];
    let liar = Liar::honest();
    let gzip_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    let zstd_type = "application/vnd.oci.image.layer.v1.tar+zstd";
    // A very long file, and data after the end of the archive: 8 GiB each, stored in 8 MiB or less.
    for (media_type, pack) in [(gzip_type, gzip as fn(&[u8]) -> Vec<u8>), (zstd_type, zstd)] {
        for head in [head_of_a_large_file(), vec![0; 1024]] {
            let mut body = pack(&head);
            body.extend(pack(&zeros).repeat(512));
            assert!(body.len() < 9 * MIB, "{} bytes", body.len());
            let shown = digest(&body);
            liar.put_layer(media_type, body);
            refused_within_bounds(&liar, &["build"], &[&*shown, "uncompressed", "256"]);
        }
    }
}
