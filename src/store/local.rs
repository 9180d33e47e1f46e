//! Code that the backends on the local disk share: atomic replacement of files, reading without following links, and
//! running synchronous file operations from asynchronous callers.
//!
//! A temporary file is locked by its writer. An unlocked one is left from a killed writer and may be removed.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::NamedTempFile;
use tokio::io::AsyncReadExt as _;

use super::error::StoreError;
use super::source::Source;
use super::verified::{VerifiedReader, open};
use crate::model::{Descriptor, Digest, Hasher, escape_path};

/// Prefix of temporary files' names. No other file is ever removed.
pub const TEMPORARY_PREFIX: &str = ".ocitect-tmp-";

/// Size of the pieces that are read before they are written, hashed or compared, in bytes: large enough that the cost
/// of switching threads does not matter, small compared to the memory limit.
const CHUNK_BYTES: usize = 256 * 1024;

/// Mode of a new file, before the umask.
const FILE_MODE: u32 = 0o666;

/// Mode of a file that others may read but not write, before the umask.
const UNSHARED_FILE_MODE: u32 = 0o644;

/// Mode of a file with secrets.
const PRIVATE_FILE_MODE: u32 = 0o600;

/// Attempts to create a temporary file. An attempt fails if another writer removes the file as abandoned before it is
/// locked.
const MAX_CREATE_ATTEMPTS: usize = 16;

/// Runs synchronous work on a blocking thread. A panic of the work continues in the caller.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(error) => Err(StoreError::Io {
            action: "access",
            path: "the local disk".to_owned(),
            cause: io::Error::other(error),
        }),
    }
}

/// Copies a blob, verified, into `target`, and returns `target`. On an error `target` is dropped with a part of the
/// blob in it. Errors of the source are marked as such; `failed` converts errors of `target`.
pub async fn copy_blob<W: Write + Send + 'static>(
    descriptor: &Descriptor,
    source: &dyn Source,
    target: W,
    failed: impl Fn(io::Error) -> StoreError + Send + Sync,
) -> Result<W, StoreError> {
    let reader = open_blob(descriptor, source).await?;
    copy_opened(descriptor, source, reader, target, failed).await
}

/// Opens a blob to copy it. An error is marked as one of the source.
pub async fn open_blob(descriptor: &Descriptor, source: &dyn Source) -> Result<VerifiedReader, StoreError> {
    open(source, descriptor).await.map_err(StoreError::of_source)
}

/// Like [`copy_blob`], for a blob that [`open_blob`] opened.
pub async fn copy_opened<W: Write + Send + 'static>(
    descriptor: &Descriptor,
    source: &dyn Source,
    mut reader: VerifiedReader,
    mut target: W,
    failed: impl Fn(io::Error) -> StoreError + Send + Sync,
) -> Result<W, StoreError> {
    let mut chunk = Vec::with_capacity(CHUNK_BYTES);
    loop {
        let read = (&mut reader).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).await;
        if let Err(cause) = read {
            let unmarked = |cause| StoreError::Read {
                digest: descriptor.digest,
                place: source.describe(),
                side: source.side(),
                cause,
            };
            return Err(StoreError::from_reader(cause).unwrap_or_else(unmarked).of_source());
        }
        if chunk.is_empty() {
            return Ok(target);
        }
        let written;
        (target, chunk, written) = blocking(move || {
            let written = target.write_all(&chunk);
            chunk.clear();
            Ok((target, chunk, written))
        })
        .await?;
        written.map_err(&failed)?;
    }
}

/// Returns digest and size of a reader's content.
pub fn hash(mut reader: impl Read) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new();
    let mut size_bytes = 0;
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok((hasher.digest(), size_bytes)),
            Ok(count) => {
                hasher.update(&chunk[..count]);
                size_bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Opens a regular file. Returns `None` if it does not exist. A symbolic link, a device or a pipe is
/// [`StoreError::Malformed`]: a layout from elsewhere must not make this program read files outside of it.
pub fn open_regular(path: &Path, place: &str) -> Result<Option<File>, StoreError> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(_) if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) => {
            return Err(irregular(path, place));
        }
        Err(cause) => return Err(StoreError::io("open", path, cause)),
    };
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => Ok(Some(file)),
        Ok(_) => Err(irregular(path, place)),
        Err(cause) => Err(StoreError::io("read", path, cause)),
    }
}

/// Help for a layout with symbolic links, as Bazel's rules write them.
const LINK_HELP: &str = "copy the layout without links (cp -rL LAYOUT COPY), and use the copy";

