//! The journal: the state of uploads in progress, so that another process can resume them.
//!
//! There is one file for each blob that goes to a repository, `HASH.json`, with the session's location and the offset
//! that the registry had confirmed. Beside it is `HASH.lock`, which is locked while a process uploads the blob. Only
//! locations at the registry's own origin are written: others have signatures. The journal is optional: a file that
//! cannot be read, written or locked is ignored, and an entry is verified with the registry before it is used.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::Digest;
use crate::registry::origin::origin;
use crate::store::StoreError;
use crate::store::local::{read_small, remove_abandoned, replace_private_file};

/// The format of an entry. An entry of another format is ignored, and replaced.
const FORMAT: u32 = 1;

/// Size limit of an entry, in bytes: far more than the longest location that a server accepts.
const MAX_ENTRY_BYTES: u64 = 64 * 1024;

/// Only the user may read it: a location's query may be enough to write into its session.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// The key of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Subject {
    /// Scheme, host and port of the registry.
    pub(super) origin: String,
    /// Path of the repository.
    pub(super) repository: String,
    pub(super) digest: Digest,
    pub(super) size_bytes: u64,
}

/// An upload in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) location: Url,
    /// Bytes that the registry had confirmed.
    pub(super) offset_bytes: u64,
}

/// An entry as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    origin: String,
    repository: String,
    digest: Digest,
    size_bytes: u64,
    location: String,
    offset_bytes: u64,
}

/// The journal of one upload. It may be disabled.
#[derive(Clone)]
pub(super) struct Journal(Option<Arc<Place>>);

struct Place {
    entry: PathBuf,
    subject: Subject,
    _lock: Lock,
}

impl Journal {
    /// Returns a disabled journal.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Opens the entry for `subject` in `directory`, which is created if it does not exist. The journal is disabled if
    /// another upload of the same blob has the lock, or if the entry cannot be locked.
    pub(super) async fn open(directory: &Path, subject: Subject) -> Self {
        let directory = directory.to_owned();
        blocking(move || match Place::take(&directory, subject) {
            Ok(place) => Self(place.map(Arc::new)),
            Err(cause) => {
                tracing::info!(%cause, "uploads are not recorded");
                Self(None)
            }
        })
        .await
        .unwrap_or(Self(None))
    }

    /// Returns the upload in progress, if there is a valid entry.
    pub(super) async fn read(&self) -> Option<Entry> {
        let place = Arc::clone(self.0.as_ref()?);
        blocking(move || place.read()).await.flatten()
    }

    /// Writes the state of the upload. A location elsewhere is not written, and the earlier entry is removed.
    pub(super) async fn write(&self, entry: Entry) {
        let Some(place) = self.0.clone() else { return };
        blocking(move || {
            if let Err(cause) = place.write(&entry) {
                tracing::info!(error = %cause, "the upload is not recorded");
            }
        })
        .await;
    }

    /// Removes the entry: the blob exists, or its session is no longer useful.
    pub(super) async fn remove(&self) {
        let Some(place) = self.0.clone() else { return };
        blocking(move || place.remove()).await;
    }
}

/// Runs blocking work. Returns `None` if the runtime ends.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

impl Place {
    fn take(directory: &Path, subject: Subject) -> io::Result<Option<Self>> {
        DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(directory)?;
        remove_abandoned(directory);
        let named = format!("{}\n{}\n{}", subject.origin, subject.repository, subject.digest);
        let name = Digest::of(named.as_bytes()).hex();
        let lock = Lock::take(directory.join(format!("{name}.lock")))?;
        Ok(lock.map(|lock| Self {
            entry: directory.join(format!("{name}.json")),
            subject,
            _lock: lock,
        }))
    }

    fn read(&self) -> Option<Entry> {
        let bytes = read_small(&self.entry, MAX_ENTRY_BYTES, "the upload journal")
            .ok()
            .flatten()?;
        let stored: Stored = serde_json::from_slice(&bytes).ok()?;
        let Stored {
            format,
            origin,
            repository,
            digest,
            size_bytes,
            location,
            offset_bytes,
        } = stored;
        let is_ours = self.subject
            == Subject {
                origin,
                repository,
                digest,
                size_bytes,
            };
        let location = location.parse().ok().filter(|location| self.may_hold(location))?;
        (format == FORMAT && is_ours && offset_bytes <= size_bytes).then_some(Entry { location, offset_bytes })
    }

    fn write(&self, entry: &Entry) -> Result<(), StoreError> {
        let Subject {
            origin,
            repository,
            digest,
            size_bytes,
        } = self.subject.clone();
        let location = entry.location.to_string();
        let offset_bytes = entry.offset_bytes;
        let stored = Stored {
            format: FORMAT,
            origin,
            repository,
            digest,
            size_bytes,
            location,
            offset_bytes,
        };
        let failed = |cause| StoreError::io("write", &self.entry, cause);
        let bytes = serde_json::to_vec(&stored).map_err(|cause| failed(cause.into()))?;
        if !self.may_hold(&entry.location) || bytes.len() as u64 > MAX_ENTRY_BYTES {
            self.remove();
            return Ok(());
        }
        replace_private_file(&self.entry, &bytes)
    }

    fn remove(&self) {
        // If it cannot be removed, it is verified once more, and then replaced.
        let _ = fs::remove_file(&self.entry);
    }

    fn may_hold(&self, location: &Url) -> bool {
        origin(location) == self.subject.origin && location.username().is_empty() && location.password().is_none()
    }
}

