//! Blocks of RFC 1951 section 3.2.3 to 3.2.7: of what was parsed, the cheapest of the three kinds is written.

use super::bits::{BitWriter, Output};
use super::huffman::{code_lengths, codes};
use super::symbols::{
    DISTANCE_BASES, DISTANCE_EXTRA_BITS, DISTANCE_SYMBOLS, END_OF_BLOCK, FIRST_LENGTH_SYMBOL, LENGTH_BASES,
    LENGTH_EXTRA_BITS, LENGTH_MAX, LENGTH_MIN, LITERAL_LENGTH_SYMBOLS, length_code,
};
use super::tokens::{Sequence, Tally};
use super::window::Window;

/// Longest code of a literal or length that is made here, though 15 is the format's limit: four of them and what is left
/// of a byte then fit 64 bits.
const LITERAL_LENGTH_LIMIT: usize = 14;
/// Longest code of a distance.
const DISTANCE_LIMIT: usize = 15;
/// Longest code of a code length.
const CODE_LENGTH_LIMIT: usize = 7;
/// How many symbols the alphabet of code lengths has.
const CODE_LENGTH_SYMBOLS: usize = 19;
/// The order in which the lengths of that alphabet's codes are written.
const CODE_LENGTH_ORDER: [u8; CODE_LENGTH_SYMBOLS] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// Extra bits of that alphabet's last three symbols.
const REPEAT_EXTRA_BITS: [u8; 3] = [2, 3, 7];

/// Longest stored block.
const STORED_MAX_BYTES: usize = 0xffff;
/// Bits of the type of a block, with the bit that says whether it is the last.
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
        let mut of = Self { literal_length_lengths: [0; 288], distance_lengths: [0; 32] };
        let (literals, distances) = (&tally.literal_length[..LITERAL_LENGTH_SYMBOLS], &tally.distance);
        code_lengths(literals, LITERAL_LENGTH_LIMIT, &mut of.literal_length_lengths[..LITERAL_LENGTH_SYMBOLS]);
        code_lengths(&distances[..DISTANCE_SYMBOLS], DISTANCE_LIMIT, &mut of.distance_lengths[..DISTANCE_SYMBOLS]);
        of
    }

    /// Section 3.2.6.
    fn fixed() -> Self {
        let mut literal_length_lengths = [8; 288];
        literal_length_lengths[144..256].fill(9);
        literal_length_lengths[256..280].fill(7);
        Self { literal_length_lengths, distance_lengths: [5; 32] }
    }

    /// Bits of all symbols, without their extra bits.
    fn size_bits(&self, tally: &Tally) -> u64 {
        let of = |counts: &[u32], lengths: &[u8]| -> u64 {
            counts.iter().zip(lengths).map(|(count, length)| u64::from(*count) * u64::from(*length)).sum()
        };
        of(&tally.literal_length, &self.literal_length_lengths) + of(&tally.distance, &self.distance_lengths)
    }
}

/// Codes with their extra bits, as they are written: the bits below, their number from bit 24 or 56 on.
pub(super) struct Tables {
    literals: [u32; 256],
    lengths: [u32; 512],
    distances: [u32; 32],
    end_of_block: u32,
}

/// Where the number of bits begins in an entry.
const COUNT_SHIFT: u32 = 24;
const BITS_MASK: u64 = (1 << COUNT_SHIFT) - 1;

impl Tables {
    pub(super) fn new() -> Self {
        Self { literals: [0; 256], lengths: [0; 512], distances: [0; 32], end_of_block: 0 }
    }

