//! Plans everything of an image except its layers, and refuses what cannot be built.

use std::collections::BTreeMap;

use super::config;
use super::error::PlanError;
use super::filesystem;
use super::types::{BaseImage, BuildPlan, PlanInput};
use crate::model::{Compression, Descriptor, Family, Platform, escape};
use crate::spec::PlatformSpec;

/// Refuses a platform whose layers have an unsupported form: Windows layers hold files below `Files/` and the registry
/// in `Hives/`, and nothing else is read.
///
/// # Errors
/// Returns [`PlanError::Windows`] for such a platform.
pub fn check_platform(platform: &Platform) -> Result<(), PlanError> {
    if platform.os.eq_ignore_ascii_case("windows") {
        Err(PlanError::Windows {
            platform: platform.clone(),
        })
    } else {
        Ok(())
    }
}

/// Plans everything except the layers.
pub(super) fn plan_above(input: &PlanInput) -> Result<BuildPlan, PlanError> {
    let PlanInput {
        platform_spec: spec,
        config,
        base,
        family,
        created_s,
        ..
    } = input;
    check_platform(&spec.platform)?;
    check_family(spec, base.as_deref(), *family)?;
    let mut warnings = foreign_layers(base.as_deref());
    let image = base.as_ref().map(|base| &base.image);
    let config = config::merge(config.clone(), image, *created_s, &mut warnings)?;
    Ok(BuildPlan {
        platform: spec.platform.clone(),
        base: base.clone(),
        layers: Vec::new(),
        config,
        annotations: spec.annotations.clone(),
        family: *family,
        max_size_bytes: spec.max_size_bytes,
        warnings,
    })
}

/// Refuses what a family cannot express, before anything is packed.
fn check_family(spec: &PlatformSpec, base: Option<&BaseImage>, family: Family) -> Result<(), PlanError> {
    if let Some(base) = base {
        for layer in &base.image.manifest().value().layers {
            if !layer.media_type.is_layer() {
                let digest = layer.digest;
                let media_type = layer.media_type.clone();
                return Err(PlanError::LayerType { digest, media_type });
            }
            let what = || format!("the base layer {}", layer.digest);
            layer
                .in_family(family)
                .ok_or_else(|| PlanError::no_media_type(what(), layer, family))?;
        }
    }
    let layers = spec.layers.iter().map(|layer| (&*layer.name, layer.compression));
    for (name, compression) in layers.chain([(filesystem::NAME, spec.compression)]) {
        check_compression(name, compression, family)?;
    }
    if family == Family::Docker {
        refuse_annotations("the image", &spec.annotations)?;
        for layer in &spec.layers {
            refuse_annotations(
                &format!("layer \"{}\"", escape(layer.name.as_bytes())),
                &layer.annotations,
            )?;
        }
    }
    Ok(())
}

fn check_compression(name: &str, compression: Compression, family: Family) -> Result<(), PlanError> {
    let media_type = compression.media_type();
    match media_type.in_family(family) {
        Some(_) => Ok(()),
        None => {
            let what = format!("layer \"{}\"", escape(name.as_bytes()));
            Err(PlanError::NoMediaType {
                what,
                media_type,
                family,
            })
        }
    }
}

fn refuse_annotations(what: &str, annotations: &BTreeMap<String, String>) -> Result<(), PlanError> {
    match annotations.keys().next() {
        Some(name) => Err(PlanError::DockerAnnotations {
            what: what.to_owned(),
            name: name.clone(),
        }),
        None => Ok(()),
    }
}

fn foreign_layers(base: Option<&BaseImage>) -> Vec<String> {
    let is_foreign = |layer: &&Descriptor| layer.media_type.is_foreign();
    let layers = base
        .map(|base| &base.image.manifest().value().layers[..])
        .unwrap_or_default();
    let warn = |layer: &Descriptor| {
        format!(
            "the base layer {} is foreign: it may be available only at its URLs, not in the registry",
            layer.digest
        )
    };
    layers.iter().filter(is_foreign).map(warn).collect()
}
