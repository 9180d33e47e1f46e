//! Output files: archives, metadata, lockfiles, credential files. One rule applies to all of them.
//!
//! A regular or new file is replaced atomically, at its real path: symbolic links to it are kept. A device, a pipe or a
//! descriptor of a process (`/dev/fd/3`) is written to, since replacing it would destroy it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::local::{TemporaryFile, parent, remove_abandoned};
use crate::model::escape_path;

/// Limit on symbolic links that are followed, as in Linux; more are a loop.
const MAX_LINKS: usize = 40;

/// Access to a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// As the umask allows.
    Umask,
    /// Only its owner.
    Owner,
}

/// How an output is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputKind {
    /// The file is replaced; it need not exist. The path has no symbolic links left.
    Replaced(PathBuf),
    /// The device, pipe or descriptor is written to.
    Stream,
}

impl OutputKind {
    /// Returns how an output at `path` is written.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] for a directory and for a loop of links, and I/O errors.
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::io("write", path, cause);
        let Some(end) = link_end(path).map_err(failed)? else {
            return Ok(Self::Stream);
        };
        match fs::metadata(&end) {
            Ok(metadata) if metadata.is_dir() => {
                Err(StoreError::malformed(escape_path(path), "it is a directory").with_help("give a file in it"))
            }
            Ok(metadata) if !metadata.is_file() => Ok(Self::Stream),
            Ok(_) => fs::canonicalize(&end).map(Self::Replaced).map_err(failed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Replaced(end)),
            Err(cause) => Err(failed(cause)),
        }
    }
}

