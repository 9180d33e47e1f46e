//! Selects matches. Both methods go through the block once, and both skip noise.

use super::blocks::Blocks;
use super::matcher::{Chains, Match};
use super::noise::{PIECE_BYTES, is_noise};
use super::symbols::LENGTH_MAX;
use super::window::Window;

/// How far entered positions must be ahead of the parse, in bytes, so that it can look at the next positions.
const AHEAD_BYTES: usize = 32;
/// Greatest length of a match that may be unnecessary if the next match starts earlier.
const SHORT: usize = 9;
/// Greatest distance at which a match shortened to two bytes costs less than two literals.
const NEAR: usize = 256;

/// The parameters of a parse.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// Number of candidates that are compared.
    pub(super) depth: u32,
    /// A match of this length ends the comparison of candidates.
    pub(super) nice: usize,
    /// Whether matches of three bytes are searched if they are likely to help.
    pub(super) threes: bool,
    /// For the lazy parse: from this length on, a quarter of the candidates is compared at the next position, otherwise
    /// half.
    pub(super) lazy: Option<usize>,
}

/// The state of a parse.
struct Parse<'a, 'b> {
    blocks: Blocks<'a>,
    chains: &'b mut Chains,
    window: &'a Window,
    /// Start of the literals since the last match.
    literals_at: usize,
    /// The position up to which the parse may go before more positions are entered.
    parse_end: usize,
    in_noise: bool,
    threes: bool,
}

impl<'a, 'b> Parse<'a, 'b> {
    fn new(blocks: Blocks<'a>, chains: &'b mut Chains, window: &'a Window, threes: bool) -> Self {
        Self {
            blocks,
            chains,
            window,
            literals_at: 0,
            parse_end: 0,
            in_noise: false,
            threes,
        }
    }

    /// Enters the next piece of the block, or adds it as literals if it is noise, and decides whether a deflate block
    /// ends. Returns the next position to parse.
    #[inline(never)]
    fn advance(&mut self, at: usize) -> usize {
        let size = self.blocks.size_bytes();
        let entered = self.chains.entered();
        let piece_end = entered + PIECE_BYTES;
        let noise = piece_end <= size && is_noise(self.window, entered) && self.chains.is_new(self.window, piece_end);
        if noise && at < entered {
            // The data before it is parsed first.
            self.parse_end = entered;
            return at;
        }
        let changed = noise != self.in_noise;
        self.in_noise = noise;
        if self.blocks.end_chunk_if_due(at, self.literals_at, changed) {
            self.literals_at = at;
        }
        if noise {
            self.chains.pass(self.window, piece_end);
            self.parse_end = piece_end;
            self.blocks.literals(at, piece_end);
            return piece_end.max(at);
        }
        self.chains.enter(
            self.window,
            piece_end.min(size),
            self.threes && self.blocks.wants_threes(),
        );
        self.parse_end = if piece_end < size {
            piece_end - AHEAD_BYTES
        } else {
            size
        };
        at
    }

    /// Returns a match at `at` that is longer than `beaten` and cheaper than its literals, if there is one.
    #[inline(always)]
    fn find(&self, at: usize, beaten: usize, depth: u32, nice: usize) -> Match {
        let limit = LENGTH_MAX.min(self.blocks.size_bytes() - at);
        let found = self.chains.find(self.window, at, beaten, limit, depth, nice);
        if self.blocks.is_worth(found) {
            found
        } else {
            Match::NONE
        }
    }

    #[inline(always)]
    fn literal(&mut self, at: usize) {
        self.blocks.literal(self.window.byte(at));
    }

    /// Adds a match at `at`, and returns the position after it.
    #[inline(always)]
    fn take(&mut self, at: usize, found: Match) -> usize {
        self.blocks.matched(at - self.literals_at, found);
        self.literals_at = at + found.length;
        self.literals_at
    }
}

/// Uses a match only if there is no better one at the next position.
pub(super) fn lazy(blocks: Blocks, chains: &mut Chains, window: &Window, effort: Effort, good: usize) {
    let size = blocks.size_bytes();
    let mut parse = Parse::new(blocks, chains, window, effort.threes);
    let mut at = 0;
    while at < size {
        if at >= parse.parse_end {
            let next = parse.advance(at);
            if next > at {
                at = next;
                continue;
            }
        }
        let mut found = parse.find(at, 2, effort.depth, effort.nice);
        if found.length == 0 {
            parse.literal(at);
            at += 1;
            continue;
        }
        while found.length < effort.nice && at + 1 < parse.chains.entered() {
            let depth = if found.length >= good {
                effort.depth / 4
            } else {
                effort.depth / 2
            };
            let next = parse.find(at + 1, found.length - 1, depth, effort.nice);
            if next.length == 0 || !is_better(next, found) {
                break;
            }
            parse.literal(at);
            at += 1;
            found = next;
        }
        at = parse.take(at, found);
    }
    parse.blocks.finish(parse.literals_at);
}

/// Returns whether `next`, one position later, is better despite the literal before it: a byte of length is worth four
/// bits.
#[inline(always)]
fn is_better(next: Match, found: Match) -> bool {
    let gain = 4 * (next.length as i32 - found.length as i32);
    let distances = found.distance.ilog2() as i32 - next.distance.ilog2() as i32;
    gain + distances > 2
}

/// Uses the longest match at each position, unless the following match can start early enough to make it unnecessary.
/// Needs half the searches of [`lazy`], and is rarely worse.
pub(super) fn backward(blocks: Blocks, chains: &mut Chains, window: &Window, effort: Effort) {
    let Effort { depth, nice, .. } = effort;
    let size = blocks.size_bytes();
    let mut parse = Parse::new(blocks, chains, window, effort.threes);
    let mut at = 0;
    let mut found = Match::NONE;
    while at < size {
        if at >= parse.parse_end {
            let next = parse.advance(at);
            if next > at {
                at = next;
                found = Match::NONE;
                continue;
            }
        }
        if found.length == 0 {
            found = parse.find(at, 2, depth, nice);
            if found.length == 0 {
                parse.literal(at);
                at += 1;
                continue;
            }
        }
        let next_at = at + found.length;
        if next_at >= parse.chains.entered() {
            at = parse.take(at, found);
            found = Match::NONE;
            continue;
        }
        let next = parse.find(next_at, 2, depth, nice);
        if let Some(earlier) = reach_back(window, next_at, found, next) {
            let start = next_at + next.length - earlier.length;
            while at < start {
                parse.literal(at);
                at += 1;
            }
            found = earlier;
            continue;
        }
        at = parse.take(at, found);
        found = next;
        if next.length == 0 && at < parse.parse_end {
            parse.literal(at);
            at += 1;
        }
    }
    parse.blocks.finish(parse.literals_at);
}

/// Extends `next`, at `next_at`, to start early enough to make `found`, which ends there, unnecessary. Returns `None`
/// if that is not possible.
#[inline(always)]
fn reach_back(window: &Window, next_at: usize, found: Match, next: Match) -> Option<Match> {
    if next.length <= 3 || found.length > SHORT || next_at < next.distance + 8 {
        return None;
    }
    let differing = window.load8(next_at - 8) ^ window.load8(next_at - 8 - next.distance);
    let same = (differing.leading_zeros() >> 3) as usize;
    let back = same.min(found.length).min(LENGTH_MAX - next.length);
    let left = found.length - back;
    let needless = left <= 1 || left == 2 && found.distance > NEAR;
    needless.then_some(Match {
        length: next.length + back,
        distance: next.distance,
    })
}
