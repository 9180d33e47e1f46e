//! Choosing among the matches.

use super::blocks::Blocks;
use super::matcher::{Chains, Match};
use super::noise::{PIECE_BYTES, is_noise};
use super::symbols::LENGTH_MAX;
use super::window::Window;

/// How far the positions entered must be ahead of the parse, so that it may be lazy.
const AHEAD_BYTES: usize = 32;

/// How hard a parse tries.
#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// How many candidates are compared.
    pub(super) depth: u32,
    /// A match of this length is taken without looking for a longer one.
    pub(super) nice: usize,
    /// From this length on, a quarter of the candidates is compared at the next position.
    pub(super) good: usize,
    /// Three bytes at a greater distance are no match.
    pub(super) near: usize,
    /// From this length on, a match is taken at once.
    pub(super) lazy: usize,
}

/// Takes a match only where the next position has no better one.
pub(super) fn lazy(mut blocks: Blocks, chains: &mut Chains, window: &Window, effort: Effort) -> Vec<u8> {
    let size = blocks.size_bytes();
    let mut at = 0;
    let mut literals_at = 0;
    let mut ahead = Ahead::new();
    while at < size {
        if at >= ahead.parse_end {
            let next = ahead.advance(&mut blocks, chains, window, at, &mut literals_at);
            if next > at {
                at = next;
                continue;
            }
        }
        let mut found = find(chains, window, size, at, 2, effort.depth, effort);
        if found.length < 3 || found.length == 3 && found.distance > effort.near {
            blocks.literal(window.byte(at));
            at += 1;
            continue;
        }
        while found.length < effort.lazy && at + 1 < chains.linked() {
            let depth = if found.length >= effort.good { effort.depth / 4 } else { effort.depth / 2 };
            let next = find(chains, window, size, at + 1, found.length - 1, depth, effort);
            if !is_better(next, found) {
                break;
            }
            blocks.literal(window.byte(at));
            at += 1;
            found = next;
        }
        blocks.matched(at - literals_at, found.length, found.distance);
        at += found.length;
        literals_at = at;
    }
    blocks.finish(literals_at)
}

/// Takes the longest match at each place, unless the match behind it, begun earlier, makes it needless.
pub(super) fn backward(mut blocks: Blocks, chains: &mut Chains, window: &Window, effort: Effort) -> Vec<u8> {
    let size = blocks.size_bytes();
    let mut at = 0;
    let mut literals_at = 0;
    let mut ahead = Ahead::new();
    let mut found = Match::NONE;
    while at < size {
        if at >= ahead.parse_end {
            let next = ahead.advance(&mut blocks, chains, window, at, &mut literals_at);
            if next > at {
                at = next;
                found = Match::NONE;
                continue;
            }
        }
        if found.length == 0 {
            found = find(chains, window, size, at, 2, effort.depth, effort);
            if found.length < 3 || found.length == 3 && found.distance > effort.near {
                blocks.literal(window.byte(at));
                at += 1;
                found.length = 0;
                continue;
            }
        }
        let next_at = at + found.length;
        let mut next = Match::NONE;
        let mut known = false;
        if next_at < chains.linked() {
            known = true;
            next = find(chains, window, size, next_at, 2, effort.depth, effort);
            if next.length == 3 && next.distance > effort.near {
                next = Match::NONE;
            }
            if next.length > 3 && found.length <= 9 && next_at >= next.distance + 8 {
                let limit = found.length.min(LENGTH_MAX - next.length).min(next_at - next.distance);
                let before = next_at.wrapping_sub(8);
                let differing = window.load8(before) ^ window.load8(before.wrapping_sub(next.distance));
                let back = limit.min((differing.leading_zeros() >> 3) as usize);
                let left = found.length - back;
                if left <= 1 || left == 2 && found.distance > 256 {
                    for _ in 0..left {
                        blocks.literal(window.byte(at));
                        at += 1;
                    }
                    found = Match { length: next.length + back, distance: next.distance };
                    continue;
                }
            }
        }
        blocks.matched(at - literals_at, found.length, found.distance);
        at = next_at;
        literals_at = at;
        if known && next.length == 0 && at < ahead.parse_end {
            blocks.literal(window.byte(at));
            at += 1;
        }
        found = next;
    }
    blocks.finish(literals_at)
}

/// What is to be parsed next.
struct Ahead {
    /// Up to where may be parsed before more is looked at.
    parse_end: usize,
    noise: bool,
}

impl Ahead {
    fn new() -> Self {
        Self { parse_end: 0, noise: false }
    }

    /// Looks at the next piece: enters its positions, or takes it as literals where it is noise. Gives the position that
    /// is to be parsed next.
    #[inline(never)]
    fn advance(&mut self, blocks: &mut Blocks, chains: &mut Chains, window: &Window, at: usize, literals_at: &mut usize) -> usize {
        let size = blocks.size_bytes();
        let linked = chains.linked();
        let piece_end = linked + PIECE_BYTES;
        let noise = piece_end <= size && is_noise(window, linked) && chains.is_new(window, piece_end);
        if noise && at < linked {
            // The rest before it first.
            self.parse_end = linked;
            return at;
        }
        if noise != self.noise {
            blocks.check_now(at, literals_at);
            self.noise = noise;
        } else {
            blocks.check(at, literals_at);
        }
        if noise {
            chains.pass(window, piece_end);
            self.parse_end = piece_end;
            if at < piece_end {
                blocks.literals(at, piece_end);
            }
            return at.max(piece_end);
        }
        chains.link(window, piece_end.min(size));
        self.parse_end = if piece_end < size { piece_end - AHEAD_BYTES } else { size };
        at
    }
}

#[inline(always)]
fn find(chains: &Chains, window: &Window, size: usize, at: usize, beaten: usize, depth: u32, effort: Effort) -> Match {
    let limit = LENGTH_MAX.min(size - at);
    chains.find(window, at, beaten, limit, depth, effort.nice)
}

/// Whether `next`, one position later, is worth the literal before it.
#[inline(always)]
fn is_better(next: Match, found: Match) -> bool {
    if next.length == 0 {
        return false;
    }
    let gain = 4 * (next.length as i32 - found.length as i32);
    let distances = found.distance.ilog2() as i32 - next.distance.ilog2() as i32;
    gain + distances > 2
}
