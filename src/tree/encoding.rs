//! Encodes facts as bytes, for the cache and the facts files of lockfiles. Equal facts always have equal bytes.
//!
//! The format is a first line, the version, columns, and the SHA-256 of all that as 64 hexadecimal digits. Similar
//! values are in one column, so that they compress well: all path suffixes, all sizes, all symbol versions. Numbers are
//! LEB128 in the shortest form. Of a path, only the difference to the previous one is written. Repeated values (a mode
//! and owner, the name of a library) are written once, and then referred to by number. Input that differs in any way
//! from the output of [`Facts::encode`] is refused: the facts are then read from the base image again.

mod columns;
mod read;
mod write;

use std::io::{self, BufWriter, Read as _};

use super::error::TreeError;
use super::facts::Facts;
use crate::compress::{Algorithm, Compression, Encoder, decoder_for};

/// Greatest size of encoded facts that are decoded, in bytes. Those of a base image with half a million paths have some
/// 20 MB.
pub const MAX_ENCODED_BYTES: u64 = 256 * 1024 * 1024;

/// Size of the buffer for the many small writes of facts to the encoder, in bytes.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// Compression level. Measured on a Debian base image with Python: docs/decisions.md.
const ZSTD_LEVEL: i32 = 19;

impl Facts {
    /// Returns the facts as uncompressed bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Writing to a list of bytes never fails.
        let _ = write::encode_to(self, &mut bytes);
        bytes
    }

    /// Decodes the result of [`Facts::encode`].
    ///
    /// # Errors
    /// Returns [`TreeError::Encoding`] if the bytes are damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, TreeError> {
        read::decode(bytes).map_err(|columns::Damaged(reason)| TreeError::Encoding { reason })
    }

    /// Returns the facts in stored form: encoded, and compressed by zstd (RFC 8878). The bytes depend on the facts and
    /// on this program's zstd encoder.
    ///
    /// # Errors
    /// Returns [`TreeError::Encoding`] if the encoder fails, which is not expected.
    pub fn compress(&self) -> Result<Vec<u8>, TreeError> {
        compress(|target| write::encode_to(self, target)).map_err(|_| TreeError::Encoding {
            reason: "they cannot be compressed",
        })
    }

    /// Decodes the result of [`Facts::compress`], or of another zstd encoder.
    ///
    /// # Errors
    /// Returns [`TreeError::Encoding`] if the bytes are damaged, of another version, or larger than
    /// [`MAX_ENCODED_BYTES`].
    pub fn decompress(bytes: &[u8]) -> Result<Self, TreeError> {
        decompress_within(bytes, MAX_ENCODED_BYTES)
    }
}

/// Compresses facts while they are written, so that their uncompressed bytes are never completely in memory.
fn compress(write: impl FnOnce(&mut BufWriter<Encoder<Vec<u8>>>) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let encoder = Encoder::new(Compression::new(Algorithm::Zstd, Some(ZSTD_LEVEL))?, Vec::new())?;
    let mut buffered = BufWriter::with_capacity(WRITE_BUFFER_BYTES, encoder);
    write(&mut buffered)?;
    buffered.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
}

fn decompress_within(bytes: &[u8], limit_bytes: u64) -> Result<Facts, TreeError> {
    let mut encoded = Vec::new();
    let read = decoder_for(Algorithm::Zstd, bytes)
        .take(limit_bytes + 1)
        .read_to_end(&mut encoded);
    if read.is_err() {
        return Err(TreeError::Encoding {
            reason: "their compression is damaged",
        });
    }
    if encoded.len() as u64 > limit_bytes {
        return Err(TreeError::Encoding {
            reason: "they are too large",
        });
    }
    Facts::decode(&encoded)
}

#[cfg(test)]
mod tests;
