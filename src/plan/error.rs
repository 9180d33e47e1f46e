//! Errors of planning.

use crate::model::{Descriptor, Diagnostic, DocumentError, EntryPath, EntryPathError, ErrorKind, Family, escape};
use crate::spec::Place;
use crate::tree::{LAYER_TYPE_HELP, ResolveError};

/// An error that makes a plan impossible, with the origin of the conflict.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A destination is not allowed in an image.
    #[error("layer \"{}\": cannot write {origin} to the image", escape(.layer.as_bytes()))]
    Path {
        /// The layer's name.
        layer: String,
        /// The origin of the entry, or the place in the spec.
        origin: String,
        /// What is wrong with the path.
        #[source]
        cause: EntryPathError,
    },
    /// The destination is a whiteout, which deletes files when the layer is applied.
    #[error("layer \"{}\": cannot write {origin} to {path}: a name that begins with .wh. deletes files of lower \
             layers", escape(.layer.as_bytes()))]
    WhiteoutName {
        /// The layer's name.
        layer: String,
        /// The origin of the entry.
        origin: String,
        /// Its destination.
        path: EntryPath,
    },
    /// The destination cannot be resolved in the image so far.
    #[error("layer \"{}\": cannot write {origin} to the image", escape(.layer.as_bytes()))]
    Unresolved {
        /// The layer's name.
        layer: String,
        /// The origin of the entry.
        origin: String,
        /// The error of resolving it.
        #[source]
        cause: ResolveError,
    },
    /// Two different entries of one layer have the same path.
    #[error(
        "layer \"{}\": {path} is provided by both {first} and {second}, with different {difference}",
        escape(.layer.as_bytes())
    )]
    Conflict {
        /// The layer's name.
        layer: String,
        /// Their path.
        path: EntryPath,
        /// The origin of the first entry.
        first: String,
        /// The origin of the second entry.
        second: String,
        /// The property in which they differ.
        difference: &'static str,
    },
    /// An entry of the layer is not a directory, but another entry of the layer is below it.
    #[error("layer \"{}\": cannot write {origin} to {path}: its parent {parent_origin} is not a directory", escape(.layer.as_bytes()))]
    ParentNotDirectory {
        /// The layer's name.
        layer: String,
        /// The lower entry.
        path: EntryPath,
        /// The origin of the lower entry.
        origin: String,
        /// The origin of the entry that is not a directory.
        parent_origin: String,
    },
    /// A file or a link would replace a directory of the image so far.
    #[error("layer \"{}\": cannot write {origin} to {path}: a directory already exists there", escape(.layer.as_bytes()))]
    FileOverDirectory {
        /// The layer's name.
        layer: String,
        /// The path.
        path: EntryPath,
        /// The origin of the entry.
        origin: String,
    },
    /// A directory would replace something else in the image so far.
    #[error("layer \"{}\": cannot create the directory {origin} at {path}: a file already exists there", escape(.layer.as_bytes()))]
    DirectoryOverFile {
        /// The layer's name.
        layer: String,
        /// The path.
        path: EntryPath,
        /// The origin of the entry.
        origin: String,
    },
    /// A path of `remove` does not exist below the layer.
    #[error("layer \"{}\": cannot remove {path} ({place}): it does not exist in the lower layers", escape(.layer.as_bytes()))]
    RemoveMissing {
        /// The layer's name.
        layer: String,
        /// The path.
        path: EntryPath,
        /// The place in the spec.
        place: Place,
        /// The most similar path beside it.
        nearest: Option<EntryPath>,
    },
    /// `remove` names the root of the image.
    #[error("layer \"{}\": the root of the image cannot be removed ({place})", escape(.layer.as_bytes()))]
    RemoveRoot {
        /// The layer's name.
        layer: String,
        /// The place in the spec.
        place: Place,
    },
    /// Neither the spec nor the base image defines the owner's name.
    #[error("unknown {kind} \"{}\" (owner of {origin}): it is in neither the spec nor the base", escape(.name.as_bytes()))]
    UnknownAccount {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The entry that it would own.
        origin: String,
        /// The known names, sorted.
        known: Vec<String>,
    },
    /// The name or ID of a new user or group is already used by another one.
    #[error("the {kind} \"{}\" ({place}) {difference}", escape(.name.as_bytes()))]
    AccountConflict {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The place in the spec.
        place: Place,
        /// The contradiction.
        difference: String,
    },
    /// A user or group cannot be written as a line of `/etc/passwd` or `/etc/group`.
    #[error("\"{}\" ({place}) cannot be written to {file}: it is empty or contains a colon, a comma or a line break", escape(.text.as_bytes()))]
    AccountText {
        /// The text that cannot be written.
        text: String,
        /// The file.
        file: &'static str,
        /// The place in the spec.
        place: Place,
    },
    /// Layers of the operating system have another form, which image-spec (layer.md) does not define.
    #[error("cannot build an image for {platform}: Windows layers are not supported")]
    Windows {
        /// The platform.
        platform: crate::model::Platform,
    },
    /// A layer of the base image has a media type that is not supported.
    #[error("the base layer {digest} has the media type \"{}\", which is not a layer type", escape(.media_type.as_str().as_bytes()))]
    LayerType {
        /// Digest of the layer.
        digest: crate::model::Digest,
        /// Its media type.
        media_type: crate::model::MediaType,
    },
    /// The family of the manifests has no media type for a layer.
    #[error("{what} has the media type {media_type}, which {} manifests do not support", family_name(*.family))]
    NoMediaType {
        /// The layer.
        what: String,
        /// Its media type.
        media_type: crate::model::MediaType,
        /// The family.
        family: Family,
    },
    /// An image in Docker's family has annotations.
    #[error("docker manifests do not support annotations, but {what} has \"{}\"", escape(.name.as_bytes()))]
    DockerAnnotations {
        /// The image or a layer.
        what: String,
        /// The first annotation.
        name: String,
    },
    /// A field of the base image's config violates the standard.
    #[error("the field \"{field}\" of the base's config is not {expected}")]
    BaseConfig {
        /// The field, with its table.
        field: &'static str,
        /// The expected type.
        expected: &'static str,
    },
    /// A config cannot represent the time.
    #[error("the time {seconds} (seconds since 1970) cannot be written as a date")]
    Time {
        /// Seconds since 1970.
        seconds: i64,
        /// The cause.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Two stages disagree about a number of items. This is an internal error.
    #[error("expected {expected} {what}, found {actual}")]
    Count {
        /// The counted items.
        what: &'static str,
        /// The expected number.
        expected: usize,
        /// The actual number.
        actual: usize,
    },
    /// A new document cannot be written.
    #[error("cannot write a document of the image")]
    Document(#[from] DocumentError),
}

impl PlanError {
    /// Returns the error for a layer without a media type in `family`.
    pub(super) fn no_media_type(what: String, descriptor: &Descriptor, family: Family) -> Self {
        Self::NoMediaType {
            what,
            media_type: descriptor.media_type.clone(),
            family,
        }
    }
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::Oci => "OCI",
        Family::Docker => "docker",
    }
}

