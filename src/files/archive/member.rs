//! A member of an archive, as stored.

use super::error::ArchiveError;
use crate::model::{MAX_LINK_TARGETS_BYTES, MAX_NAMES_BYTES};

/// A member, before its name is checked.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Its name, as it is stored.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: MemberKind,
    /// Mode `& 07777`; `None` if the archive does not store one.
    pub mode: Option<u32>,
    /// The position of its content; only used for files.
    pub span: Span,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MemberKind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link with this target.
    Symlink(Vec<u8>),
    /// A hard link to this member.
    Hardlink(Vec<u8>),
    /// Something that a layer cannot hold, with an article.
    Refused(&'static str),
}

/// Running totals of the members of one archive, which limit the use of memory and disk.
#[derive(Debug, Default)]
pub(super) struct Totals {
    names_bytes: u64,
    link_targets_bytes: u64,
    content_bytes: u64,
}

impl Totals {
    /// Adds a member.
    ///
    /// # Errors
    /// Returns [`ArchiveError::TooMuchText`] if names and link targets exceed the limit.
    pub(super) fn add(&mut self, member: &Member) -> Result<(), ArchiveError> {
        let target = match &member.kind {
            MemberKind::Symlink(target) | MemberKind::Hardlink(target) => target.len(),
            MemberKind::Directory | MemberKind::File | MemberKind::Refused(_) => 0,
        };
        self.names_bytes += member.name.len() as u64;
        self.link_targets_bytes += target as u64;
        self.content_bytes = self.content_bytes.saturating_add(member.span.size_bytes);
        if self.names_bytes > MAX_NAMES_BYTES {
            return Err(ArchiveError::TooMuchText {
                what: "names",
                limit_bytes: MAX_NAMES_BYTES,
            });
        }
        if self.link_targets_bytes > MAX_LINK_TARGETS_BYTES {
            return Err(ArchiveError::TooMuchText {
                what: "link targets",
                limit_bytes: MAX_LINK_TARGETS_BYTES,
            });
        }
        Ok(())
    }

    /// Returns the size of all contents, in bytes.
    pub(super) fn content_bytes(&self) -> u64 {
        self.content_bytes
    }
}

/// The position of a member's content in the file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    /// Offset of its first byte.
    pub offset: u64,
    /// Stored size, in bytes.
    pub stored_bytes: u64,
    /// Size of the content, in bytes.
    pub size_bytes: u64,
    /// How it is stored.
    pub packing: Packing,
}

/// How the content of a member is stored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Packing {
    /// Uncompressed.
    #[default]
    Plain,
    /// Uncompressed, with a CRC-32.
    Stored(u32),
    /// Deflated, with a CRC-32 of the content.
    Deflated(u32),
}
