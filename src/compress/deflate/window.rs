//! The block that is being encoded, with room behind it.

/// Most bytes that are encoded at once; a power of two.
pub(super) const BLOCK_MAX: usize = 2 * 1024 * 1024;
/// Bytes behind the last position from which eight may be loaded: the longest match, and those eight.
const PADDING: usize = 512;

/// A copy of the block. Positions are taken modulo [`BLOCK_MAX`], so that no load can be outside, which the compiler
/// sees: what is behind the end is zeros or what an earlier block left, and never counts.
pub(super) struct Window {
    bytes: Box<[u8; BLOCK_MAX + PADDING]>,
}

impl Window {
    pub(super) fn new() -> Self {
        let bytes = vec![0; BLOCK_MAX + PADDING].into_boxed_slice();
        Self { bytes: bytes.try_into().expect("it was made with this length") }
    }

    /// Takes a block of at most [`BLOCK_MAX`] bytes, with zeros behind it.
    pub(super) fn fill(&mut self, block: &[u8]) {
        let (start, rest) = self.bytes.split_at_mut(block.len());
        start.copy_from_slice(block);
        rest[..PADDING].fill(0);
    }

    #[inline(always)]
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.bytes[at % BLOCK_MAX]
    }

    /// The four bytes at `at`.
    #[inline(always)]
    pub(super) fn load4(&self, at: usize) -> u32 {
        let at = at % BLOCK_MAX;
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().expect("four bytes"))
    }

    /// The eight bytes at `at`.
    #[inline(always)]
    pub(super) fn load8(&self, at: usize) -> u64 {
        let at = at % BLOCK_MAX;
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    /// How many bytes at `earlier` and `at` are the same, `known` of which are known to be; at most `limit`.
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
