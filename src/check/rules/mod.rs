//! The rules, each in the file of its name. A rule reads a [`Subject`] and nothing else. It reports nothing that it
//! cannot know: a library that is opened by `dlopen`, a path that is created at run time.

mod broken_shebang;
mod commands;
mod compiled_python;
mod dependencies;
mod dev_files;
mod elf;
mod engines;
mod environment;
mod failure;
mod identity;
mod installations;
mod java;
mod last_command;
mod links;
mod listing;
mod manifests;
mod missing_modules;
mod native_parts;
mod node;
mod node_graph;
mod node_start;
mod node_too_old;
mod permissions;
mod program;
mod python;
mod rule;
mod script_failure;
mod scripts;
mod secrets;
mod semver;
mod shadowed;
mod shebang;
mod shell;
#[cfg(test)]
mod tests;
mod users;
mod wrappers;

pub use environment::{check_variables, required_variables};
pub use secrets::check_secrets;

pub(super) use rule::Rule;

use super::{Finding, Interest, MAX_WHOLE_BYTES, Subject};
use crate::model::EntryPath;
use rule::ReadPart;

/// Every rule.
const RULES: &[Rule] = &[
    broken_shebang::RULE,
    commands::RULE,
    compiled_python::RULE,
    dev_files::RULE,
    elf::FOREIGN_PATH,
    elf::PROGRAMS,
    environment::EMPTY_VARIABLE,
    environment::HEALTHCHECK_IGNORED,
    installations::EDITABLE_INSTALL,
    installations::FOREIGN_HOME,
    java::RULE,
    links::RULE,
    manifests::RULE,
    node_start::RULE,
    permissions::SETUID,
    permissions::WORLD_WRITABLE,
    python::LOST_NATIVE_FILES,
    python::MISSING_IMPORT,
    python::MISSING_REQUIREMENT,
    python::WRONG_PYTHON,
    secrets::RULE,
    shadowed::RULE,
    users::RUNS_AS_ROOT,
    users::UNKNOWN_ACCOUNTS,
    users::UNWRITABLE_WORKDIR,
];

/// Applies every rule. Sorted, each finding once.
pub fn check(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in RULES {
        let before = findings.len();
        (rule.find)(subject, &mut findings);
        debug_assert!(
            findings[before..]
                .iter()
                .all(|finding| rule.codes.contains(&finding.code))
        );
    }
    findings.sort();
    findings.dedup();
    findings
}

/// Reads the files of your layers that those which were read refer to.
pub(super) fn follow(subject: &Subject, read: &mut ReadPart<'_>) {
    for rule in RULES {
        (rule.follows)(subject, read);
    }
}

/// Returns how much of a file the rules need to read, by its path, mode and size only. Most files are never opened, so
/// the check takes little time compared with packing.
pub fn interest(path: &EntryPath, mode: u32, size_bytes: u64) -> Interest {
    let fits = |part: &Interest| *part != Interest::Whole || size_bytes <= MAX_WHOLE_BYTES;
    let parts = RULES.iter().map(|rule| (rule.reads)(path, mode));
    parts.filter(fits).max().unwrap_or(Interest::Nothing)
}
