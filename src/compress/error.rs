//! Errors of levels, blocks and compressed streams.

use std::io;

use super::algorithm::Algorithm;

/// An error of compression or decompression.
///
/// The readers of [`super::decoder`] return it inside an [`io::Error`] of kind `InvalidData`; see
/// [`CompressError::of`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompressError {
    /// The algorithm does not have the level.
    #[error("{algorithm} has no level {level}: expected {min} to {max}")]
    LevelOutOfRange {
        /// The algorithm.
        algorithm: Algorithm,
        /// The requested level.
        level: i32,
        /// The lowest level.
        min: i32,
        /// The highest level.
        max: i32,
    },
    /// A level was given without a compression.
    #[error("compression `none` takes no level, but level {level} was given")]
    LevelNotTaken {
        /// The level that was given.
        level: i32,
    },
    /// A block is larger than byte format 1 allows.
    #[error("{algorithm} block of {actual_bytes} bytes is over the block size of {limit_bytes} bytes")]
    BlockTooLarge {
        /// The algorithm.
        algorithm: Algorithm,
        /// Size of the block, in bytes.
        actual_bytes: usize,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The compression format is not used by images and not supported.
    #[error("{format} compression is not supported")]
    Unsupported {
        /// Name of the format.
        format: &'static str,
    },
    /// A zstd frame needs more memory than is allowed.
    #[error("zstd window of {} MiB is over the limit of {} MiB", mebibytes(*.window_bytes), mebibytes(*.limit_bytes))]
    WindowTooLarge {
        /// The window of the frame, in bytes.
        window_bytes: u64,
        /// The greatest allowed window, in bytes.
        limit_bytes: u64,
    },
    /// The stream is truncated.
    #[error("{algorithm} stream is truncated")]
    Truncated {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// Other data follows the compressed data.
    #[error("{algorithm} stream is followed by data that is not {algorithm}")]
    TrailingData {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The stream is damaged: an invalid header or block, or a wrong checksum or length.
    #[error("{algorithm} stream is damaged")]
    Damaged {
        /// The algorithm.
        algorithm: Algorithm,
        /// The error of the decoder.
        source: io::Error,
    },
    /// The reader was used again after an error.
    #[error("an earlier read of the compressed stream failed")]
    FailedBefore,
}

impl CompressError {
    /// Returns the [`CompressError`] inside `error` if a reader of [`super::decoder`] created it; `None` for an error
    /// of the source.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Returns one line that says how to fix it; `None` if there is no advice.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::LevelOutOfRange { .. } => Some("choose a level in this range, or remove the level"),
            Self::LevelNotTaken { .. } => Some("remove the level, or choose `gzip` or `zstd`"),
            Self::BlockTooLarge { .. } | Self::FailedBefore => None,
            Self::Unsupported { .. } => Some("recompress it with gzip or zstd"),
            Self::WindowTooLarge { .. } => Some("recompress it with a window of at most 128 MiB (`zstd --long=27`)"),
            Self::Truncated { .. } => Some("download or create it again: its end is missing"),
            Self::TrailingData { .. } => Some("remove the data after the compressed stream, or compress it again"),
            Self::Damaged { .. } => Some("download or create it again"),
        }
    }
}

impl From<CompressError> for io::Error {
    fn from(error: CompressError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Returns `bytes` in mebibytes, rounded up, so that a value over a limit is also printed as one over it.
fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}
