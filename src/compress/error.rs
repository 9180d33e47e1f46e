//! What can be wrong with a level, a block or a compressed stream.

use std::io;

use super::Algorithm;

/// An error of compression or decompression.
///
/// The readers of [`super::decoder`] return it inside an [`io::Error`] of kind `InvalidData`; see
/// [`CompressError::of`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompressError {
    /// No algorithm has this name.
    #[error("unknown compression `{name}`")]
    UnknownAlgorithm {
        /// The name, escaped.
        name: String,
    },
    /// The algorithm has no such level.
    #[error("{algorithm} has no level {level}: expected {min} to {max}")]
    LevelOutOfRange {
        /// The algorithm.
        algorithm: Algorithm,
        /// The level that was asked for.
        level: i32,
        /// The lowest level that there is.
        min: i32,
        /// The highest level that there is.
        max: i32,
    },
    /// A level was given where nothing is compressed.
    #[error("compression `none` takes no level, but level {level} was given")]
    LevelNotTaken {
        /// The level that was given.
        level: i32,
    },
    /// A block is longer than the cuts of byte format 1 allow.
    #[error("{algorithm} block of {actual_bytes} bytes is over the block size of {limit_bytes} bytes")]
    BlockTooLarge {
        /// The algorithm.
        algorithm: Algorithm,
        /// Size of the block, in bytes.
        actual_bytes: usize,
        /// The block size, in bytes.
        limit_bytes: usize,
    },
    /// The stream is compressed in a way that images do not use.
    #[error("{format} compression is not supported")]
    Unsupported {
        /// Name of the format.
        format: &'static str,
    },
    /// A zstd frame asks for more memory than is granted.
    #[error("zstd window of {} MiB is over the limit of {} MiB", mebibytes(*.window_bytes), mebibytes(*.limit_bytes))]
    WindowTooLarge {
        /// The window that the frame asks for, in bytes.
        window_bytes: u64,
        /// The largest window that is granted, in bytes.
        limit_bytes: u64,
    },
    /// The stream ends before its format says that it does.
    #[error("{algorithm} stream is truncated")]
    Truncated {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// Something that is not compressed data follows the compressed data.
    #[error("{algorithm} stream is followed by data that is not {algorithm}")]
    TrailingData {
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The stream is damaged: a bad header, a bad block, or a checksum or length that does not agree.
    #[error("{algorithm} stream is damaged")]
    Damaged {
        /// The algorithm.
        algorithm: Algorithm,
        /// What the decoder said.
        source: io::Error,
    },
    /// The reader was read again after it had failed.
    #[error("an earlier read of the compressed stream failed")]
    FailedBefore,
}

impl CompressError {
    /// The error inside of `error`, where a reader of [`super::decoder`] made it; `None` for an error of the source
    /// that it reads from.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// How to fix it, in one line; `None` where there is nothing to advise.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::UnknownAlgorithm { .. } => Some("choose `gzip`, `zstd` or `none`"),
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

/// `bytes` in mebibytes, rounded up, so that what is over a limit also reads as over it.
fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}
