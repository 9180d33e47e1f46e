//! The errors of every backend, in one type: what was being done, where, and whose fault it is.

use std::io;

use crate::model::{Class, Descriptor, Diagnose, Digest, DocumentError, Platform, ReferenceError, escape};

/// Whose damage it is when something that was read is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A local layout or archive: bad input.
    Local,
    /// A registry: the other side's failure.
    Remote,
}

impl Side {
    fn damage_class(self) -> Class {
        match self {
            Self::Local => Class::Input,
            Self::Remote => Class::OtherSide,
        }
    }
}

/// A failure of a source or a sink. `place` is what [`crate::store::Source::describe`] says.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A reference, a manifest or a blob is not there.
    #[error("{what} was not found in {place}")]
    NotFound {
        /// What was looked for.
        what: String,
        /// Where.
        place: String,
        /// What is there instead, or how to mend it.
        help: Option<String>,
    },
    /// An image lacks the platform that is wanted.
    #[error("{place} has no image for {wanted}")]
    NoPlatform {
        /// The platform that is wanted.
        wanted: Platform,
        /// Where it was looked for.
        place: String,
        /// The platforms that are there.
        offered: Vec<Platform>,
        /// What is there and is no image, for people.
        skipped: Vec<String>,
    },
    /// An index and the config of an image that it lists name different platforms.
    #[error("{place} lists {manifest} for {listed}, but its config says {stated}")]
    Contradiction {
        /// Where.
        place: String,
        /// Whose damage it is.
        side: Side,
        /// The image's manifest.
        manifest: Digest,
        /// The platform that the index names.
        listed: Box<Platform>,
        /// The platform that the config names.
        stated: Box<Platform>,
    },
    /// Several images are there and none was chosen.
    #[error("{place} contains {} images, but none was selected", .names.len())]
    Several {
        /// Where.
        place: String,
        /// Their names.
        names: Vec<String>,
    },
    /// Bytes do not have the digest or the size that their descriptor says.
    #[error("{digest} in {place} is damaged: expected {expected}, found {actual}")]
    Damaged {
        /// Digest of the descriptor.
        digest: Digest,
        /// Where it was read.
        place: String,
        /// What the descriptor says.
        expected: String,
        /// What was read.
        actual: String,
        /// Whose damage it is.
        side: Side,
    },
    /// A manifest, an index or a config cannot be used.
    #[error("cannot use a document of {place}")]
    Document {
        /// Where it was read.
        place: String,
        /// Whose damage it is.
        side: Side,
        /// What is wrong with it.
        #[source]
        cause: DocumentError,
    },
    /// A layout or an archive is not of the form that it should be.
    #[error("cannot use {place}: {reason}")]
    Malformed {
        /// Which.
        place: String,
        /// Why.
        reason: String,
        /// How to mend it.
        help: Option<String>,
    },
    /// The system said no.
    #[error("cannot {action} {}", escape(.path.as_bytes()))]
    Io {
        /// What was being done, in the -ing form: `writing`, `locking`.
        action: &'static str,
        /// To what.
        path: String,
        /// What the system said.
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
        /// Whose side it is.
        side: Side,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
    /// 401 to a request without credentials.
    #[error("{place} requires authentication: {detail}")]
    AuthenticationRequired {
        /// The registry and repository.
        place: String,
        /// What the registry said.
        detail: String,
        /// What to do.
        help: Option<String>,
    },
    /// 401 to credentials.
    #[error("authentication to {place} failed: {detail}")]
    Unauthorized {
        /// The registry and repository.
        place: String,
        /// What the registry said.
        detail: String,
        /// How to mend it.
        help: Option<String>,
    },
    /// 403: known, and not allowed.
    #[error("access to {place} was denied: {detail}")]
    Denied {
        /// The registry and repository.
        place: String,
        /// What the registry said.
        detail: String,
        /// How to mend it.
        help: Option<String>,
    },
    /// The network failed, or the registry breaks the protocol.
    #[error("{action} at {place} failed: {detail}")]
    Remote {
        /// What was being done.
        action: String,
        /// The registry and repository.
        place: String,
        /// What happened, without secrets.
        detail: String,
        /// How to mend it.
        help: Option<String>,
        /// The cause, where a library gave one.
        #[source]
        cause: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The registry lacks something that a manifest names, though it said or was told that it has it.
    #[error("{place} is missing content of the manifest {manifest}: {detail}")]
    Incomplete {
        /// The registry and repository.
        place: String,
        /// The manifest that was refused.
        manifest: Digest,
        /// What the registry said.
        detail: String,
    },
    /// It can not be done with this backend.
    #[error("{place} cannot {what}")]
    Unsupported {
        /// Which backend.
        place: String,
        /// What it cannot do.
        what: String,
        /// How to do without.
        help: Option<String>,
    },
    /// A tag belongs to an image of another name.
    #[error("the tag {tag} in {place} belongs to {owner}, not to {name}")]
    ForeignTag {
        /// The tag.
        tag: String,
        /// The layout.
        place: String,
        /// The name that the tag's image has.
        owner: String,
        /// The name of the image that was to be written.
        name: String,
    },
    /// A name cannot be used.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// What [`crate::store::Sink::put`] read from its source failed.
    #[error(transparent)]
    Source(Box<StoreError>),
}

impl StoreError {
    /// An I/O error with what was being done to which path.
    pub fn io(action: &'static str, path: &std::path::Path, cause: io::Error) -> Self {
        Self::Io { action, path: path.to_string_lossy().into_owned(), cause }
    }

    /// The descriptor's blob is not there.
    pub fn blob_not_found(descriptor: &Descriptor, place: String) -> Self {
        Self::NotFound { what: format!("blob {}", descriptor.digest), place, help: None }
    }

    /// True where the side that was read from failed while something was written.
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

    /// Takes back the error that [`crate::store::VerifiedReader`] put into an I/O error.
    pub fn from_reader(cause: io::Error) -> Result<Self, io::Error> {
        if cause.get_ref().is_some_and(|inner| inner.is::<Self>()) {
            let inner = cause.into_inner().and_then(|inner| inner.downcast::<Self>().ok());
            return inner.map(|error| *error).ok_or_else(|| io::Error::other("an error without a cause"));
        }
        Err(cause)
    }
}

/// How many entries a message lists; an index may have thousands.
const MAX_LISTED_ENTRIES: usize = 10;

/// The first of `entries`, and how many more there are.
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

impl Diagnose for StoreError {
    fn class(&self) -> Class {
        match self {
            Self::NotFound { .. } | Self::NoPlatform { .. } => Class::NotFound,
            Self::Several { .. } | Self::Malformed { .. } | Self::Unsupported { .. } | Self::ForeignTag { .. } => {
                Class::Input
            }
            Self::Damaged { side, .. } | Self::Document { side, .. } | Self::Contradiction { side, .. } => {
                side.damage_class()
            }
            Self::Read { side: Side::Remote, .. } | Self::Remote { .. } | Self::Incomplete { .. } => Class::OtherSide,
            Self::Io { .. } | Self::Read { .. } => Class::Here,
            Self::AuthenticationRequired { .. } | Self::Unauthorized { .. } | Self::Denied { .. } => {
                Class::Unauthorized
            }
            Self::Reference(error) => error.class(),
            Self::Source(error) => error.class(),
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
            Self::ForeignTag { place, owner, .. } => {
                let directory = place.strip_prefix("oci:").unwrap_or(place);
                Some(format!(
                    "write to another layout with `-o oci:OTHER`, or, if {owner} was renamed, delete the directory \
                     {directory} and build again"
                ))
            }
            Self::Incomplete { .. } => Some("push again: the registry lost a blob".to_owned()),
            Self::Reference(error) => error.help(),
            Self::Source(error) => error.help(),
            _ => None,
        }
    }
}
