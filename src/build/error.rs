//! Why a build failed.

use std::path::PathBuf;
use std::sync::Arc;

use crate::build::merge::MergeError;
use crate::check::PolicyError;
use crate::files::FilesError;
use crate::lock::LockError;
use crate::model::{Diagnostic, Digest, ErrorKind, Platform, ReferenceError, escape, nearest};
use crate::pack::PackError;
use crate::plan::PlanError;
use crate::spec::SpecError;
use crate::store::StoreError;
use crate::transfer::CopyError;
use crate::tree::TreeError;

/// Help for an output at a place where this user must not write.
const OTHER_DIRECTORY_HELP: &str = "write to another directory with -o";

/// An error of a build. Errors of the stages are wrapped unchanged.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The spec is invalid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The lockfile is invalid.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// `--locked` was given, and the lockfile does not cover the spec.
    #[error("{}", not_locked(.path, *.has_lock, .missing))]
    NotLocked {
        /// The lockfile.
        path: PathBuf,
        /// `false` if the file does not exist.
        has_lock: bool,
        /// The missing pins, as text for messages.
        missing: Vec<String>,
    },
    /// Without a network, the facts of pinned images are not at hand.
    #[error("{} does not contain the facts of {}, and --offline does not contact registries",
        escape(.directory.as_os_str().as_encoded_bytes()), .missing.join("; "))]
    NoFacts {
        /// The directory of the facts files.
        directory: PathBuf,
        /// The lockfile.
        lock: PathBuf,
        /// The images, as text for messages.
        missing: Vec<String>,
    },
    /// The lockfile cannot be written.
    #[error("cannot write the lockfile {}", escape(.path.as_os_str().as_encoded_bytes()))]
    WriteLock {
        /// The lockfile.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: Box<StoreError>,
    },
    /// The spec does not read from the image that was named.
    #[error("the spec has no image \"{}\"", escape(.name.as_bytes()))]
    UnknownImage {
        /// The name that was given.
        name: String,
        /// The images of the spec.
        known: Vec<String>,
    },
    /// A pinned image no longer exists under its name.
    #[error("{}: the locked digest {locked} no longer exists; {} ({platform})", escape(.image.as_bytes()), now(.current.as_ref()))]
    LockedGone {
        /// The image, as the spec writes it.
        image: String,
        /// The platform.
        platform: Platform,
        /// The digest in the lockfile.
        locked: Digest,
        /// The digest that the name resolves to now; `None` if the tag no longer exists.
        current: Option<Digest>,
    },
    /// A `files` entry cannot be listed.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The image cannot be planned.
    #[error("cannot plan the image for {platform}")]
    Plan {
        /// The platform.
        platform: Platform,
        /// The cause.
        #[source]
        cause: Box<PlanError>,
    },
    /// The index cannot be planned.
    #[error("cannot create the index")]
    Index(#[source] PlanError),
    /// A layer cannot be packed.
    #[error(transparent)]
    Pack(Arc<PackError>),
    /// Packing was canceled because another step failed. The error of that step is the one to report.
    #[error("packing was canceled")]
    GivenUp,
    /// The content of files of a layer changed while their sizes and times did not.
    #[error("layer \"{}\" changed, but the sizes and times of its files did not: expected {expected}, found {actual}",
        escape(.layer.as_bytes()))]
    StaleRecord {
        /// The layer's name.
        layer: String,
        /// What it was.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A base image or an image that files are taken from.
    #[error("cannot read {image} for {platform}")]
    Image {
        /// The image, as the spec names it.
        image: String,
        /// For which platform.
        platform: Platform,
        /// Why.
        #[source]
        cause: Box<StoreError>,
    },
    /// What an image's name means now.
    #[error("cannot resolve {image}")]
    Resolve {
        /// The image, as the spec names it.
        image: String,
        /// Why.
        #[source]
        cause: Box<StoreError>,
    },
    /// The layers of a base image or of an image that files are copied from cannot be read.
    #[error("cannot read the files of {image} for {platform}")]
    Tree {
        /// The image, as the spec names it.
        image: String,
        /// The platform.
        platform: Platform,
        /// The cause.
        #[source]
        cause: Box<TreeError>,
    },
    /// An image does not contain a path.
    #[error("{place}: {image} does not contain {path} for {platform}")]
    NotInImage {
        /// The place in the spec.
        place: String,
        /// The image.
        image: String,
        /// The path.
        path: String,
        /// The platform.
        platform: Platform,
    },
    /// A member of the workspace that others build on is not built for a platform of theirs.
    #[error("workspace:{id} is not built for {platform}")]
    MemberLacks {
        /// The member's ID.
        id: String,
        /// The platform.
        platform: Platform,
        /// The member's platforms.
        known: Vec<Platform>,
    },
    /// What a member contains depends on files of its base that the facts about the base do not include.
    #[error("the files of workspace:{id} for {platform} are not known before it is packed")]
    MemberUnknown {
        /// The member's ID.
        id: String,
        /// The platform.
        platform: Platform,
    },
    /// Several members of the workspace cannot be built.
    #[error("{first}, and {} more members cannot be built", .others.len())]
    Several {
        /// The error of the first of them.
        first: Box<BuildError>,
        /// The errors of the others.
        others: Vec<BuildError>,
    },
    /// A member of the workspace cannot be built, or its parts cannot be merged.
    #[error("cannot {action} {id}")]
    Member {
        /// What was done with it.
        action: &'static str,
        /// The member's ID.
        id: String,
        /// Why.
        #[source]
        cause: Box<BuildError>,
    },
    /// Parts cannot be merged.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// An output cannot be written.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A registry denies the push.
    #[error(transparent)]
    Access(Box<StoreError>),
    /// An output cannot be opened.
    #[error("cannot write {output}")]
    Output {
        /// The output.
        output: String,
        /// The cause.
        #[source]
        cause: Box<StoreError>,
    },
    /// The spec does not have the platform that was requested.
    #[error("the spec does not have the platform {wanted}")]
    UnknownPlatform {
        /// The requested platform.
        wanted: Platform,
        /// The platforms of the spec.
        known: Vec<Platform>,
    },
    /// The request contradicts itself or the spec.
    #[error("{reason}")]
    Usage {
        /// What is wrong.
        reason: String,
        /// How to fix it.
        help: String,
    },
    /// A name is invalid.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// `[check]` of the spec is invalid.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The check found errors.
    #[error("the check found {error_count} {}; nothing was written", if *.error_count == 1 { "error" } else { "errors" })]
    Refused {
        /// Number of errors.
        error_count: usize,
    },
    /// A file that is to be packed cannot be read.
    #[error("cannot read {}", escape(.path.as_os_str().as_encoded_bytes()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: std::io::Error,
    },
    /// The index to check does not list an image.
    #[error("{image} contains no image to check")]
    NothingToCheck {
        /// The image, as the user named it.
        image: String,
        /// The entries that it lists instead, as text for messages.
        skipped: Vec<String>,
    },
    /// An operation of the system failed.
    #[error("cannot {action} {}", escape(.path.as_os_str().as_encoded_bytes()))]
    Io {
        /// The operation.
        action: &'static str,
        /// Its path.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: std::io::Error,
    },
}

