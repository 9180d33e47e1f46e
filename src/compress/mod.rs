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

mod algorithm;
mod compression;
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

pub use algorithm::Algorithm;
pub use compression::{
    Compression, GZIP_BLOCK_UNIT_BYTES, GZIP_LEVEL_DEFAULT, GZIP_LEVEL_MAX, GZIP_LEVEL_MIN, MAX_BLOCK_UNITS,
    NONE_BLOCK_UNIT_BYTES, ZSTD_BLOCK_UNIT_BYTES, ZSTD_LEVEL_DEFAULT, ZSTD_LEVEL_MAX, ZSTD_LEVEL_MIN,
};
pub use decode::{decoder, decoder_for, sniff};
pub use encode::{BlockEncoder, Checksum, Encoder};
pub use error::CompressError;
pub use zstd_reader::ZSTD_WINDOW_MAX_BYTES;
