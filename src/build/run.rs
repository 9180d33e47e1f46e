//! Runs a build: resolve and plan every platform, pack, assemble, gate, and only then write.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::build::BuildError;
use crate::build::built::BuiltImage;
use crate::build::cache::BuildCache;
use crate::build::checking::{check_budgets, check_given, check_planned, empty_verdict};
use crate::build::contents::Contents;
use crate::build::earlier::EarlierLayers;
use crate::build::events::{Event, Observer, Task};
use crate::build::gate::{SecretGate, denies_secrets};
use crate::build::images::Images;
use crate::build::inputs::{Disk, PlannedPlatform, plan_platform};
use crate::build::layer::{BuiltLayer, Workshop};
use crate::build::locking::{self, LockUpdate};
use crate::build::naming::Naming;
use crate::build::outputs;
use crate::build::packing::{Packing, PlatformLayers, Unfinished};
use crate::build::places::Places;
use crate::build::records::Records;
use crate::build::report::{BuildReport, LayerOrigin, LayerReport, PlatformReport};
use crate::build::secrets::{packed_findings, planned_findings};
use crate::build::writing::{Handover, check_access, handover, write};
use crate::cache::Cache;
use crate::check::{Finding, Verdict, gap};
use crate::model::{Document, Image, ImageConfig, ImageManifest, ImageName, Layer, Root};
use crate::plan::{assemble, index, index_annotations};
use crate::spec::Spec;

/// What a build is given beside the spec; the library reads no clock, environment or home directory.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// `SOURCE_DATE_EPOCH`, else 0: the time of the config and of ocitect's history entries.
    pub created_s: i64,
    /// What is kept between builds; `None` keeps nothing.
    pub cache: Option<Cache>,
    /// Where temporary files without a name are made.
    pub scratch_directory: PathBuf,
    /// Threads that pack.
    pub threads: usize,
    /// Every image must be in the lock.
    pub locked: bool,
    /// Images whose layers are taken where they are what would be packed; they are trusted for that.
    pub cache_from: Vec<ImageName>,
    /// The time when the build began; `None` where it is not known, and then no layer is taken for unchanged later.
    pub started_at: Option<SystemTime>,
}

/// A build whose platforms are all planned, and nothing written.
pub struct PlannedBuild {
    platforms: Vec<PlannedPlatform>,
    disk: Disk,
    /// False where some of the spec's platforms are left out.
    is_whole: bool,
    /// The lock with what it lacked.
    lock_update: Option<LockUpdate>,
    cache: Arc<BuildCache>,
}

impl PlannedBuild {
    /// The plans as JSON, for `--print-plan`.
    pub fn to_json(&self) -> serde_json::Value {
        self.platforms.iter().map(|platform| platform.plan.to_json()).collect()
    }
}

/// Resolves every base that the lock lacks, lists every file and plans every platform. A registry sees HEAD and GET alone;
/// nothing is written but the cache.
pub async fn plan_build(
    spec: &Spec,
    naming: &Naming,
    options: &BuildOptions,
    places: &Places,
    observer: &Arc<dyn Observer>,
) -> Result<PlannedBuild, BuildError> {
    let lock = locking::load(spec, &naming.platforms, options.locked)?;
    let pins = lock.clone().unwrap_or_default();
    let mut images = Images::new(places, options, observer).pinned_by(pins.clone(), &pins);
    let disk = Disk::new(spec, naming, options);
    for warning in spec.warnings() {
        observer.event(Event::Warning(warning.clone()));
    }
    let mut platforms = Vec::new();
    for platform in &naming.platforms {
        let _task = Task::start(observer, format!("planning {platform}"), None);
        let mut planned = plan_platform(spec, platform, options.created_s, &disk, &mut images, &platforms).await?;
        share_layers(&mut planned, &platforms);
        platforms.push(planned);
    }
    outputs::refuse_inputs(naming, &platforms)?;
    let lock_update = LockUpdate::new(spec, lock.as_ref(), images.lock());
    let is_whole = spec.platforms().iter().all(|platform| naming.platforms.contains(platform));
    Ok(PlannedBuild { platforms, disk, is_whole, lock_update, cache: images.cache() })
}

/// Puts layers that are equal to one of an earlier platform into memory once.
fn share_layers(planned: &mut PlannedPlatform, earlier: &[PlannedPlatform]) {
    for layer in &mut planned.plan.layers {
        let known = earlier.iter().flat_map(|other| &other.plan.layers).find(|known| *known == layer);
        if let Some(known) = known {
            *layer = known.clone();
        }
    }
}

