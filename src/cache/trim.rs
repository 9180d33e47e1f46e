//! Keeps the cache within its limit: the least recently used files are deleted first.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::count::Count;
use super::directory::Cache;
use super::kind::UPLOADS;
use super::ledger::Ledger;
use super::scan::{Kept, remove_leftovers, scan};
use crate::store::local::open_regular;

/// How long an entry of an upload is kept: registries forget an upload after a day to a week.
const MAX_UPLOAD_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Share of the limit that is kept when it was exceeded, as numerator and denominator, so that a build that stores a
/// little into a full cache does not have to count and delete every time.
const KEPT_SHARE: (u64, u64) = (9, 10);

/// The deleted files, and the remaining size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// The deleted files, by kind.
    pub removed: BTreeMap<&'static str, Count>,
    /// Remaining bytes, without upload entries; 0 if nothing was stored and nothing was counted.
    pub kept_bytes: u64,
}

impl Cache {
    /// Deletes what exceeds the limit, temporary files of killed writers, and entries of uploads that registries have
    /// forgotten. This is cheap if nothing was stored through this value since the last call, or the cache is not full.
    /// Other processes may load and store meanwhile; for them a deleted file is a cache miss.
    ///
    /// # Errors
    /// I/O errors of the file with the total size. A file that cannot be deleted is skipped.
    pub fn trim(&self) -> io::Result<Trimmed> {
        let stored_bytes = self.shared.stored_bytes.swap(0, Ordering::Relaxed);
        if stored_bytes == 0 {
            return Ok(Trimmed::default());
        }
        remove_leftovers(self.root());
        self.expire_uploads(Some(MAX_UPLOAD_AGE));
        let Some(mut ledger) = Ledger::lock(self.root())? else {
            // The process that holds the lock counts or deletes already.
            return Ok(Trimmed::default());
        };
        let limit_bytes = self.limit_bytes();
        match ledger.add(stored_bytes)? {
            Some(kept_bytes) if kept_bytes <= limit_bytes => Ok(Trimmed {
                kept_bytes,
                ..Trimmed::default()
            }),
            _ => {
                let kept_bytes = limit_bytes / KEPT_SHARE.1 * KEPT_SHARE.0;
                self.shrink(&mut ledger, limit_bytes, kept_bytes)
            }
        }
    }

    /// Counts everything and, if that exceeds `limit_bytes`, deletes until `kept_bytes` are left.
    pub(super) fn shrink(&self, ledger: &mut Ledger, limit_bytes: u64, kept_bytes: u64) -> io::Result<Trimmed> {
        let mut found = scan(self.root());
        let size_bytes = found.iter().map(|kept| kept.size_bytes).fold(0, u64::saturating_add);
        let mut trimmed = Trimmed {
            kept_bytes: size_bytes,
            ..Trimmed::default()
        };
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

    /// Deletes down to `keep_bytes`, least recently used first, and also temporary files of killed writers and old
    /// upload entries. With `None` it deletes everything, including entries of uploads that are not in progress. Files
    /// that other processes store meanwhile may remain.
    ///
    /// # Errors
    /// I/O errors of the directory or of the file with the total size; [`io::ErrorKind::TimedOut`] if another process
    /// deletes for too long. A file that cannot be deleted is skipped, and counts as kept.
    pub fn prune(&self, keep_bytes: Option<u64>) -> io::Result<Trimmed> {
        if !self.is_there()? {
            return Ok(Trimmed::default());
        }
        remove_leftovers(self.root());
        let Some(mut ledger) = Ledger::lock(self.root())? else {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "another process is deleting from it",
            ));
        };
        let uploads = self.expire_uploads(keep_bytes.map(|_| MAX_UPLOAD_AGE));
        let kept_bytes = keep_bytes.unwrap_or(0);
        let mut trimmed = self.shrink(&mut ledger, kept_bytes, kept_bytes)?;
        if uploads.files > 0 {
            trimmed.removed.insert(UPLOADS, uploads);
        }
        Ok(trimmed)
    }

    /// Removes upload entries that are older than `max_age`, or all of them with `None`.
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

/// Removes one file of the journal: an entry, or a lock file that is not locked. A locked file is removed by its
/// holder, as in the journal itself. Returns `true` if it was removed.
fn expire_upload(path: &Path) -> bool {
    // Held until the file is removed.
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
