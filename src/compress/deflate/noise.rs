//! Telling data in which nothing repeats (compressed, encrypted, random) from all other, at a glance.

use super::window::Window;

/// How much is judged at once, in bytes.
pub(super) const PIECE_BYTES: usize = 1024;
/// How many bytes of a piece are looked at.
const SAMPLES: usize = 128;
const STRIDE: usize = PIECE_BYTES / SAMPLES - 1;
/// Pairs of equal bytes among the samples, up to which they pass for random. Of random bytes, 128 * 127 / 2 / 256 = 32
/// pairs are equal, give or take 6; of base64 130, of machine code 200, of text 400.
const MAX_EQUAL_PAIRS: u32 = 48;

/// Whether the piece at `at` looks random.
pub(super) fn is_noise(window: &Window, at: usize) -> bool {
    let mut seen = [0u8; 256];
    let mut pairs = 0;
    let mut from = at;
    // An odd stride, so that records of an even size do not show the same field in each sample.
    for _ in 0..SAMPLES {
        let count = &mut seen[usize::from(window.byte(from))];
        pairs += u32::from(*count);
        *count += 1;
        from += STRIDE;
    }
    pairs <= MAX_EQUAL_PAIRS
}
