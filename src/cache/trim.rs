//! Keeps the cache within its limit: what was not used for the longest time goes first.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::Cache;
use super::ledger::Ledger;
use super::scan::{Kept, remove_leftovers, scan};
use crate::store::local::open_regular;

/// Where the registry notes uploads that are under way, and what such a note counts as.
pub(super) const UPLOADS: &str = "uploads";

/// How long such a note is kept: registries forget an upload after a day to a week.
const MAX_UPLOAD_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What of the limit is kept when it was passed, as numerator and denominator: a build that stores a little into a full
/// cache does not have to count and delete every time.
const KEPT_SHARE: (u64, u64) = (9, 10);

/// What was deleted, and what is left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// What was deleted, by kind.
    pub removed: BTreeMap<&'static str, Count>,
    /// Bytes that are kept, notes of uploads aside; 0 where nothing was stored and nothing looked at.
    pub kept_bytes: u64,
}

/// A number of files, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// How many files.
    pub files: u64,
    /// Their bytes together.
    pub size_bytes: u64,
}

impl Count {
    /// With one file more.
    pub(super) fn with(self, size_bytes: u64) -> Self {
        Self { files: self.files + 1, size_bytes: self.size_bytes.saturating_add(size_bytes) }
    }
}

impl Cache {
    /// Deletes what is over the limit, what killed writers left, and notes of uploads that registries have forgotten. It
    /// is cheap where nothing was stored through this value since the last time, and where the cache is not full. Other
    /// processes may load and store meanwhile; to them a deleted file is a miss.
    ///
    /// # Errors
    /// What the system said of the file that holds the size. A file that cannot be deleted is passed over.
    pub fn trim(&self) -> io::Result<Trimmed> {
        let stored_bytes = self.shared.stored_bytes.swap(0, Ordering::Relaxed);
        if stored_bytes == 0 {
            return Ok(Trimmed::default());
        }
        remove_leftovers(self.root());
        self.expire_uploads(Some(MAX_UPLOAD_AGE));
        let Some(mut ledger) = Ledger::lock(self.root())? else {
            // Whoever has it counts or deletes already.
            return Ok(Trimmed::default());
        };
        let limit_bytes = self.limit_bytes();
        match ledger.add(stored_bytes)? {
            Some(kept_bytes) if kept_bytes <= limit_bytes => Ok(Trimmed { kept_bytes, ..Trimmed::default() }),
            _ => {
                let kept_bytes = limit_bytes / KEPT_SHARE.1 * KEPT_SHARE.0;
                self.shrink(&mut ledger, limit_bytes, kept_bytes)
            }
        }
    }

    /// Counts everything and, where that is more than `limit_bytes`, deletes until `kept_bytes` are left.
    pub(super) fn shrink(&self, ledger: &mut Ledger, limit_bytes: u64, kept_bytes: u64) -> io::Result<Trimmed> {
        let mut found = scan(self.root());
        let size_bytes = found.iter().map(|kept| kept.size_bytes).fold(0, u64::saturating_add);
        let mut trimmed = Trimmed { kept_bytes: size_bytes, ..Trimmed::default() };
        if size_bytes > limit_bytes {
            found.sort_by_key(|kept| (kept.used, kept.key));
            for kept in &found {
                if trimmed.kept_bytes <= kept_bytes {
                    break;
                }
                trimmed.remove(kept);
            }
        }
        ledger.set(trimmed.kept_bytes)?;
        Ok(trimmed)
    }

    /// Deletes down to `keep_bytes`, least recently used first, what killed writers left, and old notes of uploads; with
    /// `None` everything, notes of uploads that are not under way included. What others store meanwhile may stay.
    ///
    /// # Errors
    /// What the system said of the directory or of the file that holds the size; [`io::ErrorKind::TimedOut`] where
    /// another process deletes for too long. A file that cannot be deleted is passed over, and counts as kept.
    pub fn prune(&self, keep_bytes: Option<u64>) -> io::Result<Trimmed> {
        if !self.is_there()? {
            return Ok(Trimmed::default());
        }
        remove_leftovers(self.root());
        let Some(mut ledger) = Ledger::lock(self.root())? else {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "another process is deleting from it"));
        };
        let uploads = self.expire_uploads(keep_bytes.map(|_| MAX_UPLOAD_AGE));
        let kept_bytes = keep_bytes.unwrap_or(0);
        let mut trimmed = self.shrink(&mut ledger, kept_bytes, kept_bytes)?;
        if uploads.files > 0 {
            trimmed.removed.insert(UPLOADS, uploads);
        }
        Ok(trimmed)
    }

    /// Removes notes of uploads that are older than `max_age`; with `None` all of them.
    fn expire_uploads(&self, max_age: Option<Duration>) -> Count {
        let is_old = |time: SystemTime| match (max_age, self.shared.now) {
            (None, _) => true,
            (Some(max_age), Some(now)) => now.duration_since(time).is_ok_and(|age| age > max_age),
            (Some(_), None) => false,
        };
        let entries = fs::read_dir(self.root().join(UPLOADS)).into_iter().flatten().flatten();
        let old = entries.filter_map(|entry| {
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            is_old(metadata.modified().ok()?).then(|| (entry.path(), metadata.len()))
        });
        let removed = old.filter(|(path, _)| expire_upload(path));
        removed.fold(Count::default(), |count, (_, size_bytes)| count.with(size_bytes))
    }
}

impl Trimmed {
    /// Deletes a file.
    fn remove(&mut self, kept: &Kept) {
        let removed = fs::remove_file(kept.path());
        if removed.is_ok() {
            let count = self.removed.entry(kept.kind_name).or_default();
            *count = count.with(kept.size_bytes);
        }
        let is_gone = removed.map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true);
        self.kept_bytes -= if is_gone { kept.size_bytes } else { 0 };
    }
}

/// Removes one file of the journal: a note, or a lock that nobody has. A lock is removed by who holds it, as the journal
/// does. True where it is gone.
fn expire_upload(path: &Path) -> bool {
    // Held until the file is gone.
    let _lock = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => None,
        Some("lock") => match open_regular(path, "the upload journal") {
            Ok(Some(lock)) if lock.try_lock().is_ok() => Some(lock),
            _ => return false,
        },
        _ => return false,
    };
    fs::remove_file(path).is_ok()
}
