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
/// Positions ahead of the parse whose step over three bytes is known.
const RING3: usize = 1 << 11;
const LATEST4: usize = SIZE3;
const STEPS3: usize = SIZE3 + SIZE4;
const PREVIOUS4: usize = STEPS3 + RING3;
const TABLE_SIZE: usize = PREVIOUS4 + (1 << 16);
const HASH_FACTOR: u32 = 0x9e37_79b1;
/// What stands in a table where nothing was entered: further than the window from all positions of the first 32 KiB.
const EMPTY: u16 = 0x8000;

/// Of positions that are passed by, every how many one is entered; and, so that no distance is missed, how many
/// neighbours are looked up in one place.
const ENTER_EVERY: usize = 16;
/// How far those places are apart.
const PROBE_EVERY: usize = 256;

#[inline(always)]
fn hash3(word: u32) -> usize {
    ((word << 8).wrapping_mul(HASH_FACTOR) >> (32 - SIZE3.ilog2())) as usize
}

#[inline(always)]
fn hash4(word: u32) -> usize {
    LATEST4 + (word.wrapping_mul(HASH_FACTOR) >> (32 - SIZE4.ilog2())) as usize
}

/// Positions by the hash of what stands there, chained by their order.
///
/// Positions are kept modulo 64 KiB. What is older than that may thus look like something in the window; since every
/// candidate is compared with the bytes themselves, that costs a comparison and nothing else.
pub(super) struct Chains {
    /// The latest position by three bytes and by four; for the next positions, how far before them the same three bytes
    /// are; and for all of the window, the previous position with the same four. One array, so that one register holds
    /// its address.
    table: Box<[u16; TABLE_SIZE]>,
    entered: usize,
    /// Whether three bytes were entered last.
    threes: bool,
}

impl Chains {
    pub(super) fn new() -> Self {
        let table = vec![EMPTY; TABLE_SIZE].into_boxed_slice();
        Self { table: table.try_into().expect("it was made with this length"), entered: 0, threes: false }
    }

    /// Forgets all positions.
    pub(super) fn clear(&mut self) {
        self.table.fill(EMPTY);
        self.entered = 0;
        self.threes = false;
    }

    /// Up to where positions are entered, or passed.
    #[inline(always)]
    pub(super) fn entered(&self) -> usize {
        self.entered
    }

    /// Whether a sample of the positions from the last entered one up to `end` says that nothing there occurred before.
    pub(super) fn is_new(&self, window: &Window, end: usize) -> bool {
        let mut runs = (self.entered..end).step_by(PROBE_EVERY);
        !runs.any(|run| (run..run + ENTER_EVERY).any(|at| self.has_eight(window, at)))
    }

    /// Whether the eight bytes at `at` stand at the latest position of their first four.
    #[inline(always)]
    fn has_eight(&self, window: &Window, at: usize) -> bool {
        let eight = window.load8(at);
        let distance = usize::from((at as u16).wrapping_sub(self.table[hash4(eight as u32)]));
        distance.wrapping_sub(1) < at.min(DISTANCE_MAX) && window.load8(at - distance) == eight
    }

    /// Passes by the positions before `end`, of which few are entered: as many as [`Chains::is_new`] needs.
    pub(super) fn pass(&mut self, window: &Window, end: usize) {
        for at in (self.entered..end).step_by(ENTER_EVERY) {
            self.enter_one::<false>(window, at);
        }
        self.entered = self.entered.max(end);
    }

    /// Enters all positions before `end`; those of three bytes only if `threes`, and else they are not found either.
    #[inline(never)]
    pub(super) fn enter(&mut self, window: &Window, end: usize, threes: bool) {
        self.threes = threes;
        if threes {
            (self.entered..end).for_each(|at| self.enter_one::<true>(window, at));
        } else {
            (self.entered..end).for_each(|at| self.enter_one::<false>(window, at));
        }
        self.entered = self.entered.max(end);
    }

    #[inline(always)]
    fn enter_one<const THREES: bool>(&mut self, window: &Window, at: usize) {
        let word = window.load4(at);
        let (hash4, here) = (hash4(word), at as u16);
        if THREES {
            let hash3 = hash3(word);
            self.table[STEPS3 + at % RING3] = here.wrapping_sub(self.table[hash3]);
            self.table[hash3] = here;
        }
        self.table[PREVIOUS4 + usize::from(here)] = self.table[hash4];
        self.table[hash4] = here;
    }

    /// Finds a match at `at` that is longer than `beaten`.
    #[inline(always)]
    pub(super) fn find(
        &self,
        window: &Window,
        at: usize,
        beaten: usize,
        limit: usize,
        depth: u32,
        nice: usize,
    ) -> Match {
        let word = window.load4(at);
        let reach = at.min(DISTANCE_MAX);
        let mut best = Match { length: beaten, distance: 0 };
        let mut candidate = self.table[PREVIOUS4 + usize::from(at as u16)];
        let mut distance = usize::from((at as u16).wrapping_sub(candidate));
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
                candidate = self.table[PREVIOUS4 + usize::from(candidate)];
                let next = usize::from((at as u16).wrapping_sub(candidate));
                if next <= distance || next > reach {
                    break;
                }
                distance = next;
            }
        }
        if best.distance != 0 {
            return best;
        }
        if self.threes && beaten < 3 {
            let distance = usize::from(self.table[STEPS3 + at % RING3]);
            if distance.wrapping_sub(1) < reach && window.load4(at - distance) << 8 == word << 8 && limit >= 3 {
                return Match { length: 3, distance };
            }
        }
        Match::NONE
    }
}
