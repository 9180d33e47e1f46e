//! Deflate (RFC 1951) for whole blocks in memory. This is a separate encoder because byte format 1 must outlive every
//! dependency, and no implementation of deflate guarantees its output bytes.
//!
//! A block is copied to a [`window::Window`], entered in hash chains ([`matcher`]), parsed to literals and matches
//! ([`parse`]), cut into deflate blocks where the statistics change ([`blocks`], by the costs of [`entropy`]), and
//! written as the smallest kind of block ([`block`], with the codes of [`huffman`], as [`bits`]). Data that [`noise`]
//! classifies as random is not parsed.
//!
//! The output must depend on nothing but the level and the block: not on reused tables, differences between processors,
//! rounding, or the width of `usize`. A change of the output is a new byte format. The module has no unsafe code: masks
//! and fixed sizes avoid the cost of bounds checks.

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

/// The effort of the encoder, from 0 (stored) to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(u8);

impl Level {
    /// Returns the level with this number; `None` if it does not exist.
    pub(super) fn new(number: u8) -> Option<Self> {
        (number <= 9).then_some(Self(number))
    }

    /// Returns the parameters of the level; `None` for storing. Each was chosen by measurements: docs/decisions.md.
    fn effort(self) -> Option<Effort> {
        let backward = |depth| {
            Some(Effort {
                depth,
                nice: 128,
                threes: depth > 1,
                lazy: None,
            })
        };
        let lazy = |depth, nice, good| {
            Some(Effort {
                depth,
                nice,
                threes: true,
                lazy: Some(good),
            })
        };
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

/// Encodes blocks independently: the output for a block does not depend on earlier blocks.
pub(super) struct Encoder {
    level: Level,
    window: Window,
    chains: Chains,
    memory: Memory,
}

impl Encoder {
    /// Creates an encoder. It uses about 3 MiB of memory, and up to 8 bytes for each match of the input.
    pub(super) fn new(level: Level) -> Self {
        Self {
            level,
            window: Window::new(),
            chains: Chains::new(),
            memory: Memory::new(),
        }
    }

    /// Encodes a block to deflate blocks. None of them is final, and they end at a byte boundary, if necessary by an
    /// empty stored block. Empty input gives empty output. Input is cut every 2 MiB to limit memory.
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
