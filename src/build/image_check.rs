//! Checks an existing image with the rules. Its own layers are read once, and the base is known by its facts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::build::BuildError;
use crate::build::checking::Room;
use crate::build::image_reading::{ReadFiles, Reading, Wanted};
use crate::build::images::{Opened, failed, open_image};
use crate::build::options::BuildOptions;
use crate::build::transports::Transports;
use crate::check::{
    Coverage, Execution, Finding, Interest, OnDisk, OwnFile, Subject, check, check_secrets, first_files, follow,
    interest, may_be_followed, read_evidence,
};
use crate::events::{Event, Item, Observer, Task, Work};
use crate::model::{EntryPath, Family, Image, ImageName, MediaType, Platform, Root};
use crate::secrets::SightedFile;
use crate::store::{
    Entries, ReadEntry, SkippedEntry, Source, check_listed, list_entries, read_image, read_listed, select_platform,
};
use crate::tree::{Facts, NodeKind, read_files};

/// Prefix of the history entries of ocitect's own layers.
const OWN_HISTORY: &str = "ocitect: ";

/// Returns the findings on an existing image, for each of its platforms or for the requested ones.
///
/// If its history names layers of ocitect, these are your layers and the layers below are the base. Otherwise all
/// layers are yours.
///
/// # Errors
/// Returns [`BuildError::NothingToCheck`] for an index without images, and the errors of reading the image.
pub async fn check_image(
    name: &ImageName,
    source: Arc<dyn Source>,
    root: &Root,
    wanted: &[Platform],
    transports: &Transports,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<CheckedImages, BuildError> {
    let (found, skipped) = images_to_check(name, source.as_ref(), root, wanted).await?;
    if found.is_empty() {
        let skipped = skipped.iter().map(ToString::to_string).collect();
        return Err(BuildError::NothingToCheck {
            image: name.to_string(),
            skipped,
        });
    }
    let mut images = Vec::new();
    for (platform, image) in found {
        let layer_count = image.layers().count();
        let opened = open_image(name, source.as_ref(), image, platform, transports, options, observer).await?;
        let work = Work::new(
            "checking",
            Item::new(name.to_string()).for_platform(Some(opened.platform.clone())),
        );
        let task = Arc::new(Task::start(observer, work, None));
        let (subject, sighted) = image_subject(name, source.as_ref(), opened, options, observer, &task).await?;
        let mut findings = check(&subject);
        findings.extend(check_secrets(&subject.platform, &sighted));
        findings.sort();
        let coverage = Coverage::of(&subject, layer_count);
        images.push(CheckedImage {
            subject,
            findings,
            coverage,
        });
        task.finish(String::new());
    }
    Ok(CheckedImages { images, skipped })
}

/// Returns the images to check, each with its platform, and the entries that are not images.
async fn images_to_check(
    name: &ImageName,
    source: &dyn Source,
    root: &Root,
    wanted: &[Platform],
) -> Result<(Vec<(Platform, Image)>, Vec<SkippedEntry>), BuildError> {
    let unreadable = |cause| BuildError::Resolve {
        image: name.to_string(),
        cause: Box::new(cause),
    };
    let mut found = Vec::new();
    for platform in wanted {
        let chosen = select_platform(source, root, platform)
            .await
            .map_err(failed(name, platform))?;
        found.push((platform.clone(), chosen.image));
    }
    match root {
        _ if !wanted.is_empty() => Ok((found, Vec::new())),
        Root::Manifest(manifest) => {
            let image = read_image(source, manifest.clone()).await.map_err(unreadable)?;
            let config = image.config().value();
            let platform = if config.names_platform() {
                config.platform().clone()
            } else {
                Platform::new("unknown", "unknown")
            };
            Ok((vec![(platform, image)], Vec::new()))
        }
        Root::Index(_) => {
            let Entries { images, mut skipped } = list_entries(source, root).await.map_err(unreadable)?;
            for listed in images {
                let failed = |cause| failed(name, &listed.platform)(cause);
                match read_listed(source, &listed.descriptor).await.map_err(failed)? {
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

/// The parts of an existing image that were checked.
#[derive(Debug, Clone)]
pub struct CheckedImages {
    /// The image of each platform; at least one.
    pub images: Vec<CheckedImage>,
    /// Entries of an index that are not images.
    pub skipped: Vec<SkippedEntry>,
}

/// The image of one platform, and the findings on it.
#[derive(Debug, Clone)]
pub struct CheckedImage {
    /// The image.
    pub subject: Subject,
    /// The findings.
    pub findings: Vec<Finding>,
    /// What was checked.
    pub coverage: Coverage,
}

async fn image_subject(
    name: &ImageName,
    source: &dyn Source,
    opened: Opened,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
    task: &Arc<Task>,
) -> Result<(Subject, Vec<SightedFile>), BuildError> {
    let Opened { image, platform, facts } = opened;
    let own = own_layers(&image);
    if own.first > 0 {
        let layers = if own.first == 1 { "layer" } else { "layers" };
        let text = format!(
            "{name} for {platform}: {} base image {layers} not scanned for secrets",
            own.first
        );
        observer.event(Event::Note(text));
    }
    let mut subject = unread_subject(&image, platform, &facts, &own);
    let files = read_own_files(
        name,
        source,
        &image,
        wanted_files(&subject, &facts),
        own.first,
        options,
        task,
    )
    .await?;
    if files.is_incomplete {
        let platform = &subject.platform;
        let text =
            format!("{name} for {platform}: too many scripts and archives, so not all started files were checked");
        observer.event(Event::Note(text));
    }
    see_files(&mut subject, &facts, &files);
    let read = |path: &EntryPath, interest| match place_of(&facts, path).and_then(|place| files.spool.open(&place)) {
        Some(mut content) => read_evidence(interest, &mut content).map(Some),
        None => Ok(None),
    };
    follow(&mut subject, read).map_err(|cause| scratch_error("cannot read a temporary file in", options)(cause))?;
    Ok((subject, files.sighted))
}

/// Returns the image as its facts describe it, without any content.
fn unread_subject(image: &Image, platform: Platform, facts: &Arc<Facts>, layers: &OwnLayers) -> Subject {
    let own = facts.tree.nodes().filter_map(|(path, node)| {
        let (layer, size_bytes) = match &node.kind {
            NodeKind::File { size_bytes, layer, .. } => (*layer, *size_bytes),
            // A link does not name its layer, so it counts as yours only if all layers do.
            NodeKind::Symlink { .. } if layers.first == 0 => (0, 0),
            _ => return None,
        };
        let at = usize::try_from(layer).ok()?;
        let name = layers.names.get(at).cloned().unwrap_or_default();
        (at >= layers.first).then(|| (path.clone(), OwnFile::new(name, size_bytes)))
    });
    let own = own.collect();
    let is_docker = image.manifest().descriptor().media_type == MediaType::DockerManifest;
    let family = if is_docker { Family::Docker } else { Family::Oci };
    let execution = Execution::new(&image.config().value().execution());
    // Files beside those of an existing image are not known.
    let nothing_on_disk: OnDisk = Arc::new(|_: &Path| false);
    Subject::new(platform, execution, family, facts.clone(), own, nothing_on_disk)
}

/// Returns the layer and path that hold the content of a file.
fn place_of(facts: &Facts, path: &EntryPath) -> Option<(u32, EntryPath)> {
    let (layer, stored) = facts.tree.node(path)?.content_at(path)?;
    Some((layer, stored.clone()))
}

/// Returns the files of your layers to read while the layers are streamed. Content that the facts hold is left out.
fn wanted_files(subject: &Subject, facts: &Facts) -> BTreeMap<(u32, EntryPath), Wanted> {
    let mut room = Room::default();
    let first = first_files(subject);
    let mut wanted: BTreeMap<(u32, EntryPath), Wanted> = BTreeMap::new();
    for (path, own) in subject.own() {
        let Some(node) = facts.tree.node(path) else { continue };
        let Some((layer, stored)) = node.content_at(path) else {
            continue;
        };
        let is_program = facts.elf.contains_key(path);
        let interest = room.granted(interest(path, node.mode, own.size_bytes), own.size_bytes);
        let interest = if is_program && interest == Interest::Program {
            Interest::Nothing
        } else {
            interest
        };
        let is_kept = !is_program && (first.contains(path) || may_be_followed(path, node.mode, own.size_bytes));
        if interest != Interest::Nothing || is_kept {
            // A file may have several names. All of them need the same content, but each name may require more of it.
            let wanted = wanted.entry((layer, stored.clone())).or_default();
            wanted.interest = wanted.interest.max(interest);
            wanted.is_kept |= is_kept;
            wanted.size_bytes = own.size_bytes;
        }
    }
    wanted
}

/// Reads your layers once.
async fn read_own_files(
    name: &ImageName,
    source: &dyn Source,
    image: &Image,
    wanted: BTreeMap<(u32, EntryPath), Wanted>,
    first_own: usize,
    options: &BuildOptions,
    task: &Arc<Task>,
) -> Result<ReadFiles, BuildError> {
    let reading = Reading::new(wanted, &options.scratch_directory);
    let reading = reading.map_err(scratch_error("cannot create a temporary file in", options))?;
    let reading = Arc::new(Mutex::new(reading));
    let shared = reading.clone();
    let taken = read_files(source, image, first_own, task, move |layer, stored, content| {
        shared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .file(layer, stored, content)
    });
    let _sink = taken.await.map_err(|cause| BuildError::Tree {
        image: name.to_string(),
        platform: image.config().value().platform().clone(),
        cause: Box::new(cause),
    })?;
    Ok(reading.lock().unwrap_or_else(PoisonError::into_inner).take())
}

/// Adds the evidence that was collected while the layers were streamed.
fn see_files(subject: &mut Subject, facts: &Facts, files: &ReadFiles) {
    let paths: Vec<EntryPath> = subject.own().keys().cloned().collect();
    for path in paths {
        if let Some(evidence) = place_of(facts, &path).and_then(|place| files.evidence.get(&place)) {
            subject.see(&path, evidence.clone());
        }
    }
}

fn scratch_error(action: &'static str, options: &BuildOptions) -> impl FnOnce(std::io::Error) -> BuildError {
    let path = options.scratch_directory.clone();
    move |cause| BuildError::Io { action, path, cause }
}

/// The layers that are yours.
struct OwnLayers {
    /// Index of the first one.
    first: usize,
    /// Name of every layer.
    names: Vec<Arc<str>>,
}
fn own_layers(image: &Image) -> OwnLayers {
    let config = image.config().value();
    let history = config.fields().get("history").and_then(serde_json::Value::as_array);
    let is_empty =
        |entry: &&serde_json::Value| entry.get("empty_layer").and_then(serde_json::Value::as_bool) == Some(true);
    let created_by = |entry: &serde_json::Value| {
        entry
            .get("created_by")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let entries: Vec<String> = history
        .into_iter()
        .flatten()
        .filter(|entry| !is_empty(entry))
        .map(created_by)
        .collect();
    let count = config.diff_ids().len();
    let unnamed = || OwnLayers {
        first: 0,
        names: (0..count).map(|at| Arc::from(format!("layer {at}"))).collect(),
    };
    if entries.len() != count {
        return unnamed();
    }
    let own = entries
        .iter()
        .rev()
        .take_while(|entry| entry.starts_with(OWN_HISTORY))
        .count();
    if own == 0 {
        return unnamed();
    }
    let name = |entry: &String| Arc::from(entry.strip_prefix(OWN_HISTORY).unwrap_or("base"));
    OwnLayers {
        first: count - own,
        names: entries.iter().map(name).collect(),
    }
}
