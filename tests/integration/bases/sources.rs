//! Sources of a base, and what is kept of it: layers byte for byte, config fields by value.

use serde_json::{Value, json};

use crate::bases::container::{Container, on, on_base};
use crate::support::{Layout, Sandbox, part, tool};

const APP: &str = "[[layers]]\nname = \"app\"\nfiles = [{ from = \"app.txt\", to = \"/srv/\" }]\n";
const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

fn sandbox(spec: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("app.txt", "the app\n").spec(spec);
    sandbox
}

/// Returns the base of the tests as a layout.
fn base(name: &str) -> Layout {
    Layout {
        directory: part(name).into(),
    }
}

fn digests(manifest: &Value) -> Vec<(String, u64)> {
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers
        .map(|layer| {
            (
                layer["digest"].as_str().unwrap().to_owned(),
                layer["size"].as_u64().unwrap(),
            )
        })
        .collect()
}

fn media_types(manifest: &Value) -> Vec<&str> {
    manifest["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["mediaType"].as_str().unwrap())
        .collect()
}

/// Checks that the base's layers come first, with unchanged digests and sizes.
#[track_caller]
fn assert_base_layers(built: &Layout, base: &Layout) {
    for platform in PLATFORMS {
        let below = digests(&base.manifest("latest", platform));
        let all = digests(&built.manifest("latest", platform));
        assert_eq!(all[..below.len()], below);
        assert_eq!(all.len(), below.len() + 1);
        for (digest, size_bytes) in &below {
            assert_eq!(built.blob(digest), base.blob(digest));
            assert_eq!(built.blob(digest).len() as u64, *size_bytes);
        }
    }
}

#[test]
fn scratch_is_nothing_at_all() {
    let said = sandbox(&on("scratch", APP));
    let unsaid = sandbox(&on("scratch", APP).replace("base = \"scratch\"\n", ""));
    let digest = said.ok(&["build"]).digest();
    assert_eq!(unsaid.ok(&["build"]).digest(), digest);
    let manifest = said.layout("build/oci").manifest("latest", "linux/amd64");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    assert!(!manifest.to_string().contains("image.base"), "{manifest}");
}

#[test]
fn a_layout_is_a_base_with_a_tag_without_and_by_digest() {
    let index = base("BASE").index()["manifests"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let directory = part("BASE");
    let bases = [
        format!("oci:{directory}"),
        format!("oci:{directory}:latest"),
        format!("oci:{directory}@{index}"),
    ];
    let built = bases.map(|base| {
        let sandbox = sandbox(&on(&base, APP));
        let digest = sandbox.ok(&["build"]).digest();
        assert_base_layers(&sandbox.layout("build/oci"), &self::base("BASE"));
        digest
    });
    assert!(built.iter().all(|digest| digest == &built[0]), "{built:?}");
}

#[test]
fn a_relative_layout_is_beside_the_spec() {
    let sandbox = sandbox(&on("oci:bases/python", APP));
    std::fs::create_dir(sandbox.path("bases")).unwrap();
    std::os::unix::fs::symlink(part("BASE"), sandbox.path("bases/python")).unwrap();
    let elsewhere = Sandbox::new();
    elsewhere.ok(&["build", sandbox.root().to_str().unwrap()]);
    assert_base_layers(&elsewhere.layout("build/oci"), &base("BASE"));
}

#[test]
fn an_archive_gives_the_image_that_its_layout_gives() {
    let layout = sandbox(&on_base(APP));
    let archive = sandbox(&on(&format!("oci-archive:{}", part("BASE_ARCHIVE")), APP));
    let digest = layout.ok(&["build"]).digest();
    assert_eq!(archive.ok(&["build"]).digest(), digest);
    assert_base_layers(&archive.layout("build/oci"), &base("BASE"));
}

#[test]
fn a_base_of_a_registry_is_named_in_the_annotations() {
    let host = part("REGISTRY_OPEN");
    let sandbox = sandbox(&on(&format!("{host}/base:latest"), APP));
    sandbox.ok(&["build"]);
    let built = sandbox.layout("build/oci");
    assert_base_layers(&built, &base("BASE"));
    let index = base("BASE").index()["manifests"][0]["digest"].clone();
    let name = "org.opencontainers.image.base.name";
    let digest = "org.opencontainers.image.base.digest";
    let top = built.tagged("latest");
    assert_eq!(
        top["annotations"],
        json!({ name: format!("{host}/base:latest"), digest: index })
    );
    let below = base("BASE").tagged("latest");
    for (at, platform) in PLATFORMS.iter().enumerate() {
        let manifest = built.manifest("latest", platform);
        assert_eq!(manifest["annotations"][name], format!("{host}/base:latest"));
        assert_eq!(manifest["annotations"][digest], below["manifests"][at]["digest"]);
    }
}

#[test]
fn a_pinned_base_is_taken_by_its_digest() {
    let host = part("REGISTRY_OPEN");
    let index = base("BASE").index()["manifests"][0]["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    for reference in [
        format!("{host}/base@{index}"),
        format!("{host}/base:no-such-tag@{index}"),
    ] {
        let sandbox = sandbox(&on(&reference, APP));
        sandbox.ok(&["build"]);
        assert_base_layers(&sandbox.layout("build/oci"), &base("BASE"));
    }
    let unknown = format!("sha256:{}", "0".repeat(64));
    for reference in [
        format!("{host}/base@{unknown}"),
        format!("{host}/base:latest@{unknown}"),
    ] {
        let sandbox = sandbox(&on(&reference, APP));
        sandbox.run(&["build"]).expect(6).says(&[&unknown]);
        assert!(!sandbox.path("build").exists());
    }
}

#[test]
fn a_docker_base_becomes_oci_and_its_layers_stay() {
    for base_name in [
        format!("oci:{}", part("BASE_DOCKER")),
        format!("{}/base-docker:latest", part("REGISTRY_SECOND")),
    ] {
        let sandbox = sandbox(&on(&base_name, APP));
        sandbox.ok(&["build"]);
        let built = sandbox.layout("build/oci");
        assert_base_layers(&built, &base("BASE_DOCKER"));
        let manifest = built.manifest("latest", "linux/arm64");
        assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(
            manifest["config"]["mediaType"],
            "application/vnd.oci.image.config.v1+json"
        );
        assert_eq!(
            media_types(&manifest),
            ["application/vnd.oci.image.layer.v1.tar+gzip"; 3]
        );
        assert_eq!(
            built.tagged("latest")["mediaType"],
            "application/vnd.oci.image.index.v1+json"
        );
    }
}

#[test]
fn media_types_docker_makes_a_docker_image_of_any_base() {
    for name in ["BASE", "BASE_DOCKER"] {
        let spec = on(
            &format!("oci:{}", part(name)),
            &format!("media-types = \"docker\"\n{APP}"),
        );
        let sandbox = sandbox(&spec);
        sandbox.ok(&["build"]);
        let built = sandbox.layout("build/oci");
        assert_base_layers(&built, &base(name));
        let manifest = built.manifest("latest", "linux/amd64");
        assert_eq!(
            manifest["mediaType"],
            "application/vnd.docker.distribution.manifest.v2+json"
        );
        assert_eq!(
            manifest["config"]["mediaType"],
            "application/vnd.docker.container.image.v1+json"
        );
        assert_eq!(
            media_types(&manifest),
            ["application/vnd.docker.image.rootfs.diff.tar.gzip"; 3]
        );
        let top = built.tagged("latest");
        assert_eq!(
            top["mediaType"],
            "application/vnd.docker.distribution.manifest.list.v2+json"
        );
        assert!(manifest.get("annotations").is_none() && top.get("annotations").is_none());
    }
}

#[test]
fn layers_of_every_compression_are_kept_and_run() {
    for (name, suffix) in [("BASE", "+gzip"), ("BASE_ZSTD", "+zstd"), ("BASE_PLAIN", "")] {
        let sandbox = sandbox(&on(&format!("oci:{}", part(name)), APP));
        sandbox.ok(&["build"]);
        let built = sandbox.layout("build/oci");
        assert_base_layers(&built, &base(name));
        let manifest = built.manifest("latest", "linux/amd64");
        let kept = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        assert_eq!(
            media_types(&manifest),
            [&*kept, &kept, "application/vnd.oci.image.layer.v1.tar+gzip"]
        );
        let container = Container::build(&sandbox);
        assert_eq!(
            container.run(&["cat", "/srv/app.txt", "/etc/architecture"]),
            "the app\namd64\n"
        );
    }
}

#[test]
fn a_docker_image_cannot_have_the_zstd_layers_of_a_base() {
    let spec = on(
        &format!("oci:{}", part("BASE_ZSTD")),
        &format!("media-types = \"docker\"\n{APP}"),
    );
    let sandbox = sandbox(&spec);
    sandbox.run(&["build"]).expect(2).says(&["zstd", "help:"]);
    assert!(!sandbox.path("build").exists());
}

#[test]
fn fields_of_the_base_that_nobody_knows_survive() {
    let sandbox = sandbox(&on_base(APP));
    sandbox.ok(&["build"]);
    for (platform, architecture) in [("linux/amd64", "amd64"), ("linux/arm64", "arm64")] {
        let image = format!("oci:{}:latest", sandbox.path("build/oci").display());
        let arguments = ["--override-arch", architecture, "inspect", "--config", "--raw", &image];
        let config: Value = serde_json::from_str(&tool("skopeo", &arguments)).unwrap();
        let below = base("BASE").config("latest", platform);
        assert_eq!(config["config"], below["config"], "nothing was said of it");
        assert_eq!(config["config"]["Healthcheck"]["Test"][1], "test -e /etc/motd");
        assert_eq!(config["config"]["Shell"], json!(["/bin/sh", "-ec"]));
        assert_eq!(config["config"]["com.example.inner"], "kept too");
        assert_eq!(config["com.example.unknown"], json!({ "kept": [1, 2, 3] }));
        assert_eq!(config["architecture"], architecture);
    }
}

#[test]
fn the_history_and_the_layers_of_the_base_stay_in_front() {
    let sandbox = sandbox(&on_base(APP));
    sandbox.ok(&["build"]);
    let config = sandbox.layout("build/oci").config("latest", "linux/amd64");
    let below = base("BASE").config("latest", "linux/amd64");
    let history = config["history"].as_array().unwrap();
    assert_eq!(history[..3], below["history"].as_array().unwrap()[..]);
    assert_eq!(
        history[3..],
        [json!({ "created": "1970-01-01T00:00:00Z", "created_by": "ocitect: app" })]
    );
    let diff_ids = |config: &Value| config["rootfs"]["diff_ids"].as_array().unwrap().clone();
    assert_eq!(diff_ids(&config)[..2], diff_ids(&below)[..]);
    assert_eq!(diff_ids(&config).len(), 3);
    assert_eq!(config["created"], "1970-01-01T00:00:00Z");
}

#[test]
fn a_single_manifest_is_a_base_for_the_platform_of_its_config_alone() {
    let reference = format!("oci:{}", part("BASE_SINGLE"));
    let both = on(&reference, APP);
    let sandbox = sandbox(&both);
    sandbox
        .run(&["build"])
        .expect(6)
        .says(&["linux/arm64", "linux/amd64", "help:"]);
    assert!(!sandbox.path("build").exists());
    sandbox.ok(&["build", "--platform", "linux/amd64"]);
    let manifest = sandbox.layout("build/oci").manifest("latest", "linux/amd64");
    assert_eq!(digests(&manifest)[..2], digests(&base("BASE_SINGLE").tagged("latest")));
}
