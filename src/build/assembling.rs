//! Packs the layers of all images, and assembles their documents.

use std::sync::Arc;

use crate::build::BuildError;
use crate::build::background::in_background;
use crate::build::built::BuildOutput;
use crate::build::cache_from::CacheFrom;
use crate::build::checked::Checked;
use crate::build::failures::Failures;
use crate::build::gate::SecretGate;
use crate::build::inputs::PlannedPlatform;
use crate::build::layer::{BuiltLayer, PackContext};
use crate::build::member_images::MemberImages;
use crate::build::options::BuildOptions;
use crate::build::packing::{Packing, PlatformLayers, Unmade, all_made};
use crate::build::planned_images::planned_image;
use crate::build::planning::PlannedImage;
use crate::build::report::{LayerOrigin, LayerReport, PlatformReport};
use crate::build::writing::EagerUpload;
use crate::events::Observer;
use crate::model::{Image, Layer, Root};
use crate::plan::{index, index_annotations};
use crate::spec::ImageSpec;
use crate::store::Source;

/// A packed and assembled image. All lists are in the order of the platforms.
pub(super) struct PackedImage {
    pub platforms: Vec<PlannedPlatform>,
    pub layers: Vec<PlatformLayers>,
    pub reports: Vec<PlatformReport>,
    pub is_whole: bool,
    /// The root, and the source of everything below it.
    pub output: Arc<BuildOutput>,
}

