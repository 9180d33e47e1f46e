//! What is no directory: files and symbolic links of the disk as items.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::super::FilesError;
use super::super::error::shown;
use super::super::filter::Verdict;
use super::super::xattr::Attributes;
use crate::model::{Content, DiskFile, EntryKind, EntryPath, FileStamp, ListedItem, file_type_name};
use crate::spec::FilesEntry;

/// Bit of the owner's right to execute.
pub(in super::super) const OWNER_EXECUTES: u32 = 0o100;

/// Names that begin so delete files where a layer is applied (image-spec, layer.md, "Whiteouts").
const WHITEOUT_PREFIX: &[u8] = b".wh.";

/// The one item of a source that is a file; `path` is followed where it is a symbolic link.
pub(in super::super) fn single(
    entry: &FilesEntry,
    path: &Path,
    metadata: &Metadata,
    verdict: Verdict,
    attributes: &Attributes,
) -> Result<ListedItem, FilesError> {
    let failed = |action, source| FilesError::Io { place: entry.place.clone(), action, path: path.to_owned(), source };
    let canonical = path.canonicalize().map_err(|source| failed("look at", source))?;
    let kind = self::kind(entry, path, &canonical, metadata)?;
    let executable = is_executable(metadata, &kind);
    let xattrs: BTreeMap<_, _> =
        attributes.of(&canonical).map_err(|source| failed("read the attributes of", source))?;
    let item =
        ListedItem { path: EntryPath::root(), kind, kept_mode: None, executable, xattrs, origin: Some(shown(path)) };
    Ok(verdict.applied(item))
}

/// A path of an item; `origin` is told in messages.
///
/// # Errors
/// [`FilesError::Whiteout`] for a name that begins with `.wh.`, [`FilesError::Path`] for what cannot be a path.
pub(in super::super) fn entry_path(
    entry: &FilesEntry,
    below: &[u8],
    origin: impl Fn() -> String,
) -> Result<EntryPath, FilesError> {
    let place = || entry.place.clone();
    if below.split(|byte| *byte == b'/').any(|name| name.starts_with(WHITEOUT_PREFIX)) {
        return Err(FilesError::Whiteout { place: place(), origin: origin() });
    }
    EntryPath::new(below).map_err(|source| FilesError::Path { place: place(), origin: origin(), source })
}

/// True for a file that is 0755 by rule.
pub(super) fn is_executable(metadata: &Metadata, kind: &EntryKind) -> bool {
    metadata.mode() & OWNER_EXECUTES != 0 && matches!(kind, EntryKind::File { .. })
}

/// The kind of what is no directory. `opened` is where its content is read from.
pub(super) fn kind(
    entry: &FilesEntry,
    path: &Path,
    opened: &Path,
    metadata: &Metadata,
) -> Result<EntryKind, FilesError> {
    let file_type = metadata.file_type();
    if file_type.is_file() {
        let content = Content::Disk(DiskFile { path: opened.to_owned(), stamp: FileStamp::of(metadata) });
        return Ok(EntryKind::File { size_bytes: metadata.len(), content });
    }
    if file_type.is_symlink() {
        let target = fs::read_link(path).map_err(|source| FilesError::Io {
            place: entry.place.clone(),
            action: "read symbolic link",
            path: path.to_owned(),
            source,
        })?;
        return Ok(EntryKind::Symlink { target: target.into_os_string().into_vec() });
    }
    Err(FilesError::Refused { place: entry.place.clone(), origin: shown(path), what: file_type_name(file_type) })
}
