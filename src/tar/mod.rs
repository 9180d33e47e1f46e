//! The members of a tar stream, one after the other (POSIX.1-2024 pax, "ustar Interchange Format" and "pax Extended
//! Header"; GNU tar manual, "Basic Tar Format"), for all that read tars: layers, images in one file, archives.
//!
//! The crate tar decodes the fields of headers. The frame around them is read here, since its reader takes a stream
//! that was cut short at a header for complete, holds extended headers of any size in memory, splits PAX records at line
//! feeds, and counts the size of members that have no content otherwise than the runtimes do, which read with Go's
//! archive/tar: where readers differ, an image could show one tree here and another one there. What Go and others
//! understand differently is refused or read as Go reads it.
//!
//! This module must never take a stream that was cut short for complete, hold more than an extended header in memory, or
//! make anything of names: they are the bytes that are stored, `..` and all.

mod entries;
mod error;
mod header;
mod input;
mod pax;
mod sparse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::model::FREE_EXPANSION_BYTES;

pub use entries::Entries;
pub use error::{Bound, TarError};
pub use header::is_start;
pub use input::{FileInput, Input, Stream};
pub use pax::{MAX_XATTR_NAME_BYTES, MAX_XATTR_VALUE_BYTES};

/// Size of a block, in bytes.
pub const BLOCK_BYTES: usize = 512;

/// Greatest size of an extended header or a GNU long name that any caller should grant, in bytes: what Go's archive/tar
/// grants. It is held in memory; the largest real ones are a few KiB, and attributes a few values of 64 KiB.
pub const MAX_EXTENDED_HEADER_BYTES: u64 = 1024 * 1024;

/// Greatest number of zeros for the holes of all sparse files of a stream that are read, in bytes: as much as anything may
/// expand to for nothing. Holes that are skipped do not count.
pub const MAX_HOLE_BYTES: u64 = FREE_EXPANSION_BYTES;

/// Extended attributes by full name.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Where those who read tars differ on purpose.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Greatest size of a PAX extended header, in bytes.
    pub max_extended_header_bytes: u64,
    /// Greatest size of a GNU long name or link target, in bytes, with the NUL that ends it.
    pub max_long_name_bytes: u64,
    /// What a stream may lack at its end.
    pub end: EndRule,
    /// A global header that sets path, link target or size of all members is an error. Else it is passed over, as the
    /// runtimes do.
    pub refuses_global_values: bool,
    /// Sparse files are read, with their holes. Else they are an error.
    pub reads_sparse: bool,
    /// Extended attributes are read, and held to the limits of Linux. Else they are passed over.
    pub reads_xattrs: bool,
}

/// What the end of a stream must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndRule {
    /// The whole end marker, two blocks of zeros: a stream without it was cut short.
    Whole,
    /// One block of zeros at the least. The second one may be missing.
    Half,
    /// Nothing: a stream may end between two members, and without the padding of the last one, as Go's archive/tar and with
    /// it the runtimes have it. For streams whose digest is known from elsewhere.
    None,
}

/// One member, its extended headers taken into account.
#[derive(Debug)]
pub struct Entry {
    /// Its name, as it is stored.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, `& 07777`.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Size of the content, in bytes; 0 of all that have none. Of a sparse file, holes included.
    pub size_bytes: u64,
    /// Where the content begins in the stream, in bytes from its beginning. Of a sparse file, the stored data alone.
    pub content_offset: u64,
    /// Target of a link; empty of anything else.
    pub link: Vec<u8>,
    /// Extended attributes; none where the [`Rules`] pass them over.
    pub xattrs: Xattrs,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// Another name of a member.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A fifo.
    Fifo,
    /// Of this type, which the standard does not know. It may have content.
    Other(u8),
}

impl EntryKind {
    /// Whether the size in the header is that of a content. Writers are known that store one with the others all the
    /// same, and nothing follows.
    fn has_content(self) -> bool {
        matches!(self, Self::File | Self::Other(_))
    }
}
