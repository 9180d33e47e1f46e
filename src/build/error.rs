//! Why a build failed.

use std::path::PathBuf;

use crate::check::PolicyError;
use crate::files::FilesError;
use crate::model::{Class, Diagnose, Platform, ReferenceError, escape};
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
    /// The listing of a `files` entry.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The plan.
    #[error("planning {platform}")]
    Plan {
        /// For which platform.
        platform: Platform,
        /// Why.
        #[source]
        cause: Box<PlanError>,
    },
    /// The index.
    #[error("making the index")]
    Index(#[source] PlanError),
    /// Packing.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A base image or an image that files are taken from.
    #[error("reading {image} for {platform}")]
    Image {
        /// The image, as the spec names it.
        image: String,
        /// For which platform.
        platform: Platform,
        /// Why.
        #[source]
        cause: Box<StoreError>,
    },
    /// The layers of a base image or of an image that files are taken from.
    #[error("reading the files of {image} for {platform}")]
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
    #[error("{place}: {image} has no {path} for {platform}")]
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
    /// Opening an output.
    #[error("opening {output}")]
    Output {
        /// The output.
        output: String,
        /// Why.
        #[source]
        cause: Box<StoreError>,
    },
    /// A platform was asked for that the spec lacks.
    #[error("the spec has no platform {wanted}")]
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
    /// The system said no.
    #[error("{action} {}", escape(.path.as_os_str().as_encoded_bytes()))]
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

/// What an archive says to an error of reading from it, which packing only passes on.
fn member_help(error: &PackError) -> Option<String> {
    let PackError::Content { source, .. } = error else { return None };
    source.get_ref()?.downcast_ref::<FilesError>()?.help()
}

impl Diagnose for BuildError {
    fn class(&self) -> Class {
        match self {
            Self::Spec(error) => error.class(),
            Self::Files(error) => error.class(),
            Self::Plan { cause, .. } => cause.class(),
            Self::Index(error) => error.class(),
            Self::Pack(error) => error.class(),
            Self::Image { cause, .. } | Self::Output { cause, .. } => cause.class(),
            Self::Tree { cause, .. } => cause.class(),
            Self::Copy(error) => error.class(),
            Self::Reference(error) => error.class(),
            Self::NotInImage { .. } => Class::NotFound,
            Self::UnknownPlatform { .. } | Self::Usage { .. } => Class::Input,
            Self::Refused { .. } => Class::Gate,
            Self::Policy(error) => error.class(),
            Self::Io { .. } => Class::Here,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Spec(error) => error.help(),
            Self::Files(error) => error.help(),
            Self::Plan { cause, .. } => cause.help(),
            Self::Index(error) => error.help(),
            Self::Pack(error) => error.help().or_else(|| member_help(error)),
            Self::Image { cause, .. } | Self::Output { cause, .. } => cause.help(),
            Self::Tree { cause, .. } => cause.help(),
            Self::Copy(error) => error.help(),
            Self::Reference(error) => error.help(),
            Self::NotInImage { .. } => Some("`ocitect ls IMAGE` lists what it holds".to_owned()),
            Self::UnknownPlatform { known, .. } => {
                let known: Vec<String> = known.iter().map(ToString::to_string).collect();
                Some(format!("it has {}", known.join(", ")))
            }
            Self::Usage { help, .. } => Some(help.clone()),
            Self::Refused { .. } => {
                Some("each error says what to change; `allow` in [check] passes a finding over".to_owned())
            }
            Self::Policy(error) => error.help(),
            Self::Io { .. } => Some("set TMPDIR to a directory that can be written to and has room".to_owned()),
        }
    }
}
