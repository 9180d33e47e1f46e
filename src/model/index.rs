//! Image indexes and manifest lists (image-spec, image-index.md), and telling them from manifests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::document::{Document, DocumentError, FromJson, MAX_MANIFEST_BYTES};
use super::image::ImageManifest;
use super::{Descriptor, Digest, MediaType, strict_json};

/// An image index: manifests by platform. Fields that are not known here are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub struct ImageIndex {
    /// Always 2.
    pub schema_version: u32,
    /// What it is; may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The manifests, each with its platform.
    pub manifests: Vec<Descriptor>,
    /// Annotations, sorted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Whatever else stands in it.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl FromJson for ImageIndex {
    const KIND: &'static str = "index";
    fn from_json(value: Value, _: &MediaType) -> Result<Self, serde_json::Error> {
        serde_json::from_value(value)
    }
}

/// What a reference names: an index of several platforms, or one platform's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "only a handful live at a time")]
pub enum Root {
    /// An index or a manifest list.
    Index(Document<ImageIndex>),
    /// A single manifest.
    Manifest(Document<ImageManifest>),
}

impl Root {
    /// Reads a manifest or an index of either family.
    ///
    /// `declared` is what the descriptor or the `Content-Type` says, where there is one; where the document says its own
    /// media type, both must be equal. A document that has fields of both kinds, or of Docker's schema 1, is refused.
    pub fn parse(declared: Option<&MediaType>, bytes: impl Into<bytes::Bytes>) -> Result<Self, DocumentError> {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            let size_bytes = bytes.len() as u64;
            return Err(DocumentError::TooLarge { digest, size_bytes, limit_bytes: MAX_MANIFEST_BYTES });
        }
        let json =
            strict_json::parse(&bytes).map_err(|cause| DocumentError::Malformed { kind: "manifest", digest, cause })?;
        let media_type = unambiguous_media_type(declared, &json, digest)?;
        if media_type.is_index() {
            Document::parse(media_type, bytes).map(Self::Index)
        } else if media_type.is_manifest() {
            Document::parse(media_type, bytes).map(Self::Manifest)
        } else {
            Err(DocumentError::Unsupported { digest, media_type })
        }
    }

    /// Media type, digest and size.
    pub fn descriptor(&self) -> &Descriptor {
        match self {
            Self::Index(index) => index.descriptor(),
            Self::Manifest(manifest) => manifest.descriptor(),
        }
    }

    /// The bytes as they were read.
    pub fn bytes(&self) -> &bytes::Bytes {
        match self {
            Self::Index(index) => index.bytes(),
            Self::Manifest(manifest) => manifest.bytes(),
        }
    }

    /// What it points to: manifests of an index; config and layers of a manifest, in that order.
    pub fn children(&self) -> Vec<&Descriptor> {
        match self {
            Self::Index(index) => index.value().manifests.iter().collect(),
            Self::Manifest(manifest) => {
                let manifest = manifest.value();
                std::iter::once(&manifest.config).chain(&manifest.layers).collect()
            }
        }
    }
}

fn unambiguous_media_type(
    declared: Option<&MediaType>,
    json: &Value,
    digest: Digest,
) -> Result<MediaType, DocumentError> {
    let ambiguous = |reason: String| DocumentError::Ambiguous { digest, reason };
    let has = |name: &str| json.get(name).is_some();
    let own = json.get("mediaType").and_then(Value::as_str).map(MediaType::from);
    if let (Some(declared), Some(own)) = (declared, &own)
        && declared != own
    {
        let (declared, own) = (super::escape(declared.as_str().as_bytes()), super::escape(own.as_str().as_bytes()));
        return Err(ambiguous(format!("it was declared as {declared} and says of itself {own}")));
    }
    let media_type = match own.or_else(|| declared.cloned()) {
        Some(media_type) => media_type,
        None if has("manifests") => MediaType::OciIndex,
        None if has("fsLayers") => MediaType::DockerSchema1,
        None => MediaType::OciManifest,
    };
    let foreign: &[&str] = if media_type.is_index() {
        &["layers", "config", "fsLayers"]
    } else if media_type.is_manifest() {
        &["manifests", "fsLayers"]
    } else {
        &[]
    };
    match foreign.iter().find(|name| has(name)) {
        Some(name) => Err(ambiguous(format!("it is declared as {media_type} and has a field \"{name}\""))),
        None => Ok(media_type),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}"#;

    #[test]
    fn a_manifest_without_media_type_is_told_by_its_fields() {
        let text = format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[]}}"#);
        let root = Root::parse(None, text.clone().into_bytes()).unwrap();
        assert_eq!(root.descriptor().media_type, MediaType::OciManifest);
        assert_eq!(root.bytes(), text.as_bytes());
        assert!(matches!(Root::parse(None, r#"{"schemaVersion":2,"manifests":[]}"#), Ok(Root::Index(_))));
    }

    #[test]
    fn ambiguous_documents_are_refused() {
        let both = format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[],"manifests":[]}}"#);
        let lying = format!(r#"{{"mediaType":"{}","schemaVersion":2,"manifests":[]}}"#, MediaType::OciManifest);
        for text in [both, lying] {
            let error = Root::parse(None, text.clone().into_bytes()).unwrap_err();
            assert!(matches!(error, DocumentError::Ambiguous { .. }), "{text}: {error}");
        }
        let declared = MediaType::OciIndex;
        let text = format!(r#"{{"mediaType":"{}","schemaVersion":2,"manifests":[]}}"#, MediaType::DockerIndex);
        assert!(matches!(Root::parse(Some(&declared), text.into_bytes()), Err(DocumentError::Ambiguous { .. })));
    }

    #[test]
    fn schema_1_and_unknown_kinds_are_named() {
        let error = Root::parse(None, r#"{"schemaVersion":1,"fsLayers":[]}"#).unwrap_err();
        assert!(matches!(error, DocumentError::Unsupported { media_type: MediaType::DockerSchema1, .. }), "{error}");
        let large = vec![b' '; MAX_MANIFEST_BYTES as usize + 1];
        assert!(matches!(Root::parse(None, large), Err(DocumentError::TooLarge { .. })));
    }
}
