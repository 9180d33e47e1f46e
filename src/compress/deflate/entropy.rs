//! Computes the cost of symbols under the best code, in integers, so that every machine decides alike.

use super::symbols::END_OF_BLOCK;
use super::tokens::Tally;

/// One bit, in units of cost.
pub(super) const BIT: u64 = 1 << FRACTION_BITS;
const FRACTION_BITS: u32 = 8;
const TABLE_BITS: u32 = 10;
const TABLE_SIZE: usize = 1 << TABLE_BITS;

/// Bits of a block's header that do not depend on its symbols: its type, three counts, and about twelve lengths of the
/// code length code.
const HEADER_BITS: u64 = 17 + 3 * 12;
/// Bits of the header for each symbol that occurs, including the run of absent ones before it.
const HEADER_BITS_PER_SYMBOL: u64 = 4;

/// Approximate bits of a stored block's header.
const STORED_HEADER_BITS: u64 = 40;

/// `x log2 x` by `x`, in units of cost.
static WEIGHTED_LOGARITHMS: [u32; TABLE_SIZE] = weighted_logarithms();

const fn weighted_logarithms() -> [u32; TABLE_SIZE] {
    let mut table = [0; TABLE_SIZE];
    let mut x = 1;
    while x < TABLE_SIZE {
        table[x] = ((x as u64 * logarithm(x as u64)) >> (16 - FRACTION_BITS)) as u32;
        x += 1;
    }
    table
}

/// Returns `log2 x` with 16 fractional bits, each computed by squaring.
const fn logarithm(x: u64) -> u64 {
    let whole = x.ilog2();
    let mut result = (whole as u64) << 16;
    let mut mantissa = x << (31 - whole);
    let mut bit = 1 << 15;
    while bit > 0 {
        mantissa = (mantissa * mantissa) >> 31;
        if mantissa >= 1 << 32 {
            mantissa >>= 1;
            result |= bit;
        }
        bit >>= 1;
    }
    result
}

/// Returns `x log2 x`, in units of cost.
#[inline(always)]
fn weighted_logarithm(x: u32) -> u64 {
    if (x as usize) < TABLE_SIZE {
        return u64::from(WEIGHTED_LOGARITHMS[x as usize]);
    }
    // Scaled down to the range of the table: x log2 x = 2^s (y log2 y + s y) for x = 2^s y.
    let shift = x.ilog2() + 1 - TABLE_BITS;
    let scaled = x >> shift;
    (u64::from(WEIGHTED_LOGARITHMS[scaled as usize]) << shift) + ((u64::from(shift) * u64::from(x)) << FRACTION_BITS)
}

/// Returns the cost of all symbols of `counts`, and the number of distinct symbols.
fn symbols_cost(counts: &[u32]) -> (u64, u64) {
    let mut sum = 0;
    let mut used = 0;
    let mut weighted = 0;
    for count in counts {
        sum += count;
        used += u64::from(*count > 0);
        weighted += weighted_logarithm(*count);
    }
    (weighted_logarithm(sum).saturating_sub(weighted), used)
}

/// Returns the cost of a block of `size_bytes` bytes with these symbols, including its header.
pub(super) fn block_cost(tally: &Tally, size_bytes: usize) -> u64 {
    let (literals_lengths, used) = symbols_cost(&tally.literal_length);
    let (distances, used_distances) = symbols_cost(&tally.distance);
    let header = HEADER_BITS + HEADER_BITS_PER_SYMBOL * (used + used_distances);
    let stored = (size_bytes as u64 * 8 + STORED_HEADER_BITS) * BIT;
    stored.min(literals_lengths + distances + (tally.extra_bits() + header) * BIT)
}

/// Returns the average cost of a literal; the cost of a byte if there is none.
pub(super) fn literal_cost(tally: &Tally) -> u64 {
    let literals = &tally.literal_length[..END_OF_BLOCK];
    let literal_count: u64 = literals.iter().map(|count| u64::from(*count)).sum();
    let count: u32 = tally.literal_length.iter().sum();
    if literal_count == 0 {
        return 8 * BIT;
    }
    let weighted: u64 = literals.iter().map(|count| weighted_logarithm(*count)).sum();
    let of_all = weighted_logarithm(count) / u64::from(count);
    of_all.saturating_sub(weighted / literal_count)
}
