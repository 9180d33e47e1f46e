//! Runs a build: resolves and plans every platform, packs, assembles, checks, and only then writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::built::BuildOutput;
use crate::build::cache::BuildCache;
use crate::build::cache_from::CacheFrom;
use crate::build::checking::{check_budgets, check_given, check_planned, empty_verdict};
use crate::build::contents::Contents;
use crate::build::gate::{SecretGate, denies_secrets};
use crate::build::images::Images;
use crate::build::inputs::{Disk, PlannedPlatform, plan_platform};
use crate::build::layer::{BuiltLayer, PackContext};
use crate::build::locking::{self, LockUpdate};
use crate::build::naming::Outputs;
use crate::build::options::BuildOptions;
use crate::build::outputs;
use crate::build::packing::{Packing, PlatformLayers, Unfinished};
use crate::build::records::Records;
use crate::build::report::{BuildReport, LayerOrigin, LayerReport, PlatformReport};
use crate::build::secrets::{packed_findings, planned_findings};
use crate::build::transports::Transports;
use crate::build::writing::{EagerUpload, check_access, eager_uploads, write};
use crate::check::{Finding, Verdict, gap};
use crate::events::{Event, Item, Observer, Task, Work};
use crate::model::{Image, Layer, Root};
use crate::plan::{BuildPlan, assemble, index, index_annotations};
use crate::spec::Spec;

/// A build whose platforms are all planned. Nothing is written yet.
pub struct PlannedBuild {
    platforms: Vec<PlannedPlatform>,
    disk: Disk,
    /// `false` if some of the spec's platforms are left out.
    is_whole: bool,
    /// The lockfile with the pins that were missing.
    lock_update: Option<LockUpdate>,
    cache: Arc<BuildCache>,
}

impl PlannedBuild {
    /// Returns the plans as JSON, for `--print-plan`.
    pub fn to_json(&self) -> serde_json::Value {
        self.platforms.iter().map(|platform| platform.plan.to_json()).collect()
    }
}

