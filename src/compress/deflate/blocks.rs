//! Cuts parsed data into blocks where the statistics of the symbols change.

use super::bits::Output;
use super::block::{self, Tables};
use super::entropy::{BIT, block_cost, literal_cost};
use super::matcher::Match;
use super::symbols::{DISTANCE_MAX, END_OF_BLOCK};
use super::tokens::{Sequence, Tally};
use super::window::Window;

/// Bytes that are parsed between two decisions about the end of a block.
const CHUNK_BYTES: usize = 4 * 1024;

/// Memory that is reused from block to block.
pub(super) struct Memory {
    sequences: Vec<Sequence>,
    /// Tallies of the block before the current chunk, and of that chunk.
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

    /// Discards the output.
    pub(super) fn clear(&mut self) {
        self.output.clear();
    }

    /// Writes `bytes` as stored blocks.
    pub(super) fn store(&mut self, bytes: &[u8]) {
        block::write_stored(bytes, &mut self.output);
    }

    /// Returns the output. If it does not end at a byte boundary, an empty stored block is added.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        if self.output.bits_in_last_byte() > 0 {
            block::write_stored(&[], &mut self.output);
        }
        self.output.written().to_vec()
    }
}

/// Cost of a match without the bits of its distance, in bits.
const MATCH_BITS: u64 = 10;
/// Greatest distance of a match of three bytes before any literal was counted.
const FIRST_REACH3: usize = 4096;
/// Matches of three bytes are searched if at least one in this many literals is not ASCII. Binaries have such literals;
/// in them these matches save 1.7 % (measured). In text they save nothing, and the search costs a sixth of the speed.
const BINARY_SHARE: u32 = 8;

/// The state of cutting blocks.
pub(super) struct Blocks<'a> {
    bytes: &'a [u8],
    window: &'a Window,
    memory: &'a mut Memory,
    /// Starts of the block, of its current chunk, and of the literals since the last match.
    block_at: usize,
    chunk_at: usize,
    chunk_sequence: usize,
    block_cost: u64,
    /// Greatest distance, by its length, at which a short match costs less than its literals.
    reach: [usize; 6],
    /// Whether the block so far looks like a binary.
    is_binary: bool,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(bytes: &'a [u8], window: &'a Window, memory: &'a mut Memory) -> Self {
        memory.sequences.clear();
        memory.block.clear();
        memory.chunk.clear();
        Self {
            bytes,
            window,
            memory,
            block_at: 0,
            chunk_at: 0,
            chunk_sequence: 0,
            block_cost: 0,
            is_binary: false,
            reach: [0, 0, 0, FIRST_REACH3, DISTANCE_MAX, DISTANCE_MAX],
        }
    }

    /// Returns the size of the input.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether a match costs less than its literals.
    #[inline(always)]
    pub(super) fn is_worth(&self, found: Match) -> bool {
        self.reach
            .get(found.length)
            .is_none_or(|reach| found.distance <= *reach)
            && found.length > 0
    }

    /// Returns whether matches of three bytes should be searched.
    pub(super) fn wants_threes(&self) -> bool {
        self.is_binary
    }

    #[inline(always)]
    pub(super) fn literal(&mut self, byte: u8) {
        self.memory.chunk.literal(byte);
    }

    #[inline(always)]
    pub(super) fn matched(&mut self, literals: usize, found: Match) {
        let sequence = self.memory.chunk.sequence(literals, found.length, found.distance);
        self.memory.sequences.push(sequence);
    }

    /// Adds a range of literals; does nothing if it ends before `at`.
    pub(super) fn literals(&mut self, at: usize, end: usize) {
        for byte in self.bytes.get(at..end).unwrap_or_default() {
            self.memory.chunk.literal(*byte);
        }
    }

    /// Decides whether a deflate block ends before the data since the last decision. Decides if there is enough data,
    /// or immediately if the kind of data `changed`. Returns whether it decided; the literals since the last match were
    /// then added.
    pub(super) fn end_chunk_if_due(&mut self, at: usize, literals_at: usize, changed: bool) -> bool {
        let due = at >= self.chunk_at + CHUNK_BYTES || changed && at > self.chunk_at;
        if due {
            self.end_chunk(at, literals_at);
        }
        due
    }

    /// Ends the block before the current chunk if both are larger together than apart, and starts a new chunk at `at`.
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
            let count = self.chunk_sequence;
            let from = self.block_at;
            let to = self.chunk_at;
            self.write(count, from, to);
            let memory = &mut *self.memory;
            std::mem::swap(&mut memory.block, &mut memory.chunk);
            self.block_at = self.chunk_at;
            self.block_cost = chunk_cost;
        } else {
            std::mem::swap(&mut memory.block, &mut memory.both);
            self.block_cost = both_cost;
        }
        self.learn();
        self.memory.chunk.clear();
        self.chunk_at = at;
        self.chunk_sequence = self.memory.sequences.len();
    }

    /// Updates the search parameters for the next chunk from the block so far.
    fn learn(&mut self) {
        let cost = literal_cost(&self.memory.block);
        for (length, reach) in self.reach.iter_mut().enumerate() {
            let distance_bits = (cost * length as u64 / BIT).saturating_sub(MATCH_BITS);
            *reach = DISTANCE_MAX.min(1 << distance_bits.min(15));
        }
        let literals = &self.memory.block.literal_length[..END_OF_BLOCK];
        let not_ascii: u32 = literals[128..].iter().sum();
        self.is_binary = not_ascii * BINARY_SHARE >= literals.iter().sum();
    }

    fn write(&mut self, count: usize, from: usize, to: usize) {
        let Memory {
            sequences,
            block,
            tables,
            output,
            ..
        } = &mut *self.memory;
        block.end();
        block::write(
            &self.bytes[from..to],
            self.window,
            from,
            &sequences[..count],
            block,
            tables,
            output,
        );
        sequences.drain(..count);
    }

    /// Writes the remaining data.
    pub(super) fn finish(mut self, literals_at: usize) {
        let end = self.bytes.len();
        self.end_chunk(end, literals_at);
        let count = self.memory.sequences.len();
        self.write(count, self.block_at, end);
    }
}
