//! The copy itself.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::counting::Counting;
use super::events::{BlobReport, Event, Observer, Outcome, Report};
use super::graph::Graph;
use crate::model::{Class, Descriptor, Diagnose, Root, Tag};
use crate::store::{Sink, Source, StoreError};

/// A copy that failed: what was being copied, and which side it failed on.
#[derive(Debug, thiserror::Error)]
#[error("copying {what} from {source_place} to {target_place} failed at the {side}")]
pub struct CopyError {
    what: String,
    source_place: String,
    target_place: String,
    side: &'static str,
    #[source]
    cause: StoreError,
}

impl CopyError {
    /// What the store said.
    pub fn cause(&self) -> &StoreError {
        &self.cause
    }
}

impl Diagnose for CopyError {
    fn class(&self) -> Class {
        self.cause.class()
    }
    fn help(&self) -> Option<String> {
        self.cause.help()
    }
}

/// Copies `root` and everything below it, and then writes `tags`, in order. Nothing is visible before its children are
/// there; a copy that failed or was cut off leaves every tag as it was.
///
/// At most [`Sink::concurrency_limit`] blobs are under way at a time; with a limit of 1 the target sees them in the order
/// of the [`Graph`].
pub async fn copy(
    source: &dyn Source,
    target: &dyn Sink,
    root: &Root,
    tags: &[Tag],
    observer: Arc<dyn Observer>,
) -> Result<Report, CopyError> {
    let copying = Copying { source, target, observer };
    let at_source = |cause: StoreError| copying.error("the image".to_owned(), cause.of_source());
    let graph = Graph::read(source, root).await.map_err(at_source)?;
    let sizes = graph.blobs.iter().chain(&graph.manifests).map(|descriptor| descriptor.size_bytes);
    copying.observer.event(Event::Planned {
        blobs: graph.blobs.len() + graph.manifests.len(),
        size_bytes: sizes.fold(0, u64::saturating_add),
    });

    // The futures run inside this task, in no order beyond their start: `buffered` keeps the report in the graph's order.
    let limit = target.concurrency_limit().max(1);
    let mut blobs: Vec<BlobReport> =
        stream::iter(&graph.blobs).map(|blob| copying.blob(blob)).buffered(limit).try_collect().await?;
    for manifest in &graph.manifests {
        blobs.push(copying.blob(manifest).await?);
    }
    let published = target.publish(root, tags).await;
    published.map_err(|cause| copying.error(format!("the root {}", root.descriptor().digest), cause))?;
    copying.observer.event(Event::Published(root.descriptor()));
    Ok(Report { blobs })
}

struct Copying<'a> {
    source: &'a dyn Source,
    target: &'a dyn Sink,
    observer: Arc<dyn Observer>,
}

impl Copying<'_> {
    async fn blob(&self, descriptor: &Descriptor) -> Result<BlobReport, CopyError> {
        let outcome = self.outcome(descriptor).await;
        let outcome = outcome.map_err(|cause| self.error(descriptor.digest.to_string(), cause))?;
        self.observer.event(Event::Finished(descriptor, outcome));
        Ok(BlobReport { descriptor: descriptor.clone(), outcome })
    }

    async fn outcome(&self, descriptor: &Descriptor) -> Result<Outcome, StoreError> {
        if self.target.contains(descriptor).await? {
            return Ok(Outcome::Skipped);
        }
        if let Some(origin) = self.source.origin(descriptor)
            && self.target.mount(descriptor, &origin).await?
        {
            return Ok(Outcome::Mounted);
        }
        let counting = Counting { inner: self.source, observer: self.observer.clone() };
        match self.target.put(descriptor, &counting).await {
            Err(error) if is_elsewhere(descriptor, &error) => Ok(Outcome::Foreign),
            result => result.map(|()| Outcome::Copied),
        }
    }

    fn error(&self, what: String, cause: StoreError) -> CopyError {
        CopyError {
            what,
            source_place: self.source.describe(),
            target_place: self.target.describe(),
            side: if cause.is_source() { "source" } else { "target" },
            cause,
        }
    }
}

