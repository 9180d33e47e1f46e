//! Libraries of Python packages that no file needs by name: `ctypes` or the package's own libraries open them.

use std::collections::BTreeSet;

use super::excuses::is_injected;
use super::loading::{Problem, What};
use super::packages::{Registry, package_of};
use super::survey::Survey;
use crate::check::loader::{Module, is_library};
use crate::model::base_name;

/// Families of libraries with several parts, such as those for graphics processors: code that opens one checks first
/// whether it exists.
const FAMILIES: &[&[u8]] = &[
    b"libOpenCL.",
    b"libamdhip64.",
    b"libcublas",
    b"libcudart.",
    b"libcudnn",
    b"libcufft",
    b"libcurand.",
    b"libcusolver",
    b"libcusparse",
    b"libmigraphx",
    b"libnccl.",
    b"libnvJitLink.",
    b"libnvinfer",
    b"libnvonnxparser",
    b"libnvrtc",
    b"librocm",
    // Plugins of Qt for those of its modules that a wheel does not have.
    b"libQt5",
    b"libQt6",
];

/// Returns the problems of such libraries.
pub(super) fn problems_of_opened(survey: &Survey<'_>) -> Vec<Problem> {
    let needed: BTreeSet<&[u8]> = survey
        .files
        .values()
        .flat_map(|facts| &facts.needed)
        .map(|name| base_name(name))
        .collect();
    let mut found = Vec::new();
    for (path, facts) in survey.own() {
        let is_ours = package_of(path).is_some_and(|package| package.registry == Registry::Pypi);
        let is_opened = is_ours
            && Module::of(path).is_none()
            && (is_library(path, facts) || path.file_name().starts_with(b"lib"))
            && !needed.contains(path.file_name())
            && facts.soname.as_ref().is_none_or(|soname| !needed.contains(&soname[..]))
            && path.components().all(|component| !component.ends_with(b".libs"));
        if !is_opened || !survey.runs(facts) || survey.is_aside(path, facts) {
            continue;
        }
        let Some(closure) = survey.loader.load(path) else {
            continue;
        };
        let missing = closure.own_needs().filter(|need| {
            need.found.is_none()
                && need.passed_over.is_none()
                && !is_injected(&need.name)
                && !FAMILIES.iter().any(|start| need.name.starts_with(start))
                && survey
                    .named(&need.name, facts)
                    .iter()
                    .all(|path| path.file_name() != need.name)
        });
        found.extend(missing.map(|need| Problem {
            file: closure.objects[need.by].path.clone(),
            what: What::MissingLibrary(need.name.clone()),
            root: path.clone(),
        }));
    }
    found
}
