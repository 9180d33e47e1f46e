//! `ocitect pin`: digests into compose files, Kubernetes manifests and the like.

use std::path::Path;
use std::sync::Arc;

use super::arguments::{OutputArguments, PinFilesArguments};
use super::failure::{Done, Failure};
use super::pin_text::{FileReport, to_json};
use super::stdout::{print, print_file, print_json};
use super::{pin_inputs, pin_override, progress};
use crate::deploy::pin::{PinOptions, PinnedImages, Plan, plan};
use crate::deploy::problem::TextFile;
use crate::environment::Environment;
use crate::model::{Pipes, escape, escape_path, read_input};
use crate::store::output::Replacement;

/// Pins the images of files, or checks that they are pinned.
pub async fn run(arguments: &PinFilesArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let is_stdin = arguments.files.iter().any(|path| pin_inputs::is_stdin(path));
    let is_printed = arguments.stdout || is_stdin && !arguments.check && arguments.override_file.is_none();
    if is_printed && arguments.files.len() > 1 {
        return Err(Failure::usage(
            "--stdout prints one file, and several are given",
            "give one file",
        ));
    }
    if is_printed && arguments.json {
        return Err(Failure::usage(
            "standard output gets the file, and so not the JSON of --json",
            "remove --json, or add --check",
        ));
    }
    let images = pin_inputs::images(arguments, output, environment).await?;
    let files = pin_inputs::files(&arguments.files)?;
    let options = PinOptions { retag: arguments.retag };
    match &arguments.override_file {
        Some(path) => pin_override::run(path, &files, &images, options, arguments, output),
        None => pin_files(&files, &images, options, is_printed, arguments, output),
    }
}

/// Pins in place, prints, or checks. Everything is computed before the first file is written.
fn pin_files(
    files: &[Arc<TextFile>],
    images: &PinnedImages,
    options: PinOptions,
    is_printed: bool,
    arguments: &PinFilesArguments,
    output: &OutputArguments,
) -> Done {
    let plans = all(files, |file| plan(file, images, options))?;
    let reports: Vec<FileReport<'_>> = files
        .iter()
        .zip(&plans)
        .map(|(file, plan)| report(file, plan))
        .collect();
    check_named(&reports, images, output)?;
    warn_untagged(&reports, output);
    if is_printed {
        let text = plans.first().map_or("", |plan| plan.text.as_str());
        return print_file(text.as_bytes());
    }
    let replacements = if arguments.check {
        Vec::new()
    } else {
        let changed = files.iter().zip(&plans).filter(|(file, plan)| file.text != plan.text);
        changed
            .map(|(file, plan)| prepare(file, plan))
            .collect::<Result<Vec<_>, _>>()?
    };
    for replacement in replacements {
        replacement.commit()?;
    }
    print_reports(&reports, None, arguments, output)?;
    if arguments.check { gate(&reports) } else { Ok(()) }
}

fn report<'a>(file: &'a TextFile, plan: &'a Plan) -> FileReport<'a> {
    FileReport {
        path: &file.path,
        kind: plan.kind,
        images: &plan.images,
        others: &plan.others,
    }
}

/// Computes something for all files. If it fails for some, the failures of all are reported.
pub(super) fn all<T, E: Into<Failure>>(
    files: &[Arc<TextFile>],
    compute: impl Fn(&Arc<TextFile>) -> Result<T, E>,
) -> Result<Vec<T>, Failure> {
    let mut results = Vec::new();
    let mut failures = Vec::new();
    for file in files {
        match compute(file) {
            Ok(result) => results.push(result),
            Err(error) => failures.push(error.into()),
        }
    }
    match Failure::first_of(failures) {
        Some(failure) => Err(failure),
        None => Ok(results),
    }
}

/// Prepares the new version of a file, unless the file has changed since it was read.
fn prepare(file: &TextFile, plan: &Plan) -> Result<Replacement, Failure> {
    let limit = file.text.len() as u64;
    let is_same = read_input(&file.path, Pipes::Refused, limit).is_ok_and(|bytes| bytes == file.text.as_bytes());
    if !is_same {
        let message = format!("{} changed while it was read", escape_path(&file.path));
        return Err(Failure::here(&message).help("run the command again"));
    }
    Ok(Replacement::prepare(&file.path, plan.text.as_bytes())?)
}

/// Fails for a file that names images, and none of ours: it is the wrong file, or the wrong image. Among several files,
/// one without any image is skipped.
pub(super) fn check_named(reports: &[FileReport<'_>], images: &PinnedImages, output: &OutputArguments) -> Done {
    let ours = pin_inputs::names(images);
    let mut failures = Vec::new();
    for report in reports.iter().filter(|report| report.images.is_empty()) {
        let path = escape_path(report.path);
        match report.listed_others() {
            Some(others) => failures.push(Failure::usage(
                &format!("{path} does not name {ours}"),
                &format!("it names {others}"),
            )),
            None if reports.iter().all(|report| report.images.is_empty()) => failures.push(Failure::usage(
                &format!("{path} names no image"),
                "give a compose file, Kubernetes manifests, a kustomization, values of a Helm chart, or a quadlet",
            )),
            None => progress::note(output.progress, &format!("skipped {path}: it names no image")),
        }
    }
    Failure::first_of(failures).map_or(Ok(()), Err)
}

/// Warns of images that a build pushed by digest alone.
pub(super) fn warn_untagged(reports: &[FileReport<'_>], output: &OutputArguments) {
    for report in reports {
        for image in report.images.iter().filter(|image| image.is_untagged) {
            let text = format!(
                "{}:{} {} was pushed without its tags: it may not have all platforms",
                escape_path(report.path),
                image.line,
                escape(image.new.as_bytes())
            );
            progress::warn(output.progress, &text);
        }
    }
}

pub(super) fn print_reports(
    reports: &[FileReport<'_>],
    override_file: Option<&Path>,
    arguments: &PinFilesArguments,
    output: &OutputArguments,
) -> Done {
    if arguments.json {
        return print_json(&to_json(reports, override_file));
    }
    let lines: String = reports.iter().map(FileReport::lines).collect();
    if lines.is_empty() {
        progress::note(output.progress, "all images are pinned to their digests");
    }
    print(lines.as_bytes())
}

/// Fails if an image is not pinned to its digest.
fn gate(reports: &[FileReport<'_>]) -> Done {
    let open: usize = reports.iter().map(|report| report.changed().count()).sum();
    let all: usize = reports.iter().map(|report| report.images.len()).sum();
    match open {
        0 => Ok(()),
        _ => Err(Failure::gate(
            &format!("{open} of {all} images are not pinned to their digests"),
            "run the command without --check, and commit the files",
        )),
    }
}
