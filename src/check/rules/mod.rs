//! The rules, each in the file that its subject names. A rule reads a [`Subject`] and nothing else, and is silent where it
//! cannot know: a library that is opened by `dlopen`, a path that is made at run time.

mod compiled_python;
mod dev_files;
mod links;
mod listing;
mod manifests;
mod node_modules;
mod permissions;
mod python;
mod secrets;
mod shadowed;

pub(super) use compiled_python::is_compiled;
pub(super) use manifests::is_manifest;
pub(super) use python::is_python_setting;
pub(super) use secrets::{MAX_SUSPECT_BYTES, is_suspect};

use super::finding::Finding;
use super::subject::Subject;

/// A rule adds what it finds.
type Rule = fn(&Subject, &mut Vec<Finding>);

const RULES: &[Rule] = &[
    compiled_python::stale_pyc,
    dev_files::dev_files,
    links::links,
    manifests::broken_json,
    permissions::setuid,
    permissions::world_writable,
    python::editable_install,
    python::foreign_home,
    secrets::secret_files,
    secrets::secret_settings,
    shadowed::shadowed,
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
