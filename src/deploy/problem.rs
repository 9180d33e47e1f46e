//! Problems at places of a file, with their lines and carets.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::text_file::{Report, TextFile};
use super::yaml::YamlError;
use crate::model::code::Severity;
use crate::model::{Diagnostic, ErrorKind, escape_path};

/// Greatest number of problems of a file that are shown. Thousands may have one cause.
const MAX_SHOWN_PROBLEMS: usize = 20;

/// A problem at a place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub help: Option<String>,
    /// The place.
    pub span: Range<usize>,
    /// Another place that matters, and what it is.
    pub context: Option<(Range<usize>, String)>,
}

impl Problem {
    /// Returns a problem without help.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
            span,
            context: None,
        }
    }

    /// Adds help.
    pub fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// Adds another place.
    pub fn context(self, span: Range<usize>, label: impl Into<String>) -> Self {
        Self {
            context: Some((span, label.into())),
            ..self
        }
    }
}

impl From<YamlError> for Problem {
    fn from(error: YamlError) -> Self {
        Self {
            message: error.message,
            help: error.help,
            span: error.span,
            context: None,
        }
    }
}

/// Decodes a file, which must be UTF-8.
///
/// # Errors
///
/// A file in another encoding.
pub fn decode(path: PathBuf, bytes: Vec<u8>) -> Result<TextFile, FileError> {
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    match String::from_utf8(bytes) {
        Ok(text) => Ok(TextFile::new(path, text)),
        Err(_) if is_utf16 => Err(FileError::Utf16 { path }),
        Err(error) => {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            Err(FileError::NotUtf8 {
                path,
                line: valid.iter().filter(|byte| **byte == b'\n').count() + 1,
            })
        }
    }
}

/// An error of a file.
#[derive(Debug)]
pub enum FileError {
    /// The file is UTF-16.
    Utf16 {
        /// The file.
        path: PathBuf,
    },
    /// The file is not UTF-8.
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line of the first byte that is not UTF-8, from 1.
        line: usize,
    },
    /// The content of the file is invalid, or cannot be used.
    Invalid {
        /// The file.
        file: Arc<TextFile>,
        /// What is wrong, in the order of the text. At least one.
        problems: Vec<Problem>,
    },
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf16 { path } => write!(formatter, "{} is UTF-16, not UTF-8", escape_path(path)),
            Self::NotUtf8 { path, line } => write!(formatter, "{}:{line}: the file is not UTF-8", escape_path(path)),
            Self::Invalid { file, problems } => {
                let path = escape_path(&file.path);
                let Some(first) = problems.first() else {
                    return write!(formatter, "{path} is invalid");
                };
                let start = first.span.start;
                write!(
                    formatter,
                    "{path}:{}:{}: {}",
                    file.line(start),
                    file.column(start),
                    first.message
                )?;
                match problems.len() {
                    1 => Ok(()),
                    count => write!(formatter, " (and {} more)", count - 1),
                }
            }
        }
    }
}

impl std::error::Error for FileError {}

impl Diagnostic for FileError {
    fn error_kind(&self) -> ErrorKind {
        ErrorKind::Input
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Utf16 { .. } => Some("convert it, for example with `iconv -f UTF-16 -t UTF-8`".to_owned()),
            Self::NotUtf8 { .. } => Some("save the file as UTF-8".to_owned()),
            Self::Invalid { problems, .. } => problems.first().and_then(|problem| problem.help.clone()),
        }
    }
}

impl FileError {
    /// Returns the error for problems of a file, in the order of the text.
    pub fn of(file: &Arc<TextFile>, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.start);
        Self::Invalid {
            file: Arc::clone(file),
            problems,
        }
    }

    /// Returns the problems with their lines, carets and help, in color or plain, without a final newline. Returns `None`
    /// if the error does not concern a line.
    pub fn render(&self, color: bool) -> Option<String> {
        let Self::Invalid { file, problems } = self else {
            return None;
        };
        let shown = problems.iter().take(MAX_SHOWN_PROBLEMS);
        let mut reports: Vec<String> = shown.map(|problem| report(file, problem, color)).collect();
        if let Some(more) = problems.len().checked_sub(MAX_SHOWN_PROBLEMS).filter(|more| *more > 0) {
            reports.push(format!("{more} more problems are not shown"));
        }
        Some(reports.join("\n\n"))
    }
}

fn report(file: &TextFile, problem: &Problem, color: bool) -> String {
    let context = problem.context.as_ref();
    let report = Report {
        severity: Severity::Error,
        code: None,
        message: &problem.message,
        help: problem.help.as_deref(),
        context: context.map(|(span, label)| (span, label.as_str())),
    };
    file.report(&problem.span, report, color)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Arc<TextFile> {
        Arc::new(TextFile::new("a.yaml".into(), text.to_owned()))
    }

    #[test]
    fn a_problem_is_shown_with_its_lines() {
        let file = file("a: 1\nb: 2\r\nc: 3\n");
        let problem = Problem::new(14..15, "bad")
            .help("fix it")
            .context(3..4, "the first one");
        let error = FileError::of(&file, vec![problem]);
        assert_eq!(error.to_string(), "a.yaml:3:4: bad");
        let text = error.render(false).unwrap();
        assert!(text.contains("--> a.yaml:3:4"), "{text}");
        assert!(text.contains("1 | a: 1\n  |    - the first one"), "{text}");
        assert!(text.contains("3 | c: 3\n  |    ^"), "{text}");
        assert!(text.contains("help: fix it"), "{text}");
    }

    #[test]
    fn other_encodings_are_named() {
        let decode = |bytes: &[u8]| super::decode("a".into(), bytes.to_vec());
        assert_eq!(
            decode(b"\xff\xfea\0").unwrap_err().to_string(),
            "a is UTF-16, not UTF-8"
        );
        assert_eq!(
            decode(b"a\n\xff\n").unwrap_err().to_string(),
            "a:2: the file is not UTF-8"
        );
        assert_eq!(decode(b"\xef\xbb\xbfa").unwrap().text, "\u{feff}a");
    }
}
