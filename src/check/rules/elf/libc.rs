//! `wrong-libc` and `missing-loader`: programs that the image's loader does not run.

use std::collections::{BTreeMap, BTreeSet};

use super::alternatives::{family, served_families};
use super::foreign::Foreign;
use super::groups::{Group, grouped, install_help, listed};
use super::loading::{Problem, What};
use super::survey::Survey;
use super::words::{plain_family, platform_parts};
use crate::check::abi::{Architecture, Libc};
use crate::check::{Code, Finding};
use crate::elf::ElfFacts;
use crate::model::{EntryPath, base_name, escape};

/// Reports files for the other C library. Returns those that have an equivalent for the image's C library beside them.
pub(super) fn wrong_libc(
    survey: &Survey<'_>,
    problems: &BTreeSet<Problem>,
    findings: &mut Vec<Finding>,
) -> Vec<Foreign> {
    let wrong: BTreeMap<&EntryPath, Libc> = problems
        .iter()
        .filter_map(|problem| match problem.what {
            What::WrongLibc(libc) => Some((&problem.file, libc)),
            _ => None,
        })
        .collect();
    if wrong.is_empty() {
        return Vec::new();
    }
    let right = right_families(survey, &wrong);
    let served = served_families(survey, problems);
    let mut told = Vec::new();
    let mut foreign = Vec::new();
    for (path, libc) in wrong {
        let is_started = survey.started.as_ref() == Some(path);
        match sibling(&right, path).filter(|_| !is_started) {
            Some(beside) => foreign.push(Foreign {
                made_for: libc.as_str().to_owned(),
                ..beside
            }),
            None if survey.is_dispensable(path) && !is_started => {}
            None if !is_started && family(path).is_some_and(|family| served.contains(&family)) => {
                let family = path.to_string();
                foreign.push(Foreign {
                    part: path.clone(),
                    family,
                    made_for: libc.as_str().to_owned(),
                });
            }
            None => told.push((libc, path.clone())),
        }
    }
    findings.extend(
        grouped(told)
            .into_iter()
            .map(|(libc, group)| survey.weighed(wrong_libc_finding(survey, libc, &group), &group.paths)),
    );
    foreign
}

/// Returns the families of the files that load, each with the paths in it.
fn right_families(survey: &Survey<'_>, wrong: &BTreeMap<&EntryPath, Libc>) -> BTreeMap<String, BTreeSet<EntryPath>> {
    let mut families: BTreeMap<String, BTreeSet<EntryPath>> = BTreeMap::new();
    let wanted = &survey.subject.platform.architecture;
    for (path, _) in survey.roots().filter(|(path, _)| !wrong.contains_key(path)) {
        families.entry(plain_family(path)).or_default().insert(path.clone());
        for part in platform_parts(path) {
            if part.words.architecture.is_none_or(|found| found == wanted) {
                families.entry(part.family).or_default().insert(part.path);
            }
        }
    }
    families
}

fn sibling(right: &BTreeMap<String, BTreeSet<EntryPath>>, path: &EntryPath) -> Option<Foreign> {
    let has_other = |family: &str, own: &EntryPath| {
        right
            .get(family)
            .is_some_and(|parts| parts.iter().any(|other| other != own))
    };
    let part = platform_parts(path)
        .into_iter()
        .find(|part| has_other(&part.family, &part.path))?;
    Some(Foreign {
        part: part.path,
        family: part.family,
        made_for: String::new(),
    })
}

