//! Compression of layers, both ways: what the compressed bytes of a layer are (byte format 1), and how the
//! compressed layers and archives of others are read.
//!
//! Encoding is pure and cut into blocks: [`BlockEncoder::encode`] turns one block of the stream into bytes that
//! depend on nothing but that block and the [`Compression`], so blocks may be encoded in any order, in any number of
//! threads, and kept. Decoding is streaming, with memory bounded by the window of the format.
//!
//! gzip is RFC 1952 over RFC 1951; zstd is RFC 8878.
//!
//! This module must never let anything but the block and the level reach the bytes that it makes (no reused encoder,
//! no output buffer of varying size, no time, no name), never report a stream that was cut short as complete, and
//! never allocate what a damaged header asks for.

mod decode;
mod deflate;
mod encode;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod tests;

use std::fmt;

pub use decode::{ZSTD_WINDOW_MAX_BYTES, decoder, decoder_for, sniff};
pub use encode::{BlockEncoder, Checksum, Encoder};
pub use error::CompressError;

/// One mebibyte, in bytes.
const MIB: usize = 1024 * 1024;

/// Lowest level of gzip: stored, not compressed.
pub const GZIP_LEVEL_MIN: i32 = 0;
/// Highest level of gzip.
pub const GZIP_LEVEL_MAX: i32 = 9;
/// Level of gzip where none is asked for: what gzip and zlib themselves take.
pub const GZIP_LEVEL_DEFAULT: i32 = 6;
/// Unit of the blocks of gzip, in bytes, not compressed: most blocks have between one and two. Each starts with an empty
/// window of 32 KiB, so larger blocks gain next to nothing and smaller ones lose.
pub const GZIP_BLOCK_UNIT_BYTES: usize = MIB;

/// Lowest level of zstd. The encoder also knows 0 (another spelling of 3) and negative levels, which trade size for a
/// speed that no layer needs; a level has one spelling here.
pub const ZSTD_LEVEL_MIN: i32 = 1;
/// Highest level of zstd.
pub const ZSTD_LEVEL_MAX: i32 = 22;
/// Level of zstd where none is asked for: what zstd itself takes.
pub const ZSTD_LEVEL_DEFAULT: i32 = 3;
/// Unit of the blocks of zstd, in bytes, not compressed. Each block is a frame that knows nothing of the others: frames
/// of 1 MiB were measured to cost 3.2 % of size, frames of 4 MiB 0.6 %.
pub const ZSTD_BLOCK_UNIT_BYTES: usize = 4 * MIB;

/// Unit of the blocks of an uncompressed stream, in bytes. It shows in no output; it only bounds memory.
pub const NONE_BLOCK_UNIT_BYTES: usize = MIB;

/// No block has more units.
pub const MAX_BLOCK_UNITS: usize = 2;

/// How the bytes of a layer are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// gzip, RFC 1952; media type suffix `+gzip`.
    Gzip,
    /// Zstandard, RFC 8878; media type suffix `+zstd`.
    Zstd,
    /// Not compressed; media type without suffix.
    None,
}

impl Algorithm {
    /// The algorithm with this name: `gzip`, `zstd` or `none`.
    ///
    /// # Errors
    /// [`CompressError::UnknownAlgorithm`] for any other name.
    pub fn parse(name: &str) -> Result<Self, CompressError> {
        match name {
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            "none" => Ok(Self::None),
            other => Err(CompressError::UnknownAlgorithm { name: other.escape_default().to_string() }),
        }
    }

    /// The name that [`Algorithm::parse`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An algorithm and a level that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Compression {
    algorithm: Algorithm,
    level: i32,
}

impl Compression {
    /// `algorithm` at `level`, or at its default level.
    ///
    /// # Errors
    /// [`CompressError::LevelOutOfRange`] where the algorithm lacks the level, [`CompressError::LevelNotTaken`] for a
    /// level with [`Algorithm::None`].
    pub fn new(algorithm: Algorithm, level: Option<i32>) -> Result<Self, CompressError> {
        let (min, default, max) = match (algorithm, level) {
            (Algorithm::Gzip, _) => (GZIP_LEVEL_MIN, GZIP_LEVEL_DEFAULT, GZIP_LEVEL_MAX),
            (Algorithm::Zstd, _) => (ZSTD_LEVEL_MIN, ZSTD_LEVEL_DEFAULT, ZSTD_LEVEL_MAX),
            (Algorithm::None, None) => {
                return Ok(Self { algorithm, level: 0 });
            }
            (Algorithm::None, Some(level)) => return Err(CompressError::LevelNotTaken { level }),
        };
        let level = level.unwrap_or(default);
        if !(min..=max).contains(&level) {
            return Err(CompressError::LevelOutOfRange { algorithm, level, min, max });
        }
        Ok(Self { algorithm, level })
    }

    /// The algorithm.
    pub fn algorithm(self) -> Algorithm {
        self.algorithm
    }

    /// The level; 0 for [`Algorithm::None`].
    pub fn level(self) -> i32 {
        self.level
    }

    /// The least size of a block, save for those that the stream ends too early for, in bytes. No block has more than
    /// [`MAX_BLOCK_UNITS`] of them.
    pub fn block_unit_bytes(self) -> usize {
        match self.algorithm {
            Algorithm::Gzip => GZIP_BLOCK_UNIT_BYTES,
            Algorithm::Zstd => ZSTD_BLOCK_UNIT_BYTES,
            Algorithm::None => NONE_BLOCK_UNIT_BYTES,
        }
    }
}