/// Makes all layers, and passes finished ones to `take` while much is left to do. Returns the images; `None` for one that
/// was added to the `failures`, because a layer cannot be packed or an image that it needs failed.
///
/// # Errors
/// Returns [`BuildError`] if the layers are no longer needed.
pub(super) async fn pack(
    checked: Checked,
    earlier: CacheFrom,
    take: EagerUpload,
    failures: &mut Failures,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Option<PackedImage>>, BuildError> {
    let observer = observer.clone();
    let keeps_going = failures.keeps_going();
    let Checked {
        images,
        mut members,
        contents,
        cache,
        ..
    } = checked;
    let context = Arc::new(PackContext::new(contents, cache, options));
    let (images, layers) = in_background(move || {
        let plans: Vec<_> = images
            .iter()
            .flat_map(|image| {
                image
                    .platforms
                    .iter()
                    .map(|planned| (image.id.as_deref(), &planned.plan))
            })
            .collect();
        let take = |layer: &Arc<BuiltLayer>| take.give(layer);
        let gate = SecretGate::new(images.iter().map(|image| &image.platforms[..]).collect());
        let packing = Packing {
            context: &context,
            earlier: &earlier,
            observer: &observer,
            gate: &gate,
            take: &take,
            keeps_going,
        };
        let layers = packing.make_all(&plans);
        Ok((images, layers))
    })
    .await?;
    let mut layers = layers.into_iter();
    let mut made = Vec::new();
    let mut has_failed = false;
    for image in &images {
        // All results of the image are taken, also those after an error.
        let of_platforms: Vec<Result<PlatformLayers, Unmade>> = layers.by_ref().take(image.platforms.len()).collect();
        let layers = all_made(of_platforms);
        if let Err(Unmade::Failed(error)) = &layers {
            failures.add(image.id.as_deref(), BuildError::Pack(error.clone()));
            has_failed = true;
        }
        made.push(layers.ok());
    }
    failures.stop();
    if !has_failed && made.iter().any(Option::is_none) {
        return Err(BuildError::GivenUp);
    }
    let mut packed = Vec::new();
    for (image, layers) in images.into_iter().zip(made) {
        let id = image.id.clone();
        let layers = layers.filter(|_| !failures.concern(id.as_deref(), &image.needs));
        let assembled = layers.map(|layers| assembled(image, layers, &mut members)).transpose();
        packed.push(assembled.unwrap_or_else(|error| {
            failures.add_and_stop(id.as_deref(), error);
            None
        }));
    }
    Ok(packed)
}

/// Assembles an image. The members that it is based on are assembled before it.
fn assembled(
    planned: PlannedImage,
    layers: Vec<PlatformLayers>,
    members: &mut MemberImages,
) -> Result<PackedImage, BuildError> {
    let PlannedImage {
        id,
        needs: _,
        mut platforms,
        is_whole,
        spec,
    } = planned;
    for planned in &mut platforms {
        if let Some(base) = members.packed(planned.base.as_ref(), &planned.plan.platform)? {
            planned.rebase(base);
        }
    }
    let images: Vec<Image> = platforms
        .iter()
        .zip(&layers)
        .map(|(planned, layers)| packed_image(planned, layers))
        .collect::<Result<_, _>>()?;
    let output = Arc::new(gather(&spec, &platforms, &layers, &images)?);
    if let Some(id) = &id {
        let source: Arc<dyn Source> = output.clone();
        members.set_packed(id, &images, output.root(), &source);
    }
    let reports = platforms
        .iter()
        .zip(&layers)
        .zip(&images)
        .map(|((planned, layers), image)| report(planned, layers, image))
        .collect();
    Ok(PackedImage {
        platforms,
        layers,
        reports,
        is_whole,
        output,
    })
}

fn packed_image(planned: &PlannedPlatform, layers: &PlatformLayers) -> Result<Image, BuildError> {
    let layers: Vec<Layer> = layers.iter().map(|(packed, _)| packed.layer.clone()).collect();
    planned_image(&planned.plan, &layers)
}

fn report(planned: &PlannedPlatform, layers: &PlatformLayers, image: &Image) -> PlatformReport {
    let descriptors = &image.manifest().value().layers;
    let base_count = descriptors.len() - layers.len();
    let own = planned.plan.layers.iter().zip(layers).map(|(plan, (layer, shared))| {
        // For a layer that was not packed, its own origin says more than that it is shared.
        let is_shared = *shared && layer.origin == LayerOrigin::Packed;
        (
            plan.name.clone(),
            if is_shared { LayerOrigin::Shared } else { layer.origin },
        )
    });
    let base = std::iter::repeat_n(("base".to_owned(), LayerOrigin::Base), base_count);
    let layers = base.chain(own).zip(descriptors);
    PlatformReport {
        platform: planned.plan.platform.clone(),
        manifest: image.manifest().descriptor().clone(),
        config: image.config().descriptor().clone(),
        layers: layers
            .map(|((name, origin), descriptor)| LayerReport {
                name,
                descriptor: descriptor.clone(),
                origin,
            })
            .collect(),
        size_bytes: image.size_bytes(),
        max_size_bytes: planned.plan.max_size_bytes,
    }
}

/// Combines root, documents and layers into one source to copy from.
fn gather(
    spec: &ImageSpec,
    platforms: &[PlannedPlatform],
    layers: &[PlatformLayers],
    images: &[Image],
) -> Result<BuildOutput, BuildError> {
    let root = root(spec, platforms, images)?;
    let mut built = BuildOutput::new(root);
    for ((planned, layers), image) in platforms.iter().zip(layers).zip(images) {
        built.add_documents(image);
        for (packed, _) in layers {
            built.add_layer(packed.clone());
        }
        if let Some(base) = &planned.base {
            built.add_base(&base.image, &base.source);
        }
    }
    Ok(built)
}

fn root(spec: &ImageSpec, platforms: &[PlannedPlatform], images: &[Image]) -> Result<Root, BuildError> {
    if let ([image], false) = (images, spec.index) {
        return Ok(Root::Manifest(image.manifest().clone()));
    }
    let plans: Vec<_> = platforms.iter().map(|planned| &planned.plan).collect();
    let manifests = images.iter().map(|image| image.manifest().descriptor().clone());
    let children: Vec<_> = plans.iter().map(|plan| plan.platform.clone()).zip(manifests).collect();
    let index = index(&children, index_annotations(&plans), spec.media_types);
    index.map(Root::Index).map_err(BuildError::Index)
}
