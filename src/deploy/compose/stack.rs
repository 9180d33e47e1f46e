//! All compose files together: their services, merged in the order of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{ComposeError, Problem, Problems};
use super::input::ReadFile;
use super::loader::{Loader, Project};
use super::reader::NotEvaluated;
use super::service::Service;
use super::template::Budget;
use super::variables::Variables;
use super::walk::{MAX_UNSET_USES, UnsetUse};
use crate::deploy::text_file::TextFile;
use crate::model::{escape, nearest, order_by_needs, ring};

/// Greatest number of services, and of all their dependencies. The largest known stacks have some hundred services; the
/// limits bound the number of findings, since aliases repeat a list in a few bytes.
const MAX_SERVICES: usize = 1000;
const MAX_DEPENDENCIES: usize = 10_000;

/// The services of compose files.
#[derive(Debug)]
pub struct Stack {
    pub(super) sources: Vec<Arc<TextFile>>,
    pub(super) services: BTreeMap<String, Service>,
    /// Variables that are used and not set, in the order of the files.
    pub(super) uses: Vec<UnsetUse>,
    pub(super) not_evaluated: Vec<NotEvaluated>,
    /// Variables of the env files of includes that are not set: the file, the line and the name.
    pub(super) env_unset: Vec<(PathBuf, usize, String)>,
    /// Whether a file that may have services is not read.
    pub(super) is_partial: bool,
    pub(super) budget: Budget,
}

impl Stack {
    /// Reads compose files. Later files override earlier ones, as Compose merges them (compose-spec, 13-merge.md). A file
    /// of several documents is merged like several files. `read` reads the files that they include or extend.
    ///
    /// # Errors
    /// Returns [`ComposeError`] for everything that Compose itself refuses in what is read: malformed YAML, keys that
    /// occur twice, values with malformed variables, files and services that need each other in a circle.
    pub fn read(
        files: Vec<(PathBuf, String)>,
        variables: &Variables,
        read: &ReadFile<'_>,
    ) -> Result<Self, ComposeError> {
        let mut loader = Loader::new(read);
        let files: Vec<usize> = files.into_iter().map(|(path, text)| loader.add(path, text)).collect();
        let first = loader.sources.first().and_then(|source| source.path.parent());
        let directory = first.unwrap_or(Path::new("")).to_owned();
        let services = loader.project(&files, &mut Project::outermost(directory, variables));
        let Loader {
            found,
            sources,
            budget,
            is_partial,
            has_services,
            ..
        } = loader;
        let mut problems = found.problems;
        if !has_services && problems.is_empty() {
            let problem = Problem::new(0, 0..0, "the file has no `services`");
            problems.push(problem.help("give a compose file: a mapping with `services`"));
        }
        problems.extend(too_many(&services));
        problems.extend(too_many_uses(&found.uses));
        if problems.is_empty() {
            problems.extend(circle(&services));
        }
        if !problems.is_empty() {
            return Err(Problems::error(sources, problems));
        }
        Ok(Self {
            sources,
            services,
            uses: distinct_uses(found.uses),
            not_evaluated: distinct(found.not_evaluated, |part| {
                (
                    part.place.file,
                    part.place.span.start,
                    part.service.clone(),
                    part.what.clone(),
                )
            }),
            env_unset: distinct(found.env_unset, Clone::clone),
            is_partial,
            budget,
        })
    }

    /// Returns the paths of all env files of services.
    pub fn env_files(&self) -> BTreeSet<PathBuf> {
        let files = self.services.values().flat_map(|service| &service.env_files);
        files.map(|file| file.file.clone()).collect()
    }

    /// Returns the names of the services, each with its image, if it has one.
    pub fn images(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.services
            .iter()
            .map(|(name, service)| (name.as_str(), service.image.as_ref().map(|image| image.text.as_str())))
    }

