//! Errors of lockfiles.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::{Diagnostic, Digest, ErrorKind, escape};

/// An error of a lockfile.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The file cannot be read.
    #[error("cannot read {}", show(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// The file is too large.
    #[error("{} has more than {limit_bytes} bytes", show(.path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// A later version of the program wrote the file.
    #[error("lockfile {} has version {version}, but this version of ocitect supports only version {supported}", show(.path))]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format version.
        version: i64,
        /// The latest version that this program supports.
        supported: i64,
    },
    /// The file was edited, merged or damaged.
    #[error("lockfile {} was changed after ocitect wrote it: {reason}", show(.path))]
    Altered {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The size in a descriptor is out of range.
    #[error("cannot lock {digest}: its size of {size_bytes} bytes is invalid")]
    Size {
        /// Digest of the descriptor.
        digest: Digest,
        /// The size that it states, in bytes.
        size_bytes: u64,
    },
}

fn show(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

impl Diagnostic for LockError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Read { .. } => ErrorKind::Local,
            _ => ErrorKind::Input,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Newer { .. } => Some("use the version of ocitect that wrote it, or a later one".to_owned()),
            Self::Altered { .. } | Self::TooLarge { .. } => Some(
                "restore it from version control, or delete it and run `ocitect lock`, which resolves all images \
                 again"
                    .to_owned(),
            ),
            Self::Read { .. } | Self::Size { .. } => None,
        }
    }
}
