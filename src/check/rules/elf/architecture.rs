//! `wrong-architecture`: programs and libraries for another processor.

use std::collections::BTreeSet;

use super::foreign::Foreign;
use super::groups::{Group, grouped, install_help};
use super::packages::{Registry, package_of};
use super::survey::{Survey, is_material};
use super::words::{is_for_other_system, platform_parts, respelled};
use crate::check::abi::{Fit, expected_header_text, fit, header_text, made_for};
use crate::check::{Code, Finding};
use crate::elf::ElfFacts;
use crate::model::{EntryPath, escape};

/// Finds files for other processors. Those that have their like for this one beside them are given back.
pub(super) fn wrong_architecture(survey: &Survey<'_>, findings: &mut Vec<Finding>) -> Vec<Foreign> {
    let right = right_families(survey);
    let mut wrong = Vec::new();
    let mut foreign = Vec::new();
    for (path, facts) in survey.own().filter(|(path, facts)| is_wrong(survey, path, facts)) {
        let is_started = survey.started.as_ref() == Some(path);
        match sibling(survey, &right, path).filter(|_| !is_started) {
            Some(beside) => foreign.push(Foreign {
                made_for: made_for(facts),
                ..beside
            }),
            None if !is_started && (is_for_other_system(path) || survey.is_dispensable(path)) => {}
            None => wrong.push((made_for(facts), path.clone())),
        }
    }
    findings.extend(
        grouped(wrong)
            .into_iter()
            .map(|(made_for, group)| survey.weighed(finding(survey, &made_for, &group), &group.paths)),
    );
    foreign
}

/// Returns `true` for a file that another processor is needed for.
fn is_wrong(survey: &Survey<'_>, path: &EntryPath, facts: &ElfFacts) -> bool {
    let is_known = fit(&survey.subject.platform, facts) != Fit::Unknown;
    is_known && !survey.runs(facts) && !is_material(path)
}

/// Returns the families of the files for this processor.
fn right_families(survey: &Survey<'_>) -> BTreeSet<String> {
    let right = survey.files.iter().filter(|(_, facts)| survey.runs(facts));
    let parts = right.flat_map(|(path, _)| platform_parts(path));
    let is_right = |architecture: Option<&str>| architecture == Some(&survey.subject.platform.architecture);
    parts
        .filter(|part| is_right(part.words.architecture))
        .map(|part| part.family)
        .collect()
}

/// Returns the part of a path that names another processor, if the image has the same file for this one.
fn sibling(survey: &Survey<'_>, right: &BTreeSet<String>, path: &EntryPath) -> Option<Foreign> {
    let wanted = &survey.subject.platform.architecture;
    let says_other = |architecture: Option<&str>| architecture.is_some_and(|found| found != wanted);
    let others = || {
        platform_parts(path)
            .into_iter()
            .filter(|part| says_other(part.words.architecture))
    };
    let beside = others().find(|part| right.contains(&part.family));
    // A module that was built at installation is at another place in its package.
    let built = || {
        let package = package_of(path).filter(|package| package.registry == Registry::Npm)?;
        let part = others().find(|part| part.path.starts_with(&package.folder) && part.path != package.folder)?;
        let is_inner = |other: &EntryPath| package_of(other).is_some_and(|inner| inner.folder == package.folder);
        let mut inner = survey.files_below(&package.folder).filter(|other| is_inner(other));
        inner.any(|other| survey.runs(survey.files[other])).then_some(part)
    };
    let part = beside.or_else(built)?;
    Some(Foreign {
        part: part.path,
        family: part.family,
        made_for: String::new(),
    })
}

fn finding(survey: &Survey<'_>, made_for: &str, group: &Group) -> Finding {
    let platform = &survey.subject.platform;
    let facts = survey.files[group.path()];
    let message = group.sentence(&format!("is built for {made_for}, but the image is for {platform}"));
    let expected = expected_header_text(platform);
    let found = header_text(facts);
    // If the header is the same, the flags differ.
    let (expected, found) = if expected == found {
        (platform.to_string(), made_for.to_owned())
    } else {
        (expected, found)
    };
    let finding = survey.subject.finding(
        Code::WrongArchitecture,
        group.path().clone(),
        message,
        help(survey, group),
    );
    finding.evidence(expected, found).about(group.paths.iter().cloned())
}

fn help(survey: &Survey<'_>, group: &Group) -> String {
    let platform = &survey.subject.platform;
    if let Some(beside) = beside_in_the_sources(survey, group.path()) {
        return format!("pack {beside} instead, the same file for this platform");
    }
    match &group.package {
        Some(package) => install_help(package, platform, None),
        None => format!(
            "build it for {platform}; if the spec has several platforms, use a directory for each, such as `from = \
             \"dist/${{arch}}\"`"
        ),
    }
}

/// Returns the place of the same file for this platform in the sources, by the words of its path.
fn beside_in_the_sources(survey: &Survey<'_>, path: &EntryPath) -> Option<String> {
    let source = survey.subject.own().get(path)?.source()?.to_str()?;
    let others = respelled(source, &survey.subject.platform).into_iter();
    let mut there = others.filter(|other| survey.subject.is_on_disk(std::path::Path::new(other)));
    there.next().map(|other| escape(other.as_bytes()))
}
