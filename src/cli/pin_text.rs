//! How `ocitect pin` shows images: as lines for people, and as JSON.

use std::path::Path;

use serde_json::{Value, json};

use crate::deploy::pin::{FileKind, ImageLine, OtherImage};
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
        json!({
            "file": self.path.to_string_lossy(),
            "kind": self.kind.map(FileKind::as_str),
            "changed": self.changed().next().is_some(),
            "images": self.images.iter().map(image_json).collect::<Vec<_>>(),
            "others": self.others.iter().map(other_json).collect::<Vec<_>>(),
        })
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