    /// Returns the services of these names, and those that they depend on; all services if no name is given.
    ///
    /// # Errors
    /// Returns a name that no service has, with the nearest one.
    pub fn select(&self, names: &[String]) -> Result<BTreeSet<&str>, UnknownService> {
        if names.is_empty() {
            return Ok(self.services.keys().map(String::as_str).collect());
        }
        let mut selected = BTreeSet::new();
        let mut waiting = Vec::new();
        for name in names {
            let Some((name, _)) = self.services.get_key_value(name) else {
                return Err(UnknownService {
                    name: name.clone(),
                    nearest: nearest(name, self.services.keys().map(String::as_str)).map(str::to_owned),
                });
            };
            waiting.push(name.as_str());
        }
        while let Some(name) = waiting.pop() {
            if selected.insert(name) {
                let dependencies = self
                    .services
                    .get(name)
                    .into_iter()
                    .flat_map(|service| service.dependencies.keys());
                let known = dependencies.filter_map(|name| self.services.get_key_value(name));
                waiting.extend(known.map(|(name, _)| name.as_str()));
            }
        }
        Ok(selected)
    }
}

/// Returns the problem of too many services or dependencies.
fn too_many(services: &BTreeMap<String, Service>) -> Option<Problem> {
    let dependency_count: usize = services.values().map(|service| service.dependencies.len()).sum();
    let first = services.values().next()?;
    let message = match () {
        () if services.len() > MAX_SERVICES => format!("there are more than {MAX_SERVICES} services"),
        () if dependency_count > MAX_DEPENDENCIES => {
            format!("the services have more than {MAX_DEPENDENCIES} dependencies together")
        }
        () => return None,
    };
    Some(Problem::new(first.place.file, first.place.span.clone(), message))
}

/// A name that no service has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no service has the name \"{}\"", escape(.name.as_bytes()))]
pub struct UnknownService {
    /// The name.
    pub name: String,
    /// The name that was probably meant.
    pub nearest: Option<String>,
}

/// Returns the problem of too many variables that are not set.
fn too_many_uses(uses: &[UnsetUse]) -> Option<Problem> {
    let place = &uses.get(MAX_UNSET_USES)?.scalar;
    let message = format!("more than {MAX_UNSET_USES} values use variables that are not set");
    Some(Problem::new(place.file, place.span.clone(), message))
}

/// Returns the problem of services that depend on each other in a circle, which Compose refuses.
fn circle(services: &BTreeMap<String, Service>) -> Option<Problem> {
    let needs = |(name, service): (&'_ String, &'_ Service)| -> (String, Vec<String>) {
        let known = service.dependencies.keys().filter(|name| services.contains_key(*name));
        (name.clone(), known.cloned().collect())
    };
    let needs: BTreeMap<String, Vec<String>> = services.iter().map(needs).collect();
    let borrowed = needs.iter().map(|(name, needed)| {
        let needed: BTreeSet<&str> = needed.iter().map(String::as_str).collect();
        (name.as_str(), needed)
    });
    let names = order_by_needs(&borrowed.collect()).err()?;
    let first = names.first()?;
    let second = names.get(1).unwrap_or(first);
    let place = &services.get(first)?.dependencies.get(second)?.place;
    let names: Vec<String> = names.iter().map(|name| escape(name.as_bytes())).collect();
    let message = format!("services depend on each other in a circle: {}", ring(&names));
    let problem = Problem::new(place.file, place.span.clone(), message);
    Some(problem.help("remove one of the dependencies: Compose refuses the file"))
}

/// Returns the variables that are not set, each once. Files that are included or extended twice are read twice; what is
/// known of the service says more than what is not.
fn distinct_uses(uses: Vec<UnsetUse>) -> Vec<UnsetUse> {
    let place = |used: &UnsetUse| (used.place.file, used.place.span.start, used.name.clone());
    let owned = uses.iter().filter(|used| used.service.is_some());
    let owned: BTreeSet<(usize, usize, String)> = owned.map(place).collect();
    let uses = uses
        .into_iter()
        .filter(|used| used.service.is_some() || !owned.contains(&place(used)));
    distinct(uses.collect(), |used| {
        (place(used), used.service.clone(), used.refusal.is_some())
    })
}

/// Returns the items without those whose key occurs before.
fn distinct<T, K: Ord>(items: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut seen = BTreeSet::new();
    items.into_iter().filter(|item| seen.insert(key(item))).collect()
}