fn not_locked(path: &std::path::Path, has_lock: bool, missing: &[String]) -> String {
    let path = escape(path.as_os_str().as_encoded_bytes());
    let start = if has_lock {
        format!("lockfile {path} is out of date")
    } else {
        format!("lockfile {path} does not exist")
    };
    format!("{start}, but --locked was given (missing: {})", missing.join("; "))
}

fn now(current: Option<&Digest>) -> String {
    match current {
        Some(digest) => format!("the tag now points to {digest}"),
        None => "the tag no longer exists".to_owned(),
    }
}

/// Returns the name that was probably meant: one that contains `name`, or else the nearest one.
fn meant<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let known = known.iter().map(String::as_str);
    let part = known.clone().find(|known| known.contains(name));
    part.or_else(|| nearest(name, known))
}

/// Returns the help of the archive error that packing wrapped.
fn member_help(error: &PackError) -> Option<String> {
    let PackError::Content { source, .. } = error else {
        return None;
    };
    archive_error(source)?.help()
}

/// Returns the archive error that reading a member of an archive ended with.
fn archive_error(cause: &std::io::Error) -> Option<&FilesError> {
    cause.get_ref()?.downcast_ref()
}

impl From<PackError> for BuildError {
    fn from(error: PackError) -> Self {
        Self::Pack(Arc::new(error))
    }
}

impl BuildError {
    /// Returns the number of findings if the check refused the member.
    pub(super) fn refused_count(&self) -> Option<usize> {
        match self {
            Self::Refused { error_count } => Some(*error_count),
            Self::Member { cause, .. } => cause.refused_count(),
            _ => None,
        }
    }

    /// Returns the error with the member that it concerns.
    pub(super) fn of_member(self, id: Option<&str>) -> Self {
        self.of_member_in("build", id)
    }

    /// Returns the error with the member that it concerns, and what was done with it.
    pub(super) fn of_member_in(self, action: &'static str, id: Option<&str>) -> Self {
        match id {
            Some(id) => Self::Member {
                action,
                id: id.to_owned(),
                cause: Box::new(self),
            },
            None => self,
        }
    }
}

