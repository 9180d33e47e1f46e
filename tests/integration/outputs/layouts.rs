//! Layouts as outputs, on a base, and their readers: skopeo, umoci.

use std::fs;

use crate::support::images::{sha256, sound_blobs, state, write_spec, write_spec_for};
use crate::support::{Sandbox, on_base, tool};

const NAME: &str = "name = \"example.com/team/app\"";

#[test]
fn skopeo_reads_and_copies_every_platform() {
    let sandbox = Sandbox::new();
    write_spec(
        &sandbox,
        &format!("{NAME}\ntags = [\"1.0\", \"latest\"]\n{}", on_base()),
    );
    let digest = sandbox.ok(&["build", "-o", "oci:out"]).digest();
    for tag in ["1.0", "latest"] {
        let source = format!("oci:{}:{tag}", sandbox.path("out").display());
        assert_eq!(
            sha256(tool("skopeo", &["inspect", "--raw", &source]).as_bytes()),
            digest
        );
        let target = format!("oci:{}:{tag}", sandbox.path("copied").display());
        tool("skopeo", &["copy", "-q", "--all", &source, &target]);
        assert_eq!(sandbox.layout("copied").index()["manifests"][0]["digest"], digest);
    }
    assert_eq!(sound_blobs(&sandbox.path("out")), sound_blobs(&sandbox.path("copied")));
}

#[test]
fn umoci_lists_and_unpacks() {
    let sandbox = Sandbox::new();
    write_spec_for(
        &sandbox,
        &format!("index = false\ntags = [\"1\"]\n{}", on_base()),
        &["linux/amd64"],
    );
    sandbox.ok(&["build", "-o", "oci:out"]);
    let layout = sandbox.path("out");
    assert_eq!(tool("umoci", &["ls", "--layout", layout.to_str().unwrap()]), "1\n");
    let image = format!("{}:1", layout.display());
    let bundle = sandbox.path("bundle");
    tool("umoci", &["unpack", "--image", &image, bundle.to_str().unwrap()]);
    let greet = bundle.join("rootfs/app/bin/greet");
    assert_eq!(fs::read_to_string(&greet).unwrap(), "#!/bin/sh\necho greetings\n");
    let listed = tool("stat", &["-c", "%a %u:%g %Y", greet.to_str().unwrap()]);
    assert_eq!(listed, "755 0:0 1\n");
    assert!(!bundle.join("rootfs/usr/share/doc/base/copyright").exists());
}

#[test]
fn a_damaged_blob_is_found_and_replaced() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &on_base());
    sandbox.ok(&["build", "-o", "oci:out"]);
    let whole = sound_blobs(&sandbox.path("out"));
    for (at, name) in whole.iter().enumerate() {
        let path = sandbox.path("out/blobs/sha256").join(name);
        let mut bytes = fs::read(&path).unwrap();
        match at % 3 {
            0 => bytes[0] ^= 1,
            1 => bytes.truncate(bytes.len() / 2),
            _ => bytes.clear(),
        }
        fs::write(&path, bytes).unwrap();
    }
    sandbox.ok(&["build", "-o", "oci:out"]);
    assert_eq!(sound_blobs(&sandbox.path("out")), whole);
}

#[test]
fn a_second_run_touches_nothing() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &format!("{NAME}\ntags = [\"1\", \"2\"]\n{}", on_base()));
    let first = sandbox.ok(&["build", "-o", "oci:out", "-o", "oci:out:3"]);
    let before = state(&sandbox.path("out"));
    let second = sandbox
        .ok(&["build", "-o", "oci:out", "-o", "oci:out:3"])
        .says(&["base, skipped", "packed, skipped"]);
    assert_eq!(second.stdout, first.stdout);
    assert_eq!(state(&sandbox.path("out")), before);
}
