//! Runs a build: packs, assembles and checks what was planned, and only then writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::built::BuildOutput;
use crate::build::cache::BuildCache;
use crate::build::cache_from::CacheFrom;
use crate::build::checking::{Surveyed, check_budgets, check_given, check_planned, empty_verdict};
use crate::build::contents::Contents;
use crate::build::gate::{SecretGate, denies_secrets};
use crate::build::inputs::PlannedPlatform;
use crate::build::layer::{BuiltLayer, PackContext};
use crate::build::locking::LockUpdate;
use crate::build::member::Member;
use crate::build::member_images::MemberImages;
use crate::build::options::BuildOptions;
use crate::build::packing::{Packing, PlatformLayers, Unfinished};
use crate::build::planned_images::planned_image;
use crate::build::planning::{PlannedBuild, PlannedImage};
use crate::build::records::Records;
use crate::build::report::{BuildReport, LayerOrigin, LayerReport, PlatformReport, TargetReport};
use crate::build::secrets::{packed_findings, planned_findings};
use crate::build::transports::Transports;
use crate::build::writing::{EagerUpload, WrittenImage, blob_names, check_access, eager_uploads, write_all};
use crate::check::{Finding, Verdict, gap};
use crate::events::{Event, Observer};
use crate::model::{BuildInputs, Image, Layer, Part, Root};
use crate::plan::{index, index_annotations};
use crate::spec::ImageSpec;
use crate::store::Source;
use crate::transfer::Ahead;