/// Returns the error for something in `place` that is not a regular file, such as a symbolic link.
pub fn irregular(path: &Path, place: &str) -> StoreError {
    not_a("regular file", path, place)
}

/// Returns the error for something in `place` that is not a `kind`: another kind of file, or a symbolic link.
pub fn not_a(kind: &str, path: &Path, place: &str) -> StoreError {
    let name = escape_path(path);
    if path.is_symlink() {
        StoreError::malformed(place, format!("{name} is a symbolic link, not a {kind}")).with_help(LINK_HELP)
    } else {
        StoreError::malformed(place, format!("{name} is not a {kind}"))
    }
}

/// Reads a regular file whole. Returns `None` if it does not exist. A file of more than `limit_bytes` is
/// [`StoreError::Malformed`].
pub fn read_small(path: &Path, limit_bytes: u64, place: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let Some(file) = open_regular(path, place)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(limit_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|cause| StoreError::io("read", path, cause))?;
    if bytes.len() as u64 > limit_bytes {
        let reason = format!("{} has more than {limit_bytes} bytes", escape_path(path));
        return Err(StoreError::malformed(place, reason));
    }
    Ok(Some(bytes))
}

/// Makes the names in a directory durable.
pub fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|cause| StoreError::io("sync", path, cause))
}

/// The temporary files of this process that have a name now.
static NAMED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A poisoned lock holds no partial change: each change is one call.
fn named() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    NAMED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every temporary file of this process, and prevents the creation of others: the process is about to end while
/// its other threads still run.
pub fn remove_own_temporary_files() {
    let named = named();
    for path in named.iter() {
        // A file that was just renamed does not have this name any more.
        let _ = fs::remove_file(path);
    }
    // Never unlocked again.
    std::mem::forget(named);
}

/// A file that is being written, under a name that begins with [`TEMPORARY_PREFIX`]. It is removed on drop.
#[derive(Debug)]
pub struct TemporaryFile {
    file: NamedTempFile,
    /// Dropped after the file.
    _name: Name,
}

/// An entry of [`NAMED`].
#[derive(Debug)]
struct Name(PathBuf);

impl Drop for Name {
    fn drop(&mut self) {
        named().remove(&self.0);
    }
}

impl TemporaryFile {
    /// Creates an empty file in `directory`, locked by this writer. Its mode is 0666 without the bits of the umask.
    pub fn create_in(directory: &Path) -> Result<Self, StoreError> {
        Self::create_with_mode(directory, FILE_MODE)
    }

    /// Like [`TemporaryFile::create_in`], but only its owner may write it, whatever the umask.
    pub fn create_unshared_in(directory: &Path) -> Result<Self, StoreError> {
        Self::create_with_mode(directory, UNSHARED_FILE_MODE)
    }

    /// Like [`TemporaryFile::create_in`], but only its owner may access it, from its creation on.
    pub fn create_private_in(directory: &Path) -> Result<Self, StoreError> {
        Self::create_with_mode(directory, PRIVATE_FILE_MODE)
    }

