//! Parses the fields of a header that readers interpret differently: its checksum, its numbers, its type.

use ::tar::Header;

use super::entry::EntryKind;

/// Size of a block, in bytes.
pub const BLOCK_BYTES: usize = 512;

/// A block of a tar stream.
pub(super) type Block = [u8; BLOCK_BYTES];

/// Position of the checksum in a header. In the sum, it counts as blanks.
const CHECKSUM_FIELD: std::ops::Range<usize> = 148..156;

/// Returns `true` for the first block of a tar archive: a header, or the end marker of an empty archive.
pub fn is_start(block: &[u8]) -> bool {
    Block::try_from(block).is_ok_and(|block| is_zero(&block) || has_checksum(&block))
}

pub(super) fn is_zero(block: &Block) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// Returns `true` if the checksum of a header is correct, as a sum of unsigned bytes or, as some old programs computed
/// it, of signed bytes.
pub(super) fn has_checksum(block: &Block) -> bool {
    let Some(stored) = number(&block[CHECKSUM_FIELD]) else {
        return false;
    };
    let counted = |at: usize| if CHECKSUM_FIELD.contains(&at) { b' ' } else { block[at] };
    let unsigned: u64 = (0..BLOCK_BYTES).map(|at| u64::from(counted(at))).sum();
    let signed: i64 = (0..BLOCK_BYTES).map(|at| i64::from(counted(at).cast_signed())).sum();
    stored == unsigned || i64::try_from(stored) == Ok(signed)
}

/// Parses a numeric field: octal digits between blanks or NULs, or GNU's base-256, which has the first bit set. Returns
/// `None` if it is invalid, negative or longer than 64 bits, and 0 for an empty field.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        if first & 0x40 != 0 {
            return None; // negative
        }
        return rest.iter().try_fold(u64::from(first & 0x3f), |value, byte| {
            Some(value.checked_mul(256)? | u64::from(*byte))
        });
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_blank(byte)).unwrap_or(field.len());
    let end = field
        .iter()
        .rposition(|byte| !is_blank(byte))
        .map_or(start, |last| last + 1);
    let digits = field[start..end].split(|byte| *byte == 0).next()?;
    digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'7' => Some(value.checked_mul(8)? + u64::from(digit - b'0')),
        _ => None,
    })
}

/// Returns the type of a header, as stored.
pub(super) fn type_of(header: &Header) -> u8 {
    header.as_old().linkflag[0]
}

/// Returns the kind of a member with this type and name. Before there was a type for directories, a trailing slash
/// marked them.
pub(super) fn kind(type_byte: u8, name: &[u8]) -> EntryKind {
    match type_byte {
        0 | b'0' | b'7' if name.ends_with(b"/") => EntryKind::Directory,
        0 | b'0' | b'7' | b'S' => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharacterDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        other => EntryKind::Other(other),
    }
}
