//! Files as text, and problems at places in them, with their lines and carets.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::yaml::YamlError;
use crate::model::{Diagnostic, ErrorKind, escape_path, mask_unprintable};

/// Greatest distance of two places that are shown together, in bytes. What is between them is not shown, but is read.
const MAX_EXCERPT_BYTES: usize = 256 * 1024;

/// Greatest length of a marked place, in bytes. The renderer shows all that is marked.
const MAX_MARKED_BYTES: usize = 200;

/// Greatest number of problems of a file that are shown. Thousands may have one cause.
const MAX_SHOWN_PROBLEMS: usize = 20;

/// A file as text.
#[derive(Debug)]
pub struct TextFile {
    /// The path, as the user wrote it.
    pub path: PathBuf,
    /// The text, with its byte-order mark if it has one.
    pub text: String,
    /// Where each line begins. A file may name an image in each of its lines.
    line_starts: Vec<usize>,
}

impl TextFile {
    /// Returns a file with this text.
    pub fn new(path: PathBuf, text: String) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(breaks).collect();
        Self {
            path,
            text,
            line_starts,
        }
    }

    /// Decodes a file, which must be UTF-8.
    ///
    /// # Errors
    ///
    /// A file in another encoding.
    pub fn decode(path: PathBuf, bytes: Vec<u8>) -> Result<Self, FileError> {
        let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(path, text)),
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

    /// Returns the line of a byte, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Returns the column of a byte in characters, from 1.
    pub fn column(&self, offset: usize) -> usize {
        let end = self.text.floor_char_boundary(offset);
        self.text[self.line_start(end)..end].chars().count() + 1
    }

    /// Returns the first byte of the line that a byte is in.
    pub fn line_start(&self, offset: usize) -> usize {
        // The first line begins at 0, so there is always one.
        self.line_starts[self.line(offset).saturating_sub(1)]
    }

    /// Returns the end of the line that a byte is in, without its line break.
    pub fn line_end(&self, offset: usize) -> usize {
        let end = self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at);
        let has_return = end > offset && self.text[..end].ends_with('\r');
        if has_return { end - 1 } else { end }
    }

    /// Returns the error for problems of this file, in the order of the text.
    pub fn error(self: &Arc<Self>, mut problems: Vec<Problem>) -> FileError {
        problems.sort_by_key(|problem| problem.span.start);
        FileError::Invalid {
            file: Arc::clone(self),
            problems,
        }
    }
}

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
    /// Returns the problems with their lines, carets and help, in color or plain, without a final newline. Returns `None`
    /// if the error does not concern a line.
    pub fn render(&self, color: bool) -> Option<String> {
        let Self::Invalid { file, problems } = self else {
            return None;
        };
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let shown = problems.iter().take(MAX_SHOWN_PROBLEMS);
        let mut reports: Vec<String> = shown.map(|problem| report(file, problem, &renderer)).collect();
        if let Some(more) = problems.len().checked_sub(MAX_SHOWN_PROBLEMS).filter(|more| *more > 0) {
            reports.push(format!("{more} more problems are not shown"));
        }
        Some(reports.join("\n\n"))
    }
}

fn report(file: &TextFile, problem: &Problem, renderer: &Renderer) -> String {
    let start = file.text.floor_char_boundary(problem.span.start);
    // Only the beginning of a value of megabytes is marked.
    let end = problem.span.end.clamp(start, start + MAX_MARKED_BYTES);
    let end = file.text.ceil_char_boundary(end);
    let is_near = |(span, _): &&(Range<usize>, String)| span.start.abs_diff(start) < MAX_EXCERPT_BYTES;
    let context = problem.context.as_ref().filter(is_near);
    let first = context.map_or(start, |(span, _)| span.start.min(start));
    let last = context.map_or(end, |(span, _)| span.end.max(end));
    // Only the lines from the first place to the last one, since the renderer splits all text that it is given.
    let excerpt_start = file.line_start(first);
    let excerpt_end = file.line_end(last);
    let excerpt = mask_unprintable(&file.text[excerpt_start..excerpt_end]);
    let inside = |span: Range<usize>| span.start - excerpt_start..span.end - excerpt_start;
    let path = escape_path(&file.path);
    let mut snippet = Snippet::source(excerpt.as_str())
        .path(path.as_str())
        .line_start(file.line(excerpt_start))
        .annotation(AnnotationKind::Primary.span(inside(start..end)));
    if let Some((span, label)) = context {
        snippet = snippet.annotation(AnnotationKind::Context.span(inside(span.clone())).label(label.as_str()));
    }
    let message = mask_unprintable(&problem.message);
    let mut group = Group::with_title(Level::ERROR.primary_title(message.as_str())).element(snippet);
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Arc<TextFile> {
        Arc::new(TextFile::new("a.yaml".into(), text.to_owned()))
    }

    #[test]
    fn lines_and_columns_are_counted_from_one_in_characters() {
        let file = file("\u{e4}b\r\nc\n");
        assert_eq!((file.line(2), file.column(2)), (1, 2));
        assert_eq!((file.line(5), file.column(5)), (2, 1));
        assert_eq!((file.line_start(3), file.line_end(0), file.line_end(5)), (0, 3, 6));
        assert_eq!(file.line_end(7), 7);
    }

    #[test]
    fn a_problem_is_shown_with_its_lines() {
        let file = file("a: 1\nb: 2\r\nc: 3\n");
        let problem = Problem::new(14..15, "bad")
            .help("fix it")
            .context(3..4, "the first one");
        let error = file.error(vec![problem]);
        assert_eq!(error.to_string(), "a.yaml:3:4: bad");
        let text = error.render(false).unwrap();
        assert!(text.contains("--> a.yaml:3:4"), "{text}");
        assert!(text.contains("1 | a: 1\n  |    - the first one"), "{text}");
        assert!(text.contains("3 | c: 3\n  |    ^"), "{text}");
        assert!(text.contains("help: fix it"), "{text}");
    }

    #[test]
    fn other_encodings_are_named() {
        let decode = |bytes: &[u8]| TextFile::decode("a".into(), bytes.to_vec());
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
