//! Applies a spec's table `[check]` to findings: `allow` ignores some, `deny` makes warnings errors.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

use super::{Code, Coverage, Finding, Severity};
use crate::model::{Diagnostic, EntryPath, ErrorKind, Platform, escape, nearest};

/// Matches every code in `allow`.
const EVERY_CODE: &str = "*";

/// `allow` and `deny` of one platform.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    allow: Vec<Allow>,
    deny: BTreeSet<Code>,
}

#[derive(Debug, Clone)]
struct Allow {
    /// As the spec writes it.
    text: String,
    /// `None` for every code.
    code: Option<Code>,
    pattern: GlobMatcher,
}

/// An `allow` or a `deny` that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// An unknown code.
    #[error("`{key}` in [check] names an unknown finding code: \"{}\"", escape(.code.as_bytes()))]
    UnknownCode {
        /// `allow` or `deny`.
        key: &'static str,
        /// The code.
        code: String,
    },
    /// A pattern that cannot be read.
    #[error("`allow` in [check] has an invalid pattern \"{}\": {reason}", escape(.pattern.as_bytes()))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        reason: String,
    },
}

impl Diagnostic for PolicyError {
    fn error_kind(&self) -> ErrorKind {
        ErrorKind::Input
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::UnknownCode { code, .. } => match nearest(code, Code::ALL.iter().map(|known| known.as_str())) {
                Some(known) => format!("did you mean \"{known}\"? run `ocitect check --codes` to list all codes"),
                None => "run `ocitect check --codes` to list all codes".to_owned(),
            },
            Self::Pattern { .. } => "write a path with *, ** and ?, such as /app/**".to_owned(),
        })
    }
}

impl Policy {
    /// Creates a policy from pairs of code and pattern, and from codes, as the spec has them.
    ///
    /// # Errors
    /// Returns [`PolicyError`] for an unknown code and for a pattern that cannot be parsed.
    pub fn new(allow: &[(String, String)], deny: &[String]) -> Result<Self, PolicyError> {
        let known = |key, text: &String| {
            text.parse().map_err(|()| PolicyError::UnknownCode {
                key,
                code: text.clone(),
            })
        };
        let allow = allow.iter().map(|(code, pattern)| {
            let text = format!("{code}:{pattern}");
            let code = if code == EVERY_CODE {
                None
            } else {
                Some(known("allow", code)?)
            };
            // A star does not cross a slash, as in a shell; two do.
            let glob = GlobBuilder::new(pattern).literal_separator(true).build();
            let glob = glob.map_err(|error| PolicyError::Pattern {
                pattern: pattern.clone(),
                reason: error.kind().to_string(),
            })?;
            Ok(Allow {
                text,
                code,
                pattern: glob.compile_matcher(),
            })
        });
        Ok(Self {
            allow: allow.collect::<Result<_, PolicyError>>()?,
            deny: deny.iter().map(|code| known("deny", code)).collect::<Result<_, _>>()?,
        })
    }
}

impl Policy {
    /// Returns `true` if a warning of this code is an error.
    pub fn denies(&self, code: Code) -> bool {
        self.deny.contains(&code)
    }

    /// Returns the severity of a finding that is about no path in the image, or `None` if it is allowed.
    pub fn apply(&self, code: Code, severity: Severity) -> Option<Severity> {
        match () {
            () if self.allow.iter().any(|allow| allow.matches(code, &EntryPath::root())) => None,
            () if self.denies(code) => Some(Severity::Error),
            () => Some(severity),
        }
    }
}

/// The remaining findings of all platforms, after applying the policy of each.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Errors first, then by code, platform and path.
    pub findings: Vec<Finding>,
    /// How many were skipped.
    pub allowed_count: usize,
    /// What was checked, in the order of the platforms.
    pub checked: Vec<Coverage>,
    policies: BTreeMap<Platform, Policy>,
    used: BTreeSet<String>,
}

impl Verdict {
    /// Creates a verdict without findings, with a policy for each platform.
    pub fn new(policies: BTreeMap<Platform, Policy>) -> Self {
        Self {
            policies,
            ..Self::default()
        }
    }

    /// Adds what was checked.
    #[must_use]
    pub fn with_checked(self, checked: impl IntoIterator<Item = Coverage>) -> Self {
        Self {
            checked: self.checked.into_iter().chain(checked).collect(),
            ..self
        }
    }

    /// Adds findings. Allowed findings are left out, and denied warnings become errors.
    #[must_use]
    pub fn with(mut self, findings: impl IntoIterator<Item = Finding>) -> Self {
        for mut finding in findings {
            if let Some(policy) = self.policies.get(&finding.platform) {
                // All that match are of use.
                let passing: Vec<&Allow> = policy.allow.iter().filter(|allow| allow.passes(&finding)).collect();
                if !passing.is_empty() {
                    self.allowed_count += 1;
                    self.used.extend(passing.into_iter().map(|allow| allow.text.clone()));
                    continue;
                }
                if policy.denies(finding.code) {
                    finding.severity = Severity::Error;
                }
            }
            self.findings.push(finding);
        }
        self.findings.sort();
        self.findings.dedup();
        self
    }

