//! Parts that `merge` refuses because of what their files or their indexes say.

use serde_json::{Value, json};

use super::merging::{PLATFORMS, merge, part_file, push_parts, write_app};
use super::write_stack;
use crate::support::Sandbox;
use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::Flavour;
use crate::support::faults::log::Seen;
use crate::support::images::sha256;
use crate::support::refusal::refused;

/// Writes a blob into a layout, and returns its descriptor.
fn add_blob(sandbox: &Sandbox, layout: &str, media_type: &str, content: &[u8]) -> Value {
    let digest = sha256(content);
    let hex = digest.strip_prefix("sha256:").unwrap();
    sandbox.write(&format!("{layout}/blobs/sha256/{hex}"), content);
    json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
}

/// Adds an attestation to the index of the only image of a layout. `entry` are further fields of its entry; `SUBJECT` in
/// them stands for the digest of the image.
fn attest(sandbox: &Sandbox, layout: &str, entry: &Value) {
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    let config = add_blob(sandbox, layout, "application/vnd.oci.image.config.v1+json", b"{}");
    let statement = add_blob(sandbox, layout, "application/vnd.in-toto+json", b"{\"a\": 1}");
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [statement] });
    let mut attestation = add_blob(sandbox, layout, MANIFEST, manifest.to_string().as_bytes());
    let mut index = sandbox.layout(layout).tagged("1.0");
    let subject = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let entry: Value = serde_json::from_str(&entry.to_string().replace("SUBJECT", &subject)).unwrap();
    attestation
        .as_object_mut()
        .unwrap()
        .extend(entry.as_object().unwrap().clone());
    index["manifests"].as_array_mut().unwrap().push(attestation);
    let root = add_blob(
        sandbox,
        layout,
        "application/vnd.oci.image.index.v1+json",
        index.to_string().as_bytes(),
    );
    let mut listed = sandbox.layout(layout).index();
    for field in ["digest", "size"] {
        listed["manifests"][0][field] = root[field].clone();
    }
    sandbox.write(&format!("{layout}/index.json"), listed.to_string());
}