/// A locked lock file. It is removed on drop.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Returns `None` if another process has the lock.
    fn take(path: PathBuf) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        // Never written: only its lock matters.
        options
            .create(true)
            .truncate(false)
            .write(true)
            .mode(FILE_MODE)
            .custom_flags(libc::O_NOFOLLOW);
        let file = options.open(&path)?;
        match file.try_lock() {
            // The process that holds the lock removes the file: a lock on a removed file protects nothing.
            Ok(()) if file.metadata()?.nlink() > 0 => Ok(Some(Self { path, _file: file })),
            Ok(()) | Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(cause)) => Err(cause),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        let origin = "https://r.example".to_owned();
        Subject {
            origin,
            repository: "team/app".to_owned(),
            digest: Digest::of(b"x"),
            size_bytes: 100,
        }
    }

    fn entry(location: &str) -> Entry {
        Entry {
            location: location.parse().unwrap(),
            offset_bytes: 40,
        }
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap()[64..].to_owned())
            .collect();
        names.sort();
        names
    }

    fn file(directory: &Path) -> PathBuf {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries
            .into_iter()
            .find(|path| path.extension().is_some_and(|extension| extension == "json"))
            .unwrap()
    }

    #[tokio::test]
    async fn what_is_noted_is_read_by_the_next_and_only_by_the_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/uploads");
        let written = entry("https://r.example/v2/up?_state=a%2Bb");
        let journal = Journal::open(&path, subject()).await;
        assert_eq!(journal.read().await, None);
        journal.write(entry("https://r.example/v2/up?first")).await;
        journal.write(written.clone()).await;
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, DIRECTORY_MODE);
        assert_eq!(fs::metadata(file(&path)).unwrap().mode() & 0o777, FILE_MODE);
        assert_eq!(names(&path), [".json", ".lock"]);
        drop(journal);
        assert_eq!(names(&path), [".json"]);
        let journal = Journal::open(&path, subject()).await;
        assert_eq!(journal.read().await, Some(written));
        journal.remove().await;
        drop(journal);
        assert!(names(&path).is_empty());
    }

    #[tokio::test]
    async fn one_upload_of_a_blob_has_the_place_and_others_do_without() {
        let directory = tempfile::tempdir().unwrap();
        let first = Journal::open(directory.path(), subject()).await;
        first.write(entry("https://r.example/first")).await;
        let second = Journal::open(directory.path(), subject()).await;
        assert!(second.0.is_none());
        second.write(entry("https://r.example/second")).await;
        second.remove().await;
        drop(second);
        assert_eq!(first.read().await, Some(entry("https://r.example/first")));
        let other = Subject {
            repository: "team/other".to_owned(),
            ..subject()
        };
        assert_eq!(Journal::open(directory.path(), other).await.read().await, None);
        drop(first);
        assert!(Journal::open(directory.path(), subject()).await.read().await.is_some());
    }

    #[tokio::test]
    async fn locations_elsewhere_are_neither_written_nor_believed() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path(), subject()).await;
        for elsewhere in [
            "https://cdn.example/up?X-Amz-Signature=s",
            "http://r.example/up",
            "https://u:p@r.example/up",
        ] {
            journal.write(entry("https://r.example/up")).await;
            let text = fs::read_to_string(file(directory.path())).unwrap();
            journal.write(entry(elsewhere)).await;
            assert_eq!(names(directory.path()), [".lock"], "{elsewhere}");
            journal.write(entry("https://r.example/up")).await;
            fs::write(file(directory.path()), text.replace("https://r.example/up", elsewhere)).unwrap();
            assert_eq!(journal.read().await, None, "{elsewhere}");
        }
    }

    #[tokio::test]
    async fn what_is_damaged_foreign_or_of_another_format_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path(), subject()).await;
        let written = entry("https://r.example/up");
        journal.write(written.clone()).await;
        let path = file(directory.path());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(r#""format":1"#), "{text}");
        let digest = Digest::of(b"x").to_string();
        for bad in [
            String::new(),
            text[..text.len() / 2].to_owned(),
            format!("{text}{text}"),
            text.replace(r#""format":1"#, r#""format":2"#),
            text.replace(r#""format":1"#, r#""format":1,"more":1"#),
            text.replace("team/app", "team/other"),
            text.replace(&digest, &Digest::of(b"y").to_string()),
            text.replace(r#""size_bytes":100"#, r#""size_bytes":101"#),
            text.replace(r#""offset_bytes":40"#, r#""offset_bytes":101"#),
            text.replace(r#""offset_bytes":40"#, r#""offset_bytes":-1"#),
            text.replace("https://r.example/up", "up"),
            format!("{text}{}", " ".repeat(MAX_ENTRY_BYTES as usize)),
        ] {
            assert_ne!(bad, text);
            fs::write(&path, &bad).unwrap();
            assert_eq!(journal.read().await, None, "{bad:.200}");
        }
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_eq!(journal.read().await, None);
        journal.write(written.clone()).await;
        assert_eq!(journal.read().await, Some(written));
    }

    #[tokio::test]
    async fn a_directory_that_cannot_be_used_is_done_without() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "").unwrap();
        let journal = Journal::open(&path, subject()).await;
        journal.write(entry("https://r.example/up")).await;
        assert_eq!(journal.read().await, None);
    }

    #[test]
    fn a_lock_whose_file_is_gone_is_nobodys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let first = Lock::take(path.clone()).unwrap().unwrap();
        assert!(Lock::take(path.clone()).unwrap().is_none());
        drop(first);
        assert!(Lock::take(path).unwrap().is_some());
    }
}