    fn fill(&mut self, codes_: &Codes) {
        let mut all = [0u16; 288];
        codes(&codes_.literal_length_lengths, &mut all);
        let entry = |symbol: usize| u32::from(all[symbol]) | u32::from(codes_.literal_length_lengths[symbol]) << COUNT_SHIFT;
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

/// Bits of stored blocks of `size_bytes` bytes, after `bits_in_last_byte`.
fn stored_bits(size_bytes: usize, bits_in_last_byte: u32) -> u64 {
    let pieces = size_bytes.div_ceil(STORED_MAX_BYTES).max(1) as u64;
    let first = u64::from((bits_in_last_byte + TYPE_BITS).next_multiple_of(8) - bits_in_last_byte);
    8 * size_bytes as u64 + first + 32 + (pieces - 1) * 40
}

/// Writes stored blocks; for no bytes, one that is empty.
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

/// Writes `bytes`, which were parsed to `sequences` with `tally`, as the kind of block that is smallest.
pub(super) fn write(bytes: &[u8], window: &Window, at: usize, sequences: &[Sequence], tally: &Tally, tables: &mut Tables, output: &mut Output) {
    let extra_bits = tally.extra_bits();
    let dynamic = Codes::of(tally);
    let header = Header::of(&dynamic);
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

/// `at` is where the literals of the first sequence are.
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
        // How many are left cannot be foreseen: entries of no bits cost less than wrong guesses.
        let four = window.load4(at).to_le_bytes();
        for (index, literal) in four[..3].iter().enumerate() {
            let wanted = u32::from(index < literals);
            put_entry(writer, tables.literals[usize::from(*literal)] & 0u32.wrapping_sub(wanted));
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

/// Section 3.2.7: the code lengths of a dynamic block, run-length coded, under a code of their own.
struct Header {
    literal_length_count: usize,
    distance_count: usize,
    /// Symbol in the lower 5 bits, extra bits above.
    items: [u16; 320],
    item_count: usize,
    counts: [u32; CODE_LENGTH_SYMBOLS],
    lengths: [u8; CODE_LENGTH_SYMBOLS],
    written_lengths: usize,
}

impl Header {
    fn of(codes: &Codes) -> Self {
        let trimmed = |lengths: &[u8], min: usize| {
            lengths.iter().rposition(|length| *length > 0).map_or(min, |last| (last + 1).max(min))
        };
        let literal_length_count = trimmed(&codes.literal_length_lengths[..LITERAL_LENGTH_SYMBOLS], FIRST_LENGTH_SYMBOL);
        let distance_count = trimmed(&codes.distance_lengths[..DISTANCE_SYMBOLS], 1);
        let mut all = [0u8; 320];
        let count = literal_length_count + distance_count;
        all[..literal_length_count].copy_from_slice(&codes.literal_length_lengths[..literal_length_count]);
        all[literal_length_count..count].copy_from_slice(&codes.distance_lengths[..distance_count]);
        let mut header = Self {
            literal_length_count,
            distance_count,
            items: [0; 320],
            item_count: 0,
            counts: [0; CODE_LENGTH_SYMBOLS],
            lengths: [0; CODE_LENGTH_SYMBOLS],
            written_lengths: 0,
        };
        header.run_length_code(&all[..count]);
        code_lengths(&header.counts, CODE_LENGTH_LIMIT, &mut header.lengths);
        let last = CODE_LENGTH_ORDER.iter().rposition(|symbol| header.lengths[usize::from(*symbol)] > 0);
        header.written_lengths = last.map_or(4, |last| (last + 1).max(4));
        header
    }

    fn run_length_code(&mut self, mut lengths: &[u8]) {
        while let Some(&length) = lengths.first() {
            let mut run = lengths.iter().take_while(|next| **next == length).count();
            lengths = &lengths[run..];
            if length == 0 {
                while run >= 11 {
                    let piece = run.min(138);
                    self.push(18, piece - 11);
                    run -= piece;
                }
                if run >= 3 {
                    self.push(17, run - 3);
                    run = 0;
                }
            } else if run >= 4 {
                self.push(length, 0);
                run -= 1;
                while run >= 3 {
                    // Of a run of 7 or 8, six would leave too few to repeat.
                    let piece = if run == 7 { 4 } else if run == 8 { 5 } else { run.min(6) };
                    self.push(16, piece - 3);
                    run -= piece;
                }
            }
            for _ in 0..run {
                self.push(length, 0);
            }
        }
    }

    fn push(&mut self, symbol: u8, extra: usize) {
        self.items[self.item_count] = u16::from(symbol) | (extra as u16) << 5;
        self.item_count += 1;
        self.counts[usize::from(symbol)] += 1;
    }

    fn size_bits(&self) -> u64 {
        let extra_bits = |symbol: usize| symbol.checked_sub(16).map_or(0, |at| u64::from(REPEAT_EXTRA_BITS[at]));
        let bits = |symbol: usize| u64::from(self.counts[symbol]) * (u64::from(self.lengths[symbol]) + extra_bits(symbol));
        let items: u64 = (0..CODE_LENGTH_SYMBOLS).map(bits).sum();
        5 + 5 + 4 + 3 * self.written_lengths as u64 + items
    }

    fn write(&self, writer: &mut BitWriter) {
        writer.put((self.literal_length_count - FIRST_LENGTH_SYMBOL) as u64, 5);
        writer.put((self.distance_count - 1) as u64, 5);
        writer.put((self.written_lengths - 4) as u64, 4);
        writer.flush();
        for symbol in &CODE_LENGTH_ORDER[..self.written_lengths] {
            writer.put(u64::from(self.lengths[usize::from(*symbol)]), 3);
            writer.flush();
        }
        let mut all = [0u16; CODE_LENGTH_SYMBOLS];
        codes(&self.lengths, &mut all);
        for item in &self.items[..self.item_count] {
            let symbol = usize::from(item & 31);
            writer.put(u64::from(all[symbol]), u32::from(self.lengths[symbol]));
            let extra_bits = symbol.checked_sub(16).map_or(0, |at| REPEAT_EXTRA_BITS[at]);
            writer.put(u64::from(item >> 5), u32::from(extra_bits));
            writer.flush();
        }
    }
}
