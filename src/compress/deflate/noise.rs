//! Detects data without repetitions (compressed, encrypted, random) by a small sample.

use super::window::Window;

/// Bytes that are classified at once.
pub(super) const PIECE_BYTES: usize = 1024;
/// Bytes of a piece that are sampled.
const SAMPLES: usize = 128;
const STRIDE: usize = PIECE_BYTES / SAMPLES - 1;
/// Greatest number of pairs of equal bytes among the samples of random data. Random bytes have 128 * 127 / 2 / 256 = 32
/// equal pairs, plus or minus 6; base64 has 130, machine code 200, text 400.
const MAX_EQUAL_PAIRS: u32 = 48;

/// Returns whether the piece at `at` looks random.
pub(super) fn is_noise(window: &Window, at: usize) -> bool {
    let mut seen = [0u8; 256];
    let mut pairs = 0;
    let mut from = at;
    // An odd stride, so that the samples do not hit the same field of records of an even size.
    for _ in 0..SAMPLES {
        let count = &mut seen[usize::from(window.byte(from))];
        pairs += u32::from(*count);
        *count += 1;
        from += STRIDE;
    }
    pairs <= MAX_EQUAL_PAIRS
}
