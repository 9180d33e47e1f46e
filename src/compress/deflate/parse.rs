//! Choosing among the matches.

use super::blocks::Blocks;
use super::matcher::{Chains, Match};
use super::symbols::LENGTH_MAX;
use super::window::Window;

const BATCH: usize = 1024;
const AHEAD: usize = 32;

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
}

/// Takes a match only where the next position has no better one.
pub(super) fn lazy(mut blocks: Blocks, chains: &mut Chains, window: &Window, effort: Effort) -> Vec<u8> {
    let size = blocks.size_bytes();
    let mut at = 0;
    let mut literals_at = 0;
    let mut linked = 0;
    while at < size {
        if at + AHEAD > linked {
            linked = size.min(at + BATCH);
            chains.link(window, linked);
        }
        blocks.check(at, &mut literals_at);
        let mut found = find(chains, window, size, at, 2, effort.depth, effort);
        if found.length < 3 || found.length == 3 && found.distance > effort.near {
            blocks.literal(window.byte(at));
            at += 1;
            continue;
        }
        while found.length < effort.nice && at + 1 < linked {
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
