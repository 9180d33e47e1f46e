//! `ocitect pin --override`: the pinned images of compose files in a file of their own.

use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use super::arguments::{OutputArguments, PinFilesArguments};
use super::destination::Destination;
use super::failure::{Done, Failure};
use super::pin_text::{FileReport, all, check_named, print_reports, to_json, warn_untagged};
use super::progress;
use super::stdout::{print_file, print_json};
use crate::deploy::pin::{
    FileKind, MAX_MARK_BYTES, OverridePart, PinOptions, PinnedImages, is_override_file, override_file, override_part,
};
use crate::deploy::text_file::TextFile;
use crate::model::{InputFile, Pipes, escape, escape_path, is_irregular, read_input};

/// Writes the override file for compose files that are used together, or checks that it is up to date.
pub fn run(
    path: &Path,
    files: &[Arc<TextFile>],
    images: &PinnedImages,
    options: PinOptions,
    arguments: &PinFilesArguments,
    output: &OutputArguments,
) -> Done {
    let real = path.canonicalize().ok();
    let metadata = arguments.from.iter().map(Path::new);
    let mut read = files.iter().map(|file| file.path.as_path()).chain(metadata);
    if real.is_some() && read.any(|path| path.canonicalize().ok() == real) {
        let message = format!("{} is one of the files to read", escape_path(path));
        return Err(Failure::usage(&message, "give --override another file"));
    }
    let parts = all(files, |file| override_part(file, images, options))?;
    let reports: Vec<FileReport<'_>> = files
        .iter()
        .zip(&parts)
        .map(|(file, part)| report(file, part))
        .collect();
    for (file, part) in files.iter().zip(&parts) {
        warn_skipped(file, part, output);
    }
    check_named(&reports, images, output)?;
    warn_untagged(&reports, output);
    let text = override_file(&parts);
    let destination = Destination::of(path);
    if destination == Destination::Stdout && !arguments.check {
        return print_file(text.as_bytes());
    }
    let written = destination
        .path()
        .and_then(|path| read_input(path, Pipes::Refused, text.len() as u64).ok());
    let is_written = written.is_some_and(|bytes| bytes == text.as_bytes());
    if arguments.check {
        return check(path, is_written, &reports, arguments);
    }
    if !is_written {
        if let Some(path) = destination.path() {
            refuse_other_file(path)?;
        }
        destination.write(text.as_bytes())?;
    }
    print_reports(&reports, Some(path), arguments, output)
}

/// Fails for a file with content that was not written as an override file: it is lost otherwise.
fn refuse_other_file(path: &Path) -> Done {
    let beginning = InputFile::open(path, Pipes::Refused).and_then(|file| {
        let mut beginning = Vec::new();
        file.take(MAX_MARK_BYTES).read_to_end(&mut beginning)?;
        Ok(beginning)
    });
    let shown = escape_path(path);
    match beginning {
        Ok(beginning) if is_override_file(&beginning) => Ok(()),
        Ok(_) => Err(Failure::usage(
            &format!("{shown} was not written by `ocitect pin --override`, and is not replaced"),
            "give --override another file, or remove this one",
        )),
        // A device or a pipe has nothing to lose.
        Err(error) if error.kind() == ErrorKind::NotFound || is_irregular(&error) => Ok(()),
        Err(error) => Err(Failure::here(&format!("cannot read {shown}")).caused_by(&error)),
    }
}

fn report<'a>(file: &'a TextFile, part: &'a OverridePart) -> FileReport<'a> {
    FileReport {
        path: &file.path,
        kind: Some(FileKind::Compose),
        images: &part.images,
        others: &part.others,
        manifests: &[],
    }
}

/// Warns of images that the override file does not pin.
fn warn_skipped(file: &TextFile, part: &OverridePart, output: &OutputArguments) {
    for skipped in &part.skipped {
        let reason = if skipped.path.ends_with(".image") {
            "its name is in a variable"
        } else {
            "it is mounted"
        };
        let text = format!(
            "{}:{} {} is not in the override file: {reason}",
            escape_path(&file.path),
            skipped.line,
            escape(skipped.image.as_bytes())
        );
        progress::warn(output.progress, &text);
    }
}

fn check(path: &Path, is_written: bool, reports: &[FileReport<'_>], arguments: &PinFilesArguments) -> Done {
    if arguments.json {
        print_json(&to_json(reports, Some(path)))?;
    }
    if is_written {
        return Ok(());
    }
    let message = format!("{} does not have the images with their digests", escape_path(path));
    Err(Failure::gate(
        &message,
        "run the command without --check, and commit the file",
    ))
}
