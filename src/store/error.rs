//! The errors of every backend, in one type: what failed, where, and on which side.

use std::io;

use super::error_code::ErrorCode;
use crate::model::{Descriptor, Diagnostic, Digest, DocumentError, ErrorKind, Platform, ReferenceError, escape};

/// The side that invalid content comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A local layout or archive: invalid input.
    Local,
    /// A registry: a remote failure.
    Remote,
}

impl Side {
    fn damage_class(self) -> ErrorKind {
        match self {
            Self::Local => ErrorKind::Input,
            Self::Remote => ErrorKind::Remote,
        }
    }
}

/// An error of a source or a sink. `place` is the result of [`crate::store::Source::describe`].
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A reference, a manifest or a blob does not exist.
    #[error("{what} was not found in {place}")]
    NotFound {
        /// What was looked up.
        what: String,
        /// Where it was looked up.
        place: String,
        /// What exists instead, or how to fix it.
        help: Option<String>,
    },
    /// A layout or an archive does not exist.
    #[error("{place} does not exist")]
    Missing {
        /// The layout or the archive.
        place: String,
    },
    /// An image does not have the requested platform.
    #[error("{place} has no image for {wanted}")]
    NoPlatform {
        /// The requested platform.
        wanted: Platform,
        /// Where it was looked up.
        place: String,
        /// The available platforms.
        offered: Vec<Platform>,
        /// Entries that are not images, for people.
        skipped: Vec<String>,
    },
    /// The entry of an index and the config of its image have different platforms.
    #[error("{place} lists {manifest} for {listed}, but its config says {stated}")]
    Contradiction {
        /// Where the image is.
        place: String,
        /// The side that it comes from.
        side: Side,
        /// Digest of the image's manifest.
        manifest: Digest,
        /// The platform in the index.
        listed: Box<Platform>,
        /// The platform in the config.
        stated: Box<Platform>,
    },
    /// There are several images, and none was selected.
    #[error("{place} contains {} images, but none was selected", .names.len())]
    Several {
        /// Where they are.
        place: String,
        /// Their names.
        names: Vec<String>,
    },
    /// Content does not match the digest or the size of its descriptor.
    #[error("{digest} in {place} is damaged: expected {expected}, found {actual}")]
    Damaged {
        /// Digest of the descriptor.
        digest: Digest,
        /// Where it was read.
        place: String,
        /// The value in the descriptor.
        expected: String,
        /// The value that was read.
        actual: String,
        /// The side that it comes from.
        side: Side,
    },
    /// A manifest, an index or a config is invalid.
    #[error("cannot use a document of {place}")]
    Document {
        /// Where it was read.
        place: String,
        /// The side that it comes from.
        side: Side,
        /// What is wrong with it.
        #[source]
        cause: DocumentError,
    },
    /// A layout or an archive is malformed.
    #[error("cannot use {place}: {reason}")]
    Malformed {
        /// The layout or archive.
        place: String,
        /// What is wrong with it.
        reason: String,
        /// How to fix it.
        help: Option<String>,
    },
    /// A system call failed.
    #[error("cannot {action} {}", escape(.path.as_bytes()))]
    Io {
        /// The action, in the -ing form: `writing`, `locking`.
        action: &'static str,
        /// The path that it was applied to.
        path: String,
        /// The system's error.
        #[source]
        cause: io::Error,
    },
    /// A source changed while it was read, or its reader failed.
    #[error("cannot read {digest} from {place}")]
    Read {
        /// Digest of the descriptor.
        digest: Digest,
        /// Where it was read.
        place: String,
        /// The side that it comes from.
        side: Side,
        /// The error.
        #[source]
        cause: io::Error,
    },
    /// The registry replied 401 to a request without credentials.
    #[error("{place} requires authentication: {detail}")]
    AuthenticationRequired {
        /// The registry and repository.
        place: String,
        /// The registry's message.
        detail: String,
        /// How to fix it.
        help: Option<String>,
    },
    /// The registry replied 401 to the given credentials.
    #[error("authentication to {place} failed: {detail}")]
    Unauthorized {
        /// The registry and repository.
        place: String,
        /// The registry's message.
        detail: String,
        /// How to fix it.
        help: Option<String>,
    },
    /// The registry replied 403: the account has no permission.
    #[error("access to {place} was denied: {detail}")]
    Denied {
        /// The registry and repository.
        place: String,
        /// The registry's message.
        detail: String,
        /// How to fix it.
        help: Option<String>,
    },
    /// The network failed, or the registry violates the protocol.
    #[error("{action} at {place} failed: {detail}")]
    Remote {
        /// The action.
        action: String,
        /// The registry and repository.
        place: String,
        /// What happened, without secrets.
        detail: String,
        /// The code in the registry's reply, if it has one.
        code: Option<ErrorCode>,
        /// How to fix it.
        help: Option<String>,
        /// The cause, if a library returned one.
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The registry is missing something that a manifest names, though it confirmed that it has it.
    #[error("{place} is missing content of the manifest {manifest}: {detail}")]
    Incomplete {
        /// The registry and repository.
        place: String,
        /// The refused manifest.
        manifest: Digest,
        /// The registry's message.
        detail: String,
    },
    /// The backend does not support the operation.
    #[error("{place} cannot {what}")]
    Unsupported {
        /// The backend.
        place: String,
        /// The operation.
        what: String,
        /// An alternative.
        help: Option<String>,
    },
    /// A tag belongs to an image of another name.
    #[error("the tag {tag} in {place} belongs to {owner}, not to {name}")]
    ForeignTag {
        /// The tag.
        tag: String,
        /// The layout.
        place: String,
        /// The name of the tag's image.
        owner: String,
        /// The name of the image to write.
        name: String,
    },
    /// A name is invalid.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The source of [`crate::store::Sink::put`] failed.
    #[error(transparent)]
    Source(Box<StoreError>),
}

