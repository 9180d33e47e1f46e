//! Lists the members of a tar archive, plain or decompressed, in a file.

use std::fs::File;

use super::bounds::MAX_MEMBERS;
use super::error::{ArchiveError, Reason};
use super::member::{Member, MemberKind, Packing, Span, Totals};
use crate::model::MAX_PATH_BYTES;
use crate::tar::{EndRule, Entries, Entry, EntryKind, FileInput, MAX_EXTENDED_HEADER_BYTES, Rules, TarError};

/// The rules for reading: the end marker must be complete, and headers that name or size every following member are
/// refused.
const RULES: Rules = Rules {
    max_extended_header_bytes: MAX_EXTENDED_HEADER_BYTES,
    max_long_name_bytes: MAX_PATH_BYTES as u64 + 1,
    end: EndRule::Whole,
    refuses_global_values: true,
    reads_sparse: false,
    reads_xattrs: false,
};

/// Returns the members of the archive in `file`, in their order.
///
/// # Errors
/// Returns [`ArchiveError::CutShort`] if the archive ends inside a header or a member, or without the two zero blocks;
/// [`ArchiveError::Damaged`] if it violates the format; [`ArchiveError::Member`] for unsupported members.
pub(super) fn scan(file: &File) -> Result<Vec<Member>, ArchiveError> {
    let input = FileInput::new(file).map_err(|source| ArchiveError::Io {
        action: "access",
        source,
    })?;
    let mut entries = Entries::new(input, RULES);
    let mut members = Vec::new();
    let mut totals = Totals::default();
    while let Some(entry) = entries.next_entry()? {
        if members.len() == MAX_MEMBERS {
            return Err(ArchiveError::TooManyMembers { limit: MAX_MEMBERS });
        }
        let member = member(entry)?;
        totals.add(&member)?;
        members.push(member);
    }
    Ok(members)
}

fn member(entry: Entry) -> Result<Member, ArchiveError> {
    let kind = match entry.kind {
        EntryKind::Directory => MemberKind::Directory,
        EntryKind::File => MemberKind::File,
        EntryKind::HardLink => MemberKind::Hardlink(entry.link),
        EntryKind::Symlink => MemberKind::Symlink(entry.link),
        EntryKind::CharacterDevice => MemberKind::Refused("a character device"),
        EntryKind::BlockDevice => MemberKind::Refused("a block device"),
        EntryKind::Fifo => MemberKind::Refused("a fifo"),
        EntryKind::Other(other) => return Err(ArchiveError::member(&entry.name, Reason::Type(other))),
    };
    let offset = entry.content_offset;
    let size_bytes = entry.size_bytes;
    let span = Span {
        offset,
        stored_bytes: size_bytes,
        size_bytes,
        packing: Packing::Plain,
    };
    Ok(Member {
        name: entry.name,
        kind,
        mode: Some(entry.mode),
        span,
    })
}

impl From<TarError> for ArchiveError {
    fn from(error: TarError) -> Self {
        let reason = error.to_string();
        match error {
            TarError::Truncated {
                inside,
                expected_bytes,
                actual_bytes,
            } => Self::CutShort {
                inside,
                expected_bytes,
                actual_bytes,
            },
            TarError::Checksum { position_bytes: offset }
            | TarError::Malformed {
                position_bytes: offset, ..
            }
            | TarError::OverLimit {
                position_bytes: offset, ..
            } => Self::Damaged { offset, reason },
            TarError::Sparse { name } => Self::member(&name, Reason::Sparse),
            TarError::Io(cause) => Self::reading(cause),
        }
    }
}
