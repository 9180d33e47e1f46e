//! The rules, each in the file that its subject names. A rule reads a [`Subject`] and nothing else, and is silent where it
//! cannot know: a library that is opened by `dlopen`, a path that is made at run time.

mod broken_shebang;
mod commands;
mod elf;
mod environment;
mod failure;
mod identity;
mod node;
mod program;
mod python;
mod scripts;
mod shebang;
mod shell;
mod users;
mod wrappers;

pub use environment::check_variables;

use super::finding::Finding;
use super::subject::Subject;

/// A rule adds what it finds.
type Rule = fn(&Subject, &mut Vec<Finding>);

const RULES: &[Rule] = &[
    broken_shebang::broken_shebang,
    commands::commands,
    elf::foreign_path,
    elf::programs,
    environment::empty_variable,
    environment::healthcheck_ignored,
    users::runs_as_root,
    users::unknown_accounts,
    users::unwritable_workdir,
];

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
