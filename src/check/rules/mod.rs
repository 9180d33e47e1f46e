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
mod marks;
mod missing_modules;
mod native_parts;
mod node;
mod node_graph;
mod node_modules;
mod node_start;
mod node_too_old;
mod permissions;
mod program;
mod python;
mod scripts;
mod secrets;
mod semver;
mod shadowed;
mod shebang;
mod shell;
mod users;
mod wrappers;

pub(super) use compiled_python::is_compiled;
pub use environment::check_variables;
pub(super) use installations::is_python_setting;
pub(super) use manifests::is_manifest;
pub(super) use marks::Marks;
pub(super) use node_start::unread_of_start;
pub(super) use python::{METADATA_HEAD_BYTES, follow as follow_python, is_python_metadata, is_python_record};
pub use secrets::check_secrets;

use super::finding::Finding;
use super::subject::Subject;

/// A rule, which adds its findings.
type Rule = fn(&Subject, &mut Vec<Finding>);

const RULES: &[Rule] = &[
    broken_shebang::broken_shebang,
    commands::commands,
    compiled_python::stale_pyc,
    dev_files::dev_files,
    elf::foreign_path,
    elf::programs,
    environment::empty_variable,
    environment::healthcheck_ignored,
    installations::editable_install,
    installations::foreign_home,
    java::java,
    links::links,
    manifests::broken_json,
    node_start::node_start,
    python::lost_native_files,
    python::missing_import,
    python::missing_requirement,
    python::wrong_python,
    permissions::setuid,
    permissions::world_writable,
    secrets::secret_settings,
    shadowed::shadowed,
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
