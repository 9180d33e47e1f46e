//! Deflate (RFC 1951) for whole blocks in memory: our own encoder, since byte format 1 must outlive every dependency,
//! and no implementation of deflate promises its bytes.
//!
//! A block is copied into a [`window::Window`], entered in hash chains ([`matcher`]), parsed to literals and matches
//! ([`parse`]), cut into deflate blocks where the statistics change ([`blocks`], by the costs of [`entropy`]), and
//! written as the cheapest kind of block ([`block`], with the codes of [`huffman`], as [`bits`]). What [`noise`] takes
//! for random is not parsed.
//!
//! This module must never let anything but the level and the block reach the bytes: no reused table, no difference
//! between processors, no fraction that is rounded in a way of its own, no width of `usize`. A change of these bytes is
//! a new byte format. It has no unsafe code: what bounds checks would cost is avoided by masks and fixed sizes.

#![forbid(unsafe_code)]

mod bits;
mod block;
mod blocks;
mod entropy;
mod header;
mod huffman;
mod matcher;
mod noise;
mod parse;
mod symbols;
#[cfg(test)]
mod tests;
mod tokens;
mod window;

use blocks::{Blocks, Memory};
use matcher::Chains;
use parse::Effort;
use window::{BLOCK_MAX, Window};

/// How hard the encoder tries, from 0 (stored) to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(u8);

impl Level {
    /// The level of this number; `None` for one that there is not.
    pub(super) fn new(number: u8) -> Option<Self> {
        (number <= 9).then_some(Self(number))
    }

    /// What the level means; `None` for storing. Each was chosen by measuring: docs/decisions.md.
    fn effort(self) -> Option<Effort> {
        let backward = |depth| Some(Effort { depth, nice: 128, threes: depth > 1, lazy: None });
        let lazy = |depth, nice, good| Some(Effort { depth, nice, threes: true, lazy: Some(good) });
        match self.0 {
            0 => None,
            1 => backward(1),
            2 => backward(2),
            3 => backward(4),
            4 => backward(6),
            5 => backward(8),
            6 => backward(12),
            7 => lazy(24, 128, 16),
            8 => lazy(64, 258, 32),
            _ => lazy(512, 258, 258),
        }
    }
}

/// Encodes blocks, each by itself: what one block was does not show in the next.
pub(super) struct Encoder {
    level: Level,
    window: Window,
    chains: Chains,
    memory: Memory,
}

impl Encoder {
    /// An encoder, which takes about 3 MiB of memory and, for what it is given, up to 8 bytes for each match.
    pub(super) fn new(level: Level) -> Self {
        Self { level, window: Window::new(), chains: Chains::new(), memory: Memory::new() }
    }

    /// Deflate blocks, none of them final, that end on the boundary of a byte: by themselves, or by an empty stored
    /// block. No bytes encode to no bytes. The memory of one block is bounded by cutting at every 2 MiB.
    pub(super) fn encode(&mut self, block: &[u8]) -> Vec<u8> {
        self.memory.clear();
        for piece in block.chunks(BLOCK_MAX) {
            match self.level.effort() {
                None => self.memory.store(piece),
                Some(effort) => self.deflate(piece, effort),
            }
        }
        self.memory.finish()
    }

    fn deflate(&mut self, block: &[u8], effort: Effort) {
        self.window.fill(block);
        self.chains.clear();
        let blocks = Blocks::new(block, &self.window, &mut self.memory);
        match effort.lazy {
            None => parse::backward(blocks, &mut self.chains, &self.window, effort),
            Some(good) => parse::lazy(blocks, &mut self.chains, &self.window, effort, good),
        }
    }
}
