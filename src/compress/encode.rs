//! Byte format 1 of compressed streams: a header, the blocks, a trailer.
//!
//! - gzip: one member. The header is fixed (RFC 1952 section 2.3: no name, no time, XFL 0, OS 255). Each block is raw
//!   deflate by our own encoder ([`deflate`]), which ends at a byte boundary. The trailer is an empty final deflate
//!   block, CRC-32 and ISIZE.
//! - zstd: one frame per block, with content size and checksum (RFC 8878 section 3.1.1). There is no header. The
//!   trailer is an empty frame for the empty stream, and otherwise empty. The encoder's interfaces differ in their
//!   output bytes; the one for slices is used.
//! - none: the blocks, unchanged.
//!
//! The encoding of a block does not depend on whether it is the first or the last one. A stream can therefore be cut,
//! encoded in parallel, and assembled from encoded blocks that were stored.

use std::io::{self, Write};

use structured_zstd::encoding::{CompressionLevel, FrameCompressor};

use super::algorithm::Algorithm;
use super::compression::{Compression, MAX_BLOCK_UNITS};
use super::deflate;
use super::error::CompressError;

/// RFC 1952 section 2.3: magic, deflate, no flags, no time, no extra flags, unknown operating system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff];

/// RFC 1951 section 3.2.3 and 3.2.6: a final block with fixed codes that contains only its end.
const DEFLATE_END: [u8; 2] = [0x03, 0x00];

impl Compression {
    /// Returns the bytes before the first block. They are the same for every stream.
    pub fn header(self) -> &'static [u8] {
        match self.algorithm() {
            Algorithm::Gzip => &GZIP_HEADER,
            Algorithm::Zstd | Algorithm::None => &[],
        }
    }

    /// Creates an encoder of blocks, for one thread.
    pub fn block_encoder(self) -> BlockEncoder {
        let encoding = match self.algorithm() {
            Algorithm::Gzip => {
                let level = deflate::Level::new(self.level().unsigned_abs() as u8);
                Encoding::Deflate(Box::new(deflate::Encoder::new(
                    level.expect("a compression has one of its levels"),
                )))
            }
            Algorithm::Zstd => Encoding::Zstd,
            Algorithm::None => Encoding::None,
        };
        BlockEncoder {
            compression: self,
            encoding,
        }
    }

    /// Returns the bytes after the last block. `checksum` covers the whole uncompressed stream.
    pub fn trailer(self, checksum: &Checksum) -> Vec<u8> {
        match self.algorithm() {
            Algorithm::Gzip => {
                let mut trailer = DEFLATE_END.to_vec();
                trailer.extend(checksum.crc32().to_le_bytes());
                // ISIZE is the size modulo 2^32.
                trailer.extend((checksum.size_bytes() as u32).to_le_bytes());
                trailer
            }
            // A zstd stream is one or more frames, so the empty stream needs one too.
            Algorithm::Zstd if checksum.size_bytes() == 0 => zstd_frame(self.level(), &[]),
            Algorithm::Zstd | Algorithm::None => Vec::new(),
        }
    }
}

/// Encodes blocks one after another. Between blocks it keeps only its tables.
pub struct BlockEncoder {
    compression: Compression,
    encoding: Encoding,
}

enum Encoding {
    Deflate(Box<deflate::Encoder>),
    Zstd,
    None,
}

impl BlockEncoder {
    /// Encodes one block. The result depends only on `block` and the compression. An empty block gives no bytes.
    ///
    /// # Errors
    /// Returns [`CompressError::BlockTooLarge`] for a block over [`MAX_BLOCK_UNITS`] of
    /// [`Compression::block_unit_bytes`].
    pub fn encode(&mut self, block: &[u8]) -> Result<Vec<u8>, CompressError> {
        let algorithm = self.compression.algorithm();
        let limit_bytes = MAX_BLOCK_UNITS * self.compression.block_unit_bytes();
        if block.len() > limit_bytes {
            return Err(CompressError::BlockTooLarge {
                algorithm,
                actual_bytes: block.len(),
                limit_bytes,
            });
        }
        if block.is_empty() {
            return Ok(Vec::new());
        }
        Ok(match &mut self.encoding {
            Encoding::Deflate(encoder) => encoder.encode(block),
            Encoding::Zstd => zstd_frame(self.compression.level(), block),
            Encoding::None => block.to_vec(),
        })
    }
}

/// Returns one zstd frame, made by a new encoder.
fn zstd_frame(level: i32, content: &[u8]) -> Vec<u8> {
    let mut encoder: FrameCompressor = FrameCompressor::new(CompressionLevel::from_level(level));
    encoder.set_content_size_flag(true);
    encoder.set_content_checksum(true);
    let mut frame = encoder.compress_independent_frame(content);
    frame.shrink_to_fit();
    frame
}

/// Checksum (CRC-32 of RFC 1952) and size of an uncompressed stream, computed while it is read.
#[derive(Debug, Clone, Default)]
pub struct Checksum {
    crc32: crc32fast::Hasher,
    size_bytes: u64,
}

impl Checksum {
    /// Returns the checksum of the empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the checksum of `block` alone, for [`Checksum::append`].
    pub fn of(block: &[u8]) -> Self {
        let mut checksum = Self::new();
        checksum.update(block);
        checksum
    }

    /// Returns the checksum of a stream that was read earlier.
    pub fn known(crc32: u32, size_bytes: u64) -> Self {
        Self {
            crc32: crc32fast::Hasher::new_with_initial_len(crc32, size_bytes),
            size_bytes,
        }
    }

    /// Adds the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.crc32.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    /// Adds the checksum of the next part of the stream, so that parts can be processed in parallel.
    pub fn append(&mut self, next: &Self) {
        self.crc32.combine(&next.crc32);
        self.size_bytes += next.size_bytes;
    }

    /// Returns the CRC-32 of the stream so far.
    pub fn crc32(&self) -> u32 {
        self.crc32.clone().finalize()
    }

    /// Returns the size of the stream so far, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

/// Compresses a stream in one thread, cut at every unit. The bytes equal those of blocks that are encoded separately.
///
/// [`Encoder::finish`] must be called: without it the end of the stream is missing. `flush` flushes the target and does
/// not cut a block, so that the bytes do not depend on how they were written.
pub struct Encoder<W: Write> {
    blocks: BlockEncoder,
    target: W,
    block: Vec<u8>,
    checksum: Checksum,
}

impl<W: Write> Encoder<W> {
    /// Starts a stream on `target`.
    ///
    /// # Errors
    /// Those of writing to `target`.
    pub fn new(compression: Compression, mut target: W) -> io::Result<Self> {
        target.write_all(compression.header())?;
        Ok(Self {
            blocks: compression.block_encoder(),
            target,
            block: Vec::new(),
            checksum: Checksum::new(),
        })
    }

    /// Ends the stream and returns the target without flushing it.
    ///
    /// # Errors
    /// Those of writing to the target.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_block()?;
        self.target
            .write_all(&self.blocks.compression.trailer(&self.checksum))?;
        Ok(self.target)
    }

    fn write_block(&mut self) -> io::Result<()> {
        self.checksum.update(&self.block);
        let encoded = self.blocks.encode(&self.block)?;
        self.block.clear();
        self.target.write_all(&encoded)
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let unit_bytes = self.blocks.compression.block_unit_bytes();
        let room = unit_bytes - self.block.len();
        let taken = room.min(bytes.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == unit_bytes {
            self.write_block()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}
