//! What ocitect wrote, told by its form: layouts, archives, and the files of writers that were killed. None of them is
//! packed unless a `from` names it.

use std::ffi::{OsStr, OsString};
use std::fs::{Metadata, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

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

/// True for an archive that ocitect wrote. Only files of whole blocks are opened; one that cannot be read is none.
pub(super) fn is_archive(path: &Path, metadata: &Metadata) -> bool {
    let is_candidate = metadata.is_file() && metadata.len() > 0 && metadata.len().is_multiple_of(BLOCK_BYTES as u64);
    is_candidate && first_block(path).is_ok_and(|block| ARCHIVE_STARTS.iter().any(|start| begins(&block, *start)))
}

fn first_block(path: &Path) -> std::io::Result<[u8; BLOCK_BYTES]> {
    let mut block = [0; BLOCK_BYTES];
    // Whatever took the file's place since it was looked at is neither followed nor waited for.
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path)?;
    file.read_exact(&mut block)?;
    Ok(block)
}

fn begins(block: &[u8; BLOCK_BYTES], (name, fields): Start) -> bool {
    let (name_field, rest) = block.split_at(MODE_OFFSET);
    name_field.starts_with(name.as_bytes())
        && name_field[name.len()..].iter().all(|byte| *byte == 0)
        && rest.starts_with(fields)
        && block[MAGIC_OFFSET..].starts_with(b"ustar\x0000\0")
}
