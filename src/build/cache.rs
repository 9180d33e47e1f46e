//! The cache: facts of images by their manifests' digests, and the manifests and configs themselves.
//!
//! What is kept is a pure function of its name, so an entry is never out of date; one that cannot be read or is not what
//! its name says is made anew. Facts begin with their manifest's digest, so that under another name they pass for
//! nobody's; documents are checked against digest and size. Files are written as everything here is: temporary file,
//! fsync, rename. A cache that cannot be written is told of once and then passed over.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::build::events::{Event, Observer};
use crate::model::{Descriptor, Digest, MAX_MANIFEST_BYTES};
use crate::store::StoreError;
use crate::store::local;
use crate::tree::{FACTS_VERSION, Facts, MAX_ENCODED_BYTES};

/// Where facts and documents are kept between builds.
pub(super) struct Cache {
    /// `None` keeps nothing.
    root: Option<PathBuf>,
    complained: AtomicBool,
    observer: Arc<dyn Observer>,
}

/// Facts, and the bytes that they are kept as.
pub(super) struct KeptFacts {
    pub facts: Facts,
    /// As [`Facts::compress`] gave them.
    pub compressed: Vec<u8>,
}

impl Cache {
    /// A cache below `root`, which need not exist; `None` keeps nothing.
    pub fn new(root: Option<PathBuf>, observer: Arc<dyn Observer>) -> Self {
        Self { root, complained: AtomicBool::new(false), observer }
    }

    /// The facts of a manifest, where they are kept and whole.
    pub fn load_facts(&self, manifest: &Digest) -> Option<KeptFacts> {
        let bytes = read(&self.facts_path(manifest)?, MAX_ENCODED_BYTES)?;
        let compressed = bytes.strip_prefix(head(manifest).as_bytes())?;
        Some(KeptFacts { facts: Facts::decompress(compressed).ok()?, compressed: compressed.to_vec() })
    }

    /// Keeps the facts of a manifest, compressed.
    pub fn store_facts(&self, manifest: &Digest, compressed: &[u8]) {
        if let Some(path) = self.facts_path(manifest) {
            self.store(&path, &[head(manifest).as_bytes(), compressed]);
        }
    }

    /// The bytes of a manifest or a config, where they are kept and whole.
    pub fn load_document(&self, descriptor: &Descriptor) -> Option<Bytes> {
        let bytes = read(&self.document_path(&descriptor.digest)?, MAX_MANIFEST_BYTES)?;
        let is_whole = bytes.len() as u64 == descriptor.size_bytes && Digest::of(&bytes) == descriptor.digest;
        is_whole.then(|| bytes.into())
    }

    /// Keeps a manifest or a config, where it is not kept yet.
    pub fn store_document(&self, descriptor: &Descriptor, bytes: &Bytes) {
        if let Some(path) = self.document_path(&descriptor.digest)
            && self.load_document(descriptor).is_none()
        {
            self.store(&path, &[bytes]);
        }
    }

    fn store(&self, path: &Path, parts: &[&[u8]]) {
        if let Err(cause) = write(path, parts)
            && !self.complained.swap(true, Ordering::Relaxed)
        {
            let reason = std::error::Error::source(&cause).map(|source| format!(": {source}")).unwrap_or_default();
            let text = format!("the cache cannot be written, the build goes on without: {cause}{reason}");
            self.observer.event(Event::Warning(text));
        }
    }

    fn facts_path(&self, manifest: &Digest) -> Option<PathBuf> {
        Some(self.root.as_ref()?.join("facts").join(format!("v{FACTS_VERSION}")).join(manifest.hex()))
    }

    fn document_path(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.root.as_ref()?.join("documents").join(digest.hex()))
    }
}

/// The first line of kept facts.
fn head(manifest: &Digest) -> String {
    format!("{manifest}\n")
}

/// A file whole; `None` where there is none, where it cannot be read, and where it is over the limit.
fn read(path: &Path, limit_bytes: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(limit_bytes + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= limit_bytes).then_some(bytes)
}

fn write(path: &Path, parts: &[&[u8]]) -> Result<(), StoreError> {
    fs::create_dir_all(local::parent(path)).map_err(|cause| StoreError::io("writing", path, cause))?;
    local::replace_file(path, parts)
}
