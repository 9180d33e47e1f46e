//! The cache: content that can be recreated, stored for later builds.
//!
//! Each file is named by a key that covers all of its inputs, so that an entry is never out of date. Files are at
//! `KIND/vVERSION/AB/ABCDEF…` below the root, beside the journal of uploads (`uploads`, which the registry module
//! writes) and the total size (`size`). Everything may be deleted at any time, also by other processes, also while it
//! is used: a missing file is a cache miss.
//!
//! A file is written to a temporary one and renamed, so that it is never visible in part. It is not synced: each begins
//! with the digest of kind, key and content, which is verified at every read, so a file damaged by a power failure is a
//! cache miss too, and is deleted. That digest detects damage but no forgery: a user who can write here can change what
//! is built.
//!
//! The age of a file is the time since its last use. Most reads cause no write: the time is updated only if it is older
//! than an hour.

mod entry;
mod kind;
mod ledger;
mod modes;
mod scan;
mod trim;
mod usage;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::model::Digest;

pub use kind::Kind;
pub use trim::{Count, Trimmed};
pub use usage::{KindUsage, Unsound, Verified};

/// The default size limit of the cache, in bytes: the blocks of a few large images in several states each, and little
/// compared to the disk of a machine that builds images.
pub const DEFAULT_LIMIT_BYTES: u64 = 10 << 30;

/// How old the time of a file must be before a use updates it. An hour's error does not matter for files that are kept
/// for days.
const TOUCH_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The cache below one directory. Its clones share it.
#[derive(Debug, Clone)]
pub struct Cache {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    limit_bytes: u64,
    /// Bytes that were stored and are not in the ledger yet.
    stored_bytes: AtomicU64,
    /// The time that is recorded for all uses.
    now: Option<SystemTime>,
}

impl Cache {
    /// Returns the cache below `root`, which need not exist: it is created when something is stored. `root` may be a
    /// symbolic link. [`Cache::trim`] keeps it within `limit_bytes`. Without [`Cache::at_time`], uses are not recorded,
    /// and nothing expires.
    pub fn new(root: PathBuf, limit_bytes: u64) -> Self {
        Self::with(root, limit_bytes, None)
    }

    /// Returns the cache for a process that started at `now`, which is recorded as the time of all uses. Must be called
    /// before anything is stored, and before the cache is cloned.
    pub fn at_time(self, now: SystemTime) -> Self {
        Self::with(self.shared.root.clone(), self.shared.limit_bytes, Some(now))
    }

    fn with(root: PathBuf, limit_bytes: u64, now: Option<SystemTime>) -> Self {
        Self {
            shared: Arc::new(Shared {
                root,
                limit_bytes,
                stored_bytes: AtomicU64::new(0),
                now,
            }),
        }
    }

    /// Removes the group's and others' permission to write, which earlier versions allowed under a umask of 000.
    ///
    /// Returns a path of the cache that others can still write to: it is another user's, or the root has other content
    /// than the cache.
    pub fn tighten(&self) -> Option<PathBuf> {
        modes::tighten(self.root())
    }

    /// Returns its directory.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Returns its size limit, in bytes.
    pub fn limit_bytes(&self) -> u64 {
        self.shared.limit_bytes
    }

    /// Returns a block, whole, or `None` if it is not stored. A damaged one is deleted and not returned.
    pub fn load_block(&self, key: &Digest) -> Option<Vec<u8>> {
        self.load(Kind::BLOCKS, key)
    }

    /// Stores a block, like [`Cache::store`].
    pub fn store_block(&self, key: &Digest, bytes: &[u8]) -> io::Result<()> {
        self.store(Kind::BLOCKS, key, bytes)
    }

    /// Returns a record of a layer, like [`Cache::load_block`].
    pub fn load_record(&self, key: &Digest) -> Option<Vec<u8>> {
        self.load(Kind::LAYERS, key)
    }

    /// Stores a record of a layer, like [`Cache::store`].
    pub fn store_record(&self, key: &Digest, bytes: &[u8]) -> io::Result<()> {
        self.store(Kind::LAYERS, key, bytes)
    }

    /// Returns the content of `key`, whole and verified. A file that is damaged, has another name than it was stored
    /// under, or is not a regular file is deleted. Returns `None` then, and if the file does not exist or cannot be
    /// read.
    pub fn load(&self, kind: Kind, key: &Digest) -> Option<Vec<u8>> {
        let found = entry::read(&self.path(kind, key), kind, key)?;
        self.touch(&found);
        Some(found.content)
    }

    /// Stores `bytes` under `key`, replacing earlier content. The change is atomic, but not durable on return.
    ///
    /// # Errors
    /// I/O errors with the path, and [`io::ErrorKind::InvalidInput`] if there are more bytes than the kind allows.
    pub fn store(&self, kind: Kind, key: &Digest, bytes: &[u8]) -> io::Result<()> {
        let written_bytes = entry::write(&self.kind_directory(kind), kind, key, bytes)?;
        self.shared.stored_bytes.fetch_add(written_bytes, Ordering::Relaxed);
        Ok(())
    }

    fn kind_directory(&self, kind: Kind) -> PathBuf {
        self.shared.root.join(kind.directory())
    }

    fn path(&self, kind: Kind, key: &Digest) -> PathBuf {
        entry::path(&self.kind_directory(kind), key)
    }

    /// Records a use of a file. A time in the future comes from a wrong clock and is corrected.
    fn touch(&self, found: &entry::Found) {
        let Some(now) = self.shared.now else { return };
        let age = now.duration_since(found.used).unwrap_or_else(|ahead| ahead.duration());
        if age > TOUCH_INTERVAL {
            // A file of another user cannot be updated, and counts as unused.
            let _ = found.file.set_modified(now);
        }
    }
}

#[cfg(test)]
mod tests;
