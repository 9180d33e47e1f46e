//! How `ocitect pin` shows images: as lines for people, as JSON, and in errors.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::arguments::{OutputArguments, PinFilesArguments};
use super::failure::{Done, Failure};
use super::stdout::{print, print_json};
use super::{pin_inputs, progress};
use crate::deploy::listed::listed;
use crate::deploy::pin::{FileKind, ImageLine, Manifest, OtherImage, PinnedImages};
use crate::deploy::text_file::TextFile;
use crate::model::{escape, escape_path};

/// Version of the JSON.
const JSON_VERSION: u32 = 1;

/// Greatest number of images of others that an error lists.
const MAX_LISTED: usize = 20;

/// What is shown of one file.
pub struct FileReport<'a> {
    pub path: &'a Path,
    pub kind: Option<FileKind>,
    pub images: &'a [ImageLine],
    pub others: &'a [OtherImage],
    pub manifests: &'a [Manifest],
}

impl FileReport<'_> {
    /// Returns a line for each image that changes: `FILE:LINE OLD → NEW`.
    pub fn lines(&self) -> String {
        let line = |image: &ImageLine| {
            let old = escape(image.old.as_bytes());
            let new = escape(image.new.as_bytes());
            format!("{}:{} {old} \u{2192} {new}\n", escape_path(self.path), image.line)
        };
        self.changed().map(line).collect()
    }

    /// Returns the images that change.
    pub fn changed(&self) -> impl Iterator<Item = &ImageLine> {
        self.images.iter().filter(|image| image.is_changed())
    }

    fn to_json(&self) -> Value {
        let mut value = json!({
            "file": self.path.to_string_lossy(),
            "kind": self.kind.map(FileKind::as_str),
            "changed": self.changed().next().is_some(),
            "images": self.images.iter().map(image_json).collect::<Vec<_>>(),
            "others": self.others.iter().map(other_json).collect::<Vec<_>>(),
        });
        if !self.manifests.is_empty() {
            let manifest = |manifest: &Manifest| json!({ "line": manifest.line, "file": manifest.path });
            value["manifests"] = self.manifests.iter().map(manifest).collect();
        }
        value
    }

    /// Returns the manifests that the file names, for a message.
    fn listed_manifests(&self) -> Option<String> {
        let paths = self.manifests.iter().map(|manifest| manifest.path.as_str());
        (!self.manifests.is_empty()).then(|| listed(paths))
    }

    /// Returns the images that the file names, for an error.
    pub fn listed_others(&self) -> Option<String> {
        if self.others.is_empty() {
            return None;
        }
        let one = |other: &OtherImage| format!("{} (line {})", escape(other.image.as_bytes()), other.line);
        let mut listed: Vec<String> = self.others.iter().take(MAX_LISTED).map(one).collect();
        if let Some(more) = self.others.len().checked_sub(MAX_LISTED).filter(|more| *more > 0) {
            listed.push(format!("{more} more"));
        }
        Some(listed.join(", "))
    }
}

fn image_json(image: &ImageLine) -> Value {
    json!({
        "line": image.line,
        "column": image.column,
        "path": image.path,
        "old": image.old,
        "new": image.new,
        "changed": image.is_changed(),
    })
}

fn other_json(other: &OtherImage) -> Value {
    json!({ "line": other.line, "path": other.path, "image": other.image })
}

/// Returns the reports as JSON, with the path of the override file if there is one.
pub fn to_json(reports: &[FileReport<'_>], override_file: Option<&Path>) -> Value {
    let files: Vec<Value> = reports.iter().map(FileReport::to_json).collect();
    let mut value = json!({ "version": JSON_VERSION, "files": files });
    if let Some(path) = override_file {
        value["override"] = path.to_string_lossy().into();
    }
    value
}

/// Computes something for all files. If it fails for some, the failures of all are reported.
pub fn all<T, E: Into<Failure>>(
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

/// Fails for a file that names images, and none of ours: it is the wrong file, or the wrong image. Among several files,
/// one without any image is skipped.
pub fn check_named(reports: &[FileReport<'_>], images: &PinnedImages, output: &OutputArguments) -> Done {
    let ours = pin_inputs::names(images);
    let has_images = reports.iter().any(|report| !report.images.is_empty());
    let mut failures = Vec::new();
    for report in reports.iter().filter(|report| report.images.is_empty()) {
        let path = escape_path(report.path);
        if let Some(others) = report.listed_others() {
            failures.push(Failure::usage(
                &format!("{path} does not name {ours}"),
                &format!("it names {others}"),
            ));
        } else if has_images {
            if report.manifests.is_empty() {
                progress::note(output.progress, &format!("skipped {path}: it names no image"));
            }
        } else if let Some(manifests) = report.listed_manifests() {
            failures.push(Failure::usage(
                &format!("{path} names no image"),
                &format!("its images are in {manifests}: give that file"),
            ));
        } else {
            failures.push(Failure::usage(
                &format!("{path} names no image"),
                "give a compose file, Kubernetes manifests, a kustomization, values of a Helm chart, or a quadlet",
            ));
        }
    }
    for report in reports.iter().filter(|_| has_images) {
        let is_given = |manifest: &Manifest| reports.iter().any(|other| other.path.ends_with(&manifest.path));
        let open = report.manifests.iter().filter(|manifest| !is_given(manifest));
        let open = listed(open.map(|manifest| manifest.path.as_str()));
        if !open.is_empty() {
            let path = escape_path(report.path);
            let text = format!("the images of {path} are in {open}: pin that file, too");
            progress::note(output.progress, &text);
        }
    }
    Failure::first_of(failures).map_or(Ok(()), Err)
}

/// Warns of images that a build pushed by digest alone.
pub fn warn_untagged(reports: &[FileReport<'_>], output: &OutputArguments) {
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

pub fn print_reports(
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
