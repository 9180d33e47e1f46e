//! Opens the parts of each image.

use std::path::PathBuf;
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::merge::content::OpenedPart;
use crate::build::merge::error::MergeError;
use crate::build::target::Target;
use crate::build::transports::Transports;
use crate::events::{Item, Observer, Task, Work};
use crate::model::{Digest, ImageMetadata, ImageName, Metadata, Platform, Reference, Repository, Selector, Tag};

/// A part as the command line names it.
#[derive(Debug, Clone)]
pub struct MergePart {
    /// The text of the command line, for messages.
    pub label: String,
    /// What it names.
    pub content: PartContent,
    /// The file, if it is one that `--metadata` wrote.
    pub file: Option<PathBuf>,
}

/// What a part is.
#[derive(Debug, Clone)]
pub enum PartContent {
    /// The content of a file that `--metadata` wrote.
    Recorded(Metadata),
    /// An image.
    Named(ImageName),
}

/// The parts of one image.
#[derive(Default)]
pub(super) struct ImageParts {
    pub member: Option<String>,
    pub base_members: Vec<String>,
    /// The name of the image, if a part says so.
    pub name: Option<Repository>,
    /// The tags of the whole image.
    pub tags: Vec<Tag>,
    /// `true` if a part was pushed.
    pub is_pushed: bool,
    /// Where the parts are.
    pub places: Vec<PartPlace>,
}

/// Where a part is.
pub(super) struct PartPlace {
    pub label: String,
    pub name: ImageName,
    recorded: Option<ImageMetadata>,
}

impl ImageParts {
    /// Returns its name for messages.
    pub fn label(&self) -> String {
        let name = self.name.as_ref().map(ToString::to_string);
        self.member.clone().or(name).unwrap_or_else(|| "the image".to_owned())
    }

    /// Returns the names that layers have in the specs, by their digests.
    pub fn layer_name(&self, digest: &Digest) -> Option<&str> {
        let recorded = self.places.iter().filter_map(|place| place.recorded.as_ref());
        let layers = recorded
            .flat_map(|image| &image.platforms)
            .map(|platform| &platform.layers);
        layers
            .filter_map(|layers| layers.get(digest))
            .map(String::as_str)
            .next()
    }

    /// Opens all parts and reads their documents.
    pub async fn open(
        &self,
        transports: &Transports,
        observer: &Arc<dyn Observer>,
    ) -> Result<Vec<OpenedPart>, BuildError> {
        let mut opened = Vec::new();
        for place in &self.places {
            let _task = Task::start(observer, Work::new("resolving", Item::new(place.label.clone())), None);
            let failed = |cause| MergeError::Read {
                part: place.label.clone(),
                cause: Box::new(cause),
            };
            let (source, selector) = transports.source(&place.name).await.map_err(failed)?;
            let root = source.resolve(&selector).await.map_err(failed)?;
            let part = OpenedPart::read(place.label.clone(), source, root, place.recorded.as_ref()).await?;
            if let Some(recorded) = &place.recorded {
                part.check_described(recorded)?;
            }
            opened.push(part);
        }
        Ok(opened)
    }
}

impl PartPlace {
    /// Returns the name of the part and the platforms of an image that its build made whole.
    pub fn whole_platforms(&self) -> Option<(String, Vec<Platform>)> {
        let image = self.recorded.as_ref().filter(|image| image.part.is_none())?;
        let platforms = image.platforms.iter().map(|platform| platform.platform.clone());
        Some((self.label.clone(), platforms.collect()))
    }
}

/// Returns the parts of each image, those that others are based on first.
///
/// # Errors
/// Returns [`MergeError`] for parts that do not say where they are, and for parts of members beside others.
pub(super) fn by_image(parts: &[MergePart]) -> Result<Vec<ImageParts>, MergeError> {
    let mut images: Vec<ImageParts> = Vec::new();
    for part in parts {
        match &part.content {
            PartContent::Named(name) => add_named(&mut images, part, name)?,
            PartContent::Recorded(metadata) => {
                for image in &metadata.images {
                    add_recorded(&mut images, part, image)?;
                }
            }
        }
    }
    let place = |of_member: bool| {
        let found = images.iter().find(|image| image.member.is_some() == of_member)?;
        found.places.first().map(|place| place.label.clone())
    };
    match (place(true), place(false)) {
        (Some(member), Some(other)) => Err(MergeError::Mixed { member, other }),
        _ => Ok(images),
    }
}

