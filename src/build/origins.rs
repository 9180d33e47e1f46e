//! The repositories that layers are known to be in, remembered in the cache from one run to the next.
//!
//! A layout or an archive does not say where its layers came from. With what earlier runs read and wrote, a push out of
//! one mounts layers that the target's registry has in another repository (distribution-spec, "Mounting a blob from
//! another repository"). Nothing depends on an entry being true: a mount that the registry refuses becomes an upload.

use std::sync::Arc;

use async_trait::async_trait;

use crate::cache::{Cache, Kind};
use crate::model::{Descriptor, Digest, Repository, Root, Selector, Tag};
use crate::store::{BlobReader, Ensured, Side, Sink, Source, StoreError};

/// Repositories that are remembered for a layer: a few registries, with a few names in each.
const MAX_REPOSITORIES: usize = 8;

/// The repositories of layers by their digests: one name a line, the latest first.
#[derive(Debug, Clone)]
pub(super) struct Origins(Cache);

impl Origins {
    /// Uses the entries of `cache`.
    pub fn new(cache: Cache) -> Self {
        Self(cache)
    }

    /// Returns a repository of the target's registry, other than the target, that had a layer.
    fn find(&self, digest: &Digest, target: &Repository) -> Option<Repository> {
        self.load(digest)
            .into_iter()
            .find(|known| known.registry() == target.registry() && known != target)
    }

    /// Remembers that a repository has a layer. Without a writable cache, nothing is remembered.
    fn note(&self, digest: &Digest, repository: &Repository) {
        let mut known = self.load(digest);
        if known.contains(repository) {
            return;
        }
        known.insert(0, repository.clone());
        known.truncate(MAX_REPOSITORIES);
        let lines: Vec<String> = known.iter().map(ToString::to_string).collect();
        if let Err(cause) = self.0.store(Kind::ORIGINS, digest, lines.join("\n").as_bytes()) {
            tracing::info!(%cause, "the repository of a layer is not remembered");
        }
    }

    fn load(&self, digest: &Digest) -> Vec<Repository> {
        let bytes = self.0.load(Kind::ORIGINS, digest).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

/// A sink that remembers the repositories of the layers that are written to it, and mounts layers from remembered
/// repositories.
pub(super) struct RememberingSink {
    /// The sink.
    pub inner: Box<dyn Sink>,
    /// Its repository, if it is in a registry.
    pub repository: Option<Repository>,
    /// The repositories of layers.
    pub origins: Arc<Origins>,
}

#[async_trait]
impl Sink for RememberingSink {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn is_local(&self) -> bool {
        self.inner.is_local()
    }

    fn concurrency_limit(&self) -> usize {
        self.inner.concurrency_limit()
    }

    async fn check_access(&self, tags: &[Tag]) -> Result<(), StoreError> {
        self.inner.check_access(tags).await
    }

    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        self.inner.contains(descriptor).await
    }

    async fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<(), StoreError> {
        self.inner.put(descriptor, source).await
    }

    async fn ensure(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<Ensured, StoreError> {
        if !descriptor.media_type.is_layer() {
            return self.inner.ensure(descriptor, source).await;
        }
        let source = WithOrigin {
            inner: source,
            origin: source.origin(descriptor).or_else(|| {
                let target = self.repository.as_ref()?;
                self.origins.find(&descriptor.digest, target)
            }),
        };
        let ensured = self.inner.ensure(descriptor, &source).await?;
        if let Some(repository) = self.repository.as_ref().or(source.origin.as_ref()) {
            self.origins.note(&descriptor.digest, repository);
        }
        Ok(ensured)
    }

    fn keeps_manifests_whole(&self) -> bool {
        self.inner.keeps_manifests_whole()
    }

    async fn is_published(&self, root: &Root, tags: &[Tag]) -> Result<bool, StoreError> {
        self.inner.is_published(root, tags).await
    }

    async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), StoreError> {
        self.inner.publish(root, tags).await
    }
}

/// The source of one layer, with the repository that it can be mounted from.
struct WithOrigin<'a> {
    inner: &'a dyn Source,
    origin: Option<Repository>,
}

#[async_trait]
impl Source for WithOrigin<'_> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn side(&self) -> Side {
        self.inner.side()
    }

    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        self.inner.resolve(selector).await
    }

    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        self.inner.open_unverified(descriptor).await
    }

    async fn check_blobs(&self, descriptors: &[Descriptor]) -> Result<(), StoreError> {
        self.inner.check_blobs(descriptors).await
    }

    fn origin(&self, _descriptor: &Descriptor) -> Option<Repository> {
        self.origin.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(directory: &std::path::Path) -> Origins {
        Origins::new(Cache::new(directory.to_owned(), 1 << 20))
    }

    fn repository(text: &str) -> Repository {
        text.parse().unwrap()
    }

    #[test]
    fn a_layer_is_found_in_another_repository_of_the_same_registry() {
        let directory = tempfile::tempdir().unwrap();
        let origins = origins(directory.path());
        let layer = Digest::of(b"layer");
        origins.note(&layer, &repository("registry.example/base"));
        origins.note(&layer, &repository("other.example/base"));
        let found = |target: &str| {
            let found = origins.find(&layer, &repository(target));
            found.map(|repository| repository.to_string())
        };
        assert_eq!(found("registry.example/app").as_deref(), Some("registry.example/base"));
        assert_eq!(found("other.example/app").as_deref(), Some("other.example/base"));
        assert_eq!(found("registry.example/base"), None);
        assert_eq!(found("third.example/app"), None);
        assert_eq!(
            origins.find(&Digest::of(b"other"), &repository("registry.example/app")),
            None
        );
    }

    #[test]
    fn the_latest_repositories_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let origins = origins(directory.path());
        let layer = Digest::of(b"layer");
        for index in 0..MAX_REPOSITORIES + 2 {
            origins.note(&layer, &repository(&format!("registry.example/{index}")));
        }
        let known = origins.load(&layer);
        assert_eq!(known.len(), MAX_REPOSITORIES);
        assert_eq!(known.first(), Some(&repository("registry.example/9")));
        assert_eq!(known.last(), Some(&repository("registry.example/2")));
    }

    #[test]
    fn lines_that_are_no_repositories_are_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let origins = origins(directory.path());
        let layer = Digest::of(b"layer");
        let cache = Cache::new(directory.path().to_owned(), 1 << 20);
        cache
            .store(Kind::ORIGINS, &layer, b"\xff\n\n a b\nregistry.example/base")
            .unwrap();
        assert_eq!(origins.load(&layer), [repository("registry.example/base")]);
    }
}
