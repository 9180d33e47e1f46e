//! Keeps the cache within its limit: what was not used for the longest time goes first.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::Cache;
use super::kind::NAMES;
use super::ledger::Ledger;
use super::scan::{Kept, scan};
use crate::store::local::{open_regular, remove_abandoned};

/// Where the registry notes uploads that are under way.
pub(super) const UPLOADS: &str = "uploads";

/// How long such a note is kept: registries forget an upload after a day to a week.
const MAX_UPLOAD_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What of the limit is kept when it was passed, as numerator and denominator: a build that stores a little into a full
/// cache does not have to count and delete every time.
const KEPT_SHARE: (u64, u64) = (9, 10);

/// What was deleted, and what is left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Files that were deleted.
    pub removed_files: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Bytes that are kept; 0 where nothing was stored and nothing looked at.
    pub kept_bytes: u64,
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
        self.expire_uploads();
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
        let size_bytes: u64 = found.iter().map(|kept| kept.size_bytes).sum();
        let mut trimmed = Trimmed { kept_bytes: size_bytes, ..Trimmed::default() };
        if size_bytes > limit_bytes {
            found.sort_by(|one, other| (one.used, one.key).cmp(&(other.used, other.key)));
            trimmed = found.iter().fold(trimmed, |trimmed, kept| trimmed.without(kept, kept_bytes));
        }
        ledger.set(trimmed.kept_bytes)?;
        Ok(trimmed)
    }

    /// Removes the notes of uploads that no registry remembers.
    pub(super) fn expire_uploads(&self) {
        let directory = self.root().join(UPLOADS);
        let Ok(entries) = fs::read_dir(&directory) else { return };
        let Some(now) = self.shared.now else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            let is_old = |time: SystemTime| now.duration_since(time).is_ok_and(|age| age > MAX_UPLOAD_AGE);
            if entry.metadata().is_ok_and(|found| found.is_file() && found.modified().is_ok_and(is_old)) {
                expire_upload(&path);
            }
        }
    }
}

impl Trimmed {
    /// After deleting a file, where there are more than `kept_bytes`.
    fn without(self, kept: &Kept, kept_bytes: u64) -> Self {
        if self.kept_bytes <= kept_bytes {
            return self;
        }
        match fs::remove_file(kept.path()) {
            Ok(()) => Self {
                removed_files: self.removed_files + 1,
                removed_bytes: self.removed_bytes + kept.size_bytes,
                kept_bytes: self.kept_bytes - kept.size_bytes,
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Self { kept_bytes: self.kept_bytes - kept.size_bytes, ..self }
            }
            Err(_) => self,
        }
    }
}

/// Removes what killed writers left where entries are written.
pub(super) fn remove_leftovers(root: &Path) {
    for name in NAMES {
        let Ok(versions) = fs::read_dir(root.join(name)) else { continue };
        versions.flatten().for_each(|version| remove_abandoned(&version.path()));
    }
    remove_abandoned(root);
}

/// Removes one file of the journal: a note, or a lock that nobody has. A lock is removed by who holds it, as the journal
/// does.
fn expire_upload(path: &Path) {
    // Held until the file is gone.
    let lock = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => None,
        Some("lock") => match open_regular(path, "the upload journal") {
            Ok(Some(lock)) if lock.try_lock().is_ok() => Some(lock),
            _ => return,
        },
        _ => return,
    };
    let _ = fs::remove_file(path);
    drop(lock);
}
