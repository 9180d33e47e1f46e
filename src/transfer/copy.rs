//! Copying of an image.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex};

use futures_util::stream::{self, Stream, StreamExt as _, TryStreamExt as _};

use super::counting::Counting;
use super::graph::Graph;
use super::report::{BlobReport, Report, Reporter};
use crate::events::{Outcome, Task};
use crate::model::{Descriptor, Diagnostic, Digest, ErrorKind, Root, Tag};
use crate::store::{Ensured, Sink, Source, StoreError};

/// Limit on manifests that are checked concurrently: the replies are small, and latency is what costs.
const MANIFESTS_ASKED_AT_ONCE: usize = 8;

/// A copy that failed: what was being copied, and on which side it failed.
#[derive(Debug)]
pub struct CopyError {
    what: String,
    source_place: String,
    target_place: String,
    /// The target is on this machine.
    is_local: bool,
    cause: StoreError,
}

impl CopyError {
    /// Returns `true` if the target is on this machine and cannot be written.
    fn is_of_local_target(&self) -> bool {
        self.is_local && matches!(self.cause, StoreError::Io { .. })
    }

    /// Returns `true` if this user must not write at the target's place.
    pub fn is_write_denied(&self) -> bool {
        self.is_of_local_target() && self.cause.is_write_denied()
    }

    /// Returns the store's error.
    pub fn cause(&self) -> &StoreError {
        &self.cause
    }
}

impl fmt::Display for CopyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = &self.target_place;
        if self.is_of_local_target() {
            return write!(formatter, "cannot write {target}");
        }
        let what = &self.what;
        let source = &self.source_place;
        let side = if self.cause.is_source() { "source" } else { "target" };
        write!(
            formatter,
            "copying {what} from {source} to {target} failed at the {side}"
        )
    }
}

impl Error for CopyError {
    /// Returns the store's error, or the system's if the store's only repeats the path of the target.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            StoreError::Io { path, cause, .. } if self.is_local && self.target_place.ends_with(path.as_str()) => {
                Some(cause)
            }
            cause => Some(cause),
        }
    }
}

impl Diagnostic for CopyError {
    fn error_kind(&self) -> ErrorKind {
        self.cause.error_kind()
    }
    fn help(&self) -> Option<String> {
        if self.is_write_denied() {
            return Some("write to another directory".to_owned());
        }
        self.cause.help()
    }
}

/// Copies `root` and everything below it, and then writes `tags`, in order. Nothing is visible before its children
/// exist. A copy that fails or is interrupted leaves every tag unchanged.
///
/// Content below a manifest that the target has is not checked if the target keeps manifests whole. If the target turns
/// out to have lost some of it, everything is checked.
///
/// At most [`Sink::concurrency_limit`] blobs are copied concurrently; with a limit of 1 the target receives them in the
/// order of the [`Graph`].
pub async fn copy(
    source: &dyn Source,
    target: &dyn Sink,
    root: &Root,
    tags: &[Tag],
    reporter: &Reporter,
) -> Result<Report, CopyError> {
    copy_rest(source, target, root, tags, reporter, &Ahead::default()).await
}

/// Blobs that [`copy_ahead`] copied before the image was known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ahead(BTreeMap<Digest, Outcome>);

impl Ahead {
    /// Adds the blobs of another image that was copied to the same target.
    pub fn add(&mut self, report: &Report) {
        let there = report.blobs.iter().filter(|blob| blob.outcome != Outcome::Foreign);
        self.0
            .extend(there.map(|blob| (blob.descriptor.digest, Outcome::Skipped)));
    }
}

/// Copies blobs of an image that is not known yet, as they arrive, each from its own source. Nothing refers to them
/// before [`copy_rest`] has copied the manifests. At most [`Sink::concurrency_limit`] are copied concurrently to each
/// target.
pub async fn copy_ahead<S: Source>(
    blobs: impl Stream<Item = (Descriptor, Arc<S>)>,
    target: &dyn Sink,
    reporter: &Reporter,
) -> Result<Ahead, CopyError> {
    let ensure = |(descriptor, source): (Descriptor, Arc<S>)| async move {
        let copying = Copying {
            source: source.as_ref(),
            target,
            reporter,
        };
        let report = copying.blob(&descriptor, None).await?;
        Ok((descriptor.digest, report.outcome))
    };
    let copied = blobs.map(ensure).buffer_unordered(target.concurrency_limit().max(1));
    copied.try_collect().await.map(Ahead)
}

