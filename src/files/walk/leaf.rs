//! Converts files and symbolic links of the disk to items.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use rustix::fs::FileType;

use super::super::FilesError;
use super::super::filter::Verdict;
use super::super::handle::{self, Status};
use super::super::xattr::Attributes;
use crate::model::{Content, DiskFile, EntryKind, EntryPath, ListedItem, WHITEOUT_PREFIX, escape_path};
use crate::spec::FilesEntry;

/// The bit of the owner's execute permission.
pub(in super::super) const OWNER_EXECUTES: u32 = 0o100;

/// Returns the only item of a source that is a file. If `path` is a symbolic link, it is followed.
pub(in super::super) fn single(
    entry: &FilesEntry,
    path: &Path,
    status: &Status,
    verdict: Verdict,
    attributes: &Attributes,
) -> Result<ListedItem, FilesError> {
    let failed = |action, source| FilesError::Io {
        place: entry.place.clone(),
        action,
        path: path.to_owned(),
        source,
    };
    let canonical = path.canonicalize().map_err(|source| failed("access", source))?;
    // The target of a followed link is never a link.
    let kind = self::kind(entry, path, &canonical, status, || {
        Err(io::ErrorKind::InvalidInput.into())
    })?;
    let executable = is_executable(status);
    let opened = || handle::open_file(&canonical);
    let xattrs: BTreeMap<_, _> = attributes
        .of_file(opened, status)
        .map_err(|source| failed("read the attributes of", source))?;
    let item = ListedItem {
        path: EntryPath::root(),
        kind,
        kept_mode: None,
        executable,
        xattrs,
        origin: Some(escape_path(path)),
    };
    Ok(verdict.applied(item))
}

/// Returns the path of an item; `origin` is only used in messages.
///
/// # Errors
/// Returns [`FilesError::Whiteout`] for a name that begins with `.wh.`, [`FilesError::Path`] for an invalid path.
pub(in super::super) fn entry_path(
    entry: &FilesEntry,
    below: &[u8],
    origin: impl Fn() -> String,
) -> Result<EntryPath, FilesError> {
    let place = || entry.place.clone();
    if below
        .split(|byte| *byte == b'/')
        .any(|name| name.starts_with(WHITEOUT_PREFIX))
    {
        return Err(FilesError::Whiteout {
            place: place(),
            origin: origin(),
        });
    }
    EntryPath::new(below).map_err(|source| FilesError::Path {
        place: place(),
        origin: origin(),
        source,
    })
}

/// Returns `true` for a file that the rule for executables gives the mode 0755.
pub(super) fn is_executable(status: &Status) -> bool {
    status.mode & OWNER_EXECUTES != 0 && status.kind == FileType::RegularFile
}

/// Returns the kind of an entry that is not a directory. `opened` is the path that its content is read from, `target`
/// reads a symbolic link.
pub(super) fn kind(
    entry: &FilesEntry,
    path: &Path,
    opened: &Path,
    status: &Status,
    target: impl FnOnce() -> io::Result<Vec<u8>>,
) -> Result<EntryKind, FilesError> {
    let what = match status.kind {
        FileType::RegularFile => {
            let content = Content::Disk(DiskFile {
                path: opened.to_owned(),
                stamp: status.stamp,
            });
            return Ok(EntryKind::File {
                size_bytes: status.stamp.size_bytes,
                content,
            });
        }
        FileType::Symlink => {
            let target = target().map_err(|source| {
                let place = entry.place.clone();
                let path = path.to_owned();
                match source.kind() {
                    // The error of the system for reading the target of anything but a symbolic link.
                    io::ErrorKind::InvalidInput => FilesError::Replaced { place, path },
                    _ => FilesError::Io {
                        place,
                        action: "read symbolic link",
                        path,
                        source,
                    },
                }
            })?;
            return Ok(EntryKind::Symlink { target });
        }
        FileType::Socket => "a socket",
        FileType::Fifo => "a fifo",
        FileType::BlockDevice => "a block device",
        FileType::CharacterDevice => "a character device",
        _ => "a file of an unknown kind",
    };
    Err(FilesError::Refused {
        place: entry.place.clone(),
        origin: escape_path(path),
        what,
    })
}
