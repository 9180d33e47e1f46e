//! A store in memory: for small images, for tests, and for the documents of an image that is being built.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::error::{Side, StoreError};
use super::read;
use super::sink::Sink;
use super::source::{BlobReader, Source};
use crate::model::{Descriptor, Digest, MediaType, Root, Selector, Tag};

/// Limit on concurrent puts; more would gain nothing.
const CONCURRENT_PUTS: usize = 4;

/// Blobs, manifests and tags in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<Digest, Bytes>,
    tags: BTreeMap<String, (MediaType, Digest)>,
    media_types: BTreeMap<Digest, MediaType>,
}

impl MemoryStore {
    /// Returns an empty store. `name` is its name in messages.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: Mutex::default(),
        }
    }

    /// Adds bytes under a digest that they need not have, for tests of damaged content.
    pub fn with_raw(self, digest: Digest, bytes: impl Into<Bytes>) -> Self {
        self.state().blobs.insert(digest, bytes.into());
        self
    }

    /// Adds a blob or a document.
    pub fn with_blob(self, descriptor: &Descriptor, bytes: impl Into<Bytes>) -> Self {
        self.insert(descriptor, bytes.into());
        self
    }

    /// Returns the number of blobs and documents.
    pub fn blob_count(&self) -> usize {
        self.state().blobs.len()
    }

    /// Returns the tags, sorted, with the digests that they name.
    pub fn tags(&self) -> BTreeMap<String, Digest> {
        self.state()
            .tags
            .iter()
            .map(|(tag, (_, digest))| (tag.clone(), *digest))
            .collect()
    }

    fn insert(&self, descriptor: &Descriptor, bytes: Bytes) {
        let mut state = self.state();
        state
            .media_types
            .insert(descriptor.digest, descriptor.media_type.clone());
        state.blobs.insert(descriptor.digest, bytes);
    }

    /// A poisoned lock holds no partial change: each change is one insertion.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Source for MemoryStore {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn side(&self) -> Side {
        Side::Local
    }

    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        let state = self.state();
        let found = match selector {
            Selector::Tag(tag) => state.tags.get(tag).cloned(),
            Selector::Digest(digest) => state
                .media_types
                .get(digest)
                .map(|media_type| (media_type.clone(), *digest)),
            Selector::Only if state.tags.len() == 1 => state.tags.values().next().cloned(),
            Selector::Only => None,
        };
        let found = found.and_then(|(media_type, digest)| Some((media_type, state.blobs.get(&digest)?.clone())));
        let (media_type, bytes) = found.ok_or_else(|| StoreError::NotFound {
            what: selector.to_string(),
            place: self.name.clone(),
            help: None,
        })?;
        read::parse_root(self, Some(&media_type), bytes)
    }

    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        let bytes = self.state().blobs.get(&descriptor.digest).cloned();
        let bytes = bytes.ok_or_else(|| StoreError::blob_not_found(descriptor, self.name.clone()))?;
        Ok(Box::pin(std::io::Cursor::new(bytes)))
    }
}

#[async_trait]
impl Sink for MemoryStore {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn concurrency_limit(&self) -> usize {
        CONCURRENT_PUTS
    }

    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        Ok(self.state().blobs.contains_key(&descriptor.digest))
    }

    async fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<(), StoreError> {
        let bytes = read::read_whole(source, descriptor, u64::MAX)
            .await
            .map_err(StoreError::of_source)?;
        self.insert(descriptor, bytes);
        Ok(())
    }

    async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), StoreError> {
        self.insert(root.descriptor(), root.bytes().clone());
        let mut state = self.state();
        for tag in tags {
            let named = (root.descriptor().media_type.clone(), root.descriptor().digest);
            state.tags.insert(tag.to_string(), named);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::contract::{self, Place};
    use super::*;

    struct Memory(Arc<MemoryStore>);

    #[async_trait]
    impl Sink for Arc<MemoryStore> {
        fn describe(&self) -> String {
            self.name.clone()
        }
        fn concurrency_limit(&self) -> usize {
            Sink::concurrency_limit(&**self)
        }
        async fn contains(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
            Sink::contains(&**self, descriptor).await
        }
        async fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<(), StoreError> {
            Sink::put(&**self, descriptor, source).await
        }
        async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), StoreError> {
            Sink::publish(&**self, root, tags).await
        }
    }

    #[async_trait]
    impl Source for Arc<MemoryStore> {
        fn describe(&self) -> String {
            self.name.clone()
        }
        fn side(&self) -> Side {
            Side::Local
        }
        async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
            Source::resolve(&**self, selector).await
        }
        async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
            Source::open_unverified(&**self, descriptor).await
        }
    }

    impl Place for Memory {
        fn sink(&self) -> Box<dyn Sink> {
            Box::new(self.0.clone())
        }
        fn source(&self) -> Result<Box<dyn Source>, StoreError> {
            Ok(Box::new(self.0.clone()))
        }
    }

    #[tokio::test]
    async fn the_contract_holds() {
        contract::holds(|| Memory(Arc::new(MemoryStore::new("memory")))).await;
    }
}