/// A non-distributable layer that the source does not hold and that says by `urls` where it is.
fn is_elsewhere(descriptor: &Descriptor, error: &StoreError) -> bool {
    let not_there = matches!(error, StoreError::Source(inner) if matches!(**inner, StoreError::NotFound { .. }));
    not_there && descriptor.media_type.is_foreign() && descriptor.other.contains_key("urls")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::model::{Document, ImageIndex, ImageManifest, MediaType, Selector};
    use crate::store::MemoryStore;
    use crate::transfer::Silent;

    fn manifest(store: MemoryStore, layers: &[&'static [u8]]) -> (MemoryStore, Root) {
        let config = Descriptor::of(MediaType::OciConfig, b"{}");
        let mut store = store.with_blob(&config, &b"{}"[..]);
        let mut descriptors = Vec::new();
        for layer in layers {
            let descriptor = Descriptor::of(MediaType::OciLayer, layer);
            store = store.with_blob(&descriptor, *layer);
            descriptors.push(descriptor);
        }
        let value = ImageManifest {
            schema_version: 2,
            media_type: Some(MediaType::OciManifest),
            config,
            layers: descriptors,
            annotations: Default::default(),
            subject: None,
            other: Default::default(),
        };
        let document = Document::write(MediaType::OciManifest, value).unwrap();
        let store = store.with_blob(document.descriptor(), document.bytes().clone());
        (store, Root::Manifest(document))
    }

    fn index(store: MemoryStore, children: &[&Root]) -> (MemoryStore, Root) {
        let value = ImageIndex {
            schema_version: 2,
            media_type: Some(MediaType::OciIndex),
            manifests: children.iter().map(|child| child.descriptor().clone()).collect(),
            annotations: Default::default(),
            other: Default::default(),
        };
        let document = Document::write(MediaType::OciIndex, value).unwrap();
        (store, Root::Index(document))
    }

    #[derive(Default)]
    struct Order(Mutex<Vec<String>>);

    impl Observer for Order {
        fn event(&self, event: Event<'_>) {
            if let Event::Finished(descriptor, outcome) = event {
                let line = format!("{} {}", descriptor.media_type, outcome.as_str());
                self.0.lock().unwrap().push(line);
            }
        }
    }

    #[tokio::test]
    async fn children_come_before_parents_and_tags_last() {
        let (store, first) = manifest(MemoryStore::new("source"), &[b"one", b"shared"]);
        let (store, second) = manifest(store, &[b"two", b"shared"]);
        let (store, root) = index(store, &[&first, &second]);
        let target = MemoryStore::new("target");
        let order = Arc::new(Order::default());
        let tags = ["a".parse().unwrap(), "b".parse().unwrap()];
        let report = copy(&store, &target, &root, &tags, order.clone()).await.unwrap();
        assert_eq!(report.blobs.len(), 4 + 2);
        let seen = order.0.lock().unwrap().clone();
        assert!(seen[..4].iter().all(|line| !line.contains("manifest")), "{seen:?}");
        assert!(seen[4..].iter().all(|line| line.contains("manifest")), "{seen:?}");
        assert_eq!(target.tags().len(), 2);
        assert_eq!(target.resolve(&Selector::Tag("a".to_owned())).await.unwrap(), root);

        let again = copy(&store, &target, &root, &tags, Arc::new(Silent)).await.unwrap();
        assert!(again.blobs.iter().all(|blob| blob.outcome == Outcome::Skipped));
    }

    #[tokio::test]
    async fn a_damaged_source_is_named_and_nothing_is_published() {
        let (store, root) = manifest(MemoryStore::new("source"), &[b"content"]);
        let damaged = Descriptor::of(MediaType::OciLayer, b"content");
        let store = store.with_raw(damaged.digest, &b"c0ntent"[..]);
        let target = MemoryStore::new("target");
        let error = copy(&store, &target, &root, &["t".parse().unwrap()], Arc::new(Silent)).await.unwrap_err();
        assert!(error.to_string().ends_with("failed at the source"), "{error}");
        assert!(matches!(error.cause(), StoreError::Source(_)));
        assert!(target.tags().is_empty());
    }

    #[tokio::test]
    async fn a_foreign_layer_that_the_source_lacks_is_passed_over() {
        let mut foreign = Descriptor::of(MediaType::DockerForeignLayerGzip, b"elsewhere");
        foreign.other.insert("urls".to_owned(), serde_json::json!(["https://example.com/layer"]));
        let (store, root) = manifest(MemoryStore::new("source"), &[]);
        let Root::Manifest(document) = &root else { panic!("a manifest was made") };
        let mut value = document.value().clone();
        value.layers.push(foreign);
        let document = Document::write(MediaType::OciManifest, value).unwrap();
        let (target, root) = (MemoryStore::new("target"), Root::Manifest(document));
        let report = copy(&store, &target, &root, &[], Arc::new(Silent)).await.unwrap();
        assert_eq!(report.blobs[1].outcome, Outcome::Foreign);
    }
}