/// Like [`copy`], but does not check blobs again that were copied ahead.
pub async fn copy_rest(
    source: &dyn Source,
    target: &dyn Sink,
    root: &Root,
    tags: &[Tag],
    reporter: &Reporter,
    ahead: &Ahead,
) -> Result<Report, CopyError> {
    let copying = Copying {
        source,
        target,
        reporter,
    };
    let supplied = copying.supply(root, tags, ahead, Some(tags)).await?;
    reporter.published();
    Ok(supplied.report)
}

/// What [`supply`] did.
#[derive(Debug, Clone)]
pub struct Supplied {
    /// The content of the image, and what happened to it.
    pub report: Report,
    /// `true` if the tags already named the image, so that [`publish`] has nothing to do.
    pub is_published: bool,
}

/// Copies `root` and everything below it, and writes no tags: [`publish`] does that, once everything else that belongs
/// together with the image is there. A registry can select the image by its digest from then on; other targets do not
/// list it.
///
/// # Errors
/// Those of [`copy`].
pub async fn supply(
    source: &dyn Source,
    target: &dyn Sink,
    root: &Root,
    tags: &[Tag],
    reporter: &Reporter,
    ahead: &Ahead,
) -> Result<Supplied, CopyError> {
    let copying = Copying {
        source,
        target,
        reporter,
    };
    // A list of images that cannot be selected by digest alone would show one without a name.
    let names: Option<&[Tag]> = (!target.is_local()).then_some(&[]);
    copying.supply(root, tags, ahead, names).await
}

/// Writes the tags of an image that [`supply`] copied, in order.
///
/// # Errors
/// Those of [`copy`].
pub async fn publish(
    source: &dyn Source,
    target: &dyn Sink,
    root: &Root,
    tags: &[Tag],
    reporter: &Reporter,
) -> Result<(), CopyError> {
    let copying = Copying {
        source,
        target,
        reporter,
    };
    copying.publish(root, tags).await?;
    reporter.published();
    Ok(())
}

struct Copying<'a> {
    source: &'a dyn Source,
    target: &'a dyn Sink,
    reporter: &'a Reporter,
}

