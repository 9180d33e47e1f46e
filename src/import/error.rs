//! Errors of the directory that a spec is proposed for.

use std::io;
use std::path::PathBuf;

use crate::model::{Diagnostic, ErrorKind, escape_path};

/// A directory that no spec can be written for.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It cannot be read.
    #[error("cannot read the directory {}", escape_path(.path))]
    Read {
        /// The directory.
        path: PathBuf,
        /// What the system reported.
        #[source]
        cause: io::Error,
    },
    /// It is a file.
    #[error("{} is not a directory", escape_path(.path))]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
}

impl Diagnostic for ImportError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Read { cause, .. } if cause.kind() != io::ErrorKind::NotFound => ErrorKind::Local,
            Self::Read { .. } | Self::NotADirectory { .. } => ErrorKind::Input,
        }
    }

    fn help(&self) -> Option<String> {
        (self.error_kind() == ErrorKind::Input).then(|| "name the directory of a project".to_owned())
    }
}
