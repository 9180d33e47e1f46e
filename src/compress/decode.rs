//! Decompresses streams from outside: streaming, strict about the end, with bounded memory.
//!
//! - gzip (RFC 1952 section 2.2): reads all members in order, and verifies the checksum and length of each. Zero bytes
//!   after the last member are padding (from tools that write in records); anything else is an error.
//! - zstd (RFC 8878 section 3): reads all frames, skips skippable frames, verifies checksums and content sizes. A frame
//!   with a window over [`super::ZSTD_WINDOW_MAX_BYTES`] is refused when its header is read, before memory is allocated.
//!
//! Errors of the decoder are a [`CompressError`] inside an [`io::Error`]; errors of the source are passed on unchanged.
//! After an error every further read fails, so that no caller can mistake the end of a damaged stream for the end.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::GzDecoder;

use super::algorithm::Algorithm;
use super::error::CompressError;
use super::source::{INPUT_BUFFER_BYTES, Source, damaged};
use super::zstd_reader::{ZstdReader, is_frame};

/// RFC 1952 section 2.3.1: ID1, ID2, and deflate, the only method.
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];
const XZ_MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
/// The bytes after `BZh` and the level: the magic of the first block. Without it, `BZh1` may be a name in a tar
/// archive.
const BZIP2_BLOCK_MAGIC: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];

/// Number of first bytes that identify the format.
const SNIFF_BYTES: usize = 10;

/// Returns the algorithm of a stream that begins with `prefix`, or [`Algorithm::None`] if it is not compressed. Ten
/// bytes are enough.
///
/// # Errors
/// Returns [`CompressError::Unsupported`] for xz and bzip2, which layers never use.
pub fn sniff(prefix: &[u8]) -> Result<Algorithm, CompressError> {
    if prefix.starts_with(&GZIP_MAGIC) {
        return Ok(Algorithm::Gzip);
    }
    if is_frame(prefix) {
        return Ok(Algorithm::Zstd);
    }
    if prefix.starts_with(&XZ_MAGIC) {
        return Err(CompressError::Unsupported { format: "xz" });
    }
    if prefix.starts_with(b"BZh") && prefix[4.min(prefix.len())..].starts_with(&BZIP2_BLOCK_MAGIC) {
        return Err(CompressError::Unsupported { format: "bzip2" });
    }
    Ok(Algorithm::None)
}

/// Returns a reader of the decompressed content of `reader`. The algorithm is detected from the first bytes, which are
/// read here.
///
/// # Errors
/// Those of reading from `reader`, and those of [`sniff`]. Errors of the returned reader are [`CompressError`]s: see
/// the documentation of this module.
pub fn decoder<'a>(mut reader: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut prefix = Vec::with_capacity(SNIFF_BYTES);
    reader.by_ref().take(SNIFF_BYTES as u64).read_to_end(&mut prefix)?;
    let algorithm = sniff(&prefix)?;
    Ok(decoder_for(algorithm, Cursor::new(prefix).chain(reader)))
}

/// Returns a reader of the content of `reader`, decompressed by `algorithm`. Nothing is read before the first read,
/// which fails if the source is empty or has another format. The reader buffers its input.
pub fn decoder_for<'a>(algorithm: Algorithm, reader: impl Read + Send + 'a) -> Box<dyn Read + Send + 'a> {
    match algorithm {
        Algorithm::Gzip => Box::new(Sticky::new(GzipReader::new(reader))),
        Algorithm::Zstd => Box::new(Sticky::new(ZstdReader::new(reader))),
        Algorithm::None => Box::new(reader),
    }
}

/// A reader that fails on every read after the first error.
struct Sticky<D> {
    decoder: D,
    failed: bool,
}

impl<D> Sticky<D> {
    fn new(decoder: D) -> Self {
        Self { decoder, failed: false }
    }
}

impl<D: Read> Read for Sticky<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed {
            return Err(CompressError::FailedBefore.into());
        }
        let outcome = self.decoder.read(buffer);
        self.failed = outcome.is_err();
        outcome
    }
}

/// Reads the members one after another.
struct GzipReader<'a> {
    member: GzDecoder<BufReader<Source<'a>>>,
    ended: bool,
}

impl<'a> GzipReader<'a> {
    fn new(reader: impl Read + Send + 'a) -> Self {
        let mut member = GzDecoder::new(nothing());
        // The decoder reads a header when it is created. It is given the source afterwards, so that the source is only
        // read by the first read.
        member.reset(BufReader::with_capacity(INPUT_BUFFER_BYTES, Source::new(reader)));
        Self { member, ended: false }
    }

    /// Continues after the end of a member, with the next member or the end.
    fn next_member(&mut self) -> io::Result<()> {
        match self.member.get_mut().fill_buf()?.first().copied() {
            None => self.ended = true,
            Some(0) => self.skip_padding()?,
            Some(first) if first == GZIP_MAGIC[0] => {
                let input = self.member.reset(nothing());
                self.member.reset(input);
            }
            Some(_) => return Err(trailing_data()),
        }
        Ok(())
    }

    fn skip_padding(&mut self) -> io::Result<()> {
        let input = self.member.get_mut();
        loop {
            let rest = input.fill_buf()?;
            if rest.is_empty() {
                self.ended = true;
                return Ok(());
            }
            if rest.iter().any(|&byte| byte != 0) {
                return Err(trailing_data());
            }
            let length = rest.len();
            input.consume(length);
        }
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended {
            let length = self.member.read(buffer)?;
            if length > 0 {
                return Ok(length);
            }
            self.next_member()?;
        }
        Ok(0)
    }

    fn explain(&mut self, error: io::Error) -> io::Error {
        let algorithm = Algorithm::Gzip;
        if let Some(failure) = self.member.get_mut().get_mut().failure.take() {
            return failure;
        }
        if CompressError::of(&error).is_some() {
            return error;
        }
        match error.kind() {
            io::ErrorKind::UnexpectedEof => CompressError::Truncated { algorithm }.into(),
            _ => damaged(algorithm, error),
        }
    }
}

impl Read for GzipReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let outcome = self.read_some(buffer);
        outcome.map_err(|error| self.explain(error))
    }
}

/// Returns an empty source as a placeholder, without allocation.
fn nothing<'a>() -> BufReader<Source<'a>> {
    BufReader::with_capacity(0, Source::new(io::empty()))
}

fn trailing_data() -> io::Error {
    let algorithm = Algorithm::Gzip;
    CompressError::TrailingData { algorithm }.into()
}
