//! Image manifests and configs (image-spec, manifest.md and config.md; Docker's image manifest version 2 schema 2).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::descriptor::artifact_type;
use super::document::{Document, DocumentError, FromJson};
use super::{Descriptor, DiffId, MediaType, Platform, lenient, other_algorithm, strict_json};

/// An image manifest: config and layers of one platform, lowest layer first. Unknown fields are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u32,
    /// The media type; umoci omits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The config's descriptor.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(deserialize_with = "lenient::list")]
    pub layers: Vec<Descriptor>,
    /// Annotations, sorted.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "lenient::texts"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The manifest that this one refers to. `None` also if its digest uses another algorithm than SHA-256.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "supported_subject"
    )]
    pub subject: Option<Descriptor>,
    /// Other fields, unchanged.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl ImageManifest {
    /// Returns why this is not an image, as text for messages; `None` for an image. An artifact has another config
    /// media type than images, or declares its type (image-spec, manifest.md "Guidelines for Artifact Usage").
    pub fn why_no_image(&self) -> Option<String> {
        let shown = |text: &str| super::escape(text.as_bytes());
        if let Some(named) = artifact_type(&self.other) {
            return Some(format!("an artifact of type {}", shown(named)));
        }
        let config = &self.config.media_type;
        (!config.is_config()).then(|| format!("an artifact whose config is of type {}", shown(config.as_str())))
    }
}

fn supported_subject<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Descriptor>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let digest = value.get("digest").and_then(Value::as_str);
    if value.is_null() || digest.and_then(other_algorithm).is_some() {
        return Ok(None);
    }
    serde_json::from_value(value)
        .map(Some)
        .map_err(serde::de::Error::custom)
}

impl FromJson for ImageManifest {
    const KIND: &'static str = "manifest";
    const NAMES: &'static strict_json::Names = &strict_json::MANIFEST;
    fn from_json(value: Value, _: &MediaType) -> Result<Self, serde_json::Error> {
        serde_json::from_value(value)
    }
}

/// An image config, with all of its fields, whether known or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ImageConfig {
    fields: Map<String, Value>,
    #[serde(skip)]
    rootfs: RootFs,
    #[serde(skip)]
    platform: Platform,
    #[serde(skip)]
    stated: Platform,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct RootFs {
    #[serde(deserialize_with = "lenient::list")]
    diff_ids: Vec<DiffId>,
}

impl ImageConfig {
    /// Creates a config from its fields. They must include `architecture`, `os` and `rootfs.diff_ids`.
    pub fn from_fields(fields: Map<String, Value>) -> Result<Self, serde_json::Error> {
        let rootfs: Option<RootFs> = match fields.get("rootfs") {
            Some(written) => serde_json::from_value(written.clone())?,
            None => return Err(serde::de::Error::missing_field("rootfs")),
        };
        let rootfs = rootfs.unwrap_or(RootFs { diff_ids: Vec::new() });
        let stated: Platform = serde_json::from_value(Value::Object(
            ["architecture", "os", "variant"]
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), fields.get(name)?.clone())))
                .filter(|(name, value)| name != "variant" || value.as_str() != Some(""))
                // Both are strings. Go never writes a string as `null`, and reads `null` as the empty string.
                .map(|(name, value)| {
                    if value.is_null() {
                        (name, Value::from(""))
                    } else {
                        (name, value)
                    }
                })
                .collect(),
        ))?;
        Ok(Self {
            fields,
            rootfs,
            platform: stated.normalized(),
            stated,
        })
    }

    /// Returns all fields.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// Returns the diff IDs of the layers, lowest first.
    pub fn diff_ids(&self) -> &[DiffId] {
        &self.rootfs.diff_ids
    }

    /// Returns os, architecture and variant, by the names of [`Platform::normalized`].
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Returns `true` if it names an operating system and an architecture. Images without a platform may omit both.
    pub fn names_platform(&self) -> bool {
        !self.stated.os.is_empty() && !self.stated.architecture.is_empty()
    }

    /// Returns `true` if it declares another platform than `wanted`. A missing value is not a contradiction: many
    /// configs for `arm` have no variant, and a lower variant runs too.
    pub fn contradicts(&self, wanted: &Platform) -> bool {
        let wanted = wanted.normalized();
        let differs = |stated: &str, normalized: &str, wanted: &str| !stated.is_empty() && normalized != wanted;
        differs(&self.stated.os, &self.platform.os, &wanted.os)
            || differs(
                &self.stated.architecture,
                &self.platform.architecture,
                &wanted.architecture,
            )
            || (self.names_platform() && self.stated.variant.is_some() && wanted.distance(&self.platform).is_none())
    }

    /// Returns the table `config`, which says how a container is started. Empty if it is missing.
    pub fn execution(&self) -> Map<String, Value> {
        self.fields
            .get("config")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default()
    }

    /// Returns the environment, in the config's order. An entry without `=` is a name with an empty value.
    pub fn env(&self) -> Vec<(String, String)> {
        let execution = self.execution();
        let entries = execution
            .get("Env")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let split = |text: &str| match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (text.to_owned(), String::new()),
        };
        entries.iter().filter_map(Value::as_str).map(split).collect()
    }
}

impl FromJson for ImageConfig {
    const KIND: &'static str = "config";
    const NAMES: &'static strict_json::Names = &strict_json::CONFIG;
    fn from_json(value: Value, _: &MediaType) -> Result<Self, serde_json::Error> {
        let fields = serde_json::from_value::<Map<String, Value>>(value)?;
        Self::from_fields(fields)
    }
}

/// The image of one platform: a manifest and a config with the same number of layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    manifest: Document<ImageManifest>,
    config: Document<ImageConfig>,
}

impl Image {
    /// Combines a manifest and its config. Returns an error if the number of diff IDs differs from the number of
    /// layers.
    pub fn new(manifest: Document<ImageManifest>, config: Document<ImageConfig>) -> Result<Self, DocumentError> {
        let diff_ids = config.value().diff_ids().len();
        let layers = manifest.value().layers.len();
        if diff_ids != layers {
            return Err(DocumentError::LayerCount {
                digest: config.descriptor().digest,
                diff_ids,
                layers,
            });
        }
        Ok(Self { manifest, config })
    }

    /// Returns the manifest.
    pub fn manifest(&self) -> &Document<ImageManifest> {
        &self.manifest
    }

    /// Returns the config.
    pub fn config(&self) -> &Document<ImageConfig> {
        &self.config
    }

    /// Returns each layer's descriptor with its diff ID, lowest first.
    pub fn layers(&self) -> impl Iterator<Item = (&Descriptor, &DiffId)> {
        self.manifest.value().layers.iter().zip(self.config.value().diff_ids())
    }

    /// Returns the compressed size of config and layers, in bytes: what a runtime downloads, except the manifest.
    pub fn size_bytes(&self) -> u64 {
        let layers = self.manifest.value().layers.iter().map(|layer| layer.size_bytes);
        layers.fold(self.config.descriptor().size_bytes, u64::saturating_add)
    }
}
