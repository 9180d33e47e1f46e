//! The alphabets of RFC 1951 section 3.2.5: lengths and distances as symbols with extra bits.

/// Length of the shortest match.
pub(super) const LENGTH_MIN: usize = 3;
/// Length of the longest match.
pub(super) const LENGTH_MAX: usize = 258;
/// Size of the window, in bytes.
pub(super) const DISTANCE_MAX: usize = 32 * 1024;
/// The symbol that ends a block.
pub(super) const END_OF_BLOCK: usize = 256;
/// The symbol of the shortest lengths.
pub(super) const FIRST_LENGTH_SYMBOL: usize = 257;
/// Number of symbols in the alphabet of literals and lengths.
pub(super) const LITERAL_LENGTH_SYMBOLS: usize = 286;
/// Number of symbols in the alphabet of distances.
pub(super) const DISTANCE_SYMBOLS: usize = 30;

const LENGTH_CODES: usize = LITERAL_LENGTH_SYMBOLS - FIRST_LENGTH_SYMBOL;

/// Number of extra bits of each length symbol, from symbol 257.
pub(super) const LENGTH_EXTRA_BITS: [u8; LENGTH_CODES] = [
    0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0,
];
/// Number of extra bits of each distance symbol.
pub(super) const DISTANCE_EXTRA_BITS: [u8; DISTANCE_SYMBOLS] = [
    0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
];

/// Shortest length of each length symbol.
pub(super) const LENGTH_BASES: [u16; LENGTH_CODES] = length_bases();
/// Shortest distance of each distance symbol.
pub(super) const DISTANCE_BASES: [u16; DISTANCE_SYMBOLS] = distance_bases();

/// Symbol minus 257, by length; lengths below 3 have none.
static LENGTH_CODE_BY_LENGTH: [u8; 512] = length_codes();
/// Symbol by distance minus 1, up to 256; then by that value divided by 128.
static DISTANCE_SYMBOL_BY_DISTANCE: [u8; 512] = distance_symbols();

const fn length_bases() -> [u16; LENGTH_CODES] {
    let mut bases = [0; LENGTH_CODES];
    let mut code = 0;
    let mut base = LENGTH_MIN as u16;
    while code < LENGTH_CODES {
        bases[code] = base;
        base += 1 << LENGTH_EXTRA_BITS[code];
        code += 1;
    }
    // The longest length has its own symbol, although the previous symbol could express it too.
    bases[LENGTH_CODES - 1] = LENGTH_MAX as u16;
    bases
}

const fn distance_bases() -> [u16; DISTANCE_SYMBOLS] {
    let mut bases = [0; DISTANCE_SYMBOLS];
    let mut symbol = 0;
    let mut base = 1u16;
    while symbol < DISTANCE_SYMBOLS {
        bases[symbol] = base;
        base += 1 << DISTANCE_EXTRA_BITS[symbol];
        symbol += 1;
    }
    bases
}

const fn length_codes() -> [u8; 512] {
    let mut codes = [0; 512];
    let mut length = LENGTH_MIN;
    let mut code = 0;
    while length <= LENGTH_MAX {
        if code + 1 < LENGTH_CODES && LENGTH_BASES[code + 1] as usize == length {
            code += 1;
        }
        codes[length] = code as u8;
        length += 1;
    }
    codes
}

const fn distance_symbols() -> [u8; 512] {
    let mut symbols = [0; 512];
    let mut index = 0;
    while index < 512 {
        let distance = if index < 256 {
            index + 1
        } else {
            (index - 256) * 128 + 1
        };
        let mut symbol = DISTANCE_SYMBOLS - 1;
        while DISTANCE_BASES[symbol] as usize > distance {
            symbol -= 1;
        }
        symbols[index] = symbol as u8;
        index += 1;
    }
    symbols
}

/// Returns the symbol of a length, minus 257.
#[inline(always)]
pub(super) fn length_code(length: usize) -> usize {
    usize::from(LENGTH_CODE_BY_LENGTH[length & 511])
}

/// Returns the symbol of a distance.
#[inline(always)]
pub(super) fn distance_symbol(distance: usize) -> usize {
    let index = distance - 1;
    let index = if index < 256 { index } else { 256 + (index >> 7) };
    usize::from(DISTANCE_SYMBOL_BY_DISTANCE[index & 511])
}
