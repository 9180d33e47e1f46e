//! Errors of YAML text.

use granit_parser::{ErrorKind, ScanError};

use super::{MAX_DEPTH, Span};

/// An error at a place of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    /// What is wrong.
    pub message: String,
    /// How to fix it, if that is known.
    pub help: Option<String>,
    /// The place in the text.
    pub span: Span,
}

impl YamlError {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            span,
        }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    pub(super) fn too_deep(span: Span) -> Self {
        Self::new(span, format!("values are nested more than {MAX_DEPTH} levels deep"))
    }

    /// Converts an error of the parser. Braces of a variable in a flow collection are the most frequent cause, and the
    /// parser reports them as a missing comma.
    pub(super) fn of(error: &ScanError, text: &str) -> Self {
        let offset = error.marker().byte_offset().unwrap_or(text.len());
        let start = text.floor_char_boundary(offset.min(text.len()));
        let end = text[start..]
            .chars()
            .next()
            .map_or(start, |next| start + next.len_utf8());
        if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
            return Self::too_deep(start..end);
        }
        let message = error.kind().to_string();
        let problem = Self::new(start..end, format!("invalid YAML: {}", message.trim_end()));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let until_here = &text[line_start..end];
        if until_here.contains("${") || until_here.ends_with('$') && text[end..line_end].starts_with('{') {
            problem.help("put quotes around the value: braces, commas and colons have a meaning of their own in YAML")
        } else {
            problem
        }
    }
}
