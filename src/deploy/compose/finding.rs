//! What is wrong with the services of compose files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::place::Place;
use crate::deploy::text_file::{Report, TextFile, report_line};
use crate::deploy::yaml::Span;
use crate::model::code::{Code, Severity};
use crate::model::{Platform, escape, escape_path};

/// Something that is wrong with a service, or with the files as a whole. Every text is escaped and holds no value of a
/// variable, except in names of images and paths of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFinding {
    /// How bad it is; `deny` makes a warning an error.
    pub severity: Severity,
    /// The kind of finding.
    pub code: Code,
    /// The service.
    pub service: Option<String>,
    /// The index of the member whose image it runs.
    pub member: Option<usize>,
    /// The platforms of the member that it is about; empty without a member.
    pub platforms: Vec<Platform>,
    /// The problem: one sentence without a full stop.
    pub message: String,
    /// How to fix it.
    pub help: String,
    /// Where it is.
    pub place: FindingPlace,
}

/// A place in a compose file or an env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingPlace {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1; `None` in an env file, whose lines are never shown.
    pub column: Option<usize>,
    /// Index of the compose file, and the bytes in it.
    source: Option<(usize, Span)>,
}

impl FindingPlace {
    pub(super) fn in_compose(place: &Place, sources: &[Arc<TextFile>]) -> Self {
        let source = &sources[place.file];
        let start = place.span.start;
        Self {
            path: source.path.clone(),
            line: source.line(start),
            column: Some(source.column(start)),
            source: Some((place.file, place.span.clone())),
        }
    }

    pub(super) fn in_env_file(path: &Path, line: usize) -> Self {
        Self {
            path: path.to_owned(),
            line,
            column: None,
            source: None,
        }
    }

    /// The order of findings: by file, and then by line. Compose files come first.
    pub(super) fn order(&self) -> (usize, &Path, usize, Option<usize>) {
        let file = self.source.as_ref().map_or(usize::MAX, |(file, _)| *file);
        (file, &self.path, self.line, self.column)
    }
}

/// The services that run the image of a member: its index, and the platforms that the service may run on.
pub(super) type Running<'a> = BTreeMap<&'a str, (usize, Vec<Platform>)>;

impl ServiceFinding {
    /// Adds the member whose image the service runs, whose `allow` and `deny` apply then.
    pub(super) fn of_member(self, running: &Running<'_>) -> Self {
        match self.service.as_deref().and_then(|service| running.get(service)) {
            Some((index, platforms)) => Self {
                member: Some(*index),
                platforms: platforms.clone(),
                ..self
            },
            None => self,
        }
    }

    /// Returns it as an object with every field. `member` is the member's ID.
    pub fn to_json(&self, member: Option<&str>) -> Value {
        json!({
            "code": self.code.as_str(),
            "severity": self.severity.as_str(),
            "service": self.service,
            "member": member,
            "platforms": self.platforms.iter().map(Platform::to_string).collect::<Vec<_>>(),
            "file": escape_path(&self.place.path),
            "line": self.place.line,
            "column": self.place.column,
            "message": self.message,
            "help": self.help,
        })
    }

    /// Returns it as text with its line and a caret, without a final newline.
    pub(super) fn render(&self, sources: &[Arc<TextFile>], color: bool) -> String {
        let message = match &self.service {
            Some(service) => format!("service {}: {}", escape(service.as_bytes()), self.message),
            None => self.message.clone(),
        };
        let report = Report {
            severity: self.severity,
            code: Some(self.code.as_str()),
            message: &message,
            help: Some(&self.help),
            context: None,
        };
        match &self.place.source {
            Some((file, span)) => sources[*file].report(span, report, color),
            None => report_line(&self.place.path, self.place.line, report, color),
        }
    }
}
