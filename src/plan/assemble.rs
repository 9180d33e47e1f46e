//! Assembles the documents of an image from its plan and packed layers (image-spec: config.md, manifest.md,
//! image-index.md, annotations.md; Docker's image manifest version 2 schema 2).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::PlanError;
use super::types::{BaseImage, BuildPlan};
use crate::model::{
    Descriptor, Digest, Document, DocumentError, Family, Image, ImageConfig, ImageIndex, ImageManifest, Layer,
    MediaType, Platform,
};

/// Digest of the base image (image-spec, annotations.md).
pub const BASE_DIGEST_ANNOTATION: &str = "org.opencontainers.image.base.digest";

/// Reference of the base image (image-spec, annotations.md).
pub const BASE_NAME_ANNOTATION: &str = "org.opencontainers.image.base.name";

/// Schema version of manifests and indexes.
const SCHEMA_VERSION: u32 = 2;

/// Returns config and manifest of one platform. `layers` are the packed layers of the plan, in its order. Base layers
/// keep digest, size and the other fields of their descriptors. All media types belong to the plan's family.
pub fn assemble(
    plan: &BuildPlan,
    layers: &[Layer],
) -> Result<(Document<ImageConfig>, Document<ImageManifest>), PlanError> {
    if layers.len() != plan.layers.len() {
        let expected = plan.layers.len();
        let actual = layers.len();
        return Err(PlanError::Count {
            what: "packed layers",
            expected,
            actual,
        });
    }
    let fields = config_fields(plan, layers)?;
    let config_type = in_family(MediaType::OciConfig, plan.family)?;
    let malformed = |cause| DocumentError::Malformed {
        kind: "config",
        digest: Digest::of(b""),
        cause,
    };
    let config = ImageConfig::from_fields(fields).map_err(malformed)?;
    let config = Document::write(config_type, config)?;
    let manifest_type = in_family(MediaType::OciManifest, plan.family)?;
    let manifest = ImageManifest {
        schema_version: SCHEMA_VERSION,
        media_type: Some(manifest_type.clone()),
        config: config.descriptor().clone(),
        layers: manifest_layers(plan, layers)?,
        annotations: manifest_annotations(plan),
        subject: None,
        other: BTreeMap::new(),
    };
    Ok((config, Document::write(manifest_type, manifest)?))
}

/// Returns the index of the manifests of all platforms, sorted by os, architecture and variant.
pub fn index(
    children: &[(Platform, Descriptor)],
    annotations: BTreeMap<String, String>,
    family: Family,
) -> Result<Document<ImageIndex>, PlanError> {
    let mut manifests = Vec::with_capacity(children.len());
    for (platform, descriptor) in children {
        let media_type = in_family(descriptor.media_type.clone(), family)?;
        manifests.push(Descriptor {
            media_type,
            platform: Some(platform.clone()),
            ..descriptor.clone()
        });
    }
    index_of(manifests, annotations, family)
}

/// Returns the index of manifests whose descriptors are known, sorted by os, architecture and variant.
pub fn index_of(
    mut manifests: Vec<Descriptor>,
    annotations: BTreeMap<String, String>,
    family: Family,
) -> Result<Document<ImageIndex>, PlanError> {
    manifests.sort_by(|left, right| order(left).cmp(&order(right)));
    let media_type = in_family(MediaType::OciIndex, family)?;
    let index = ImageIndex {
        schema_version: SCHEMA_VERSION,
        media_type: Some(media_type.clone()),
        manifests,
        unsupported: Vec::new(),
        annotations: if family == Family::Oci {
            annotations
        } else {
            BTreeMap::new()
        },
        other: BTreeMap::new(),
    };
    Ok(Document::write(media_type, index)?)
}

/// Returns the annotations of the index of several plans: those that all plans share, and the base image's name and
/// digest if all plans share it. Docker's family has none.
pub fn index_annotations(plans: &[&BuildPlan]) -> BTreeMap<String, String> {
    let Some((first, rest)) = plans.split_first() else {
        return BTreeMap::new();
    };
    if first.family == Family::Docker {
        return BTreeMap::new();
    }
    let mut annotations = first.annotations.clone();
    annotations.retain(|name, value| rest.iter().all(|plan| plan.annotations.get(name) == Some(value)));
    let reference = |plan: &BuildPlan| {
        plan.base
            .as_ref()
            .map(|base| (base.name.clone(), base.reference_digest()))
    };
    if let Some(base) = &first.base
        && rest.iter().all(|plan| reference(plan) == reference(first))
    {
        let said = |name: &str| plans.iter().any(|plan| plan.annotations.contains_key(name));
        let additions = base_annotations(base, base.reference_digest());
        annotations.extend(additions.into_iter().filter(|(name, _)| !said(name)));
    }
    annotations
}

fn order(descriptor: &Descriptor) -> Option<(&str, &str, Option<&str>)> {
    let platform = descriptor.platform.as_ref()?;
    Some((&platform.os, &platform.architecture, platform.variant.as_deref()))
}

fn in_family(media_type: MediaType, family: Family) -> Result<MediaType, PlanError> {
    let what = "a document of the image".to_owned();
    media_type.in_family(family).ok_or(PlanError::NoMediaType {
        what,
        media_type,
        family,
    })
}

