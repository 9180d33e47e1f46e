//! Findings as text for people.

use std::collections::BTreeMap;

use super::failure::{Done, Failure};
use super::render;
use crate::check::{Code, Finding, Severity};

/// Limit on findings that are printed in full: about two screens. More are grouped by their cause and help.
const MAX_SHOWN_IN_FULL: usize = 12;

/// Returns a block for each finding: severity, code, platform and path, what is wrong, the evidence, and what to
/// change. Equal findings of several platforms are printed once. Many findings are grouped by their cause, with one
/// line each and the help once. Returns an empty string if there is no finding.
pub fn text(findings: &[Finding], takes_colors: bool) -> String {
    let mut shown: Vec<(&Finding, String)> = Vec::new();
    for (position, finding) in findings.iter().enumerate() {
        if findings[..position].iter().any(|earlier| is_same(finding, earlier)) {
            continue;
        }
        let same = |other: &&Finding| is_same(finding, other);
        let platforms: Vec<String> = findings[position..]
            .iter()
            .filter(same)
            .map(|finding| finding.platform.to_string())
            .collect();
        shown.push((finding, platforms.join(", ")));
    }
    if shown.len() <= MAX_SHOWN_IN_FULL {
        return shown
            .iter()
            .map(|(finding, platforms)| block(finding, platforms, takes_colors))
            .collect();
    }
    /// Findings with one severity, code and help, each with its platforms.
    type Groups<'a> = BTreeMap<(Severity, Code, &'a str), Vec<(&'a Finding, &'a str)>>;
    let mut groups = Groups::new();
    for (finding, platforms) in &shown {
        let cause = (finding.severity, finding.code, &finding.help[..]);
        groups.entry(cause).or_default().push((finding, platforms));
    }
    let group = |group: &Vec<(&Finding, &str)>| match &group[..] {
        [(finding, platforms)] => block(finding, platforms, takes_colors),
        several => grouped(several, takes_colors),
    };
    groups.values().map(group).collect()
}

/// Formats findings of one cause: a line each, and the help once.
fn grouped(group: &[(&Finding, &str)], takes_colors: bool) -> String {
    let Some((first, _)) = group.first() else {
        return String::new();
    };
    let mut text = format!("{} {} findings\n", head(first, takes_colors), group.len());
    for (finding, platforms) in group {
        text.push_str(&format!("  {platforms} {}: {}\n", finding.path, finding.message));
    }
    text.push_str(&help(first, takes_colors));
    text
}

/// Returns the number of findings of each code, if there are so many that they are grouped.
pub fn breakdown(findings: &[Finding]) -> Option<String> {
    let mut counts: BTreeMap<(Severity, Code), usize> = BTreeMap::new();
    for finding in findings {
        *counts.entry((finding.severity, finding.code)).or_default() += 1;
    }
    let counted = |((_, code), count): (&(Severity, Code), &usize)| format!("{count} {code}");
    (findings.len() > MAX_SHOWN_IN_FULL).then(|| counts.iter().map(counted).collect::<Vec<_>>().join(", "))
}

/// Returns `true` if two findings differ only in the platform.
fn is_same(left: &Finding, right: &Finding) -> bool {
    Finding {
        platform: right.platform.clone(),
        ..left.clone()
    } == *right
}

fn block(finding: &Finding, platforms: &str, takes_colors: bool) -> String {
    let mut block = head(finding, takes_colors);
    block.push_str(&format!(" {platforms} {}: {}\n", finding.path, finding.message));
    if let Some(expected) = &finding.expected {
        block.push_str(&format!("  expected: {}\n", indented(expected)));
    }
    if let Some(found) = &finding.found {
        block.push_str(&format!("  found: {}\n", indented(found)));
    }
    block.push_str(&help(finding, takes_colors));
    block
}

fn head(finding: &Finding, takes_colors: bool) -> String {
    head_of(finding.severity, finding.code, takes_colors)
}

/// Returns `error[code]:` or `warning[code]:`.
pub(super) fn head_of(severity: Severity, code: Code, takes_colors: bool) -> String {
    let color = match severity {
        Severity::Error => 31,
        Severity::Warning => 33,
    };
    render::emphasis_where(takes_colors, &format!("{}[{code}]:", severity.as_str()), color)
}

