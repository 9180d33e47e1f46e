//! Quadlets: units of systemd (systemd.syntax(7)) from which podman makes services (podman-systemd.unit(5)).

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::super::problem::{FileError, Problem};
use super::super::text_file::TextFile;
use super::edit::{Splice, splice};
use super::name::Syntax;
use super::place::FileKind;
use super::planned::{ImageLine, OtherImage, Plan};
use super::rules::{Refusal, Rules, Verdict};

/// Sections of quadlets that name images.
const SECTIONS: [&str; 4] = ["Container", "Image", "Volume", "Build"];

/// The key with the image.
const KEY: &str = "Image";

/// Endings of the names of other quadlets, which may be in the place of an image.
const UNIT_ENDINGS: [&str; 2] = [".image", ".build"];

/// A line of a unit.
struct Line<'a> {
    section: &'a str,
    key: &'a str,
    value: &'a str,
    /// The place of the value.
    span: Range<usize>,
    /// Whether the next line continues it.
    is_continued: bool,
}

/// Returns `true` if the text is a unit with a section of a quadlet. YAML has no such first line.
pub(super) fn is_quadlet(text: &str) -> bool {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let mut significant = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let header = |line: &str| line.strip_prefix('[')?.strip_suffix(']').map(str::to_owned);
    let Some(first) = significant.next().and_then(header) else {
        return false;
    };
    std::iter::once(first)
        .chain(significant.filter_map(header))
        .any(|section| SECTIONS.contains(&section.as_str()))
}

/// Pins the images of a quadlet.
pub(super) fn plan(file: &Arc<TextFile>, rules: Rules<'_>) -> Result<Plan, FileError> {
    let mut plan = Plan {
        kind: Some(FileKind::Quadlet),
        images: Vec::new(),
        others: Vec::new(),
        text: String::new(),
    };
    let mut problems = Vec::new();
    let mut splices = BTreeSet::new();
    let mut seen: Vec<Line<'_>> = Vec::new();
    for line in lines(&file.text) {
        if line.key != KEY || !SECTIONS.contains(&line.section) || line.value.is_empty() {
            continue;
        }
        if let Some(first) = seen.iter().find(|first| first.section == line.section) {
            let problem = Problem::new(
                line.span.clone(),
                format!("`{KEY}=` occurs twice in [{}]", line.section),
            );
            problems.push(
                problem
                    .help("remove one of them")
                    .context(first.span.clone(), "the first one"),
            );
            continue;
        }
        if let Err(refusal) = pin_line(file, &line, rules, &mut plan, &mut splices) {
            problems.push(Problem::new(line.span.clone(), refusal.message).help(refusal.help));
        }
        seen.push(line);
    }
    if !problems.is_empty() {
        return Err(FileError::of(file, problems));
    }
    // The lines do not overlap.
    plan.text = splice(&file.text, &splices).unwrap_or_else(|| file.text.clone());
    Ok(plan)
}

fn pin_line(
    file: &TextFile,
    line: &Line<'_>,
    rules: Rules<'_>,
    plan: &mut Plan,
    splices: &mut BTreeSet<Splice>,
) -> Result<(), Refusal> {
    let number = file.line(line.span.start);
    let path = format!("{}.{KEY}", line.section);
    let is_unit = UNIT_ENDINGS.iter().any(|ending| line.value.ends_with(ending));
    let is_continued = line.is_continued;
    let refused = |what: &str| Refusal::new(format!("cannot pin the image: {what}"), "write it on one line");
    let verdict = match rules.reference(line.value, Syntax::Systemd)? {
        _ if is_continued => return Err(refused("the line is continued")),
        _ if is_unit => Verdict::Other,
        verdict => verdict,
    };
    match verdict {
        Verdict::Other => plan.others.push(OtherImage {
            line: number,
            path,
            image: line.value.to_owned(),
        }),
        Verdict::Ours { choice, reference } => {
            if reference != line.value {
                splices.insert(Splice::new(line.span.clone(), reference.as_str()));
            }
            plan.images.push(ImageLine {
                line: number,
                column: file.column(line.span.start),
                path,
                old: line.value.to_owned(),
                new: reference,
                is_untagged: choice.image.is_untagged,
            });
        }
    }
    Ok(())
}

/// Returns the settings of a unit. Lines that continue another one are left out.
fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut section = "";
    let mut start = 0;
    let mut is_continuation = false;
    text.split_inclusive('\n').filter_map(move |raw| {
        let line_start = start;
        start += raw.len();
        let line = raw.trim_end_matches(['\n', '\r']);
        let continues = std::mem::replace(&mut is_continuation, line.ends_with('\\'));
        let trimmed = line.trim_start_matches('\u{feff}').trim();
        if trimmed.starts_with(['#', ';']) {
            // A comment does not end a continued line, and is not continued itself.
            is_continuation = continues;
            return None;
        }
        if continues {
            return None;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            return None;
        }
        let (key, rest) = line.split_once('=')?;
        let value = rest.trim_end_matches('\\').trim();
        let value_start = line_start + key.len() + 1 + (rest.len() - rest.trim_start().len());
        Some(Line {
            section,
            key: key.trim_start_matches('\u{feff}').trim(),
            value,
            span: value_start..value_start + value.len(),
            is_continued: is_continuation,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_with_their_sections_and_places() {
        let text = "# c\r\n[Unit]\r\nDescription=a \\\r\n  Image=no\r\n[Container]\r\n Image = x/y:1 \r\n;Image=z\r\nExec=a \\\n# Image=q\nImage=w\nImage=v";
        let found: Vec<(&str, &str, &str)> = lines(text).map(|line| (line.section, line.key, line.value)).collect();
        assert_eq!(
            found,
            [
                ("Unit", "Description", "a"),
                ("Container", "Image", "x/y:1"),
                ("Container", "Exec", "a"),
                ("Container", "Image", "v")
            ]
        );
        assert!(lines(text).all(|line| text[line.span.clone()] == *line.value));
    }

    #[test]
    fn quadlets_are_known_by_their_sections() {
        for (text, expected) in [
            ("[Container]\nImage=a\n", true),
            ("\u{feff}# c\n\n[Unit]\nAfter=x\n[Volume]\n", true),
            ("[Unit]\n[Service]\nExecStart=x\n", false),
            ("[a, b]\n", false),
            ("services: {}\n", false),
            ("", false),
        ] {
            assert_eq!(is_quadlet(text), expected, "{text:?}");
        }
    }
}
