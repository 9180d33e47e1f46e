//! Errors of a layer's stream, and of reading it.

use std::io;

use super::resolve::ResolveError;
use crate::compress::CompressError;
use crate::model::{Diagnostic, DiffId, Digest, EntryPath, EntryPathError, ErrorKind, MediaType, escape};
use crate::store::{Side, StoreError};
use crate::tar::{Bound, TarError};

/// The help for a layer with an unknown media type.
pub const LAYER_TYPE_HELP: &str = "use an image with uncompressed, gzip or zstd layers; decrypt an encrypted image \
                                   with skopeo copy --decryption-key";

/// An error of reading or applying a layer's tar stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The stream ends inside an entry, or without an end marker.
    #[error("the tar stream is truncated after {position_bytes} bytes")]
    Truncated {
        /// Number of bytes in the stream.
        position_bytes: u64,
    },
    /// A part of the stream violates the standard.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// The part: `a header`, `an extended header`.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An entry is not allowed in an image.
    #[error("cannot apply the entry \"{}\": {reason}", escape(.name))]
    Entry {
        /// Its name, as stored.
        name: Vec<u8>,
        /// The cause.
        reason: &'static str,
    },
    /// A sparse file in an unknown format (image-spec, layer.md, advises against all formats).
    #[error("the entry \"{}\" is a sparse file in a format that is not supported", escape(.name))]
    Sparse {
        /// Its name, as stored.
        name: Vec<u8>,
    },
    /// A name leads outside the image, or is too long.
    #[error("an entry has an invalid name")]
    Name(#[source] EntryPathError),
    /// The path of an entry, or the target of a hard link, cannot be resolved.
    #[error("cannot resolve the path of the entry \"{}\"", escape(.name))]
    Place {
        /// The entry's name, as stored.
        name: Vec<u8>,
        /// The error of resolving it.
        #[source]
        cause: ResolveError,
    },
    /// The target of a hard link does not exist, or is a directory.
    #[error("the hard link {path} points to {target}, which is not a file of the image")]
    HardLink {
        /// The link.
        path: EntryPath,
        /// Its target.
        target: EntryPath,
    },
    /// A quantity exceeds the limit, which is more than any image needs.
    #[error("{what}: over the limit of {limit}")]
    OverLimit {
        /// The quantity, with its unit.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The stream could not be read.
    #[error("cannot read the tar stream")]
    Read(#[source] io::Error),
    /// A temporary file could not be created, written or read.
    #[error("cannot {action} a temporary file")]
    Scratch {
        /// The operation, in the -ing form.
        action: &'static str,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// Processing an entry's content failed.
    #[error("cannot pass on the content of {path}")]
    Sink {
        /// The entry.
        path: EntryPath,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// An image's layer does not contain an expected path.
    #[error("the layer has no regular file {path}")]
    NotThere {
        /// The path.
        path: EntryPath,
    },
}

impl LayerError {
    /// Returns what the author of the layer can do.
    fn help(&self) -> Option<&'static str> {
        match self {
            Self::Sparse { .. } => Some("create the image again without sparse files (GNU tar: without --sparse)"),
            Self::HardLink { .. } => {
                Some("build or pull the image again: the layer is damaged or belongs to another image")
            }
            _ => None,
        }
    }

    /// Returns `true` if the stream itself is damaged.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Read(cause) => CompressError::of(cause).is_some(),
            Self::Scratch { .. } | Self::Sink { .. } | Self::NotThere { .. } => false,
            _ => true,
        }
    }
}

impl From<io::Error> for LayerError {
    /// Converts back a [`LayerError`] or a [`TarError`] that was wrapped by a reader.
    fn from(cause: io::Error) -> Self {
        cause
            .downcast::<Self>()
            .unwrap_or_else(|cause| TarError::from(cause).into())
    }
}

impl From<TarError> for LayerError {
    fn from(error: TarError) -> Self {
        match error {
            TarError::Truncated { actual_bytes, .. } => Self::Truncated {
                position_bytes: actual_bytes,
            },
            TarError::Checksum { .. } => Self::Malformed {
                what: "a header",
                reason: "its checksum is wrong",
            },
            TarError::Malformed { what, reason, .. } => Self::Malformed { what, reason },
            TarError::OverLimit { bound, limit_bytes, .. } => {
                let what = match bound {
                    Bound::ExtendedHeader => "an extended header, in bytes",
                    Bound::LongName => "a name in a header of its own, in bytes",
                    Bound::XattrName => "the name of an extended attribute, in bytes",
                    Bound::XattrValue => "the value of an extended attribute, in bytes",
                    Bound::SparseMap => "the map of a sparse file, in bytes",
                    Bound::Holes => "the holes of sparse files that are read, in bytes",
                };
                Self::OverLimit {
                    what,
                    limit: limit_bytes,
                }
            }
            TarError::Sparse { name } => Self::Sparse { name },
            TarError::Io(cause) => cause.downcast().unwrap_or_else(Self::Read),
        }
    }
}

impl From<LayerError> for io::Error {
    fn from(error: LayerError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// An error of reading an image's layers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The layer could not be opened, or does not have its digest and size.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer that must not be distributed, so that registries do not store it.
    #[error("the layer {digest} is non-distributable, and {place} does not have it")]
    Foreign {
        /// Digest of the layer.
        digest: Digest,
        /// The source that was asked.
        place: String,
        /// The error of the source.
        #[source]
        cause: Box<StoreError>,
    },
    /// A layer with an unsupported media type: it is encrypted, or not a tar archive.
    #[error("the layer {digest} of {place} has the media type \"{}\", which is not a layer type", escape(.media_type.as_str().as_bytes()))]
    LayerType {
        /// Digest of the layer.
        digest: Digest,
        /// Its media type.
        media_type: MediaType,
        /// The source of the layer.
        place: String,
    },
    /// A layer cannot be read.
    #[error("cannot read the layer {digest} of {place}")]
    Layer {
        /// Digest of the layer.
        digest: Digest,
        /// The source of the layer.
        place: String,
        /// Which side is responsible for damage.
        side: Side,
        /// What is wrong with it.
        #[source]
        cause: LayerError,
    },
    /// A layer that is not packed yet cannot be applied.
    #[error("cannot read the files of the layer \"{}\"", escape(.layer.as_bytes()))]
    Planned {
        /// Its name in the spec.
        layer: String,
        /// The cause.
        #[source]
        cause: LayerError,
    },
    /// The uncompressed layer does not have the diff ID in the config.
    #[error("the layer {digest} of {place} does not match its config: expected diff id {expected}, found {actual}")]
    DiffId {
        /// Digest of the layer.
        digest: Digest,
        /// The source of the layer.
        place: String,
        /// Which side is responsible for the damage.
        side: Side,
        /// The diff ID in the config.
        expected: DiffId,
        /// The actual diff ID.
        actual: DiffId,
    },
    /// The image does not have the requested layer.
    #[error("the image has {layers} layers, but layer {layer} was requested")]
    NoSuchLayer {
        /// The requested index, from 0.
        layer: u32,
        /// Number of layers.
        layers: usize,
    },
    /// A file that every build must read is larger than any real one.
    #[error("{path} of the image has {size_bytes} bytes, more than the limit of {limit_bytes}")]
    TooLarge {
        /// The file.
        path: EntryPath,
        /// Its size, in bytes.
        size_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// A temporary file could not be created.
    #[error("cannot create a temporary file in {}", escape(.folder.as_bytes()))]
    Scratch {
        /// The folder.
        folder: String,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// Stored facts cannot be decoded. They can be read from the base image again.
    #[error("cannot use the stored facts: {reason}")]
    Encoding {
        /// The cause.
        reason: &'static str,
    },
}

impl Diagnostic for TreeError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Store(error) => error.error_kind(),
            Self::Foreign { .. } => ErrorKind::NotFound,
            Self::Layer { side, cause, .. } if cause.is_damage() => damage_class(*side),
            Self::DiffId { side, .. } => damage_class(*side),
            Self::TooLarge { .. } | Self::LayerType { .. } => ErrorKind::Input,
            Self::Layer { .. }
            | Self::Planned { .. }
            | Self::NoSuchLayer { .. }
            | Self::Scratch { .. }
            | Self::Encoding { .. } => ErrorKind::Local,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.help(),
            Self::Foreign { .. } => Some("use a base whose layers are all in its registry".to_owned()),
            Self::LayerType { .. } => Some(LAYER_TYPE_HELP.to_owned()),
            Self::Layer { cause, .. } if cause.help().is_some() => cause.help().map(str::to_owned),
            Self::Layer {
                cause: LayerError::Read(cause),
                ..
            } => CompressError::of(cause)
                .and_then(CompressError::help)
                .map(str::to_owned),
            Self::Layer {
                cause: LayerError::Scratch { .. },
                ..
            }
            | Self::Scratch { .. } => Some("set TMPDIR to a writable directory with enough space".to_owned()),
            _ => None,
        }
    }
}

fn damage_class(side: Side) -> ErrorKind {
    match side {
        Side::Local => ErrorKind::Input,
        Side::Remote => ErrorKind::Remote,
    }
}