#[test]
fn attestations_travel_with_their_images_and_are_refused_otherwise() {
    let kind = |subject: &str| json!({ "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject });
    let unknown = json!({ "os": "unknown", "architecture": "unknown" });
    let zeros = format!("sha256:{}", "0".repeat(64));
    let real = json!({ "os": "linux", "architecture": "amd64" });
    for (entry, words) in [
        (json!({ "platform": unknown, "annotations": kind("SUBJECT") }), &[][..]),
        (json!({ "annotations": kind("SUBJECT") }), &[]),
        (
            json!({ "platform": real, "annotations": kind("SUBJECT") }),
            &[
                "oci:amd64 lists the attestation sha256:",
                "for linux/amd64",
                "unknown/unknown",
            ],
        ),
        (
            json!({ "platform": real, "annotations": { "vnd.docker.reference.digest": "SUBJECT" } }),
            &["oci:amd64 lists the attestation sha256:", "for linux/amd64"],
        ),
        (
            json!({ "platform": unknown, "annotations": { "vnd.docker.reference.type": "attestation-manifest" } }),
            &[
                "oci:amd64 has an attestation sha256:",
                "that does not name its image",
                "vnd.docker.reference.digest",
            ],
        ),
        (json!({ "platform": unknown }), &["that does not name its image"]),
        (
            json!({ "platform": unknown, "annotations": kind(&zeros) }),
            &["oci:amd64 has an attestation sha256:", &zeros, "which is in no part"],
        ),
    ] {
        let sandbox = Sandbox::new();
        write_app(&sandbox, "reg.example.com", "");
        for arch in ["amd64", "arm64"] {
            let platform = format!("linux/{arch}");
            sandbox.ok(&[
                "build",
                "--platform",
                &platform,
                "-t",
                "1.0",
                "-o",
                &format!("oci:{arch}"),
            ]);
        }
        attest(&sandbox, "amd64", &entry);
        let platforms = PLATFORMS.join(",");
        let arguments = [
            "merge",
            "-o",
            "oci:out:1.0",
            "--platforms",
            &platforms,
            "oci:amd64",
            "oci:arm64",
        ];
        if words.is_empty() {
            sandbox.ok(&arguments);
            let index = sandbox.layout("out").tagged("1.0");
            assert_eq!(index["manifests"].as_array().unwrap().len(), 3, "{entry}");
        } else {
            refused(&sandbox, &arguments, 2, words);
        }
    }
}

#[test]
fn part_files_that_are_not_as_they_were_written_are_refused() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_app(&sandbox, fake.host(), "");
    push_parts(&sandbox, &fake);
    let zeros = format!("sha256:{}", "0".repeat(64));
    let good = sandbox.json("linux-arm64.json");
    let digest = good["platforms"][0]["digest"].as_str().unwrap();
    let before = fake.log().all().len();
    let other = ["for linux/arm64 it lists", &zeros, digest];
    for (pointer, value, words) in [
        ("/platforms/0/digest", json!(zeros), &other[..]),
        (
            "/platforms",
            json!([]),
            &["for linux/arm64 it lists nothing, and the image has sha256:"],
        ),
        (
            "/part/of",
            json!([]),
            &["part.of \"\" is invalid: it lists no platform"],
        ),
        (
            "/part/of",
            json!(["linux/amd64", "linux/arm64", "linux/amd64"]),
            &["part.of \"linux/amd64\" is invalid: it is listed twice"],
        ),
        (
            "/part/build/format",
            json!(2),
            &["changed.json was built with byte format 2, and this ocitect knows byte format 1"],
        ),
    ] {
        let mut part = good.clone();
        *part.pointer_mut(pointer).unwrap() = value;
        sandbox.write("changed.json", part.to_string());
        let outcome = sandbox
            .run(&merge(&fake, &["linux-amd64.json", "changed.json"]))
            .expect(2);
        outcome.says(words).says(&["changed.json", "help:"]);
    }
    let written = |seen: &Seen| seen.method != "HEAD" && seen.method != "GET";
    assert!(!fake.log().all()[before..].iter().any(written));

    // A file that is not there, and links that lead nowhere.
    std::os::unix::fs::symlink("circle", sandbox.path("circle")).unwrap();
    std::os::unix::fs::symlink("nowhere", sandbox.path("dangling")).unwrap();
    for (file, words) in [
        ("gone.json", "cannot use gone.json: No such file"),
        ("dangling", "cannot use dangling: No such file"),
        ("circle", "cannot use circle: its symbolic links lead in a circle"),
    ] {
        sandbox
            .run(&merge(&fake, &["linux-amd64.json", file]))
            .expect(2)
            .says(&[words, "help:"]);
    }
}

#[test]
fn the_platforms_of_a_whole_image_are_not_those_of_an_option() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_app(&sandbox, fake.host(), "");
    push_parts(&sandbox, &fake);
    let spec = std::fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    sandbox.write("ocitect.toml", spec.replace(", \"linux/arm64\"", ""));
    sandbox.ok(&[
        "build",
        "--push",
        "--plain-http",
        fake.host(),
        "-t",
        "other",
        "--metadata",
        "whole.json",
    ]);
    let outcome = sandbox
        .run(&merge(&fake, &["whole.json", "linux-arm64.json"]))
        .expect(2);
    let outcome = outcome.says(&["whole.json is an image for linux/amd64, but linux-arm64.json is a part of an image"]);
    assert!(!outcome.stderr.contains("--platforms"), "{}", outcome.stderr);
    let image = sandbox.json("linux-arm64.json")["image"].as_str().unwrap().to_owned();
    let outcome = sandbox.run(&merge(&fake, &["whole.json", &image])).expect(2);
    let outcome = outcome.says(&["has an image for linux/arm64, but the whole image has linux/amd64"]);
    assert!(!outcome.stderr.contains("--platforms"), "{}", outcome.stderr);
    let listed = ["whole.json", &image, "--platforms", "linux/amd64"];
    sandbox
        .run(&merge(&fake, &listed))
        .expect(2)
        .says(&["add the platform to --platforms"]);
}

#[test]
fn a_member_that_a_file_lists_twice_and_unknown_states_are_refused() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    push_parts(&sandbox, &fake);
    let files = PLATFORMS.map(part_file);
    let whole = sandbox.json(&files[1]);
    let mut twice = whole.clone();
    let first = twice["images"][0].clone();
    twice["images"].as_array_mut().unwrap().push(first);
    let mut unknown = whole;
    unknown["images"][0]["state"] = json!("done");
    for (value, words) in [
        (twice, "member \"base\" is invalid: it is listed twice"),
        (
            unknown,
            "state \"done\" is invalid: expected one of written, unchanged, not written",
        ),
    ] {
        sandbox.write("changed.json", value.to_string());
        sandbox
            .run(&merge(&fake, &[&files[0], "changed.json"]))
            .expect(2)
            .says(&[words]);
    }
}
