//! Lists the problems that the loader would report for each program and module. They are grouped afterwards.

use std::collections::BTreeSet;

use super::excuses::is_excused;
use super::survey::Survey;
use super::words::{Words, words};
use crate::check::abi::{Architecture, Libc};
use crate::check::loader::{Closure, Loaded, Module};
use crate::elf::{ElfFacts, VersionNeed};
use crate::model::{EntryPath, base_name};

/// A problem that keeps a program from starting or a module from loading.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    /// The file with the problem.
    pub(super) file: EntryPath,
    /// The problem.
    pub(super) what: What,
    /// The program or module that does not load because of it.
    pub(super) root: EntryPath,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// It is built for this C library, and the image has the other.
    WrongLibc(Libc),
    /// The loader that it names does not exist.
    MissingLoader(Vec<u8>),
    /// A library that it needs is not found.
    MissingLibrary(Vec<u8>),
    /// A library does not define a symbol version.
    MissingVersion { library: EntryPath, version: Vec<u8> },
}

/// Returns all problems of the image that this build causes. Problems of the base alone are left out, unless the image
/// starts the program.
pub(super) fn problems(survey: &Survey<'_>) -> BTreeSet<Problem> {
    let mut found: BTreeSet<Problem> = survey
        .roots()
        .flat_map(|(path, facts)| problems_of(survey, path, facts))
        .collect();
    let is_own = |problem: &Problem| survey.subject.own().contains_key(&problem.root);
    if found.iter().all(is_own) {
        return found;
    }
    let base = survey.subject.base_alone();
    let Some(base) = Survey::of(&base) else { return found };
    let roots: BTreeSet<EntryPath> = found
        .iter()
        .filter(|problem| !is_own(problem))
        .map(|it| it.root.clone())
        .collect();
    for root in roots.iter().filter(|root| survey.started.as_ref() != Some(root)) {
        let Some((root, facts)) = base.files.get_key_value(root) else {
            continue;
        };
        for known in problems_of(&base, root, facts) {
            found.remove(&known);
        }
    }
    found
}

fn problems_of(survey: &Survey<'_>, root: &EntryPath, facts: &ElfFacts) -> Vec<Problem> {
    let problem = |file: &EntryPath, what| Problem {
        file: file.clone(),
        what,
        root: root.clone(),
    };
    if let Some(what) = loader_problem(survey, root, facts) {
        return vec![problem(root, what)];
    }
    let Some(closure) = survey.loader.load(root) else {
        return Vec::new();
    };
    let foreign: Vec<Problem> = (closure.first_own()..closure.objects.len())
        .filter_map(|at| {
            Some(problem(
                &closure.objects[at].path,
                What::WrongLibc(foreign_libc(survey, &closure, at)?),
            ))
        })
        .collect();
    if !foreign.is_empty() {
        return foreign;
    }
    let missing = closure
        .own_needs()
        .filter(|need| need.found.is_none() && !is_excused(survey, &closure, need));
    let mut found: Vec<Problem> = missing
        .map(|need| problem(&closure.objects[need.by].path, What::MissingLibrary(need.name.clone())))
        .collect();
    if closure.libc == Libc::Glibc {
        let objects = closure.own_objects().iter();
        found.extend(
            objects
                .flat_map(|object| missing_versions(&closure, object))
                .map(|(path, what)| problem(path, what)),
        );
    }
    found
}

/// Returns the problem of a program whose loader does not exist, or belongs to the other C library.
fn loader_problem(survey: &Survey<'_>, root: &EntryPath, facts: &ElfFacts) -> Option<What> {
    let interpreter = facts.interpreter.as_ref().filter(|_| Module::of(root).is_none())?;
    if survey.loader.has_file(interpreter) {
        return None;
    }
    let wanted = Libc::of_loader(base_name(interpreter));
    let loaders = Architecture::of(facts)
        .map(|it| survey.loader.loaders(it))
        .unwrap_or_default();
    match wanted {
        Some(wanted) if !loaders.is_empty() && loaders.iter().all(|(libc, _)| *libc != wanted) => {
            Some(What::WrongLibc(wanted))
        }
        _ => Some(What::MissingLoader(interpreter.clone())),
    }
}

/// The C library that an object is built for, if it is not that of the process.
fn foreign_libc(survey: &Survey<'_>, closure: &Closure<'_>, at: usize) -> Option<Libc> {
    let object = &closure.objects[at];
    let facts = object.facts?;
    let mut needs = closure.needs_of(at).iter();
    let is_read = |found: Option<usize>| found.is_some_and(|found| closure.objects[found].facts.is_some());
    match closure.libc {
        // glibc's `libc.so`, if it exists, is a text for the linker: a file that needs it was linked with musl.
        Libc::Glibc => needs
            .any(|need| (need.name.starts_with(b"libc.musl-") || need.name == b"libc.so") && !is_read(need.found))
            .then_some(Libc::Musl),
        Libc::Musl => {
            let needs_loader =
                needs.any(|need| need.found.is_none() && Libc::of_loader(&need.name) == Some(Libc::Glibc));
            let needs_libc = facts.needed.iter().any(|name| name == b"libc.so.6");
            let loaders = Architecture::of(facts)
                .map(|it| survey.loader.loaders(it))
                .unwrap_or_default();
            let has_glibc = loaders.iter().any(|(libc, _)| *libc == Libc::Glibc);
            let is_foreign = needs_loader || (needs_libc && !has_glibc && is_for_glibc_alone(survey, &object.path));
            is_foreign.then_some(Libc::Glibc)
        }
    }
}

/// Returns `true` for a file that only works with glibc. musl also provides the name of glibc's library, and some
/// simple modules run with it. Modules that are published for any C library are assumed to work; those that name glibc,
/// or were built here, are not.
fn is_for_glibc_alone(survey: &Survey<'_>, path: &EntryPath) -> bool {
    let names: Vec<Words> = path.components().map(words).collect();
    let says = |libc: Option<Libc>| libc == Some(Libc::Glibc);
    if names.iter().any(|words| says(words.libc)) || says(survey.declared_libc(path)) {
        return true;
    }
    !names.iter().any(|words| words.architecture.is_some()) && path.components().all(|name| name != b"prebuilds")
}

/// Returns the symbol versions that an object needs and the libraries do not have. The loader accepts a library without
/// any versions.
fn missing_versions<'c>(closure: &'c Closure<'_>, object: &'c Loaded<'_>) -> Vec<(&'c EntryPath, What)> {
    let mut missing = Vec::new();
    let Some(facts) = object.facts else { return missing };
    for VersionNeed {
        library: name,
        versions,
    } in &facts.version_needs
    {
        let Some(library) = closure.named(name) else { continue };
        let given = library
            .facts
            .map(|facts| &facts.version_definitions)
            .filter(|given| !given.is_empty());
        let Some(given) = given else { continue };
        let lacking = versions.iter().filter(|version| given.binary_search(version).is_err());
        missing.extend(lacking.map(|version| {
            let what = What::MissingVersion {
                library: library.path.clone(),
                version: version.clone(),
            };
            (&object.path, what)
        }));
    }
    missing
}
