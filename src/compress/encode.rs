//! Byte format 1 of compressed streams: a header, the blocks, a trailer.
//!
//! - gzip: one member. The header is written by hand (RFC 1952 section 2.3: no name, no time, XFL 0, OS 255); each
//!   block is raw deflate by our own encoder ([`deflate`]), which leaves the stream at a byte boundary; the trailer is
//!   an empty final deflate block, CRC-32 and ISIZE.
//! - zstd: one frame a block, with content size and checksum (RFC 8878 section 3.1.1). No header; the trailer is an
//!   empty frame for the empty stream, and otherwise nothing. Of the encoder's interfaces, which differ in their
//!   bytes, it is the one over slices.
//! - none: the blocks as they are.
//!
//! No block needs to know whether it is the first or the last one, so a stream can be cut, encoded side by side, and
//! put together from encoded blocks that were kept.

use std::io::{self, Write};

use structured_zstd::encoding::{CompressionLevel, FrameCompressor};

use super::{Algorithm, CompressError, Compression, MAX_BLOCK_UNITS, deflate};

/// RFC 1952 section 2.3: magic, deflate, no flags, no time, no extra flags, unknown operating system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff];

/// RFC 1951 section 3.2.3 and 3.2.6: a final block of fixed codes that holds nothing but its end.
const DEFLATE_END: [u8; 2] = [0x03, 0x00];

impl Compression {
    /// What comes before the first block. It is the same for every stream.
    pub fn header(self) -> &'static [u8] {
        match self.algorithm() {
            Algorithm::Gzip => &GZIP_HEADER,
            Algorithm::Zstd | Algorithm::None => &[],
        }
    }

    /// An encoder of blocks, for one thread.
    pub fn block_encoder(self) -> BlockEncoder {
        let encoding = match self.algorithm() {
            Algorithm::Gzip => {
                let level = deflate::Level::new(self.level().unsigned_abs() as u8);
                Encoding::Deflate(Box::new(deflate::Encoder::new(level.expect("a compression has one of its levels"))))
            }
            Algorithm::Zstd => Encoding::Zstd,
            Algorithm::None => Encoding::None,
        };
        BlockEncoder { compression: self, encoding }
    }

    /// What comes after the last block. `checksum` is of the whole uncompressed stream.
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

/// Encodes blocks one after the other. It keeps its tables between them, and nothing else.
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
    /// The bytes of one block: a pure function of `block` and the compression. A block of no bytes encodes to no
    /// bytes.
    ///
    /// # Errors
    /// [`CompressError::BlockTooLarge`] for a block over [`MAX_BLOCK_UNITS`] of [`Compression::block_unit_bytes`].
    pub fn encode(&mut self, block: &[u8]) -> Result<Vec<u8>, CompressError> {
        let algorithm = self.compression.algorithm();
        let limit_bytes = MAX_BLOCK_UNITS * self.compression.block_unit_bytes();
        if block.len() > limit_bytes {
            return Err(CompressError::BlockTooLarge { algorithm, actual_bytes: block.len(), limit_bytes });
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

/// One zstd frame, by an encoder of its own.
fn zstd_frame(level: i32, content: &[u8]) -> Vec<u8> {
    let mut encoder: FrameCompressor = FrameCompressor::new(CompressionLevel::from_level(level));
    encoder.set_content_size_flag(true);
    encoder.set_content_checksum(true);
    let mut frame = encoder.compress_independent_frame(content);
    frame.shrink_to_fit();
    frame
}

/// Checksum (CRC-32 of RFC 1952) and size of an uncompressed stream, taken as it goes by.
#[derive(Debug, Clone, Default)]
pub struct Checksum {
    crc32: crc32fast::Hasher,
    size_bytes: u64,
}

impl Checksum {
    /// The checksum of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The checksum of `block` alone, to be put in its place by [`Checksum::append`].
    pub fn of(block: &[u8]) -> Self {
        let mut checksum = Self::new();
        checksum.update(block);
        checksum
    }

    /// The checksum of a stream that went by earlier.
    pub fn known(crc32: u32, size_bytes: u64) -> Self {
        Self { crc32: crc32fast::Hasher::new_with_initial_len(crc32, size_bytes), size_bytes }
    }

    /// Takes in the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.crc32.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    /// Takes in the next part of the stream by its own checksum, so that parts may be summed side by side.
    pub fn append(&mut self, next: &Self) {
        self.crc32.combine(&next.crc32);
        self.size_bytes += next.size_bytes;
    }

    /// CRC-32 of what was taken in.
    pub fn crc32(&self) -> u32 {
        self.crc32.clone().finalize()
    }

    /// Size of what was taken in, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

/// Compresses a stream in one thread, cut at every unit: the same bytes as those blocks encoded apart.
///
/// [`Encoder::finish`] must be called: without it the stream lacks its end. `flush` flushes the target and cuts no
/// block, so that the bytes do not depend on how they were written.
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
        Ok(Self { blocks: compression.block_encoder(), target, block: Vec::new(), checksum: Checksum::new() })
    }

    /// Ends the stream and gives the target back, which is not flushed.
    ///
    /// # Errors
    /// Those of writing to the target.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_block()?;
        self.target.write_all(&self.blocks.compression.trailer(&self.checksum))?;
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