/// Builds what was planned and writes it to every target, in order. Before anything is packed, registries are asked whether
/// they take the image from whoever pushes it. Before the first write all platforms are checked, and where there is a
/// `max-size` or every secret is an error, packed and looked through; else layers that are ready, and hold no secret that
/// stops the build, may go to registries while others are packed. Before anything refers to them, the lock is completed.
pub async fn build(
    spec: &Spec,
    naming: &Naming,
    planned: PlannedBuild,
    options: &BuildOptions,
    places: &Places,
    observer: &Arc<dyn Observer>,
) -> Result<BuildReport, BuildError> {
    let (mut checked, verdict) = check_files(planned, false, options, observer).await?;
    for gap in checked.platforms.iter().filter_map(|planned| gap(&planned.plan.platform)) {
        observer.event(Event::Note(gap));
    }
    if verdict.error_count() > 0 {
        return Err(refuse(verdict, observer));
    }
    check_access(naming, places).await?;
    let lock_update = checked.lock_update.take();
    let earlier = EarlierLayers::read(&options.cache_from, &naming.platforms, places, observer).await;
    // Where there is a budget, no image is sure to be written before all of its layers are known.
    let is_budgeted = checked.platforms.iter().any(|planned| planned.plan.max_size_bytes.is_some());
    let (handover, ahead) = handover(naming, !is_budgeted && !denies_secrets(&checked.platforms));
    let (packed, ahead) =
        tokio::join!(pack(checked, earlier, handover, options, observer), ahead.copy(naming, places, observer));
    // An upload that failed is why packing was given up.
    let (ahead, packed) = (ahead?, packed?);
    let verdict = with_packed(verdict, &packed);
    if verdict.error_count() > 0 {
        return Err(refuse(verdict, observer));
    }
    observer.event(Event::Findings(verdict.findings));
    let built = gather(spec, &packed)?;
    if let Some(update) = lock_update {
        update.write_or_warn(observer);
    }
    let targets = write(naming, &built, &packed.reports, &ahead, places, observer).await?;
    Ok(BuildReport {
        name: naming.name.clone(),
        tags: naming.tags.clone(),
        root: built.root().descriptor().clone(),
        platforms: packed.reports,
        targets,
    })
}

