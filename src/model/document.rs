//! Documents: parsed values that keep their original bytes.
//!
//! A fetched document is never serialized again, because its digest is that of its bytes and another spelling would be
//! another document.

use serde::Serialize;

use super::{Descriptor, Diagnostic, Digest, ErrorKind, MediaType, strict_json};

/// Greatest size of a manifest, in bytes: the limit of distribution and containers/image (distribution-spec requires at
/// least as much). It limits how much memory a registry can make this program use.
pub const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// Greatest size of a config, in bytes: that of a manifest. The largest known configs are under 100 KiB.
pub const MAX_CONFIG_BYTES: u64 = MAX_MANIFEST_BYTES;

/// An error of a document's content.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The document is not JSON, is not strict JSON, or does not have a required field.
    #[error("cannot read the {kind} {digest}")]
    Malformed {
        /// `manifest`, `index` or `config`.
        kind: &'static str,
        /// Digest of its bytes.
        digest: Digest,
        /// The error of the parser.
        #[source]
        cause: serde_json::Error,
    },
    /// The document could be of two kinds, or declares another kind than expected.
    #[error("the document {digest} is ambiguous: {reason}")]
    Ambiguous {
        /// Digest of its bytes.
        digest: Digest,
        /// The contradiction.
        reason: String,
    },
    /// The kind of document is not supported here.
    #[error("the document {digest} has the media type \"{}\", which is not supported here", super::escape(.media_type.as_str().as_bytes()))]
    Unsupported {
        /// Digest of its bytes.
        digest: Digest,
        /// The media type that it declares.
        media_type: MediaType,
    },
    /// The document is larger than [`MAX_MANIFEST_BYTES`] or [`MAX_CONFIG_BYTES`].
    #[error("the document {digest} has {size_bytes} bytes, more than the limit of {limit_bytes}")]
    TooLarge {
        /// Its digest.
        digest: Digest,
        /// Its size, in bytes.
        size_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// A manifest and its config have different numbers of layers.
    #[error("the config {digest} lists {diff_ids} diff ids for {layers} layers")]
    LayerCount {
        /// Digest of the config.
        digest: Digest,
        /// Number of diff IDs in the config.
        diff_ids: usize,
        /// Number of layers in the manifest.
        layers: usize,
    },
}

impl Diagnostic for DocumentError {
    fn error_kind(&self) -> ErrorKind {
        ErrorKind::Input
    }
    fn help(&self) -> Option<String> {
        match self {
            Self::Unsupported {
                media_type: MediaType::DockerSchema1 | MediaType::DockerSchema1Signed,
                ..
            } => Some("push the image again with a current tool: Docker's schema 1 is obsolete".to_owned()),
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

/// A kind of document that can be parsed from JSON.
pub trait FromJson: Sized {
    /// `manifest`, `index` or `config`, for messages.
    const KIND: &'static str;

    /// The names of its fields.
    const NAMES: &'static strict_json::Names;

    /// Converts strictly parsed JSON of media type `media_type`. The error names what is missing.
    fn from_json(value: serde_json::Value, media_type: &MediaType) -> Result<Self, serde_json::Error>;
}

impl<T: FromJson> Document<T> {
    /// Parses bytes from outside. The caller must have verified their digest and size.
    pub fn parse(media_type: MediaType, bytes: impl Into<bytes::Bytes>) -> Result<Self, DocumentError> {
        let bytes = bytes.into();
        let descriptor = Descriptor::of(media_type, &bytes);
        let malformed = |cause| DocumentError::Malformed {
            kind: T::KIND,
            digest: descriptor.digest,
            cause,
        };
        let json = strict_json::parse(&bytes).map_err(malformed)?;
        strict_json::check_names(&json, T::NAMES).map_err(malformed)?;
        let value = T::from_json(json, &descriptor.media_type).map_err(malformed)?;
        Ok(Self {
            descriptor,
            bytes,
            value,
        })
    }
}

impl<T: FromJson + Serialize> Document<T> {
    /// Writes a new document in canonical form.
    pub fn write(media_type: MediaType, value: T) -> Result<Self, DocumentError> {
        let malformed = |cause| DocumentError::Malformed {
            kind: T::KIND,
            digest: Digest::of(b""),
            cause,
        };
        let bytes = bytes::Bytes::from(strict_json::canonical(&value).map_err(malformed)?);
        Ok(Self {
            descriptor: Descriptor::of(media_type, &bytes),
            bytes,
            value,
        })
    }
}

impl<T> Document<T> {
    /// Returns media type, digest and size of the bytes.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Returns the bytes as they were read or written.
    pub fn bytes(&self) -> &bytes::Bytes {
        &self.bytes
    }

    /// Returns the parsed value.
    pub fn value(&self) -> &T {
        &self.value
    }
}
