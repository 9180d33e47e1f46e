//! Errors of a spec, and how they are shown: file, line, column, a caret, and a hint.
//!
//! A message must never print the value of a variable, since it may be a secret: it shows the text as written in the
//! spec. Names and paths are the exception, since the user needs to see their result.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::Place;
use crate::model::{Diagnostic, ErrorKind, Platform, escape, escape_path, is_irregular, mask_unprintable};

/// An error of a spec.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The spec or an env-file cannot be read.
    #[error("cannot read {}", escape_path(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// The spec or an env-file is too large.
    #[error("{} has more than {limit_bytes} bytes", escape_path(.path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit_bytes: u64,
    },
    /// The spec or an env-file is not UTF-8.
    #[error("{} is not UTF-8", escape_path(.path))]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// A line of an env-file is invalid.
    #[error("{}:{line}: {reason}", escape_path(.path))]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// Line number, from 1.
        line: usize,
        /// What is wrong; never the line itself.
        reason: &'static str,
    },
    /// `--set` names a variable that `[vars]` does not have.
    #[error("--set: {} has no variable \"{}\"", escape_path(.path), escape(.name.as_bytes()))]
    UnknownSet {
        /// The name.
        name: String,
        /// The spec.
        path: PathBuf,
        /// How to fix it.
        help: String,
    },
    /// The spec does not have the requested platform.
    #[error("the spec {} does not have the platform {platform}", escape_path(.path))]
    UnknownPlatform {
        /// The platform.
        platform: Platform,
        /// The spec.
        path: PathBuf,
        /// The platforms of the spec.
        known: Vec<Platform>,
    },
    /// The content of the spec is invalid.
    #[error("{0}")]
    Invalid(Box<Diagnostics>),
}

impl Diagnostic for SpecError {
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::Read { cause, .. } if cause.kind() != io::ErrorKind::NotFound && !is_irregular(cause) => {
                ErrorKind::Local
            }
            Self::UnknownPlatform { .. } => ErrorKind::NotFound,
            _ => ErrorKind::Input,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Read { cause, .. } if cause.kind() == io::ErrorKind::NotFound => Some(
                "give the path of a spec, or of a directory with an ocitect.toml; `ocitect init` writes one".to_owned(),
            ),
            Self::Read { cause, .. } if is_irregular(cause) => Some(
                "write the spec to a file: its paths are relative to it, and its lockfile is next to it".to_owned(),
            ),
            Self::EnvFile { .. } => Some("write NAME=value, export NAME=value, or a comment after #".to_owned()),
            Self::UnknownSet { help, .. } => Some(help.clone()),
            Self::UnknownPlatform { known, .. } => {
                let known: Vec<String> = known.iter().map(Platform::to_string).collect();
                Some(format!("available platforms: {}", known.join(", ")))
            }
            Self::Invalid(diagnostics) => diagnostics.problems.first().and_then(|problem| problem.help.clone()),
            _ => None,
        }
    }
}

impl SpecError {
    /// Returns the problems with their lines, carets and hints, in color or plain, without a final newline. Returns
    /// `None` for an error that does not concern a line of the spec; message, cause and help then say everything.
    pub fn render(&self, color: bool) -> Option<String> {
        let Self::Invalid(diagnostics) = self else { return None };
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let reports: Vec<String> = diagnostics
            .problems
            .iter()
            .map(|problem| diagnostics.report(problem, &renderer))
            .collect();
        Some(reports.join("\n\n"))
    }
}

/// The problems of a spec, and its text.
#[derive(Debug)]
pub struct Diagnostics {
    source: Arc<SourceText>,
    problems: Vec<Problem>,
}

impl Diagnostics {
    /// Returns the place of each problem, in the order of the text.
    pub fn places(&self) -> Vec<Place> {
        self.problems
            .iter()
            .map(|problem| self.source.place(&problem.span))
            .collect()
    }

