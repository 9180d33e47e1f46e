//! `missing-library`: libraries that are needed and are not in the loader's search path.

use std::collections::{BTreeMap, BTreeSet};

use super::debian::debian_package;
use super::groups::{enumerated, listed};
use super::loading::{Problem, What};
use super::opened::problems_of_opened;
use super::packages::{Package, package_of};
use super::severity::{self, Weight};
use super::survey::Survey;
use crate::check::rules::listing::count as counted;
use crate::check::{Code, Finding};
use crate::model::{EntryPath, escape};
use crate::tree::NodeKind;

/// Directories that the evidence lists.
const MAX_PLACES: usize = 8;

/// The key of one finding: everything that one package is missing, or the same missing libraries of files without a
/// package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Package(Package),
    Files(BTreeSet<EntryPath>),
}

/// Libraries that are missed together.
#[derive(Debug, Default)]
struct Missing<'p> {
    names: BTreeSet<&'p [u8]>,
    files: BTreeSet<&'p EntryPath>,
    first: Option<&'p Problem>,
}

/// Reports libraries that are not found.
pub(super) fn missing_library(survey: &Survey<'_>, problems: &BTreeSet<Problem>, findings: &mut Vec<Finding>) {
    let problems: BTreeSet<Problem> = problems.iter().cloned().chain(problems_of_opened(survey)).collect();
    let problems = &problems;
    let mut needers: BTreeMap<&[u8], BTreeSet<EntryPath>> = BTreeMap::new();
    let is_missing = |problem: &&Problem| matches!(problem.what, What::MissingLibrary(_));
    for problem in problems
        .iter()
        .filter(is_missing)
        .filter(|problem| package_of(&problem.root).is_none())
    {
        if let What::MissingLibrary(name) = &problem.what {
            needers.entry(name).or_default().insert(problem.file.clone());
        }
    }
    let weights = severity::weigh(survey, problems);
    let mut groups: BTreeMap<(Weight, Key), Missing<'_>> = BTreeMap::new();
    for problem in problems {
        let What::MissingLibrary(name) = &problem.what else {
            continue;
        };
        let key = match package_of(&problem.root) {
            Some(package) => Key::Package(package.whole()),
            None => Key::Files(needers.get(&name[..]).cloned().unwrap_or_default()),
        };
        let weight = weights.get(problem).copied().unwrap_or(Weight::Error);
        let group = groups.entry((weight, key)).or_default();
        group.names.insert(name);
        group.files.insert(&problem.file);
        group.first.get_or_insert(problem);
    }
    findings.extend(
        groups
            .iter()
            .filter_map(|((weight, key), group)| finding(survey, *weight, key, group)),
    );
}

fn finding(survey: &Survey<'_>, weight: Weight, key: &Key, group: &Missing<'_>) -> Option<Finding> {
    let problem = group.first?;
    let own = survey.subject.own();
    let path = group
        .files
        .iter()
        .find(|path| own.contains_key(**path))
        .copied()
        .unwrap_or(&problem.file);
    let places: Vec<Place> = group
        .names
        .iter()
        .map(|name| Place::of(survey, problem, name))
        .collect();
    let texts: Vec<String> = group.names.iter().map(|name| escape(name)).collect();
    let is_one = texts.len() == 1;
    let fault = match &places[..] {
        [Place::Unlinked { bearer, .. }] => format!("but the link to {bearer} is missing"),
        [Place::Elsewhere(there)] => format!("which is at {there}, outside the loader's search path"),
        _ => format!(
            "which {} not in the loader's search path",
            if is_one { "is" } else { "are" }
        ),
    };
    let others: Vec<String> = group
        .files
        .iter()
        .filter(|other| **other != path)
        .map(ToString::to_string)
        .collect();
    let more = match (key, others.len()) {
        (_, 0) => String::new(),
        (Key::Package(package), count) => {
            let others = counted(count, "other file", "other files");
            format!("; the same applies to {others} of {}", package.name)
        }
        _ => format!("; the same applies to {}", listed(&others)),
    };
    let through = if problem.root == problem.file {
        String::new()
    } else {
        format!(" (loaded by {})", problem.root)
    };
    let part = match (key, weight) {
        (Key::Package(package), Weight::Warning) => {
            format!("; only code that uses this part of {} fails", package.name)
        }
        _ => String::new(),
    };
    let message = format!("needs {}, {fault}{more}{through}{part}", enumerated(&texts));
    let found: Vec<String> = places.iter().filter_map(Place::found).collect();
    let found = if found.is_empty() {
        "no such file".to_owned()
    } else {
        listed(&found)
    };
    let searched = format!("{} in {}", escape(group.names.first()?), places_text(survey, problem));
    let finding = survey.subject.finding(
        Code::MissingLibrary,
        path.clone(),
        message,
        help(survey, &group.names, &places),
    );
    Some(
        finding
            .evidence(searched, found)
            .about(group.files.iter().map(|path| (*path).clone()))
            .warning_if(weight == Weight::Warning),
    )
}

