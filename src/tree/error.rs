//! What can be wrong with a layer's stream, and what can go wrong while one is read.

use std::io;

use super::resolve::ResolveError;
use crate::compress::CompressError;
use crate::model::{Class, Diagnose, DiffId, Digest, EntryPath, EntryPathError, MediaType, escape};
use crate::store::{Side, StoreError};
use crate::tar::{Bound, TarError};

/// What helps against a layer of a type that is not known.
pub const LAYER_TYPE_HELP: &str = "use an image with uncompressed, gzip or zstd layers; decrypt an encrypted image \
                                   with skopeo copy --decryption-key";

/// A layer's tar stream that cannot be read or applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The stream ends inside an entry, or without an end marker.
    #[error("the tar stream is truncated after {position_bytes} bytes")]
    Truncated {
        /// How many bytes there are.
        position_bytes: u64,
    },
    /// Something in the stream is not as the standard says.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// What: `a header`, `an extended header`.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// One entry cannot stand in an image.
    #[error("cannot apply the entry \"{}\": {reason}", escape(.name))]
    Entry {
        /// Its name, as it is stored.
        name: Vec<u8>,
        /// Why.
        reason: &'static str,
    },
    /// A sparse file in none of GNU tar's formats (image-spec, layer.md, advises against all of them).
    #[error("the entry \"{}\" is a sparse file in a format that is not supported", escape(.name))]
    Sparse {
        /// Its name, as it is stored.
        name: Vec<u8>,
    },
    /// A name leaves the image, or is too long.
    #[error("an entry has an invalid name")]
    Name(#[source] EntryPathError),
    /// An entry's path, or a hard link's target, leads nowhere.
    #[error("cannot resolve the path of the entry \"{}\"", escape(.name))]
    Place {
        /// The entry's name, as it is stored.
        name: Vec<u8>,
        /// Where the way ends.
        #[source]
        cause: ResolveError,
    },
    /// A hard link to nothing, or to a directory.
    #[error("the hard link {path} points to {target}, which is not a file of the image")]
    HardLink {
        /// The link.
        path: EntryPath,
        /// Its target.
        target: EntryPath,
    },
    /// More of something than any image needs, or this program grants.
    #[error("{what}: over the limit of {limit}")]
    OverLimit {
        /// What, with its unit.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The stream could not be read.
    #[error("cannot read the tar stream")]
    Read(#[source] io::Error),
    /// A temporary file could not be made, written or read.
    #[error("cannot {action} a temporary file")]
    Scratch {
        /// What was being done, in the -ing form.
        action: &'static str,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// What was done with an entry's content failed.
    #[error("cannot pass on the content of {path}")]
    Sink {
        /// The entry.
        path: EntryPath,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
    /// A path that an image's layer should hold is not there.
    #[error("the layer has no regular file {path}")]
    NotThere {
        /// The path.
        path: EntryPath,
    },
}

impl LayerError {
    /// What whoever made the layer can do about it.
    fn help(&self) -> Option<&'static str> {
        match self {
            Self::Sparse { .. } => Some("create the image again without sparse files (GNU tar: without --sparse)"),
            Self::HardLink { .. } => {
                Some("build or pull the image again: the layer is damaged or belongs to another image")
            }
            _ => None,
        }
    }

    /// True where the stream itself is at fault.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Read(cause) => CompressError::of(cause).is_some(),
            Self::Scratch { .. } | Self::Sink { .. } | Self::NotThere { .. } => false,
            _ => true,
        }
    }
}

impl From<io::Error> for LayerError {
    /// Takes back a [`LayerError`] or a [`TarError`] that went through a reader.
    fn from(cause: io::Error) -> Self {
        cause.downcast::<Self>().unwrap_or_else(|cause| TarError::from(cause).into())
    }
}

impl From<TarError> for LayerError {
    fn from(error: TarError) -> Self {
        match error {
            TarError::Truncated { actual_bytes, .. } => Self::Truncated { position_bytes: actual_bytes },
            TarError::Checksum { .. } => Self::Malformed { what: "a header", reason: "its checksum is wrong" },
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
                Self::OverLimit { what, limit: limit_bytes }
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

/// A failure to read what an image's layers hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// The layer could not be opened, or does not have its digest and size.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer that must not be passed on, which registries therefore do not hold.
    #[error("the layer {digest} is non-distributable, and {place} does not have it")]
    Foreign {
        /// Digest of the layer.
        digest: Digest,
        /// Where it was looked for.
        place: String,
        /// What the source said.
        #[source]
        cause: Box<StoreError>,
    },
    /// A layer of a type that nobody reads as a layer: encrypted, or no tar at all.
    #[error("the layer {digest} of {place} has the media type \"{}\", which is not a layer type", escape(.media_type.as_str().as_bytes()))]
    LayerType {
        /// Digest of the layer.
        digest: Digest,
        /// Its media type.
        media_type: MediaType,
        /// Where it was to be read.
        place: String,
    },
    /// A layer cannot be read.
    #[error("cannot read the layer {digest} of {place}")]
    Layer {
        /// Digest of the layer.
        digest: Digest,
        /// Where it was read.
        place: String,
        /// Whose damage it is, where it is damage.
        side: Side,
        /// What is wrong with it.
        #[source]
        cause: LayerError,
    },
    /// The uncompressed layer is another than the config says.
    #[error("the layer {digest} of {place} does not match its config: expected diff id {expected}, found {actual}")]
    DiffId {
        /// Digest of the layer.
        digest: Digest,
        /// Where it was read.
        place: String,
        /// Whose damage it is.
        side: Side,
        /// What the config says.
        expected: DiffId,
        /// What the stream has.
        actual: DiffId,
    },
    /// A layer is asked for that the image does not have.
    #[error("the image has {layers} layers, but layer {layer} was requested")]
    NoSuchLayer {
        /// The number that was asked for, from 0.
        layer: u32,
        /// How many there are.
        layers: usize,
    },
    /// A file that every build must look at is larger than any real one.
    #[error("{path} of the image has {size_bytes} bytes, more than the limit of {limit_bytes}")]
    TooLarge {
        /// The file.
        path: EntryPath,
        /// Its size, in bytes.
        size_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// A temporary file could not be made.
    #[error("cannot create a temporary file in {}", escape(.folder.as_bytes()))]
    Scratch {
        /// The folder.
        folder: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Facts that were stored cannot be read back; they can be read from the base anew.
    #[error("cannot use the stored facts: {reason}")]
    Encoding {
        /// Why.
        reason: &'static str,
    },
}

impl Diagnose for TreeError {
    fn class(&self) -> Class {
        match self {
            Self::Store(error) => error.class(),
            Self::Foreign { .. } => Class::NotFound,
            Self::Layer { side, cause, .. } if cause.is_damage() => damage_class(*side),
            Self::DiffId { side, .. } => damage_class(*side),
            Self::TooLarge { .. } | Self::LayerType { .. } => Class::Input,
            Self::Layer { .. } | Self::NoSuchLayer { .. } | Self::Scratch { .. } | Self::Encoding { .. } => Class::Here,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.help(),
            Self::Foreign { .. } => Some("use a base whose layers are all in its registry".to_owned()),
            Self::LayerType { .. } => Some(LAYER_TYPE_HELP.to_owned()),
            Self::Layer { cause, .. } if cause.help().is_some() => cause.help().map(str::to_owned),
            Self::Layer { cause: LayerError::Read(cause), .. } => {
                CompressError::of(cause).and_then(CompressError::help).map(str::to_owned)
            }
            Self::Layer { cause: LayerError::Scratch { .. }, .. } | Self::Scratch { .. } => {
                Some("set TMPDIR to a writable directory with enough space".to_owned())
            }
            _ => None,
        }
    }
}

fn damage_class(side: Side) -> Class {
    match side {
        Side::Local => Class::Input,
        Side::Remote => Class::OtherSide,
    }
}