fn help(finding: &Finding, takes_colors: bool) -> String {
    format!(
        "  {} {}\n",
        render::emphasis_where(takes_colors, "help:", 36),
        finding.help
    )
}

/// Indents evidence of several lines, such as a line of a file with a mark below it, so that the lines are aligned.
fn indented(evidence: &str) -> String {
    evidence.replace('\n', "\n         ")
}

/// Returns `1 error, 2 warnings`, with the number of allowed findings.
pub fn summary(error_count: usize, warning_count: usize, allowed_count: usize) -> String {
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut summary = format!(
        "{}, {}",
        counted(error_count, "error"),
        counted(warning_count, "warning")
    );
    if allowed_count > 0 {
        summary.push_str(&format!(", {allowed_count} allowed"));
    }
    summary
}

/// Returns every code with its severity and its meaning, one line each.
pub fn codes() -> String {
    let width = Code::ALL.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
    let line = |code: &Code| {
        format!(
            "{:<width$}  {:<7}  {}\n",
            code.as_str(),
            code.severity().as_str(),
            code.meaning()
        )
    };
    Code::ALL.iter().map(line).collect()
}

/// Help for errors among the findings.
const GATE_HELP: &str = "fix each error, or ignore a finding with `allow` in the spec's [check]";

/// Fails if the check found errors.
pub fn refuse_errors(error_count: usize) -> Done {
    match error_count {
        0 => Ok(()),
        1 => Err(Failure::gate("the check found 1 error", GATE_HELP)),
        count => Err(Failure::gate(&format!("the check found {count} errors"), GATE_HELP)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EntryPath, Platform};

    #[test]
    fn what_two_platforms_share_is_said_once() {
        let finding = |architecture: &str, path: &str| {
            let platform = Platform::new("linux", architecture);
            let path = EntryPath::new(path.as_bytes()).unwrap();
            Finding::new(Code::Secret, &platform, path, "a key".to_owned(), "leave it out").evidence("none", "one")
        };
        let findings = [finding("amd64", "/a"), finding("amd64", "/b"), finding("arm64", "/a")];
        assert_eq!(
            text(&findings, false),
            "warning[secret]: linux/amd64, linux/arm64 /a: a key\n  expected: none\n  found: one\n  help: leave it out\n\
             warning[secret]: linux/amd64 /b: a key\n  expected: none\n  found: one\n  help: leave it out\n"
        );
    }

    #[test]
    fn many_findings_are_grouped_by_their_cause() {
        let finding = |at: usize, code: Code, help: &str| {
            let path = EntryPath::new(format!("/{at:02}").as_bytes()).unwrap();
            Finding::new(
                code,
                &Platform::new("linux", "amd64"),
                path,
                format!("message {at}"),
                help,
            )
        };
        let mut findings: Vec<Finding> = (0..12).map(|at| finding(at, Code::Secret, "leave it out")).collect();
        assert_eq!(text(&findings, false).matches("help:").count(), 12);
        assert_eq!(breakdown(&findings), None);
        findings.push(finding(12, Code::MissingLibrary, "use a base image"));
        findings.push(finding(13, Code::Secret, "something else"));
        let shown = text(&findings, false);
        assert!(
            shown.starts_with("error[missing-library]: linux/amd64 /12: message 12\n  help: use a base image\n"),
            "{shown}"
        );
        assert!(
            shown.contains("warning[secret]: 12 findings\n  linux/amd64 /00: message 0\n"),
            "{shown}"
        );
        assert!(
            shown.ends_with("warning[secret]: linux/amd64 /13: message 13\n  help: something else\n"),
            "{shown}"
        );
        assert_eq!(shown.matches("help:").count(), 3);
        assert_eq!(breakdown(&findings).as_deref(), Some("1 missing-library, 13 secret"));
    }

    #[test]
    fn counts_are_told_in_words() {
        assert_eq!(summary(1, 0, 0), "1 error, 0 warnings");
        assert_eq!(summary(0, 1, 3), "0 errors, 1 warning, 3 allowed");
    }
}
