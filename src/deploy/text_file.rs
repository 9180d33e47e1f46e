//! Files as text, and how places in them are shown: file, line, column and a caret.

use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, Title};

use crate::model::code::Severity;
use crate::model::{escape_path, mask_unprintable};

/// Greatest distance of two places that are shown together, in bytes. What is between them is not shown, but is read.
const MAX_EXCERPT_BYTES: usize = 256 * 1024;

/// Greatest length of a marked place, in bytes. The renderer shows all that is marked.
const MAX_MARKED_BYTES: usize = 200;

/// A file as text.
#[derive(Debug, Clone)]
pub struct TextFile {
    /// The path, as the user wrote it.
    pub path: PathBuf,
    /// The text, with its byte-order mark if it has one.
    pub text: String,
    /// Where each line begins. A file may name an image in each of its lines.
    line_starts: Vec<usize>,
}

/// What is said of a place.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// How bad it is.
    pub severity: Severity,
    /// The code of a finding.
    pub code: Option<&'a str>,
    /// What is wrong.
    pub message: &'a str,
    /// How to fix it.
    pub help: Option<&'a str>,
    /// Another place of the same file that matters, and what it is.
    pub context: Option<(&'a Range<usize>, &'a str)>,
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

    /// Returns the line of a byte, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Returns the column of a byte in characters, from 1. A byte-order mark is no character of the first line.
    pub fn column(&self, offset: usize) -> usize {
        let end = self.text.floor_char_boundary(offset);
        let before = self.text[self.line_start(end)..end].trim_start_matches('\u{feff}');
        before.chars().count() + 1
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

    /// Returns what is said of a place, with its line and a caret, in color or plain, without a final newline.
    pub fn report(&self, span: &Range<usize>, report: Report<'_>, color: bool) -> String {
        let start = self.text.floor_char_boundary(span.start);
        // Only the beginning of a value of megabytes is marked.
        let end = span.end.clamp(start, start + MAX_MARKED_BYTES);
        let end = self.text.ceil_char_boundary(end);
        let is_near = |(other, _): &(&Range<usize>, &str)| other.start.abs_diff(start) < MAX_EXCERPT_BYTES;
        let context = report.context.filter(is_near);
        let first = context.map_or(start, |(other, _)| other.start.min(start));
        let last = context.map_or(end, |(other, _)| other.end.max(end));
        // Only the lines from the first place to the last one, since the renderer splits all text that it is given.
        let excerpt_start = self.line_start(first);
        let excerpt_end = self.line_end(last);
        let excerpt = mask_unprintable(&self.text[excerpt_start..excerpt_end]);
        let inside = |span: Range<usize>| span.start - excerpt_start..span.end - excerpt_start;
        let mut snippet = Snippet::source(excerpt.as_str())
            .path(escape_path(&self.path))
            .line_start(self.line(excerpt_start))
            .annotation(AnnotationKind::Primary.span(inside(start..end)));
        if let Some((other, label)) = context {
            snippet = snippet.annotation(AnnotationKind::Context.span(inside(other.clone())).label(label));
        }
        let message = mask_unprintable(report.message);
        let title = title(report, &message);
        render(Group::with_title(title).element(snippet), report, color)
    }
}

/// Returns what is said of a line of a file whose text is not shown, such as that of an env file.
pub fn report_line(path: &Path, line: usize, report: Report<'_>, color: bool) -> String {
    let place = format!("{}:{line}", escape_path(path));
    let group = Group::with_title(title(report, report.message)).element(Origin::path(place));
    render(group, report, color)
}

fn title<'a>(report: Report<'a>, message: &'a str) -> Title<'a> {
    let level = match report.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(message);
    match report.code {
        Some(code) => title.id(code),
        None => title,
    }
}

fn render<'a>(group: Group<'a>, report: Report<'a>, color: bool) -> String {
    let group = match report.help {
        Some(help) => group.element(Level::HELP.message(help)),
        None => group,
    };
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(help: Option<&'static str>) -> Report<'static> {
        Report {
            severity: Severity::Warning,
            code: Some("a-code"),
            message: "what is wrong",
            help,
            context: None,
        }
    }

    #[test]
    fn lines_and_columns_are_counted_from_one_in_characters() {
        let file = TextFile::new("a.yaml".into(), "\u{e4}b\r\nc\n".to_owned());
        assert_eq!((file.line(2), file.column(2)), (1, 2));
        assert_eq!((file.line(5), file.column(5)), (2, 1));
        assert_eq!((file.line_start(3), file.line_end(0), file.line_end(5)), (0, 3, 6));
        assert_eq!(file.line_end(7), 7);
    }

    #[test]
    fn the_line_of_a_place_is_shown_with_a_caret() {
        let file = TextFile::new("c.yaml".into(), "\u{feff}a: 1\r\nb\u{e4}: $X\x1b\r\n".to_owned());
        assert_eq!((file.line(3), file.column(3)), (1, 1));
        let span = file.text.find("$X").unwrap()..file.text.find('\x1b').unwrap();
        assert_eq!((file.line(span.start), file.column(span.start)), (2, 5));
        let shown = file.report(&span, report(Some("do this")), false);
        assert!(
            shown.starts_with("warning[a-code]: what is wrong\n --> c.yaml:2:5\n"),
            "{shown}"
        );
        assert!(
            shown.contains("2 | b\u{e4}: $X") && shown.ends_with("= help: do this"),
            "{shown}"
        );
        assert!(!shown.contains('\x1b'), "{shown}");
        // At the end of the text.
        let end = file.text.len();
        assert!(file.report(&(end..end), report(None), false).contains("c.yaml"));
    }

    #[test]
    fn a_line_of_an_env_file_is_named_and_not_shown() {
        let shown = report_line(Path::new("x/.env"), 7, report(None), false);
        assert_eq!(shown, "warning[a-code]: what is wrong\n--> x/.env:7");
    }
}
