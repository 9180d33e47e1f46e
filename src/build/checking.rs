//! Holds every platform's image against the rules of the check, before anything is written: one's own files are looked at
//! where they are, and the base is known by its facts.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::build::BuildError;
use crate::build::events::{Event, Observer, Task};
use crate::build::images::{Opened, failed, open_image};
use crate::build::inputs::PlannedPlatform;
use crate::build::places::Places;
use crate::build::report::PlatformReport;
use crate::build::run::BuildOptions;
use crate::check::{
    Code, Coverage, Evidence, Execution, Finding, Interest, MAX_WHOLE_BYTES, OnDisk, OwnFile, Policy, Subject, Verdict,
    check, check_secrets, check_variables, follow, interest, interest_in_image, read_disk_evidence,
    read_stream_evidence,
};
use crate::model::{
    Content, ContentOpener, Entry, EntryKind, EntryPath, Family, Image, ImageName, LayerPlan, MediaType, Platform, Root,
};
use crate::secrets::{SightedFile, scan_stream};
use crate::store::{
    Entries, ReadEntry, SkippedEntry, Source, check_listed, list_entries, read_image, read_listed, select_platform,
};
use crate::tree::{Facts, NodeKind, read_files};

/// What begins the history entries of ocitect's own layers.
const OWN_HISTORY: &str = "ocitect: ";

/// Greatest size of all files of a layer (of an image that exists: of all its layers) that are read whole, in bytes.
/// Manifests and configuration of 20,000 packages have about as much; rules are silent on what is beyond it.
const MAX_WHOLE_FILES_BYTES: u64 = 32 * 1024 * 1024;

/// So many files are worth threads to look at them: one takes some 20 µs, and threads are started in 100.
const WORTH_THREADS: usize = 16;

/// Greatest size of all sources of an image that are looked at while its layers are read, in bytes.
const MAX_SOURCES_BYTES: u64 = 256 * 1024 * 1024;

/// How many of the largest files a finding on the budget names.
const SHOWN_FILES: usize = 5;

/// What was seen of the files of one layer.
type LayerEvidence = BTreeMap<EntryPath, Evidence>;

/// The rules' findings on every platform, and where it is asked for what was looked at, which takes a walk over all files.
/// Reads one's own files as far as the rules want them; blocks.
pub(super) fn check_planned(
    platforms: &[PlannedPlatform],
    opener: &dyn ContentOpener,
    counts_files: bool,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<(Vec<Finding>, Vec<Coverage>), BuildError> {
    let task = Task::start(observer, "checking".to_owned(), None);
    // Layers that are equal are one value by now, and looked at once.
    let mut surveyed: Vec<(Arc<LayerPlan>, Arc<LayerEvidence>)> = Vec::new();
    let (mut findings, mut checked) = (Vec::new(), Vec::new());
    let scratch = Arc::<Facts>::default();
    // An image that is the same for the next platform is put together once; of others there is one at a time.
    let mut last: Option<(&PlannedPlatform, Subject)> = None;
    for planned in platforms {
        let execution = Execution::new(&planned.plan.config.execution);
        let (platform, family) = (planned.plan.platform.clone(), planned.plan.family);
        let mut subject = match last.take().filter(|(other, _)| has_same_files(planned, other)) {
            Some((_, same)) => same.for_platform(platform, execution, family),
            None => {
                let base = planned.base.as_ref().map_or_else(|| scratch.clone(), |base| base.facts.clone());
                let bare = Subject::new(platform, execution, family, base, BTreeMap::new(), on_disk());
                planned.plan.layers.iter().try_fold(bare, |subject, layer| {
                    let evidence = surveyed_layer(&mut surveyed, layer, opener, options)?;
                    Ok::<_, BuildError>(
                        subject.with_layer(layer, |path| evidence.get(path).cloned().unwrap_or(Evidence::NotRead)),
                    )
                })?
            }
        };
        follow_files(&mut subject, &planned.plan.layers, opener, options)?;
        let base_config = planned.base.as_ref().map(|base| base.image.config().value());
        subject.base_env = base_config.map(|config| config.env()).unwrap_or_default();
        findings.extend(check(&subject));
        if counts_files {
            let base_layers = planned.base.as_ref().map_or(0, |base| base.image.layers().count());
            checked.push(Coverage::of(&subject, base_layers + planned.plan.layers.len()));
        }
        last = Some((planned, subject));
    }
    task.finish(String::new());
    Ok((findings, checked))
}

/// True for two platforms whose images differ in nothing but the config.
fn has_same_files(one: &PlannedPlatform, other: &PlannedPlatform) -> bool {
    let bases = (one.base.as_ref().map(|base| &base.facts), other.base.as_ref().map(|base| &base.facts));
    let has_same_base = match bases {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    };
    let layers = (&one.plan.layers, &other.plan.layers);
    has_same_base
        && layers.0.len() == layers.1.len()
        && layers.0.iter().zip(layers.1).all(|(one, other)| Arc::ptr_eq(one, other))
}

/// What was seen of a layer's files; they are looked at once.
fn surveyed_layer(
    surveyed: &mut Vec<(Arc<LayerPlan>, Arc<LayerEvidence>)>,
    layer: &Arc<LayerPlan>,
    opener: &dyn ContentOpener,
    options: &BuildOptions,
) -> Result<Arc<LayerEvidence>, BuildError> {
    if let Some((_, known)) = surveyed.iter().find(|(other, _)| Arc::ptr_eq(other, layer)) {
        return Ok(known.clone());
    }
    let evidence = Arc::new(survey(layer, opener, options)?);
    surveyed.push((layer.clone(), evidence.clone()));
    Ok(evidence)
}

/// How much may still be kept of files that are read whole.
struct Room {
    left_bytes: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self { left_bytes: MAX_WHOLE_FILES_BYTES }
    }
}

