//! Every document of ocitect can be read by the crate oci-spec, which is independent of ocitect.

use oci_spec::image::{Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, OciLayout, Os};

use crate::support::{Layout, Sandbox};

/// A spec that sets every key of the config, and annotations.
const EVERYTHING: &str = r#"
[image]
name = "example.org/team/everything"
tags = ["1.0", "latest"]
platforms = ["linux/amd64", "linux/arm64/v8", "linux/arm/v7"]
annotations = { "org.opencontainers.image.title" = "Everything", Digest = "no digest" }

[[users]]
name = "app"
uid = 1000

[[layers]]
name = "app"
files = [{ from = "app.txt", to = "/srv/" }]

[config]
user = "app"
workdir = "/srv"
env = { GREETING = "hello world", PATH = "/usr/bin:/bin" }
entrypoint = ["/srv/start"]
cmd = ["--port", "8080"]
ports = ["8080", "53/udp"]
volumes = ["/var/data"]
stop-signal = "SIGTERM"
labels = { "org.opencontainers.image.licenses" = "Apache-2.0" }
healthcheck = { test = ["CMD", "/srv/start", "--health"], interval = "30s", timeout = "5s", start-period = "1m", retries = 3 }

[check]
allow = ["*:/**", "*:/"]
"#;

fn bytes_of(layout: &Layout, descriptor: &Descriptor) -> Vec<u8> {
    let bytes = layout.blob(descriptor.digest().as_ref());
    assert_eq!(bytes.len() as u64, descriptor.size(), "{descriptor:?}");
    bytes
}

/// Returns the manifests of all images of a layout, each with its entry, after reading each document on the way.
fn manifests(layout: &Layout) -> Vec<(Descriptor, ImageManifest)> {
    OciLayout::from_file(layout.directory.join("oci-layout")).unwrap();
    let top = ImageIndex::from_file(layout.directory.join("index.json")).unwrap();
    let mut found = Vec::new();
    for entry in top.manifests() {
        assert!(
            entry
                .annotations()
                .as_ref()
                .unwrap()
                .contains_key("org.opencontainers.image.ref.name")
        );
        match entry.media_type() {
            MediaType::ImageIndex => {
                let index = ImageIndex::from_reader(bytes_of(layout, entry).as_slice()).unwrap();
                assert_eq!(index.media_type().as_ref(), Some(&MediaType::ImageIndex));
                found.extend(
                    index
                        .manifests()
                        .iter()
                        .map(|entry| (entry.clone(), manifest(layout, entry))),
                );
            }
            MediaType::ImageManifest => found.push((entry.clone(), manifest(layout, entry))),
            other => panic!("{other} in index.json"),
        }
    }
    found
}

fn manifest(layout: &Layout, entry: &Descriptor) -> ImageManifest {
    let manifest = ImageManifest::from_reader(bytes_of(layout, entry).as_slice()).unwrap();
    assert_eq!(manifest.media_type().as_ref(), Some(entry.media_type()));
    manifest
}

fn config(layout: &Layout, manifest: &ImageManifest) -> ImageConfiguration {
    assert_eq!(manifest.config().media_type(), &MediaType::ImageConfig);
    ImageConfiguration::from_reader(bytes_of(layout, manifest.config()).as_slice()).unwrap()
}

#[test]
fn oci_spec_reads_every_document() {
    let sandbox = Sandbox::new();
    sandbox.write("app.txt", "text").spec(EVERYTHING);
    sandbox.ok(&["build"]);
    let layout = sandbox.layout("build/oci");
    // Two tags, three platforms.
    let found = manifests(&layout);
    assert_eq!(found.len(), 6);
    for (entry, manifest) in &found {
        let config = config(&layout, manifest);
        let platform = entry.platform().as_ref().unwrap();
        assert_eq!(
            (config.os(), config.architecture()),
            (platform.os(), platform.architecture())
        );
        assert_eq!(config.os(), &Os::Linux);
        assert_eq!(config.variant(), platform.variant());
        assert_eq!(config.rootfs().diff_ids().len(), manifest.layers().len());
        let filled = config
            .history()
            .as_ref()
            .unwrap()
            .iter()
            .filter(|step| step.empty_layer() != Some(true))
            .count();
        assert_eq!(filled, manifest.layers().len());
        assert!(
            manifest
                .layers()
                .iter()
                .all(|layer| layer.media_type() == &MediaType::ImageLayerGzip)
        );
        assert_eq!(
            manifest.annotations().as_ref().unwrap()["org.opencontainers.image.title"],
            "Everything"
        );
        assert_eq!(manifest.annotations().as_ref().unwrap()["Digest"], "no digest");
    }
    let architectures: Vec<&Arch> = found[..3]
        .iter()
        .map(|(entry, _)| entry.platform().as_ref().unwrap().architecture())
        .collect();
    assert_eq!(architectures, [&Arch::Amd64, &Arch::ARM, &Arch::ARM64]);

    let config = config(&layout, &found[0].1);
    let config = config.config().as_ref().unwrap();
    assert_eq!(config.user().as_deref(), Some("app"));
    assert_eq!(config.working_dir().as_deref(), Some("/srv"));
    assert_eq!(config.entrypoint().as_deref(), Some(&["/srv/start".to_owned()][..]));
    assert_eq!(
        config.cmd().as_deref(),
        Some(&["--port".to_owned(), "8080".to_owned()][..])
    );
    assert_eq!(config.stop_signal().as_deref(), Some("SIGTERM"));
    let mut ports = config.exposed_ports().clone().unwrap();
    ports.sort();
    assert_eq!(ports, ["53/udp", "8080/tcp"]);
    assert_eq!(config.volumes().as_deref(), Some(&["/var/data".to_owned()][..]));
    assert!(
        config
            .env()
            .as_ref()
            .unwrap()
            .contains(&"GREETING=hello world".to_owned())
    );
    assert_eq!(
        config.labels().as_ref().unwrap()["org.opencontainers.image.licenses"],
        "Apache-2.0"
    );
}

#[test]
fn oci_spec_reads_one_platform_without_an_index_and_other_compressions() {
    let sandbox = Sandbox::new();
    sandbox.write("app.txt", "text");
    for (compression, media_type) in [("zstd", MediaType::ImageLayerZstd), ("none", MediaType::ImageLayer)] {
        sandbox.spec(&format!(
            "[image]\nplatforms = [\"linux/amd64\"]\nindex = false\ncompression = \"{compression}\"\n\
             [[layers]]\nname = \"app\"\nfiles = [{{ from = \"app.txt\", to = \"/srv/\" }}]\n"
        ));
        let output = format!("oci:{compression}:1.0");
        sandbox.ok(&["build", "-o", &output]);
        let layout = sandbox.layout(compression);
        let found = manifests(&layout);
        assert_eq!(found.len(), 1);
        assert!(
            found[0]
                .1
                .layers()
                .iter()
                .all(|layer| layer.media_type() == &media_type),
            "{compression}"
        );
        assert_eq!(config(&layout, &found[0].1).architecture(), &Arch::Amd64);
    }
}