    fn report(&self, problem: &Problem, renderer: &Renderer) -> String {
        let file = self.source.file_at(&problem.span);
        let text = mask_unprintable(file.text);
        let mut snippet = Snippet::source(text.as_str())
            .path(escape_path(file.path))
            .annotation(AnnotationKind::Primary.span(file.inside(&problem.span)));
        let mut group = Group::with_title(Level::ERROR.primary_title(problem.message.as_str()));
        let mut elsewhere = None;
        if let Some((span, label)) = &problem.context {
            let other = self.source.file_at(span);
            let annotation = AnnotationKind::Context.span(other.inside(span)).label(*label);
            if other.start == file.start {
                snippet = snippet.annotation(annotation);
            } else {
                let text = mask_unprintable(other.text);
                elsewhere = Some(
                    Snippet::source(text)
                        .path(escape_path(other.path))
                        .annotation(annotation),
                );
            }
        }
        group = group.element(snippet);
        if let Some(elsewhere) = elsewhere {
            group = group.element(elsewhere);
        }
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.problems.first() else {
            return formatter.write_str("the spec is invalid");
        };
        write!(formatter, "{}: {}", self.source.place(&first.span), first.message)?;
        match self.problems.len() {
            1 => Ok(()),
            count => write!(formatter, " (and {} more)", count - 1),
        }
    }
}

impl std::error::Error for Diagnostics {}

/// The text of a spec and its name. The text of the root file of its workspace follows it, so that every place in
/// either of them is one range.
#[derive(Debug)]
pub(super) struct SourceText {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// The root file, and where its text begins.
    root: Option<(PathBuf, usize)>,
}

/// One of the files of a [`SourceText`].
struct SourceFile<'a> {
    path: &'a Path,
    text: &'a str,
    /// Where it begins.
    start: usize,
}

impl SourceFile<'_> {
    /// Returns a span as one of this file's text, limited to the text and to character boundaries.
    fn inside(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start.saturating_sub(self.start));
        let end = self.text.ceil_char_boundary(span.end.saturating_sub(self.start));
        start..end.max(start)
    }
}

impl SourceText {
    pub(super) fn new(path: &Path, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            root: None,
        }
    }

    /// Adds the text of the root file. Returns where it begins.
    pub(super) fn add_root(&mut self, path: &Path, text: &str) -> usize {
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(text);
        self.root = Some((path.to_owned(), start));
        start
    }

    /// Returns the root file of the workspace that the spec belongs to.
    pub(super) fn root_path(&self) -> Option<&Path> {
        self.root.as_ref().map(|(path, _)| path.as_path())
    }

    /// Returns the root file, if `span` is in it.
    pub(super) fn root_of(&self, span: &Range<usize>) -> Option<&Path> {
        self.root_path().filter(|_| self.file_at(span).start > 0)
    }

    fn file_at(&self, span: &Range<usize>) -> SourceFile<'_> {
        match &self.root {
            Some((path, start)) if span.start >= *start => SourceFile {
                path,
                text: &self.text[*start..],
                start: *start,
            },
            root => SourceFile {
                path: &self.path,
                text: &self.text[..root.as_ref().map_or(self.text.len(), |(_, start)| start - 1)],
                start: 0,
            },
        }
    }

    /// Returns file, line and column of the start of `span`.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let file = self.file_at(span);
        let before = &file.text[..file.inside(span).start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            file: file.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// Returns the error for `problems`, in the order of the text.
    pub(super) fn error(self: &Arc<Self>, mut problems: Vec<Problem>) -> SpecError {
        problems.sort_by_key(|problem| problem.span.start);
        SpecError::Invalid(Box::new(Diagnostics {
            source: Arc::clone(self),
            problems,
        }))
    }
}

impl SourceText {
    /// Returns each problem as one line, in the order of the text.
    pub(super) fn lines(&self, mut problems: Vec<Problem>) -> Vec<String> {
        problems.sort_by_key(|problem| problem.span.start);
        let line = |problem: &Problem| {
            let help = problem.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
            format!("{}: {}{help}", self.place(&problem.span), problem.message)
        };
        problems.iter().map(line).collect()
    }
}

/// A problem at a place in the text.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) span: Range<usize>,
    /// Another relevant place, and its description.
    pub(super) context: Option<(Range<usize>, &'static str)>,
}

impl Problem {
    pub(super) fn new(span: &Range<usize>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            span: span.clone(),
            context: None,
        }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Replaces the help, if there is a better one.
    pub(super) fn help_if(self, help: Option<impl Into<String>>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    pub(super) fn context(self, span: &Range<usize>, label: &'static str) -> Self {
        Self {
            context: Some((span.clone(), label)),
            ..self
        }
    }

    /// Converts an error of the model to a problem.
    pub(super) fn of(span: &Range<usize>, error: &impl Diagnostic) -> Self {
        Self {
            help: error.help(),
            ..Self::new(span, error.to_string())
        }
    }
}
