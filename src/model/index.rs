//! Image indexes and manifest lists (image-spec, image-index.md), and distinguishing them from manifests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::document::{Document, DocumentError, FromJson, MAX_MANIFEST_BYTES};
use super::image::ImageManifest;
use super::{Descriptor, Digest, MediaType, lenient, other_algorithm, strict_json};

/// Greatest nesting of indexes: an archive's outer index, the image's index, and a reserve. Deeper nesting has no use
/// and could be made endless.
pub const MAX_INDEX_DEPTH: usize = 4;

/// An image index: manifests by platform. Unknown fields are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "ReadIndex")]
pub struct ImageIndex {
    /// Always 2.
    pub schema_version: u32,
    /// The media type, if given.
    pub media_type: Option<MediaType>,
    /// The manifests, each with its platform.
    pub manifests: Vec<Descriptor>,
    /// Entries that are not supported here. They do not affect the others.
    pub unsupported: Vec<UnsupportedEntry>,
    /// Annotations, sorted.
    pub annotations: BTreeMap<String, String>,
    /// Other fields, unchanged.
    pub other: BTreeMap<String, Value>,
}

/// An entry of an index whose digest uses another algorithm than SHA-256. image-spec (descriptor.md) requires to accept
/// such digests if they match the grammar. The entry keeps its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedEntry {
    /// Number of entries before it.
    pub position: usize,
    /// Its digest, as written.
    pub digest: String,
    /// The whole entry.
    pub value: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct ReadIndex {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<MediaType>,
    #[serde(deserialize_with = "lenient::list")]
    manifests: Vec<Value>,
    #[serde(default, deserialize_with = "lenient::texts")]
    annotations: BTreeMap<String, String>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

impl TryFrom<ReadIndex> for ImageIndex {
    type Error = serde_json::Error;
    fn try_from(read: ReadIndex) -> Result<Self, serde_json::Error> {
        let ReadIndex {
            schema_version,
            media_type,
            annotations,
            other,
            ..
        } = read;
        let mut manifests = Vec::with_capacity(read.manifests.len());
        let mut unsupported = Vec::new();
        for (position, value) in read.manifests.into_iter().enumerate() {
            let digest = value
                .get("digest")
                .and_then(Value::as_str)
                .filter(|digest| other_algorithm(digest).is_some());
            match digest.map(str::to_owned) {
                Some(digest) => unsupported.push(UnsupportedEntry {
                    position,
                    digest,
                    value,
                }),
                None => manifests.push(serde_json::from_value(value)?),
            }
        }
        Ok(Self {
            schema_version,
            media_type,
            manifests,
            unsupported,
            annotations,
            other,
        })
    }
}

impl Serialize for ImageIndex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Entry<'a> {
            Supported(&'a Descriptor),
            Unsupported(&'a Value),
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written<'a> {
            schema_version: u32,
            #[serde(skip_serializing_if = "Option::is_none")]
            media_type: Option<&'a MediaType>,
            manifests: Vec<Entry<'a>>,
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            annotations: &'a BTreeMap<String, String>,
            #[serde(flatten)]
            other: &'a BTreeMap<String, Value>,
        }
        let mut manifests: Vec<Entry<'_>> = self.manifests.iter().map(Entry::Supported).collect();
        for entry in &self.unsupported {
            manifests.insert(entry.position.min(manifests.len()), Entry::Unsupported(&entry.value));
        }
        Written {
            schema_version: self.schema_version,
            media_type: self.media_type.as_ref(),
            manifests,
            annotations: &self.annotations,
            other: &self.other,
        }
        .serialize(serializer)
    }
}

impl FromJson for ImageIndex {
    const KIND: &'static str = "index";
    const NAMES: &'static strict_json::Names = &strict_json::MANIFEST;
    fn from_json(value: Value, _: &MediaType) -> Result<Self, serde_json::Error> {
        serde_json::from_value(value)
    }
}

/// The target of a reference: an index of several platforms, or the manifest of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "only a handful live at a time")]
pub enum Root {
    /// An index or a manifest list.
    Index(Document<ImageIndex>),
    /// A single manifest.
    Manifest(Document<ImageManifest>),
}