/// The place of a library that was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A file that bears the name as its DT_SONAME, and is not called so.
    Unlinked {
        link: EntryPath,
        bearer: EntryPath,
    },
    /// A file with this name, where the loader does not search.
    Elsewhere(EntryPath),
    /// A link with this name where the loader searches, to a path that is not in the image.
    Dangling(Box<[u8]>),
    Nowhere,
}

impl Place {
    fn of(survey: &Survey<'_>, problem: &Problem, name: &[u8]) -> Self {
        let Some(facts) = survey.files.get(&problem.file) else {
            return Self::Nowhere;
        };
        let places = survey.named(name, facts);
        if let Some(there) = places.iter().find(|path| path.file_name() == name) {
            return Self::Elsewhere((*there).clone());
        }
        // The nearest to the file that needs it: the place of its package's libraries.
        let near = |path: &&&EntryPath| {
            path.components()
                .zip(problem.file.components())
                .take_while(|(left, right)| left == right)
                .count()
        };
        let Some(bearer) = places.iter().max_by_key(near) else {
            return dangling_link(survey, problem, name).map_or(Self::Nowhere, Self::Dangling);
        };
        match bearer.parent().and_then(|folder| folder.join(name).ok()) {
            Some(link) => Self::Unlinked {
                link,
                bearer: (*bearer).clone(),
            },
            None => Self::Nowhere,
        }
    }

    fn found(&self) -> Option<String> {
        match self {
            Self::Unlinked { bearer, .. } => Some(bearer.to_string()),
            Self::Elsewhere(there) => Some(there.to_string()),
            Self::Dangling(target) => Some(format!("a link to {}, which is not in the image", escape(target))),
            Self::Nowhere => None,
        }
    }
}

/// Returns the target of a link with the name of a library that the loader finds, and that leads to nothing.
fn dangling_link(survey: &Survey<'_>, problem: &Problem, name: &[u8]) -> Option<Box<[u8]>> {
    searched(survey, problem).iter().find_map(|directory| {
        let directory = survey.subject.resolve(directory).ok()?;
        let link = directory.join(name).ok()?;
        match &survey.subject.node(&link)?.kind {
            NodeKind::Symlink { target } if !survey.subject.exists(&link) => Some(target.clone()),
            _ => None,
        }
    })
}

/// Returns the directories that the loader searches.
fn searched(survey: &Survey<'_>, problem: &Problem) -> Vec<EntryPath> {
    let searched = || {
        let closure = survey.loader.load(&problem.root)?;
        let at = closure.objects.iter().position(|object| object.path == problem.file)?;
        Some(survey.loader.searched(&closure, at))
    };
    searched().unwrap_or_default()
}

/// Returns the directories that the loader searches, as text.
fn places_text(survey: &Survey<'_>, problem: &Problem) -> String {
    let searched = searched(survey, problem);
    let mut texts: Vec<String> = searched.iter().take(MAX_PLACES).map(ToString::to_string).collect();
    if searched.len() > MAX_PLACES {
        texts.push("…".to_owned());
    }
    texts.join(":")
}

fn help(survey: &Survey<'_>, names: &BTreeSet<&[u8]>, places: &[Place]) -> String {
    let links: Vec<String> = places
        .iter()
        .filter_map(|place| match place {
            Place::Unlinked { link, bearer } => Some(format!(
                "{{ path = \"{link}\", target = \"{}\" }}",
                escape(bearer.file_name())
            )),
            _ => None,
        })
        .collect();
    if !links.is_empty() {
        return format!("add the link to the layer: `links = [{}]`", links.join(", "));
    }
    let folder = places.iter().find_map(|place| match place {
        Place::Elsewhere(there) => there.parent(),
        _ => None,
    });
    if let Some(folder) = folder {
        let way = format!("set LD_LIBRARY_PATH to {folder} in the spec's `env`, or link with the RPATH `$ORIGIN`");
        return if survey.loader.is_in_stale_cache(&folder) {
            format!("{way}; the loader reads /etc/ld.so.cache, which does not list this file")
        } else {
            way
        };
    }
    let packages: BTreeSet<&str> = names
        .iter()
        .filter_map(|name| debian_package(survey.subject, name))
        .collect();
    let packages: Vec<String> = packages.into_iter().map(str::to_owned).collect();
    let in_base = |what: &str| survey.subject.base_help(what);
    match packages.len() {
        0 => format!(
            "{}, or pack the file into a directory that the loader searches",
            in_base("it")
        ),
        1 => format!("{} (Debian package {}), or pack the file", in_base("it"), packages[0]),
        _ => format!(
            "{} (Debian packages {}), or pack the files",
            in_base("them"),
            enumerated(&packages)
        ),
    }
}
