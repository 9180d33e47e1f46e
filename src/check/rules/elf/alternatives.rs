//! Alternative modules of one package: built for several versions of the runtime, C libraries or distributions, of
//! which the package loads one.

use std::collections::{BTreeMap, BTreeSet};

use super::loading::{Problem, What};
use super::packages::{Registry, package_of};
use super::survey::Survey;
use super::words::words;
use crate::check::loader::Module;
use crate::model::EntryPath;

/// Words for distributions.
const DISTRIBUTIONS: &[&str] = &[
    "almalinux",
    "alpine",
    "amazonlinux",
    "amzn",
    "archlinux",
    "bionic",
    "bookworm",
    "bullseye",
    "buster",
    "centos",
    "debian",
    "fedora",
    "focal",
    "jammy",
    "mariner",
    "noble",
    "opensuse",
    "oracle",
    "rhel",
    "rocky",
    "sles",
    "suse",
    "trixie",
    "ubuntu",
    "xenial",
];

/// Words for runtimes and their binary interfaces.
const RUNTIMES: &[&str] = &[
    "abi", "cpython", "electron", "napi", "node", "nodejs", "webkit", "ssl", "openssl",
];

/// Beginnings of words that end in a version: `abi115`, `cp311`, `v8`.
const VERSIONED: &[&str] = &[
    "abi", "cp", "cpython", "napi", "node", "py", "python", "v", "ssl", "openssl", "webkit",
];

/// Returns the common part of alternatives: the package, and the path in it without the words in which they differ.
/// Returns `None` for files that are not a module of a package.
pub(super) fn family(path: &EntryPath) -> Option<(EntryPath, String)> {
    Module::of(path)?;
    let package = package_of(path)?;
    let inside = path.as_bytes().get(package.folder.as_bytes().len() + 1..)?;
    let mut components: Vec<&[u8]> = inside.split(|byte| *byte == b'/').collect();
    let name = components.pop()?;
    let folders = components.iter().map(|component| plain(component, true));
    // Extension modules of Python that differ in a number are two modules.
    let name = plain(name, package.registry == Registry::Npm);
    Some((package.folder, folders.chain([name]).collect::<Vec<_>>().join("/")))
}

/// A component without the words in which alternatives differ.
fn plain(component: &[u8], drops_numbers: bool) -> String {
    let rest = words(component).rest;
    let is_version = |word: &str| {
        let number = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
        VERSIONED.iter().any(|start| {
            word.strip_prefix(start)
                .is_some_and(|rest| !rest.is_empty() && number(rest))
        }) || (drops_numbers && number(word))
    };
    let is_told_apart = |word: &str| {
        !is_version(word)
            && !DISTRIBUTIONS.contains(&word.trim_end_matches(|last: char| last.is_ascii_digit()))
            && !RUNTIMES.contains(&word)
    };
    let mut kept: Vec<&str> = Vec::new();
    let mut previous = "";
    for word in rest.split('-') {
        // The version in `cpython-311`.
        let is_tag = previous == "cpython" && word.bytes().all(|byte| byte.is_ascii_digit());
        if is_told_apart(word) && !is_tag {
            kept.push(word);
        }
        previous = word;
    }
    kept.join("-")
}

/// Removes the problems of alternatives: all of them if one alternative loads, else all except those of the alternative
/// that is closest to loading. A file for another C library is kept: it has a separate finding.
pub(super) fn without_alternatives(survey: &Survey<'_>, problems: BTreeSet<Problem>) -> BTreeSet<Problem> {
    let mut wrong: BTreeMap<EntryPath, Vec<&Problem>> = BTreeMap::new();
    for problem in &problems {
        wrong.entry(problem.root.clone()).or_default().push(problem);
    }
    let mut families: BTreeMap<(EntryPath, String), Vec<&EntryPath>> = BTreeMap::new();
    for (root, _) in survey.roots() {
        if let Some(family) = family(root) {
            families.entry(family).or_default().push(root);
        }
    }
    let mut dropped: BTreeSet<EntryPath> = BTreeSet::new();
    for members in families.into_values().filter(|members| members.len() > 1) {
        // The fewest problems first; another C library is the farthest from loading.
        let rank = |root: &&&EntryPath| {
            let problems = wrong.get(**root).map(Vec::as_slice).unwrap_or_default();
            let is_foreign = problems
                .iter()
                .any(|problem| matches!(problem.what, What::WrongLibc(_)));
            (is_foreign, problems.len())
        };
        let Some(best) = members.iter().min_by_key(rank) else {
            continue;
        };
        dropped.extend(members.iter().filter(|root| root != &best).map(|root| (*root).clone()));
    }
    dropped.extend(shadowed_by_builds(survey, &wrong));
    let is_kept = |problem: &Problem| matches!(problem.what, What::WrongLibc(_)) || !dropped.contains(&problem.root);
    problems.iter().filter(|problem| is_kept(problem)).cloned().collect()
}

