//! Finding matches: where in the window the next bytes stood before.

use super::symbols::DISTANCE_MAX;

/// A match; a `length` of 0 is none.
#[derive(Clone, Copy)]
pub(super) struct Match {
    pub(super) length: usize,
    pub(super) distance: usize,
}

impl Match {
    pub(super) const NONE: Self = Self { length: 0, distance: 0 };
}

/// The four bytes at `at`; zeros stand for what is behind the end.
#[inline(always)]
pub(super) fn load4(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..at + 4) {
        Some(four) => u32::from_le_bytes(four.try_into().expect("four bytes")),
        None => load_end(bytes, at) as u32,
    }
}

/// The eight bytes at `at`; zeros stand for what is behind the end.
#[inline(always)]
pub(super) fn load8(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..at + 8) {
        Some(eight) => u64::from_le_bytes(eight.try_into().expect("eight bytes")),
        None => load_end(bytes, at),
    }
}

#[cold]
#[inline(never)]
fn load_end(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    let rest = bytes.get(at..).unwrap_or_default();
    let rest = &rest[..rest.len().min(8)];
    eight[..rest.len()].copy_from_slice(rest);
    u64::from_le_bytes(eight)
}

/// How many bytes at `earlier` and `at` are the same, `known` of which are known to be; at most `limit`.
#[inline(always)]
fn match_length(bytes: &[u8], earlier: usize, at: usize, known: usize, limit: usize) -> usize {
    let mut length = known;
    while length < limit {
        let differing = load8(bytes, earlier + length) ^ load8(bytes, at + length);
        if differing != 0 {
            return limit.min(length + (differing.trailing_zeros() >> 3) as usize);
        }
        length += 8;
    }
    limit
}

const HASH3_BITS: u32 = 15;
const HASH4_BITS: u32 = 16;
const HASH_FACTOR: u32 = 0x9e37_79b1;
/// What stands in a table where nothing was entered: further than the window from all positions of the first 32 KiB.
const EMPTY: u16 = 0x8000;

/// Positions by the hash of what stands there, chained by their order.
///
/// Positions are kept modulo 64 KiB. What is older than that may thus look like something in the window; since every
/// candidate is compared with the bytes themselves, that costs a comparison and nothing else.
pub(super) struct Chains {
    latest3: Box<[u16; 1 << HASH3_BITS]>,
    latest4: Box<[u16; 1 << HASH4_BITS]>,
    previous: Box<[u16; DISTANCE_MAX]>,
}

fn table<const N: usize>() -> Box<[u16; N]> {
    vec![EMPTY; N].into_boxed_slice().try_into().expect("it was made with this length")
}

impl Chains {
    pub(super) fn new() -> Self {
        Self { latest3: table(), latest4: table(), previous: table() }
    }

    /// Forgets all positions.
    pub(super) fn clear(&mut self) {
        self.latest3.fill(EMPTY);
        self.latest4.fill(EMPTY);
        self.previous.fill(EMPTY);
    }

    /// Enters `at`, and gives the latest positions before it with the same three and four bytes.
    #[inline(always)]
    fn enter(&mut self, at: usize, word: u32) -> (u16, u16) {
        let hash3 = ((word << 8).wrapping_mul(HASH_FACTOR) >> (32 - HASH3_BITS)) as usize;
        let hash4 = (word.wrapping_mul(HASH_FACTOR) >> (32 - HASH4_BITS)) as usize;
        let (of3, of4) = (self.latest3[hash3], self.latest4[hash4]);
        self.latest3[hash3] = at as u16;
        self.latest4[hash4] = at as u16;
        self.previous[at % DISTANCE_MAX] = of4;
        (of3, of4)
    }

    /// Enters the positions from `at` to `end`.
    #[inline(always)]
    pub(super) fn skip(&mut self, bytes: &[u8], at: usize, end: usize) {
        for at in at..end {
            self.enter(at, load4(bytes, at));
        }
    }

    /// Enters `at`, and finds a match there that is longer than `beaten`.
    #[inline(always)]
    pub(super) fn find(&mut self, bytes: &[u8], at: usize, beaten: usize, limit: usize, depth: u32, nice: usize) -> Match {
        let word = load4(bytes, at);
        let (of3, mut candidate) = self.enter(at, word);
        let mut best = Match { length: beaten, distance: 0 };
        let window = at.min(DISTANCE_MAX);
        if limit <= beaten {
            return Match::NONE;
        }
        if beaten < 3 {
            let distance = usize::from((at as u16).wrapping_sub(of3));
            if distance.wrapping_sub(1) < window && load4(bytes, at - distance) << 8 == word << 8 && limit >= 3 {
                best = Match { length: 3, distance };
            }
        }
        if limit < 4 {
            return if best.distance == 0 { Match::NONE } else { best };
        }
        let mut tail_at = best.length.max(3) - 3;
        let mut tail = load4(bytes, at + tail_at);
        let mut last = 0;
        for _ in 0..depth {
            let distance = usize::from((at as u16).wrapping_sub(candidate));
            if distance <= last || distance > window {
                break;
            }
            last = distance;
            let earlier = at - distance;
            if load4(bytes, earlier + tail_at) == tail && load4(bytes, earlier) == word {
                let length = match_length(bytes, earlier, at, 4, limit);
                if length > best.length {
                    best = Match { length, distance };
                    if length >= nice {
                        break;
                    }
                    tail_at = length - 3;
                    tail = load4(bytes, at + tail_at);
                }
            }
            candidate = self.previous[earlier % DISTANCE_MAX];
        }
        if best.distance == 0 { Match::NONE } else { best }
    }
}
