//! Opens directories by handles, so that a symbolic link that replaces a directory during the listing cannot lead
//! outside the source.
//!
//! Every directory is opened from the handle of the source by its path below it, without following any symbolic link.
//! Its entries are inspected and opened through its own handle. One handle is open per thread, and one for the source,
//! regardless of the depth and width of the tree.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::model::FileStamp;

/// Flags for opening a directory: read-only, without following a link.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Flags for opening a file: does not follow a link, wait for a pipe, or acquire a terminal.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// The status of a name; links are not followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Status {
    /// Its kind.
    pub kind: FileType,
    /// Permission bits.
    pub mode: u32,
    /// Identity, size and times.
    pub stamp: FileStamp,
}

impl Status {
    /// Converts the metadata of the standard library.
    pub fn of_metadata(metadata: &Metadata) -> Self {
        Self {
            kind: kind_of(metadata.mode()),
            mode: metadata.mode(),
            stamp: FileStamp::of(metadata),
        }
    }

    /// Converts the result of `stat`.
    // The types of the fields differ between systems.
    #[allow(clippy::unnecessary_cast)]
    fn of_stat(stat: &Stat) -> Self {
        Self {
            kind: kind_of(stat.st_mode as u32),
            mode: stat.st_mode as u32,
            stamp: FileStamp {
                identity: (stat.st_dev as u64, stat.st_ino as u64),
                size_bytes: stat.st_size as u64,
                modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
                changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
                mode: stat.st_mode as u32,
            },
        }
    }
}

// `RawMode` is narrower on some systems.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
fn kind_of(mode: u32) -> FileType {
    FileType::from_raw_mode(mode as rustix::fs::RawMode)
}

/// The source of a walk.
pub(super) struct Root {
    handle: OwnedFd,
}

impl Root {
    /// Opens the source. It may be a link to a directory, since `from` names it.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        Ok(Self {
            handle: openat(rustix::fs::CWD, path, flags, Mode::empty())?,
        })
    }

    /// Opens the directory at `below`, a path that consists of names only. An empty path is the source itself.
    ///
    /// # Errors
    /// Those of the system. [`is_replaced`] recognizes the error for a path on which a directory was replaced.
    pub fn directory(&self, below: &[u8]) -> io::Result<Directory> {
        let below = if below.is_empty() {
            OsStr::new(".")
        } else {
            OsStr::from_bytes(below)
        };
        let handle = match without_links(self.handle.as_fd(), below) {
            Some(outcome) => outcome?,
            None => name_by_name(self.handle.as_fd(), below)?,
        };
        Ok(Directory {
            stream: Dir::new(handle)?,
        })
    }
}

/// Opens a directory in one call that follows no link. Returns `None` if the system does not support the call.
#[cfg(target_os = "linux")]
fn without_links(root: BorrowedFd<'_>, below: &OsStr) -> Option<rustix::io::Result<OwnedFd>> {
    use rustix::fs::{ResolveFlags, openat2};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Kernels before 5.6 do not have the call, and filters of older container runtimes forbid it. Tried only once.
    static IS_MISSING: AtomicBool = AtomicBool::new(false);

    if IS_MISSING.load(Ordering::Relaxed) {
        return None;
    }
    match openat2(root, below, DIRECTORY, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Err(Errno::NOSYS | Errno::PERM) => {
            IS_MISSING.store(true, Ordering::Relaxed);
            None
        }
        outcome => Some(outcome),
    }
}

#[cfg(not(target_os = "linux"))]
fn without_links(_root: BorrowedFd<'_>, _below: &OsStr) -> Option<rustix::io::Result<OwnedFd>> {
    None
}

/// Opens a directory by opening each parent in turn.
fn name_by_name(root: BorrowedFd<'_>, below: &OsStr) -> rustix::io::Result<OwnedFd> {
    let mut names = below.as_bytes().split(|byte| *byte == b'/').map(OsStr::from_bytes);
    let first = names.next().unwrap_or(OsStr::new("."));
    let mut handle = openat(root, first, DIRECTORY, Mode::empty())?;
    for name in names {
        handle = openat(&handle, name, DIRECTORY, Mode::empty())?;
    }
    Ok(handle)
}

