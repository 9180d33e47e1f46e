//! `ocitect push` and `ocitect copy`: copying of images, or of some of their platforms, without changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::arguments::{CopyArguments, OutputArguments, PushArguments};
use super::failure::{Done, Failure};
use super::image_names::{login_registry, open, parse_image, parse_pushed, parse_target};
use super::platforms::parse_platforms;
use super::stdout::print_result;
use super::{destination, interrupt, progress, render};
use crate::build::{Target, TargetPlace, Transports, check_copy, pushed_tag};
use crate::environment::Environment;
use crate::events::{Event, Observer};
use crate::model::{ImageName, Reference, Repository, Root, Selector, Tag};
use crate::store::{ReadEntry, Source, list_entries, read_listed, select_platforms};
use crate::transfer;

/// Pushes one image under several references, and prints its `NAME@DIGEST` at the end.
pub async fn push(arguments: &PushArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let references = arguments.references.iter().map(|text| {
        let reference: Reference = parse_pushed(text)?;
        pushed_tag(&reference)?;
        Ok(reference)
    });
    let references: Vec<Reference> = references.collect::<Result<_, Failure>>()?;
    let source = parse_image(&arguments.source, environment)?;
    let observer = progress::observer(output);
    let pushed: Vec<&str> = references
        .iter()
        .map(|reference| reference.repository.registry())
        .collect();
    let transports = environment.transports(&arguments.registry, &pushed, &observer)?;
    let _traffic = progress::TrafficAtEnd::of(&transports, &observer);
    let targets = by_repository(&references)?
        .into_iter()
        .map(|(repository, tags)| Target::registry(repository, tags));
    let targets: Vec<Target> = targets.collect();
    transports.expect(&targets);
    interrupt::expect(&targets, environment.journal_directory());
    let image = Opened::open(&transports, source, &arguments.platform, &observer).await?;
    for target in &targets {
        image.copy(&transports, target, None, &observer).await?;
    }
    let name = references
        .first()
        .map(|reference| reference.repository.to_string())
        .unwrap_or_default();
    print_result(
        &format!("{name}@{}", image.root.descriptor().digest),
        false,
        output.progress,
    )
}

/// Copies one image.
pub async fn copy(arguments: &CopyArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let target = destination::resolve_archive(parse_target(&arguments.target, environment)?)?;
    let source = parse_image(&arguments.source, environment)?;
    let observer = progress::observer(output);
    let login = login_registry(&target).or(login_registry(&source));
    let transports = environment.transports(&arguments.registry, login.as_slice(), &observer)?;
    let _traffic = progress::TrafficAtEnd::of(&transports, &observer);
    if let ImageName::Registry(reference) = &target {
        transports.expect(&[Target::registry(reference.repository.clone(), Vec::new())]);
    }
    let image = Opened::open(&transports, source, &arguments.platform, &observer).await?;
    let (target, name) = match target {
        ImageName::Registry(reference) => {
            let name = reference.repository.clone();
            let tags = vec![pushed_tag(&reference)?];
            (Target::registry(name.clone(), tags), Some(name))
        }
        local => {
            let name = image.repository();
            let tag = image.tag();
            let full_name = name
                .as_ref()
                .zip(tag.as_ref())
                .map(|(name, tag)| format!("{name}:{tag}"));
            (
                Target::local(local, tag.into_iter().collect(), full_name.into_iter().collect())?,
                name,
            )
        }
    };
    check_copy(&image.name, &target, environment.cache()?.as_ref())?;
    let image = image.for_target(&target).await?;
    interrupt::expect(std::slice::from_ref(&target), environment.journal_directory());
    image.copy(&transports, &target, name.as_ref(), &observer).await?;
    let name = name.map(|name| name.to_string()).unwrap_or_default();
    print_result(
        &format!("{name}@{}", image.root.descriptor().digest),
        target.is_stdout(),
        output.progress,
    )
}

/// An image that was opened for copying.
struct Opened {
    name: ImageName,
    source: Arc<dyn Source>,
    root: Root,
    /// The only image of the root, if nothing else of it is copied.
    only: Option<Root>,
}

