//! Descriptors: typed pointers to content (image-spec, descriptor.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Digest, Family, MediaType, Platform};

/// A pointer to a blob: what it is, its digest and its size. Fields that this program does not know are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: MediaType,
    /// Digest of the blob.
    pub digest: Digest,
    /// Size of the blob, in bytes.
    #[serde(rename = "size")]
    pub size_bytes: u64,
    /// Annotations, sorted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The platform of a manifest that an index lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Whatever else stands in it (`urls`, `artifactType`, `data`), kept as it is.
    #[serde(flatten)]
    pub other: BTreeMap<String, serde_json::Value>,
}

impl Descriptor {
    /// A descriptor of bytes held in memory.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A descriptor without annotations and platform.
    pub fn new(media_type: MediaType, digest: Digest, size_bytes: u64) -> Self {
        Self { media_type, digest, size_bytes, annotations: BTreeMap::new(), platform: None, other: BTreeMap::new() }
    }

    /// The same pointer with a media type of `family`, where that family has a name for the content.
    pub fn in_family(&self, family: Family) -> Option<Self> {
        Some(Self { media_type: self.media_type.in_family(family)?, ..self.clone() })
    }
}
