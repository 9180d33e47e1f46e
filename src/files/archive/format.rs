//! Detects the format of a file from its content.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

use super::error::ArchiveError;
use super::member::Member;
use super::{tar, zip};
use crate::compress::{self, CompressError};
use crate::tar::{BLOCK_BYTES, is_start};

/// Bytes that are read to detect the format: the first header of a tar archive.
const HEAD_BYTES: usize = BLOCK_BYTES;

/// The format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Tar,
    Zip,
}

/// Returns a decoder over `file`, or `None` if it is not compressed.
pub(super) fn open_decoded(file: File) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
    let head = head(&file)?;
    match compress::sniff(&head) {
        Ok(compress::Algorithm::None) => Ok(None),
        Ok(_) => compress::decoder(file).map(Some).map_err(ArchiveError::reading),
        Err(CompressError::Unsupported { format }) => Err(ArchiveError::NotAnArchive {
            found: compressed_by(format),
        }),
        Err(error) => Err(ArchiveError::Compression { source: error.into() }),
    }
}

fn compressed_by(format: &str) -> &'static str {
    match format {
        "xz" => "xz-compressed data",
        "bzip2" => "bzip2-compressed data",
        _ => "data in an unknown compression",
    }
}

/// Returns the first bytes of a file: [`HEAD_BYTES`], or all if it is shorter.
fn head(file: &File) -> Result<Vec<u8>, ArchiveError> {
    let mut head = vec![0; HEAD_BYTES];
    let mut length = 0;
    while length < head.len() {
        match file.read_at(&mut head[length..], length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(ArchiveError::Io {
                    action: "read",
                    source: error,
                });
            }
        }
    }
    head.truncate(length);
    Ok(head)
}

/// Detects the format of an archive that is not compressed, or was decompressed.
pub(super) fn recognize(file: &File, decompressed: bool) -> Result<Format, ArchiveError> {
    let head = head(file)?;
    if !decompressed && (head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")) {
        return Ok(Format::Zip);
    }
    if is_start(&head) {
        return Ok(Format::Tar);
    }
    let found = match &head[..] {
        [] if decompressed => "compressed data without content",
        _ if decompressed => "compressed data that is not a tar archive",
        [] => "an empty file",
        [0x7f, b'E', b'L', b'F', ..] => "an ELF file",
        [b'7', b'z', 0xbc, 0xaf, ..] => "a 7z archive",
        [b'R', b'a', b'r', b'!', ..] => "a RAR archive",
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "an ar archive, such as a .deb",
        [0xed, 0xab, 0xee, 0xdb, ..] => "an RPM package",
        [b'#', b'!', ..] => "a script",
        _ => "a file of an unknown kind",
    };
    Err(ArchiveError::NotAnArchive { found })
}

/// Returns the members of an archive in `file`, in their order.
pub(super) fn scan(file: &File, format: Format) -> Result<Vec<Member>, ArchiveError> {
    match format {
        Format::Tar => tar::scan(file),
        Format::Zip => zip::scan(file),
    }
}
