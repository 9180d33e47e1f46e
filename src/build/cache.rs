//! What a build keeps in the cache: facts of images by their manifests' digests, and the manifests and configs themselves.
//!
//! The one place that knows that a cache may be none, and that one which cannot be written is told of once and then
//! passed over. What was stored is trimmed to the cache's limit when the build is done with it.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::build::events::{Event, Observer};
use crate::cache::{Cache, Kind};
use crate::model::{Descriptor, Digest, MAX_MANIFEST_BYTES, escape};
use crate::pack::BlockCache;
use crate::tree::{FACTS_VERSION, Facts, MAX_ENCODED_BYTES};

/// Everything that builds keep, as this version of the program keeps it.
pub const CACHE_KINDS: [Kind; 4] = [Kind::BLOCKS, Kind::LAYERS, FACTS, DOCUMENTS];

const FACTS: Kind = Kind::facts(FACTS_VERSION, MAX_ENCODED_BYTES);
const DOCUMENTS: Kind = Kind::documents(MAX_MANIFEST_BYTES);

/// The cache of a build. Dropped, it trims what it stored into.
pub(super) struct BuildCache {
    /// `None` keeps nothing.
    cache: Option<Cache>,
    complained: AtomicBool,
    observer: Arc<dyn Observer>,
}

/// Facts, and the bytes that they are kept as.
pub(super) struct KeptFacts {
    pub facts: Facts,
    /// As [`Facts::compress`] gave them.
    pub compressed: Vec<u8>,
}

impl BuildCache {
    /// Over `cache`; `None` keeps nothing.
    pub fn new(cache: Option<Cache>, observer: Arc<dyn Observer>) -> Self {
        if let Some(exposed) = cache.as_ref().and_then(Cache::tighten) {
            let path = escape(exposed.as_os_str().as_encoded_bytes());
            let text = format!("other users can write to the cache at {path}, and so change what is built");
            observer.event(Event::Warning(text));
        }
        Self { cache, complained: AtomicBool::new(false), observer }
    }

    /// The cache itself, where there is one.
    pub fn get(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// The cache as packing sees it, where there is one.
    pub fn blocks(&self) -> Option<&dyn BlockCache> {
        self.cache.is_some().then_some(self as &dyn BlockCache)
    }

    /// The facts of a manifest, where they are kept and whole.
    pub fn load_facts(&self, manifest: &Digest) -> Option<KeptFacts> {
        let compressed = self.cache.as_ref()?.load(FACTS, manifest)?;
        Some(KeptFacts { facts: Facts::decompress(&compressed).ok()?, compressed })
    }

    /// Keeps the facts of a manifest, compressed.
    pub fn store_facts(&self, manifest: &Digest, compressed: &[u8]) {
        self.store(|cache| cache.store(FACTS, manifest, compressed));
    }

    /// The bytes of a manifest or a config, where they are kept and whole.
    pub fn load_document(&self, descriptor: &Descriptor) -> Option<Bytes> {
        let bytes = self.cache.as_ref()?.load(DOCUMENTS, &descriptor.digest)?;
        // Whoever wrote the file, a document is what its digest says.
        let is_whole = bytes.len() as u64 == descriptor.size_bytes && Digest::of(&bytes) == descriptor.digest;
        is_whole.then(|| bytes.into())
    }

    /// Keeps a manifest or a config, where it is not kept yet.
    pub fn store_document(&self, descriptor: &Descriptor, bytes: &Bytes) {
        if self.load_document(descriptor).is_none() {
            self.store(|cache| cache.store(DOCUMENTS, &descriptor.digest, bytes));
        }
    }

    /// Stores something. That it cannot be stored is told once, and harms nothing.
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
