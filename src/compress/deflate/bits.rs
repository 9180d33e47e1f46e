//! Writes bits in the order of RFC 1951 section 3.1.1: each byte is filled from its lowest bit.

/// Reserve after the last bit, since bits are written eight bytes at a time.
const SLACK_BYTES: usize = 16;

/// The output. It is kept between blocks to reuse its memory.
pub(super) struct Output {
    bytes: Vec<u8>,
    at: usize,
    pending: u64,
    count: u32,
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            at: 0,
            pending: 0,
            count: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        (self.at, self.pending, self.count) = (0, 0, 0);
    }

    /// Returns a writer with room for `size_bits` more bits. Its output counts once it is returned by
    /// [`Output::take_back`].
    pub(super) fn writer(&mut self, size_bits: u64) -> BitWriter<'_> {
        let end = self.at + usize::try_from(size_bits / 8).expect("blocks are in memory") + SLACK_BYTES;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        BitWriter {
            bytes: &mut self.bytes,
            at: self.at,
            pending: self.pending,
            count: self.count,
        }
    }

    /// Accepts the final state of a writer.
    pub(super) fn take_back(&mut self, (at, pending, count): (usize, u64, u32)) {
        (self.at, self.pending, self.count) = (at, pending, count);
    }

    /// Returns how many bits of the last byte are used.
    pub(super) fn bits_in_last_byte(&self) -> u32 {
        self.count
    }

    /// Writes whole bytes.
    ///
    /// The output must be at a byte boundary.
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.count, 0);
        let end = self.at + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[self.at..end].copy_from_slice(bytes);
        self.at = end;
    }

    /// Returns the output, which consists of whole bytes.
    pub(super) fn written(&self) -> &[u8] {
        debug_assert_eq!(self.count, 0);
        &self.bytes[..self.at]
    }
}

/// Writes bits to reserved memory.
///
/// At most 56 bits may be written between two calls of [`BitWriter::flush`].
pub(super) struct BitWriter<'a> {
    bytes: &'a mut [u8],
    at: usize,
    pending: u64,
    count: u32,
}

impl BitWriter<'_> {
    /// Writes the lowest `count` bits of `bits`; the other bits must be 0.
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.pending |= bits << (self.count & 63);
        self.count += count;
    }

    /// Moves whole bytes to the output, so that at most 7 bits are left.
    #[inline(always)]
    pub(super) fn flush(&mut self) {
        self.bytes[self.at..self.at + 8].copy_from_slice(&self.pending.to_le_bytes());
        self.at += (self.count >> 3) as usize;
        self.pending >>= self.count & 56;
        self.count &= 7;
    }

    /// Fills the last byte with zeros.
    pub(super) fn align(&mut self) {
        self.count = (self.count + 7) & !7;
        self.flush();
    }

    /// Ends writing, and returns the state for [`Output::take_back`].
    pub(super) fn finish(mut self) -> (usize, u64, u32) {
        self.flush();
        (self.at, self.pending, self.count)
    }
}
