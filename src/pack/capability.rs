//! The value of `security.capability` in its version 2 form (linux/capability.h, `struct vfs_cap_data`).
//!
//! Version 3 adds the user namespace that the value was set in, which means nothing in another machine; version 1 has
//! room for 32 capabilities only. All numbers are little-endian.

use std::borrow::Cow;

/// The attribute's name.
pub(super) const NAME: &[u8] = b"security.capability";

/// Where the revision stands in the first number; the rest of it are flags.
const REVISION_MASK: u32 = 0xff00_0000;
const REVISION_1: u32 = 0x0100_0000;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;

/// Flags, and a pair of permitted and inheritable.
const REVISION_1_BYTES: usize = 12;
/// Flags, and two pairs.
const REVISION_2_BYTES: usize = 20;
/// Flags, two pairs, and the user id of the namespace's root.
const REVISION_3_BYTES: usize = 24;

/// The same capabilities in the version 2 form; `None` where the value is of no version that Linux has.
pub(super) fn to_version_2(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let magic = u32::from_le_bytes(value.get(..4)?.try_into().ok()?);
    match (magic & REVISION_MASK, value.len()) {
        (REVISION_2, REVISION_2_BYTES) => Some(Cow::Borrowed(value)),
        (REVISION_1, REVISION_1_BYTES) | (REVISION_3, REVISION_3_BYTES) => {
            let mut converted = value.to_vec();
            converted.resize(REVISION_2_BYTES, 0);
            converted[..4].copy_from_slice(&(magic & !REVISION_MASK | REVISION_2).to_le_bytes());
            Some(Cow::Owned(converted))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::to_version_2;

    const PAIRS: [u8; 16] = [0, 4, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0];

    fn value(magic: [u8; 4], rest: &[u8]) -> Vec<u8> {
        [&magic, rest].concat()
    }

    #[test]
    fn every_version_becomes_version_2_and_keeps_its_flags() {
        let second = value([1, 0, 0, 2], &PAIRS);
        assert_eq!(to_version_2(&second).unwrap(), second);
        let third = value([1, 0, 0, 3], &[&PAIRS[..], &[0xe8, 3, 0, 0]].concat());
        assert_eq!(to_version_2(&third).unwrap(), second);
        let first = value([1, 0, 0, 1], &PAIRS[..8]);
        let expected = value([1, 0, 0, 2], &[&PAIRS[..8], &[0; 8]].concat());
        assert_eq!(to_version_2(&first).unwrap(), expected);
    }

    #[test]
    fn values_of_no_version_are_refused() {
        for bad in [vec![], vec![0; 3], vec![0; 20], value([0, 0, 0, 2], &PAIRS[..15]), value([0, 0, 0, 3], &PAIRS)] {
            assert_eq!(to_version_2(&bad), None);
        }
    }
}