fn wrong_libc_finding(survey: &Survey<'_>, libc: Libc, group: &Group) -> Finding {
    let platform = &survey.subject.platform;
    let has = if libc == Libc::Glibc { Libc::Musl } else { Libc::Glibc };
    let message = group.sentence(&format!(
        "is built for {}, but the image has {}",
        libc.as_str(),
        has.as_str()
    ));
    let facts = survey.files.get(group.path()).copied();
    let loaders = facts
        .and_then(Architecture::of)
        .map(|it| survey.loader.loaders(it))
        .unwrap_or_default();
    let there = loaders
        .iter()
        .find(|(known, _)| *known == has)
        .map(|(_, path)| path.to_string())
        .unwrap_or_default();
    let base = if libc == Libc::Glibc {
        "glibc, such as Debian"
    } else {
        "musl, such as Alpine"
    };
    let change = match &group.package {
        Some(package) => install_help(package, platform, Some(has.as_str())),
        None => format!("build it for {}, or link it statically", has.as_str()),
    };
    let finding = survey.subject.finding(
        Code::WrongLibc,
        group.path().clone(),
        message,
        format!("{change}; or use a base image with {base}"),
    );
    let found = facts.map(|it| needed_of(it, libc)).unwrap_or_default();
    finding
        .evidence(format!("{} ({there})", has.as_str()), found)
        .about(group.paths.iter().cloned())
}

/// Returns the part of a file that requires a C library.
fn needed_of(facts: &ElfFacts, libc: Libc) -> String {
    let of_libc = |name: &&Vec<u8>| match libc {
        Libc::Glibc => *name == b"libc.so.6" || Libc::of_loader(name) == Some(Libc::Glibc),
        Libc::Musl => Libc::of_loader(name) == Some(Libc::Musl),
    };
    let needed = facts.interpreter.iter().chain(facts.needed.iter().filter(of_libc));
    format!(
        "{} ({})",
        libc.as_str(),
        listed(&needed.map(|name| escape(name)).collect::<Vec<_>>())
    )
}

/// Reports programs whose loader is not in the image: one finding for each loader.
pub(super) fn missing_loader(survey: &Survey<'_>, problems: &BTreeSet<Problem>, findings: &mut Vec<Finding>) {
    let mut programs: BTreeMap<&[u8], Vec<&EntryPath>> = BTreeMap::new();
    for problem in problems {
        if let What::MissingLoader(interpreter) = &problem.what {
            programs.entry(interpreter).or_default().push(&problem.file);
        }
    }
    findings.extend(
        programs
            .into_iter()
            .map(|(asked, paths)| missing_loader_finding(survey, asked, &paths)),
    );
}

fn missing_loader_finding(survey: &Survey<'_>, asked: &[u8], paths: &[&EntryPath]) -> Finding {
    let first = paths[0];
    let more: Vec<String> = paths[1..].iter().map(ToString::to_string).collect();
    let more = if more.is_empty() {
        String::new()
    } else {
        format!("; the same applies to {}", listed(&more))
    };
    let message = format!(
        "needs the dynamic loader {}, which is not in the image{more}",
        escape(asked)
    );
    let architecture = survey.files.get(first).copied().and_then(Architecture::of);
    let loaders = architecture.map(|it| survey.loader.loaders(it)).unwrap_or_default();
    let libc = Libc::of_loader(base_name(asked));
    let same = loaders.iter().find(|(found, _)| libc.is_none_or(|libc| libc == *found));
    let help = match (same, libc) {
        (Some((_, there)), _) => {
            format!("build it for the standard loader, or run `patchelf --set-interpreter {there} FILE`")
        }
        (None, Some(Libc::Musl)) => "link it statically, or use a base image with musl, such as Alpine".to_owned(),
        (None, _) => {
            "link it statically (Go: `CGO_ENABLED=0`; Rust: a musl target), or use a base image with glibc, such as \
             Debian"
                .to_owned()
        }
    };
    let found: Vec<String> = loaders.iter().map(|(_, path)| path.to_string()).collect();
    let found = if found.is_empty() {
        "no dynamic loader for this program".to_owned()
    } else {
        listed(&found)
    };
    let finding = survey
        .subject
        .finding(Code::MissingLoader, first.clone(), message, help);
    finding
        .evidence(escape(asked), found)
        .about(paths.iter().map(|path| (*path).clone()))
}
