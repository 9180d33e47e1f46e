//! Why a lock cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use super::{LOCK_VERSION, MAX_LOCK_BYTES};
use crate::model::{Class, Diagnose, Digest, escape};

/// A lock that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The system said no.
    #[error("cannot read {}", show(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// It is over its bound.
    #[error("{} has more than {MAX_LOCK_BYTES} bytes", show(.path))]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A later program wrote it.
    #[error("lockfile {} has version {version}, but this version of ocitect supports only version {LOCK_VERSION}", show(.path))]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
    /// It was edited, merged or damaged.
    #[error("lockfile {} was changed after ocitect wrote it: {reason}", show(.path))]
    Altered {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A descriptor with a size that cannot be true.
    #[error("cannot lock {digest}: its size of {size_bytes} bytes is invalid")]
    Size {
        /// Digest of the descriptor.
        digest: Digest,
        /// What it says.
        size_bytes: u64,
    },
}

fn show(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

impl Diagnose for LockError {
    fn class(&self) -> Class {
        match self {
            Self::Read { .. } => Class::Here,
            _ => Class::Input,
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
