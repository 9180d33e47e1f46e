//! Tests that every backend must pass. They run against memory, layouts and archives beside their code.

use tokio::io::AsyncReadExt as _;

use super::error::StoreError;
use super::memory::MemoryStore;
use super::read::{read_config, read_root};
use super::sink::Sink;
use super::source::Source;
use super::verified::open;
use crate::model::{
    Descriptor, Digest, Document, ImageConfig, ImageIndex, ImageManifest, MediaType, Root, Selector, Tag,
};

/// A place that the tests write to and read from. Each test gets a new one.
pub(crate) trait Place {
    /// Returns a new sink over the place.
    fn sink(&self) -> Box<dyn Sink>;

    /// Returns the place as a source, or an error if nothing was published yet and the backend cannot be read before.
    fn source(&self) -> Result<Box<dyn Source>, StoreError>;

    /// Returns the name that selects tag `1`.
    fn name(&self) -> String {
        "1".to_owned()
    }

    /// Returns `false` for a backend that holds one platform and rebuilds the manifest from its content.
    fn keeps_documents(&self) -> bool {
        true
    }
}

/// An image of one platform with its blobs, and an index over it.
pub(crate) struct Fixture {
    pub(crate) store: MemoryStore,
    pub(crate) manifest: Root,
    pub(crate) index: Root,
    pub(crate) blobs: Vec<(Descriptor, Vec<u8>)>,
}

impl Fixture {
    /// Returns an image with one uncompressed layer, whose bytes are `content`.
    pub(crate) fn new(content: &[u8]) -> Self {
        let diff_id = Digest::of(content);
        let config =
            format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"diff_ids":["{diff_id}"],"type":"layers"}}}}"#);
        let layer = Descriptor::of(MediaType::OciLayer, content);
        let config: Document<ImageConfig> = Document::parse(MediaType::OciConfig, config.into_bytes()).unwrap();
        let manifest = Document::write(
            MediaType::OciManifest,
            ImageManifest {
                schema_version: 2,
                media_type: Some(MediaType::OciManifest),
                config: config.descriptor().clone(),
                layers: vec![layer.clone()],
                annotations: Default::default(),
                subject: None,
                other: Default::default(),
            },
        )
        .unwrap();
        let mut entry = manifest.descriptor().clone();
        entry.platform = Some(config.value().platform().clone());
        let index = ImageIndex {
            schema_version: 2,
            media_type: Some(MediaType::OciIndex),
            manifests: vec![entry],
            unsupported: Vec::new(),
            annotations: Default::default(),
            other: Default::default(),
        };
        let index = Document::write(MediaType::OciIndex, index).unwrap();
        let blobs = vec![
            (layer, content.to_vec()),
            (config.descriptor().clone(), config.bytes().to_vec()),
        ];
        let mut store = MemoryStore::new("fixture").with_blob(manifest.descriptor(), manifest.bytes().clone());
        for (descriptor, bytes) in &blobs {
            store = store.with_blob(descriptor, bytes.clone());
        }
        Self {
            store,
            manifest: Root::Manifest(manifest),
            index: Root::Index(index),
            blobs,
        }
    }

    /// Puts the blobs and the manifest of the index.
    pub(crate) async fn put_children(&self, sink: &dyn Sink) {
        for (descriptor, _) in &self.blobs {
            sink.put(descriptor, &self.store).await.unwrap();
        }
        sink.put(self.manifest.descriptor(), &self.store).await.unwrap();
    }
}

/// Runs every test, each in a new place.
pub(crate) async fn holds<P: Place>(new_place: impl Fn() -> P) {
    what_is_put_is_there_once(&new_place()).await;
    bad_sources_leave_nothing(&new_place()).await;
    nothing_is_named_before_it_is_published(&new_place()).await;
    what_is_published_is_read_back(&new_place()).await;
    tags_move(&new_place()).await;
    what_is_missing_is_not_found(&new_place()).await;
}

async fn what_is_put_is_there_once(place: &impl Place) {
    let fixture = Fixture::new(b"layer");
    let sink = place.sink();
    for (descriptor, _) in &fixture.blobs {
        assert!(!sink.contains(descriptor).await.unwrap());
        for _ in 0..2 {
            sink.put(descriptor, &fixture.store).await.unwrap();
            assert!(sink.contains(descriptor).await.unwrap());
        }
    }
    let empty = Descriptor::of(MediaType::OciLayer, b"");
    let store = MemoryStore::new("empty").with_blob(&empty, &b""[..]);
    sink.put(&empty, &store).await.unwrap();
    assert!(sink.contains(&empty).await.unwrap());
}

