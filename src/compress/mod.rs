//! Compresses layers, whose bytes byte format 1 defines, and decompresses layers and archives from outside.
//!
//! Encoding is pure and cut into blocks: [`BlockEncoder::encode`] turns one block of the stream into bytes that depend
//! only on the block and the [`Compression`]. Blocks may therefore be encoded in any order, in any number of threads,
//! and stored. Decoding is streaming; its memory is limited by the window of the format.
//!
//! gzip is RFC 1952 over RFC 1951; zstd is RFC 8878.
//!
//! The output must depend on nothing but the block and the level (not on a reused encoder, the size of an output
//! buffer, a time or a name). This module must never report a truncated stream as complete, and never fill memory
//! by the header of a damaged stream.

mod decode;
mod deflate;
mod encode;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod source;
#[cfg(test)]
mod tests;
mod zstd_reader;

use std::fmt;

pub use decode::{ZSTD_WINDOW_MAX_BYTES, decoder, decoder_for, sniff};
pub use encode::{BlockEncoder, Checksum, Encoder};
pub use error::CompressError;

/// One mebibyte, in bytes.
const MIB: usize = 1024 * 1024;

/// Lowest level of gzip: stored without compression.
pub const GZIP_LEVEL_MIN: i32 = 0;
/// Highest level of gzip.
pub const GZIP_LEVEL_MAX: i32 = 9;
/// Default level of gzip, the same as that of gzip and zlib.
pub const GZIP_LEVEL_DEFAULT: i32 = 6;
/// Unit of the blocks of gzip, in uncompressed bytes: most blocks have between one and two units. Each starts with an
/// empty window of 32 KiB, so larger blocks gain almost nothing and smaller ones lose.
pub const GZIP_BLOCK_UNIT_BYTES: usize = MIB;

/// Lowest level of zstd. The encoder also supports 0 (another spelling of 3) and negative levels, which trade size for
/// a speed that no layer needs. Here each level has one spelling.
pub const ZSTD_LEVEL_MIN: i32 = 1;
/// Highest level of zstd.
pub const ZSTD_LEVEL_MAX: i32 = 22;
/// Default level of zstd, the same as that of zstd itself.
pub const ZSTD_LEVEL_DEFAULT: i32 = 3;
/// Unit of the blocks of zstd, in uncompressed bytes. Each block is an independent frame. Measured, frames of 1 MiB
/// cost 3.2 % of size, frames of 4 MiB 0.6 %.
pub const ZSTD_BLOCK_UNIT_BYTES: usize = 4 * MIB;

/// Unit of the blocks of an uncompressed stream, in bytes. It does not affect the output and only limits memory.
pub const NONE_BLOCK_UNIT_BYTES: usize = MIB;

/// Greatest number of units in a block.
pub const MAX_BLOCK_UNITS: usize = 2;

/// The compression algorithm of a layer.
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
    /// Returns the algorithm with this name: `gzip`, `zstd` or `none`.
    ///
    /// # Errors
    /// Returns [`CompressError::UnknownAlgorithm`] for any other name.
    pub fn parse(name: &str) -> Result<Self, CompressError> {
        match name {
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            "none" => Ok(Self::None),
            other => Err(CompressError::UnknownAlgorithm {
                name: other.escape_default().to_string(),
            }),
        }
    }

    /// Returns the name that [`Algorithm::parse`] accepts.
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

/// An algorithm and one of its levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Compression {
    algorithm: Algorithm,
    level: i32,
}

impl Compression {
    /// Creates the compression by `algorithm` at `level`, or at its default level.
    ///
    /// # Errors
    /// Returns [`CompressError::LevelOutOfRange`] if the algorithm does not have the level, and
    /// [`CompressError::LevelNotTaken`] for a level with [`Algorithm::None`].
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
            return Err(CompressError::LevelOutOfRange {
                algorithm,
                level,
                min,
                max,
            });
        }
        Ok(Self { algorithm, level })
    }

    /// Returns the algorithm.
    pub fn algorithm(self) -> Algorithm {
        self.algorithm
    }

    /// Returns the level; 0 for [`Algorithm::None`].
    pub fn level(self) -> i32 {
        self.level
    }

    /// Returns the least size of a block in bytes, unless the stream ends earlier. No block has more than
    /// [`MAX_BLOCK_UNITS`] of them.
    pub fn block_unit_bytes(self) -> usize {
        match self.algorithm {
            Algorithm::Gzip => GZIP_BLOCK_UNIT_BYTES,
            Algorithm::Zstd => ZSTD_BLOCK_UNIT_BYTES,
            Algorithm::None => NONE_BLOCK_UNIT_BYTES,
        }
    }
}
