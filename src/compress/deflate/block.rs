//! Writes blocks of RFC 1951 section 3.2.3 to 3.2.7, each as the smallest of the three kinds.

use super::bits::{BitWriter, Output};
use super::header::Header;
use super::huffman::{code_lengths, codes};
use super::symbols::{
    DISTANCE_BASES, DISTANCE_EXTRA_BITS, DISTANCE_SYMBOLS, END_OF_BLOCK, FIRST_LENGTH_SYMBOL, LENGTH_BASES,
    LENGTH_EXTRA_BITS, LENGTH_MAX, LENGTH_MIN, LITERAL_LENGTH_SYMBOLS, length_code,
};
use super::tokens::{Sequence, Tally};
use super::window::Window;

/// Longest code of a literal or length that is used here, although the format allows 15: four of them and the remaining
/// bits of a byte then fit into 64 bits.
const LITERAL_LENGTH_LIMIT: usize = 14;
/// Longest code of a distance.
const DISTANCE_LIMIT: usize = 15;
/// Longest stored block.
const STORED_MAX_BYTES: usize = 0xffff;
/// Bits of a block's type, including the bit that marks the last block.
const TYPE_BITS: u32 = 3;
const TYPE_FIXED: u64 = 1 << 1;
const TYPE_DYNAMIC: u64 = 2 << 1;

/// The codes of both alphabets.
struct Codes {
    literal_length_lengths: [u8; 288],
    distance_lengths: [u8; 32],
}

impl Codes {
    fn of(tally: &Tally) -> Self {
        let mut of = Self {
            literal_length_lengths: [0; 288],
            distance_lengths: [0; 32],
        };
        let literals = &tally.literal_length[..LITERAL_LENGTH_SYMBOLS];
        let distances = &tally.distance;
        code_lengths(
            literals,
            LITERAL_LENGTH_LIMIT,
            &mut of.literal_length_lengths[..LITERAL_LENGTH_SYMBOLS],
        );
        code_lengths(
            &distances[..DISTANCE_SYMBOLS],
            DISTANCE_LIMIT,
            &mut of.distance_lengths[..DISTANCE_SYMBOLS],
        );
        of
    }

    /// Returns the fixed codes of section 3.2.6.
    fn fixed() -> Self {
        let mut literal_length_lengths = [8; 288];
        literal_length_lengths[144..256].fill(9);
        literal_length_lengths[256..280].fill(7);
        Self {
            literal_length_lengths,
            distance_lengths: [5; 32],
        }
    }

    /// Returns the number of bits of all symbols, without their extra bits.
    fn size_bits(&self, tally: &Tally) -> u64 {
        let of = |counts: &[u32], lengths: &[u8]| -> u64 {
            counts
                .iter()
                .zip(lengths)
                .map(|(count, length)| u64::from(*count) * u64::from(*length))
                .sum()
        };
        of(&tally.literal_length, &self.literal_length_lengths) + of(&tally.distance, &self.distance_lengths)
    }
}

/// Codes combined with their extra bits: the bits are in the lower part, their number starts at bit 24 or 56.
pub(super) struct Tables {
    literals: [u32; 256],
    lengths: [u32; 512],
    distances: [u32; 32],
    end_of_block: u32,
}

/// Position of the number of bits in an entry.
const COUNT_SHIFT: u32 = 24;
const BITS_MASK: u64 = (1 << COUNT_SHIFT) - 1;

impl Tables {
    pub(super) fn new() -> Self {
        Self {
            literals: [0; 256],
            lengths: [0; 512],
            distances: [0; 32],
            end_of_block: 0,
        }
    }

    fn fill(&mut self, codes_: &Codes) {
        let mut all = [0u16; 288];
        codes(&codes_.literal_length_lengths, &mut all);
        let entry =
            |symbol: usize| u32::from(all[symbol]) | u32::from(codes_.literal_length_lengths[symbol]) << COUNT_SHIFT;
        for (symbol, literal) in self.literals.iter_mut().enumerate() {
            *literal = entry(symbol);
        }
        self.end_of_block = entry(END_OF_BLOCK);
        for length in LENGTH_MIN..=LENGTH_MAX {
            let code = length_code(length);
            let entry = entry(FIRST_LENGTH_SYMBOL + code);
            let extra = length as u32 - u32::from(LENGTH_BASES[code]);
            let extra_bits = u32::from(LENGTH_EXTRA_BITS[code]);
            self.lengths[length] = entry + (extra_bits << COUNT_SHIFT) + (extra << (entry >> COUNT_SHIFT));
        }
        let mut all = [0u16; 32];
        codes(&codes_.distance_lengths, &mut all);
        for (symbol, distance) in self.distances.iter_mut().enumerate() {
            *distance = u32::from(all[symbol]) | u32::from(codes_.distance_lengths[symbol]) << COUNT_SHIFT;
        }
    }
}

