//! Image manifests and configs (image-spec, manifest.md and config.md; Docker's image manifest version 2 schema 2).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::descriptor::artifact_type;
use super::document::{Document, DocumentError, FromJson};
use super::{Descriptor, DiffId, MediaType, Platform, lenient, other_algorithm, strict_json};

/// An image manifest: one platform's config and layers, lowest layer first. Fields that are not known here are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
pub struct ImageManifest {
    /// Always 2.
    pub schema_version: u32,
    /// What it is; umoci leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaType>,
    /// The config's descriptor.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(deserialize_with = "lenient::list")]
    pub layers: Vec<Descriptor>,
    /// Annotations, sorted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "lenient::texts")]
    pub annotations: BTreeMap<String, String>,
    /// The manifest that this one refers to. `None` also where it is named by another algorithm than SHA-256.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "supported_subject")]
    pub subject: Option<Descriptor>,
    /// Whatever else stands in it.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl ImageManifest {
    /// Returns why this is no image, for people; `None` for an image. An artifact has another config than images have, or
    /// says its type (image-spec, manifest.md "Guidelines for Artifact Usage").
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
    serde_json::from_value(value).map(Some).map_err(serde::de::Error::custom)
}

impl FromJson for ImageManifest {
    const KIND: &'static str = "manifest";
    const NAMES: &'static strict_json::Names = &strict_json::MANIFEST;
    fn from_json(value: Value, _: &MediaType) -> Result<Self, serde_json::Error> {
        serde_json::from_value(value)
    }
}

/// An image config, with every field that it has, known here or not.
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
    /// Makes a config of its fields. They must have `architecture`, `os` and `rootfs.diff_ids`.
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
                // Both are strings, and Go writes none of its strings as `null`; it reads it as the empty one.
                .map(|(name, value)| if value.is_null() { (name, Value::from("")) } else { (name, value) })
                .collect(),
        ))?;
        Ok(Self { fields, rootfs, platform: stated.normalized(), stated })
    }

    /// Every field.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The uncompressed digests of the layers, lowest first.
    pub fn diff_ids(&self) -> &[DiffId] {
        &self.rootfs.diff_ids
    }

    /// os, architecture and variant, by the names of [`Platform::normalized`].
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Returns `true` where it names an operating system and an architecture; some that serve no platform have neither.
    pub fn names_platform(&self) -> bool {
        !self.stated.os.is_empty() && !self.stated.architecture.is_empty()
    }

    /// Returns `true` where it says of itself to be for another platform than `wanted`. What it does not say contradicts
    /// nothing: many configs for `arm` name no variant, and a lower one serves.
    pub fn contradicts(&self, wanted: &Platform) -> bool {
        let wanted = wanted.normalized();
        let differs = |stated: &str, normalized: &str, wanted: &str| !stated.is_empty() && normalized != wanted;
        differs(&self.stated.os, &self.platform.os, &wanted.os)
            || differs(&self.stated.architecture, &self.platform.architecture, &wanted.architecture)
            || (self.names_platform() && self.stated.variant.is_some() && wanted.distance(&self.platform).is_none())
    }

    /// The table `config`: what a container is started with. Empty where there is none.
    pub fn execution(&self) -> Map<String, Value> {
        self.fields.get("config").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    /// The environment, in the config's order. An entry without `=` is a name with an empty value.
    pub fn env(&self) -> Vec<(String, String)> {
        let execution = self.execution();
        let entries = execution.get("Env").and_then(Value::as_array).cloned().unwrap_or_default();
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

/// One platform's image: manifest and config, whose layers and diff ids are equally many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    manifest: Document<ImageManifest>,
    config: Document<ImageConfig>,
}

impl Image {
    /// Puts a manifest and its config together. A config with another number of diff ids than the manifest has layers is
    /// an error.
    pub fn new(manifest: Document<ImageManifest>, config: Document<ImageConfig>) -> Result<Self, DocumentError> {
        let (diff_ids, layers) = (config.value().diff_ids().len(), manifest.value().layers.len());
        if diff_ids != layers {
            return Err(DocumentError::LayerCount { digest: config.descriptor().digest, diff_ids, layers });
        }
        Ok(Self { manifest, config })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Document<ImageManifest> {
        &self.manifest
    }

    /// The config.
    pub fn config(&self) -> &Document<ImageConfig> {
        &self.config
    }

    /// Each layer's descriptor with its diff id, lowest first.
    pub fn layers(&self) -> impl Iterator<Item = (&Descriptor, &DiffId)> {
        self.manifest.value().layers.iter().zip(self.config.value().diff_ids())
    }

    /// Compressed size of config and layers together, in bytes: what a runtime fetches, the manifest aside.
    pub fn size_bytes(&self) -> u64 {
        let layers = self.manifest.value().layers.iter().map(|layer| layer.size_bytes);
        layers.fold(self.config.descriptor().size_bytes, u64::saturating_add)
    }
}
