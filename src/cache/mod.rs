//! The cache: what can be made again, kept so that it need not be.
//!
//! Each file is named by a key that says all of what it was made from, so that an entry is never out of date. Below the
//! root they lie as `KIND/vVERSION/AB/ABCDEF…`; beside them are the journal of uploads (`uploads`, which the registry
//! writes) and how much there is (`size`). Everything may be deleted at any time, also by other processes, also while it
//! is used: a file that is gone is a miss.
//!
//! A file is written to a temporary one and renamed, so that nobody sees a half of it. It is not synced: each begins with
//! the digest of kind, key and content, which is checked whenever it is read, so what a power cut leaves is a miss too,
//! and is deleted. That digest finds damage and no forgery: who can write here can change what is built.
//!
//! The age of a file is the time since it was last used. That costs no write for most reads: the time is moved only where
//! it is older than an hour.

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

/// How large the cache may grow where nothing else is said: the blocks of a few large images in several states each, and
/// little beside the disk of any machine that builds images.
pub const DEFAULT_LIMIT_BYTES: u64 = 10 << 30;

/// How old the time of a file must be before its use is noted. An hour's error does not matter to what is kept for days.
const TOUCH_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The cache below one directory. Clones are the same cache.
#[derive(Debug, Clone)]
pub struct Cache {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    limit_bytes: u64,
    /// Bytes that were stored and of which the ledger does not know yet.
    stored_bytes: AtomicU64,
    /// The time of all uses.
    now: Option<SystemTime>,
}

impl Cache {
    /// The cache below `root`, which need not exist: nothing is made before something is stored. `root` may be a symbolic
    /// link. [`Cache::trim`] keeps it within `limit_bytes`. Uses are not noted, and nothing expires, before it knows the
    /// time: [`Cache::at_time`].
    pub fn new(root: PathBuf, limit_bytes: u64) -> Self {
        Self::with(root, limit_bytes, None)
    }

    /// The same for a process that began at `now`: what it uses is noted as used then. To be called before anything is
    /// stored, and before it is cloned.
    pub fn at_time(self, now: SystemTime) -> Self {
        Self::with(self.shared.root.clone(), self.shared.limit_bytes, Some(now))
    }

    fn with(root: PathBuf, limit_bytes: u64, now: Option<SystemTime>) -> Self {
        Self { shared: Arc::new(Shared { root, limit_bytes, stored_bytes: AtomicU64::new(0), now }) }
    }

    /// Takes the right to write from the group and from all others, where earlier versions left it under a umask of 000.
    ///
    /// Returns a path of the cache that others can write to all the same: it is another user's, or the root holds more than
    /// the cache.
    pub fn tighten(&self) -> Option<PathBuf> {
        modes::tighten(self.root())
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// How large it may grow, in bytes.
    pub fn limit_bytes(&self) -> u64 {
        self.shared.limit_bytes
    }

    /// A block, whole; `None` where it is not kept. Of a damaged one nothing is given, and it is deleted.
    pub fn load_block(&self, key: &Digest) -> Option<Vec<u8>> {
        self.load(Kind::BLOCKS, key)
    }

    /// Keeps a block, as [`Cache::store`].
    pub fn store_block(&self, key: &Digest, bytes: &[u8]) -> io::Result<()> {
        self.store(Kind::BLOCKS, key, bytes)
    }

    /// A record of a layer, as [`Cache::load_block`].
    pub fn load_record(&self, key: &Digest) -> Option<Vec<u8>> {
        self.load(Kind::LAYERS, key)
    }

    /// Keeps a record of a layer, as [`Cache::store`].
    pub fn store_record(&self, key: &Digest, bytes: &[u8]) -> io::Result<()> {
        self.store(Kind::LAYERS, key, bytes)
    }

    /// What is kept under `key`, whole and verified. What is damaged, lies under another name than it was stored by, or is
    /// no regular file is deleted, and `None` like what is not there or cannot be read.
    pub fn load(&self, kind: Kind, key: &Digest) -> Option<Vec<u8>> {
        let found = entry::read(&self.path(kind, key), kind, key)?;
        self.touch(&found);
        Some(found.content)
    }

    /// Keeps `bytes` under `key`, in place of what was there. It is seen whole or not at all, and not durable on return.
    ///
    /// # Errors
    /// What the system said, with the path; and [`io::ErrorKind::InvalidInput`] for more bytes than the kind may have.
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

    /// Notes that a file was used. One whose time lies ahead was stored under a clock that was wrong: it is set right.
    fn touch(&self, found: &entry::Found) {
        let Some(now) = self.shared.now else { return };
        let age = now.duration_since(found.used).unwrap_or_else(|ahead| ahead.duration());
        if age > TOUCH_INTERVAL {
            // A file of another user cannot be touched, and is taken for unused.
            let _ = found.file.set_modified(now);
        }
    }
}

#[cfg(test)]
mod tests;
