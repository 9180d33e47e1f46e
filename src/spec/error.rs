//! What can be wrong with a spec, and how it is shown: file, line, column, a caret, and how to mend it.
//!
//! A message must never print what a variable holds, since that may be a secret: the text is shown as the spec has it.
//! Names and paths are the exception, where the result is the point.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::Place;
use crate::model::{Class, Diagnose, Platform, escape, is_irregular};

/// A spec that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The spec or an env-file cannot be read.
    #[error("cannot read {}", show(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The spec or an env-file is over its bound.
    #[error("{} has more than {limit_bytes} bytes", show(.path))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit_bytes: u64,
    },
    /// The spec or an env-file is not UTF-8.
    #[error("{} is not UTF-8", show(.path))]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// A line of an env-file is none.
    #[error("{}:{line}: {reason}", show(.path))]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong; never the line itself.
        reason: &'static str,
    },
    /// `--set` names what `[vars]` does not have.
    #[error("--set: {} has no variable \"{}\"", show(.path), escape(.name.as_bytes()))]
    UnknownSet {
        /// The name.
        name: String,
        /// The spec.
        path: PathBuf,
        /// How to mend it.
        help: String,
    },
    /// A platform was asked about that the spec does not have.
    #[error("the spec {} does not have the platform {platform}", show(.path))]
    UnknownPlatform {
        /// The platform.
        platform: Platform,
        /// The spec.
        path: PathBuf,
        /// Those that it has.
        known: Vec<Platform>,
    },
    /// What the spec says is wrong.
    #[error("{0}")]
    Invalid(Box<Diagnostics>),
}

impl Diagnose for SpecError {
    fn class(&self) -> Class {
        match self {
            Self::Read { cause, .. } if cause.kind() != io::ErrorKind::NotFound && !is_irregular(cause) => Class::Here,
            Self::UnknownPlatform { .. } => Class::NotFound,
            _ => Class::Input,
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
    /// What is wrong with the text, with its lines, carets and hints, in colour or plain; it ends without newline. `None`
    /// for an error that is about no line of the spec, which message, cause and help say whole.
    pub fn render(&self, color: bool) -> Option<String> {
        let Self::Invalid(diagnostics) = self else { return None };
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let reports: Vec<String> =
            diagnostics.problems.iter().map(|problem| diagnostics.report(problem, &renderer)).collect();
        Some(reports.join("\n\n"))
    }
}

/// Problems of one spec, and its text.
#[derive(Debug)]
pub struct Diagnostics {
    source: Arc<SourceText>,
    problems: Vec<Problem>,
}

impl Diagnostics {
    /// Where each problem stands, in the order of the text.
    pub fn places(&self) -> Vec<Place> {
        self.problems.iter().map(|problem| self.source.place(&problem.span)).collect()
    }

    fn report(&self, problem: &Problem, renderer: &Renderer) -> String {
        let text = printable(&self.source.text);
        let clamp = |span: &Range<usize>| self.source.clamp(span);
        let mut snippet = Snippet::source(text.as_str())
            .path(show(&self.source.path))
            .annotation(AnnotationKind::Primary.span(clamp(&problem.span)));
        if let Some((span, label)) = &problem.context {
            snippet = snippet.annotation(AnnotationKind::Context.span(clamp(span)).label(*label));
        }
        let mut group = Group::with_title(Level::ERROR.primary_title(problem.message.as_str())).element(snippet);
        if let Some(help) = &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.problems.first() else { return formatter.write_str("the spec is invalid") };
        write!(formatter, "{}: {}", self.source.place(&first.span), first.message)?;
        match self.problems.len() {
            1 => Ok(()),
            count => write!(formatter, " (and {} more)", count - 1),
        }
    }
}

impl std::error::Error for Diagnostics {}

/// The text of a spec and its name.
#[derive(Debug)]
pub(super) struct SourceText {
    pub(super) path: PathBuf,
    pub(super) text: String,
}

impl SourceText {
    /// Line and column of the start of `span`.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        let before = &self.text[..self.clamp(span).start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            file: self.path.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The span, within the text and on the borders of characters.
    fn clamp(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text.floor_char_boundary(span.start);
        start..self.text.ceil_char_boundary(span.end).max(start)
    }

    /// The error that tells of `problems`, in the order of the text.
    pub(super) fn error(self: &Arc<Self>, mut problems: Vec<Problem>) -> SpecError {
        problems.sort_by_key(|problem| problem.span.start);
        SpecError::Invalid(Box::new(Diagnostics { source: Arc::clone(self), problems }))
    }
}

impl SourceText {
    /// Each problem in one line, in the order of the text.
    pub(super) fn lines(&self, mut problems: Vec<Problem>) -> Vec<String> {
        problems.sort_by_key(|problem| problem.span.start);
        let line = |problem: &Problem| {
            let help = problem.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
            format!("{}: {}{help}", self.place(&problem.span), problem.message)
        };
        problems.iter().map(line).collect()
    }
}

/// One thing that is wrong at one place.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) span: Range<usize>,
    /// Another place that matters, and what it is.
    pub(super) context: Option<(Range<usize>, &'static str)>,
}

impl Problem {
    pub(super) fn new(span: &Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, span: span.clone(), context: None }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(super) fn context(self, span: &Range<usize>, label: &'static str) -> Self {
        Self { context: Some((span.clone(), label)), ..self }
    }

    /// A problem that an error of the model tells of.
    pub(super) fn of(span: &Range<usize>, error: &impl Diagnose) -> Self {
        Self { help: error.help(), ..Self::new(span, error.to_string()) }
    }
}

/// The text with a mark in place of each character that a terminal would act on and the renderer lets pass. Nothing moves:
/// a mark is as long in bytes as what it stands for.
fn printable(text: &str) -> String {
    let is_plain = |character: char| {
        character.is_ascii() || escape(character.encode_utf8(&mut [0; 4]).as_bytes()).len() == character.len_utf8()
    };
    let marked = |character: char| match character.len_utf8() {
        _ if is_plain(character) => character,
        2 => '\u{b7}',
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(marked).collect()
}

fn show(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes())
}