/// Returns `true` for the error of a directory that was replaced by a link or another kind of file.
pub(super) fn is_replaced(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::NOTDIR))
}

/// An open directory.
pub(super) struct Directory {
    stream: Dir,
}

impl Directory {
    /// Returns the names in the directory in the system's order, with their kinds if the file system reports them.
    pub fn names(&mut self) -> io::Result<Vec<(OsString, FileType)>> {
        let mut names = Vec::new();
        while let Some(entry) = self.stream.read() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push((OsString::from_vec(name.to_vec()), entry.file_type()));
            }
        }
        Ok(names)
    }

    /// Returns the status of `name`, without following a link.
    pub fn status(&self, name: &OsStr) -> io::Result<Status> {
        Ok(Status::of_stat(&statat(
            self.stream.fd()?,
            name,
            AtFlags::SYMLINK_NOFOLLOW,
        )?))
    }

    /// Returns the target of the symbolic link `name`.
    pub fn link_target(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        Ok(readlinkat(self.stream.fd()?, name, Vec::new())?.into_bytes())
    }

    /// Opens the file `name` for reading. The caller must check that it is the file that was found.
    pub fn file(&self, name: &OsStr) -> io::Result<File> {
        Ok(openat(self.stream.fd()?, name, FILE, Mode::empty())?.into())
    }

    /// Returns the handle.
    pub fn handle(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.stream.fd()?)
    }
}

/// Opens the file at `path` for reading, unless it is a link.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    Ok(openat(rustix::fs::CWD, path, FILE, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_way_of_opening_follows_a_link() {
        let outside = tempfile::tempdir().unwrap();
        let source = tempfile::tempdir().unwrap();
        fs::create_dir_all(outside.path().join("b/c")).unwrap();
        fs::create_dir_all(source.path().join("a/b/c")).unwrap();
        symlink(outside.path(), source.path().join("link")).unwrap();
        symlink("a", source.path().join("inner")).unwrap();
        fs::write(source.path().join("file"), "").unwrap();
        let root = Root::open(source.path()).unwrap();
        assert!(root.directory(b"a/b/c").is_ok() && root.directory(b"").is_ok());
        assert!(name_by_name(root.handle.as_fd(), OsStr::new("a/b/c")).is_ok());
        for below in ["link", "link/b", "link/b/c", "inner", "inner/b", "file", "file/x"] {
            let in_one_call = root.directory(below.as_bytes()).err().unwrap();
            let by_name: io::Error = name_by_name(root.handle.as_fd(), OsStr::new(below))
                .err()
                .unwrap()
                .into();
            assert!(
                is_replaced(&in_one_call) && is_replaced(&by_name),
                "{below}: {in_one_call}, {by_name}"
            );
        }
        assert!(!is_replaced(&root.directory(b"none").err().unwrap()));
    }

    #[test]
    fn a_status_is_what_the_standard_library_says() {
        let source = tempfile::tempdir().unwrap();
        fs::write(source.path().join("file"), "content").unwrap();
        symlink("file", source.path().join("link")).unwrap();
        let directory = Root::open(source.path()).unwrap().directory(b"").unwrap();
        for name in ["file", "link"] {
            let status = directory.status(OsStr::new(name)).unwrap();
            let expected = Status::of_metadata(&source.path().join(name).symlink_metadata().unwrap());
            assert_eq!(
                (status.kind, status.mode, status.stamp),
                (expected.kind, expected.mode, expected.stamp)
            );
        }
        assert_eq!(directory.link_target(OsStr::new("link")).unwrap(), b"file");
        assert!(directory.file(OsStr::new("link")).is_err());
        assert!(open_file(&source.path().join("file")).is_ok());
        assert!(open_file(&source.path().join("link")).is_err());
    }
}
