//! The cache of one directory: loads and stores its files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::entry;
use super::kind::Kind;
use crate::model::Digest;

/// The default size limit of the cache, in bytes: the blocks of a few large images in several states each, and little
/// compared to the disk of a machine that builds images.
pub const DEFAULT_LIMIT_BYTES: u64 = 10 << 30;

/// How old the time of a file must be before a use updates it. An hour's error does not matter for files that are kept
/// for days.
const TOUCH_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The cache below one directory. Its clones share it.
#[derive(Debug, Clone)]
pub struct Cache {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    root: PathBuf,
    limit_bytes: u64,
    /// Bytes that were stored and are not in the ledger yet.
    pub stored_bytes: AtomicU64,
    /// The time that is recorded for all uses.
    pub now: Option<SystemTime>,
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

    /// Returns its directory.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Returns `false` if the directory does not exist.
    pub(super) fn is_there(&self) -> io::Result<bool> {
        match fs::read_dir(self.root()) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
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

    pub(super) fn kind_directory(&self, kind: Kind) -> PathBuf {
        self.shared.root.join(kind.directory())
    }

    pub(super) fn path(&self, kind: Kind, key: &Digest) -> PathBuf {
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
