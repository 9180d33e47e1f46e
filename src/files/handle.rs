//! Directories by handles, so that nothing outside of a source is reached through a link that takes the place of one of
//! its directories while it is listed.
//!
//! Every directory is opened from the handle of the source, by its path below it, with no symbolic link on the way; what
//! is in it is looked at and opened through its own handle. One handle is open per thread, and one for the source: how
//! deep or how wide a tree is does not matter.

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

/// How a directory is opened: to be read, and not where a link stands.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How a file is opened: no link is followed, no pipe waited for, and no terminal taken.
const FILE: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// What the system says of a name, links not followed.
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
    /// From what the standard library knows of a file.
    pub fn of_metadata(metadata: &Metadata) -> Self {
        Self { kind: kind_of(metadata.mode()), mode: metadata.mode(), stamp: FileStamp::of(metadata) }
    }

    /// From what the system says.
    // The fields have other types on other systems.
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
    /// Opens the source, which may be a link to a directory: it is the one that `from` names.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        Ok(Self { handle: openat(rustix::fs::CWD, path, flags, Mode::empty())? })
    }

    /// Opens the directory at `below`, a path of names alone; empty for the source itself.
    ///
    /// # Errors
    /// Those of the system: [`is_replaced`] tells of one where something else stands on the way.
    pub fn directory(&self, below: &[u8]) -> io::Result<Directory> {
        let below = if below.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(below) };
        let handle = match without_links(self.handle.as_fd(), below) {
            Some(outcome) => outcome?,
            None => name_by_name(self.handle.as_fd(), below)?,
        };
        Ok(Directory { stream: Dir::new(handle)? })
    }
}

/// Opens a directory in one call that follows no link; `None` where the system cannot.
#[cfg(target_os = "linux")]
fn without_links(root: BorrowedFd<'_>, below: &OsStr) -> Option<rustix::io::Result<OwnedFd>> {
    use rustix::fs::{ResolveFlags, openat2};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Kernels before 5.6 lack the call, and filters of older container runtimes forbid it: asked once.
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

/// Opens a directory through each one above it.
fn name_by_name(root: BorrowedFd<'_>, below: &OsStr) -> rustix::io::Result<OwnedFd> {
    let mut names = below.as_bytes().split(|byte| *byte == b'/').map(OsStr::from_bytes);
    let first = names.next().unwrap_or(OsStr::new("."));
    let mut handle = openat(root, first, DIRECTORY, Mode::empty())?;
    for name in names {
        handle = openat(&handle, name, DIRECTORY, Mode::empty())?;
    }
    Ok(handle)
}

/// True for an error that says that a link, or anything but a directory, stands where a directory was found.
pub(super) fn is_replaced(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::NOTDIR))
}

/// A directory that is open.
pub(super) struct Directory {
    stream: Dir,
}

impl Directory {
    /// The names in it and their kinds, where the file system says them, in its own order.
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

    /// What stands at `name`, a link not followed.
    pub fn status(&self, name: &OsStr) -> io::Result<Status> {
        Ok(Status::of_stat(&statat(self.stream.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    /// Where the symbolic link `name` leads.
    pub fn link_target(&self, name: &OsStr) -> io::Result<Vec<u8>> {
        Ok(readlinkat(self.stream.fd()?, name, Vec::new())?.into_bytes())
    }

    /// Opens the file `name` for reading; the caller says whether it is the one that was found.
    pub fn file(&self, name: &OsStr) -> io::Result<File> {
        Ok(openat(self.stream.fd()?, name, FILE, Mode::empty())?.into())
    }

    /// The handle.
    pub fn handle(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.stream.fd()?)
    }
}

/// Opens the file at `path` for reading, if it is no link.
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
            let by_name: io::Error = name_by_name(root.handle.as_fd(), OsStr::new(below)).err().unwrap().into();
            assert!(is_replaced(&in_one_call) && is_replaced(&by_name), "{below}: {in_one_call}, {by_name}");
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
            assert_eq!((status.kind, status.mode, status.stamp), (expected.kind, expected.mode, expected.stamp));
        }
        assert_eq!(directory.link_target(OsStr::new("link")).unwrap(), b"file");
        assert!(directory.file(OsStr::new("link")).is_err());
        assert!(open_file(&source.path().join("file")).is_ok());
        assert!(open_file(&source.path().join("link")).is_err());
    }
}
