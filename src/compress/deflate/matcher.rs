//! Finding matches: where in the window the next bytes stood before.

use super::symbols::DISTANCE_MAX;
use super::window::Window;

/// A match; a `length` of 0 is none.
#[derive(Clone, Copy)]
pub(super) struct Match {
    pub(super) length: usize,
    pub(super) distance: usize,
}

impl Match {
    pub(super) const NONE: Self = Self { length: 0, distance: 0 };
}

const SIZE3: usize = 1 << 13;
const SIZE4: usize = 1 << 16;
const LATEST4: usize = SIZE3;
const STEPS: usize = SIZE3 + SIZE4;
const HASH_FACTOR: u32 = 0x9e37_79b1;
/// What stands in a table where nothing was entered: further than the window from all positions of the first 32 KiB.
const EMPTY: u16 = 0x8000;

/// Positions by the hash of what stands there, chained by their order.
///
/// Positions are kept modulo 64 KiB. What is older than that may thus look like something in the window; since every
/// candidate is compared with the bytes themselves, that costs a comparison and nothing else.
pub(super) struct Chains {
    /// The latest position by three bytes and by four, and for each position of the window how far before it the next
    /// one with the same four bytes is: one array, so that one register holds its address.
    table: Box<[u16; SIZE3 + SIZE4 + DISTANCE_MAX]>,
    ahead: Ahead,
}

/// The next position: its bytes, their hashes, and the latest positions that have these.
#[derive(Clone, Copy, Default)]
struct Ahead {
    word: u32,
    hash3: usize,
    hash4: usize,
    of3: u16,
    of4: u16,
}

impl Chains {
    pub(super) fn new() -> Self {
        let table = vec![EMPTY; SIZE3 + SIZE4 + DISTANCE_MAX].into_boxed_slice();
        Self { table: table.try_into().expect("it was made with this length"), ahead: Ahead::default() }
    }

    /// Forgets all positions, and starts at the beginning of `window`.
    pub(super) fn start(&mut self, window: &Window) {
        self.table.fill(EMPTY);
        self.ahead = self.look_ahead(window, 0);
    }

    /// Looks up `at`, the next position to be entered.
    #[inline(always)]
    fn look_ahead(&self, window: &Window, at: usize) -> Ahead {
        let word = window.load4(at);
        let hash3 = ((word << 8).wrapping_mul(HASH_FACTOR) >> (32 - SIZE3.ilog2())) as usize;
        let hash4 = (word.wrapping_mul(HASH_FACTOR) >> (32 - SIZE4.ilog2())) as usize;
        Ahead { word, hash3, hash4, of3: self.table[hash3], of4: self.table[LATEST4 + hash4] }
    }

    /// Enters `at`, and gives what was known of it before.
    #[inline(always)]
    fn enter(&mut self, window: &Window, at: usize) -> Ahead {
        let here = self.ahead;
        self.table[here.hash3 % SIZE3] = at as u16;
        self.table[LATEST4 + here.hash4 % SIZE4] = at as u16;
        self.table[STEPS + at % DISTANCE_MAX] = (at as u16).wrapping_sub(here.of4);
        self.ahead = self.look_ahead(window, at + 1);
        here
    }

    /// Enters the positions from `at` to `end`.
    #[inline(always)]
    pub(super) fn skip(&mut self, window: &Window, at: usize, end: usize) {
        for at in at..end {
            self.enter(window, at);
        }
    }

    /// Enters `at`, and finds a match there that is longer than `beaten`.
    #[inline(always)]
    pub(super) fn find(&mut self, window: &Window, at: usize, beaten: usize, limit: usize, depth: u32, nice: usize) -> Match {
        let Ahead { word, of3, of4, .. } = self.enter(window, at);
        let reach = at.min(DISTANCE_MAX);
        let mut best = Match { length: beaten, distance: 0 };
        if beaten < 3 {
            let distance = usize::from((at as u16).wrapping_sub(of3));
            if distance.wrapping_sub(1) < reach && window.load4(at - distance) << 8 == word << 8 && limit >= 3 {
                best = Match { length: 3, distance };
            }
        }
        let mut distance = usize::from((at as u16).wrapping_sub(of4));
        if distance.wrapping_sub(1) < reach && limit > 3 && limit > beaten {
            let mut tail_at = best.length.max(3) - 3;
            let mut tail = window.load4(at + tail_at);
            for _ in 0..depth {
                let earlier = at - distance;
                if window.load4(earlier + tail_at) == tail && window.load4(earlier) == word {
                    let length = window.match_length(earlier, at, 4, limit);
                    if length > best.length {
                        best = Match { length, distance };
                        if length >= nice {
                            break;
                        }
                        tail_at = length - 3;
                        tail = window.load4(at + tail_at);
                    }
                }
                distance += usize::from(self.table[STEPS + earlier % DISTANCE_MAX]);
                if distance > reach {
                    break;
                }
            }
        }
        if best.distance == 0 { Match::NONE } else { best }
    }
}
