//! A build without the program: a small spec, planned and packed, and copied onto stores in memory.

use std::str::FromStr as _;

use async_trait::async_trait;
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::build::built::BuildOutput;
use crate::build::naming::{OutputRequest, Outputs};
use crate::build::planning::plan_build;
use crate::events::Silent;
use crate::model::{Descriptor, Root, Selector, Tag};
use crate::registry::{Client, RegistryOptions};
use crate::spec::{Inputs, Spec};
use crate::store::{MemoryStore, Sink, Source, StoreError, open};
use crate::transfer::{self, copy};

const SPEC: &str = r#"
format = 1
[image]
platforms = ["linux/amd64", "linux/arm64"]
compression = "none"
[[layers]]
name = "app"
files = [{ from = "app", to = "/app" }]
"#;

/// Packs [`SPEC`] with a file `app`, in a directory of its own.
async fn built() -> Arc<BuildOutput> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("app"), "the program\n").unwrap();
    let spec = Spec::parse(SPEC, &directory.path().join("ocitect.toml"), &Inputs::default()).unwrap();
    let request = OutputRequest {
        outputs: Vec::new(),
        push: false,
        tags: Vec::new(),
        platforms: Vec::new(),
        also_written: Vec::new(),
    };
    let naming = Outputs::decide(spec.image(), &request).unwrap();
    let options = BuildOptions::new(directory.path().to_owned());
    let registries = Client::new(RegistryOptions::default()).unwrap();
    let transports = Transports::new(registries, directory.path().to_owned(), || Box::new(std::io::sink()));
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let member = [Member::alone(&spec, &naming)];
    let planned = plan_build(&member, &options, &transports, &observer).await.unwrap();
    let mut failures = Failures::new("build", false, &observer);
    let (checked, verdicts) = check_files(planned, false, &mut failures, &options, &observer).await;
    assert_eq!(verdicts.iter().map(Verdict::error_count).sum::<usize>(), 0);
    let earlier = CacheFrom::read(&[], &naming.platforms, &transports, &observer).await;
    let packed = pack(
        checked,
        earlier,
        EagerUpload::none(),
        &mut failures,
        &options,
        &observer,
    )
    .await
    .unwrap();
    packed[0].as_ref().unwrap().output.clone()
}

async fn copy_to(built: &BuildOutput, sink: &dyn Sink) -> Result<transfer::Report, transfer::CopyError> {
    let tags = [Tag::from_str("1.0").unwrap()];
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let reporter = transfer::Reporter::new(&observer, "memory".to_owned(), BTreeMap::new());
    copy(built, sink, built.root(), &tags, &reporter).await
}

#[tokio::test]
async fn index_manifests_and_a_shared_layer_come_into_a_store() {
    let built = built().await;
    let store = MemoryStore::new("memory");
    copy_to(&built, &store).await.unwrap();
    // An index, two manifests, two configs, and one layer for both platforms.
    assert_eq!(store.blob_count(), 6);
    let root = store.resolve(&Selector::Tag("1.0".to_owned())).await.unwrap();
    assert_eq!(&root, built.root());
    let Root::Index(index) = root else {
        panic!("the root is no index")
    };
    let manifests = &index.value().manifests;
    let platforms: Vec<String> = manifests
        .iter()
        .map(|entry| entry.platform.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let mut layers = Vec::new();
    for entry in manifests {
        let Root::Manifest(manifest) = store.resolve(&Selector::Digest(entry.digest)).await.unwrap() else {
            panic!("{} is no manifest", entry.digest)
        };
        layers.extend(manifest.value().layers.clone());
    }
    assert_eq!(layers.len(), 2);
    assert_eq!(layers[0], layers[1]);
    let mut bytes = Vec::new();
    let mut reader = open(&store, &layers[0]).await.unwrap();
    reader.read_to_end(&mut bytes).await.unwrap();
    let mut tar = ::tar::Archive::new(&bytes[..]);
    let paths = tar
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().into_owned());
    assert_eq!(paths.collect::<Vec<_>>(), [std::path::Path::new("app")]);
}

/// A store that accepts no blob.
struct Full(MemoryStore);

#[async_trait]
impl Sink for Full {
    fn describe(&self) -> String {
        "the full store".to_owned()
    }

    fn concurrency_limit(&self) -> usize {
        1
    }

    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        Sink::contains(&self.0, descriptor).await
    }

    async fn put(&self, _: &Descriptor, _: &dyn Source) -> Result<(), StoreError> {
        Err(StoreError::Io {
            action: "writing",
            path: "a blob".to_owned(),
            cause: std::io::ErrorKind::StorageFull.into(),
        })
    }

    async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), StoreError> {
        self.0.publish(root, tags).await
    }
}

#[tokio::test]
async fn a_sink_that_fails_is_named_as_the_target_and_gets_no_tag() {
    let built = built().await;
    let sink = Full(MemoryStore::new("memory"));
    let error = copy_to(&built, &sink).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with(" from the build to the full store failed at the target"),
        "{text}"
    );
    assert!(matches!(error.cause(), StoreError::Io { .. }), "{error:?}");
    assert!(sink.0.tags().is_empty());
}

#[tokio::test]
async fn a_blob_that_the_build_does_not_have_is_an_error_of_the_source() {
    let whole = built().await;
    let bare = BuildOutput::new(whole.root().clone());
    let store = MemoryStore::new("memory");
    let error = copy_to(&bare, &store).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with(" from the build to memory failed at the source"),
        "{text}"
    );
    assert!(store.tags().is_empty());
}