impl Copying<'_> {
    /// Ensures that the target has the image, and then publishes it under `names`, unless its tags name it already.
    async fn supply(
        &self,
        root: &Root,
        tags: &[Tag],
        ahead: &Ahead,
        names: Option<&[Tag]>,
    ) -> Result<Supplied, CopyError> {
        let graph = Graph::read(self.source, root).await;
        let graph = graph.map_err(|cause| self.error("the image".to_owned(), cause.of_source()))?;
        let is_published = self
            .target
            .is_published(root, tags)
            .await
            .map_err(|cause| self.root_error(root, cause))?;
        let wanted = if is_published {
            BTreeSet::new()
        } else {
            graph.wanted(&self.held(&graph).await?)
        };
        let names = names.filter(|_| !is_published);
        let everything = graph.wanted(&BTreeSet::new());
        let is_all = wanted == everything;
        let report = match self.ensure(&graph, &wanted, ahead, root, names).await {
            Err(error) if matches!(error.cause, StoreError::Incomplete { .. }) && !(is_all && ahead.0.is_empty()) => {
                self.ensure(&graph, &everything, &Ahead::default(), root, names).await?
            }
            supplied => supplied?,
        };
        Ok(Supplied { report, is_published })
    }

    async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), CopyError> {
        let published = self.target.publish(root, tags).await;
        published.map_err(|cause| self.root_error(root, cause))
    }

    /// Returns the manifests that the target has, with everything below them.
    async fn held(&self, graph: &Graph) -> Result<BTreeSet<Digest>, CopyError> {
        if !self.target.keeps_manifests_whole() {
            return Ok(BTreeSet::new());
        }
        let ask = |descriptor: &'_ Descriptor| {
            let digest = descriptor.digest;
            let descriptor = descriptor.clone();
            async move {
                let is_there = self.target.contains(&descriptor).await;
                is_there
                    .map(|is_there| is_there.then_some(digest))
                    .map_err(|cause| self.error(digest.to_string(), cause))
            }
        };
        let held = stream::iter(graph.manifests.iter().map(ask)).buffered(MANIFESTS_ASKED_AT_ONCE);
        held.try_filter_map(|held| std::future::ready(Ok(held)))
            .try_collect()
            .await
    }

    /// Ensures that the missing content exists, children before parents, and then writes the root under `names`, if any.
    async fn ensure(
        &self,
        graph: &Graph,
        wanted: &BTreeSet<Digest>,
        ahead: &Ahead,
        root: &Root,
        names: Option<&[Tag]>,
    ) -> Result<Report, CopyError> {
        let blob = |descriptor: &'_ Descriptor| {
            let descriptor = descriptor.clone();
            async move {
                match (ahead.0.get(&descriptor.digest), wanted.contains(&descriptor.digest)) {
                    (Some(outcome), _) => Ok(BlobReport {
                        descriptor,
                        outcome: *outcome,
                    }),
                    (None, true) => self.blob(&descriptor, Some(graph)).await,
                    (None, false) => Ok(self.report(&descriptor, Some(graph), Outcome::Skipped, None)),
                }
            }
        };
        // The futures run in this task, started in order: `buffered` keeps the report in the graph's order.
        let limit = self.target.concurrency_limit().max(1);
        let supplied = stream::iter(&graph.blobs).map(blob).buffered(limit);
        let mut blobs: Vec<BlobReport> = supplied.try_collect().await?;
        for manifest in &graph.manifests {
            blobs.push(blob(manifest).await?);
        }
        if let Some(names) = names {
            self.publish(root, names).await?;
        }
        Ok(Report { blobs })
    }

    async fn blob(&self, descriptor: &Descriptor, graph: Option<&Graph>) -> Result<BlobReport, CopyError> {
        let counting = Counting {
            inner: self.source,
            graph,
            reporter: self.reporter,
            task: Mutex::default(),
        };
        let outcome = self.outcome(descriptor, &counting).await;
        let outcome = outcome.map_err(|cause| self.error(descriptor.digest.to_string(), cause))?;
        let task = counting.into_task();
        Ok(self.report(descriptor, graph, outcome, task.as_deref()))
    }

    fn report(
        &self,
        descriptor: &Descriptor,
        graph: Option<&Graph>,
        outcome: Outcome,
        task: Option<&Task>,
    ) -> BlobReport {
        self.reporter.settled(descriptor, graph, outcome, task);
        BlobReport {
            descriptor: descriptor.clone(),
            outcome,
        }
    }

    async fn outcome(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<Outcome, StoreError> {
        match self.target.ensure(descriptor, source).await {
            Ok(Ensured::Existing) => Ok(Outcome::Skipped),
            Ok(Ensured::Mounted) => Ok(Outcome::Mounted),
            Ok(Ensured::Uploaded) => Ok(Outcome::Copied),
            Err(error) if is_elsewhere(descriptor, &error) => Ok(Outcome::Foreign),
            Err(error) => Err(error),
        }
    }

    fn root_error(&self, root: &Root, cause: StoreError) -> CopyError {
        self.error(format!("the root {}", root.descriptor().digest), cause)
    }

    fn error(&self, what: String, cause: StoreError) -> CopyError {
        CopyError {
            what,
            source_place: self.source.describe(),
            target_place: self.target.describe(),
            is_local: self.target.is_local(),
            cause,
        }
    }
}

