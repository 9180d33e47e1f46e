//! Selection of an index's image for a platform: os and architecture must be equal, variants are selected as in
//! containerd.

use serde_json::json;

use crate::support::{Layout, Outcome, Sandbox, part};

fn sandbox(platform: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("app.txt", "the app\n").spec(&format!(
        "[image]\nname = \"localhost/variants\"\nbase = \"oci:{}\"\nplatforms = [\"{platform}\"]\n\
         [[layers]]\nname = \"app\"\nfiles = [{{ from = \"app.txt\", to = \"/srv/\" }}]\n",
        part("BASE_VARIANTS")
    ));
    sandbox
}

/// Returns the digest of the base's first layer for a platform.
fn first_layer(architecture: &str, variant: Option<&str>) -> String {
    let base = Layout {
        directory: part("BASE_VARIANTS").into(),
    };
    let index = base.tagged("latest");
    let wanted = |entry: &&serde_json::Value| {
        entry["platform"]["architecture"] == architecture && entry["platform"]["variant"].as_str() == variant
    };
    let entry = index["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .find(wanted)
        .unwrap()
        .clone();
    base.json(entry["digest"].as_str().unwrap())["layers"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn variants_are_taken_as_containerd_takes_them() {
    let cases = [
        ("linux/386", "386", None),
        ("linux/arm", "arm", Some("v7")),
        ("linux/arm/v7", "arm", Some("v7")),
        ("linux/arm/v8", "arm", Some("v7")),
        ("linux/arm/v6", "arm", Some("v5")),
        ("linux/arm/v5", "arm", Some("v5")),
        ("linux/arm64", "arm64", None),
        ("linux/arm64/v8", "arm64", None),
    ];
    for (platform, architecture, variant) in cases {
        let sandbox = sandbox(platform);
        sandbox.ok(&["build"]);
        let layout = sandbox.layout("build/oci");
        let index = layout.tagged("latest");
        let manifest = layout.json(index["manifests"][0]["digest"].as_str().unwrap());
        assert_eq!(
            manifest["layers"][0]["digest"],
            first_layer(architecture, variant),
            "{platform}"
        );
        // The image has the spec's variant, whatever the base's variant was.
        let config = layout.json(manifest["config"]["digest"].as_str().unwrap());
        let said: Vec<&str> = platform.split('/').collect();
        assert_eq!(config["architecture"], said[1], "{platform}");
        assert_eq!(
            config.get("variant").and_then(|variant| variant.as_str()),
            said.get(2).copied(),
            "{platform}"
        );
        assert_eq!(
            index["manifests"][0]["platform"].get("variant"),
            config.get("variant"),
            "{platform}"
        );
    }
}

#[test]
fn a_platform_that_the_base_lacks_is_an_error_that_lists_those_it_has() {
    for platform in ["linux/amd64", "linux/riscv64", "windows/arm64"] {
        let sandbox = sandbox(platform);
        let failed: Outcome = sandbox.run(&["build"]).expect(6);
        let failed = failed.says(&[platform, "linux/386", "linux/arm/v5", "linux/arm/v7", "linux/arm64"]);
        assert!(
            !failed.stderr.contains("unknown/unknown"),
            "an attestation is no platform: {}",
            failed.stderr
        );
        assert!(!sandbox.path("build").exists());
    }
}

#[test]
fn build_instructions_of_the_base_are_dropped_with_a_warning_and_history_is_filled_up() {
    let sandbox = sandbox("linux/arm64");
    let built = sandbox.ok(&["build"]).says(&["ONBUILD"]);
    let config = sandbox.layout("build/oci").config("latest", "linux/arm64");
    assert!(config["config"].get("OnBuild").is_none(), "{config}\n{}", built.stderr);
    let by: Vec<_> = config["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["created_by"].clone())
        .collect();
    assert_eq!(by, [json!("first"), json!("base"), json!("ocitect: app")]);
    assert_eq!(config["history"][1], json!({ "created_by": "base" }));
}
