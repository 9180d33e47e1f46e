//! Cutting what was parsed into blocks where the statistics of the symbols change.

use super::bits::Output;
use super::block::{self, Tables};
use super::entropy::block_cost;
use super::tokens::{Sequence, Tally};
use super::window::Window;

/// How much is parsed before it is asked whether a block ends, in bytes.
const CHUNK_BYTES: usize = 4 * 1024;

/// What is kept from block to block for its memory alone.
pub(super) struct Memory {
    sequences: Vec<Sequence>,
    /// Of the block up to the current chunk, and of that chunk.
    block: Box<Tally>,
    chunk: Box<Tally>,
    both: Box<Tally>,
    tables: Box<Tables>,
    output: Output,
}

impl Memory {
    pub(super) fn new() -> Self {
        let tally = || Box::new(Tally::new());
        Self {
            sequences: Vec::new(),
            block: tally(),
            chunk: tally(),
            both: tally(),
            tables: Box::new(Tables::new()),
            output: Output::new(),
        }
    }
}

/// Blocks that are being parsed.
pub(super) struct Blocks<'a> {
    bytes: &'a [u8],
    window: &'a Window,
    memory: &'a mut Memory,
    /// Where the block, its current chunk and the literals since the last match begin.
    block_at: usize,
    chunk_at: usize,
    next_check: usize,
    chunk_sequence: usize,
    block_cost: u64,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(bytes: &'a [u8], window: &'a Window, memory: &'a mut Memory) -> Self {
        memory.sequences.clear();
        memory.block.clear();
        memory.chunk.clear();
        memory.output.clear();
        Self {
            bytes,
            window,
            memory,
            block_at: 0,
            chunk_at: 0,
            next_check: CHUNK_BYTES,
            chunk_sequence: 0,
            block_cost: 0,
        }
    }

    /// Size of what is being parsed.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    #[inline(always)]
    pub(super) fn literal(&mut self, byte: u8) {
        self.memory.chunk.literal(byte);
    }

    #[inline(always)]
    pub(super) fn matched(&mut self, literals: usize, length: usize, distance: usize) {
        let sequence = self.memory.chunk.sequence(literals, length, distance);
        self.memory.sequences.push(sequence);
    }

    /// Takes a range as literals.
    pub(super) fn literals(&mut self, at: usize, end: usize) {
        for byte in &self.bytes[at..end] {
            self.memory.chunk.literal(*byte);
        }
    }

    /// Asks at once whether a block ends before what came since it was last asked.
    pub(super) fn check_now(&mut self, at: usize, literals_at: &mut usize) {
        if at > self.chunk_at {
            self.end_chunk(at, *literals_at);
            *literals_at = at;
        }
    }

    #[inline(always)]
    pub(super) fn check(&mut self, at: usize, literals_at: &mut usize) {
        if at >= self.next_check {
            self.end_chunk(at, *literals_at);
            *literals_at = at;
        }
    }

    #[inline(never)]
    fn end_chunk(&mut self, at: usize, literals_at: usize) {
        if literals_at < at {
            self.memory.sequences.push(Sequence::of_literals(at - literals_at));
        }
        let memory = &mut *self.memory;
        let chunk_cost = block_cost(&memory.chunk, at - self.chunk_at);
        memory.both.clone_from(&memory.block);
        memory.both.add(&memory.chunk);
        let both_cost = block_cost(&memory.both, at - self.block_at);
        if self.block_at < self.chunk_at && self.block_cost + chunk_cost < both_cost {
            let (count, from, to) = (self.chunk_sequence, self.block_at, self.chunk_at);
            self.write(count, from, to);
            let memory = &mut *self.memory;
            std::mem::swap(&mut memory.block, &mut memory.chunk);
            self.block_at = self.chunk_at;
            self.block_cost = chunk_cost;
        } else {
            std::mem::swap(&mut memory.block, &mut memory.both);
            self.block_cost = both_cost;
        }
        self.memory.chunk.clear();
        self.chunk_at = at;
        self.chunk_sequence = self.memory.sequences.len();
        self.next_check = at + CHUNK_BYTES;
    }

    fn write(&mut self, count: usize, from: usize, to: usize) {
        let Memory { sequences, block, tables, output, .. } = &mut *self.memory;
        block.end();
        block::write(&self.bytes[from..to], self.window, from, &sequences[..count], block, tables, output);
        sequences.drain(..count);
    }

    /// Writes what is left, and gives all bytes, the last of which is whole.
    pub(super) fn finish(mut self, literals_at: usize) -> Vec<u8> {
        let end = self.bytes.len();
        self.end_chunk(end, literals_at);
        let count = self.memory.sequences.len();
        if count > 0 {
            self.write(count, self.block_at, end);
        }
        let output = &mut self.memory.output;
        if output.bits_in_last_byte() > 0 {
            block::write_stored(&[], output);
        }
        output.written().to_vec()
    }
}