/// Modules that were shipped with a package of npm and that it skips for one that was built on the spot: the loaders
/// `node-gyp-build` and `bindings` look into `build/Release` before `prebuilds`.
fn shadowed_by_builds(survey: &Survey<'_>, wrong: &BTreeMap<EntryPath, Vec<&Problem>>) -> BTreeSet<EntryPath> {
    let folder_in_package = |path: &EntryPath, inside: &[u8]| {
        let package = package_of(path).filter(|package| package.registry == Registry::Npm)?;
        let is_there = package
            .folder
            .join(inside)
            .is_ok_and(|folder| path.starts_with(&folder));
        is_there.then_some(package.folder)
    };
    let loading = survey
        .roots()
        .map(|(root, _)| root)
        .filter(|root| !wrong.contains_key(*root));
    let built: BTreeSet<EntryPath> = loading
        .filter_map(|root| folder_in_package(root, b"build/Release"))
        .collect();
    let is_shadowed = |root: &&EntryPath| folder_in_package(root, b"prebuilds").is_some_and(|it| built.contains(&it));
    wrong.keys().filter(is_shadowed).cloned().collect()
}

/// Returns the families of which one member loads.
pub(super) fn served_families(survey: &Survey<'_>, problems: &BTreeSet<Problem>) -> BTreeSet<(EntryPath, String)> {
    let wrong: BTreeSet<&EntryPath> = problems.iter().map(|problem| &problem.root).collect();
    let loading = survey
        .roots()
        .map(|(root, _)| root)
        .filter(|root| !wrong.contains(root));
    loading.filter_map(family).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::path;

    #[test]
    fn alternatives_differ_in_abi_libc_and_distribution() {
        let same = |left: &str, right: &str| family(&path(left)).unwrap() == family(&path(right)).unwrap();
        for (left, right) in [
            (
                "m/node_modules/z/build/linux/x64/node/115-glibc/a.node",
                "m/node_modules/z/build/linux/x64/node/131-musl/a.node",
            ),
            (
                "m/node_modules/z/lib/alpine3.18/a.node",
                "m/node_modules/z/lib/ubuntu/a.node",
            ),
            (
                "m/node_modules/z/lib/binding/napi-v3/a.node",
                "m/node_modules/z/lib/binding/napi-v6/a.node",
            ),
            (
                "m/node_modules/z/prebuilds/linux-x64/node.abi115.node",
                "m/node_modules/z/prebuilds/linux-x64/node.napi.node",
            ),
            (
                "s/site-packages/p/a.cpython-311-x86_64-linux-gnu.so",
                "s/site-packages/p/a.cpython-312-x86_64-linux-gnu.so",
            ),
            ("s/site-packages/p/cp311/a.so", "s/site-packages/p/cp312/a.so"),
        ] {
            assert!(same(left, right), "{left} {right}");
        }
        for (left, right) in [
            (
                "m/node_modules/z/build/Release/a.node",
                "m/node_modules/z/build/Release/b.node",
            ),
            ("s/site-packages/p/a_1.abi3.so", "s/site-packages/p/a_2.abi3.so"),
            ("s/site-packages/p/x/a.abi3.so", "s/site-packages/p/y/a.abi3.so"),
            ("m/node_modules/y/a.node", "m/node_modules/z/a.node"),
        ] {
            assert!(!same(left, right), "{left} {right}");
        }
        assert_eq!(family(&path("app/a.node")), None);
    }
}
