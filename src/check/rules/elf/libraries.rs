//! `missing-library`: what is needed and is not where the loader looks.

use std::collections::{BTreeMap, BTreeSet};

use super::groups::listed;
use super::loading::{Problem, What};
use super::survey::Survey;
use crate::check::code::Code;
use crate::check::finding::Finding;
use crate::model::{EntryPath, escape};
use crate::tree::PackageSystem;

/// Directories that the evidence lists.
const MAX_PLACES: usize = 8;

/// Libraries that the same files miss, and those files with the programs or modules that load them.
type Missing<'p> = BTreeMap<BTreeSet<&'p EntryPath>, (BTreeSet<&'p [u8]>, &'p Problem)>;

/// Tells of libraries that are not found: one finding for all that the same files lack.
pub(super) fn missing_library(survey: &Survey<'_>, problems: &BTreeSet<Problem>, findings: &mut Vec<Finding>) {
    let mut needers: BTreeMap<&[u8], (BTreeSet<&EntryPath>, &Problem)> = BTreeMap::new();
    for problem in problems {
        if let What::MissingLibrary(name) = &problem.what {
            needers.entry(name).or_insert_with(|| (BTreeSet::new(), problem)).0.insert(&problem.file);
        }
    }
    let mut missing: Missing<'_> = BTreeMap::new();
    for (name, (files, problem)) in needers {
        missing.entry(files).or_insert_with(|| (BTreeSet::new(), problem)).0.insert(name);
    }
    findings.extend(missing.iter().map(|(files, (names, problem))| finding(survey, files, names, problem)));
}

fn finding(survey: &Survey<'_>, files: &BTreeSet<&EntryPath>, names: &BTreeSet<&[u8]>, problem: &Problem) -> Finding {
    let platform = &survey.subject.platform;
    let texts: Vec<String> = names.iter().map(|name| escape(name)).collect();
    let first = names.first().copied().unwrap_or_default();
    let facts = survey.files.get(&problem.file);
    let elsewhere = facts.map(|facts| survey.named(first, facts)).unwrap_or_default();
    let is_one = texts.len() == 1;
    let fault = match (elsewhere.first(), is_one) {
        (Some(there), true) => format!("which is in {there}, where the loader does not look"),
        _ => format!("which {} not where the loader looks", if is_one { "is" } else { "are" }),
    };
    let own = survey.subject.own();
    let path = files.iter().find(|path| own.contains_key(**path)).copied().unwrap_or(&problem.file);
    let others: Vec<String> = files.iter().filter(|other| **other != path).map(ToString::to_string).collect();
    let more = match others.is_empty() {
        true => String::new(),
        false => format!("; so {} {}", if others.len() == 1 { "does" } else { "do" }, listed(&others)),
    };
    let through = if problem.root == problem.file { String::new() } else { format!(" (loaded by {})", problem.root) };
    let message = format!("needs {}, {fault}{more}{through}", listed(&texts));
    let found: Vec<String> = elsewhere.iter().map(ToString::to_string).collect();
    let found = if found.is_empty() { "no such file".to_owned() } else { listed(&found) };
    Finding::new(Code::MissingLibrary, platform, path.clone(), message, help(survey, first, elsewhere.first().copied()))
        .evidence(format!("{} in {}", escape(first), places(survey, problem)), found)
}

/// Where the loader looks.
fn places(survey: &Survey<'_>, problem: &Problem) -> String {
    let searched = || {
        let closure = survey.loader.load(&problem.root)?;
        let at = closure.objects.iter().position(|object| object.path == problem.file)?;
        Some(survey.loader.searched(&closure, at))
    };
    let searched = searched().unwrap_or_default();
    let mut texts: Vec<String> = searched.iter().take(MAX_PLACES).map(ToString::to_string).collect();
    if searched.len() > MAX_PLACES {
        texts.push("…".to_owned());
    }
    texts.join(":")
}

fn help(survey: &Survey<'_>, name: &[u8], elsewhere: Option<&EntryPath>) -> String {
    if let Some(folder) = elsewhere.and_then(EntryPath::parent) {
        let way = format!("set LD_LIBRARY_PATH to {folder} in the spec's `env`, or link with an RPATH of `$ORIGIN`");
        return match survey.loader.is_in_stale_cache(&folder) {
            true => format!("{way}: the loader reads /etc/ld.so.cache, which ldconfig made before this file came"),
            false => way,
        };
    }
    let package = debian_package(name)
        .filter(|_| survey.subject.base().packages.iter().any(|package| package.system == PackageSystem::Dpkg));
    match package {
        Some(package) => {
            format!("take a base that has it (Debian's package is mostly named {package}), or pack the file")
        }
        None => "take a base that has it, or pack the file into a directory where the loader looks".to_owned(),
    }
}

/// The package of a library by Debian's custom (Debian Policy, 8.1): `libzmq5` of `libzmq.so.5`.
fn debian_package(name: &[u8]) -> Option<String> {
    let (stem, version) = std::str::from_utf8(name).ok()?.split_once(".so.")?;
    let is_plain =
        stem.starts_with("lib") && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+".contains(&byte));
    let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    let dash = if stem.ends_with(|last: char| last.is_ascii_digit()) { "-" } else { "" };
    (is_plain && is_number).then(|| format!("{}{dash}{version}", stem.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_by_custom() {
        for (name, wanted) in [
            ("libzmq.so.5", Some("libzmq5")),
            ("libGL.so.1", Some("libgl1")),
            ("libstdc++.so.6", Some("libstdc++6")),
            ("libfoo2.so.3", Some("libfoo2-3")),
            ("libssl.so.1.1", None),
            ("libx.so", None),
            ("x.so.1", None),
        ] {
            assert_eq!(debian_package(name.as_bytes()).as_deref(), wanted, "{name}");
        }
    }
}
