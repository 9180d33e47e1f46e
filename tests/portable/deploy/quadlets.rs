//! Quadlets: `Image=`, mounted images, and manifests of `.kube` units.

use super::{read, sandbox};
use crate::support::odd_yaml::DIGEST;
use crate::support::refusal::refused;

#[test]
fn a_quadlet_gets_its_digest() {
    let sandbox = sandbox();
    let unit = "# web\r\n[Unit]\r\nDescription=Image=ghcr.io/me/app:1.0\r\n\r\n[Container]\r\nImage = ghcr.io/me/app:1.0@ \r\nExec=a \\\r\n  Image=b\r\n[Service]\r\nImage=ghcr.io/me/app:1.0\r\n";
    sandbox.write("web.container", unit.replace('@', ""));
    let outcome = sandbox.ok(&["pin", "web.container", "--from", "m.json"]);
    assert!(
        outcome
            .stdout
            .starts_with("web.container:6 ghcr.io/me/app:1.0 \u{2192} "),
        "{}",
        outcome.stdout
    );
    assert_eq!(
        read(&sandbox, "web.container"),
        unit.replace('@', &format!("@{DIGEST}"))
    );
    for (unit, reason) in [
        ("[Container]\nImage=ghcr.io/me/app:%i\n", "% specifiers"),
        ("[Container]\nImage=ghcr.io/me/app:1.0\nImage=x\n", "occurs twice"),
        ("[Image]\nImage=ghcr.io/me/app:1.0 \\\n\n", "on one line"),
        ("[Volume]\nImage=web.image\n", "it names web.image (line 2)"),
        ("[Build]\nFile=x\n", "names no image"),
    ] {
        sandbox.write("x.container", unit);
        sandbox
            .run(&["pin", "x.container", "--from", "m.json"])
            .expect(2)
            .says(&[reason]);
    }
}

#[test]
fn every_unit_with_an_image_gets_its_digest() {
    let sandbox = sandbox();
    for (name, text) in [
        ("app.image", "[Image]\nImage=ghcr.io/me/app:1.0@\nAllTags=false\n"),
        ("data.volume", "[Volume]\nDriver=image\nImage=ghcr.io/me/app:1.0@\n"),
        (
            "web.container",
            "[Container]\nImage=postgres\nMount=type=image,source=ghcr.io/me/app:1.0@,destination=/x\n\
             Mount=type=bind,source=/ghcr.io/me/app:1.0,destination=/y\nMount=src=ghcr.io/me/app:1.0@,type=image  \
             type=image,source=other,dst=/z\n[Service]\nMount=type=image,source=ghcr.io/me/app:1.0\n",
        ),
    ] {
        sandbox.write(name, text.replace('@', ""));
        sandbox.ok(&["pin", name, "--from", "m.json"]);
        assert_eq!(read(&sandbox, name), text.replace('@', &format!("@{DIGEST}")), "{name}");
        sandbox.ok(&["pin", name, "--from", "m.json", "--check"]);
    }
    for (line, words) in [
        (
            "Mount=type=image,source=ghcr.io/me/app:%i,destination=/x",
            &["% specifiers", "--> x.container:3:25"][..],
        ),
        (
            "Mount=type=image,source=ghcr.io/me/app:2.0,destination=/x",
            &["has the tag 2.0", "--> x.container:3:25"],
        ),
        (
            "Mount=\"type=image,source=ghcr.io/me/app:1.0,destination=/x\"",
            &["has quotes", "--> x.container:3:7", "without quotes"],
        ),
        (
            "Mount=type=image,\\\n  source=ghcr.io/me/app:1.0,destination=/x",
            &["the value is continued", "--> x.container:3:7"],
        ),
    ] {
        sandbox.write(
            "x.container",
            format!("[Container]\nImage=ghcr.io/me/app:1.0\n{line}\n"),
        );
        refused(&sandbox, &["pin", "x.container", "--from", "m.json"], 2, words);
    }
    sandbox.write(
        "x.container",
        "[Container]\nImage=web.build\nMount=\"type=image,source=other\",\\\n  x\n",
    );
    let words = ["it names web.build (line 2), other (line 3)"];
    refused(&sandbox, &["pin", "x.container", "--from", "m.json"], 2, &words);
}

#[test]
fn the_manifests_of_a_kube_unit_are_named() {
    let sandbox = sandbox();
    let unit = "[Kube]\nYaml=pods/web.yaml\n";
    sandbox.write("web.kube", unit);
    let words = [
        "web.kube names no image",
        "help: its images are in pods/web.yaml: give that file",
    ];
    refused(&sandbox, &["pin", "web.kube", "--from", "m.json"], 2, &words);
    sandbox.write("app.container", "[Container]\nImage=ghcr.io/me/app:1.0\n");
    let outcome = sandbox.ok(&["pin", "web.kube", "app.container", "--from", "m.json"]);
    assert_eq!(
        outcome.stderr,
        "the images of web.kube are in pods/web.yaml: pin that file, too\n"
    );
    let json = sandbox.ok(&["pin", "web.kube", "app.container", "--from", "m.json", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        json["files"][0]["manifests"],
        serde_json::json!([{ "line": 2, "file": "pods/web.yaml" }])
    );
    sandbox.write(
        "pods/web.yaml",
        "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: ghcr.io/me/app:1.0}]}\n",
    );
    let outcome = sandbox.ok(&["pin", "web.kube", "pods/web.yaml", "--from", "m.json"]);
    assert_eq!(outcome.stderr, "");
    assert!(read(&sandbox, "pods/web.yaml").contains(DIGEST));
    assert_eq!(read(&sandbox, "web.kube"), unit);
}
