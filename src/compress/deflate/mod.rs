//! Deflate (RFC 1951) for whole blocks in memory.

mod bits;
mod block;
mod blocks;
mod entropy;
mod huffman;
mod matcher;
mod noise;
mod parse;
mod symbols;
mod tokens;
mod window;

use blocks::{Blocks, Memory};
use matcher::Chains;
use parse::Effort;
use window::Window;

/// How hard the encoder tries, from 0 (stored) to 9.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Level(u8);

impl Level {
    /// The level of this number; `None` for one that there is not.
    pub(super) fn new(number: u8) -> Option<Self> {
        (number <= 9).then_some(Self(number))
    }
}

/// Encodes blocks, each by itself.
pub(super) struct Encoder {
    level: Level,
    chains: Chains,
    memory: Memory,
    window: Window,
}

impl Encoder {
    pub(super) fn new(level: Level) -> Self {
        Self { level, chains: Chains::new(), memory: Memory::new(), window: Window::new() }
    }

    /// Deflate blocks, none of them final, that end on the boundary of a byte.
    pub(super) fn encode(&mut self, block: &[u8]) -> Vec<u8> {
        if block.is_empty() {
            return Vec::new();
        }
        self.window.fill(block);
        self.chains.start();
        let blocks = Blocks::new(block, &self.window, &mut self.memory);
        let effort = match self.level.0 {
            0..=1 => Effort { depth: 1, nice: 20, good: 6, near: 4096, lazy: 258 },
            2 => Effort { depth: 2, nice: 20, good: 6, near: 4096, lazy: 258 },
            3 => Effort { depth: 4, nice: 20, good: 6, near: 4096, lazy: 258 },
            4 => Effort { depth: 8, nice: 20, good: 6, near: 4096, lazy: 258 },
            5 => Effort { depth: 16, nice: 30, good: 8, near: 4096, lazy: 258 },
            6 => Effort { depth: 35, nice: 65, good: 16, near: 4096, lazy: 258 },
            7 => Effort { depth: 100, nice: 130, good: 32, near: 4096, lazy: 258 },
            _ => Effort { depth: 300, nice: 258, good: 32, near: 4096, lazy: 258 },
        };
        let mut effort = effort;
        if let Ok(t) = std::env::var("EFFORT") {
            let v: Vec<usize> = t.split(',').map(|x| x.parse().unwrap()).collect();
            effort = Effort { depth: v[0] as u32, nice: v[1], good: v[2], near: v[3], lazy: v[4] };
        }
        if std::env::var("BACK").is_ok() { return parse::backward(blocks, &mut self.chains, &self.window, effort); }
        parse::lazy(blocks, &mut self.chains, &self.window, effort)
    }
}