/// Checks what was planned and writes nothing. It is packed where its size is asked about. Where variables are `given`, it
/// is asked too whether they are all that the images require.
pub async fn check_build(
    planned: PlannedBuild,
    given: Option<&BTreeMap<String, String>>,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Verdict, BuildError> {
    let (checked, verdict) = check_files(planned, true, options, observer).await?;
    let verdict = verdict.with(given.into_iter().flat_map(|given| check_given(&checked.platforms, given)));
    if checked.platforms.iter().all(|planned| planned.plan.max_size_bytes.is_none()) {
        let (is_whole, findings) = (checked.is_whole, scan(checked, options, observer).await?);
        let verdict = verdict.with(findings);
        return Ok(if is_whole { verdict.with_unused_allows() } else { verdict });
    }
    let packed = pack(checked, EarlierLayers::default(), Handover::to_nobody(), options, observer).await?;
    Ok(with_packed(verdict, &packed))
}

/// The findings of files that are not packed, on a thread that may block.
async fn scan(
    checked: Checked,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Finding>, BuildError> {
    let Checked { platforms, contents, cache, .. } = checked;
    let records = Records::new(cache, options.started_at);
    let (threads, observer) = (options.threads, observer.clone());
    in_background(move || planned_findings(&platforms, &contents, &records, threads, &observer)).await
}

/// The last findings: secrets, what is over its budget, and what the spec allows in vain. What is allowed on a platform
/// that was left out is not known to be in vain.
fn with_packed(verdict: Verdict, packed: &Packed) -> Verdict {
    let verdict = verdict.with(packed_findings(&packed.platforms, &packed.layers));
    let verdict = verdict.with(check_budgets(&packed.platforms, &packed.reports));
    if packed.is_whole { verdict.with_unused_allows() } else { verdict }
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

/// Looks at the files of every platform: on this thread, as planning does. Nothing else is under way, and what planning has
/// freed serves again.
async fn check_files(
    planned: PlannedBuild,
    counts_files: bool,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<(Checked, Verdict), BuildError> {
    let PlannedBuild { platforms, disk, is_whole, lock_update, cache } = planned;
    let contents = Contents::collect(&platforms, disk.archives.clone(), &options.scratch_directory, observer).await?;
    let (findings, checked) = check_planned(&platforms, &contents, counts_files, options, observer)?;
    let verdict = empty_verdict(&platforms).with(findings).with_checked(checked);
    Ok((Checked { platforms, contents, is_whole, lock_update, cache }, verdict))
}

async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BuildError> + Send + 'static,
) -> Result<T, BuildError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Every platform's image, packed and put together. All lists are in the platforms' order.
struct Packed {
    platforms: Vec<PlannedPlatform>,
    layers: Vec<PlatformLayers>,
    images: Vec<Image>,
    reports: Vec<PlatformReport>,
    is_whole: bool,
}

/// Makes all layers, and gives those that are ready to `take` while much is left to do.
async fn pack(
    checked: Checked,
    earlier: EarlierLayers,
    take: Handover,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Packed, BuildError> {
    let observer = observer.clone();
    let Checked { platforms, contents, is_whole, cache, .. } = checked;
    let workshop = Arc::new(Workshop {
        contents,
        scratch_directory: options.scratch_directory.clone(),
        threads: options.threads,
        records: Records::new(cache.clone(), options.started_at),
        cache,
    });
    let (platforms, layers) = in_background(move || {
        let plans: Vec<_> = platforms.iter().map(|planned| &planned.plan).collect();
        let take = |layer: &Arc<BuiltLayer>| take.give(layer);
        let gate = SecretGate::new(&platforms);
        let packing = Packing { workshop: &workshop, earlier: &earlier, observer: &observer, gate: &gate, take: &take };
        let layers = packing.make_all(&plans).map_err(|unfinished| match unfinished {
            Unfinished::Failed(error) => error.into(),
            Unfinished::Unwanted => BuildError::GivenUp,
        })?;
        Ok((platforms, layers))
    })
    .await?;
    let both = || platforms.iter().zip(&layers);
    let images: Vec<Image> = both().map(|(planned, layers)| image(planned, layers)).collect::<Result<_, _>>()?;
    let reports = both().zip(&images).map(|((planned, layers), image)| report(planned, layers, image)).collect();
    Ok(Packed { platforms, layers, images, reports, is_whole })
}

/// Config and manifest of one platform.
fn image(planned: &PlannedPlatform, layers: &PlatformLayers) -> Result<Image, BuildError> {
    let failed = |cause| BuildError::Plan { platform: planned.plan.platform.clone(), cause: Box::new(cause) };
    let layers: Vec<Layer> = layers.iter().map(|(packed, _)| packed.layer.clone()).collect();
    let (config, manifest) = assemble(&planned.plan, &layers).map_err(failed)?;
    Image::new(manifest, config).map_err(|cause| failed(cause.into()))
}

fn report(planned: &PlannedPlatform, layers: &PlatformLayers, image: &Image) -> PlatformReport {
    let descriptors = &image.manifest().value().layers;
    let base_count = descriptors.len() - layers.len();
    let own = planned.plan.layers.iter().zip(layers).map(|(plan, (layer, shared))| {
        // Of a layer that nobody packed, it says more how it came to be.
        let is_shared = *shared && layer.origin == LayerOrigin::Packed;
        (plan.name.clone(), if is_shared { LayerOrigin::Shared } else { layer.origin })
    });
    let base = std::iter::repeat_n(("base".to_owned(), LayerOrigin::Base), base_count);
    let layers = base.chain(own).zip(descriptors);
    PlatformReport {
        platform: planned.plan.platform.clone(),
        manifest: image.manifest().descriptor().clone(),
        config: image.config().descriptor().clone(),
        layers: layers
            .map(|((name, origin), descriptor)| LayerReport { name, descriptor: descriptor.clone(), origin })
            .collect(),
        size_bytes: image.size_bytes(),
        max_size_bytes: planned.plan.max_size_bytes,
    }
}

/// Root, documents and layers as one source to copy from.
fn gather(spec: &Spec, packed: &Packed) -> Result<BuiltImage, BuildError> {
    let Packed { platforms, layers, images, .. } = packed;
    let root = root(spec, platforms, images)?;
    let mut built = BuiltImage::new(root);
    for ((planned, layers), image) in platforms.iter().zip(layers).zip(images) {
        add_document(&mut built, image.config(), image.manifest());
        for (packed, _) in layers {
            built.add_layer(packed.clone());
        }
        if let Some(base) = &planned.base {
            for (descriptor, _) in base.image.layers() {
                built.add_base_layer(descriptor, base.source.clone());
            }
        }
    }
    Ok(built)
}

fn add_document(built: &mut BuiltImage, config: &Document<ImageConfig>, manifest: &Document<ImageManifest>) {
    built.add_document(config.descriptor(), config.bytes().clone());
    built.add_document(manifest.descriptor(), manifest.bytes().clone());
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
