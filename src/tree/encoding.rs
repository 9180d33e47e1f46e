//! Facts as bytes, for the cache and the lock file: the same facts always give the same bytes.
//!
//! A first line, the version, columns, and the SHA-256 of all that as 64 hexadecimal digits. What is alike stands in one
//! column, so that it compresses well: all path ends, all sizes, all symbol versions. Numbers are LEB128 of the shortest
//! form; of a path that follows another one, only what differs at its end is written; what comes again and again (a mode
//! and an owner, the name of a library) is written once, and then by its number. Whatever is not exactly what
//! [`Facts::encode`] writes is refused: the facts are read from the base anew then.

mod columns;
mod read;
mod write;

use std::io::{self, BufWriter, Read as _};

use super::error::TreeError;
use super::facts::Facts;
use crate::compress::{Algorithm, Compression, Encoder, decoder_for};

/// Greatest size of encoded facts that are read back, in bytes. Those of a base of half a million paths have some 20 MB.
pub const MAX_ENCODED_BYTES: u64 = 256 * 1024 * 1024;

/// Facts are made of many small writes, which go to their encoder in pieces of this size, in bytes.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// Level of the compression. Measured on a Debian base with Python: docs/decisions.md.
const ZSTD_LEVEL: i32 = 19;

impl Facts {
    /// The facts as bytes; not compressed.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A list of bytes takes all that is written.
        let _ = write::encode_to(self, &mut bytes);
        bytes
    }

    /// Takes back what [`Facts::encode`] wrote.
    ///
    /// # Errors
    /// [`TreeError::Encoding`], where the bytes are damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, TreeError> {
        read::decode(bytes).map_err(|columns::Damaged(reason)| TreeError::Encoding { reason })
    }

    /// The facts as they are kept: encoded, and compressed by zstd (RFC 8878). The bytes depend on the facts and on this
    /// program's encoder of zstd.
    ///
    /// # Errors
    /// [`TreeError::Encoding`], which the encoder has no reason for.
    pub fn compress(&self) -> Result<Vec<u8>, TreeError> {
        compress(|target| write::encode_to(self, target))
            .map_err(|_| TreeError::Encoding { reason: "they cannot be compressed" })
    }

    /// Takes back what [`Facts::compress`] wrote, or another encoder of zstd.
    ///
    /// # Errors
    /// [`TreeError::Encoding`], where the bytes are damaged, of another version, or of more than [`MAX_ENCODED_BYTES`].
    pub fn decompress(bytes: &[u8]) -> Result<Self, TreeError> {
        decompress_within(bytes, MAX_ENCODED_BYTES)
    }
}

/// Facts are compressed as they are written: in one piece they would stand in memory once more.
fn compress(write: impl FnOnce(&mut BufWriter<Encoder<Vec<u8>>>) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let encoder = Encoder::new(Compression::new(Algorithm::Zstd, Some(ZSTD_LEVEL))?, Vec::new())?;
    let mut buffered = BufWriter::with_capacity(WRITE_BUFFER_BYTES, encoder);
    write(&mut buffered)?;
    buffered.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
}

fn decompress_within(bytes: &[u8], limit_bytes: u64) -> Result<Facts, TreeError> {
    let mut encoded = Vec::new();
    let read = decoder_for(Algorithm::Zstd, bytes).take(limit_bytes + 1).read_to_end(&mut encoded);
    if read.is_err() {
        return Err(TreeError::Encoding { reason: "their compression is damaged" });
    }
    if encoded.len() as u64 > limit_bytes {
        return Err(TreeError::Encoding { reason: "they are too large" });
    }
    Facts::decode(&encoded)
}

#[cfg(test)]
mod tests;