impl Room {
    /// The interest in the next file: one for which there is no room any more is not read.
    fn granted(&mut self, interest: Interest, size_bytes: u64) -> Interest {
        match interest {
            Interest::Whole => self.taken(interest, size_bytes),
            other => other,
        }
    }

    fn taken(&mut self, interest: Interest, size_bytes: u64) -> Interest {
        match self.left_bytes.checked_sub(size_bytes) {
            Some(left_bytes) => {
                self.left_bytes = left_bytes;
                interest
            }
            None => Interest::Nothing,
        }
    }
}

fn on_disk() -> OnDisk {
    Arc::new(|path: &Path| path.exists())
}

/// Looks at the files of a layer that rules want to see, on as many threads as pack.
fn survey(layer: &LayerPlan, opener: &dyn ContentOpener, options: &BuildOptions) -> Result<LayerEvidence, BuildError> {
    let mut room = Room::default();
    let wanted: Vec<(&Entry, &Content, Interest)> = layer
        .entries
        .iter()
        .filter_map(|entry| {
            let EntryKind::File { size_bytes, content } = &entry.kind else { return None };
            let interest = room.granted(interest(&entry.path, entry.mode, *size_bytes), *size_bytes);
            (interest != Interest::Nothing).then_some((entry, content, interest))
        })
        .collect();
    let look = |(entry, content, interest): &(&Entry, &Content, Interest)| {
        look_at(entry, content, *interest, opener, options).map(|evidence| (entry.path.clone(), evidence))
    };
    if wanted.len() < WORTH_THREADS {
        return wanted.iter().map(look).collect();
    }
    // Where the system allows no more threads, this one does it all.
    let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build() else {
        return wanted.iter().map(look).collect();
    };
    // In the layer's order, so that of several errors always the same one is told.
    let looked: Vec<Result<_, BuildError>> = pool.install(|| wanted.par_iter().map(look).collect());
    looked.into_iter().collect()
}

/// Looks at one file.
fn look_at(
    entry: &Entry,
    content: &Content,
    interest: Interest,
    opener: &dyn ContentOpener,
    options: &BuildOptions,
) -> Result<Evidence, BuildError> {
    let scratch = &options.scratch_directory;
    let evidence = match content {
        Content::Disk(file) => read_disk_evidence(interest, file),
        Content::Bytes(bytes) => read_stream_evidence(interest, &mut &bytes[..], scratch),
        Content::Member { .. } | Content::Image { .. } => {
            opener.open(content).and_then(|mut reader| read_stream_evidence(interest, &mut reader, scratch))
        }
    };
    evidence.map_err(|cause| BuildError::Unreadable { path: content_path(entry, content), cause })
}

/// Reads what other files lead to.
fn follow_files(
    subject: &mut Subject,
    layers: &[Arc<LayerPlan>],
    opener: &dyn ContentOpener,
    options: &BuildOptions,
) -> Result<(), BuildError> {
    follow(subject, |path, interest| {
        let Some((entry, content)) = top_file(layers, path) else { return Ok(None) };
        look_at(entry, content, interest, opener, options).map(Some)
    })
}

