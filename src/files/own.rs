//! What ocitect wrote, told by its form: layouts, archives, and the files of writers that were killed. None of them is
//! packed unless a `from` names it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};

use rustix::fs::FileType;

use super::handle::Status;

/// What only a layout of ocitect's holds together: the mark of the image-spec, and the lock file of its writer.
const LAYOUT_NAMES: [&str; 2] = ["oci-layout", ".ocitect.lock"];

/// How the names of files begin that are being written.
const TEMPORARY_PREFIX: &[u8] = b".ocitect-tmp-";

/// Bytes of a block of tar.
const BLOCK_BYTES: usize = 512;

/// How the first member of an archive of ocitect's begins: name, mode, ids, size and time of its header.
type Start = (&'static str, &'static [u8]);

/// An oci-archive begins with its mark, a docker-archive with the directory of the blobs.
const ARCHIVE_STARTS: [Start; 2] = [
    ("oci-layout", b"0000644\x000000000\x000000000\x0000000000036\x0000000000000\0"),
    ("blobs/", b"0000755\x000000000\x000000000\x0000000000000\x0000000000000\0"),
];

/// How metadata of a build begins, and what follows on its tags.
const METADATA_START: &[u8] = b"{\n  \"name\": ";
const METADATA_FIELDS: [&[u8]; 2] = [b"\n  \"digest\": \"sha256:", b"\n  \"media_type\": \"application/vnd."];

/// Bytes of metadata that are looked at: name, digest and some hundred tags.
const METADATA_HEAD_BYTES: u64 = 64 * 1024;

/// Offset of a header's mode, which follows on its name.
const MODE_OFFSET: usize = 100;

/// Offset of a header's magic.
const MAGIC_OFFSET: usize = 257;

/// True for a directory that is a layout of ocitect's, by its names, sorted by bytes.
pub(super) fn is_layout<T>(names: &[(OsString, T)]) -> bool {
    let has = |wanted: &str| names.binary_search_by(|(name, _)| name.as_encoded_bytes().cmp(wanted.as_bytes())).is_ok();
    LAYOUT_NAMES.into_iter().all(has)
}

/// True for the name of a file that ocitect was writing when it was killed.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(TEMPORARY_PREFIX)
}

/// True for an archive that ocitect wrote. Only files of whole blocks are opened, with `open`; one that cannot be read is
/// none.
pub(super) fn is_archive(status: &Status, open: impl FnOnce() -> io::Result<File>) -> bool {
    let size_bytes = status.stamp.size_bytes;
    let is_whole = size_bytes > 0 && size_bytes.is_multiple_of(BLOCK_BYTES as u64);
    let is_candidate = status.kind == FileType::RegularFile && is_whole;
    is_candidate && first_block(open).is_ok_and(|block| ARCHIVE_STARTS.iter().any(|start| begins(&block, *start)))
}

/// True for a file that an output may replace though it would be packed by another name: nothing is lost by it. It is
/// empty, no regular file, or what ocitect wrote: an archive, or what `--metadata` says.
pub(super) fn is_output(status: &Status, open: impl Fn() -> io::Result<File>) -> bool {
    status.kind != FileType::RegularFile
        || status.stamp.size_bytes == 0
        || is_archive(status, &open)
        || open().is_ok_and(is_metadata)
}

/// True for metadata of a build: name, tags and digest of the image come first.
fn is_metadata(file: File) -> bool {
    let mut head = Vec::new();
    if file.take(METADATA_HEAD_BYTES).read_to_end(&mut head).is_err() || !head.starts_with(METADATA_START) {
        return false;
    }
    METADATA_FIELDS.iter().all(|field| head.windows(field.len()).any(|window| window == *field))
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
