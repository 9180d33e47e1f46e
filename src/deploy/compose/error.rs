//! Errors of compose files: what Compose refuses, and what is too large.

use std::fmt;
use std::sync::Arc;

use super::env_file::EnvFileError;
use super::place::Place;
use crate::deploy::text_file::{Report, TextFile};
use crate::deploy::yaml::Span;
use crate::model::code::Severity;
use crate::model::{Diagnostic, ErrorKind, escape_path};

/// Greatest number of problems that are printed: about two screens. The first ones are those to fix.
const MAX_SHOWN_PROBLEMS: usize = 12;

/// An error of compose files.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The content of compose files is invalid.
    #[error("{0}")]
    Invalid(Box<Problems>),
    /// A line of an env file is invalid.
    #[error(transparent)]
    EnvFile(#[from] EnvFileError),
}

impl Diagnostic for ComposeError {
    fn error_kind(&self) -> ErrorKind {
        ErrorKind::Input
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Invalid(problems) => problems.problems.first().and_then(|problem| problem.help.clone()),
            Self::EnvFile(error) => error.help(),
        }
    }
}

impl ComposeError {
    /// Returns the problems with their lines, carets and hints, in color or plain, without a final newline. Returns
    /// `None` for an error whose message says everything.
    pub fn render(&self, color: bool) -> Option<String> {
        match self {
            Self::Invalid(problems) => Some(problems.render(color)),
            Self::EnvFile(_) => None,
        }
    }
}

/// A problem at a place in a compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub place: Place,
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    pub fn new(file: usize, span: Span, message: impl Into<String>) -> Self {
        Self {
            place: Place { file, span },
            message: message.into(),
            help: None,
        }
    }

    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}

/// The problems of compose files, and their texts.
#[derive(Debug)]
pub struct Problems {
    sources: Vec<Arc<TextFile>>,
    problems: Vec<Problem>,
}

impl Problems {
    /// Returns the error for problems, in the order of the files and their texts.
    pub(super) fn error(sources: Vec<Arc<TextFile>>, mut problems: Vec<Problem>) -> ComposeError {
        problems.sort_by_key(|problem| (problem.place.file, problem.place.span.start));
        problems.dedup();
        ComposeError::Invalid(Box::new(Self { sources, problems }))
    }

    fn render(&self, color: bool) -> String {
        let report = |problem: &Problem| {
            let report = Report {
                severity: Severity::Error,
                code: None,
                message: &problem.message,
                help: problem.help.as_deref(),
                context: None,
            };
            self.sources[problem.place.file].report(&problem.place.span, report, color)
        };
        let mut reports: Vec<String> = self.problems.iter().take(MAX_SHOWN_PROBLEMS).map(report).collect();
        if self.problems.len() > MAX_SHOWN_PROBLEMS {
            reports.push(format!(
                "and {} more problems",
                self.problems.len() - MAX_SHOWN_PROBLEMS
            ));
        }
        reports.join("\n\n")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.problems.first() else {
            return formatter.write_str("a compose file is invalid");
        };
        let source = &self.sources[first.place.file];
        let start = first.place.span.start;
        let line = source.line(start);
        let column = source.column(start);
        write!(
            formatter,
            "{}:{line}:{column}: {}",
            escape_path(&source.path),
            first.message
        )?;
        match self.problems.len() {
            1 => Ok(()),
            count => write!(formatter, " (and {} more)", count - 1),
        }
    }
}

impl std::error::Error for Problems {}