    /// Adds a warning for each `allow` entry that matched nothing on any platform. Entries for every code are exempt,
    /// since they exclude paths from the check, and so are those for codes that only the check of a deployment finds. Call it once, after all findings are added.
    #[must_use]
    pub fn with_unused_allows(self) -> Self {
        let mut unused: BTreeMap<&str, &Platform> = BTreeMap::new();
        for (platform, policy) in &self.policies {
            for allow in policy.allow.iter().filter(|allow| {
                allow.code.is_some_and(|code| !code.is_of_deployment()) && !self.used.contains(&allow.text)
            }) {
                unused.entry(&allow.text).or_insert(platform);
            }
        }
        let finding = |(text, platform): (&str, &Platform)| {
            let message = format!("`allow` entry \"{}\" matches no finding", escape(text.as_bytes()));
            Finding::new(
                Code::UnusedAllow,
                platform,
                EntryPath::root(),
                message,
                "remove it from [check]",
            )
        };
        let findings: Vec<Finding> = unused.into_iter().map(finding).collect();
        self.with(findings)
    }

    /// Returns the number of errors.
    pub fn error_count(&self) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count()
    }

    /// Returns the number of warnings.
    pub fn warning_count(&self) -> usize {
        self.findings.len() - self.error_count()
    }
}

impl Allow {
    fn passes(&self, finding: &Finding) -> bool {
        self.matches(finding.code, &finding.path)
    }

    fn matches(&self, code: Code, path: &EntryPath) -> bool {
        let absolute = [b"/", path.as_bytes()].concat();
        self.code.is_none_or(|known| known == code) && self.pattern.is_match(Path::new(OsStr::from_bytes(&absolute)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: Code, path: &str) -> Finding {
        let platform = Platform::new("linux", "amd64");
        Finding::new(
            code,
            &platform,
            EntryPath::new(path.as_bytes()).unwrap(),
            "m".to_owned(),
            "h",
        )
    }

    fn verdict(allow: &[&str], deny: &[&str], findings: &[(Code, &str)]) -> Vec<String> {
        let split = |text: &&str| {
            text.split_once(':')
                .map(|(code, path)| (code.to_owned(), path.to_owned()))
                .unwrap()
        };
        let allow: Vec<_> = allow.iter().map(split).collect();
        let deny: Vec<_> = deny.iter().map(|code| (*code).to_owned()).collect();
        let policy = Policy::new(&allow, &deny).unwrap();
        let findings = findings.iter().map(|(code, path)| finding(*code, path));
        let verdict = Verdict::new([(Platform::new("linux", "amd64"), policy)].into()).with(findings);
        let shown = |finding: &Finding| format!("{} {} {}", finding.severity.as_str(), finding.code, finding.path);
        verdict.with_unused_allows().findings.iter().map(shown).collect()
    }

    #[test]
    fn what_is_allowed_is_passed_over_by_code_and_path() {
        let findings = [
            (Code::Secret, "/app/a.pem"),
            (Code::Secret, "/app/b/c.pem"),
            (Code::RunsAsRoot, "/"),
        ];
        assert_eq!(
            verdict(&["secret:/app/*.pem", "runs-as-root:/**"], &[], &findings),
            ["warning secret /app/b/c.pem"]
        );
        assert_eq!(verdict(&["*:/**"], &[], &findings), [""; 0]);
    }

    #[test]
    fn what_is_denied_is_an_error_and_stands_first() {
        let findings = [(Code::Secret, "/a"), (Code::RunsAsRoot, "/"), (Code::WrongLibc, "/z")];
        assert_eq!(
            verdict(&[], &["secret"], &findings),
            ["error secret /a", "error wrong-libc /z", "warning runs-as-root /"]
        );
    }

    #[test]
    fn an_allow_that_matches_nothing_is_a_warning_but_for_every_code() {
        assert_eq!(
            verdict(&["secret:/nowhere", "*:/nowhere"], &[], &[]),
            ["warning unused-allow /"]
        );
        assert_eq!(
            verdict(&["secret:/x", "unused-allow:/**"], &["unused-allow"], &[]),
            [""; 0]
        );
        assert_eq!(
            verdict(&["secret:/x"], &["unused-allow"], &[]),
            ["error unused-allow /"]
        );
        // Two entries for one finding are both of use.
        assert_eq!(
            verdict(&["secret:/x", "secret:/**"], &[], &[(Code::Secret, "/x")]),
            [""; 0]
        );
    }

    #[test]
    fn codes_and_patterns_that_mean_nothing_are_refused() {
        let error = Policy::new(&[("secrets".to_owned(), "/**".to_owned())], &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`allow` in [check] names an unknown finding code: \"secrets\""
        );
        assert!(error.help().unwrap().contains("did you mean \"secret\"?"));
        let error = Policy::new(&[], &["x".to_owned()]).unwrap_err();
        assert_eq!(error.help().unwrap(), "run `ocitect check --codes` to list all codes");
        let error = Policy::new(&[("secret".to_owned(), "/[".to_owned())], &[]).unwrap_err();
        assert!(matches!(error, PolicyError::Pattern { .. }), "{error}");
    }
}
