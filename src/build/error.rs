//! Why a build failed.

use std::path::PathBuf;

use crate::check::PolicyError;
use crate::files::FilesError;
use crate::lock::LockError;
use crate::model::{Class, Diagnose, Digest, Platform, ReferenceError, escape, nearest};
use crate::pack::PackError;
use crate::plan::PlanError;
use crate::spec::SpecError;
use crate::store::StoreError;
use crate::transfer::CopyError;
use crate::tree::TreeError;

/// A build that failed. Errors of the stages are passed on as they are.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The spec.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// `--locked`, and a lock that does not cover the spec.
    #[error("{}", not_locked(.path, *.has_lock, .missing))]
    NotLocked {
        /// The lock.
        path: PathBuf,
        /// False where there is no such file.
        has_lock: bool,
        /// What it lacks, for people.
        missing: Vec<String>,
    },
    /// The lock cannot be written.
    #[error("cannot write the lockfile {}", escape(.path.as_os_str().as_encoded_bytes()))]
    WriteLock {
        /// The lock.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Box<StoreError>,
    },
    /// An image was named that the spec does not read from.
    #[error("the spec has no image \"{}\"", escape(.name.as_bytes()))]
    UnknownImage {
        /// What was named.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A pinned image that is not where it was.
    #[error("{}: the locked digest {locked} no longer exists; {} ({platform})", escape(.image.as_bytes()), now(.current.as_ref()))]
    LockedGone {
        /// The image, as the spec writes it.
        image: String,
        /// For which platform.
        platform: Platform,
        /// The digest of the lock.
        locked: Digest,
        /// What the name means now; `None` where it means nothing any more.
        current: Option<Digest>,
    },
    /// The listing of a `files` entry.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The plan.
    #[error("cannot plan the image for {platform}")]
    Plan {
        /// For which platform.
        platform: Platform,
        /// Why.
        #[source]
        cause: Box<PlanError>,
    },
    /// The index.
    #[error("cannot create the index")]
    Index(#[source] PlanError),
    /// Packing.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// Packing ended early, since what it was for had failed: that is the error to tell.
    #[error("packing was canceled")]
    GivenUp,
    /// Files of a layer changed, and their sizes and times did not.
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
    /// The layers of a base image or of an image that files are taken from.
    #[error("cannot read the files of {image} for {platform}")]
    Tree {
        /// The image, as the spec names it.
        image: String,
        /// For which platform.
        platform: Platform,
        /// Why.
        #[source]
        cause: Box<TreeError>,
    },
    /// A path that an image lacks.
    #[error("{place}: {image} does not contain {path} for {platform}")]
    NotInImage {
        /// Where the spec asks for it.
        place: String,
        /// The image.
        image: String,
        /// The path.
        path: String,
        /// The platform.
        platform: Platform,
    },
    /// Writing an output.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A registry does not take the image from whoever pushes it.
    #[error(transparent)]
    Access(Box<StoreError>),
    /// Opening an output.
    #[error("cannot write {output}")]
    Output {
        /// The output.
        output: String,
        /// Why.
        #[source]
        cause: Box<StoreError>,
    },
    /// A platform was asked for that the spec lacks.
    #[error("the spec does not have the platform {wanted}")]
    UnknownPlatform {
        /// What was asked for.
        wanted: Platform,
        /// What there is.
        known: Vec<Platform>,
    },
    /// What was asked for contradicts itself or the spec.
    #[error("{reason}")]
    Usage {
        /// What is wrong.
        reason: String,
        /// How to mend it.
        help: String,
    },
    /// A name that cannot be used.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// `[check]` of the spec.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The check found errors.
    #[error("the check found {error_count} {}; nothing was written", if *.error_count == 1 { "error" } else { "errors" })]
    Refused {
        /// How many.
        error_count: usize,
    },
    /// A file that is to be packed cannot be read.
    #[error("cannot read {}", escape(.path.as_os_str().as_encoded_bytes()))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// An image to check that holds no image.
    #[error("{image} contains no image to check")]
    NothingToCheck {
        /// The image, as it was named.
        image: String,
        /// What it lists instead, for people.
        skipped: Vec<String>,
    },
    /// The system said no.
    #[error("cannot {action} {}", escape(.path.as_os_str().as_encoded_bytes()))]
    Io {
        /// What was being done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
}

fn not_locked(path: &std::path::Path, has_lock: bool, missing: &[String]) -> String {
    let path = escape(path.as_os_str().as_encoded_bytes());
    let start =
        if has_lock { format!("lockfile {path} is out of date") } else { format!("lockfile {path} does not exist") };
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

/// What an archive says to an error of reading from it, which packing only passes on.
fn member_help(error: &PackError) -> Option<String> {
    let PackError::Content { source, .. } = error else { return None };
    source.get_ref()?.downcast_ref::<FilesError>()?.help()
}

impl Diagnose for BuildError {
    fn class(&self) -> Class {
        match self {
            Self::Spec(error) => error.class(),
            Self::Lock(error) => error.class(),
            Self::NotLocked { .. } | Self::UnknownImage { .. } => Class::Input,
            Self::WriteLock { cause, .. } => cause.class(),
            Self::LockedGone { .. } => Class::NotFound,
            Self::Files(error) => error.class(),
            Self::Plan { cause, .. } => cause.class(),
            Self::Index(error) => error.class(),
            Self::Pack(error) => error.class(),
            Self::Image { cause, .. } | Self::Resolve { cause, .. } | Self::Output { cause, .. } => cause.class(),
            Self::Tree { cause, .. } => cause.class(),
            Self::Access(error) => error.class(),
            Self::Copy(error) => error.class(),
            Self::Reference(error) => error.class(),
            Self::NotInImage { .. } => Class::NotFound,
            Self::UnknownPlatform { .. } | Self::Usage { .. } | Self::NothingToCheck { .. } => Class::Input,
            Self::Refused { .. } => Class::Gate,
            Self::Policy(error) => error.class(),
            Self::GivenUp | Self::StaleRecord { .. } | Self::Unreadable { .. } | Self::Io { .. } => Class::Here,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Spec(error) => error.help(),
            Self::Lock(error) => error.help(),
            Self::NotLocked { .. } => Some("run `ocitect lock`, and commit the lockfile".to_owned()),
            Self::WriteLock { cause, .. } => cause.help(),
            Self::UnknownImage { name, known } => Some(match meant(name, known) {
                Some(near) => format!("did you mean {}?", escape(near.as_bytes())),
                None if known.is_empty() => "the spec uses no images: there is nothing to update".to_owned(),
                None => format!("use one of: {}", escape(known.join(", ").as_bytes())),
            }),
            Self::LockedGone { image, current: Some(_), .. } => {
                Some(format!("run `ocitect update {}` to pin the current image", escape(image.as_bytes())))
            }
            Self::LockedGone { .. } => Some("use an existing image in the spec, and run `ocitect update`".to_owned()),
            Self::Files(error) => error.help(),
            Self::Plan { cause, .. } => cause.help(),
            Self::Index(error) => error.help(),
            Self::StaleRecord { .. } => Some("build again: the layer is then packed from its files".to_owned()),
            Self::GivenUp => None,
            Self::Pack(error) => error.help().or_else(|| member_help(error)),
            Self::Image { cause, .. } | Self::Resolve { cause, .. } | Self::Output { cause, .. } => cause.help(),
            Self::Tree { cause, .. } => cause.help(),
            Self::Access(error) => error.help(),
            Self::Copy(error) => error.help(),
            Self::Reference(error) => error.help(),
            Self::NotInImage { .. } => Some("run `ocitect ls IMAGE` to list its files".to_owned()),
            Self::UnknownPlatform { known, .. } => {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                Some(format!("available platforms: {}", known.join(", ")))
            }
            Self::Usage { help, .. } => Some(help.clone()),
            Self::Refused { .. } => Some("fix each error, or ignore a finding with `allow` in [check]".to_owned()),
            Self::Policy(error) => error.help(),
            Self::Unreadable { cause, .. } => (cause.kind() == std::io::ErrorKind::PermissionDenied)
                .then(|| "make it readable for the user who builds, or exclude it with `exclude`".to_owned()),
            Self::NothingToCheck { skipped, .. } => Some(if skipped.is_empty() {
                "the index is empty: use another image".to_owned()
            } else {
                format!("it contains only {}", skipped.join("; "))
            }),
            Self::Io { .. } => Some("set TMPDIR to a writable directory with enough space".to_owned()),
        }
    }
}
