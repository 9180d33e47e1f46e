//! Writes the header of a dynamic block, RFC 1951 section 3.2.7: its code lengths, encoded by another code.

use super::bits::BitWriter;
use super::huffman::{code_lengths, codes};
use super::symbols::FIRST_LENGTH_SYMBOL;

/// Longest code of a code length.
const CODE_LENGTH_LIMIT: usize = 7;
/// Number of symbols in the alphabet of code lengths.
const CODE_LENGTH_SYMBOLS: usize = 19;
/// The order in which the lengths of that alphabet's codes are written.
const CODE_LENGTH_ORDER: [u8; CODE_LENGTH_SYMBOLS] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// Extra bits of that alphabet's last three symbols.
const REPEAT_EXTRA_BITS: [u8; 3] = [2, 3, 7];

/// The run-length encoded code lengths of a dynamic block (section 3.2.7).
pub(super) struct Header {
    literal_length_count: usize,
    distance_count: usize,
    /// The symbol in the lower 5 bits, extra bits above.
    items: [u16; 320],
    item_count: usize,
    counts: [u32; CODE_LENGTH_SYMBOLS],
    lengths: [u8; CODE_LENGTH_SYMBOLS],
    written_lengths: usize,
}

impl Header {
    /// Creates the header for the code lengths of both alphabets.
    pub(super) fn of(literal_lengths: &[u8], distance_lengths: &[u8]) -> Self {
        let trimmed = |lengths: &[u8], min: usize| {
            lengths
                .iter()
                .rposition(|length| *length > 0)
                .map_or(min, |last| (last + 1).max(min))
        };
        let literal_length_count = trimmed(literal_lengths, FIRST_LENGTH_SYMBOL);
        let distance_count = trimmed(distance_lengths, 1);
        let mut all = [0u8; 320];
        let count = literal_length_count + distance_count;
        all[..literal_length_count].copy_from_slice(&literal_lengths[..literal_length_count]);
        all[literal_length_count..count].copy_from_slice(&distance_lengths[..distance_count]);
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
        let last = CODE_LENGTH_ORDER
            .iter()
            .rposition(|symbol| header.lengths[usize::from(*symbol)] > 0);
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
                    // For a run of 7 or 8, a repeat of six would leave too few for another repeat.
                    let piece = if run == 7 {
                        4
                    } else if run == 8 {
                        5
                    } else {
                        run.min(6)
                    };
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

    /// Returns the number of bits, without those of the block's type.
    pub(super) fn size_bits(&self) -> u64 {
        let extra_bits = |symbol: usize| symbol.checked_sub(16).map_or(0, |at| u64::from(REPEAT_EXTRA_BITS[at]));
        let bits =
            |symbol: usize| u64::from(self.counts[symbol]) * (u64::from(self.lengths[symbol]) + extra_bits(symbol));
        let items: u64 = (0..CODE_LENGTH_SYMBOLS).map(bits).sum();
        5 + 5 + 4 + 3 * self.written_lengths as u64 + items
    }

    pub(super) fn write(&self, writer: &mut BitWriter) {
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
