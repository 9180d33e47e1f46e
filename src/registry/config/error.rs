//! What can be wrong with a file of configuration, and what it can forbid.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Class, Diagnose, escape};
use crate::store::StoreError;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub path: Arc<Path>,
    /// Line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", show(&self.path), self.line)
    }
}

/// A path as it may be shown.
fn show(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// A configuration that cannot be used, or that forbids what was asked for. No message holds a value of a header or
/// what may be a password in an address.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or a directory cannot be read.
    #[error("cannot read {}", show(.path))]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A file is over its bound.
    #[error("{} has more than {limit_bytes} bytes", show(.path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit_bytes: u64,
    },
    /// A file is not UTF-8.
    #[error("{} is not UTF-8", show(.path))]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// A directory of drop-in files has more of them than the bound.
    #[error("{} has more than {limit} files", show(.path))]
    TooManyFiles {
        /// The directory.
        path: PathBuf,
        /// The bound.
        limit: usize,
    },
    /// What a line says is wrong.
    #[error("{place}: {reason}")]
    Invalid {
        /// Where it stands.
        place: Place,
        /// What is wrong.
        reason: String,
        /// How to mend it.
        help: Option<String>,
    },
    /// The name must not be used.
    #[error("{name} is blocked by the key `blocked` at {place}")]
    Blocked {
        /// The image or repository.
        name: String,
        /// Where `blocked` stands.
        place: Place,
    },
    /// No host is left for what is to be done.
    #[error("no host in {} is allowed for {what} {name}", show(.path))]
    NoHost {
        /// The repository.
        name: String,
        /// What is to be done: `pulling`, `pushing to`.
        what: &'static str,
        /// The `hosts.toml`.
        path: PathBuf,
    },
}

impl ConfigError {
    /// What a line says is wrong, without a hint.
    pub(super) fn invalid(place: &Place, reason: impl Into<String>) -> Self {
        Self::Invalid { place: place.clone(), reason: reason.into(), help: None }
    }
}

impl Diagnose for ConfigError {
    fn class(&self) -> Class {
        match self {
            Self::Read { cause, .. } if cause.kind() != io::ErrorKind::NotFound => Class::Here,
            _ => Class::Input,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Read { .. } => Some("set CONTAINERS_REGISTRIES_CONF to a readable file, or unset it".to_owned()),
            Self::Invalid { help, .. } => help.clone(),
            Self::Blocked { place, .. } => {
                Some(format!("use another image, or remove the key `blocked` from {}", show(&place.path)))
            }
            Self::NoHost { what: "pulling", .. } => {
                Some("add the capabilities \"pull\" and \"resolve\" to a host".to_owned())
            }
            Self::NoHost { .. } => Some("add the capability \"push\" to the upstream or a host".to_owned()),
            Self::TooLarge { .. } | Self::NotUtf8 { .. } | Self::TooManyFiles { .. } => None,
        }
    }
}

impl From<ConfigError> for StoreError {
    fn from(error: ConfigError) -> Self {
        let help = error.help();
        match error {
            ConfigError::Read { path, cause } if cause.kind() != io::ErrorKind::NotFound => {
                Self::io("read", &path, cause)
            }
            ConfigError::Read { path, .. } => {
                Self::Malformed { place: show(&path), reason: "no such file".to_owned(), help }
            }
            ConfigError::Invalid { place, reason, .. } => Self::Malformed { place: place.to_string(), reason, help },
            ConfigError::Blocked { name, place } => {
                let reason = format!("it is blocked by the key `blocked` at {place}");
                Self::Malformed { place: name, reason, help }
            }
            ConfigError::TooLarge { path, limit_bytes } => {
                Self::Malformed { place: show(&path), reason: format!("it has more than {limit_bytes} bytes"), help }
            }
            ConfigError::NotUtf8 { path } => {
                Self::Malformed { place: show(&path), reason: "it is not UTF-8".to_owned(), help }
            }
            ConfigError::TooManyFiles { path, limit } => {
                Self::Malformed { place: show(&path), reason: format!("it has more than {limit} files"), help }
            }
            ConfigError::NoHost { name, what, path } => {
                let reason = format!("none of its hosts is allowed for {what} {name}");
                Self::Malformed { place: show(&path), reason, help }
            }
        }
    }
}