/// Resolves every base image that the lockfile does not contain, lists every file and plans every platform. Sends only
/// HEAD and GET requests to registries. Writes nothing except to the cache.
pub async fn plan_build(
    spec: &Spec,
    naming: &Outputs,
    options: &BuildOptions,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<PlannedBuild, BuildError> {
    let lock = locking::load_for_build(spec, &naming.platforms, options, transports, observer)?;
    let pins = lock.clone().unwrap_or_default();
    let mut images = Images::new(transports, options, observer).pinned_by(pins.clone(), &pins);
    let disk = Disk::new(spec, naming, options);
    for warning in spec.warnings() {
        observer.event(Event::Warning(warning.clone()));
    }
    let mut platforms = Vec::new();
    for platform in &naming.platforms {
        let _task = Task::start(observer, Work::new("planning", Item::new(platform.to_string())), None);
        let mut planned = plan_platform(spec, platform, options.created_s, &disk, &mut images, &platforms).await?;
        share_layers(&mut planned, &platforms);
        platforms.push(planned);
    }
    outputs::refuse_inputs(naming, &platforms)?;
    let lock_update = if options.locked {
        None
    } else {
        LockUpdate::new(spec, lock.as_ref(), images.lock())
    };
    let is_whole = spec
        .platforms()
        .iter()
        .all(|platform| naming.platforms.contains(platform));
    Ok(PlannedBuild {
        platforms,
        disk,
        is_whole,
        lock_update,
        cache: images.cache(),
    })
}

/// Shares the memory of layers that are equal to one of an earlier platform.
fn share_layers(planned: &mut PlannedPlatform, earlier: &[PlannedPlatform]) {
    for layer in &mut planned.plan.layers {
        let known = earlier
            .iter()
            .flat_map(|other| &other.plan.layers)
            .find(|known| *known == layer);
        if let Some(known) = known {
            *layer = known.clone();
        }
    }
}

/// Builds what was planned and writes it to every target, in order.
///
/// Before packing, every registry is asked whether it accepts the push. Before the first write, all platforms are
/// checked. With a `max-size`, or if every secret is an error, all layers are packed and scanned before the first write
/// too. Otherwise finished layers without a secret that stops the build may be uploaded while others are packed. The
/// lockfile is completed before anything refers to the image.
pub async fn build(
    spec: &Spec,
    naming: &Outputs,
    planned: PlannedBuild,
    options: &BuildOptions,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<BuildReport, BuildError> {
    let (mut checked, verdict) = check_files(planned, false, options, observer).await?;
    for gap in checked
        .platforms
        .iter()
        .filter_map(|planned| gap(&planned.plan.platform))
    {
        observer.event(Event::Note(gap));
    }
    if verdict.error_count() > 0 {
        return Err(refuse(verdict, observer));
    }
    check_access(naming, transports).await?;
    let lock_update = checked.lock_update.take();
    let earlier = CacheFrom::read(&options.cache_from, &naming.platforms, transports, observer).await;
    // With a budget, all layers must be known before it is certain that an image is written.
    let is_budgeted = checked
        .platforms
        .iter()
        .any(|planned| planned.plan.max_size_bytes.is_some());
    let (eager, uploads) = eager_uploads(naming, !is_budgeted && !denies_secrets(&checked.platforms));
    let (packed, ahead) = tokio::join!(
        pack(checked, earlier, eager, options, observer),
        uploads.copy(naming, transports, observer)
    );
    // A failed upload is the reason that packing was canceled.
    let ahead = ahead?;
    let packed = packed?;
    let verdict = with_packed(verdict, &packed);
    if verdict.error_count() > 0 {
        return Err(refuse(verdict, observer));
    }
    observer.event(Event::Findings(verdict.findings));
    let built = gather(spec, &packed)?;
    if let Some(update) = lock_update {
        update.write_or_warn(observer);
    }
    let targets = write(naming, &built, &packed.reports, &ahead, transports, observer).await?;
    Ok(BuildReport {
        name: naming.name.clone(),
        tags: naming.tags.clone(),
        root: built.root().descriptor().clone(),
        platforms: packed.reports,
        targets,
    })
}

/// Checks what was planned and writes nothing. Layers are packed if the check needs their size. If variables are
/// `given`, also checks whether they are all that the images require.
pub async fn check_build(
    planned: PlannedBuild,
    given: Option<&BTreeMap<String, String>>,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Verdict, BuildError> {
    let (checked, verdict) = check_files(planned, true, options, observer).await?;
    let verdict = verdict.with(
        given
            .into_iter()
            .flat_map(|given| check_given(&checked.platforms, given)),
    );
    if checked
        .platforms
        .iter()
        .all(|planned| planned.plan.max_size_bytes.is_none())
    {
        let is_whole = checked.is_whole;
        let findings = scan(checked, options, observer).await?;
        let verdict = verdict.with(findings);
        return Ok(if is_whole {
            verdict.with_unused_allows()
        } else {
            verdict
        });
    }
    let packed = pack(checked, CacheFrom::default(), EagerUpload::none(), options, observer).await?;
    Ok(with_packed(verdict, &packed))
}

/// Returns the findings on files that are not packed. Runs on a thread that may block.
async fn scan(
    checked: Checked,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Finding>, BuildError> {
    let Checked {
        platforms,
        contents,
        cache,
        ..
    } = checked;
    let records = Records::new(cache, options.started_at);
    let threads = options.threads;
    let observer = observer.clone();
    in_background(move || planned_findings(&platforms, &contents, &records, threads, &observer)).await
}

/// Adds the last findings: secrets, exceeded budgets, and `allow` entries without an effect. An entry for a platform
/// that is not built is not reported.
fn with_packed(verdict: Verdict, packed: &Packed) -> Verdict {
    let verdict = verdict.with(packed_findings(&packed.platforms, &packed.layers));
    let verdict = verdict.with(check_budgets(&packed.platforms, &packed.reports));
    if packed.is_whole {
        verdict.with_unused_allows()
    } else {
        verdict
    }
}

fn refuse(verdict: Verdict, observer: &Arc<dyn Observer>) -> BuildError {
    let error_count = verdict.error_count();
    observer.event(Event::Findings(verdict.findings));
    BuildError::Refused { error_count }
}

/// Platforms whose files can be opened.
struct Checked {
    platforms: Vec<PlannedPlatform>,
    contents: Contents,
    is_whole: bool,
    lock_update: Option<LockUpdate>,
    cache: Arc<BuildCache>,
}

/// Checks the files of every platform on the current thread, like planning. Nothing else runs at this time, and memory
/// that planning freed is used again.
async fn check_files(
    planned: PlannedBuild,
    counts_files: bool,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<(Checked, Verdict), BuildError> {
    let PlannedBuild {
        platforms,
        disk,
        is_whole,
        lock_update,
        cache,
    } = planned;
    let contents = Contents::collect(&platforms, disk.archives.clone(), &options.scratch_directory, observer).await?;
    let (findings, checked) = check_planned(&platforms, &contents, counts_files, options, observer)?;
    let verdict = empty_verdict(&platforms).with(findings).with_checked(checked);
    Ok((
        Checked {
            platforms,
            contents,
            is_whole,
            lock_update,
            cache,
        },
        verdict,
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

/// The packed and assembled images of all platforms. All lists are in the order of the platforms.
struct Packed {
    platforms: Vec<PlannedPlatform>,
    layers: Vec<PlatformLayers>,
    images: Vec<Image>,
    reports: Vec<PlatformReport>,
    is_whole: bool,
}

/// Makes all layers, and passes finished ones to `take` while much is left to do.
async fn pack(
    checked: Checked,
    earlier: CacheFrom,
    take: EagerUpload,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Packed, BuildError> {
    let observer = observer.clone();
    let Checked {
        platforms,
        contents,
        is_whole,
        cache,
        ..
    } = checked;
    let context = Arc::new(PackContext::new(contents, cache, options));
    let (platforms, layers) = in_background(move || {
        let plans: Vec<_> = platforms.iter().map(|planned| &planned.plan).collect();
        let take = |layer: &Arc<BuiltLayer>| take.give(layer);
        let gate = SecretGate::new(&platforms);
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
        Ok((platforms, layers))
    })
    .await?;
    let both = || platforms.iter().zip(&layers);
    let images: Vec<Image> = both()
        .map(|(planned, layers)| packed_image(planned, layers))
        .collect::<Result<_, _>>()?;
    let reports = both()
        .zip(&images)
        .map(|((planned, layers), image)| report(planned, layers, image))
        .collect();
    Ok(Packed {
        platforms,
        layers,
        images,
        reports,
        is_whole,
    })
}

/// Returns the config and manifest of one platform.
pub(super) fn planned_image(plan: &BuildPlan, layers: &[Layer]) -> Result<Image, BuildError> {
    let failed = |cause| BuildError::Plan {
        platform: plan.platform.clone(),
        cause: Box::new(cause),
    };
    let (config, manifest) = assemble(plan, layers).map_err(failed)?;
    Image::new(manifest, config).map_err(|cause| failed(cause.into()))
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
fn gather(spec: &Spec, packed: &Packed) -> Result<BuildOutput, BuildError> {
    let Packed {
        platforms,
        layers,
        images,
        ..
    } = packed;
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

fn root(spec: &Spec, platforms: &[PlannedPlatform], images: &[Image]) -> Result<Root, BuildError> {
    if let ([image], false) = (images, spec.image().index) {
        return Ok(Root::Manifest(image.manifest().clone()));
    }
    let plans: Vec<_> = platforms.iter().map(|planned| &planned.plan).collect();
    let manifests = images.iter().map(|image| image.manifest().descriptor().clone());
    let children: Vec<_> = plans.iter().map(|plan| plan.platform.clone()).zip(manifests).collect();
    let index = index(&children, index_annotations(&plans), spec.image().media_types);
    index.map(Root::Index).map_err(BuildError::Index)
}

#[cfg(test)]
mod tests;
