//! A stream that is written into blocks of one size, without a copy in between.

use super::error::Stop;

/// Cuts a stream into blocks and hands each to `emit`, in order. All have the same size but the last.
pub(super) struct Blocks<'a> {
    block_size_bytes: usize,
    /// The block that is being filled: room for all of it, of which `filled` bytes are written.
    block: Vec<u8>,
    filled: usize,
    total_bytes: u64,
    emit: &'a mut dyn FnMut(Vec<u8>) -> Result<(), Stop>,
}

impl<'a> Blocks<'a> {
    /// Blocks of `block_size_bytes`, which is not zero.
    pub(super) fn new(block_size_bytes: usize, emit: &'a mut dyn FnMut(Vec<u8>) -> Result<(), Stop>) -> Self {
        Self { block_size_bytes: block_size_bytes.max(1), block: Vec::new(), filled: 0, total_bytes: 0, emit }
    }

    /// Where the next bytes of the stream go: at least one byte of room. [`Blocks::advance`] says how much was taken.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.block.is_empty() {
            self.block = vec![0; self.block_size_bytes];
        }
        &mut self.block[self.filled..]
    }

    /// The first `size` bytes of the room are written.
    pub(super) fn advance(&mut self, size: usize) -> Result<(), Stop> {
        self.filled += size;
        self.total_bytes += size as u64;
        if self.filled < self.block.len() {
            return Ok(());
        }
        self.filled = 0;
        (self.emit)(std::mem::take(&mut self.block))
    }

    /// Writes bytes that are in memory.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            let room = self.room();
            let size = room.len().min(bytes.len());
            room[..size].copy_from_slice(&bytes[..size]);
            self.advance(size)?;
            bytes = &bytes[size..];
        }
        Ok(())
    }

    /// Hands out what is left, and says how long the stream was, in bytes.
    pub(super) fn finish(mut self) -> Result<u64, Stop> {
        if self.filled > 0 {
            self.block.truncate(self.filled);
            (self.emit)(self.block)?;
        }
        Ok(self.total_bytes)
    }
}
