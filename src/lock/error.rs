//! Errors of lockfiles.

use std::io;
use std::path::{Path, PathBuf};

use super::limits::{LOCK_VERSION, MAX_LOCK_BYTES};
use crate::model::{Diagnostic, Digest, ErrorKind, escape};

/// Help for a file whose content does not count any more.
const RESTORE_HELP: &str =
    "restore it from version control, or delete it and run `ocitect lock`, which resolves all images again";

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
    #[error("{} has more than {MAX_LOCK_BYTES} bytes", show(.path))]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A later version of the program wrote the file.
    #[error("lockfile {} has version {version}, but this version of ocitect supports only versions up to {LOCK_VERSION}", show(.path))]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format version.
        version: i64,
    },
    /// No version of the program wrote such a file.
    #[error("lockfile {} has version {version}, which does not exist", show(.path))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// Its format version.
        version: i64,
    },
    /// The text is not a lockfile.
    #[error("lockfile {} is invalid: line {line}: {reason}", show(.path))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Number of the line, from one.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A merge left its conflict markers in the file.
    #[error("lockfile {} has conflict markers of a merge: lines {first} to {last}", show(.path))]
    Conflict {
        /// The file.
        path: PathBuf,
        /// Number of the first line with a marker, from one.
        first: usize,
        /// Number of the last one.
        last: usize,
    },
    /// Two lines pin one name to different digests, as after a merge of branches that both moved it.
    #[error("lockfile {} pins {} twice: line {} to {}, line {} to {}",
        show(.path), escape(.name.as_bytes()), .first.0, .first.1, .second.0, .second.1)]
    TwoDigests {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// Number of the first line, and its digest.
        first: (usize, Digest),
        /// Number of the second line, and its digest.
        second: (usize, Digest),
    },
    /// A file of version 1 was edited, merged or damaged.
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
            Self::Altered { .. } | Self::TooLarge { .. } | Self::Unknown { .. } => Some(RESTORE_HELP.to_owned()),
            Self::Invalid { line, .. } => Some(format!("fix line {line}, or {RESTORE_HELP}")),
            Self::Conflict { .. } => {
                Some("keep one line for each image, delete the markers, and run `ocitect lock`".to_owned())
            }
            Self::TwoDigests { first, second, .. } => Some(format!(
                "delete line {} or line {}; or delete both and run `ocitect lock`, which pins the current image",
                first.0, second.0
            )),
            Self::Read { .. } | Self::Size { .. } => None,
        }
    }
}
