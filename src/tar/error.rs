//! Errors of a tar stream. Each reader wraps them in its own error, which names the archive or the layer.

use std::fmt;
use std::io;

use crate::model::escape;

/// An error of a tar stream.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The stream ends inside a member, or without an end marker.
    #[error("the tar stream is truncated in {inside}, after {actual_bytes} bytes")]
    Truncated {
        /// The part in which it ends.
        inside: &'static str,
        /// The least size that is needed, in bytes.
        expected_bytes: u64,
        /// The actual size, in bytes.
        actual_bytes: u64,
    },
    /// The checksum of a header is wrong: the header is damaged, or the data is not a header.
    #[error("the checksum of a header is wrong")]
    Checksum {
        /// Position of the header, in bytes.
        position_bytes: u64,
    },
    /// A part violates the standard or is ambiguous.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// The part: `a header`, `an extended header`.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
        /// Position of the part, in bytes.
        position_bytes: u64,
    },
    /// A part is larger than the limit of the caller or than any meaningful size.
    #[error("{bound}: over the limit of {limit_bytes} bytes")]
    OverLimit {
        /// The limited part.
        bound: Bound,
        /// The limit, in bytes.
        limit_bytes: u64,
        /// Position of its header, in bytes.
        position_bytes: u64,
    },
    /// A sparse file, if they are not supported here, or in an unknown format.
    #[error("the member \"{}\" is a sparse file", escape(.name))]
    Sparse {
        /// Its name, as stored.
        name: Vec<u8>,
    },
    /// The stream could not be read.
    #[error("cannot read the tar stream")]
    Io(#[source] io::Error),
}

/// A part that has a size limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A PAX extended header.
    ExtendedHeader,
    /// A GNU long name or link target.
    LongName,
    /// The name of an extended attribute.
    XattrName,
    /// The value of an extended attribute.
    XattrValue,
    /// The map of a sparse file.
    SparseMap,
    /// The holes of sparse files that are read.
    Holes,
}

impl fmt::Display for Bound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ExtendedHeader => "an extended header is too large",
            Self::LongName => "a name is too long",
            Self::XattrName => "the name of an extended attribute is too long",
            Self::XattrValue => "the value of an extended attribute is too large",
            Self::SparseMap => "the map of a sparse file is too large",
            Self::Holes => "the holes of sparse files are too large",
        })
    }
}

impl From<io::Error> for TarError {
    /// Converts back a [`TarError`] that was wrapped by a reader.
    fn from(cause: io::Error) -> Self {
        cause.downcast::<Self>().unwrap_or_else(Self::Io)
    }
}

impl From<TarError> for io::Error {
    fn from(error: TarError) -> Self {
        match error {
            TarError::Io(cause) => cause,
            error => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}