async fn bad_sources_leave_nothing(place: &impl Place) {
    let fixture = Fixture::new(b"layer");
    let sink = place.sink();
    let descriptor = &fixture.blobs[0].0;
    for bad in [&b"lay"[..], b"l4yer", b"layer and more", b""] {
        let store = MemoryStore::new("damaged").with_raw(descriptor.digest, bad);
        let error = sink.put(descriptor, &store).await.unwrap_err();
        assert!(error.is_source(), "{error}");
        assert!(!sink.contains(descriptor).await.unwrap());
    }
    let error = sink.put(descriptor, &MemoryStore::new("empty")).await.unwrap_err();
    let StoreError::Source(inner) = error else {
        panic!("{error}")
    };
    assert!(matches!(*inner, StoreError::NotFound { .. }), "{inner}");
    assert!(!sink.contains(descriptor).await.unwrap());
    // The failed put does not affect the sink.
    fixture.put_children(&*sink).await;
    sink.publish(&fixture.manifest, &tags(&["1"])).await.unwrap();
    let source = place.source().unwrap();
    let root = source.resolve(&Selector::Tag(place.name())).await.unwrap();
    assert_eq!(read(&*source, root.children()[1]).await, b"layer");
}

async fn nothing_is_named_before_it_is_published(place: &impl Place) {
    let fixture = Fixture::new(b"layer");
    let sink = place.sink();
    fixture.put_children(&*sink).await;
    if let Ok(source) = place.source() {
        assert!(source.resolve(&Selector::Tag(place.name())).await.is_err());
        assert!(source.resolve(&Selector::Only).await.is_err());
    }
    drop(sink);
    assert!(place.source().is_err() || place.source().unwrap().resolve(&Selector::Only).await.is_err());
}

async fn what_is_published_is_read_back(place: &impl Place) {
    let fixture = Fixture::new(b"layer");
    let sink = place.sink();
    fixture.put_children(&*sink).await;
    sink.publish(&fixture.index, &tags(&["1"])).await.unwrap();
    let source = place.source().unwrap();
    let mut root = source.resolve(&Selector::Tag(place.name())).await.unwrap();
    assert_eq!(source.resolve(&Selector::Only).await.unwrap(), root);
    assert_eq!(
        source
            .resolve(&Selector::Digest(root.descriptor().digest))
            .await
            .unwrap(),
        root
    );
    if place.keeps_documents() {
        assert_eq!(root, fixture.index);
        let by_digest = Selector::Digest(fixture.manifest.descriptor().digest);
        assert_eq!(source.resolve(&by_digest).await.unwrap(), fixture.manifest);
        root = read_root(&*source, root.children()[0]).await.unwrap();
        assert_eq!(root, fixture.manifest);
    }
    let Root::Manifest(manifest) = &root else {
        panic!("expected a manifest")
    };
    read_config(&*source, manifest.value()).await.unwrap();
    for (child, expected) in root.children().into_iter().rev().zip(&fixture.blobs) {
        assert_eq!((child, read(&*source, child).await), (&expected.0, expected.1.clone()));
    }
}

async fn tags_move(place: &impl Place) {
    for content in [&b"first"[..], b"second", b"second"] {
        let fixture = Fixture::new(content);
        let sink = place.sink();
        fixture.put_children(&*sink).await;
        sink.publish(&fixture.manifest, &tags(&["1"])).await.unwrap();
        let source = place.source().unwrap();
        let root = source.resolve(&Selector::Tag(place.name())).await.unwrap();
        assert_eq!(read(&*source, root.children()[1]).await, content);
    }
}

async fn what_is_missing_is_not_found(place: &impl Place) {
    let fixture = Fixture::new(b"layer");
    let sink = place.sink();
    fixture.put_children(&*sink).await;
    sink.publish(&fixture.manifest, &tags(&["1"])).await.unwrap();
    let source = place.source().unwrap();
    let missing = Descriptor::of(MediaType::OciLayer, b"missing");
    let Err(error) = open(&*source, &missing).await else {
        panic!("it opened what is not there")
    };
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
    for selector in [Selector::Tag("missing".to_owned()), Selector::Digest(missing.digest)] {
        let error = source.resolve(&selector).await.unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
    }
}

/// Parses valid tags.
pub(crate) fn tags(texts: &[&str]) -> Vec<Tag> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn read(source: &dyn Source, descriptor: &Descriptor) -> Vec<u8> {
    let mut bytes = Vec::new();
    open(source, descriptor)
        .await
        .unwrap()
        .read_to_end(&mut bytes)
        .await
        .unwrap();
    bytes
}