fn add_named(images: &mut Vec<ImageParts>, part: &MergePart, name: &ImageName) -> Result<(), MergeError> {
    if matches!(name, ImageName::Registry(Reference { digest: None, .. })) {
        return Err(MergeError::Tag {
            part: part.label.clone(),
        });
    }
    of_member(images, None).places.push(PartPlace {
        label: part.label.clone(),
        name: name.clone(),
        recorded: None,
    });
    Ok(())
}

fn add_recorded(images: &mut Vec<ImageParts>, part: &MergePart, image: &ImageMetadata) -> Result<(), MergeError> {
    let targets = image.targets.iter().filter_map(|target| place_of(&target.place));
    let mut targets: Vec<ImageName> = targets.filter(|name| !is_stream(name)).collect();
    // Registries first: a layout is relative to the directory of the build.
    targets.sort_by_key(|name| !matches!(name, ImageName::Registry(_)));
    let Some(target) = targets.into_iter().next() else {
        if image.member.is_some() && image.targets.is_empty() {
            // A base that was not selected and is in no registry: its content is in its dependents.
            return Ok(());
        }
        return Err(MergeError::NotWritten {
            part: part.label.clone(),
        });
    };
    let whole = of_member(images, image.member.as_deref());
    whole.is_pushed |= matches!(target, ImageName::Registry(_));
    if let Some(first) = whole.places.first().filter(|_| whole.name != image.name) {
        let name = |name: &Option<Repository>| name.as_ref().map_or("none".to_owned(), ToString::to_string);
        return Err(MergeError::DifferentBuilds {
            first: first.label.clone(),
            second: part.label.clone(),
            difference: format!(
                "the names of their images are {} and {}",
                name(&whole.name),
                name(&image.name)
            ),
        });
    }
    if whole.places.is_empty() {
        whole.base_members.clone_from(&image.base_members);
        whole.name.clone_from(&image.name);
    }
    // A member that was not selected has no tags: another shard may have selected it.
    if whole.tags.is_empty() {
        whole.tags.clone_from(&image.tags);
    }
    let label = match &image.member {
        Some(id) => format!("{} ({id})", part.label),
        None => part.label.clone(),
    };
    whole.places.push(PartPlace {
        label,
        name: with_digest(target, image),
        recorded: Some(image.clone()),
    });
    Ok(())
}

fn of_member<'a>(images: &'a mut Vec<ImageParts>, member: Option<&str>) -> &'a mut ImageParts {
    let known = images.iter().position(|image| image.member.as_deref() == member);
    let at = known.unwrap_or_else(|| {
        images.push(ImageParts {
            member: member.map(str::to_owned),
            ..ImageParts::default()
        });
        images.len() - 1
    });
    &mut images[at]
}

/// Returns the place that metadata names.
fn place_of(target: &str) -> Option<ImageName> {
    target.parse().ok()
}

fn is_stream(name: &ImageName) -> bool {
    Target::local(name.clone(), Vec::new(), Vec::new()).is_ok_and(|target| target.is_stdout())
}

/// Returns the name of an image at a place, by its digest.
fn with_digest(place: ImageName, image: &ImageMetadata) -> ImageName {
    let selector = Selector::Digest(image.digest);
    match place {
        ImageName::Registry(reference) => ImageName::Registry(Reference {
            digest: Some(image.digest),
            ..reference
        }),
        ImageName::Layout { path, .. } => ImageName::Layout { path, selector },
        ImageName::OciArchive { path, .. } => ImageName::OciArchive { path, selector },
        ImageName::DockerArchive { path, .. } => ImageName::DockerArchive { path, selector },
    }
}