impl Root {
    /// Parses a manifest or an index of either family.
    ///
    /// `declared` is the media type from the descriptor or the `Content-Type`, if there is one. If the document
    /// includes its own media type, both must be equal. A document that has fields of both kinds, or of Docker's schema
    /// 1, is refused.
    pub fn parse(declared: Option<&MediaType>, bytes: impl Into<bytes::Bytes>) -> Result<Self, DocumentError> {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            let size_bytes = bytes.len() as u64;
            return Err(DocumentError::TooLarge {
                digest,
                size_bytes,
                limit_bytes: MAX_MANIFEST_BYTES,
            });
        }
        let malformed = |cause| DocumentError::Malformed {
            kind: "manifest",
            digest,
            cause,
        };
        let json = strict_json::parse(&bytes).map_err(malformed)?;
        strict_json::check_names(&json, &strict_json::MANIFEST).map_err(malformed)?;
        let media_type = unambiguous_media_type(declared, &json, digest)?;
        if media_type.is_index() {
            Document::parse(media_type, bytes).map(Self::Index)
        } else if media_type.is_manifest() {
            Document::parse(media_type, bytes).map(Self::Manifest)
        } else {
            Err(DocumentError::Unsupported { digest, media_type })
        }
    }

    /// Returns media type, digest and size.
    pub fn descriptor(&self) -> &Descriptor {
        match self {
            Self::Index(index) => index.descriptor(),
            Self::Manifest(manifest) => manifest.descriptor(),
        }
    }

    /// Returns the bytes as they were read.
    pub fn bytes(&self) -> &bytes::Bytes {
        match self {
            Self::Index(index) => index.bytes(),
            Self::Manifest(manifest) => manifest.bytes(),
        }
    }

    /// Returns the descriptors that it refers to: the manifests of an index; the config and the layers of a manifest,
    /// in that order.
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
    let has = |name: &str| json.get(name).is_some_and(|field| !field.is_null());
    let own = json.get("mediaType").and_then(Value::as_str).map(MediaType::from);
    if let (Some(declared), Some(own)) = (declared, &own)
        && declared != own
    {
        let declared = super::escape(declared.as_str().as_bytes());
        let own = super::escape(own.as_str().as_bytes());
        return Err(ambiguous(format!(
            "it was declared as {declared}, but its own media type is {own}"
        )));
    }
    let media_type = match own.or_else(|| declared.cloned()) {
        Some(media_type) => media_type,
        None if has("manifests") => MediaType::OciIndex,
        None if has("fsLayers") => MediaType::DockerSchema1,
        // Go writes an empty list as `null`.
        None if json.get("manifests").is_some() && !has("config") && !has("layers") => MediaType::OciIndex,
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
        Some(name) => Err(ambiguous(format!(
            "it was declared as {media_type}, but has a field \"{name}\""
        ))),
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
        assert!(matches!(
            Root::parse(None, r#"{"schemaVersion":2,"manifests":[]}"#),
            Ok(Root::Index(_))
        ));
    }

    #[test]
    fn null_is_what_is_absent() {
        for text in [
            r#"{"schemaVersion":2,"manifests":null}"#.to_owned(),
            r#"{"schemaVersion":2,"mediaType":null,"manifests":null,"annotations":null,"config":null,"layers":null}"#
                .to_owned(),
        ] {
            let Root::Index(index) = Root::parse(None, text.clone()).unwrap() else {
                panic!("{text} is an index")
            };
            assert!(index.value().manifests.is_empty() && index.value().annotations.is_empty());
        }
        let text = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":null,"annotations":null,"subject":null,"manifests":null}}"#,
            CONFIG.replace("}", r#","annotations":null,"platform":null,"urls":null}"#)
        );
        let Root::Manifest(manifest) = Root::parse(None, text).unwrap() else {
            panic!("it is a manifest")
        };
        assert!(manifest.value().layers.is_empty() && manifest.value().subject.is_none());
        assert!(
            Root::parse(
                None,
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json"}"#
            )
            .is_err()
        );
    }

    #[test]
    fn an_entry_by_another_algorithm_spoils_nothing_else() {
        let other = format!(r#"{{"digest":"sha512:{}","mediaType":"x","size":1}}"#, "a".repeat(128));
        let text = format!(r#"{{"manifests":[{other},{CONFIG},{other}],"schemaVersion":2}}"#);
        let Root::Index(index) = Root::parse(None, text.clone()).unwrap() else {
            panic!("it is an index")
        };
        assert_eq!((index.value().manifests.len(), index.value().unsupported.len()), (1, 2));
        let written = serde_json::to_value(index.value()).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(&text).unwrap());
        let nonsense = text.replace("sha512:", "sha512");
        assert!(Root::parse(None, nonsense).is_err());
        let subject = format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[],"subject":{other}}}"#);
        assert!(matches!(Root::parse(None, subject), Ok(Root::Manifest(_))));
        let layer = format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[{other}]}}"#);
        assert!(Root::parse(None, layer).is_err());
    }

    #[test]
    fn ambiguous_documents_are_refused() {
        let both = format!(r#"{{"schemaVersion":2,"config":{CONFIG},"layers":[],"manifests":[]}}"#);
        let lying = format!(
            r#"{{"mediaType":"{}","schemaVersion":2,"manifests":[]}}"#,
            MediaType::OciManifest
        );
        for text in [both, lying] {
            let error = Root::parse(None, text.clone().into_bytes()).unwrap_err();
            assert!(matches!(error, DocumentError::Ambiguous { .. }), "{text}: {error}");
        }
        let declared = MediaType::OciIndex;
        let text = format!(
            r#"{{"mediaType":"{}","schemaVersion":2,"manifests":[]}}"#,
            MediaType::DockerIndex
        );
        assert!(matches!(
            Root::parse(Some(&declared), text.into_bytes()),
            Err(DocumentError::Ambiguous { .. })
        ));
    }

    #[test]
    fn schema_1_and_unknown_kinds_are_named() {
        let error = Root::parse(None, r#"{"schemaVersion":1,"fsLayers":[]}"#).unwrap_err();
        assert!(
            matches!(
                error,
                DocumentError::Unsupported {
                    media_type: MediaType::DockerSchema1,
                    ..
                }
            ),
            "{error}"
        );
        let large = vec![b' '; MAX_MANIFEST_BYTES as usize + 1];
        assert!(matches!(Root::parse(None, large), Err(DocumentError::TooLarge { .. })));
    }
}