/// Builds what was planned and writes it to every target, in order. Returns a report for each member.
///
/// Before packing, every registry is asked whether it accepts the push. Before the first write, all images are checked.
/// With a `max-size`, or if every secret is an error, all layers are packed and scanned before the first write too.
/// Otherwise finished layers of a single image without a secret that stops the build may be uploaded while others are
/// packed. The lockfile is completed before anything refers to an image. Of several images all content is written before
/// the first tag, so that a failure before that moves none.
pub async fn build(
    members: &[Member<'_>],
    planned: PlannedBuild,
    options: &BuildOptions,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<BuildReport>, BuildError> {
    let mut planned = planned;
    let inputs = std::mem::take(&mut planned.inputs);
    let (mut checked, verdicts) = check_files(planned, false, options, observer).await?;
    for gap in checked.platforms().filter_map(|planned| gap(&planned.plan.platform)) {
        observer.event(Event::Note(gap));
    }
    refuse_errors(members, &verdicts, observer)?;
    for member in members {
        check_access(member.outputs, transports)
            .await
            .map_err(|error| member.error(error))?;
    }
    let lock_update = checked.lock_update.take();
    let platforms: Vec<_> = checked
        .platforms()
        .map(|planned| planned.plan.platform.clone())
        .collect();
    let earlier = CacheFrom::read(&options.cache_from, &platforms, transports, observer).await;
    let (eager, uploads) = eager_uploads(members, may_upload_early(&checked));
    let (packed, ahead) = tokio::join!(
        pack(checked, earlier, eager, options, observer),
        uploads.copy(members, transports, observer)
    );
    // A failed upload is the reason that packing was canceled.
    let ahead = ahead?;
    let packed = packed?;
    let verdicts: Vec<Verdict> = verdicts
        .into_iter()
        .zip(&packed)
        .map(|(verdict, image)| with_packed(verdict, image))
        .collect();
    refuse_errors(members, &verdicts, observer)?;
    report_findings(members, &verdicts, observer);
    if let Some(update) = lock_update {
        update.write_or_warn(observer);
    }
    let parts = packed.iter().zip(members).zip(inputs);
    let parts: Vec<Option<Part>> = parts
        .map(|((image, member), inputs)| part(member, image, inputs))
        .collect();
    let written = write_packed(members, &packed, ahead, transports, observer).await?;
    let mut reports = Vec::new();
    for (((member, image), targets), part) in members.iter().zip(packed).zip(written).zip(parts) {
        reports.push(BuildReport {
            name: member.outputs.name.clone(),
            tags: member.outputs.tags.clone(),
            root: image.output.root().descriptor().clone(),
            platforms: image.reports,
            targets,
            part,
        });
    }
    Ok(reports)
}

/// Returns what an image that does not have all platforms of its spec is a part of.
fn part(member: &Member<'_>, image: &PackedImage, build: BuildInputs) -> Option<Part> {
    if image.is_whole {
        return None;
    }
    Some(Part {
        of: member.spec.platforms().to_vec(),
        tags: member.outputs.tags.iter().map(ToString::to_string).collect(),
        build,
    })
}

async fn write_packed(
    members: &[Member<'_>],
    packed: &[PackedImage],
    ahead: Vec<Vec<Ahead>>,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Vec<TargetReport>>, BuildError> {
    let images = members.iter().zip(packed).map(|(member, image)| WrittenImage {
        id: member.id,
        outputs: member.outputs,
        output: &image.output,
        names: blob_names(member.id, &image.reports),
    });
    write_all(&images.collect::<Vec<_>>(), ahead, transports, observer).await
}

/// Returns `true` if layers may be uploaded before everything is packed: those of a single image that cannot be refused
/// any more for what packing finds. With a budget, all layers must be known before it is certain that it is written.
fn may_upload_early(checked: &Checked) -> bool {
    let [image] = &checked.images[..] else {
        return false;
    };
    let is_budgeted = image
        .platforms
        .iter()
        .any(|planned| planned.plan.max_size_bytes.is_some());
    !is_budgeted && !denies_secrets(&image.platforms)
}

/// Checks what was planned and writes nothing. Layers are packed if the check needs their size. If variables are
/// `given`, also checks whether they are all that the images require. Returns a verdict for each member.
pub async fn check_build(
    planned: PlannedBuild,
    given: Option<&BTreeMap<String, String>>,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Verdict>, BuildError> {
    let (checked, verdicts) = check_files(planned, true, options, observer).await?;
    let with_given = |(verdict, image): (Verdict, &PlannedImage)| {
        verdict.with(given.into_iter().flat_map(|given| check_given(&image.platforms, given)))
    };
    let verdicts: Vec<Verdict> = verdicts.into_iter().zip(&checked.images).map(with_given).collect();
    if checked.platforms().all(|planned| planned.plan.max_size_bytes.is_none()) {
        let wholes: Vec<bool> = checked.images.iter().map(|image| image.is_whole).collect();
        let found = scan(checked, options, observer).await?;
        let with_found = |((verdict, found), is_whole): ((Verdict, Vec<Finding>), bool)| {
            let verdict = verdict.with(found);
            if is_whole {
                verdict.with_unused_allows()
            } else {
                verdict
            }
        };
        return Ok(verdicts.into_iter().zip(found).zip(wholes).map(with_found).collect());
    }
    let packed = pack(checked, CacheFrom::default(), EagerUpload::none(), options, observer).await?;
    let packed = verdicts.into_iter().zip(&packed);
    Ok(packed.map(|(verdict, image)| with_packed(verdict, image)).collect())
}

/// Returns the findings on files that are not packed, for each image. Runs on a thread that may block.
async fn scan(
    checked: Checked,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Vec<Finding>>, BuildError> {
    let Checked {
        images,
        contents,
        cache,
        ..
    } = checked;
    let records = Records::new(cache, options.started_at);
    let threads = options.threads;
    let observer = observer.clone();
    in_background(move || {
        let all: Vec<&[PlannedPlatform]> = images.iter().map(|image| &image.platforms[..]).collect();
        planned_findings(&all, &contents, &records, threads, &observer)
    })
    .await
}

/// Adds the last findings: secrets, exceeded budgets, and `allow` entries without an effect. An entry for a platform
/// that is not built is not reported.
fn with_packed(verdict: Verdict, packed: &PackedImage) -> Verdict {
    let verdict = verdict.with(packed_findings(&packed.platforms, &packed.layers));
    let verdict = verdict.with(check_budgets(&packed.platforms, &packed.reports));
    if packed.is_whole {
        verdict.with_unused_allows()
    } else {
        verdict
    }
}

/// Reports the findings and fails if one of them is an error.
fn refuse_errors(members: &[Member<'_>], verdicts: &[Verdict], observer: &Arc<dyn Observer>) -> Result<(), BuildError> {
    let error_count = verdicts.iter().map(Verdict::error_count).sum();
    if error_count == 0 {
        return Ok(());
    }
    report_findings(members, verdicts, observer);
    Err(BuildError::Refused { error_count })
}

fn report_findings(members: &[Member<'_>], verdicts: &[Verdict], observer: &Arc<dyn Observer>) {
    for (member, verdict) in members.iter().zip(verdicts) {
        observer.event(Event::Findings {
            member: member.id.map(str::to_owned),
            findings: verdict.findings.clone(),
        });
    }
}

/// Images whose files can be opened.
pub(super) struct Checked {
    pub images: Vec<PlannedImage>,
    pub members: MemberImages,
    pub contents: Contents,
    pub lock_update: Option<LockUpdate>,
    pub cache: Arc<BuildCache>,
}

impl Checked {
    fn platforms(&self) -> impl Iterator<Item = &PlannedPlatform> {
        self.images.iter().flat_map(|image| &image.platforms)
    }
}

/// Checks the files of every platform on the current thread, like planning. Nothing else runs at this time, and memory
/// that planning freed is used again. Returns a verdict for each image.
async fn check_files(
    planned: PlannedBuild,
    counts_files: bool,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<(Checked, Vec<Verdict>), BuildError> {
    let PlannedBuild {
        images,
        members,
        mut contents,
        lock_update,
        cache,
        inputs: _,
    } = planned;
    let mut surveyed = Surveyed::default();
    let mut verdicts = Vec::new();
    for image in &images {
        contents.collect(&image.platforms, observer).await?;
        let checked = check_planned(
            &image.platforms,
            &mut surveyed,
            &contents,
            counts_files,
            options,
            observer,
        );
        let (findings, coverage) = checked.map_err(|error| image.error(error))?;
        verdicts.push(empty_verdict(&image.platforms).with(findings).with_checked(coverage));
    }
    Ok((
        Checked {
            images,
            members,
            contents,
            lock_update,
            cache,
        },
        verdicts,
    ))
}

/// Runs `work` on a thread that may block.
pub(super) async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BuildError> + Send + 'static,
) -> Result<T, BuildError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// A packed and assembled image. All lists are in the order of the platforms.
pub(super) struct PackedImage {
    platforms: Vec<PlannedPlatform>,
    layers: Vec<PlatformLayers>,
    pub reports: Vec<PlatformReport>,
    pub is_whole: bool,
    /// The root, and the source of everything below it.
    pub output: Arc<BuildOutput>,
}

/// Makes all layers, and passes finished ones to `take` while much is left to do.
pub(super) async fn pack(
    checked: Checked,
    earlier: CacheFrom,
    take: EagerUpload,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<PackedImage>, BuildError> {
    let observer = observer.clone();
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
        };
        let layers = packing.make_all(&plans).map_err(|unfinished| match unfinished {
            Unfinished::Failed(error) => error.into(),
            Unfinished::Unwanted => BuildError::GivenUp,
        })?;
        Ok((images, layers))
    })
    .await?;
    let mut layers = layers.into_iter();
    let mut packed = Vec::new();
    for image in images {
        let layers = layers.by_ref().take(image.platforms.len()).collect();
        packed.push(assembled(image, layers, &mut members)?);
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

#[cfg(test)]
mod tests;
