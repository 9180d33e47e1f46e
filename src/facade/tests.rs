use std::path::Path;

use tempfile::TempDir;

use super::{Config, Image, Layer, Registry};
use crate::build::{BuildOptions, OutputRequest};
use crate::model::{ErrorKind, MediaType, Platform};
use crate::registry::RegistryOptions;
use crate::spec::{Inputs, Spec};

/// A static program for linux/amd64.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/hello/bin/amd64/hello");

fn registry(directory: &Path) -> Registry {
    Registry::new(RegistryOptions::default(), BuildOptions::new(directory.to_owned())).unwrap()
}

fn amd64() -> Platform {
    Platform::new("linux", "amd64")
}

/// A directory with files to pack, and a registry that uses it for temporary files.
fn project() -> (TempDir, Registry) {
    let directory = tempfile::tempdir().unwrap();
    let dist = directory.path().join("dist");
    std::fs::create_dir_all(dist.join("lib")).unwrap();
    std::fs::write(dist.join("lib/data"), "data").unwrap();
    std::fs::copy(PROGRAM, dist.join("run")).unwrap();
    let registry = registry(directory.path());
    (directory, registry)
}

fn layout(directory: &TempDir, tag: &str) -> String {
    format!("oci:{}:{tag}", directory.path().join("oci").display())
}

fn with_files(registry: &Registry, directory: &TempDir) -> Image {
    registry
        .scratch(&amd64())
        .append(Layer::from_dir(directory.path().join("dist"), "/app").named("app"))
        .with_config(Config::new().entrypoint(["/app/run"]).env("A", "1").workdir("/app"))
}

#[tokio::test]
async fn an_image_has_the_digest_that_a_build_of_an_equal_spec_has() {
    let (directory, registry) = project();
    let image = with_files(&registry, &directory);
    let spec = r#"format = 1

[image]
base = "scratch"
platforms = ["linux/amd64"]
index = false

[[layers]]
name = "app"
files = [{ from = "dist", to = "/app" }]

[config]
entrypoint = ["/app/run"]
env = { A = "1" }
workdir = "/app"
"#;
    let spec = Spec::parse(spec, &directory.path().join("ocitect.toml"), &Inputs::default()).unwrap();
    let request = OutputRequest {
        outputs: vec![layout(&directory, "spec").parse().unwrap()],
        ..OutputRequest::default()
    };
    let report = registry.build(&spec, &request).await.unwrap();
    assert_eq!(image.digest().await.unwrap(), report.root.digest);
}

#[tokio::test]
async fn what_is_pushed_can_be_pulled_changed_read_and_copied() {
    let (directory, registry) = project();
    let base = layout(&directory, "base");
    let pushed = registry.push(&with_files(&registry, &directory), &base).await.unwrap();
    let pulled = registry.pull(&base, &amd64()).await.unwrap();
    assert_eq!(pulled.digest().await.unwrap(), pushed);

    let changed = pulled
        .append(Layer::new().with_file("/app/lib/data", "changed", 0o600))
        .with_config(Config::new().env("B", "2"));
    assert_eq!(
        changed.read_file("/app/run").await.unwrap(),
        std::fs::read(PROGRAM).unwrap()
    );
    assert_eq!(changed.read_file("/app/lib/data").await.unwrap(), b"changed");
    assert_eq!(pulled.read_file("/app/lib/data").await.unwrap(), b"data");
    let files = changed.files().await.unwrap();
    let paths: Vec<String> = files.nodes().map(|(path, _)| path.to_string()).collect();
    assert_eq!(paths, ["/app", "/app/lib", "/app/lib/data", "/app/run"]);

    let target = layout(&directory, "changed");
    let digest = registry.push(&changed, &target).await.unwrap();
    assert_ne!(digest, pushed);
    let again = registry.pull(&target, &amd64()).await.unwrap();
    assert_eq!(again.digest().await.unwrap(), digest);
    assert_eq!(again.manifest().await.unwrap().value().layers.len(), 2);
    let config = again.config().await.unwrap().value();
    let env = config.env();
    assert!(env.contains(&("A".into(), "1".into())) && env.contains(&("B".into(), "2".into())));
    assert_eq!(again.read_file("/app/lib/data").await.unwrap(), b"changed");

    let copy = format!("oci-archive:{}:copy", directory.path().join("copy.tar").display());
    assert_eq!(registry.copy(&target, &copy).await.unwrap(), digest);
    assert_eq!(registry.platforms(&copy).await.unwrap(), [amd64()]);
}

#[tokio::test]
async fn several_platforms_are_one_index() {
    let (directory, registry) = project();
    let arm64 = Platform::new("linux", "arm64");
    let layer = || Layer::from_dir(directory.path().join("dist"), "/app");
    let images = [
        registry.scratch(&arm64).append(layer()),
        registry.scratch(&amd64()).append(layer()),
    ];
    let target = layout(&directory, "both");
    registry.push_index(&images, &target).await.unwrap();
    assert_eq!(registry.platforms(&target).await.unwrap(), [amd64(), arm64.clone()]);
    let pulled = registry.pull(&target, &arm64).await.unwrap();
    assert_eq!(pulled.digest().await.unwrap(), images[0].digest().await.unwrap());
    let checked = registry.check(&target).await.unwrap();
    assert_eq!(checked.images.len(), 2);
}

#[tokio::test]
async fn errors_have_a_kind_and_name_the_layer_and_the_path() {
    let (directory, registry) = project();
    let missing = registry
        .pull(&layout(&directory, "none"), &amd64())
        .await
        .err()
        .unwrap();
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing:?}");
    let image = registry
        .scratch(&amd64())
        .append(Layer::from_dir(directory.path().join("missing"), "/app"));
    let error = image.digest().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    let text = format!("{error:?}");
    assert!(text.starts_with("layer 1: ") && text.contains("missing"), "{text}");
    let image = with_files(&registry, &directory);
    for (path, kind) in [("/app/none", ErrorKind::NotFound), ("/app", ErrorKind::Input)] {
        assert_eq!(image.read_file(path).await.unwrap_err().kind(), kind, "{path}");
    }
    let by_digest = format!("registry.example.com/me/app@{}", image.digest().await.unwrap());
    let error = registry.push(&image, &by_digest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.help().is_some());
}

#[tokio::test]
async fn an_index_belongs_to_the_family_of_its_images() {
    let (directory, registry) = project();
    let text = "format = 1\n[image]\nplatforms = [\"linux/amd64\"]\nindex = false\nmedia-types = \"docker\"\n\
                [[layers]]\nname = \"app\"\nfiles = [{ from = \"dist\", to = \"/app\" }]\n";
    let spec = Spec::parse(text, &directory.path().join("ocitect.toml"), &Inputs::default()).unwrap();
    let docker = layout(&directory, "docker");
    let request = OutputRequest {
        outputs: vec![docker.parse().unwrap()],
        ..OutputRequest::default()
    };
    registry.build(&spec, &request).await.unwrap();
    let docker = registry.pull(&docker, &amd64()).await.unwrap();
    let index = layout(&directory, "index");
    registry
        .push_index(std::slice::from_ref(&docker), &index)
        .await
        .unwrap();
    let pulled = registry.pull(&index, &amd64()).await.unwrap();
    assert_eq!(pulled.digest().await.unwrap(), docker.digest().await.unwrap());
    let manifest = pulled.manifest().await.unwrap().descriptor();
    assert_eq!(manifest.media_type, MediaType::DockerManifest);
    let mixed = [docker, with_files(&registry, &directory)];
    let error = registry.push_index(&mixed, &index).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
}