/// The file that stands at a path once all layers are laid, and its content.
fn top_file<'a>(layers: &'a [Arc<LayerPlan>], path: &EntryPath) -> Option<(&'a Entry, &'a Content)> {
    let entry = layers.iter().rev().find_map(|layer| {
        let at = layer.entries.binary_search_by(|entry| entry.path.cmp(path)).ok()?;
        layer.entries.get(at)
    })?;
    match &entry.kind {
        EntryKind::File { content, .. } => Some((entry, content)),
        _ => None,
    }
}

fn content_path(entry: &Entry, content: &Content) -> PathBuf {
    match content {
        Content::Disk(file) => file.path.clone(),
        Content::Member { archive, .. } => archive.to_path_buf(),
        Content::Bytes(_) | Content::Image { .. } => PathBuf::from(entry.path.to_string()),
    }
}

/// The findings on variables that the images require, where `given` and their own environment do not set them.
pub(super) fn check_given(platforms: &[PlannedPlatform], given: &BTreeMap<String, String>) -> Vec<Finding> {
    let findings = |planned: &PlannedPlatform| {
        check_variables(&planned.plan.platform, &Execution::new(&planned.plan.config.execution), given)
    };
    platforms.iter().flat_map(findings).collect()
}

/// Verdict without findings, by each platform's `[check]`.
pub(super) fn empty_verdict(platforms: &[PlannedPlatform]) -> Verdict {
    let policy = |planned: &PlannedPlatform| (planned.plan.platform.clone(), planned.policy.clone());
    Verdict::new(platforms.iter().map(policy).collect::<BTreeMap<Platform, Policy>>())
}

/// The findings on `max-size`, each with the layers and the largest files that count towards it.
pub(super) fn check_budgets(platforms: &[PlannedPlatform], reports: &[PlatformReport]) -> Vec<Finding> {
    platforms.iter().zip(reports).filter_map(|(planned, report)| check_budget(planned, report)).collect()
}

fn check_budget(planned: &PlannedPlatform, report: &PlatformReport) -> Option<Finding> {
    let limit_bytes = report.max_size_bytes.filter(|limit_bytes| report.size_bytes > *limit_bytes)?;
    let mut layers: Vec<(u64, &str)> =
        report.layers.iter().map(|layer| (layer.descriptor.size_bytes, &*layer.name)).collect();
    layers.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.cmp(right.1)));
    let layers: Vec<String> = layers.iter().map(|(bytes, name)| format!("{name} {bytes}")).collect();
    let file = |entry: &Entry| match &entry.kind {
        EntryKind::File { size_bytes, .. } => Some((*size_bytes, entry.path.clone())),
        _ => None,
    };
    let mut files: Vec<(u64, EntryPath)> =
        planned.plan.layers.iter().flat_map(|layer| &layer.entries).filter_map(file).collect();
    files.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
    let files: Vec<String> = files.iter().take(SHOWN_FILES).map(|(bytes, path)| format!("{path} {bytes}")).collect();
    let message = format!("the image has {} bytes, over its max-size of {limit_bytes}", report.size_bytes);
    let mut help = format!("its layers, compressed, in bytes: {}", layers.join(", "));
    if !files.is_empty() {
        help.push_str(&format!("; its largest files, not compressed: {}", files.join(", ")));
    }
    let finding = Finding::new(Code::BudgetExceeded, &planned.plan.platform, EntryPath::root(), message, help);
    Some(finding.evidence(format!("at most {limit_bytes} bytes"), format!("{} bytes", report.size_bytes)))
}