impl Diagnostic for BuildError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Spec(error) => error.error_kind(),
            Self::Lock(error) => error.error_kind(),
            Self::NotLocked { .. }
            | Self::UnknownImage { .. }
            | Self::MemberLacks { .. }
            | Self::MemberUnknown { .. } => ErrorKind::Input,
            Self::Member { cause, .. } | Self::Several { first: cause, .. } => cause.error_kind(),
            Self::WriteLock { cause, .. } => cause.error_kind(),
            Self::LockedGone { .. } | Self::NoFacts { .. } => ErrorKind::NotFound,
            Self::Files(error) => error.error_kind(),
            Self::Plan { cause, .. } => cause.error_kind(),
            Self::Index(error) => error.error_kind(),
            Self::Pack(error) => error.error_kind(),
            Self::Image { cause, .. } | Self::Resolve { cause, .. } | Self::Output { cause, .. } => cause.error_kind(),
            Self::Tree { cause, .. } => cause.error_kind(),
            Self::Access(error) => error.error_kind(),
            Self::Merge(error) => error.error_kind(),
            Self::Copy(error) => error.error_kind(),
            Self::Reference(error) => error.error_kind(),
            Self::NotInImage { .. } => ErrorKind::NotFound,
            Self::UnknownPlatform { .. } | Self::Usage { .. } | Self::NothingToCheck { .. } => ErrorKind::Input,
            Self::Refused { .. } => ErrorKind::CheckFailed,
            Self::Policy(error) => error.error_kind(),
            Self::Unreadable { cause, .. } => archive_error(cause).map_or(ErrorKind::Local, FilesError::error_kind),
            Self::GivenUp | Self::StaleRecord { .. } | Self::Io { .. } => ErrorKind::Local,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Spec(error) => error.help(),
            Self::Lock(error) => error.help(),
            Self::NotLocked { .. } => Some("run `ocitect lock`, and commit the lockfile".to_owned()),
            Self::NoFacts { directory, lock, .. } => Some(format!(
                "run `ocitect lock` with a network, and keep {} beside {}",
                escape(directory.as_os_str().as_encoded_bytes()),
                escape(lock.as_os_str().as_encoded_bytes())
            )),
            Self::WriteLock { cause, .. } => cause.help(),
            Self::UnknownImage { name, known } => Some(match meant(name, known) {
                Some(near) => format!("did you mean {}?", escape(near.as_bytes())),
                None if known.is_empty() => "the spec uses no images: there is nothing to update".to_owned(),
                None => format!("use one of: {}", escape(known.join(", ").as_bytes())),
            }),
            Self::LockedGone {
                image,
                current: Some(_),
                ..
            } => Some(format!(
                "run `ocitect update --image {}` to pin the current image",
                escape(image.as_bytes())
            )),
            Self::LockedGone { .. } => Some("use an existing image in the spec, and run `ocitect update`".to_owned()),
            Self::Files(error) => error.help(),
            Self::Plan { cause, .. } => cause.help(),
            Self::Index(error) => error.help(),
            Self::StaleRecord { .. } => Some("build again: the layer is then packed from its files".to_owned()),
            Self::GivenUp => None,
            Self::Pack(error) => error.help().or_else(|| member_help(error)),
            Self::Copy(error) if error.is_write_denied() => Some(OTHER_DIRECTORY_HELP.to_owned()),
            Self::Output { cause, .. } if cause.is_write_denied() => Some(OTHER_DIRECTORY_HELP.to_owned()),
            Self::Image { cause, .. } | Self::Resolve { cause, .. } | Self::Output { cause, .. } => cause.help(),
            Self::Tree { cause, .. } => cause.help(),
            Self::MemberLacks { id, known, .. } => {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                Some(format!(
                    "add the platform to {id}; it is built for {}",
                    known.join(", ")
                ))
            }
            Self::MemberUnknown { .. } => Some(
                "do not remove a package database of its base, or replace /etc/passwd, /etc/group or a file of the \
                 dynamic loader by a link to a file of its base"
                    .to_owned(),
            ),
            Self::Member { cause, .. } | Self::Several { first: cause, .. } => cause.help(),
            Self::Access(error) => error.help(),
            Self::Merge(error) => error.help(),
            Self::Copy(error) => error.help(),
            Self::Reference(error) => error.help(),
            Self::NotInImage { image, .. } if image.starts_with("workspace:") => {
                Some("correct the path, or add it to the layers of that member".to_owned())
            }
            Self::NotInImage { .. } => Some("run `ocitect ls IMAGE` to list its files".to_owned()),
            Self::UnknownPlatform { known, .. } => {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                Some(format!("available platforms: {}", known.join(", ")))
            }
            Self::Usage { help, .. } => Some(help.clone()),
            Self::Refused { .. } => Some("fix each error, or ignore a finding with `allow` in [check]".to_owned()),
            Self::Policy(error) => error.help(),
            Self::Unreadable { cause, .. } if cause.kind() == std::io::ErrorKind::PermissionDenied => {
                Some("make it readable for the user who builds, or exclude it with `exclude`".to_owned())
            }
            Self::Unreadable { cause, .. } => archive_error(cause)?.help(),
            Self::NothingToCheck { skipped, .. } => Some(if skipped.is_empty() {
                "the index is empty: use another image".to_owned()
            } else {
                format!("it contains only {}", skipped.join("; "))
            }),
            Self::Io { .. } => Some("set TMPDIR to a writable directory with enough space".to_owned()),
        }
    }
}
