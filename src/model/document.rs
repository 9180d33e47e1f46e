//! Documents: parsed values that keep the bytes that they were parsed from.
//!
//! What was fetched is never serialised again: its digest is that of the bytes, and another spelling would be another
//! document.

use serde::Serialize;

use super::{Class, Descriptor, Diagnose, Digest, MediaType, strict_json};

/// A manifest's greatest size: what distribution and containers/image accept (distribution-spec asks for at least as
/// much). It bounds what a registry can make this program hold in memory.
pub const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// A config's greatest size: the largest seen in the wild are under 100 KiB; the bound is that of a manifest.
pub const MAX_CONFIG_BYTES: u64 = MAX_MANIFEST_BYTES;

/// A document that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or not strict JSON, or without a required field.
    #[error("cannot read the {kind} {digest}")]
    Malformed {
        /// `manifest`, `index` or `config`.
        kind: &'static str,
        /// Digest of its bytes.
        digest: Digest,
        /// What the parser said.
        #[source]
        cause: serde_json::Error,
    },
    /// It could be taken for two kinds of document, or says that it is another kind than it was found as.
    #[error("the document {digest} is ambiguous: {reason}")]
    Ambiguous {
        /// Digest of its bytes.
        digest: Digest,
        /// What contradicts what.
        reason: String,
    },
    /// A kind that cannot be used here.
    #[error("the document {digest} has the media type \"{}\", which is not supported here", super::escape(.media_type.as_str().as_bytes()))]
    Unsupported {
        /// Digest of its bytes.
        digest: Digest,
        /// What it says that it is.
        media_type: MediaType,
    },
    /// Over [`MAX_MANIFEST_BYTES`] or [`MAX_CONFIG_BYTES`].
    #[error("the document {digest} has {size_bytes} bytes, more than the limit of {limit_bytes}")]
    TooLarge {
        /// Its digest.
        digest: Digest,
        /// Its size.
        size_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// A list of the manifest and one of its config that must be of equal length are not.
    #[error("the config {digest} lists {diff_ids} diff ids for {layers} layers")]
    LayerCount {
        /// Digest of the config.
        digest: Digest,
        /// How many diff ids it has.
        diff_ids: usize,
        /// How many layers the manifest has.
        layers: usize,
    },
}

impl Diagnose for DocumentError {
    fn class(&self) -> Class {
        Class::Input
    }
    fn help(&self) -> Option<String> {
        match self {
            Self::Unsupported { media_type: MediaType::DockerSchema1 | MediaType::DockerSchema1Signed, .. } => {
                Some("push the image again with a current tool: Docker's schema 1 is obsolete".to_owned())
            }
            _ => None,
        }
    }
}

/// A value, the bytes that it was parsed from, and their descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document<T> {
    descriptor: Descriptor,
    bytes: bytes::Bytes,
    value: T,
}

/// What a kind of document needs to be parsed from JSON.
pub trait FromJson: Sized {
    /// `manifest`, `index` or `config`, for messages.
    const KIND: &'static str;

    /// The names of its fields.
    const NAMES: &'static strict_json::Names;

    /// Makes the value from strictly parsed JSON of media type `media_type`. The error says what is lacking.
    fn from_json(value: serde_json::Value, media_type: &MediaType) -> Result<Self, serde_json::Error>;
}

impl<T: FromJson> Document<T> {
    /// Parses bytes that were read from outside; the caller has checked them against digest and size.
    pub fn parse(media_type: MediaType, bytes: impl Into<bytes::Bytes>) -> Result<Self, DocumentError> {
        let bytes = bytes.into();
        let descriptor = Descriptor::of(media_type, &bytes);
        let malformed = |cause| DocumentError::Malformed { kind: T::KIND, digest: descriptor.digest, cause };
        let json = strict_json::parse(&bytes).map_err(malformed)?;
        strict_json::check_names(&json, T::NAMES).map_err(malformed)?;
        let value = T::from_json(json, &descriptor.media_type).map_err(malformed)?;
        Ok(Self { descriptor, bytes, value })
    }
}

impl<T: FromJson + Serialize> Document<T> {
    /// A document of our own, written canonically.
    pub fn write(media_type: MediaType, value: T) -> Result<Self, DocumentError> {
        let malformed = |cause| DocumentError::Malformed { kind: T::KIND, digest: Digest::of(b""), cause };
        let bytes = bytes::Bytes::from(strict_json::canonical(&value).map_err(malformed)?);
        Ok(Self { descriptor: Descriptor::of(media_type, &bytes), bytes, value })
    }
}

impl<T> Document<T> {
    /// Media type, digest and size of the bytes.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// The bytes as they were read or written.
    pub fn bytes(&self) -> &bytes::Bytes {
        &self.bytes
    }

    /// What they mean.
    pub fn value(&self) -> &T {
        &self.value
    }
}
