//! The text of a file, the places in it, and how they are shown: file, line, column and a caret.

use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet, Title};

use crate::model::code::Severity;
use crate::model::{escape_path, mask_unprintable};

/// The text of a file.
#[derive(Debug, Clone)]
pub struct SourceFile {
    path: PathBuf,
    text: String,
    /// Where each line begins, in bytes.
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
}

impl SourceFile {
    /// Creates a file from its path, as given, and its text.
    pub fn new(path: PathBuf, text: String) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(starts).collect();
        Self {
            path,
            text,
            line_starts,
        }
    }

    /// Returns the path, as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the line of a byte, from 1.
    fn line(&self, at: usize) -> usize {
        // The first line begins at 0.
        self.line_starts.partition_point(|start| *start <= at)
    }

    /// Returns line and column of the start of a span of this text, from 1. Columns are characters.
    pub fn position(&self, span: &Range<usize>) -> (usize, usize) {
        let at = self.text.floor_char_boundary(span.start);
        let line = self.line(at);
        let line_start = self.line_starts[line - 1];
        // A byte-order mark is no character of the first line.
        let before = self.text[line_start..at].trim_start_matches('\u{feff}');
        (line, before.chars().count() + 1)
    }

    /// Returns what is said of a place, with its line and a caret, without a final newline.
    pub fn report(&self, span: &Range<usize>, report: Report<'_>, color: bool) -> String {
        let first_line = self.line(span.start);
        let last_line = self.line(span.end.max(span.start));
        let text_start = self.line_starts[first_line - 1];
        let text_end = self.line_starts.get(last_line).copied().unwrap_or(self.text.len());
        // Only these lines: the renderer splits all text that it is given.
        let text = mask_unprintable(&self.text[text_start..text_end]);
        let start = text.floor_char_boundary(span.start - text_start);
        let end = text.ceil_char_boundary(span.end.saturating_sub(text_start)).max(start);
        let snippet = Snippet::source(text.as_str())
            .path(escape_path(&self.path))
            .line_start(first_line)
            .annotation(AnnotationKind::Primary.span(start..end));
        render(Group::with_title(title(report)).element(snippet), report, color)
    }
}

/// Returns what is said of a line of a file whose text is not shown, such as that of an env file.
pub fn report_line(path: &Path, line: usize, report: Report<'_>, color: bool) -> String {
    let place = format!("{}:{line}", escape_path(path));
    let origin = Origin::path(place);
    render(Group::with_title(title(report)).element(origin), report, color)
}

fn title(report: Report<'_>) -> Title<'_> {
    let level = match report.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(report.message);
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
        }
    }

    #[test]
    fn the_line_of_a_place_is_shown_with_a_caret() {
        let file = SourceFile::new("c.yaml".into(), "\u{feff}a: 1\r\nb\u{e4}: $X\x1b\r\n".to_owned());
        assert_eq!(file.position(&(3..4)), (1, 1));
        let span = file.text().find("$X").unwrap()..file.text().find('\x1b').unwrap();
        assert_eq!(file.position(&span), (2, 5));
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
        let end = file.text().len();
        assert!(file.report(&(end..end), report(None), false).contains("c.yaml"));
    }

    #[test]
    fn a_line_of_an_env_file_is_named_and_not_shown() {
        let shown = report_line(Path::new("x/.env"), 7, report(None), false);
        assert_eq!(shown, "warning[a-code]: what is wrong\n--> x/.env:7");
    }
}