/// Returns `true` for a non-distributable layer that the source does not have and whose `urls` say where it is.
fn is_elsewhere(descriptor: &Descriptor, error: &StoreError) -> bool {
    let not_there = matches!(error, StoreError::Source(inner) if matches!(**inner, StoreError::NotFound { .. }));
    not_there && descriptor.media_type.is_foreign() && descriptor.other.get("urls").is_some_and(|urls| !urls.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Event, Item, Observer, Silent};
    use crate::model::{Document, ImageIndex, ImageManifest, MediaType, Selector};
    use crate::store::MemoryStore;

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
            unsupported: Vec::new(),
            annotations: Default::default(),
            other: Default::default(),
        };
        let document = Document::write(MediaType::OciIndex, value).unwrap();
        (store, Root::Index(document))
    }

    #[derive(Default)]
    struct Order(Mutex<Vec<String>>);

    impl Observer for Order {
        fn event(&self, event: Event) {
            if let Event::Finished { what, .. } = event {
                self.0.lock().unwrap().push(what);
            }
        }
    }

    fn reporter(observer: Arc<dyn Observer>, names: BTreeMap<Digest, Item>) -> Reporter {
        Reporter::new(&observer, "the target".to_owned(), names)
    }

    fn silent() -> Reporter {
        reporter(Arc::new(Silent), BTreeMap::new())
    }

    #[tokio::test]
    async fn children_come_before_parents_and_tags_last() {
        let (store, first) = manifest(MemoryStore::new("source"), &[b"one", b"shared"]);
        let (store, second) = manifest(store, &[b"two", b"shared"]);
        let (store, root) = index(store, &[&first, &second]);
        let target = MemoryStore::new("target");
        let order = Arc::new(Order::default());
        let tags = ["a".parse().unwrap(), "b".parse().unwrap()];
        let names = [&first, &second].map(|root| (root.descriptor().digest, Item::new("manifest")));
        let reporter = reporter(order.clone(), names.into());
        let report = copy(&store, &target, &root, &tags, &reporter).await.unwrap();
        assert_eq!(report.blobs.len(), 4 + 2);
        let seen = order.0.lock().unwrap().clone();
        assert_eq!(seen.len(), 6, "{seen:?}");
        assert!(seen[..4].iter().all(|line| !line.contains("manifest")), "{seen:?}");
        assert!(seen[4..].iter().all(|line| line.contains("manifest")), "{seen:?}");
        assert_eq!(target.tags().len(), 2);
        assert_eq!(target.resolve(&Selector::Tag("a".to_owned())).await.unwrap(), root);

        let again = copy(&store, &target, &root, &tags, &silent()).await.unwrap();
        assert!(again.blobs.iter().all(|blob| blob.outcome == Outcome::Skipped));
    }

    #[tokio::test]
    async fn a_damaged_source_is_named_and_nothing_is_published() {
        let (store, root) = manifest(MemoryStore::new("source"), &[b"content"]);
        let damaged = Descriptor::of(MediaType::OciLayer, b"content");
        let store = store.with_raw(damaged.digest, &b"c0ntent"[..]);
        let target = MemoryStore::new("target");
        let error = copy(&store, &target, &root, &["t".parse().unwrap()], &silent())
            .await
            .unwrap_err();
        assert!(error.to_string().ends_with("failed at the source"), "{error}");
        assert!(matches!(error.cause(), StoreError::Source(_)));
        assert!(target.tags().is_empty());
    }

    #[tokio::test]
    async fn a_foreign_layer_that_the_source_lacks_is_passed_over() {
        let mut foreign = Descriptor::of(MediaType::DockerForeignLayerGzip, b"elsewhere");
        foreign
            .other
            .insert("urls".to_owned(), serde_json::json!(["https://example.com/layer"]));
        let (store, root) = manifest(MemoryStore::new("source"), &[]);
        let Root::Manifest(document) = &root else {
            panic!("a manifest was made")
        };
        let mut value = document.value().clone();
        value.layers.push(foreign);
        let document = Document::write(MediaType::OciManifest, value).unwrap();
        let target = MemoryStore::new("target");
        let root = Root::Manifest(document);
        let report = copy(&store, &target, &root, &[], &silent()).await.unwrap();
        assert_eq!(report.blobs[1].outcome, Outcome::Foreign);
    }
}