/// Returns the base image's fields, with those replaced that identify the image.
fn config_fields(plan: &BuildPlan, layers: &[Layer]) -> Result<Map<String, Value>, PlanError> {
    let base = plan.base.as_ref().map(|base| &base.image);
    let mut fields = base
        .map(|base| base.config().value().fields().clone())
        .unwrap_or_default();
    let Platform {
        architecture,
        os,
        variant,
    } = &plan.platform;
    fields.insert("architecture".to_owned(), architecture.as_str().into());
    fields.insert("os".to_owned(), os.as_str().into());
    match variant {
        Some(variant) => fields.insert("variant".to_owned(), variant.as_str().into()),
        None => fields.remove("variant"),
    };
    fields.insert("created".to_owned(), plan.config.created.as_str().into());
    if plan.config.execution.is_empty() {
        fields.remove("config")
    } else {
        fields.insert("config".to_owned(), plan.config.execution.clone().into())
    };
    let base_ids = base.map(|base| base.config().value().diff_ids()).unwrap_or_default();
    let diff_ids: Vec<_> = base_ids
        .iter()
        .chain(layers.iter().map(|layer| &layer.diff_id))
        .collect();
    let diff_ids: Vec<String> = diff_ids.into_iter().map(ToString::to_string).collect();
    fields.insert("rootfs".to_owned(), json!({ "type": "layers", "diff_ids": diff_ids }));
    let history = history(plan, base)?;
    if history.is_empty() {
        fields.remove("history")
    } else {
        fields.insert("history".to_owned(), history.into())
    };
    Ok(fields)
}

/// Returns the base image's history, adjusted to its layers, followed by an entry for each own layer.
fn history(plan: &BuildPlan, base: Option<&Image>) -> Result<Vec<Value>, PlanError> {
    let mut history = match base.and_then(|base| base.config().value().fields().get("history")) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(entries)) => entries.clone(),
        Some(_) => {
            return Err(PlanError::BaseConfig {
                field: "history",
                expected: "a list",
            });
        }
    };
    fit_history(
        &mut history,
        base.map_or(0, |base| base.manifest().value().layers.len()),
    );
    let created = &plan.config.created;
    let own = plan.layers.iter().map(|layer| format!("ocitect: {}", layer.name));
    history.extend(own.map(|created_by| json!({ "created": created, "created_by": created_by })));
    Ok(history)
}

/// Adjusts the history so that it has as many entries with a layer as there are layers. Readers count them, and refuse
/// an image if the numbers differ. Missing entries are appended. If there are too many, the oldest are marked as empty
/// layers, as BuildKit does.
fn fit_history(history: &mut Vec<Value>, layers: usize) {
    let is_empty = |entry: &Value| entry.get("empty_layer").and_then(Value::as_bool) == Some(true);
    let counted = history.iter().filter(|entry| !is_empty(entry)).count();
    history.extend((counted..layers).map(|_| json!({ "created_by": "base" })));
    let surplus = counted.saturating_sub(layers);
    for entry in history.iter_mut().filter(|entry| !is_empty(entry)).take(surplus) {
        // An entry that is not an object has nothing to keep.
        let mut fields = entry.as_object().cloned().unwrap_or_default();
        fields.insert("empty_layer".to_owned(), true.into());
        *entry = fields.into();
    }
}

fn manifest_layers(plan: &BuildPlan, layers: &[Layer]) -> Result<Vec<Descriptor>, PlanError> {
    let in_family = |what: String, layer: &Descriptor| {
        layer
            .in_family(plan.family)
            .ok_or_else(|| PlanError::no_media_type(what, layer, plan.family))
    };
    let base = plan
        .base
        .as_ref()
        .map(|base| &base.image.manifest().value().layers[..])
        .unwrap_or_default();
    let mut descriptors = Vec::with_capacity(base.len() + layers.len());
    for layer in base {
        descriptors.push(in_family(format!("the base layer {}", layer.digest), layer)?);
    }
    for (planned, layer) in plan.layers.iter().zip(layers) {
        let what = format!("layer \"{}\"", crate::model::escape(planned.name.as_bytes()));
        let mut descriptor = in_family(what, &layer.descriptor)?;
        descriptor.annotations.extend(planned.annotations.clone());
        descriptors.push(descriptor);
    }
    Ok(descriptors)
}

/// Returns the annotations of the manifest. Those of the spec take precedence over those about the base image.
fn manifest_annotations(plan: &BuildPlan) -> BTreeMap<String, String> {
    if plan.family == Family::Docker {
        return BTreeMap::new();
    }
    let manifest_digest = |base: &BaseImage| base.image.manifest().descriptor().digest;
    let mut annotations = plan
        .base
        .as_ref()
        .map(|base| base_annotations(base, manifest_digest(base)))
        .unwrap_or_default();
    annotations.extend(plan.annotations.clone());
    annotations
}

fn base_annotations(base: &BaseImage, digest: Digest) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([(BASE_DIGEST_ANNOTATION.to_owned(), digest.to_string())]);
    annotations.extend(
        base.name
            .iter()
            .map(|name| (BASE_NAME_ANNOTATION.to_owned(), name.clone())),
    );
    annotations
}