/// The findings on an image that exists, for each of its platforms, or for those that are asked for.
///
/// Where its history names layers of ocitect, these are one's own, and what lies below is the base; else all layers
/// count as one's own.
///
/// # Errors
/// [`BuildError::NothingToCheck`] for an index without images; those of reading.
pub async fn check_image(
    name: &ImageName,
    source: Arc<dyn Source>,
    root: &Root,
    wanted: &[Platform],
    places: &Places,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<CheckedImages, BuildError> {
    let (found, skipped) = images_to_check(name, source.as_ref(), root, wanted).await?;
    if found.is_empty() {
        let skipped = skipped.iter().map(ToString::to_string).collect();
        return Err(BuildError::NothingToCheck { image: name.to_string(), skipped });
    }
    let mut images = Vec::new();
    for (platform, image) in found {
        let layer_count = image.layers().count();
        let opened = open_image(name, source.as_ref(), image, platform, places, options, observer).await?;
        let task = Task::start(observer, format!("checking {name}"), None);
        let (subject, sighted) = image_subject(name, source.as_ref(), opened, options, observer).await?;
        let mut findings = check(&subject);
        findings.extend(check_secrets(&subject.platform, &sighted));
        findings.sort();
        let coverage = Coverage::of(&subject, layer_count);
        images.push(CheckedImage { subject, findings, coverage });
        task.finish(String::new());
    }
    Ok(CheckedImages { images, skipped })
}

/// The images that are looked at, each with the platform that it is looked at for, and what is none.
async fn images_to_check(
    name: &ImageName,
    source: &dyn Source,
    root: &Root,
    wanted: &[Platform],
) -> Result<(Vec<(Platform, Image)>, Vec<SkippedEntry>), BuildError> {
    let unreadable = |cause| BuildError::Resolve { image: name.to_string(), cause: Box::new(cause) };
    let mut found = Vec::new();
    for platform in wanted {
        let chosen = select_platform(source, root, platform).await.map_err(failed(name, platform))?;
        found.push((platform.clone(), chosen.image));
    }
    match root {
        _ if !wanted.is_empty() => Ok((found, Vec::new())),
        Root::Manifest(manifest) => {
            let image = read_image(source, manifest.clone()).await.map_err(unreadable)?;
            let config = image.config().value();
            let platform =
                if config.names_platform() { config.platform().clone() } else { Platform::new("unknown", "unknown") };
            Ok((vec![(platform, image)], Vec::new()))
        }
        Root::Index(_) => {
            let Entries { images, mut skipped } = list_entries(source, root).await.map_err(unreadable)?;
            for listed in images {
                let failed = |cause| failed(name, &listed.platform)(cause);
                match read_listed(source, &listed).await.map_err(failed)? {
                    ReadEntry::Image(image) => {
                        check_listed(source, &listed, &image).map_err(failed)?;
                        found.push((listed.platform.clone(), image));
                    }
                    ReadEntry::Skipped(entry) => skipped.push(entry),
                }
            }
            Ok((found, skipped))
        }
    }
}

/// What was looked at of an image that exists.
#[derive(Debug, Clone)]
pub struct CheckedImages {
    /// Each platform's image; at least one.
    pub images: Vec<CheckedImage>,
    /// What an index lists that is no image.
    pub skipped: Vec<SkippedEntry>,
}

/// One platform's image, and what the rules say of it.
#[derive(Debug, Clone)]
pub struct CheckedImage {
    /// The image.
    pub subject: Subject,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub coverage: Coverage,
}

async fn image_subject(
    name: &ImageName,
    source: &dyn Source,
    opened: Opened,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<(Subject, Vec<SightedFile>), BuildError> {
    let Opened { image, platform, facts } = opened;
    let (first_own, names) = own_layers(&image);
    if first_own > 0 {
        let layers = if first_own == 1 { "layer" } else { "layers" };
        let text = format!("{name} for {platform}: {first_own} {layers} of its base not scanned for secrets");
        observer.event(Event::Note(text));
    }
    let (evidence, sighted) = image_files(name, source, &image, &facts, first_own, options).await?;
    let is_source = |(_, evidence): &(EntryPath, Evidence)| matches!(evidence, Evidence::Source(_));
    let (sources, evidence): (LayerEvidence, LayerEvidence) = evidence.into_iter().partition(is_source);
    let own = facts.tree.nodes().filter_map(|(path, node)| {
        let (layer, size_bytes) = match &node.kind {
            NodeKind::File { size_bytes, layer, .. } => (*layer, *size_bytes),
            // A link does not say which layer it is of: it is one's own only where everything is.
            NodeKind::Symlink { .. } if first_own == 0 => (0, 0),
            _ => return None,
        };
        let at = usize::try_from(layer).ok()?;
        let evidence = evidence.get(path).cloned().unwrap_or(Evidence::NotRead);
        let layer = names.get(at).cloned().unwrap_or_default();
        (at >= first_own).then(|| (path.clone(), OwnFile::new(layer, size_bytes).seen(evidence, None)))
    });
    let own = own.collect();
    let manifest = image.manifest().descriptor();
    let family = if manifest.media_type == MediaType::DockerManifest { Family::Docker } else { Family::Oci };
    let execution = Execution::new(&image.config().value().execution());
    // What lies beside the files of an image that exists is not known.
    let nothing_on_disk: OnDisk = Arc::new(|_: &Path| false);
    let mut subject = Subject::new(platform, execution, family, facts, own, nothing_on_disk);
    for (path, source) in sources {
        subject.see(&path, source);
    }
    Ok((subject, sighted))
}

/// The number of the first layer of one's own, and every layer's name.
fn own_layers(image: &Image) -> (usize, Vec<Arc<str>>) {
    let config = image.config().value();
    let history = config.fields().get("history").and_then(serde_json::Value::as_array);
    let is_empty =
        |entry: &&serde_json::Value| entry.get("empty_layer").and_then(serde_json::Value::as_bool) == Some(true);
    let created_by = |entry: &serde_json::Value| {
        entry.get("created_by").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
    };
    let entries: Vec<String> = history.into_iter().flatten().filter(|entry| !is_empty(entry)).map(created_by).collect();
    let count = config.diff_ids().len();
    let unnamed = || (0..count).map(|at| Arc::from(format!("layer {at}"))).collect();
    if entries.len() != count {
        return (0, unnamed());
    }
    let own = entries.iter().rev().take_while(|entry| entry.starts_with(OWN_HISTORY)).count();
    if own == 0 {
        return (0, unnamed());
    }
    let name = |entry: &String| Arc::from(entry.strip_prefix(OWN_HISTORY).unwrap_or("base"));
    (count - own, entries.iter().map(name).collect())
}

/// What rules want to see of an image's own files, and what looks like a secret in them, out of its own layers. What the
/// facts hold already is not looked at again.
async fn image_files(
    name: &ImageName,
    source: &dyn Source,
    image: &Image,
    facts: &Facts,
    first_own: usize,
    options: &BuildOptions,
) -> Result<(LayerEvidence, Vec<SightedFile>), BuildError> {
    let mut room = Room::default();
    let mut sources = Room { left_bytes: MAX_SOURCES_BYTES };
    let mut paths_by_place: BTreeMap<(u32, EntryPath), Vec<(EntryPath, Interest)>> = BTreeMap::new();
    for (path, node) in facts.tree.nodes() {
        let NodeKind::File { size_bytes, layer, .. } = node.kind else { continue };
        let Some((_, stored)) = node.content_at(path) else { continue };
        if usize::try_from(layer).is_ok_and(|layer| layer < first_own) {
            continue;
        }
        let shebang = facts.shebangs.get(path).map(Vec::as_slice);
        let interest = room.granted(interest_in_image(path, node.mode, size_bytes, shebang), size_bytes);
        let interest = if interest == Interest::Source { sources.taken(interest, size_bytes) } else { interest };
        if matches!(interest, Interest::Whole | Interest::Head(_) | Interest::Source | Interest::Record) {
            paths_by_place.entry((layer, stored.clone())).or_default().push((path.clone(), interest));
        }
    }
    let found: Arc<Mutex<(LayerEvidence, Vec<SightedFile>)>> = Arc::default();
    let (seen, scratch) = (found.clone(), options.scratch_directory.clone());
    let taken = read_files(source, image, first_own, move |layer, stored, reader| {
        let mut head = Vec::new();
        (&mut *reader).take(MAX_WHOLE_BYTES).read_to_end(&mut head)?;
        let paths = paths_by_place.get(&(layer, stored.clone())).map(Vec::as_slice).unwrap_or_default();
        // A layer may have a path twice, and a file several paths: all want the same of it, but for their names' sake.
        let interest = paths.iter().map(|(_, interest)| *interest).max().unwrap_or(Interest::Nothing);
        let evidence = read_stream_evidence(interest, &mut &head[..], &scratch)?;
        let sightings = scan_stream(stored, head, reader)?;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, _) in paths {
            seen.0.insert(path.clone(), evidence.clone());
        }
        if !sightings.is_empty() {
            seen.1.push(SightedFile { path: stored.clone(), sightings });
        }
        Ok(())
    });
    let _sink = taken.await.map_err(|cause| BuildError::Tree {
        image: name.to_string(),
        platform: image.config().value().platform().clone(),
        cause: Box::new(cause),
    })?;
    Ok(std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner)))
}
