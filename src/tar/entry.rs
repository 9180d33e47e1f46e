//! A member of a tar stream.

use std::collections::BTreeMap;

/// Extended attributes by full name.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

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
    pub(super) fn has_content(self) -> bool {
        matches!(self, Self::File | Self::Other(_))
    }
}
