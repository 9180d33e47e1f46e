//! `ocitect merge`: joins images that were built apart.

use std::collections::BTreeSet;
use std::path::Path;

use super::arguments::{MergeArguments, OutputArguments};
use super::choices::Progress;
use super::destination::{self, Destination};
use super::failure::{Done, Failure};
use super::image_names::parse_image;
use super::metadata::{self, ReportedImage};
use super::platforms::parse_platforms;
use super::stderr::{emit_event, eprintln_line};
use super::stdout::print_result;
use super::{local_names, progress, render};
use crate::build::{ExpectedTag, MergePart, MergeRequest, MergedImage, PartContent, merge};
use crate::environment::Environment;
use crate::model::{ImageName, Metadata, Reference, Tag, escape, escape_path};

/// The value of `--if-tag` for a tag that must not exist.
const NO_IMAGE: &str = "none";

/// Merges parts, and prints the `NAME@DIGEST` of each image at the end.
pub async fn run(arguments: &MergeArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let observer = progress::observer(output);
    let metadata = arguments.metadata.as_deref().map(Destination::of);
    let request = request(arguments, metadata.as_ref(), environment)?;
    let stdout_is_taken = destination::taken_stdout(&request.outputs, metadata.as_ref())?;
    let registries = registries(&request);
    let registries: Vec<&str> = registries.iter().map(String::as_str).collect();
    let transports = environment.transports(&arguments.registry, &registries, &observer)?;
    let _traffic = progress::TrafficAtEnd::of(&transports, &observer);
    let merged = merge(&request, environment.cache()?.as_ref(), &transports, &observer).await?;
    let reported: Vec<ReportedImage<'_>> = merged.iter().map(reported).collect();
    if let Some(destination) = &metadata {
        metadata::write(destination, &reported)?;
    }
    print_summary(output.progress, &merged, &reported);
    let is_only = merged.len() == 1;
    // A base that was pushed for its dependents has no tags.
    for image in merged.iter().filter(|image| is_only || !image.report.tags.is_empty()) {
        print_result(&image.report.pinned_name(), stdout_is_taken, output.progress)?;
    }
    Ok(())
}

fn request(
    arguments: &MergeArguments,
    metadata: Option<&Destination>,
    environment: &Environment,
) -> Result<MergeRequest, Failure> {
    let (target, parts) = split_target(&arguments.images);
    let parts: Vec<MergePart> = parts
        .iter()
        .map(|text| part(text, environment))
        .collect::<Result<_, _>>()?;
    if parts.is_empty() {
        return Err(Failure::usage(
            "merge needs parts, and only a target is given",
            "add the files that `ocitect build --metadata` wrote, or images with their digests",
        ));
    }
    Ok(MergeRequest {
        target,
        parts,
        outputs: destination::parse_outputs(&arguments.output)?,
        platforms: parse_platforms(&arguments.platforms)?,
        expected_tags: arguments
            .if_tag
            .iter()
            .map(|text| expected_tag(text))
            .collect::<Result<_, _>>()?,
        also_written: metadata
            .and_then(Destination::path)
            .map(Path::to_owned)
            .into_iter()
            .collect(),
    })
}

/// Splits off the target: a reference without a digest that is not the name of a file.
fn split_target(images: &[String]) -> (Option<Reference>, &[String]) {
    if let [first, rest @ ..] = images
        && !Path::new(first).exists()
        && let Ok(ImageName::Registry(reference)) = first.parse::<ImageName>()
        && reference.digest.is_none()
    {
        return (Some(reference), rest);
    }
    (None, images)
}

fn part(text: &str, environment: &Environment) -> Result<MergePart, Failure> {
    let path = Path::new(text);
    // Also a link that leads nowhere: it is not the name of an image.
    let exists = std::fs::symlink_metadata(path).is_ok() && !path.is_dir();
    let is_file = exists || text.ends_with(".json");
    let content = if is_file {
        PartContent::Recorded(read_part(path)?)
    } else {
        PartContent::Named(parse_image(text, environment)?)
    };
    Ok(MergePart {
        label: escape(text.as_bytes()),
        content,
        file: is_file.then(|| path.to_owned()),
    })
}

/// Reads a part file. An image at the path has another name.
fn read_part(path: &Path) -> Result<Metadata, Failure> {
    match local_names::image_at(path) {
        Some((what, help)) => {
            let path = escape_path(path);
            Err(Failure::usage(&format!("{path} is {what}"), &help))
        }
        None => metadata::read(path),
    }
}

fn expected_tag(text: &str) -> Result<ExpectedTag, Failure> {
    let invalid = || {
        Failure::usage(
            &format!("--if-tag {}: expected a digest or {NO_IMAGE}", escape(text.as_bytes())),
            "write --if-tag sha256:..., --if-tag none, or for one of several tags --if-tag TAG=sha256:...",
        )
    };
    let (tag, digest) = match text.split_once('=') {
        Some((tag, digest)) => (Some(tag.parse::<Tag>().map_err(|_| invalid())?), digest),
        None => (None, text),
    };
    let digest = match digest {
        NO_IMAGE => None,
        digest => Some(digest.parse().map_err(|_| invalid())?),
    };
    Ok(ExpectedTag { tag, digest })
}

/// Returns the registries that are written to, which `--username` is for.
fn registries(request: &MergeRequest) -> BTreeSet<String> {
    if let Some(target) = &request.target {
        return BTreeSet::from([target.repository.registry().to_owned()]);
    }
    let recorded = request.parts.iter().filter_map(|part| match &part.content {
        PartContent::Recorded(metadata) => Some(&metadata.images),
        PartContent::Named(_) => None,
    });
    let names = recorded.flatten().filter_map(|image| image.name.as_ref());
    names.map(|name| name.registry().to_owned()).collect()
}

fn reported(image: &MergedImage) -> ReportedImage<'_> {
    ReportedImage {
        member: image.member.as_deref(),
        base_members: image.base_members.clone(),
        report: &image.report,
    }
}

fn print_summary(progress: Progress, merged: &[MergedImage], reported: &[ReportedImage<'_>]) {
    match (progress, merged) {
        (Progress::None, _) => {}
        (Progress::Json, _) => emit_event("merged", metadata::document(reported)),
        (Progress::Auto | Progress::Plain, [image]) if image.member.is_none() => {
            eprintln_line(&render::summary(&image.report));
        }
        (Progress::Auto | Progress::Plain, _) => {
            let rows = merged
                .iter()
                .filter_map(|image| Some((image.member.as_deref()?, &image.report)));
            eprintln_line(&render::workspace_summary(&rows.collect::<Vec<_>>(), &[]));
        }
    }
}
