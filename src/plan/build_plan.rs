//! Converts the input to a plan: the layer `filesystem`, then the layers of the spec, each planned on the image so far.

use std::sync::{Arc, Mutex, PoisonError};

use super::error::PlanError;
use super::filesystem::{self, AccountFiles};
use super::image_plan::plan_above;
use super::reuse::PlanInputs;
use super::sources;
use super::types::{BaseImage, BuildPlan, PlanInput};
use crate::model::{Compression, Entry, EntryPath, Family, LayerPlan, Listing, PACKED_ANNOTATION, escape};
use crate::spec::{LayerSpec, PlatformSpec};
use crate::tree::{ReadSet, View};

/// Plans one platform. Its layers are in the spec's order. Below them is a layer `filesystem` if users, groups,
/// directories or the working directory must be created.
///
/// Errors name the layer, the path and the origin of both conflicting entries.
pub fn plan(input: PlanInput) -> Result<BuildPlan, PlanError> {
    plan_recording(input).map(|(plan, _)| plan)
}

/// Plans like [`plan`], and also returns the inputs that the layers depend on, so that another platform may reuse the
/// layers.
pub fn plan_recording(mut input: PlanInput) -> Result<(BuildPlan, PlanInputs), PlanError> {
    check_counts(&input.platform_spec, &input.listings)?;
    let listings = std::mem::take(&mut input.listings);
    let mut plan = plan_above(&input)?;
    let accounts = input.accounts();
    let workdir = input.config.workdir;
    let spec = input.platform_spec;
    let base = input.base;
    let read_set = Arc::<Mutex<ReadSet>>::default();
    let mut layer_warnings = Vec::new();
    let base = base.as_deref();
    let workdir_text = workdir.as_deref();
    let layers = plan_layers(
        &spec,
        base,
        listings,
        workdir_text,
        input.family,
        &read_set,
        &mut layer_warnings,
    )?;
    plan.layers = layers.into_iter().map(Arc::new).collect();
    plan.warnings.extend(layer_warnings.iter().cloned());
    let read_set = std::mem::take(&mut *read_set.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((
        plan,
        PlanInputs {
            spec,
            workdir,
            accounts,
            layer_warnings,
            read_set,
        },
    ))
}

fn plan_layers(
    spec: &PlatformSpec,
    base: Option<&BaseImage>,
    listings: Vec<Vec<Listing>>,
    workdir: Option<&str>,
    family: Family,
    read_set: &Arc<Mutex<ReadSet>>,
    warnings: &mut Vec<String>,
) -> Result<Vec<LayerPlan>, PlanError> {
    let tree = base.map(|base| base.tree.clone()).unwrap_or_default();
    let files = AccountFiles::new(spec, base)?;
    let mut view = View::recording(tree.clone(), read_set.clone());
    let mut first = filesystem::entries(&mut view, spec, &files, None)?;
    let mut layers = Vec::with_capacity(spec.layers.len() + 1);
    for (layer, listings) in spec.layers.iter().zip(listings) {
        let entries = sources::layer_entries(&mut view, layer, listings, &files.accounts)?;
        if entries.is_empty() {
            let name = escape(layer.name.as_bytes());
            warnings.push(format!("layer \"{name}\" has no entries and is skipped"));
        } else {
            layers.push(spec_layer(layer, entries, spec.mtime_s, family));
        }
    }
    // Only now it is known that no layer provides it. It is still created below the layers, since their own parents are
    // written above it.
    if let Some(path) = lacking_workdir(&view, workdir)? {
        first = filesystem::entries(&mut View::recording(tree, read_set.clone()), spec, &files, Some(&path))?;
    }
    if !first.is_empty() {
        layers.insert(0, filesystem_layer(first, spec, family));
    }
    Ok(layers)
}

fn spec_layer(layer: &LayerSpec, entries: Vec<Entry>, mtime_s: i64, family: Family) -> LayerPlan {
    let mut annotations = layer.annotations.clone();
    annotations.extend(packed_annotation(layer.compression, family));
    LayerPlan {
        name: layer.name.clone(),
        entries,
        mtime_s,
        compression: layer.compression,
        annotations,
    }
}

fn filesystem_layer(entries: Vec<Entry>, spec: &PlatformSpec, family: Family) -> LayerPlan {
    LayerPlan {
        name: filesystem::NAME.to_owned(),
        entries,
        mtime_s: spec.mtime_s,
        compression: spec.compression,
        annotations: packed_annotation(spec.compression, family).into_iter().collect(),
    }
}

/// Returns the annotation that says how the layer is packed, for later builds. Docker's manifests have no annotations.
fn packed_annotation(compression: Compression, family: Family) -> Option<(String, String)> {
    (family == Family::Oci).then(|| (PACKED_ANNOTATION.to_owned(), compression.packed_as()))
}

/// Returns the working directory, following links, if nothing exists there in the finished image.
fn lacking_workdir(view: &View, workdir: Option<&str>) -> Result<Option<EntryPath>, PlanError> {
    let Some(workdir) = workdir else { return Ok(None) };
    let layer = filesystem::NAME.to_owned();
    let origin = format!("the working directory \"{}\"", escape(workdir.as_bytes()));
    let path = match EntryPath::new(workdir.as_bytes()) {
        Ok(path) => path,
        Err(cause) => return Err(PlanError::Path { layer, origin, cause }),
    };
    let at = view
        .resolve(&path)
        .map_err(|cause| PlanError::Unresolved { layer, origin, cause })?;
    let stands = at.is_root() || view.node(&at).is_some() || view.has_below(&at);
    Ok((!stands).then_some(at))
}

fn check_counts(spec: &PlatformSpec, listings: &[Vec<Listing>]) -> Result<(), PlanError> {
    let count = |what, expected, actual| {
        if expected == actual {
            Ok(())
        } else {
            Err(PlanError::Count { what, expected, actual })
        }
    };
    count("listed layers", spec.layers.len(), listings.len())?;
    for (layer, listings) in spec.layers.iter().zip(listings) {
        count("listings of a layer", layer.files.len(), listings.len())?;
    }
    Ok(())
}
