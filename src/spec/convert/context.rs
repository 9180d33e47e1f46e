//! What every conversion needs of the spec.

use std::ops::Range;
use std::path::Path;

use super::super::Place;
use super::super::error::{Problem, SourceText};
use crate::model::{ImageName, ReferenceError, ShortNames};

/// The context of every conversion.
#[derive(Clone, Copy)]
pub(in super::super) struct Context<'a> {
    /// The spec's text and name.
    pub(in super::super) source: &'a SourceText,
    /// The spec's directory, which its paths are relative to.
    pub(in super::super) directory: &'a Path,
    /// Suggestions for names without a registry.
    pub(in super::super) short_names: &'a ShortNames,
}

impl Context<'_> {
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
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
    pub(super) fn image_name(&self, text: &str, span: &Range<usize>) -> Result<ImageName, Problem> {
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
