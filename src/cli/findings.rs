//! Findings as text for people.

use super::render;
use crate::check::{Code, Finding, Severity};

/// A block for each finding: severity, code, platform and path, what is wrong, the evidence, and what to change. What is
/// the same on several platforms is said once. Empty where there is none.
pub fn text(findings: &[Finding], takes_colors: bool) -> String {
    let mut text = String::new();
    for (position, finding) in findings.iter().enumerate() {
        let same = |other: &&Finding| is_same(finding, other);
        if findings[..position].iter().any(|earlier| is_same(finding, earlier)) {
            continue;
        }
        let platforms: Vec<String> =
            findings[position..].iter().filter(same).map(|finding| finding.platform.to_string()).collect();
        text.push_str(&block(finding, &platforms.join(", "), takes_colors));
    }
    text
}

/// True where two findings differ in the platform alone.
fn is_same(left: &Finding, right: &Finding) -> bool {
    Finding { platform: right.platform.clone(), ..left.clone() } == *right
}

fn block(finding: &Finding, platforms: &str, takes_colors: bool) -> String {
    let color = match finding.severity {
        Severity::Error => 31,
        Severity::Warning => 33,
    };
    let head = format!("{}[{}]:", finding.severity.as_str(), finding.code);
    let mut block = render::emphasis_where(takes_colors, &head, color);
    block.push_str(&format!(" {platforms} {}: {}\n", finding.path, finding.message));
    if let Some(expected) = &finding.expected {
        block.push_str(&format!("  expected: {}\n", indented(expected)));
    }
    if let Some(found) = &finding.found {
        block.push_str(&format!("  found: {}\n", indented(found)));
    }
    block.push_str(&format!("  {} {}\n", render::emphasis_where(takes_colors, "help:", 36), finding.help));
    block
}

/// Evidence may have several lines, such as a line of a file with a mark below it: they stand below each other.
fn indented(evidence: &str) -> String {
    evidence.replace('\n', "\n         ")
}

/// `1 error, 2 warnings`, with how many were passed over.
pub fn summary(error_count: usize, warning_count: usize, allowed_count: usize) -> String {
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut summary = format!("{}, {}", counted(error_count, "error"), counted(warning_count, "warning"));
    if allowed_count > 0 {
        summary.push_str(&format!(", {allowed_count} allowed"));
    }
    summary
}

/// Every code with its severity and its meaning, a line each.
pub fn codes() -> String {
    let width = Code::ALL.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
    let line =
        |code: &Code| format!("{:<width$}  {:<7}  {}\n", code.as_str(), code.severity().as_str(), code.meaning());
    Code::ALL.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EntryPath, Platform};

    #[test]
    fn what_two_platforms_share_is_said_once() {
        let finding = |architecture: &str, path: &str| {
            let (platform, path) = (Platform::new("linux", architecture), EntryPath::new(path.as_bytes()).unwrap());
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
    fn counts_are_told_in_words() {
        assert_eq!(summary(1, 0, 0), "1 error, 0 warnings");
        assert_eq!(summary(0, 1, 3), "0 errors, 1 warning, 3 allowed");
    }
}
