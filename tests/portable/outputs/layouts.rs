//! OCI layouts: tags, other readers, damage, and files that a second run does not change.

use std::fs;

use serde_json::json;

use crate::support::Sandbox;
use crate::support::images::{sound_blobs, state, write_spec};

const NAME: &str = "name = \"example.com/team/app\"";

#[test]
fn a_tag_stands_alone_and_beside_it_the_full_name() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &format!("{NAME}\ntags = [\"1.0\", \"latest\"]"));
    sandbox.ok(&["build", "-o", "oci:named"]);
    let index = sandbox.layout("named").index();
    let expected: Vec<_> = ["1.0", "latest"]
        .map(|tag| {
            json!({
                "io.containerd.image.name": format!("example.com/team/app:{tag}"),
                "org.opencontainers.image.ref.name": tag,
            })
        })
        .into();
    let entries = index["manifests"].as_array().unwrap();
    assert_eq!(
        entries
            .iter()
            .map(|entry| entry["annotations"].clone())
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(
        fs::read(sandbox.path("named/oci-layout")).unwrap(),
        br#"{"imageLayoutVersion":"1.0.0"}"#
    );

    write_spec(&sandbox, "tags = [\"1.0\"]");
    let built = sandbox.ok(&["build", "-o", "oci:nameless", "-o", "oci:own:mine"]);
    assert!(built.stdout.starts_with("@sha256:"), "{}", built.stdout);
    let annotations = |layout: &str| sandbox.layout(layout).index()["manifests"][0]["annotations"].clone();
    assert_eq!(
        annotations("nameless"),
        json!({ "org.opencontainers.image.ref.name": "1.0" })
    );
    assert_eq!(
        annotations("own"),
        json!({ "org.opencontainers.image.ref.name": "mine" })
    );
}

#[test]
fn other_tags_stay_and_a_tag_moves() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, NAME);
    let first = sandbox
        .ok(&["build", "-o", "oci:out", "-t", "1", "-t", "moving"])
        .digest();
    // Like another tool's entry of an image, with fields that ocitect does not know.
    let mut index = sandbox.layout("out").index();
    let mut other = index["manifests"][0].clone();
    other["annotations"] = json!({ "org.opencontainers.image.ref.name": "other", "com.example": "kept" });
    other["com.example.field"] = json!([1]);
    index["manifests"].as_array_mut().unwrap().push(other.clone());
    index["com.example.top"] = json!({ "kept": true });
    sandbox.write("out/index.json", index.to_string());

    sandbox.write("files/greeting", "hello again\n");
    let second = sandbox
        .ok(&["build", "-o", "oci:out", "-t", "2", "-t", "moving"])
        .digest();
    assert_ne!(first, second);
    let index = sandbox.layout("out").index();
    let digest_of = |tag: &str| {
        let entries = index["manifests"].as_array().unwrap();
        let mut named = entries
            .iter()
            .filter(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag);
        let digest = named.next().unwrap()["digest"].as_str().unwrap().to_owned();
        assert!(named.next().is_none(), "{index:#}");
        digest
    };
    let found = ["1", "2", "moving", "other"].map(digest_of);
    assert_eq!(found, [first.clone(), second.clone(), second, first]);
    assert!(index["manifests"].as_array().unwrap().contains(&other), "{index:#}");
    assert_eq!(index["com.example.top"], json!({ "kept": true }));
    sound_blobs(&sandbox.path("out"));
}

