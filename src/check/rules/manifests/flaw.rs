//! Describes where a text is not valid JSON, for the user who fixes it (RFC 8259).

use serde::de::{Deserialize as _, IgnoredAny};

use super::super::secrets::may_show;
use crate::model::escape;

/// Greatest number of characters of a line that are shown: those that fit beside a line number on a terminal.
const MAX_SHOWN_CHARS: usize = 100;

/// Number of characters that are shown before the position in a longer line.
const SHOWN_BEFORE_CHARS: usize = 70;

/// The syntax that a reader accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As JavaScript's `JSON.parse`.
    Strict,
    /// As the host of .NET: comments, and anything after the value.
    DotNetHost,
}

/// The first position where a text is not valid JSON.
#[derive(Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The problem there.
    pub what: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line with its number, and a caret below the place; escaped.
    pub shown: String,
}

/// Finds it; `None` for JSON. A byte order mark is skipped, as the readers do, and bytes that are not UTF-8 are
/// theirs to replace.
pub fn flaw(bytes: &[u8], dialect: Dialect) -> Option<Flaw> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let error = match dialect {
        Dialect::Strict => serde_json::from_slice::<IgnoredAny>(text).err()?,
        Dialect::DotNetHost => {
            let blank = without_comments(text);
            IgnoredAny::deserialize(&mut serde_json::Deserializer::from_slice(&blank)).err()?
        }
    };
    let (what, at) = describe(text, offset_of(text, error.line(), error.column()), &error);
    let at = at.min(text.len());
    let start = text[..at]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let line = text[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
    let end = text[start..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(text.len(), |length| start + length);
    let before = String::from_utf8_lossy(&text[start..at]).chars().count();
    let whole = String::from_utf8_lossy(&text[start..end]);
    Some(Flaw {
        what,
        line,
        column: before + 1,
        shown: shown(whole.trim_end_matches('\r'), line, before),
    })
}

/// serde_json counts columns in bytes from 1, and 0 for the line feed that ends the line before.
fn offset_of(text: &[u8], line: usize, column: usize) -> usize {
    let start = match line.checked_sub(2) {
        None => 0,
        Some(feeds) => {
            let mut feed = text
                .iter()
                .enumerate()
                .filter(|(_, byte)| **byte == b'\n')
                .map(|(at, _)| at + 1);
            feed.nth(feeds).unwrap_or(text.len())
        }
    };
    (start + column).saturating_sub(1)
}

/// Returns the problem and the position to fix, which may be before the position that the parser reported.
fn describe(text: &[u8], at: usize, error: &serde_json::Error) -> (String, usize) {
    let is_space = |byte: &u8| byte.is_ascii_whitespace();
    let before = text[..at.min(text.len())].iter().rposition(|byte| !is_space(byte));
    let last = before.map(|before| text[before]);
    let reason = error.to_string();
    let says = |what: &str| (what.to_owned(), at);
    if text.iter().all(is_space) {
        return ("the file is empty".to_owned(), 0);
    }
    if error.is_eof() {
        let end = text.iter().rposition(|byte| !is_space(byte)).map_or(0, |last| last + 1);
        return (
            "the file ends before the last brace, bracket or quote is closed".to_owned(),
            end,
        );
    }
    let rest = text.get(at..).unwrap_or_default();
    match (rest.first(), last) {
        (Some(b'}' | b']'), Some(b',')) => ("a comma after the last item".to_owned(), before.unwrap_or(at)),
        (Some(b','), Some(b',' | b'{' | b'[' | b':')) => says("a comma with nothing before it"),
        (Some(b'/'), _) if matches!(rest.get(1), Some(b'/' | b'*')) => says("a comment, which JSON does not allow"),
        (Some(b'\''), _) => says("a single quote where JSON requires a double quote"),
        (Some(b'<' | b'=' | b'>'), _) if is_conflict(rest) => says("a merge conflict marker"),
        (Some(b'"' | b'{' | b'['), Some(_)) if reason.starts_with("expected `,`") => (
            "a comma is missing after this item".to_owned(),
            before.map_or(at, |before| before + 1),
        ),
        _ if reason.starts_with("trailing characters") => says("text after the end of the value"),
        _ if reason.starts_with("control character") => (
            "a string that is not closed on its line or contains a control character".to_owned(),
            at + 1,
        ),
        _ => (reason.split(" at line ").next().unwrap_or_default().to_owned(), at),
    }
}

fn is_conflict(rest: &[u8]) -> bool {
    [&b"<<<<<<<"[..], b"=======", b">>>>>>>"]
        .iter()
        .any(|mark| rest.starts_with(mark))
}

/// Returns the line, shortened if it is long, and a caret below character `caret`.
fn shown(line: &str, number: usize, caret: usize) -> String {
    let gutter = format!("{number} | ");
    let margin = format!("{:>width$} | ", "", width = gutter.len() - 3);
    if !may_show(line.as_bytes()) {
        return format!("{gutter}(not shown: it contains what looks like a secret)");
    }
    let skipped = if line.chars().count() > MAX_SHOWN_CHARS {
        caret.saturating_sub(SHOWN_BEFORE_CHARS)
    } else {
        0
    };
    let window: Vec<char> = line.chars().skip(skipped).take(MAX_SHOWN_CHARS).collect();
    // Tabs are as wide as a space here, so that the caret is below its character.
    let text = |part: &[char]| {
        escape(
            part.iter()
                .map(|c| if *c == '\t' { ' ' } else { *c })
                .collect::<String>()
                .as_bytes(),
        )
    };
    let before = text(&window[..(caret - skipped).min(window.len())]).chars().count();
    format!("{gutter}{}\n{margin}{:>before$}^", text(&window), "")
}

/// Returns the text with its comments replaced by spaces, so that positions do not change.
fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut blank = text.to_vec();
    let mut at = 0;
    while at < text.len() {
        let length = match &text[at..] {
            [b'"', rest @ ..] => 1 + string_length(rest),
            [b'/', b'/', ..] => blank_out(&mut blank, at, text[at..].iter().position(|byte| *byte == b'\n')),
            [b'/', b'*', rest @ ..] => blank_out(
                &mut blank,
                at,
                rest.windows(2).position(|pair| pair == b"*/").map(|end| end + 4),
            ),
            _ => 1,
        };
        at += length;
    }
    blank
}

