//! Converts the written spec to its values: applies defaults and inheritance, and checks every value.
//!
//! Pure: paths are joined to the spec's directory and never accessed.

mod config;
mod files;
mod image;
mod layers;
mod values;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::Place;
use super::error::{Problem, SourceText};
use super::raw::{At, Text};
use crate::model::{
    EntryPath, EntryPathError, ImageName, Platform, ReferenceError, ShortNames, WHITEOUT_PREFIX, escape,
};

pub(super) use config::config;
pub(super) use image::{DEFAULT_IGNORE_FILE, identity, parse_platform, platform};
pub(super) use layers::unknown_platform;
pub use values::parse_size;

/// The context of every conversion.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// The spec's text and name.
    pub(super) source: &'a SourceText,
    /// The spec's directory, which its paths are relative to.
    pub(super) directory: &'a Path,
    /// Suggestions for names without a registry.
    pub(super) short_names: &'a ShortNames,
}

impl Context<'_> {
    fn place(&self, span: &Range<usize>) -> Place {
        self.source.place(span)
    }

    /// Joins the paths of layouts and archives to the spec's directory.
    fn joined(&self, name: ImageName) -> ImageName {
        let join = |path: &Path| self.directory.join(path);
        match name {
            ImageName::Layout { path, selector } => ImageName::Layout {
                path: join(&path),
                selector,
            },
            ImageName::OciArchive { path, selector } => ImageName::OciArchive {
                path: join(&path),
                selector,
            },
            ImageName::DockerArchive { path, selector } => ImageName::DockerArchive {
                path: join(&path),
                selector,
            },
            registry @ ImageName::Registry(_) => registry,
        }
    }

    /// Parses the name of a base image or of an image that files are copied from. Docker archives are refused.
    fn image_name(&self, text: &str, span: &Range<usize>) -> Result<ImageName, Problem> {
        if text.contains('\0') {
            return Err(Problem::new(
                span,
                "the name of an image must not contain a NUL character",
            ));
        }
        match text.parse() {
            Ok(ImageName::DockerArchive { .. }) => Err(Problem::new(span, "a docker-archive cannot be used here")
                .help("convert it to a layout first: ocitect copy docker-archive:FILE oci:DIR")),
            Ok(name) => Ok(self.joined(name)),
            Err(error) => {
                let problem = Problem::of(span, &error);
                let question = match &error {
                    ReferenceError::NoRegistry(name) => self.short_names.question(name),
                    ReferenceError::Tag(_) | ReferenceError::Malformed { .. } => None,
                };
                Err(match question {
                    Some(question) => problem.help(question),
                    None => problem,
                })
            }
        }
    }
}

/// Checks an absolute path in the image, and returns it as written.
fn image_path(text: &Text) -> Result<String, Problem> {
    let problem = |message: &str| Problem::new(&text.span, message);
    let shown = escape(text.value.as_bytes());
    if !text.value.starts_with('/') {
        return Err(problem(&format!("\"{shown}\" is not an absolute path in the image"))
            .help("paths in the image begin with /"));
    }
    let path = EntryPath::new(text.value.as_bytes()).map_err(|error| {
        let help = matches!(error, EntryPathError::LeavesRoot(_)).then(|| "write the path without ..".to_owned());
        Problem {
            help,
            ..problem(&error.to_string())
        }
    })?;
    if path.components().any(|name| name.starts_with(WHITEOUT_PREFIX)) {
        return Err(problem(&format!("\"{shown}\" contains a name that begins with .wh."))
            .help("rename the file: a .wh. name is a whiteout and deletes files when the image is unpacked"));
    }
    Ok(text.value.clone())
}

/// Like [`image_path`], but refuses the root.
fn image_path_below_root(text: &Text) -> Result<String, Problem> {
    let path = image_path(text)?;
    if EntryPath::new(path.as_bytes()).is_ok_and(|path| path.is_root()) {
        Err(Problem::new(&text.span, "the root of the image is not allowed here"))
    } else {
        Ok(path)
    }
}

fn annotations(table: &At<BTreeMap<String, Text>>) -> Result<BTreeMap<String, String>, Problem> {
    if table.value.contains_key("") {
        return Err(Problem::new(&table.span, "the name of an annotation is empty"));
    }
    Ok(table
        .value
        .iter()
        .map(|(name, text)| (name.clone(), text.value.clone()))
        .collect())
}

/// Returns `true` if both spellings mean the same platform (`linux/arm64` and `linux/arm64/v8`).
pub(super) fn is_same(left: &Platform, right: &Platform) -> bool {
    left.is_same_as(right)
}
