//! What can be wrong with a tar stream. Each reader makes its own error of it, which names the archive or the layer.

use std::fmt;
use std::io;

use crate::model::escape;

/// A tar stream that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// It ends inside of a member, or without an end marker.
    #[error("the tar stream is truncated in {inside}, after {actual_bytes} bytes")]
    Truncated {
        /// Where it ends.
        inside: &'static str,
        /// The least size that it would need, in bytes.
        expected_bytes: u64,
        /// Its size, in bytes.
        actual_bytes: u64,
    },
    /// The checksum of a header is wrong: it is damaged, or is none.
    #[error("the checksum of a header is wrong")]
    Checksum {
        /// Where the header begins, in bytes.
        position_bytes: u64,
    },
    /// Something is not as the standard says, or can be understood in two ways.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// What: `a header`, `an extended header`.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
        /// Where it begins, in bytes.
        position_bytes: u64,
    },
    /// Larger than the caller grants, or than can be meant.
    #[error("{bound}: over the limit of {limit_bytes} bytes")]
    OverLimit {
        /// What is.
        bound: Bound,
        /// The limit, in bytes.
        limit_bytes: u64,
        /// Where its header begins, in bytes.
        position_bytes: u64,
    },
    /// A sparse file where none is read, or one in a format that is not known.
    #[error("the member \"{}\" is a sparse file", escape(.name))]
    Sparse {
        /// Its name, as it is stored.
        name: Vec<u8>,
    },
    /// The stream could not be read.
    #[error("cannot read the tar stream")]
    Io(#[source] io::Error),
}

/// What has a limit.
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
    /// The holes of the sparse files that are read.
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
    /// Takes back a [`TarError`] that went through a reader.
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