/// Length of a string behind its opening quote, the closing one included.
fn string_length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn blank_out(blank: &mut [u8], at: usize, length: Option<usize>) -> usize {
    let length = length.unwrap_or(blank.len() - at);
    for byte in blank[at..at + length].iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flaw_is_named_at_the_place_to_mend() {
        for (text, what, line, column) in [
            ("{\n  \"a\": 1,\n}\n", "a comma after the last item", 2, 9),
            ("{\"a\": [1, 2, ]}", "a comma after the last item", 1, 12),
            ("{\"a\": 1,, \"b\": 2}", "a comma with nothing before it", 1, 9),
            (
                "{\n  // why\n  \"a\": 1\n}",
                "a comment, which JSON does not allow",
                2,
                3,
            ),
            ("{'a': 1}", "a single quote where JSON requires a double quote", 1, 2),
            ("{\n<<<<<<< HEAD\n\"a\": 1}", "a merge conflict marker", 2, 1),
            (
                "{\n  \"ä\": \"ö\"\n  \"b\": 2\n}",
                "a comma is missing after this item",
                2,
                11,
            ),
            ("{\"a\": 1} x", "text after the end of the value", 1, 10),
            (
                "{\"a\": \"x\n\"}",
                "a string that is not closed on its line or contains a control character",
                1,
                9,
            ),
            (
                "{\n  \"a\": {\n",
                "the file ends before the last brace, bracket or quote is closed",
                2,
                9,
            ),
            ("", "the file is empty", 1, 1),
            (" \n\n", "the file is empty", 1, 1),
            ("{\"a\": undefined}", "expected value", 1, 7),
            ("{a: 1}", "key must be a string", 1, 2),
        ] {
            let flaw = flaw(text.as_bytes(), Dialect::Strict).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (flaw.what.as_str(), flaw.line, flaw.column),
                (what, line, column),
                "{text}"
            );
        }
    }

    #[test]
    fn what_javascript_reads_is_no_flaw() {
        let deep = "[".repeat(5_000) + &"]".repeat(5_000);
        for text in [
            &b"\xef\xbb\xbf{\"a\": 1}"[..],
            b"{\"a\": \"\xff\"}",
            b"[1e999, \"\\ud800\"]\r\n",
            deep.as_bytes(),
        ] {
            assert_eq!(flaw(text, Dialect::Strict), None);
        }
    }

    #[test]
    fn the_host_of_dotnet_takes_comments_and_anything_behind() {
        let text = b"// all\n{ /* one */ \"a\": \"// \\\" /*\" } // end\n}";
        assert_eq!(flaw(text, Dialect::DotNetHost), None);
        assert!(flaw(text, Dialect::Strict).is_some());
        let flaw = flaw(b"{ /* no end", Dialect::DotNetHost).unwrap();
        assert!(flaw.what.starts_with("the file ends"), "{}", flaw.what);
        for cut in 0..text.len() {
            without_comments(&text[..cut]);
        }
    }

    #[test]
    fn the_caret_stands_below_its_character() {
        let shown = flaw("{\r\n\t\"a\": \"\u{200b}\",\r\n}".as_bytes(), Dialect::Strict)
            .unwrap()
            .shown;
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "2 |  \"a\": \"\\u{200b}\",");
        assert_eq!(lines[1], format!("  | {}^", " ".repeat(lines[0].len() - 5)));
    }

    #[test]
    fn long_lines_are_cut_and_secrets_not_shown() {
        let long = format!("{{\"a\": \"{}\",}}", "x".repeat(1_000_000));
        let shown = flaw(long.as_bytes(), Dialect::Strict).unwrap().shown;
        assert!(shown.len() < 300 && shown.contains("\",}\n"), "{shown}");
        let secret = format!("{{\"a\": \"ghp_{}\",}}", "a1B2c3D4e5F6g7H8".repeat(3).split_at(36).0);
        let shown = flaw(secret.as_bytes(), Dialect::Strict).unwrap().shown;
        assert_eq!(shown, "1 | (not shown: it contains what looks like a secret)");
    }
}
