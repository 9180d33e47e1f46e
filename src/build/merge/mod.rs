//! Joins images that were built apart, one for each platform or one for each runner, to the image that one build would
//! have made.

mod content;
mod error;
mod join;
mod opening;
mod shards;
mod tag_guard;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use self::join::{Joined, Wanted, join};
use self::opening::{ImageParts, PartPlace, by_image};
use self::shards::{check_members, check_shards};
use self::tag_guard::TagGuard;
use crate::build::BuildError;
use crate::build::built::BuildOutput;
use crate::build::failures::Failures;
use crate::build::naming::Outputs;
use crate::build::outputs::check_merge;
use crate::build::report::{BuildReport, LayerOrigin, LayerReport, PlatformReport, TargetReport};
use crate::build::target::{Target, pushed_tag};
use crate::build::transports::Transports;
use crate::build::writing::{WrittenImage, blob_names, check_access, publish_all, supply_all};
use crate::cache::Cache;
use crate::events::{Event, Observer};
use crate::model::{Digest, Image, ImageName, Metadata, Platform, Reference, Selector, Tag, escape};

pub use self::error::MergeError;
pub use self::opening::{MergePart, PartContent};
pub use self::tag_guard::ExpectedTag;

/// What is done with a member, for messages.
const ACTION: &str = "merge";

/// A merge.
#[derive(Debug, Clone, Default)]
pub struct MergeRequest {
    /// The parts, in order.
    pub parts: Vec<MergePart>,
    /// The name of the whole image; without one, the parts say its name and its tags.
    pub target: Option<Reference>,
    /// Layouts and archives to write.
    pub outputs: Vec<ImageName>,
    /// The platforms that the whole image must have; empty if the parts say so.
    pub platforms: Vec<Platform>,
    /// What the tags must name before they are written.
    pub expected_tags: Vec<ExpectedTag>,
    /// Files that are written beside the images.
    pub also_written: Vec<PathBuf>,
}

/// An image that was merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedImage {
    /// Its ID in the workspace; `None` for an image on its own.
    pub member: Option<String>,
    /// The members that it is based on.
    pub base_members: BTreeSet<String>,
    /// What was written.
    pub report: BuildReport,
}

/// An image that is joined and not written yet.
struct Planned {
    parts: ImageParts,
    outputs: Outputs,
    output: Arc<BuildOutput>,
    platforms: Vec<PlatformReport>,
}

