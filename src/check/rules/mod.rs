//! The rules, each in the file that its subject names. A rule reads a [`Subject`] and nothing else, and is silent where it
//! cannot know: a library that is opened by `dlopen`, a path that is made at run time.

use super::finding::Finding;
use super::subject::Subject;

/// A rule adds what it finds.
type Rule = fn(&Subject, &mut Vec<Finding>);

const RULES: &[Rule] = &[];

/// Applies every rule. Sorted, each finding once.
pub fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        rule(subject, &mut findings);
    }
    findings.sort();
    findings.dedup();
    findings
}
