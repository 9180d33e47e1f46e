//! Errors of configuration files, and requests that they forbid.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::{Diagnostic, ErrorKind, escape};
use crate::store::StoreError;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub path: Arc<Path>,
    /// Line number, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", show(&self.path), self.line)
    }
}

/// Returns a path as it may be shown.
fn show(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}

/// Returns the request of [`ConfigError::NoHost`], for messages.
fn verb(is_push: bool) -> &'static str {
    if is_push { "pushing to" } else { "pulling" }
}

/// A configuration that is invalid, or that forbids the request. No message has a header's value, or a part of an
/// address that may be a password.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or a directory cannot be read.
    #[error("cannot read {}", show(.path))]
    Read {
        /// Its path.
        path: PathBuf,
        /// The system's error.
        #[source]
        cause: io::Error,
    },
    /// A file exceeds the size limit.
    #[error("{} has more than {limit_bytes} bytes", show(.path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// A file is not UTF-8.
    #[error("{} is not UTF-8", show(.path))]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// A directory has too many drop-in files.
    #[error("{} has more than {limit} files", show(.path))]
    TooManyFiles {
        /// The directory.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A line is invalid.
    #[error("{place}: {reason}")]
    Invalid {
        /// Its place.
        place: Place,
        /// What is wrong.
        reason: String,
        /// How to fix it.
        help: Option<String>,
    },
    /// The name is blocked.
    #[error("{name} is blocked by the key `blocked` at {place}")]
    Blocked {
        /// The image or repository.
        name: String,
        /// The place of `blocked`.
        place: Place,
    },
    /// No host remains for the request.
    #[error("no host in {} is allowed for {} {name}", show(.path), verb(*.is_push))]
    NoHost {
        /// The repository.
        name: String,
        /// The request is a push.
        is_push: bool,
        /// The `hosts.toml`.
        path: PathBuf,
    },
}

impl ConfigError {
    /// Returns the error of an invalid line, without help.
    pub(super) fn invalid(place: &Place, reason: impl Into<String>) -> Self {
        Self::Invalid {
            place: place.clone(),
            reason: reason.into(),
            help: None,
        }
    }
}

impl Diagnostic for ConfigError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Read { cause, .. } if cause.kind() != io::ErrorKind::NotFound => ErrorKind::Local,
            _ => ErrorKind::Input,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Read { .. } => Some("set CONTAINERS_REGISTRIES_CONF to a readable file, or unset it".to_owned()),
            Self::Invalid { help, .. } => help.clone(),
            Self::Blocked { place, .. } => Some(format!(
                "use another image, or remove the key `blocked` from {}",
                show(&place.path)
            )),
            Self::NoHost { is_push: true, .. } => {
                Some("add the capability \"push\" to the upstream or a host".to_owned())
            }
            Self::NoHost { is_push: false, .. } => {
                Some("add the capabilities \"pull\" and \"resolve\" to a host".to_owned())
            }
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
            ConfigError::Read { path, .. } => Self::Malformed {
                place: show(&path),
                reason: "no such file".to_owned(),
                help,
            },
            ConfigError::Invalid { place, reason, .. } => Self::Malformed {
                place: place.to_string(),
                reason,
                help,
            },
            ConfigError::Blocked { name, place } => {
                let reason = format!("it is blocked by the key `blocked` at {place}");
                Self::Malformed {
                    place: name,
                    reason,
                    help,
                }
            }
            ConfigError::TooLarge { path, limit_bytes } => Self::Malformed {
                place: show(&path),
                reason: format!("it has more than {limit_bytes} bytes"),
                help,
            },
            ConfigError::NotUtf8 { path } => Self::Malformed {
                place: show(&path),
                reason: "it is not UTF-8".to_owned(),
                help,
            },
            ConfigError::TooManyFiles { path, limit } => Self::Malformed {
                place: show(&path),
                reason: format!("it has more than {limit} files"),
                help,
            },
            ConfigError::NoHost { name, is_push, path } => {
                let reason = format!("none of its hosts is allowed for {} {name}", verb(is_push));
                Self::Malformed {
                    place: show(&path),
                    reason,
                    help,
                }
            }
        }
    }
}
