//! Checks every platform's image with the rules, before anything is written. Your files are read where they are, and
//! the base is known by its facts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::inputs::PlannedPlatform;
use crate::build::options::BuildOptions;
use crate::build::parallel;
use crate::build::report::PlatformReport;
use crate::check::{
    Code, Coverage, Evidence, Execution, Finding, Interest, OnDisk, Policy, Subject, Verdict, check, check_variables,
    follow, interest, read_disk_evidence, read_stream_evidence,
};
use crate::events::{Item, Observer, Task, Work};
use crate::model::{Content, ContentOpener, Entry, EntryKind, EntryPath, LayerPlan, Platform};
use crate::tree::Facts;

/// Greatest size of all files of a layer (of an image that exists: of all its layers) that are read whole, in bytes.
/// Manifests and configuration of 20,000 packages have about as much; rules are silent on what is beyond it.
const MAX_WHOLE_FILES_BYTES: u64 = 32 * 1024 * 1024;

/// So many files are worth threads to look at them: one takes some 20 µs, and threads are started in 100.
const WORTH_THREADS: usize = 16;

/// How many of the largest files a finding on the budget names.
const SHOWN_FILES: usize = 5;

/// What was seen of the files of one layer.
type LayerEvidence = BTreeMap<EntryPath, Evidence>;

/// The layers that were looked at, each once.
#[derive(Default)]
pub(super) struct Surveyed(Vec<(Arc<LayerPlan>, Arc<LayerEvidence>)>);

/// Returns the findings of the rules for every platform and, if `counts_files` is set, what was checked, which takes a
/// walk over all files. Reads your files as far as the rules need them; layers that are in `surveyed` are not read again.
/// Blocks.
pub(super) fn check_planned(
    platforms: &[PlannedPlatform],
    surveyed: &mut Surveyed,
    opener: &dyn ContentOpener,
    counts_files: bool,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<(Vec<Finding>, Vec<Coverage>), BuildError> {
    let task = Task::start(observer, Work::new("checking", Item::default()), None);
    let mut findings = Vec::new();
    let mut checked = Vec::new();
    let scratch = Arc::<Facts>::default();
    // An image that is the same for the next platform is put together once; of others there is one at a time.
    let mut last: Option<(&PlannedPlatform, Subject)> = None;
    for planned in platforms {
        let execution = Execution::new(&planned.plan.config.execution);
        let platform = planned.plan.platform.clone();
        let family = planned.plan.family;
        let mut subject = match last.take().filter(|(other, _)| has_same_files(planned, other)) {
            Some((_, same)) => same.for_platform(platform, execution, family),
            None => {
                let base = planned
                    .base
                    .as_ref()
                    .map_or_else(|| scratch.clone(), |base| base.facts.clone());
                let bare = Subject::new(platform, execution, family, base, BTreeMap::new(), on_disk());
                planned.plan.layers.iter().try_fold(bare, |subject, layer| {
                    let evidence = surveyed.layer(layer, opener, options)?;
                    Ok::<_, BuildError>(
                        subject.with_layer(layer, |path| evidence.get(path).cloned().unwrap_or(Evidence::NotRead)),
                    )
                })?
            }
        };
        follow_files(&mut subject, &planned.plan.layers, opener, options)?;
        let base_config = planned.base.as_ref().map(|base| base.image.config().value());
        subject.base_env = base_config.map(|config| config.env()).unwrap_or_default();
        subject.base_spec = planned
            .base
            .as_ref()
            .and_then(|base| base.name.spec().map(Path::to_owned));
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

/// Returns `true` for two platforms whose images differ in nothing but the config.
fn has_same_files(one: &PlannedPlatform, other: &PlannedPlatform) -> bool {
    let bases = (
        one.base.as_ref().map(|base| &base.facts),
        other.base.as_ref().map(|base| &base.facts),
    );
    let has_same_base = match bases {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    };
    let layers = (&one.plan.layers, &other.plan.layers);
    has_same_base
        && layers.0.len() == layers.1.len()
        && layers
            .0
            .iter()
            .zip(layers.1)
            .all(|(one, other)| Arc::ptr_eq(one, other))
}

impl Surveyed {
    /// Returns the evidence of a layer's files. Layers that are equal are one value by now, and read once.
    fn layer(
        &mut self,
        layer: &Arc<LayerPlan>,
        opener: &dyn ContentOpener,
        options: &BuildOptions,
    ) -> Result<Arc<LayerEvidence>, BuildError> {
        if let Some((_, known)) = self.0.iter().find(|(other, _)| Arc::ptr_eq(other, layer)) {
            return Ok(known.clone());
        }
        let evidence = Arc::new(survey(layer, opener, options)?);
        self.0.push((layer.clone(), evidence.clone()));
        Ok(evidence)
    }
}

/// How much may still be kept of files that are read whole.
pub(super) struct Room {
    left_bytes: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            left_bytes: MAX_WHOLE_FILES_BYTES,
        }
    }
}

impl Room {
    /// Returns the interest in the next file. A file for which there is no room left is not read.
    pub(super) fn granted(&mut self, interest: Interest, size_bytes: u64) -> Interest {
        if interest != Interest::Whole {
            return interest;
        }
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
            let EntryKind::File { size_bytes, content } = &entry.kind else {
                return None;
            };
            let interest = room.granted(interest(&entry.path, entry.mode, *size_bytes), *size_bytes);
            (interest != Interest::Nothing).then_some((entry, content, interest))
        })
        .collect();
    let look = |(entry, content, interest): &(&Entry, &Content, Interest)| {
        look_at(entry, content, *interest, opener, options).map(|evidence| (entry.path.clone(), evidence))
    };
    let threads = if wanted.len() < WORTH_THREADS {
        1
    } else {
        options.threads
    };
    Ok(parallel::map(&wanted, threads, look)?.into_iter().collect())
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
        Content::Member { .. } | Content::Image { .. } => opener
            .open(content)
            .and_then(|mut reader| read_stream_evidence(interest, &mut reader, scratch)),
    };
    evidence.map_err(|cause| BuildError::Unreadable {
        path: content_path(entry, content),
        cause,
    })
}

