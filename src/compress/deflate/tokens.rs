//! The result of parsing a block: literals, and matches in the window.

use super::symbols::{
    DISTANCE_EXTRA_BITS, DISTANCE_SYMBOLS, END_OF_BLOCK, FIRST_LENGTH_SYMBOL, LENGTH_EXTRA_BITS,
    LITERAL_LENGTH_SYMBOLS, distance_symbol, length_code,
};

/// Literals, and the match after them. The literals themselves are those of the block.
#[derive(Clone, Copy)]
pub(super) struct Sequence {
    literals: u32,
    /// The length in the lower 9 bits, the symbol of the distance above.
    length_and_symbol: u16,
    distance: u16,
}

impl Sequence {
    /// Returns a sequence of `literals` literals without a match.
    pub(super) fn of_literals(literals: usize) -> Self {
        Self {
            literals: literals as u32,
            length_and_symbol: 0,
            distance: 0,
        }
    }

    #[inline(always)]
    pub(super) fn literals(self) -> usize {
        self.literals as usize
    }

    /// Returns the length of the match, 0 for none.
    #[inline(always)]
    pub(super) fn length(self) -> usize {
        usize::from(self.length_and_symbol & 511)
    }

    #[inline(always)]
    pub(super) fn distance(self) -> usize {
        usize::from(self.distance)
    }

    #[inline(always)]
    pub(super) fn distance_symbol(self) -> usize {
        usize::from(self.length_and_symbol >> 9)
    }
}

/// The frequency of each symbol.
#[derive(Clone)]
pub(super) struct Tally {
    pub(super) literal_length: [u32; LITERAL_LENGTH_SYMBOLS + 2],
    pub(super) distance: [u32; DISTANCE_SYMBOLS + 2],
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            literal_length: [0; LITERAL_LENGTH_SYMBOLS + 2],
            distance: [0; DISTANCE_SYMBOLS + 2],
        }
    }

    pub(super) fn clear(&mut self) {
        self.literal_length.fill(0);
        self.distance.fill(0);
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, count) in self.literal_length.iter_mut().zip(&other.literal_length) {
            *sum += count;
        }
        for (sum, count) in self.distance.iter_mut().zip(&other.distance) {
            *sum += count;
        }
    }

    #[inline(always)]
    pub(super) fn literal(&mut self, byte: u8) {
        self.literal_length[usize::from(byte)] += 1;
    }

    /// Counts a match, and returns the sequence that it ends.
    #[inline(always)]
    pub(super) fn sequence(&mut self, literals: usize, length: usize, distance: usize) -> Sequence {
        let symbol = distance_symbol(distance);
        self.literal_length[FIRST_LENGTH_SYMBOL + (length_code(length) & 31)] += 1;
        self.distance[symbol & 31] += 1;
        Sequence {
            literals: literals as u32,
            length_and_symbol: length as u16 | (symbol as u16) << 9,
            distance: distance as u16,
        }
    }

    /// Counts the end of the block.
    pub(super) fn end(&mut self) {
        self.literal_length[END_OF_BLOCK] = 1;
    }

    /// Returns the number of extra bits of all matches.
    pub(super) fn extra_bits(&self) -> u64 {
        let of = |counts: &[u32], bits: &[u8]| -> u64 {
            counts
                .iter()
                .zip(bits)
                .map(|(count, bits)| u64::from(*count) * u64::from(*bits))
                .sum()
        };
        of(&self.literal_length[FIRST_LENGTH_SYMBOL..], &LENGTH_EXTRA_BITS) + of(&self.distance, &DISTANCE_EXTRA_BITS)
    }
}