#[test]
fn an_image_of_another_name_stays_beside_the_new_one() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, NAME);
    let first = sandbox.ok(&["build", "-o", "oci:out"]).digest();
    let before = state(&sandbox.path("out"));
    write_spec(&sandbox, "");
    sandbox.write("files/greeting", "of another image\n");
    sandbox.run(&["build", "-o", "oci:out"]).expect(2).says(&[
        "the tag latest in",
        "belongs to example.com/team/app",
        "-o oci:OTHER",
    ]);
    assert_eq!(state(&sandbox.path("out")), before);

    write_spec(&sandbox, "name = \"example.com/team/other\"");
    sandbox.write("files/greeting", "of another image\n");
    let second = sandbox.ok(&["build", "-o", "oci:out"]).digest();
    assert_eq!(sandbox.layout("out").index()["manifests"].as_array().unwrap().len(), 2);
    for (name, digest) in [("app", first), ("other", second)] {
        let shown = sandbox
            .ok(&["inspect", "--json", &format!("oci:out:example.com/team/{name}:latest")])
            .stdout;
        assert!(shown.contains(&digest), "{shown}");
    }
    sandbox
        .run(&["inspect", "oci:out:latest"])
        .expect(2)
        .says(&["example.com/team/app:latest", "example.com/team/other:latest"]);
}

#[test]
fn a_directory_that_is_no_layout_is_left_alone() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, "");
    sandbox.write("home/keep/file", "of the user\n");
    sandbox.write("broken/oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}");
    sandbox.write("file", "a file\n");
    for (output, reason) in [
        (
            "home/keep",
            "is not an OCI layout, and it is not empty: it contains file",
        ),
        ("broken", "only 1.0.0 is supported"),
        ("file", "it is not a directory"),
    ] {
        sandbox
            .run(&["build", "-o", &format!("oci:{output}")])
            .expect(2)
            .says(&[reason]);
    }
    assert_eq!(fs::read_dir(sandbox.path("home/keep")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(sandbox.path("broken")).unwrap().count(), 1);
    assert_eq!(fs::read(sandbox.path("file")).unwrap(), b"a file\n");
}

#[test]
fn outputs_that_contradict_themselves_are_bad_usage() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, "");
    let digest = format!("oci:out@sha256:{}", "0".repeat(64));
    for (arguments, message) in [
        (vec!["-o", "example.com/app:1"], "use --push"),
        (vec!["-o", &digest], "has the digest"),
        (
            vec!["-o", "oci-archive:a.tar", "-o", "oci-archive:a.tar:2"],
            "two outputs write to the file",
        ),
        (
            vec!["-o", "docker-archive:a.tar"],
            "can hold one platform, but this build has linux/amd64, linux/arm64",
        ),
        (
            vec!["--platform", "linux/s390x"],
            "available platforms: linux/amd64, linux/arm64",
        ),
        (vec!["-t", "no spaces"], "is not"),
        (
            vec!["-o", "oci-archive:-", "-o", "oci-archive:-:2"],
            "two outputs write to",
        ),
    ] {
        sandbox
            .run(&[&["build"][..], &arguments].concat())
            .expect(2)
            .says(&["error: ", message]);
    }
    for path in ["out", "a.tar", "build", "-"] {
        assert!(!sandbox.path(path).exists(), "{path}");
    }
}

#[test]
fn outputs_together_hold_one_image() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, NAME);
    let outputs = [
        "-o",
        "oci:out",
        "-o",
        "oci-archive:out.tar",
        "-o",
        "docker-archive:docker.tar",
        "-o",
        "oci:more:x",
    ];
    let built = sandbox.ok(&[&["build", "--platform", "linux/arm64"][..], &outputs].concat());
    for image in ["oci:out:latest", "oci-archive:out.tar", "oci:more:x"] {
        let said = sandbox.ok(&["inspect", "--json", image]).stdout;
        assert!(
            said.contains(&format!("\"digest\": \"{}\"", built.digest())),
            "{image}: {said}"
        );
    }
    let config = |image: &str| {
        let said: serde_json::Value = serde_json::from_str(&sandbox.ok(&["inspect", "--json", image]).stdout).unwrap();
        said["platforms"][0]["config_digest"].clone()
    };
    assert_eq!(config("docker-archive:docker.tar"), config("oci:out"));
}