/// Returns the number of bits of stored blocks of `size_bytes` bytes, after `bits_in_last_byte`.
fn stored_bits(size_bytes: usize, bits_in_last_byte: u32) -> u64 {
    let pieces = size_bytes.div_ceil(STORED_MAX_BYTES).max(1) as u64;
    let first = u64::from((bits_in_last_byte + TYPE_BITS).next_multiple_of(8) - bits_in_last_byte);
    8 * size_bytes as u64 + first + 32 + (pieces - 1) * 40
}

/// Writes stored blocks; an empty one if there are no bytes.
pub(super) fn write_stored(bytes: &[u8], output: &mut Output) {
    let mut rest = bytes;
    loop {
        let (piece, after) = rest.split_at(rest.len().min(STORED_MAX_BYTES));
        let mut writer = output.writer(64);
        writer.put(0, TYPE_BITS);
        writer.align();
        let length = piece.len() as u64;
        writer.put(length | (length ^ 0xffff) << 16, 32);
        let end = writer.finish();
        output.take_back(end);
        output.copy(piece);
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}

/// Writes `bytes`, which were parsed to `sequences` with `tally`, as the smallest kind of block.
pub(super) fn write(
    bytes: &[u8],
    window: &Window,
    at: usize,
    sequences: &[Sequence],
    tally: &Tally,
    tables: &mut Tables,
    output: &mut Output,
) {
    let extra_bits = tally.extra_bits();
    let dynamic = Codes::of(tally);
    let header = Header::of(
        &dynamic.literal_length_lengths[..LITERAL_LENGTH_SYMBOLS],
        &dynamic.distance_lengths[..DISTANCE_SYMBOLS],
    );
    let dynamic_bits = u64::from(TYPE_BITS) + header.size_bits() + dynamic.size_bits(tally) + extra_bits;
    let fixed = Codes::fixed();
    let fixed_bits = u64::from(TYPE_BITS) + fixed.size_bits(tally) + extra_bits;
    let stored_bits = stored_bits(bytes.len(), output.bits_in_last_byte());
    if stored_bits <= dynamic_bits.min(fixed_bits) {
        return write_stored(bytes, output);
    }
    let mut writer = output.writer(dynamic_bits.min(fixed_bits));
    if fixed_bits <= dynamic_bits {
        writer.put(TYPE_FIXED, TYPE_BITS);
        tables.fill(&fixed);
    } else {
        writer.put(TYPE_DYNAMIC, TYPE_BITS);
        header.write(&mut writer);
        tables.fill(&dynamic);
    }
    write_sequences(window, at, sequences, tables, &mut writer);
    let end = writer.finish();
    output.take_back(end);
}

#[inline(always)]
fn put_entry(writer: &mut BitWriter, entry: u32) {
    writer.put(u64::from(entry) & BITS_MASK, entry >> COUNT_SHIFT);
}

/// Writes the sequences. `at` is the position of the first sequence's literals.
fn write_sequences(window: &Window, mut at: usize, sequences: &[Sequence], tables: &Tables, writer: &mut BitWriter) {
    writer.flush();
    for sequence in sequences {
        let mut literals = sequence.literals();
        while literals > 3 {
            let four = window.load4(at).to_le_bytes();
            for literal in four {
                put_entry(writer, tables.literals[usize::from(literal)]);
            }
            writer.flush();
            literals -= 4;
            at += 4;
        }
        // How many are left is not predictable: writing entries without bits costs less than mispredicted branches.
        let four = window.load4(at).to_le_bytes();
        for (index, literal) in four[..3].iter().enumerate() {
            let wanted = u32::from(index < literals);
            put_entry(
                writer,
                tables.literals[usize::from(*literal)] & 0u32.wrapping_sub(wanted),
            );
        }
        writer.flush();
        at += literals;
        if sequence.length() > 0 {
            put_entry(writer, tables.lengths[sequence.length()]);
            let symbol = sequence.distance_symbol();
            let distance = tables.distances[symbol & 31];
            put_entry(writer, distance);
            let symbol = symbol.min(DISTANCE_SYMBOLS - 1);
            let extra = sequence.distance() as u64 - u64::from(DISTANCE_BASES[symbol]);
            writer.put(extra, u32::from(DISTANCE_EXTRA_BITS[symbol]));
            writer.flush();
            at += sequence.length();
        }
    }
    put_entry(writer, tables.end_of_block);
    writer.flush();
}
