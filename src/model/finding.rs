//! A finding of the check.

use serde_json::{Value, json};

use super::code::{Code, Severity};
use super::{EntryPath, Platform};

/// Something that is wrong with the image of one platform. Every text is escaped and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How bad it is; `deny` makes a warning an error.
    pub severity: Severity,
    /// The kind of finding.
    pub code: Code,
    /// In which platform's image.
    pub platform: Platform,
    /// The path that it is about; the root if it is about none.
    pub path: EntryPath,
    /// The problem: one sentence without a full stop, which need not repeat the path.
    pub message: String,
    /// The expected value, if there is one.
    pub expected: Option<String>,
    /// The value that was found instead.
    pub found: Option<String>,
    /// How to fix it.
    pub help: String,
    /// All files that it is about, sorted; empty if that is `path` alone.
    pub files: Vec<EntryPath>,
}

impl Finding {
    /// Returns a finding with its code's severity and without evidence.
    pub fn new(code: Code, platform: &Platform, path: EntryPath, message: String, help: impl Into<String>) -> Self {
        let platform = platform.clone();
        let help = help.into();
        Self {
            severity: code.severity(),
            code,
            platform,
            path,
            message,
            expected: None,
            found: None,
            help,
            files: Vec::new(),
        }
    }

    /// Returns the finding as a warning if `is_mild`, else as it is.
    #[must_use]
    pub fn warning_if(mut self, is_mild: bool) -> Self {
        if is_mild {
            self.severity = Severity::Warning;
        }
        self
    }

    /// Adds all files that it is about.
    #[must_use]
    pub fn about(self, files: impl IntoIterator<Item = EntryPath>) -> Self {
        let mut files: Vec<EntryPath> = files.into_iter().collect();
        files.sort();
        files.dedup();
        Self { files, ..self }
    }

    /// Adds the expected value and the value that was found.
    pub fn evidence(self, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            expected: Some(expected.into()),
            found: Some(found.into()),
            ..self
        }
    }

    /// Returns it as an object with every field. `expected` and `found` may be null.
    pub fn to_json(&self) -> Value {
        json!({
            "code": self.code.as_str(),
            "severity": self.severity.as_str(),
            "platform": self.platform.to_string(),
            "path": self.path.to_string(),
            "message": self.message,
            "expected": self.expected,
            "found": self.found,
            "help": self.help,
            "files": self.files.iter().map(EntryPath::to_string).collect::<Vec<_>>(),
        })
    }
}
