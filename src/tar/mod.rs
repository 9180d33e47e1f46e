//! Reads the members of a tar stream in order (POSIX.1-2024 pax, "ustar Interchange Format" and "pax Extended Header";
//! GNU tar manual, "Basic Tar Format"), for all modules that read tar: layers, images in one file, archives.
//!
//! The crate `tar` decodes the fields of headers. Everything around them is read here, since the crate's reader accepts
//! a stream that is truncated at a header, holds extended headers of any size in memory, and splits PAX records at line
//! feeds. It also counts the size of members without content differently from the runtimes, which use Go's archive/tar.
//! If readers differ, an image could have one tree here and another one there. Input that Go and others interpret
//! differently is refused, or read like Go.
//!
//! This module must never accept a truncated stream as complete, hold more than an extended header in memory, or
//! interpret names: they are the stored bytes, including `..`.

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

/// Size of a block, in bytes.
pub const BLOCK_BYTES: usize = 512;

/// Greatest size that any caller should allow for an extended header or a GNU long name, in bytes: the limit of Go's
/// archive/tar. It is held in memory. The largest real ones are a few KiB, with attributes a few values of 64 KiB.
pub const MAX_EXTENDED_HEADER_BYTES: u64 = 1024 * 1024;

/// Greatest number of zeros that are read for the holes of all sparse files of a stream, in bytes: the expansion that
/// is always allowed. Skipped holes do not count.
pub const MAX_HOLE_BYTES: u64 = FREE_EXPANSION_BYTES;

/// Extended attributes by full name.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// The settings in which readers of tar differ.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Greatest size of a PAX extended header, in bytes.
    pub max_extended_header_bytes: u64,
    /// Greatest size of a GNU long name or link target, in bytes, with the NUL that ends it.
    pub max_long_name_bytes: u64,
    /// What may be missing at the end of a stream.
    pub end: EndRule,
    /// A global header that sets path, link target or size of all members is an error. Otherwise it is ignored, as the
    /// runtimes do.
    pub refuses_global_values: bool,
    /// Sparse files are read with their holes. Otherwise they are an error.
    pub reads_sparse: bool,
    /// Extended attributes are read, within the limits of Linux. Otherwise they are ignored.
    pub reads_xattrs: bool,
}

/// The required end of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndRule {
    /// The complete end marker, two blocks of zeros. A stream without it is truncated.
    Whole,
    /// At least one block of zeros. The second one may be missing.
    Half,
    /// Nothing. A stream may end between two members, and without the padding of the last one, as accepted by Go's
    /// archive/tar and thus by the runtimes. For streams whose digest is known from elsewhere.
    None,
}

/// A member, with its extended headers applied.
#[derive(Debug)]
pub struct Entry {
    /// Its name, as stored.
    pub name: Vec<u8>,
    /// Its kind.
    pub kind: EntryKind,
    /// Permission bits, `& 07777`.
    pub mode: u32,
    /// User ID.
    pub uid: u64,
    /// Group ID.
    pub gid: u64,
    /// Size of the content in bytes; 0 for members without content. For a sparse file, it includes the holes.
    pub size_bytes: u64,
    /// Position of the content from the start of the stream, in bytes. For a sparse file, that of the stored data.
    pub content_offset: u64,
    /// Target of a link; empty for other members.
    pub link: Vec<u8>,
    /// Extended attributes; empty if the [`Rules`] ignore them.
    pub xattrs: Xattrs,
}

/// The kind of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A hard link to another member.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A fifo.
    Fifo,
    /// A type that the standard does not define. It may have content.
    Other(u8),
}

impl EntryKind {
    /// Returns whether the size in the header is that of a content. Some programs also store a size for other kinds,
    /// although no content follows.
    fn has_content(self) -> bool {
        matches!(self, Self::File | Self::Other(_))
    }
}