/// Reads what other files lead to.
fn follow_files(
    subject: &mut Subject,
    layers: &[Arc<LayerPlan>],
    opener: &dyn ContentOpener,
    options: &BuildOptions,
) -> Result<(), BuildError> {
    follow(subject, |path, interest| {
        let Some((entry, content)) = top_file(layers, path) else {
            return Ok(None);
        };
        look_at(entry, content, interest, opener, options).map(Some)
    })
}

/// Returns the file at a path in the finished image, and its content.
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

/// Returns the findings on variables that the images require and that neither `given` nor their own environment sets.
pub(super) fn check_given(platforms: &[PlannedPlatform], given: &BTreeMap<String, String>) -> Vec<Finding> {
    let findings = |planned: &PlannedPlatform| {
        check_variables(
            &planned.plan.platform,
            &Execution::new(&planned.plan.config.execution),
            given,
        )
    };
    platforms.iter().flat_map(findings).collect()
}

/// Returns a verdict without findings, with each platform's `[check]`.
pub(super) fn empty_verdict(platforms: &[PlannedPlatform]) -> Verdict {
    let policy = |planned: &PlannedPlatform| (planned.plan.platform.clone(), planned.policy.clone());
    Verdict::new(platforms.iter().map(policy).collect::<BTreeMap<Platform, Policy>>())
}

/// Returns the findings on `max-size`, each with the layers and the largest files of the image.
pub(super) fn check_budgets(platforms: &[PlannedPlatform], reports: &[PlatformReport]) -> Vec<Finding> {
    platforms
        .iter()
        .zip(reports)
        .filter_map(|(planned, report)| check_budget(planned, report))
        .collect()
}

fn check_budget(planned: &PlannedPlatform, report: &PlatformReport) -> Option<Finding> {
    let limit_bytes = report
        .max_size_bytes
        .filter(|limit_bytes| report.size_bytes > *limit_bytes)?;
    let mut layers: Vec<(u64, &str)> = report
        .layers
        .iter()
        .map(|layer| (layer.descriptor.size_bytes, &*layer.name))
        .collect();
    layers.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.cmp(right.1)));
    let layers: Vec<String> = layers.iter().map(|(bytes, name)| format!("{name} {bytes}")).collect();
    let file = |entry: &Entry| match &entry.kind {
        EntryKind::File { size_bytes, .. } => Some((*size_bytes, entry.path.clone())),
        _ => None,
    };
    let mut files: Vec<(u64, EntryPath)> = planned
        .plan
        .layers
        .iter()
        .flat_map(|layer| &layer.entries)
        .filter_map(file)
        .collect();
    files.sort_by(|left, right| right.0.cmp(&left.0).then_with(|| left.1.cmp(&right.1)));
    let files: Vec<String> = files
        .iter()
        .take(SHOWN_FILES)
        .map(|(bytes, path)| format!("{path} {bytes}"))
        .collect();
    let message = format!(
        "the compressed image has {} bytes, but max-size is {limit_bytes} bytes",
        report.size_bytes
    );
    let mut help = format!(
        "leave files out, use a smaller base image, or raise max-size; compressed layers in bytes: {}",
        layers.join(", ")
    );
    if !files.is_empty() {
        help.push_str(&format!(
            "; largest files, uncompressed, in bytes: {}",
            files.join(", ")
        ));
    }
    let finding = Finding::new(
        Code::BudgetExceeded,
        &planned.plan.platform,
        EntryPath::root(),
        message,
        help,
    );
    Some(finding.evidence(
        format!("at most {limit_bytes} bytes"),
        format!("{} bytes", report.size_bytes),
    ))
}
