//! Libraries that the loader does not find, but that are already in the process: a loaded library is found again by its
//! DT_SONAME (dlopen(3); glibc, elf/dl-load.c, `_dl_map_object`).

use std::collections::BTreeSet;

use super::packages::{Package, Registry, package_of};
use super::survey::Survey;
use crate::check::loader::{Closure, Module, Need};
use crate::check::rules::python::requirements_of;
use crate::model::EntryPath;

/// Libraries that are not in images, since the container's runtime puts in those of the host's graphics driver.
const INJECTED: &[&[u8]] = &[
    b"libcuda.so",
    b"libnvidia-",
    b"libnvcuvid.so",
    b"libnvoptix.so",
    b"libcudadebugger.so",
    b"libvdpau_nvidia.so",
];

/// Packages whose libraries others open by their paths before they load their own modules: NVIDIA's wheels are built
/// for nothing else.
const PRELOADED_PACKAGES: &[&str] = &["nvidia"];

/// Greatest number of modules whose libraries are searched for one that loads a library first.
const MAX_LOADERS: usize = 2_000;

/// Returns `true` for a need that is not found, but may exist at run time.
pub(super) fn is_excused(survey: &Survey<'_>, closure: &Closure<'_>, need: &Need) -> bool {
    let root = &closure.own_objects()[0].path;
    // A file for another processor has a separate finding.
    if need
        .passed_over
        .as_ref()
        .is_some_and(|path| survey.subject.own().contains_key(path))
    {
        return true;
    }
    if is_injected(&need.name) {
        return true;
    }
    match Module::of(root) {
        // Python's own modules need libraries that the image may do without.
        Some(Module::Python) if root.components().any(|component| component == b"lib-dynload") => true,
        Some(_) => is_loaded_before(survey, root, &need.name),
        // A script may set LD_LIBRARY_PATH, in whose directories files are found by their names alone.
        None => !survey.is_started_by_name(root) && has_file(survey, root, &need.name),
    }
}

/// Returns `true` for libraries that the container's runtime adds.
pub(super) fn is_injected(name: &[u8]) -> bool {
    INJECTED.iter().any(|known| name.starts_with(known))
}

/// Returns `true` if the image has a file of that name somewhere.
fn has_file(survey: &Survey<'_>, root: &EntryPath, name: &[u8]) -> bool {
    let places = survey
        .files
        .get(root)
        .map(|facts| survey.named(name, facts))
        .unwrap_or_default();
    places.iter().any(|path| path.file_name() == name)
}

/// Returns `true` if the library that a module needs may have been loaded before it.
fn is_loaded_before(survey: &Survey<'_>, root: &EntryPath, name: &[u8]) -> bool {
    let Some(facts) = survey.files.get(root) else {
        return false;
    };
    let own = package_of(root);
    let candidates = survey.named(name, facts).into_iter().filter(|path| {
        let soname = survey.files[*path].soname.as_deref();
        soname == Some(name) || (soname.is_none() && path.file_name() == name)
    });
    candidates.into_iter().any(|path| {
        let there = package_of(path);
        if there
            .as_ref()
            .is_some_and(|package| PRELOADED_PACKAGES.contains(&package.plain_name()))
        {
            return true;
        }
        let has_its_name = path.file_name() == name;
        match (&own, &there) {
            (Some(own), Some(there)) if is_same(own, there) => {
                opens_libraries(survey, own, has_its_name)
                    || is_loaded_by(survey, root, path, &|other| is_same(own, other))
            }
            // A private folder is for its own package alone.
            (_, Some(there)) if is_private(path, there) => false,
            (Some(own), Some(there)) if has_its_name && may_need(survey, own, there) => true,
            (Some(own), _) => {
                is_loaded_by(survey, root, path, &|other| may_need(survey, own, other))
                    || (there.is_none() && has_its_name && !survey.is_environment_known())
            }
            (None, _) => has_its_name || is_loaded_by(survey, root, path, &|_| true),
        }
    })
}

fn is_same(left: &Package, right: &Package) -> bool {
    (left.registry, left.plain_name(), left.folder.parent())
        == (right.registry, right.plain_name(), right.folder.parent())
}

/// Returns `true` in `numpy.libs` and similar.
fn is_private(path: &EntryPath, package: &Package) -> bool {
    package.registry == Registry::Pypi && path.components().any(|component| component.ends_with(b".libs"))
}

/// Returns `true` if a package may open libraries by their paths: its sources that were read do so, or none was read
/// and a library has exactly this name.
fn opens_libraries(survey: &Survey<'_>, package: &Package, has_its_name: bool) -> bool {
    let mut sources = survey
        .reach()
        .sources
        .iter()
        .filter(|(path, _)| path.starts_with(&package.folder))
        .peekable();
    match sources.peek() {
        Some(_) => sources.any(|(_, source)| source.opens_libraries),
        None => has_its_name,
    }
}

/// Returns `true` if a module of a package that `counts` loads the library at `path` itself.
fn is_loaded_by(survey: &Survey<'_>, root: &EntryPath, path: &EntryPath, counts: &dyn Fn(&Package) -> bool) -> bool {
    let others = survey.roots().map(|(other, _)| other).filter(|other| *other != root);
    let mut others =
        others.filter(|other| Module::of(other).is_some() && package_of(other).is_some_and(|it| counts(&it)));
    others.by_ref().take(MAX_LOADERS).any(|other| {
        let closure = survey.loader.load(other);
        closure.is_some_and(|closure| closure.own_objects().iter().any(|object| object.path == *path))
    })
}

/// Returns `true` if a package may load another one first: its requirements, as far as they are known, include it.
fn may_need(survey: &Survey<'_>, package: &Package, other: &Package) -> bool {
    if package.registry != Registry::Pypi || other.registry != Registry::Pypi {
        return package.registry == other.registry;
    }
    let Some(required) = requirements_of(survey.subject, &package.folder) else {
        return true;
    };
    let required: BTreeSet<String> = required;
    required.contains(&other.plain_name().replace(['_', '.'], "-").to_ascii_lowercase())
}
