//! Converts the input to a plan: the layer `filesystem`, then the layers of the spec, each planned on the image so far.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::error::PlanError;
use super::filesystem::{self, AccountFiles};
use super::reuse::PlanInputs;
use super::{config, sources};
use crate::model::{
    Compression, Descriptor, Digest, Entry, EntryPath, Family, Image, LayerPlan, Listing, PACKED_ANNOTATION, Platform,
    escape,
};
use crate::spec::{ConfigSpec, LayerSpec, PlatformSpec};
use crate::tree::{ReadSet, Tree, View};

/// A base image of one platform, with the facts that a plan needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// Its manifest and config.
    pub image: Image,
    /// For a base image from a registry: the full reference, as the spec writes it.
    pub name: Option<String>,
    /// Digest of the index that the reference resolves to; `None` for a single manifest.
    pub index: Option<Digest>,
    /// Its file tree.
    pub tree: Arc<Tree>,
    /// Content of `/etc/passwd`, following links; empty if it does not exist.
    pub passwd: Bytes,
    /// Content of `/etc/group`, following links; empty if it does not exist.
    pub group: Bytes,
}

impl BaseImage {
    /// Returns the digest that the reference resolves to: the index, else the manifest.
    pub fn reference_digest(&self) -> Digest {
        self.index.unwrap_or(self.image.manifest().descriptor().digest)
    }
}

/// All inputs of one platform's plan.
#[derive(Debug, Clone)]
pub struct PlanInput {
    /// The settings of the spec for the platform.
    pub platform_spec: PlatformSpec,
    /// Its `[config]`, with the variables of the base image expanded.
    pub config: ConfigSpec,
    /// The base image; `None` for `scratch`.
    pub base: Option<Arc<BaseImage>>,
    /// For each layer of the spec and each of its `files` entries, the filtered listing.
    pub listings: Vec<Vec<Listing>>,
    /// The family of the manifest.
    pub family: Family,
    /// Time of the image and of its history, in seconds since 1970.
    pub created_s: i64,
}

impl PlanInput {
    pub(super) fn tree(&self) -> Arc<Tree> {
        self.base.as_ref().map(|base| base.tree.clone()).unwrap_or_default()
    }

    /// Returns passwd and group of the base image.
    pub(super) fn accounts(&self) -> [Bytes; 2] {
        self.base
            .as_ref()
            .map(|base| [base.passwd.clone(), base.group.clone()])
            .unwrap_or_default()
    }
}

/// The plan of one platform: everything is decided, and no content is read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildPlan {
    /// The platform, as the spec writes it.
    pub platform: Platform,
    /// The base image; `None` for `scratch`.
    pub base: Option<Arc<BaseImage>>,
    /// The layers above the base image, lowest first. Layers without entries are left out. Platforms with equal layers
    /// share them.
    pub layers: Vec<Arc<LayerPlan>>,
    /// The config, as far as it does not depend on the packed layers.
    pub config: ConfigPlan,
    /// The spec's `annotations` for the manifest, without those about the base image.
    pub annotations: BTreeMap<String, String>,
    /// The family of the manifest.
    pub family: Family,
    /// Limit of the compressed size in bytes, including the base image.
    pub max_size_bytes: Option<u64>,
    /// Warnings that do not stop the build.
    pub warnings: Vec<String>,
}

/// The config of an image without its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigPlan {
    /// The table `config`: that of the base image, with the changes of the spec.
    pub execution: Map<String, Value>,
    /// `created` of the image and of its own history entries, in RFC 3339 form.
    pub created: String,
}

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
