//! What makes a plan impossible.

use crate::model::{Class, Descriptor, Diagnose, DocumentError, EntryPath, EntryPathError, Family, escape};
use crate::spec::Place;
use crate::tree::{LAYER_TYPE_HELP, ResolveError};

/// A plan that cannot be made: what stands in the way, and where it comes from.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A destination that cannot stand in an image.
    #[error("layer \"{}\": cannot write {origin} to the image", escape(.layer.as_bytes()))]
    Path {
        /// The layer's name.
        layer: String,
        /// What was to be placed, or where the spec says so.
        origin: String,
        /// What is wrong with its path.
        #[source]
        cause: EntryPathError,
    },
    /// A destination that a reader of the layer would take for a deletion.
    #[error("layer \"{}\": cannot write {origin} to {path}: a name that begins with .wh. deletes files of lower \
             layers", escape(.layer.as_bytes()))]
    WhiteoutName {
        /// The layer's name.
        layer: String,
        /// Where it comes from.
        origin: String,
        /// Its destination.
        path: EntryPath,
    },
    /// A destination that leads nowhere in the image so far.
    #[error("layer \"{}\": cannot write {origin} to the image", escape(.layer.as_bytes()))]
    Unresolved {
        /// The layer's name.
        layer: String,
        /// Where it comes from.
        origin: String,
        /// What is wrong with the way there.
        #[source]
        cause: ResolveError,
    },
    /// Two entries of one layer for one path.
    #[error(
        "layer \"{}\": {path} is provided by both {first} and {second}, with different {difference}",
        escape(.layer.as_bytes())
    )]
    Conflict {
        /// The layer's name.
        layer: String,
        /// Their path.
        path: EntryPath,
        /// Where the first one comes from.
        first: String,
        /// Where the second one comes from.
        second: String,
        /// In what they differ.
        difference: &'static str,
    },
    /// Something that is no directory, where one of the same layer's entries needs a directory.
    #[error("layer \"{}\": cannot write {origin} to {path}: its parent {parent_origin} is not a directory", escape(.layer.as_bytes()))]
    ParentNotDirectory {
        /// The layer's name.
        layer: String,
        /// The lower entry.
        path: EntryPath,
        /// Where it comes from.
        origin: String,
        /// Where what stands on the way comes from.
        parent_origin: String,
    },
    /// A file or a link, where the image so far has a directory.
    #[error("layer \"{}\": cannot write {origin} to {path}: a directory already exists there", escape(.layer.as_bytes()))]
    FileOverDirectory {
        /// The layer's name.
        layer: String,
        /// The path.
        path: EntryPath,
        /// Where it comes from.
        origin: String,
    },
    /// A directory, where the image so far has something else.
    #[error("layer \"{}\": cannot create the directory {origin} at {path}: a file already exists there", escape(.layer.as_bytes()))]
    DirectoryOverFile {
        /// The layer's name.
        layer: String,
        /// The path.
        path: EntryPath,
        /// Where it comes from.
        origin: String,
    },
    /// A path of `remove` that does not exist below the layer.
    #[error("layer \"{}\": cannot remove {path} ({place}): it does not exist in the lower layers", escape(.layer.as_bytes()))]
    RemoveMissing {
        /// The layer's name.
        layer: String,
        /// The path.
        path: EntryPath,
        /// Where the spec says it.
        place: Place,
        /// The most similar path beside it.
        nearest: Option<EntryPath>,
    },
    /// `remove` of the whole image.
    #[error("layer \"{}\": the root of the image cannot be removed ({place})", escape(.layer.as_bytes()))]
    RemoveRoot {
        /// The layer's name.
        layer: String,
        /// Where the spec says it.
        place: Place,
    },
    /// An owner's name that neither the spec nor the base knows.
    #[error("unknown {kind} \"{}\" (owner of {origin}): it is in neither the spec nor the base", escape(.name.as_bytes()))]
    UnknownAccount {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// Whose owner it was to be.
        origin: String,
        /// The names that there are, sorted.
        known: Vec<String>,
    },
    /// A user or a group whose name or number is taken, and not by the same one.
    #[error("the {kind} \"{}\" ({place}) {difference}", escape(.name.as_bytes()))]
    AccountConflict {
        /// `user` or `group`.
        kind: &'static str,
        /// The name.
        name: String,
        /// Where the spec says it.
        place: Place,
        /// What contradicts what.
        difference: String,
    },
    /// A user or a group that cannot be written as a line of `/etc/passwd` or `/etc/group`.
    #[error("\"{}\" ({place}) cannot be written to {file}: it is empty or contains a colon, a comma or a line break", escape(.text.as_bytes()))]
    AccountText {
        /// What cannot be written.
        text: String,
        /// The file.
        file: &'static str,
        /// Where the spec says it.
        place: Place,
    },
    /// Layers of an operating system whose layers are of another form (image-spec, layer.md, has none for it).
    #[error("cannot build an image for {platform}: Windows layers are not supported")]
    Windows {
        /// The platform.
        platform: crate::model::Platform,
    },
    /// A layer of the base of a type that nobody reads as a layer.
    #[error("the base layer {digest} has the media type \"{}\", which is not a layer type", escape(.media_type.as_str().as_bytes()))]
    LayerType {
        /// Digest of the layer.
        digest: crate::model::Digest,
        /// Its media type.
        media_type: crate::model::MediaType,
    },
    /// A layer that the family of the manifests has no media type for.
    #[error("{what} has the media type {media_type}, which {} manifests do not support", family_name(*.family))]
    NoMediaType {
        /// Which layer.
        what: String,
        /// Its media type.
        media_type: crate::model::MediaType,
        /// The family.
        family: Family,
    },
    /// Annotations of an image that is written in Docker's family.
    #[error("docker manifests do not support annotations, but {what} has \"{}\"", escape(.name.as_bytes()))]
    DockerAnnotations {
        /// The image or a layer.
        what: String,
        /// The first annotation.
        name: String,
    },
    /// A field of a base's config that is not what the standard says.
    #[error("the field \"{field}\" of the base's config is not {expected}")]
    BaseConfig {
        /// The field, with the table that it stands in.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A time that a config cannot hold.
    #[error("the time {seconds} (seconds since 1970) cannot be written as a date")]
    Time {
        /// Seconds since 1970.
        seconds: i64,
        /// Why not.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A broken promise between two stages: as many of one thing as of another.
    #[error("expected {expected} {what}, found {actual}")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        actual: usize,
    },
    /// A document of our own that cannot be written.
    #[error("cannot write a document of the image")]
    Document(#[from] DocumentError),
}

impl PlanError {
    /// A layer whose media type `family` has no name for.
    pub(super) fn no_media_type(what: String, descriptor: &Descriptor, family: Family) -> Self {
        Self::NoMediaType { what, media_type: descriptor.media_type.clone(), family }
    }
}

fn family_name(family: Family) -> &'static str {
    match family {
        Family::Oci => "OCI",
        Family::Docker => "docker",
    }
}

/// Names that a hint lists at the most: more would hide the sentence.
const MAX_LISTED_NAMES: usize = 20;

impl Diagnose for PlanError {
    fn class(&self) -> Class {
        match self {
            Self::Count { .. } | Self::Document(_) => Class::Here,
            _ => Class::Input,
        }
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Unresolved { cause: ResolveError::Loop { link, .. }, .. } => {
                format!("remove the link in this layer (remove = [\"{link}\"]), or use another path")
            }
            Self::Unresolved { cause: ResolveError::NotADirectory { file, .. }, .. }
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
            Self::RemoveMissing { nearest: Some(nearest), .. } => format!("did you mean {nearest}?"),
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
            Self::NoMediaType { family: Family::Docker, .. } => {
                "write media-types = \"oci\", or use compression = \"gzip\"".to_owned()
            }
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
    let names: Vec<_> = known.iter().take(MAX_LISTED_NAMES).map(|name| escape(name.as_bytes())).collect();
    let more = if known.len() > MAX_LISTED_NAMES { ", …" } else { "" };
    Some(format!("declare it in [[{kind}s]], or use an existing one: {}{more}", names.join(", ")))
}
