//! The bytes of fixed inputs at each level: they are the byte format, so a change of a digest here is a new one.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::super::{Encoder, Level};
use super::inputs::shapes;

const DIGESTS: [&str; 10] = [
    "7197c3220ae03abd0a5dff3088189d75b757e049526d9a58d3a9ae32f347ce16",
    "65d42fa639b7aef82b28181ccfcb02616a8b029e46bb09f47070d665ec954b1d",
    "af7edadc83de8278829e5dd552a1bee87d267ecc172c36831c4ee80603ee89a8",
    "93a29a9d5fa282090df823ad596d683d2711a31ee29462fbbd0abf9bb2200068",
    "231c66d0f40cdf92075e971ffbad392d173e0cf4a418d78435f12c86127bb22c",
    "6382e120423eb977ea3bb6a2252c46919f3c513ee104f0f72a48c2d138162fb5",
    "326b1bb5a3fb01ba3a308ca40e6b67d213f445dffbb541eb3771040fcca7bc14",
    "ed52cf971587daddead56bbab1a3bc96d91225e96808c4369e68e7d91e3b3c60",
    "2e7725b3593c83c75a2c1975c4e28f395e88538d47869fefbae19f58bcb4f70e",
    "a0b1a82063933bfba7f0e3f9356439926d0033ff3ef4bc463e9655fd8575b3d0",
];

#[test]
fn the_bytes_of_every_level_are_pinned() {
    let found: Vec<String> = (0..=9).map(digest).collect();
    assert_eq!(found, DIGESTS, "these bytes are byte format 1");
}

/// Returns the SHA-256 of the encoded bytes of all shapes, each preceded by its size.
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