impl StoreError {
    /// Returns an I/O error with the action and the path.
    pub fn io(action: &'static str, path: &std::path::Path, cause: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_string_lossy().into_owned(),
            cause,
        }
    }

    /// Returns the error of input that cannot be used, without help.
    pub fn malformed(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed {
            place: place.into(),
            reason: reason.into(),
            help: None,
        }
    }

    /// Returns the error with other help. An error whose help follows from its kind keeps it.
    #[must_use]
    pub fn with_help(mut self, text: impl Into<String>) -> Self {
        if let Self::NotFound { help, .. }
        | Self::Malformed { help, .. }
        | Self::AuthenticationRequired { help, .. }
        | Self::Unauthorized { help, .. }
        | Self::Denied { help, .. }
        | Self::Remote { help, .. }
        | Self::Unsupported { help, .. } = &mut self
        {
            *help = Some(text.into());
        }
        self
    }

    /// Returns `true` if the system does not let this user write.
    pub fn is_write_denied(&self) -> bool {
        let Self::Io { cause, .. } = self else { return false };
        matches!(
            cause.kind(),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
        )
    }

    /// Returns the error of an action that failed at a registry, without help and cause.
    pub fn remote(action: &str, place: &str, detail: impl Into<String>) -> Self {
        Self::Remote {
            action: action.to_owned(),
            place: place.to_owned(),
            detail: detail.into(),
            code: None,
            help: None,
            cause: None,
        }
    }

    /// Returns the error for a blob that does not exist.
    pub fn blob_not_found(descriptor: &Descriptor, place: String) -> Self {
        Self::NotFound {
            what: format!("blob {}", descriptor.digest),
            place,
            help: None,
        }
    }

    /// Returns `true` if reading from the source failed while something was written.
    pub fn is_source(&self) -> bool {
        matches!(self, Self::Source(_))
    }

    /// Marks an error as the source's, once.
    pub fn of_source(self) -> Self {
        match self {
            already @ Self::Source(_) => already,
            error => Self::Source(Box::new(error)),
        }
    }

    /// Returns the error that [`crate::store::VerifiedReader`] put into an I/O error.
    pub fn from_reader(cause: io::Error) -> Result<Self, io::Error> {
        if cause.get_ref().is_some_and(|inner| inner.is::<Self>()) {
            let inner = cause.into_inner().and_then(|inner| inner.downcast::<Self>().ok());
            return inner
                .map(|error| *error)
                .ok_or_else(|| io::Error::other("an error without a cause"));
        }
        Err(cause)
    }
}

