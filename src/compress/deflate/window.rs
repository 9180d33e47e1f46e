//! The block that is being encoded, followed by padding.

/// Greatest number of bytes that are encoded at once; a power of two.
pub(super) const BLOCK_MAX: usize = 2 * 1024 * 1024;
/// Bytes after the last position at which eight bytes may be loaded: the longest match, and those eight.
const PADDING: usize = 512;

/// A copy of the block. Positions are taken modulo [`BLOCK_MAX`], so that the compiler knows that no load is out of
/// bounds. Bytes after the end are zeros or data of an earlier block, and never affect the output.
pub(super) struct Window {
    bytes: Box<[u8; BLOCK_MAX + PADDING]>,
}

impl Window {
    pub(super) fn new() -> Self {
        let bytes = vec![0; BLOCK_MAX + PADDING].into_boxed_slice();
        Self {
            bytes: bytes.try_into().expect("it was made with this length"),
        }
    }

    /// Copies a block of at most [`BLOCK_MAX`] bytes, followed by zeros.
    pub(super) fn fill(&mut self, block: &[u8]) {
        let (start, rest) = self.bytes.split_at_mut(block.len());
        start.copy_from_slice(block);
        rest[..PADDING].fill(0);
    }

    #[inline(always)]
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.bytes[at % BLOCK_MAX]
    }

    /// Returns the four bytes at `at`.
    #[inline(always)]
    pub(super) fn load4(&self, at: usize) -> u32 {
        let at = at % BLOCK_MAX;
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"))
    }

    /// Returns the eight bytes at `at`.
    #[inline(always)]
    pub(super) fn load8(&self, at: usize) -> u64 {
        let at = at % BLOCK_MAX;
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    /// Returns how many bytes at `earlier` and `at` are equal, at most `limit`. The first `known` are already known to
    /// be.
    #[inline(always)]
    pub(super) fn match_length(&self, earlier: usize, at: usize, known: usize, limit: usize) -> usize {
        let mut length = known;
        while length < limit {
            let differing = self.load8(earlier + length) ^ self.load8(at + length);
            if differing != 0 {
                return limit.min(length + (differing.trailing_zeros() >> 3) as usize);
            }
            length += 8;
        }
        limit
    }
}