/// Merges parts, and writes each whole image: its content first, then the tags of all images, those that others are
/// based on first. Nothing is written unless all images are whole. Returns the images, bases first.
///
/// # Errors
/// Returns [`MergeError`] in a [`BuildError`] if the parts do not belong together, platforms are missing, or a tag does
/// not name what is expected; other errors if something cannot be read or written.
pub async fn merge(
    request: &MergeRequest,
    cache: Option<&Cache>,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<MergedImage>, BuildError> {
    let recorded = request.parts.iter().filter_map(|part| match &part.content {
        PartContent::Recorded(metadata) => Some((part.label.as_str(), metadata)),
        PartContent::Named(_) => None,
    });
    let recorded: Vec<(&str, &Metadata)> = recorded.collect();
    check_shards(&recorded)?;
    check_members(&recorded)?;
    let images = plan(request, cache, transports, observer).await?;
    let targets: Vec<Target> = images.iter().flat_map(|image| image.outputs.targets.clone()).collect();
    transports.expect(&targets);
    for image in &images {
        let checked = check_access(&image.outputs, transports).await;
        checked.map_err(|error| error.of_member_in(ACTION, image.parts.member.as_deref()))?;
    }
    let written = write(&images, &request.expected_tags, transports, observer).await?;
    let merged = images.into_iter().zip(written).map(|(image, targets)| MergedImage {
        report: BuildReport {
            name: image.outputs.name,
            tags: image.outputs.tags,
            root: image.output.root().descriptor().clone(),
            platforms: image.platforms,
            targets,
            part: None,
        },
        base_members: image.parts.base_members.into_iter().collect(),
        member: image.parts.member,
    });
    Ok(merged.collect())
}

/// Joins the parts of each image, and decides where it is written. Writes nothing.
async fn plan(
    request: &MergeRequest,
    cache: Option<&Cache>,
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Planned>, BuildError> {
    let all = by_image(&request.parts)?;
    let is_only = all.len() == 1;
    let mut indexes: BTreeMap<Digest, Digest> = BTreeMap::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut images = Vec::new();
    for parts in all {
        let of_member = |error: BuildError| error.of_member_in(ACTION, parts.member.as_deref());
        let outputs = outputs(&parts, is_only, request).map_err(of_member)?;
        let files = request.parts.iter().filter_map(|part| part.file.as_ref());
        check_merge(&outputs, parts.places.iter().map(|place| &place.name), files, cache)?;
        take_names(&mut names, &parts, &outputs)?;
        let opened = parts.open(transports, observer).await.map_err(of_member)?;
        let whole = parts.places.iter().find_map(PartPlace::whole_platforms);
        let wanted = match &whole {
            _ if !request.platforms.is_empty() => Wanted::Listed(&request.platforms),
            Some((part, platforms)) => Wanted::Whole(part, platforms),
            None => Wanted::Unknown,
        };
        let joined = join(&parts.label(), &opened, wanted, &indexes).map_err(|error| of_member(error.into()))?;
        let digest = joined.output.root().descriptor().digest;
        indexes.extend(opened.iter().map(|part| (part.index_digest(), digest)));
        warn_of_dropped(&parts, &joined, observer);
        let platforms = joined
            .images
            .iter()
            .map(|(platform, image)| report(platform, image, &parts));
        images.push(Planned {
            platforms: platforms.collect(),
            output: Arc::new(joined.output),
            outputs,
            parts,
        });
    }
    Ok(images)
}

/// Notes the full names that an image is written under. Two images cannot have one.
fn take_names(names: &mut BTreeMap<String, String>, parts: &ImageParts, outputs: &Outputs) -> Result<(), BuildError> {
    let image = parts.label();
    for (name, tag) in outputs
        .name
        .iter()
        .flat_map(|name| outputs.tags.iter().map(move |tag| (name, tag)))
    {
        let name = format!("{name}:{tag}");
        if let Some(first) = names.insert(name.clone(), image.clone()) {
            return Err(BuildError::Usage {
                reason: format!("{first} and {image} would both be {name}"),
                help: "use the metadata of one workspace, whose images have different names".to_owned(),
            });
        }
    }
    Ok(())
}

fn warn_of_dropped(parts: &ImageParts, joined: &Joined, observer: &Arc<dyn Observer>) {
    for name in &joined.dropped {
        let name = escape(name.as_bytes());
        let image = parts.label();
        observer.event(Event::Warning(format!(
            "{image}: the index does not have the annotation {name}, in which the parts differ"
        )));
    }
}

/// Decides the names and targets of a whole image.
fn outputs(parts: &ImageParts, is_only: bool, request: &MergeRequest) -> Result<Outputs, BuildError> {
    if !is_only && let Some(target) = &request.target {
        return Err(BuildError::Usage {
            reason: format!("{target} names one image, and the parts are of several"),
            help: "omit it: every image keeps its name".to_owned(),
        });
    }
    let (name, tags): (_, Vec<Tag>) = match &request.target {
        Some(target) => {
            let tag = pushed_tag(target)?;
            (Some(target.repository.clone()), vec![tag])
        }
        None => (parts.name.clone(), parts.tags.clone()),
    };
    let full_names: Vec<String> = name
        .iter()
        .flat_map(|name| tags.iter().map(move |tag| format!("{name}:{tag}")))
        .collect();
    let mut targets = Vec::new();
    for output in &request.outputs {
        let holds_several = matches!(
            output,
            ImageName::Layout {
                selector: Selector::Only,
                ..
            }
        );
        if !is_only && !holds_several {
            return Err(BuildError::Usage {
                reason: format!("-o {output} cannot hold several images"),
                help: "write to a layout without a tag, such as -o oci:DIR".to_owned(),
            });
        }
        targets.push(Target::local(output.clone(), tags.clone(), full_names.clone())?);
    }
    let is_pushed = request.target.is_some() || (request.outputs.is_empty() && parts.is_pushed);
    match &name {
        Some(name) if is_pushed => targets.push(Target::registry(name.clone(), tags.clone())),
        _ if !targets.is_empty() => {}
        _ => {
            return Err(BuildError::Usage {
                reason: "the parts do not say where to write the image".to_owned(),
                help: "name a target before the parts, such as ghcr.io/me/app:1.0, or an output with -o".to_owned(),
            });
        }
    }
    Ok(Outputs {
        name,
        tags,
        platforms: Vec::new(),
        targets,
        also_written: request.also_written.clone(),
        unmoved: Vec::new(),
    })
}

async fn write(
    images: &[Planned],
    expected_tags: &[ExpectedTag],
    transports: &Transports,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<Vec<TargetReport>>, BuildError> {
    let written: Vec<WrittenImage<'_>> = images
        .iter()
        .map(|image| WrittenImage {
            id: image.parts.member.as_deref(),
            needs: BTreeSet::new(),
            outputs: &image.outputs,
            output: &image.output,
            names: blob_names(image.parts.member.as_deref(), &image.platforms),
        })
        .collect();
    let guard = TagGuard {
        expected: expected_tags,
        transports,
    };
    guard.check_names(&written)?;
    guard.check_before(&written).await?;
    let mut failures = Failures::new(ACTION, false, observer);
    let supplied = supply_all(&written, &mut failures, transports, observer).await;
    failures.take_errors()?;
    guard.check_before(&written).await?;
    let reports = publish_all(&written, supplied, &mut failures, transports, observer).await;
    failures.take_errors()?;
    guard.check_after(&written).await?;
    // Without a failure, every image has its report.
    Ok(reports.into_iter().flatten().collect())
}

fn report(platform: &Platform, image: &Image, parts: &ImageParts) -> PlatformReport {
    let layers = image.manifest().value().layers.iter().map(|descriptor| LayerReport {
        name: parts.layer_name(&descriptor.digest).unwrap_or("layer").to_owned(),
        descriptor: descriptor.clone(),
        origin: LayerOrigin::Merged,
    });
    PlatformReport {
        platform: platform.clone(),
        manifest: image.manifest().descriptor().clone(),
        config: image.config().descriptor().clone(),
        layers: layers.collect(),
        size_bytes: image.size_bytes(),
        max_size_bytes: None,
    }
}
