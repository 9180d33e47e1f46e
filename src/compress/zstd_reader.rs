//! Decompresses zstd (RFC 8878 section 3): frames one after another, with their checksums, sizes and windows verified.
//!
//! The decoder is not the one of the crate that encodes: the encoder is pinned because its bytes are part of the format,
//! and a decoder of data from outside must be free to move.

use std::io::{self, BufReader, Cursor, Read};

use ruzstd::decoding::errors::{FrameDecoderError, FrameHeaderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::algorithm::Algorithm;
use super::error::CompressError;
use super::source::{INPUT_BUFFER_BYTES, Source, damaged};

/// Greatest accepted zstd window, in bytes: the limit of `zstd` itself without `--long`, and more than any of its
/// levels uses.
pub const ZSTD_WINDOW_MAX_BYTES: u64 = 128 * 1024 * 1024;

/// RFC 8878 section 3.1.1.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// RFC 8878 section 3.1.2: the first byte of a skippable frame is 0x50 to 0x5f, and these follow.
const ZSTD_SKIPPABLE_MAGIC_TAIL: [u8; 3] = [0x2a, 0x4d, 0x18];

/// Bytes of a frame's magic number and its descriptor (RFC 8878 section 3.1.1.1), which a skippable frame has too.
const FRAME_START_BYTES: usize = 5;

/// Number of decoded blocks of at most 128 KiB after which the decoder is asked for bytes.
const BLOCKS_AT_ONCE: usize = 1;

/// Reads the frames one after another.
pub(super) struct ZstdReader<'a> {
    source: Source<'a>,
    decoder: FrameDecoder,
    state: State,
}

/// The position in the stream.
enum State {
    /// Before the first frame.
    Start,
    /// In a frame.
    Frame {
        /// Size of the content, if the frame says it, in bytes.
        declared_bytes: Option<u64>,
        /// Size of what was read so far, in bytes.
        read_bytes: u64,
    },
    /// After a frame, or after a skippable one.
    Between,
    /// After the last frame.
    End,
}

/// What a frame of another decoder's making gets wrong.
#[derive(Debug, thiserror::Error)]
enum FrameError {
    #[error("checksum mismatch: expected {expected:#010x}, found {found:#010x}")]
    Checksum { expected: u32, found: u32 },
    #[error("content size mismatch: expected {expected_bytes} bytes, found {found_bytes}")]
    ContentSize { expected_bytes: u64, found_bytes: u64 },
    #[error("a frame is followed by data that is not a frame")]
    NoFrame,
    #[error("the reserved bit of the frame descriptor is set")]
    ReservedBit,
}

impl<'a> ZstdReader<'a> {
    pub(super) fn new(reader: impl Read + Send + 'a) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW_MAX_BYTES);
        Self {
            source: Source::new(BufReader::with_capacity(INPUT_BUFFER_BYTES, reader)),
            decoder,
            state: State::Start,
        }
    }

