//! What a build stores in the cache: facts of images by the digests of their manifests, and the manifests and configs
//! themselves.
//!
//! Only this module handles a cache that is absent or cannot be written: it warns once and continues without it. When
//! the build no longer uses the cache, its contents are trimmed to its size limit.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::cache::{Cache, Kind};
use crate::events::{Event, Observer};
use crate::model::{Descriptor, Digest, MAX_MANIFEST_BYTES, escape};
use crate::pack::BlockCache;
use crate::tree::{FACTS_VERSION, Facts, MAX_ENCODED_BYTES};

/// All kinds of cache entries that builds use, in the versions that this program writes.
pub const CACHE_KINDS: [Kind; 5] = [Kind::BLOCKS, Kind::LAYERS, FACTS, DOCUMENTS, Kind::ORIGINS];

const FACTS: Kind = Kind::facts(FACTS_VERSION, MAX_ENCODED_BYTES);
const DOCUMENTS: Kind = Kind::documents(MAX_MANIFEST_BYTES);

/// The cache of a build. When dropped, it trims the kinds that it stored into.
pub(super) struct BuildCache {
    /// `None` stores nothing.
    cache: Option<Cache>,
    complained: AtomicBool,
    observer: Arc<dyn Observer>,
}

/// Facts, and the bytes that they are stored as.
pub(super) struct KeptFacts {
    pub facts: Facts,
    /// As returned by [`Facts::compress`].
    pub compressed: Vec<u8>,
}

impl BuildCache {
    /// Wraps `cache`; `None` stores nothing.
    pub fn new(cache: Option<Cache>, observer: Arc<dyn Observer>) -> Self {
        if let Some(exposed) = cache.as_ref().and_then(Cache::tighten) {
            let path = escape(exposed.as_os_str().as_encoded_bytes());
            let text = format!("other users can write to the cache at {path}, and so change what is built");
            observer.event(Event::Warning(text));
        }
        Self {
            cache,
            complained: AtomicBool::new(false),
            observer,
        }
    }

    /// Returns the cache itself, if there is one.
    pub fn get(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// Returns the cache as a block cache for packing, if there is one.
    pub fn blocks(&self) -> Option<&dyn BlockCache> {
        self.cache.is_some().then_some(self as &dyn BlockCache)
    }

    /// Returns the facts of a manifest if they are stored and complete.
    pub fn load_facts(&self, manifest: &Digest) -> Option<KeptFacts> {
        let compressed = self.cache.as_ref()?.load(FACTS, manifest)?;
        Some(KeptFacts {
            facts: Facts::decompress(&compressed).ok()?,
            compressed,
        })
    }

    /// Stores the compressed facts of a manifest.
    pub fn store_facts(&self, manifest: &Digest, compressed: &[u8]) {
        self.store(|cache| cache.store(FACTS, manifest, compressed));
    }

    /// Returns the bytes of a manifest or a config if they are stored and match the descriptor.
    pub fn load_document(&self, descriptor: &Descriptor) -> Option<Bytes> {
        let bytes = self.cache.as_ref()?.load(DOCUMENTS, &descriptor.digest)?;
        // The digest identifies the document, so it does not matter which program wrote the file.
        let is_whole = bytes.len() as u64 == descriptor.size_bytes && Digest::of(&bytes) == descriptor.digest;
        is_whole.then(|| bytes.into())
    }

    /// Stores a manifest or a config unless it is stored already.
    pub fn store_document(&self, descriptor: &Descriptor, bytes: &Bytes) {
        if self.load_document(descriptor).is_none() {
            self.store(|cache| cache.store(DOCUMENTS, &descriptor.digest, bytes));
        }
    }

    /// Runs `store` on the cache. The first failure is printed as a warning; failures never stop the build.
    pub fn store(&self, store: impl FnOnce(&Cache) -> io::Result<()>) {
        let Some(cache) = &self.cache else { return };
        if let Err(cause) = store(cache)
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            let reason = cause.source().map(|source| format!(": {source}")).unwrap_or_default();
            let text = format!("cannot write to the cache, building without it: {cause}{reason}");
            self.observer.event(Event::Warning(text));
        }
    }
}

impl BlockCache for BuildCache {
    fn load(&self, key: &Digest) -> Option<Vec<u8>> {
        self.cache.as_ref()?.load_block(key)
    }

    fn store(&self, key: &Digest, encoded: &[u8]) {
        Self::store(self, |cache| cache.store_block(key, encoded));
    }
}

impl Drop for BuildCache {
    fn drop(&mut self) {
        if let Some(cache) = &self.cache
            && let Err(cause) = cache.trim()
        {
            tracing::info!(%cause, "the cache is not trimmed");
        }
    }
}
