//! Finds matches: earlier positions in the window with the same bytes.

use super::symbols::DISTANCE_MAX;
use super::window::Window;

/// A match; none if `length` is 0.
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
/// Number of positions ahead of the parse for which the distance of the last equal three bytes is known.
const RING3: usize = 1 << 11;
const LATEST4: usize = SIZE3;
const STEPS3: usize = SIZE3 + SIZE4;
const PREVIOUS4: usize = STEPS3 + RING3;
const TABLE_SIZE: usize = PREVIOUS4 + (1 << 16);
const HASH_FACTOR: u32 = 0x9e37_79b1;
/// The value of an empty table entry: outside the window of all positions of the first 32 KiB.
const EMPTY: u16 = 0x8000;

/// Interval of the positions that are entered when a range is skipped. As many neighboring positions are looked up at
/// one place, so that no distance is missed.
const ENTER_EVERY: usize = 16;
/// Distance between these places.
const PROBE_EVERY: usize = 256;

#[inline(always)]
fn hash3(word: u32) -> usize {
    ((word << 8).wrapping_mul(HASH_FACTOR) >> (32 - SIZE3.ilog2())) as usize
}

#[inline(always)]
fn hash4(word: u32) -> usize {
    LATEST4 + (word.wrapping_mul(HASH_FACTOR) >> (32 - SIZE4.ilog2())) as usize
}

/// Positions by the hash of the bytes there, chained in order.
///
/// Positions are stored modulo 64 KiB, so an older position may look like one in the window. Since every candidate is
/// compared with the actual bytes, this only costs a comparison.
pub(super) struct Chains {
    /// Three parts in one array, so that one register holds its address: the latest position by three and by four
    /// bytes; for the next positions, the distance of the last equal three bytes; and for the whole window, the
    /// previous position with the same four bytes.
    table: Box<[u16; TABLE_SIZE]>,
    entered: usize,
    /// Whether three bytes were entered last.
    threes: bool,
}

impl Chains {
    pub(super) fn new() -> Self {
        let table = vec![EMPTY; TABLE_SIZE].into_boxed_slice();
        Self {
            table: table.try_into().expect("it was made with this length"),
            entered: 0,
            threes: false,
        }
    }

    /// Removes all positions.
    pub(super) fn clear(&mut self) {
        self.table.fill(EMPTY);
        self.entered = 0;
        self.threes = false;
    }

    /// Returns the position up to which positions are entered or skipped.
    #[inline(always)]
    pub(super) fn entered(&self) -> usize {
        self.entered
    }

    /// Returns whether a sample of the positions from the last entered one up to `end` contains nothing that occurred
    /// before.
    pub(super) fn is_new(&self, window: &Window, end: usize) -> bool {
        let mut runs = (self.entered..end).step_by(PROBE_EVERY);
        !runs.any(|run| (run..run + ENTER_EVERY).any(|at| self.has_eight(window, at)))
    }

    /// Returns whether the eight bytes at `at` also occur at the latest position of their first four.
    #[inline(always)]
    fn has_eight(&self, window: &Window, at: usize) -> bool {
        let eight = window.load8(at);
        let distance = usize::from((at as u16).wrapping_sub(self.table[hash4(eight as u32)]));
        distance.wrapping_sub(1) < at.min(DISTANCE_MAX) && window.load8(at - distance) == eight
    }

    /// Skips the positions before `end`, and enters only as many as [`Chains::is_new`] needs.
    pub(super) fn pass(&mut self, window: &Window, end: usize) {
        for at in (self.entered..end).step_by(ENTER_EVERY) {
            self.enter_one::<false>(window, at);
        }
        self.entered = self.entered.max(end);
    }

    /// Enters all positions before `end`. Matches of three bytes are entered and found only if `threes` is set.
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
        let hash4 = hash4(word);
        let here = at as u16;
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
        let mut best = Match {
            length: beaten,
            distance: 0,
        };
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