/// Follows symbolic links from `path` to their end, which need not exist. Returns `None` if that is a descriptor.
fn link_end(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut current = path.to_owned();
    for _ in 0..MAX_LINKS {
        if is_descriptor(&current) {
            return Ok(None);
        }
        match fs::read_link(&current) {
            Ok(target) => current = parent(&current).join(target),
            Err(_) => return Ok(Some(current)),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

/// Returns `true` if a path names a descriptor, such as `/proc/self/fd/3`.
fn is_descriptor(path: &Path) -> bool {
    let is_number = path
        .file_name()
        .is_some_and(|name| name.as_bytes().iter().all(u8::is_ascii_digit));
    if !is_number {
        return false;
    }
    let Ok(directory) = fs::canonicalize(parent(path)) else {
        return false;
    };
    let of_process = directory.starts_with("/proc") && directory.file_name() == Some(OsStr::new("fd"));
    of_process || directory == Path::new("/dev/fd")
}

/// Opens a device, a pipe or a descriptor for writing. Existing content of a descriptor's file is kept.
///
/// # Errors
/// I/O errors.
pub fn open_stream(path: &Path) -> Result<File, StoreError> {
    // A terminal must not become this process's controlling terminal.
    OpenOptions::new()
        .append(true)
        .custom_flags(libc::O_NOCTTY)
        .open(path)
        .map_err(|cause| StoreError::io("write", path, cause))
}

/// Creates a temporary file for `target`, in its directory, which is created if it does not exist. Temporary files of
/// killed writers there are removed.
///
/// # Errors
/// I/O errors.
pub fn temporary_beside(target: &Path, access: Access) -> Result<TemporaryFile, StoreError> {
    let directory = parent(target);
    fs::create_dir_all(directory).map_err(|cause| StoreError::io("create", directory, cause))?;
    remove_abandoned(directory);
    match access {
        Access::Umask => TemporaryFile::create_in(directory),
        Access::Owner => TemporaryFile::create_private_in(directory),
    }
}

/// Writes a file: atomically and durably if it is replaced, sequentially if it is a stream.
///
/// # Errors
/// Errors of [`OutputKind::of`] and of writing.
pub fn write_output(path: &Path, bytes: &[u8], access: Access) -> Result<(), StoreError> {
    let failed = |cause| StoreError::io("write", path, cause);
    match OutputKind::of(path)? {
        OutputKind::Stream => open_stream(path)?.write_all(bytes).map_err(failed),
        OutputKind::Replaced(target) => {
            let mut file = temporary_beside(&target, access)?;
            file.write_all(bytes).map_err(failed)?;
            file.persist(&target)
        }
    }
}

/// A new version of a file that exists: complete on the disk beside it, and not in its place yet. So several files can
/// be prepared before the first one is replaced.
#[derive(Debug)]
pub struct Replacement {
    file: TemporaryFile,
    target: PathBuf,
}

impl Replacement {
    /// Writes the new version, with the mode of the file and, where the system permits it, its owner. If `path` is a
    /// symbolic link, the file that it leads to is meant.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] if there is no regular file at `path`, and I/O errors.
    pub fn prepare(path: &Path, bytes: &[u8]) -> Result<Self, StoreError> {
        let failed = |cause| StoreError::io("write", path, cause);
        let OutputKind::Replaced(target) = OutputKind::of(path)? else {
            return Err(StoreError::malformed(escape_path(path), "it is not a regular file"));
        };
        let old = fs::metadata(&target).map_err(failed)?;
        // Only the owner may read it until it has its mode.
        let mut file = temporary_beside(&target, Access::Owner)?;
        file.write_all(bytes).map_err(failed)?;
        let new = file.as_file().metadata().map_err(failed)?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            // Only root may give files away. An editor that replaces a file makes it its user's, too.
            let _ = fchown(file.as_file(), Some(old.uid()), Some(old.gid()));
        }
        file.as_file().set_permissions(old.permissions()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        Ok(Self { file, target })
    }

    /// Puts the new version into the place of the file, atomically and durably.
    ///
    /// # Errors
    /// I/O errors.
    pub fn commit(self) -> Result<(), StoreError> {
        self.file.persist(&self.target)
    }
}

/// Writes a file that does not exist yet, atomically and durably.
///
/// # Errors
/// An error of the kind [`io::ErrorKind::AlreadyExists`] if something is at `path`, and errors of writing.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut file = TemporaryFile::create_in(parent(path))?;
    file.write_all(bytes)
        .map_err(|cause| StoreError::io("write", path, cause))?;
    file.persist_new(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};

    fn write(path: &Path, text: &str) -> Result<(), StoreError> {
        write_output(path, text.as_bytes(), Access::Umask)
    }

    #[test]
    fn a_file_is_replaced_and_made_with_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/file");
        write(&path, "one").unwrap();
        write(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        write_output(&path, b"secret", Access::Owner).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_new_file_takes_the_place_of_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        write_new(&at("new"), b"one").unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        fs::create_dir(at("directory")).unwrap();
        for name in ["new", "dangling", "directory"] {
            let error = write_new(&at(name), b"two").unwrap_err();
            assert!(matches!(error, StoreError::Io { cause, .. } if cause.kind() == io::ErrorKind::AlreadyExists));
        }
        assert_eq!(fs::read_to_string(at("new")).unwrap(), "one");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_replacement_keeps_mode_and_link_and_waits_for_its_commit() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("file"), "old").unwrap();
        fs::set_permissions(at("file"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("file", at("link")).unwrap();
        drop(Replacement::prepare(&at("link"), b"dropped").unwrap());
        let replacement = Replacement::prepare(&at("link"), b"new").unwrap();
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "old");
        replacement.commit().unwrap();
        assert_eq!(fs::read_to_string(at("file")).unwrap(), "new");
        assert_eq!(fs::metadata(at("file")).unwrap().permissions().mode() & 0o7777, 0o640);
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        assert!(Replacement::prepare(&at("missing"), b"").is_err());
        assert!(Replacement::prepare(Path::new("/dev/null"), b"").is_err());
    }

    #[test]
    fn links_stay_and_their_targets_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("real")).unwrap();
        fs::write(at("real/file"), "old").unwrap();
        symlink("real/file", at("link")).unwrap();
        symlink("link", at("link-to-link")).unwrap();
        symlink("real/not-yet", at("dangling")).unwrap();
        write(&at("link-to-link"), "new").unwrap();
        write(&at("dangling"), "new").unwrap();
        for name in ["link", "link-to-link", "dangling"] {
            assert!(fs::symlink_metadata(at(name)).unwrap().is_symlink(), "{name}");
        }
        assert_eq!(fs::read_to_string(at("real/file")).unwrap(), "new");
        assert_eq!(fs::read_to_string(at("real/not-yet")).unwrap(), "new");
        symlink("circle", at("circle")).unwrap();
        assert!(write(&at("circle"), "x").is_err());
        assert!(matches!(write(&at("real"), "x"), Err(StoreError::Malformed { .. })));
    }

    #[test]
    fn devices_and_pipes_are_written_to_and_stay() {
        write(Path::new("/dev/null"), "gone").unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let link = directory.path().join("link");
        symlink("pipe", &link).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        write(&link, "through the pipe").unwrap();
        assert_eq!(reader.join().unwrap(), "through the pipe");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }

    #[test]
    fn what_a_descriptor_stands_for_is_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let file = File::options()
            .create_new(true)
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        for name in [
            format!("/dev/fd/{}", file.as_raw_fd()),
            format!("/proc/self/fd/{}", file.as_raw_fd()),
        ] {
            assert_eq!(OutputKind::of(Path::new(&name)).unwrap(), OutputKind::Stream);
            write(Path::new(&name), "x").unwrap();
        }
        let mut text = String::new();
        (&file).read_to_string(&mut text).unwrap();
        assert_eq!(text, "xx", "the open file is the one that was written");
        let numbered = directory.path().join("12");
        assert_eq!(OutputKind::of(&numbered).unwrap(), OutputKind::Replaced(numbered));
    }
}
