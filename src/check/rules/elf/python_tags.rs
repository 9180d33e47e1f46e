//! `missing-platform-package` of Python: modules that only another version of Python imports (PEP 3149).

use std::collections::{BTreeMap, BTreeSet};

use super::groups::{Group, grouped, install_help};
use super::survey::{Survey, is_material};
use crate::check::loader::python_minor;
use crate::check::{Code, Finding};
use crate::model::{EntryPath, escape};

/// The version of CPython 3 that a module is for, and the module's name.
fn tag_of(name: &[u8]) -> Option<(&str, u32)> {
    let (module, rest) = std::str::from_utf8(name).ok()?.split_once(".cpython-3")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    // `311` is 3.11; `311d` and `313t` are builds of their own, of which nothing is known.
    let is_plain = rest[digits..].starts_with('-') && rest.ends_with(".so");
    Some((module, rest[..digits].parse().ok().filter(|_| is_plain)?))
}

/// Finds modules for other versions of Python: one finding for each package and version.
pub(super) fn foreign_python(survey: &Survey<'_>, findings: &mut Vec<Finding>) {
    let only = survey.loader.only_python_minor();
    let mut modules: BTreeMap<(EntryPath, &str), BTreeMap<u32, &EntryPath>> = BTreeMap::new();
    for (path, facts) in survey.own() {
        let Some((module, minor)) = tag_of(path.file_name()) else {
            continue;
        };
        if survey.runs(facts) && !is_material(path) {
            modules
                .entry((path.parent().unwrap_or_default(), module))
                .or_default()
                .insert(minor, path);
        }
    }
    let mut wrong = Vec::new();
    for ((folder, module), versions) in &modules {
        let Some(wanted) = python_minor(folder).or(only) else {
            continue;
        };
        let serves = |minor: &u32| *minor == wanted || Some(*minor) == only;
        if versions.keys().any(serves) || has_other_form(survey, folder, module) {
            continue;
        }
        let found: BTreeSet<u32> = versions.keys().copied().collect();
        wrong.extend(
            versions
                .values()
                .take(1)
                .map(|path| ((wanted, found.clone()), (*path).clone())),
        );
    }
    findings.extend(
        grouped(wrong)
            .into_iter()
            .map(|((wanted, found), group)| survey.weighed(finding(survey, wanted, &found, &group), &group.paths)),
    );
}

/// Returns `true` if Python finds the module in another form: plain, for any version, or as source.
fn has_other_form(survey: &Survey<'_>, folder: &EntryPath, module: &str) -> bool {
    ["abi3.so", "so", "py", "pyc"]
        .iter()
        .any(|end| there(survey, folder, &format!("{module}.{end}")))
        || there(survey, folder, &format!("{module}/__init__.py"))
}

fn there(survey: &Survey<'_>, folder: &EntryPath, name: &str) -> bool {
    folder
        .join(name.as_bytes())
        .is_ok_and(|path| survey.subject.exists(&path))
}

fn finding(survey: &Survey<'_>, wanted: u32, found: &BTreeSet<u32>, group: &Group) -> Finding {
    let platform = &survey.subject.platform;
    let versions = found
        .iter()
        .map(|minor| format!("3.{minor}"))
        .collect::<Vec<_>>()
        .join(", ");
    let message = group.sentence(&format!(
        "is built for Python {versions} only, but the image's Python is 3.{wanted}"
    ));
    let help = match &group.package {
        Some(package) => {
            format!(
                "{} --python-version 3.{wanted}",
                install_help(package, platform, None).trim_end_matches('`')
            ) + "`"
        }
        None => format!("build it with Python 3.{wanted}"),
    };
    let finding = survey
        .subject
        .finding(Code::MissingPlatformPackage, group.path().clone(), message, help);
    let finding = finding.about(group.paths.iter().cloned());
    finding.evidence(
        format!("a module for cpython-3{wanted}"),
        escape(group.path().file_name()),
    )
}