impl Opened {
    async fn open(
        transports: &Transports,
        name: ImageName,
        platforms: &[String],
        observer: &Arc<dyn Observer>,
    ) -> Result<Self, Failure> {
        let platforms = parse_platforms(platforms)?;
        let (source, mut root) = open(transports, &name, observer).await?;
        if !platforms.is_empty() {
            root = select_platforms(source.as_ref(), &root, &platforms).await?;
        }
        Ok(Self {
            name,
            source,
            root,
            only: None,
        })
    }

    /// Selects what to copy. A docker-archive holds one platform, which is determined before anything is copied: the
    /// only image that an index lists. It has no place for other entries. Any other target gets the whole root.
    async fn for_target(self, target: &Target) -> Result<Self, Failure> {
        if !matches!(&target.place, TargetPlace::Local(ImageName::DockerArchive { .. })) {
            return Ok(self);
        }
        let Root::Index(_) = &self.root else { return Ok(self) };
        let source = self.source.as_ref();
        let mut images = Vec::new();
        for listed in list_entries(source, &self.root).await?.images {
            if let ReadEntry::Image(image) = read_listed(source, &listed.descriptor).await? {
                images.push((listed.platform, image));
            }
        }
        match &images[..] {
            [] => Err(Failure::usage(
                &format!("{} contains no image", self.name),
                "run `ocitect inspect` to list its content",
            )),
            [(_, image)] => Ok(Self {
                only: Some(Root::Manifest(image.manifest().clone())),
                ..self
            }),
            [(first, _), ..] => {
                let platforms: Vec<String> = images.iter().map(|(platform, _)| platform.to_string()).collect();
                Err(Failure::usage(
                    &format!(
                        "{target} can hold one platform, but {} has {}",
                        self.name,
                        platforms.join(", ")
                    ),
                    &format!("choose one platform, for example with --platform {first}"),
                ))
            }
        }
    }

    async fn copy(
        &self,
        transports: &Transports,
        target: &Target,
        name: Option<&Repository>,
        observer: &Arc<dyn Observer>,
    ) -> Done {
        let sink = transports.sink(target, name).await?;
        let reporter = transfer::Reporter::new(observer, target.to_string(), BTreeMap::new());
        let root = self.only.as_ref().unwrap_or(&self.root);
        transfer::copy(self.source.as_ref(), sink.as_ref(), root, &target.tags, &reporter).await?;
        observer.event(Event::Note(render::tags_line(&target.to_string(), &target.tags)));
        Ok(())
    }

    /// Returns the repository of the source, which its copies in layouts and archives keep as their name. An image of a
    /// layout or an archive has one if it is selected by its full name.
    fn repository(&self) -> Option<Repository> {
        match &self.name {
            ImageName::Registry(reference) => Some(reference.repository.clone()),
            ImageName::Layout { selector, .. }
            | ImageName::OciArchive { selector, .. }
            | ImageName::DockerArchive { selector, .. } => match selector {
                Selector::Tag(text) => text.parse().ok().map(|full: Reference| full.repository),
                _ => None,
            },
        }
    }

    /// Returns the tag of the source.
    fn tag(&self) -> Option<Tag> {
        match &self.name {
            ImageName::Registry(reference) => reference.tag.clone(),
            ImageName::Layout { selector, .. }
            | ImageName::OciArchive { selector, .. }
            | ImageName::DockerArchive { selector, .. } => match selector {
                Selector::Tag(text) => text.rsplit([':', '/']).next().and_then(|tag| tag.parse().ok()),
                _ => None,
            },
        }
    }
}

/// Groups references by repository, in order of their first occurrence.
fn by_repository(references: &[Reference]) -> Result<Vec<(Repository, Vec<Tag>)>, Failure> {
    let mut grouped: Vec<(Repository, Vec<Tag>)> = Vec::new();
    for reference in references {
        let tag = pushed_tag(reference)?;
        match grouped
            .iter_mut()
            .find(|(repository, _)| *repository == reference.repository)
        {
            Some((_, tags)) if tags.contains(&tag) => {}
            Some((_, tags)) => tags.push(tag),
            None => grouped.push((reference.repository.clone(), vec![tag])),
        }
    }
    Ok(grouped)
}
