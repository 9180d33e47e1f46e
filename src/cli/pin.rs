//! `ocitect pin`: digests into compose files, Kubernetes manifests and the like.

use std::sync::Arc;

use super::arguments::{OutputArguments, PinFilesArguments};
use super::failure::{Done, Failure};
use super::pin_text::{FileReport, all, check_named, print_reports, warn_untagged};
use super::stdout::print_file;
use super::{pin_inputs, pin_override};
use crate::deploy::pin::{PinOptions, PinnedImages, Plan, plan};
use crate::deploy::text_file::TextFile;
use crate::environment::Environment;
use crate::model::{Pipes, escape_path, read_input};
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
    if is_stdin && arguments.registry.password_stdin {
        return Err(Failure::usage(
            "standard input has both the file and the password",
            "log in with `ocitect login`, or give the file by name",
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
        manifests: &plan.manifests,
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
