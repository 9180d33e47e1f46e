//! `foreign-path`: an RPATH or RUNPATH that names a directory of the machine that built the file.

use std::collections::BTreeMap;

use super::groups::{files, listed};
use super::packages::package_of;
use crate::check::{Code, Finding, Rule, Subject};
use crate::model::{EntryPath, escape};

/// Directories of build machines. A path that is meant for the image starts otherwise.
const BUILD_PLACES: &[&[u8]] = &[
    b"/Users/",
    b"/__w/",
    b"/build/",
    b"/builds/",
    b"/github/",
    b"/home/",
    b"/nix/store/",
    b"/opt/hostedtoolcache/",
    b"/private/",
    b"/project/",
    b"/root/",
    b"/tmp/",
    b"/var/jenkins_home/",
    b"/var/lib/jenkins/",
    b"/var/tmp/",
];

/// Entries of one list that are looked at.
const MAX_ENTRIES: usize = 1000;

/// The rule of [`foreign_path`].
pub(in super::super) const RULE: Rule = Rule::new(&[Code::ForeignPath], foreign_path);

/// Finds paths of build machines: one finding for each path. Files of a registry's package are skipped, since they
/// cannot be changed when packing. If the loader misses a library because of the path, that is a finding of its own.
fn foreign_path(subject: &Subject, findings: &mut Vec<Finding>) {
    let mut entries: BTreeMap<&[u8], Vec<&EntryPath>> = BTreeMap::new();
    for (path, facts) in subject.elf_files() {
        if !subject.own().contains_key(path) || package_of(path).is_some() {
            continue;
        }
        let list = facts.runpath.as_deref().or(facts.rpath.as_deref()).unwrap_or_default();
        let parts = list.split(|byte| *byte == b':').take(MAX_ENTRIES);
        for part in parts.filter(|part| BUILD_PLACES.iter().any(|place| part.starts_with(place))) {
            let files = entries.entry(part).or_default();
            if files.last() != Some(&path) {
                files.push(path);
            }
        }
    }
    entries.retain(|part, _| EntryPath::new(part).is_ok_and(|path| !subject.exists(&path)));
    findings.extend(entries.iter().map(|(part, paths)| finding(subject, part, paths)));
}

fn finding(subject: &Subject, part: &[u8], paths: &[&EntryPath]) -> Finding {
    let text = escape(part);
    let more = match paths.len() {
        1 => String::new(),
        count => format!(" ({} contain it)", files(count)),
    };
    let message = format!("searches for libraries in {text}, a path of the machine that built it{more}");
    let help = "link with the RPATH `$ORIGIN`, or remove the RPATH (`patchelf --remove-rpath`)";
    let found: Vec<String> = paths.iter().map(ToString::to_string).collect();
    subject
        .finding(Code::ForeignPath, paths[0].clone(), message, help)
        .evidence(
            "an RPATH that exists in the image",
            format!("{text} in {}", listed(&found)),
        )
}