    fn create_with_mode(directory: &Path, mode: u32) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::io("write to", directory, cause);
        for _ in 0..MAX_CREATE_ATTEMPTS {
            let mut builder = tempfile::Builder::new();
            builder.prefix(TEMPORARY_PREFIX);
            let mut options = File::options();
            options.read(true).write(true).create_new(true).mode(mode);
            let mut named = named();
            // Opened here, since the errors of tempfile have the temporary name in place of the system's number.
            let file = builder.make_in(directory, |path| options.open(path)).map_err(failed)?;
            named.insert(file.path().to_owned());
            drop(named);
            let name = Name(file.path().to_owned());
            if Self::is_ours(file.as_file()).map_err(failed)? {
                return Ok(Self { file, _name: name });
            }
        }
        Err(failed(io::Error::other(
            "temporary files are removed as soon as they are made",
        )))
    }

    /// Locks a new file. Returns `false` if [`remove_abandoned`] removed it first.
    fn is_ours(file: &File) -> io::Result<bool> {
        match file.try_lock() {
            Ok(()) => Ok(std::os::unix::fs::MetadataExt::nlink(&file.metadata()?) > 0),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns the open file.
    pub fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// Makes the content durable, then atomically and durably renames the file to `target`. `target` is in the
    /// directory that the file was created in, or on the same file system.
    pub fn persist(self, target: &Path) -> Result<(), StoreError> {
        self.file
            .as_file()
            .sync_all()
            .map_err(|cause| StoreError::io("write", target, cause))?;
        self.file
            .persist(target)
            .map_err(|error| StoreError::io("write", target, error.error))?;
        sync_directory(parent(target))
    }

    /// Like [`TemporaryFile::persist`], but never replaces anything that exists, including a symbolic link.
    pub fn persist_new(self, target: &Path) -> Result<(), StoreError> {
        self.file
            .as_file()
            .sync_all()
            .map_err(|cause| StoreError::io("write", target, cause))?;
        self.file
            .persist_noclobber(target)
            .map_err(|error| StoreError::io("write", target, error.error))?;
        sync_directory(parent(target))
    }

    /// Like [`TemporaryFile::persist`], atomic but not durable: after a power failure the file may be missing, empty or
    /// truncated. Only for files that are verified when they are read and can be recreated.
    pub fn persist_without_sync(self, target: &Path) -> Result<(), StoreError> {
        let persisted = self.file.persist(target).map(|_| ());
        persisted.map_err(|error| StoreError::io("write", target, error.error))
    }

    /// Returns `true` if `other` has the same bytes as this file.
    pub fn is_same_as(&self, other: &File) -> io::Result<bool> {
        if other.metadata()?.len() != self.as_file().metadata()?.len() {
            return Ok(false);
        }
        let mut ours = self.as_file();
        let mut theirs = other;
        ours.rewind()?;
        Ok(hash(&mut ours)? == hash(&mut theirs)?)
    }
}

impl Write for TemporaryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

/// Replaces one of this program's own small files, atomically and durably. Only the owner may read it, from its
/// creation on. Temporary files of killed writers in the directory are removed. For a file that a user names, see
/// [`crate::store::output`].
pub fn replace_private_file(target: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    remove_abandoned(parent(target));
    let mut file = TemporaryFile::create_private_in(parent(target))?;
    file.write_all(bytes)
        .map_err(|cause| StoreError::io("write", target, cause))?;
    file.persist(target)
}

/// Returns the directory of a path; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

/// Removes the temporary files in `directory` whose writers are gone. Files that cannot be read or removed are left;
/// they do no harm.
pub fn remove_abandoned(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if !entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(TEMPORARY_PREFIX.as_bytes())
        {
            continue;
        }
        let Ok(Some(file)) = open_regular(&entry.path(), "") else {
            continue;
        };
        if file.try_lock().is_ok() {
            // Removed while it is locked: a writer that has just created it notices that.
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_appears_whole_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        let mut file = TemporaryFile::create_in(directory.path()).unwrap();
        file.write_all(b"content").unwrap();
        assert!(!target.exists());
        file.persist(&target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"content");
        drop(TemporaryFile::create_in(directory.path()).unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_small_file_is_replaced_and_what_killed_writers_left_goes() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        fs::write(directory.path().join(format!("{TEMPORARY_PREFIX}killed")), "part").unwrap();
        replace_private_file(&target, b"one").unwrap();
        replace_private_file(&target, b"secret").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"secret");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_files_without_a_writer_are_abandoned() {
        let directory = tempfile::tempdir().unwrap();
        let abandoned = directory.path().join(format!("{TEMPORARY_PREFIX}killed"));
        fs::write(&abandoned, "part").unwrap();
        fs::write(directory.path().join("other"), "kept").unwrap();
        let mut held = TemporaryFile::create_in(directory.path()).unwrap();
        remove_abandoned(directory.path());
        assert!(!abandoned.exists());
        held.write_all(b"x").unwrap();
        held.persist(&directory.path().join("held")).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn links_and_pipes_are_not_opened() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        let link = directory.path().join("link");
        fs::write(&file, "secret").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(open_regular(&file, "x").unwrap().is_some());
        assert!(open_regular(&directory.path().join("none"), "x").unwrap().is_none());
        for bad in [link.as_path(), directory.path()] {
            assert!(
                matches!(open_regular(bad, "x"), Err(StoreError::Malformed { .. })),
                "{}",
                bad.display()
            );
        }
        assert!(matches!(read_small(&file, 5, "x"), Err(StoreError::Malformed { .. })));
        assert_eq!(read_small(&file, 6, "x").unwrap().as_deref(), Some(&b"secret"[..]));
    }

    #[test]
    fn errors_name_the_directory() {
        let error = TemporaryFile::create_in(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(error.to_string(), "cannot write to /nowhere/at/all");
    }
}
