//! Tests of encoding and decoding together, and shared helpers: a corpus and a reader of compressed streams.

mod decode;
mod encode;
mod golden;
mod zstd;

use std::io::{self, Read};

use super::{Algorithm, CompressError, Compression, decoder_for};

/// Bytes without a pattern, the same on every machine (xorshift64*).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    fn below(&mut self, bound: u64) -> usize {
        usize::try_from(self.next() % bound).unwrap()
    }
}

/// Returns `size_bytes` bytes of words, random bytes, zeros and repeats of earlier bytes in turn, similar to layers.
fn corpus(size_bytes: usize) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "layer ",
        "image ",
        "digest",
        "sha256:",
        "the ",
        "of ",
        "\n",
        "fn main() {\n",
        "0x7f",
        "    ",
        "usr/lib/",
        "=",
    ];
    let mut random = Random::new(0x0c17_ec70);
    let mut bytes = Vec::with_capacity(size_bytes + 64 * 1024);
    while bytes.len() < size_bytes {
        match random.below(8) {
            0 => bytes.extend((0..random.below(40_000)).map(|_| random.next() as u8)),
            1 => bytes.resize(bytes.len() + random.below(20_000), 0),
            2 if !bytes.is_empty() => {
                let start = random.below(bytes.len() as u64);
                let end = bytes.len().min(start + random.below(30_000));
                bytes.extend_from_within(start..end);
            }
            _ => {
                for _ in 0..random.below(6_000) {
                    bytes.extend_from_slice(WORDS[random.below(WORDS.len() as u64)].as_bytes());
                }
            }
        }
    }
    bytes.truncate(size_bytes);
    bytes
}

fn compression(algorithm: Algorithm, level: i32) -> Compression {
    Compression::new(algorithm, Some(level)).unwrap()
}

/// Encodes the stream from blocks, like a caller.
fn encode(compression: Compression, stream: &[u8]) -> Vec<u8> {
    let mut checksum = super::Checksum::new();
    let mut encoded = compression.header().to_vec();
    for block in stream.chunks(compression.block_unit_bytes()) {
        checksum.append(&super::Checksum::of(block));
        encoded.extend(compression.block_encoder().encode(block).unwrap());
    }
    encoded.extend(compression.trailer(&checksum));
    encoded
}

fn decode(algorithm: Algorithm, encoded: &[u8]) -> io::Result<Vec<u8>> {
    let mut decoded = Vec::new();
    decoder_for(algorithm, encoded).read_to_end(&mut decoded)?;
    Ok(decoded)
}

/// Returns the error of decoding `encoded`, which must be one of this module.
fn refusal(algorithm: Algorithm, encoded: &[u8]) -> CompressError {
    let error = decode(algorithm, encoded).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    *error.into_inner().unwrap().downcast().unwrap()
}
