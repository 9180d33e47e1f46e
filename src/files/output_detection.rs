//! Recognizes by their form the outputs of ocitect: layouts, archives, and temporary files of runs that were killed.
//! They are packed only if a `from` names them.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};

use rustix::fs::FileType;

use super::handle::Status;
use crate::tar::BLOCK_BYTES;

/// Names that only a layout of ocitect contains together: the marker file of the image-spec, and the lock file of the
/// writer.
const LAYOUT_NAMES: [&str; 2] = ["oci-layout", ".ocitect.lock"];

/// Prefix of the names of files that are being written.
const TEMPORARY_PREFIX: &[u8] = b".ocitect-tmp-";

/// Start of the first member in an archive of ocitect: name, mode, IDs, size and time of its header.
type Start = (&'static str, &'static [u8]);

/// An oci-archive begins with its marker file, a docker-archive with the directory of the blobs.
const ARCHIVE_STARTS: [Start; 2] = [
    (
        "oci-layout",
        b"0000644\x000000000\x000000000\x0000000000036\x0000000000000\0",
    ),
    (
        "blobs/",
        b"0000755\x000000000\x000000000\x0000000000000\x0000000000000\0",
    ),
];

/// Start of a build's metadata, and the text that follows its tags.
const METADATA_START: &[u8] = b"{\n  \"name\": ";
const METADATA_FIELDS: [&[u8]; 2] = [b"\n  \"digest\": \"sha256:", b"\n  \"media_type\": \"application/vnd."];

/// Bytes of metadata that are read: enough for the name, the digest and some hundred tags.
const METADATA_HEAD_BYTES: u64 = 64 * 1024;

/// Offset of the mode in a header, after the name.
const MODE_OFFSET: usize = 100;

/// Offset of the magic in a header.
const MAGIC_OFFSET: usize = 257;

/// Returns `true` if a directory with these names, sorted by bytes, is a layout of ocitect.
pub(super) fn is_layout<T>(names: &[(OsString, T)]) -> bool {
    let has = |wanted: &str| {
        names
            .binary_search_by(|(name, _)| name.as_encoded_bytes().cmp(wanted.as_bytes()))
            .is_ok()
    };
    LAYOUT_NAMES.into_iter().all(has)
}

/// Returns `true` for the name of a temporary file of ocitect.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX)
}

/// Returns `true` for an archive that ocitect wrote. Only files whose size is a multiple of the block size are opened,
/// with `open`. A file that cannot be read does not count as an archive.
pub(super) fn is_archive(status: &Status, open: impl FnOnce() -> io::Result<File>) -> bool {
    let size_bytes = status.stamp.size_bytes;
    let is_whole = size_bytes > 0 && size_bytes.is_multiple_of(BLOCK_BYTES as u64);
    let is_candidate = status.kind == FileType::RegularFile && is_whole;
    is_candidate && first_block(open).is_ok_and(|block| ARCHIVE_STARTS.iter().any(|start| begins(&block, *start)))
}

/// Returns `true` if an output may replace the file, although it would be packed under another name, because no data is
/// lost. Such a file is empty, not regular, or an output of ocitect: an archive, or the metadata of `--metadata`.
pub(super) fn is_output(status: &Status, open: impl Fn() -> io::Result<File>) -> bool {
    status.kind != FileType::RegularFile
        || status.stamp.size_bytes == 0
        || is_archive(status, &open)
        || open().is_ok_and(is_metadata)
}

/// Returns `true` for the metadata of a build, which begins with name, tags and digest of the image.
fn is_metadata(file: File) -> bool {
    let mut head = Vec::new();
    if file.take(METADATA_HEAD_BYTES).read_to_end(&mut head).is_err() || !head.starts_with(METADATA_START) {
        return false;
    }
    METADATA_FIELDS
        .iter()
        .all(|field| head.windows(field.len()).any(|window| window == *field))
}

fn first_block(open: impl FnOnce() -> io::Result<File>) -> io::Result<[u8; BLOCK_BYTES]> {
    let mut block = [0; BLOCK_BYTES];
    open()?.read_exact(&mut block)?;
    Ok(block)
}

fn begins(block: &[u8; BLOCK_BYTES], (name, fields): Start) -> bool {
    let (name_field, rest) = block.split_at(MODE_OFFSET);
    name_field.starts_with(name.as_bytes())
        && name_field[name.len()..].iter().all(|byte| *byte == 0)
        && rest.starts_with(fields)
        && block[MAGIC_OFFSET..].starts_with(b"ustar\x0000\0")
}