    /// Reads the header of the next frame, or finds the end of the stream.
    fn next_frame(&mut self) -> io::Result<()> {
        let mut start = Vec::with_capacity(FRAME_START_BYTES);
        (&mut self.source)
            .take(FRAME_START_BYTES as u64)
            .read_to_end(&mut start)?;
        if start.is_empty() && !matches!(self.state, State::Start) {
            self.state = State::End;
            return Ok(());
        }
        if start.len() >= ZSTD_MAGIC.len() && !is_frame(&start) {
            return Err(damaged(Algorithm::Zstd, io::Error::other(FrameError::NoFrame)));
        }
        if start.len() < FRAME_START_BYTES {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let descriptor = start[FRAME_START_BYTES - 1];
        match self.decoder.reset(Cursor::new(start).chain(&mut self.source)) {
            Ok(()) => {
                let declared_bytes = has_content_size(descriptor).then(|| self.decoder.content_size());
                self.state = State::Frame {
                    declared_bytes,
                    read_bytes: 0,
                };
                if descriptor & RESERVED_BIT == 0 {
                    Ok(())
                } else {
                    Err(io::Error::other(FrameError::ReservedBit))
                }
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                self.skip(u64::from(length))
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.source).take(length), &mut io::sink())?;
        if skipped < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.state = State::Between;
        Ok(())
    }

    /// Reads of the current frame; 0 if it has ended.
    fn read_frame(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            self.decoder
                .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(BLOCKS_AT_ONCE))
                .map_err(io::Error::other)?;
        }
        self.decoder.read(buffer)
    }

    /// Verifies the frame that has ended.
    fn check_frame(&self, declared_bytes: Option<u64>, found_bytes: u64) -> Result<(), FrameError> {
        if let Some(expected_bytes) = declared_bytes.filter(|declared| *declared != found_bytes) {
            return Err(FrameError::ContentSize {
                expected_bytes,
                found_bytes,
            });
        }
        let expected = self.decoder.get_checksum_from_data();
        let found = self.decoder.get_calculated_checksum();
        match (expected, found) {
            (Some(expected), Some(found)) if expected != found => Err(FrameError::Checksum { expected, found }),
            _ => Ok(()),
        }
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.state {
                State::End => return Ok(0),
                State::Start | State::Between => self.next_frame()?,
                State::Frame {
                    declared_bytes,
                    read_bytes,
                } => {
                    let length = self.read_frame(buffer)?;
                    if length > 0 {
                        let read_bytes = read_bytes + length as u64;
                        self.state = State::Frame {
                            declared_bytes,
                            read_bytes,
                        };
                        return Ok(length);
                    }
                    self.check_frame(declared_bytes, read_bytes).map_err(io::Error::other)?;
                    self.state = State::Between;
                }
            }
        }
    }

    fn explain(&mut self, error: io::Error) -> io::Error {
        let algorithm = Algorithm::Zstd;
        if let Some(failure) = self.source.failure.take() {
            return failure;
        }
        if let Some(window_bytes) = refused_window(&error) {
            let limit_bytes = ZSTD_WINDOW_MAX_BYTES;
            return CompressError::WindowTooLarge {
                window_bytes,
                limit_bytes,
            }
            .into();
        }
        if CompressError::of(&error).is_some() {
            return error;
        }
        // The decoder requests exactly what the format requires next, so an end of the source is the cause of the
        // error.
        if self.source.ended {
            return CompressError::Truncated { algorithm }.into();
        }
        damaged(algorithm, error)
    }
}

impl Read for ZstdReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let outcome = self.read_some(buffer);
        outcome.map_err(|error| self.explain(error))
    }
}

/// Returns `true` if a frame or a skippable frame begins with these bytes.
pub(super) fn is_frame(start: &[u8]) -> bool {
    let is_skippable = matches!(start.first(), Some(0x50..=0x5f)) && start[1..].starts_with(&ZSTD_SKIPPABLE_MAGIC_TAIL);
    is_skippable || start.starts_with(&ZSTD_MAGIC)
}

/// RFC 8878 section 3.1.1.1.1.4: a decoder must refuse a frame with this bit.
const RESERVED_BIT: u8 = 0b0000_1000;

/// Returns `true` if a frame with this descriptor says the size of its content (RFC 8878 section 3.1.1.1.1): by its
/// flag, or because it is one segment.
fn has_content_size(descriptor: u8) -> bool {
    let size_flag = descriptor >> 6;
    let is_single_segment = descriptor & 0b0010_0000 != 0;
    size_flag != 0 || is_single_segment
}

/// Returns the window that the decoder refused, in bytes, if `error` is that error.
fn refused_window(error: &io::Error) -> Option<u64> {
    match error.get_ref()?.downcast_ref()? {
        FrameDecoderError::WindowSizeTooBig { requested, .. } => Some(*requested),
        FrameDecoderError::FrameHeaderError(FrameHeaderError::WindowTooBig { got }) => Some(*got),
        _ => None,
    }
}