/// Limit on the entries that a message lists; an index may have thousands.
const MAX_LISTED_ENTRIES: usize = 10;

/// Returns the first of `entries`, and the number of the others.
fn listed(entries: &[String]) -> Vec<String> {
    let mut listed: Vec<String> = entries.iter().take(MAX_LISTED_ENTRIES).cloned().collect();
    if entries.len() > MAX_LISTED_ENTRIES {
        listed.push(format!("{} more", entries.len() - MAX_LISTED_ENTRIES));
    }
    listed
}

fn io_help(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space there, or write to another place")
        }
        _ if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
            Some("raise the limit on open files: `ulimit -n`")
        }
        io::ErrorKind::FileTooLarge => Some("raise the limit on file size (`ulimit -f`), or write to another place"),
        io::ErrorKind::ReadOnlyFilesystem => Some("make it writable, or write to another place"),
        io::ErrorKind::PermissionDenied => Some("check the permissions of this path"),
        _ => None,
    }
}

impl Diagnostic for StoreError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::Missing { .. } | Self::NoPlatform { .. } => ErrorKind::NotFound,
            Self::Several { .. } | Self::Malformed { .. } | Self::Unsupported { .. } | Self::ForeignTag { .. } => {
                ErrorKind::Input
            }
            Self::Damaged { side, .. } | Self::Document { side, .. } | Self::Contradiction { side, .. } => {
                side.damage_class()
            }
            Self::Read { side: Side::Remote, .. } | Self::Remote { .. } | Self::Incomplete { .. } => ErrorKind::Remote,
            Self::Io { .. } | Self::Read { .. } => ErrorKind::Local,
            Self::AuthenticationRequired { .. } | Self::Unauthorized { .. } | Self::Denied { .. } => {
                ErrorKind::Unauthorized
            }
            Self::Reference(error) => error.error_kind(),
            Self::Source(error) => error.error_kind(),
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::NotFound { help, .. }
            | Self::Malformed { help, .. }
            | Self::AuthenticationRequired { help, .. }
            | Self::Unauthorized { help, .. }
            | Self::Denied { help, .. }
            | Self::Remote { help, .. }
            | Self::Unsupported { help, .. } => help.clone(),
            Self::Missing { .. } => Some("check the path".to_owned()),
            Self::NoPlatform { offered, skipped, .. } if offered.is_empty() => Some(match &listed(skipped)[..] {
                [] => "it is an empty index: use another image".to_owned(),
                listed => format!("it contains no image, only {}", listed.join("; ")),
            }),
            Self::Contradiction { .. } => {
                Some("build the image again for this platform, or correct the platform in the index".to_owned())
            }
            Self::NoPlatform { offered, .. } => {
                let offered: Vec<String> = offered.iter().map(ToString::to_string).collect();
                Some(format!("available platforms: {}", offered.join(", ")))
            }
            Self::Several { names, .. } => Some(format!("use one of: {}", names.join(", "))),
            Self::Damaged { side: Side::Local, .. } => Some("create or copy it again".to_owned()),
            Self::Damaged { side: Side::Remote, .. } => {
                Some("try again; if it fails again, push the image again".to_owned())
            }
            Self::Document { cause, .. } => cause.help(),
            Self::Io { cause, .. } => io_help(cause).map(str::to_owned),
            Self::ForeignTag { .. } => {
                Some("give the image a `name` in [image], or write to another layout with `-o oci:OTHER`".to_owned())
            }
            Self::Incomplete { .. } => Some("push again: the registry lost a blob".to_owned()),
            Self::Reference(error) => error.help(),
            Self::Source(error) => error.help(),
            _ => None,
        }
    }
}
