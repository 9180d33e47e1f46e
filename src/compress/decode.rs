//! Decompresses streams from outside: streaming, strict about the end, with bounded memory.
//!
//! - gzip (RFC 1952 section 2.2): reads all members in order, and verifies the checksum and length of each. Zero bytes
//!   after the last member are padding (from tools that write in records); anything else is an error.
//! - zstd (RFC 8878 section 3): reads all frames, skips skippable frames, verifies checksums and content sizes. A frame
//!   with a window over [`ZSTD_WINDOW_MAX_BYTES`] is refused when its header is read, before memory is allocated.
//!
//! Errors of the decoder are a [`CompressError`] inside an [`io::Error`]; errors of the source are passed on unchanged.
//! After an error every further read fails, so that no caller can mistake the end of a damaged stream for the end.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use flate2::bufread::GzDecoder;
use structured_zstd::decoding::errors::{FrameDecoderError, FrameHeaderError};
use structured_zstd::decoding::{ContentChecksum, FrameDecoder, StreamingDecoder};

use super::{Algorithm, CompressError};

/// Greatest accepted zstd window, in bytes: the limit of `zstd` itself without `--long`, and more than any of its
/// levels uses.
pub const ZSTD_WINDOW_MAX_BYTES: u64 = 128 * 1024 * 1024;

/// Size of the buffer for compressed input, in bytes.
const INPUT_BUFFER_BYTES: usize = 64 * 1024;

/// RFC 1952 section 2.3.1: ID1, ID2, and deflate, the only method.
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];
/// RFC 8878 section 3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// RFC 8878 section 3.1.2: the first byte of a skippable frame is 0x50 to 0x5f, and these follow.
const ZSTD_SKIPPABLE_MAGIC_TAIL: [u8; 3] = [0x2a, 0x4d, 0x18];
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
    let skippable = matches!(prefix.first(), Some(0x50..=0x5f)) && prefix[1..].starts_with(&ZSTD_SKIPPABLE_MAGIC_TAIL);
    if prefix.starts_with(&ZSTD_MAGIC) || skippable {
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

/// The compressed source. It remembers how it ended, to distinguish its errors from those of the format.
struct Source<'a> {
    reader: Box<dyn Read + Send + 'a>,
    failed: bool,
    ended: bool,
}

impl<'a> Source<'a> {
    fn new(reader: impl Read + Send + 'a) -> Self {
        Self {
            reader: Box::new(reader),
            failed: false,
            ended: false,
        }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buffer) {
                // Retried here: a decoder that is interrupted inside a header would lose its position.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                outcome => {
                    self.failed |= outcome.is_err();
                    self.ended |= !buffer.is_empty() && matches!(outcome, Ok(0));
                    return outcome;
                }
            }
        }
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

    fn explain(&self, error: io::Error) -> io::Error {
        let algorithm = Algorithm::Gzip;
        if self.member.get_ref().get_ref().failed {
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
        while !self.ended {
            let length = self.member.read(buffer).map_err(|error| self.explain(error))?;
            if length > 0 {
                return Ok(length);
            }
            self.next_member()?;
        }
        Ok(0)
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

fn damaged(algorithm: Algorithm, source: io::Error) -> io::Error {
    CompressError::Damaged { algorithm, source }.into()
}

/// Reads the frames one after another.
struct ZstdReader<'a> {
    frames: StreamingDecoder<Source<'a>, FrameDecoder>,
}

impl<'a> ZstdReader<'a> {
    fn new(reader: impl Read + Send + 'a) -> Self {
        let mut decoder = FrameDecoder::new();
        // The decoder's own limit has the same value today. This one does not depend on the decoder's version.
        let limited = decoder.set_max_window_size(ZSTD_WINDOW_MAX_BYTES);
        debug_assert!(limited.is_ok(), "the window limit is one that the decoder takes");
        decoder.set_content_checksum(ContentChecksum::Verify);
        let source = Source::new(BufReader::with_capacity(INPUT_BUFFER_BYTES, reader));
        Self {
            frames: StreamingDecoder::new_with_decoder(source, decoder),
        }
    }

    fn explain(&self, error: io::Error) -> io::Error {
        let algorithm = Algorithm::Zstd;
        let source = self.frames.get_ref();
        if source.failed {
            return error;
        }
        if let Some(window_bytes) = refused_window(&error) {
            let limit_bytes = ZSTD_WINDOW_MAX_BYTES;
            return CompressError::WindowTooLarge {
                window_bytes,
                limit_bytes,
            }
            .into();
        }
        // The decoder requests exactly what the format requires next, so an end of the source is the cause of the
        // error.
        if source.ended {
            return CompressError::Truncated { algorithm }.into();
        }
        damaged(algorithm, error)
    }
}

impl Read for ZstdReader<'_> {
    // `read_to_end` is not forwarded: the decoder's own holds the whole compressed stream in memory.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.frames.read(buffer).map_err(|error| self.explain(error))
    }
}

/// Returns the window that the decoder refused, in bytes, if `error` is that error.
fn refused_window(error: &io::Error) -> Option<u64> {
    match error.get_ref()?.downcast_ref()? {
        FrameDecoderError::WindowSizeTooBig { requested, .. } => Some(*requested),
        FrameDecoderError::FrameHeaderError(FrameHeaderError::WindowTooBig { got }) => Some(*got),
        _ => None,
    }
}
