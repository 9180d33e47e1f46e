//! The bytes of fixed inputs at each level: they are the byte format, so a change of a digest here is a new one.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::super::{Encoder, Level};
use super::inputs::shapes;

const DIGESTS: [&str; 10] = [
    "", "", "", "", "", "", "", "", "", "",
];

#[test]
fn the_bytes_of_every_level_are_pinned() {
    let found: Vec<String> = (0..=9).map(digest).collect();
    assert_eq!(found, DIGESTS, "these bytes are byte format 1");
}

/// SHA-256 of all shapes' encoded bytes, each with its size before it.
fn digest(level: u8) -> String {
    let mut encoder = Encoder::new(Level::new(level).unwrap());
    let mut hash = Sha256::new();
    for (_, block) in shapes() {
        let encoded = encoder.encode(&block);
        hash.update((encoded.len() as u64).to_le_bytes());
        hash.update(&encoded);
    }
    hash.finalize().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}
