//! The synchronous core: the files of a layout, and how each is replaced.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::model::{Descriptor, Digest, MAX_MANIFEST_BYTES, Repository, Root, Tag, escape, escape_path};
use crate::store::local::{self, TEMPORARY_PREFIX, TemporaryFile, open_regular, parent, read_small, sync_directory};
use crate::store::{
    INDEX_NAME, LAYOUT_MARKER, LAYOUT_MARKER_NAME, LayoutIndex, MAX_MARKER_BYTES, StoreError, check_layout_marker,
};

/// How long a writer waits for another one. The lock is held while one small file is replaced; a process that holds it
/// longer hangs.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Interval at which a waiting writer tries to lock again.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The file that writers lock. It is never deleted: a lock on a deleted file excludes no other process.
const LOCK_NAME: &str = ".ocitect.lock";

/// A layout directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    path: PathBuf,
}

/// The layout's lock, held until it is dropped.
pub(super) struct Lock(#[expect(dead_code, reason = "closing the file releases the lock")] File);

/// The blobs' directory, locked until it is dropped. While the lock is shared, nothing is deleted; while it is
/// exclusive, no writer relies on existing blobs.
#[derive(Debug)]
pub(super) struct Hold(#[expect(dead_code, reason = "closing the directory releases the lock")] File);

/// The kind of lock on the blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HoldKind {
    /// For a writer, from the first blob that it looks up to its end: it lists these blobs later.
    Shared,
    /// For deleting blobs.
    Exclusive,
}

impl Layout {
    /// Opens an existing layout for reading.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if nothing exists at the path, and [`StoreError::Malformed`] if it is not a layout.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let layout = Self { path: path.to_owned() };
        if layout.has_marker()? {
            return Ok(layout);
        }
        if !path.exists() {
            return Err(StoreError::Missing { place: layout.place() });
        }
        let error = layout.malformed(format!("it is not an OCI layout: it has no file {LAYOUT_MARKER_NAME}"));
        if !path.is_file() {
            return Err(error);
        }
        let label = layout.label();
        Err(error.with_help(format!(
            "if it is an archive, write oci-archive:{label} or docker-archive:{label}"
        )))
    }

    /// Opens a layout for writing, which need not exist yet. Nothing is written: the first blob creates the directory.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] for a file, for a layout of another version, and for a directory that is neither empty
    /// nor a layout.
    pub fn create_or_open(path: &Path) -> Result<Self, StoreError> {
        let layout = Self { path: path.to_owned() };
        if !layout.has_marker()? {
            layout.check_vacant()?;
        }
        Ok(layout)
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads `index.json`. A layout without one, as a killed first writer leaves it, is [`StoreError::Malformed`].
    pub fn index(&self) -> Result<LayoutIndex, StoreError> {
        self.read_index()?.ok_or_else(|| {
            self.malformed(format!("it has no file {INDEX_NAME}"))
                .with_help("write it again: it is incomplete")
        })
    }

    pub(super) fn place(&self) -> String {
        format!("oci:{}", self.label())
    }

    /// Opens a blob. Returns `None` if it does not exist.
    pub(super) fn open_blob(&self, digest: &Digest) -> Result<Option<File>, StoreError> {
        self.check_blob_directories()?;
        open_regular(&self.blob_path(digest), &self.place())
    }

    /// Returns an error if a blob is a symbolic link.
    pub(super) fn refuse_link(&self, digest: &Digest) -> Result<(), StoreError> {
        let path = self.blob_path(digest);
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => Err(local::irregular(&path, &self.place())),
            _ => Ok(()),
        }
    }

    /// Returns `true` if the blob exists with the right size and digest. A damaged blob, or one that is not a regular
    /// file, counts as missing: it is replaced when the blob is put.
    pub(super) fn has_sound_blob(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        let file = match self.open_blob(&descriptor.digest) {
            Ok(Some(file)) => file,
            Ok(None) | Err(StoreError::Malformed { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let path = self.blob_path(&descriptor.digest);
        let failed = |cause| StoreError::io("read", &path, cause);
        if file.metadata().map_err(failed)?.len() != descriptor.size_bytes {
            return Ok(false);
        }
        let found = local::hash(file).map_err(failed)?;
        Ok(found == (descriptor.digest, descriptor.size_bytes))
    }

    /// Creates what a layout has before its first image: the directory, `oci-layout`, and the directories of the blobs.
    pub(super) fn prepare(&self) -> Result<(), StoreError> {
        let blobs = self.blobs();
        if self.has_marker()? && is_directory(&blobs) {
            return self.check_blob_directories();
        }
        let is_new = !self.path.exists();
        create_directories(&self.path)?;
        if is_new {
            sync_directory(parent(&self.path))?;
        }
        let _lock = self.lock(LOCK_TIMEOUT)?;
        if !self.has_marker()? {
            self.check_vacant()?;
            self.replace(LAYOUT_MARKER_NAME, LAYOUT_MARKER)?;
        }
        create_directories(&blobs)?;
        self.check_blob_directories()?;
        sync_directory(parent(&blobs))?;
        sync_directory(&self.path)
    }

    /// Creates a temporary file for a blob, and removes those of killed writers.
    pub(super) fn new_blob(&self) -> Result<TemporaryFile, StoreError> {
        TemporaryFile::create_in(parent(&self.blobs()))
    }

    /// Moves a verified blob into place.
    pub(super) fn keep_blob(&self, file: TemporaryFile, digest: &Digest) -> Result<(), StoreError> {
        file.persist(&self.blob_path(digest))
    }

    /// Writes a manifest or an index and lists it, under the lock. An `index.json` that would not change is not
    /// written.
    pub(super) fn publish(&self, root: &Root, name: Option<&Repository>, tags: &[Tag]) -> Result<(), StoreError> {
        self.prepare()?;
        if !self.has_sound_blob(root.descriptor())? {
            let mut file = self.new_blob()?;
            let written = file.write_all(root.bytes());
            let path = self.blob_path(&root.descriptor().digest);
            written.map_err(|cause| StoreError::io("write", &path, cause))?;
            self.keep_blob(file, &root.descriptor().digest)?;
        }
        let _lock = self.lock(LOCK_TIMEOUT)?;
        let current = self.read_index()?;
        let updated = self.updated(current.as_ref(), root.descriptor(), name, tags)?;
        if current.as_ref() != Some(&updated) {
            self.replace(INDEX_NAME, &updated.to_bytes()?)?;
        }
        local::remove_abandoned(&self.path);
        local::remove_abandoned(parent(&self.blobs()));
        Ok(())
    }

    /// Checks whether `tags` could be written now: none may belong to an image of another name.
    pub(super) fn check_tags(&self, name: Option<&Repository>, tags: &[Tag]) -> Result<(), StoreError> {
        let root = Descriptor::of(crate::model::MediaType::OciIndex, b"");
        self.updated(self.read_index()?.as_ref(), &root, name, tags).map(|_| ())
    }

    fn updated(
        &self,
        current: Option<&LayoutIndex>,
        root: &Descriptor,
        name: Option<&Repository>,
        tags: &[Tag],
    ) -> Result<LayoutIndex, StoreError> {
        let empty = LayoutIndex::new(Vec::new());
        current.unwrap_or(&empty).with_root(root, name, tags, &self.place())
    }

    /// Waits until the blobs can be locked, at most [`LOCK_TIMEOUT`]. Returns `None` if the directory does not exist
    /// yet.
    pub(super) fn hold_blobs(&self, kind: HoldKind) -> Result<Option<Hold>, StoreError> {
        self.check_blob_directories()?;
        let path = self.blobs();
        let directory = match File::open(&path) {
            Ok(directory) => directory,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(cause) => return Err(StoreError::io("open", &path, cause)),
        };
        let locked = wait_for(LOCK_TIMEOUT, || match kind {
            HoldKind::Shared => directory.try_lock_shared(),
            HoldKind::Exclusive => directory.try_lock(),
        });
        locked.map_err(|cause| StoreError::io("lock", &path, cause))?;
        Ok(Some(Hold(directory)))
    }

    /// Waits for the lock, at most `timeout`.
    pub(super) fn lock(&self, timeout: Duration) -> Result<Lock, StoreError> {
        let path = self.path.join(LOCK_NAME);
        let failed = |cause| StoreError::io("lock", &path, cause);
        let mut options = OpenOptions::new();
        // Not truncated, and never written: only its lock matters.
        options.create(true).truncate(false).write(true);
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW);
        let file = options.open(&path).map_err(failed)?;
        wait_for(timeout, || file.try_lock()).map_err(failed)?;
        Ok(Lock(file))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let target = self.path.join(name);
        let mut file = TemporaryFile::create_in(&self.path)?;
        file.write_all(bytes)
            .map_err(|cause| StoreError::io("write", &target, cause))?;
        file.persist(&target)
    }

    fn read_index(&self) -> Result<Option<LayoutIndex>, StoreError> {
        let bytes = read_small(&self.path.join(INDEX_NAME), MAX_MANIFEST_BYTES, &self.place())?;
        bytes.map(|bytes| LayoutIndex::parse(bytes, &self.place())).transpose()
    }

    /// Returns `true` if `oci-layout` exists, and an error if it has another version.
    fn has_marker(&self) -> Result<bool, StoreError> {
        if self.path.is_file() {
            return Ok(false);
        }
        match read_small(&self.path.join(LAYOUT_MARKER_NAME), MAX_MARKER_BYTES, &self.place())? {
            Some(bytes) => check_layout_marker(&bytes, &self.place()).map(|()| true),
            None => Ok(false),
        }
    }

    /// Checks that the directory has nothing but what a writer leaves that was killed before it wrote `oci-layout`.
    fn check_vacant(&self) -> Result<(), StoreError> {
        let failed = |cause| StoreError::io("read", &self.path, cause);
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(self.malformed("it is not a directory"));
            }
            Err(cause) => return Err(failed(cause)),
        };
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let name = name.as_encoded_bytes();
            if name != LOCK_NAME.as_bytes() && !name.starts_with(TEMPORARY_PREFIX.as_bytes()) {
                let reason = format!(
                    "the directory is not an OCI layout, and it is not empty: it contains {}",
                    escape(name)
                );
                return Err(self.malformed(reason).with_help("use an empty or new directory"));
            }
        }
        Ok(())
    }

    /// Rejects a link in place of a directory of the blobs, which would make this program read and write elsewhere.
    pub(super) fn check_blob_directories(&self) -> Result<(), StoreError> {
        let blobs = self.blobs();
        for path in [parent(&blobs), &blobs] {
            if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_dir()) {
                return Err(local::not_a("directory", path, &self.place()));
            }
        }
        Ok(())
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.path.join("blobs").join("sha256")
    }

    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    fn label(&self) -> String {
        escape_path(&self.path)
    }

    pub(super) fn malformed(&self, reason: impl Into<String>) -> StoreError {
        StoreError::malformed(self.place(), reason)
    }
}

/// Tries to lock until it succeeds, at most `timeout`.
fn wait_for(timeout: Duration, try_lock: impl Fn() -> Result<(), TryLockError>) -> io::Result<()> {
    let started = Instant::now();
    loop {
        match try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(cause)) => return Err(cause),
            Err(TryLockError::WouldBlock) if started.elapsed() >= timeout => {
                let reason = format!("another process has held the lock for {} seconds", timeout.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_POLL_INTERVAL),
        }
    }
}

fn create_directories(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(|cause| StoreError::io("create", path, cause))
}

fn is_directory(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_waits_no_longer_than_it_says() {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout {
            path: directory.path().to_owned(),
        };
        let held = layout.lock(Duration::ZERO).unwrap();
        let Err(error) = layout.lock(Duration::ZERO) else {
            panic!("two writers hold the lock")
        };
        let StoreError::Io {
            action: "lock", cause, ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!(cause.kind(), io::ErrorKind::TimedOut);
        drop(held);
        assert!(layout.lock(Duration::ZERO).is_ok());
    }
}