/// Greatest number of names in a hint; more would hide its text.
const MAX_LISTED_NAMES: usize = 20;

impl Diagnostic for PlanError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Count { .. } | Self::Document(_) => ErrorKind::Local,
            _ => ErrorKind::Input,
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Unresolved {
                cause: ResolveError::Loop { link, .. },
                ..
            } => {
                format!("remove the link in this layer (remove = [\"{link}\"]), or use another path")
            }
            Self::Unresolved {
                cause: ResolveError::NotADirectory { file, .. },
                ..
            }
            | Self::DirectoryOverFile { path: file, .. } => {
                format!("remove the file in this layer (remove = [\"{file}\"]), or use another path")
            }
            Self::FileOverDirectory { path, .. } => {
                format!(
                    "end `to` with a slash to put it into the directory, or remove the directory: remove = \
                     [\"{path}\"]"
                )
            }
            Self::Conflict { .. } => {
                "exclude one of them, or put them into two layers: the later layer wins".to_owned()
            }
            Self::ParentNotDirectory { .. } => "use another path for one of them, or exclude it".to_owned(),
            Self::RemoveMissing {
                nearest: Some(nearest), ..
            } => format!("did you mean {nearest}?"),
            Self::RemoveMissing { nearest: None, .. } => {
                "use an exact path of the base or of a lower layer, or delete the entry".to_owned()
            }
            Self::RemoveRoot { .. } => "use base = \"scratch\" for an image without a base".to_owned(),
            Self::UnknownAccount { kind, known, .. } => return unknown_account_help(kind, known),
            Self::AccountConflict { kind: "group", .. } => {
                "choose an unused name and id; `gid` and `group` of a user default to its uid and name".to_owned()
            }
            Self::AccountConflict { .. } => {
                "remove it to use the existing one, or choose an unused name and id".to_owned()
            }
            Self::NoMediaType {
                family: Family::Docker, ..
            } => "write media-types = \"oci\", or use compression = \"gzip\"".to_owned(),
            Self::DockerAnnotations { .. } => "write media-types = \"oci\", or use [config.labels]".to_owned(),
            Self::Windows { .. } => "remove it from `platforms`; `ocitect copy` can copy images for Windows".to_owned(),
            Self::LayerType { .. } => LAYER_TYPE_HELP.to_owned(),
            Self::WhiteoutName { .. } => "rename it, or exclude it".to_owned(),
            _ => return None,
        })
    }
}

fn unknown_account_help(kind: &str, known: &[String]) -> Option<String> {
    if known.is_empty() {
        return Some(format!("declare it in [[{kind}s]], or use a numeric id"));
    }
    let names: Vec<_> = known
        .iter()
        .take(MAX_LISTED_NAMES)
        .map(|name| escape(name.as_bytes()))
        .collect();
    let more = if known.len() > MAX_LISTED_NAMES { ", …" } else { "" };
    Some(format!(
        "declare it in [[{kind}s]], or use an existing one: {}{more}",
        names.join(", ")
    ))
}
