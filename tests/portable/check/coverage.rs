//! A check always prints what it checked, and fails if there was nothing to check.

use serde_json::{Value, json};

use crate::support::Sandbox;
use crate::support::foreign::{Foreign, without_platform};

/// An image whose entrypoint does not exist.
fn broken(layout: &Foreign, platform: &str) -> Value {
    layout.image_with(platform, |config, _| {
        config["config"] = json!({ "Entrypoint": ["/does/not/exist"] })
    })
}

fn lay_out(sandbox: &Sandbox, name: &str, entry: impl FnOnce(&Foreign) -> Value) {
    let layout = Foreign::new(&sandbox.path(name));
    let root = entry(&layout);
    layout.list(&[(root, "latest")]);
}

#[test]
fn an_image_is_found_wherever_the_index_keeps_it() {
    let sandbox = Sandbox::new();
    lay_out(&sandbox, "plain", |layout| {
        layout.index(&[broken(layout, "linux/amd64")])
    });
    lay_out(&sandbox, "nested", |layout| {
        layout.index(&[layout.index(&[broken(layout, "linux/amd64")])])
    });
    lay_out(&sandbox, "silent", |layout| {
        layout.index(&[without_platform(broken(layout, "linux/amd64"))])
    });
    lay_out(&sandbox, "alias", |layout| {
        layout.index(&[broken(layout, "Linux/x86_64")])
    });
    lay_out(&sandbox, "manifest", |layout| broken(layout, "linux/amd64"));
    for name in ["plain", "nested", "silent", "alias", "manifest"] {
        let outcome = sandbox.run(&["check", &format!("oci:{name}")]).expect(3);
        for line in [
            "error[entrypoint-missing]: linux/amd64 ",
            "checked linux/amd64: 1 layer, 1 file\n",
        ] {
            assert!(outcome.stdout.contains(line), "{name}: {line}\n{}", outcome.stdout);
        }
    }
}

#[test]
fn nothing_to_check_is_an_error_that_says_what_there_was() {
    let sandbox = Sandbox::new();
    lay_out(&sandbox, "empty", |layout| layout.index(&[]));
    lay_out(&sandbox, "null", |layout| {
        layout.document(&json!({ "schemaVersion": 2, "mediaType": crate::support::foreign::INDEX, "manifests": null }))
    });
    lay_out(&sandbox, "hollow", |layout| layout.index(&[layout.index(&[])]));
    lay_out(&sandbox, "unknown", |layout| {
        layout.index(&[broken(layout, "unknown/unknown")])
    });
    lay_out(&sandbox, "attestation", |layout| layout.index(&[layout.attestation()]));
    lay_out(&sandbox, "typed", |layout| {
        let mut entry = broken(layout, "linux/amd64");
        entry["artifactType"] = "x/y".into();
        layout.index(&[entry])
    });
    let foreign_config = |layout: &Foreign| {
        let config = layout.blob(b"{}", "application/x");
        layout.image_with("linux/amd64", |_, manifest| manifest["config"] = config)
    };
    lay_out(&sandbox, "config", |layout| layout.index(&[foreign_config(layout)]));
    lay_out(&sandbox, "algorithm", |layout| {
        let mut entry = broken(layout, "linux/amd64");
        entry["digest"] = format!("sha512:{}", "a".repeat(128)).into();
        layout.index(&[entry])
    });
    for (name, reason) in [
        ("empty", "the index is empty"),
        ("null", "the index is empty"),
        ("hollow", "the index is empty"),
        ("unknown", "for an unknown platform"),
        ("attestation", "an attestation"),
        ("typed", "an artifact of type x/y"),
        ("config", "an artifact whose config is of type application/x"),
        ("algorithm", "its digest algorithm is not supported"),
    ] {
        for format in [&[][..], &["--json"], &["--sarif"]] {
            let image = format!("oci:{name}");
            let arguments = [&["check", &image][..], format].concat();
            let outcome = sandbox
                .run(&arguments)
                .expect(2)
                .says(&["contains no image to check", reason]);
            assert_eq!(outcome.stdout, "", "{name}");
        }
    }
    lay_out(&sandbox, "bare", foreign_config);
    sandbox.run(&["check", "oci:bare"]).expect(2).says(&["application/x"]);
    sandbox
        .run(&["check", "oci:typed", "--platform", "linux/amd64"])
        .expect(6)
        .says(&["an artifact of type x/y"]);
}

#[test]
fn what_was_left_out_is_named_in_every_format() {
    let sandbox = Sandbox::new();
    lay_out(&sandbox, "mixed", |layout| {
        layout.index(&[
            layout.image("linux/amd64"),
            layout.attestation(),
            layout.artifact(),
            layout.image("windows/amd64"),
        ])
    });
    let text = sandbox.ok(&["check", "oci:mixed"]).stdout;
    for line in [
        "checked linux/amd64: 1 layer, 1 file\n",
        "checked windows/amd64: 1 layer, 1 file\n",
        "note: programs for windows/amd64 are not supported: ",
        " (unknown/unknown): an attestation\n",
        ": an artifact of type application/spdx+json\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let report: Value = serde_json::from_str(&sandbox.ok(&["check", "--json", "oci:mixed"]).stdout).unwrap();
    assert_eq!(
        report["checked"][0],
        json!({ "platform": "linux/amd64", "layers": 1, "files": 1, "not_checked": null })
    );
    assert!(
        report["checked"][1]["not_checked"]
            .as_str()
            .unwrap()
            .contains("windows/amd64"),
        "{report}"
    );
    assert_eq!(report["skipped"][0]["reason"], "an attestation");
    assert_eq!(report["skipped"][1]["platform"], Value::Null);
    let log: Value = serde_json::from_str(&sandbox.ok(&["check", "--sarif", "oci:mixed"]).stdout).unwrap();
    let notes = log["runs"][0]["invocations"][0]["toolExecutionNotifications"]
        .as_array()
        .unwrap();
    assert_eq!(
        notes.len(),
        text.lines().count() - 1,
        "every line but the summary: {log}"
    );
}
