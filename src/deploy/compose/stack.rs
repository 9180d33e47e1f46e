//! All compose files together: their services, merged in the order of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::error::{ComposeError, Problem, Problems};
use super::place::Place;
use super::reader::{FileService, Found, NotEvaluated, Reader};
use super::service::{Layer, Service};
use super::template::Budget;
use super::variables::Variables;
use super::walk::{Interpolation, UnsetUse};
use crate::deploy::text_file::TextFile;
use crate::deploy::yaml;
use crate::model::{escape, nearest};

/// Greatest size of a compose file, in bytes. It is written by hand; the limit keeps a wrong file out of memory.
pub const MAX_COMPOSE_BYTES: u64 = 1024 * 1024;

/// Greatest number of services, and of all their dependencies. The largest known stacks have some hundred services; the
/// limits bound the number of findings, since aliases repeat a list in a few bytes.
const MAX_SERVICES: usize = 1000;
const MAX_DEPENDENCIES: usize = 10_000;

/// Greatest number of services that extend each other. The limit bounds the time to merge them; people use two or three.
const MAX_EXTENDS: usize = 32;

/// The services of compose files.
#[derive(Debug)]
pub struct Stack {
    pub(super) sources: Vec<TextFile>,
    pub(super) services: BTreeMap<String, Service>,
    /// Variables that are used and not set, in the order of the files.
    pub(super) uses: Vec<UnsetUse>,
    pub(super) not_evaluated: Vec<NotEvaluated>,
    /// Whether services of other files are included, which are not read.
    pub(super) has_include: bool,
    pub(super) budget: Budget,
}

impl Stack {
    /// Reads compose files. Later files override earlier ones, as Compose merges them (compose-spec, 13-merge.md). A file
    /// of several documents is merged like several files.
    ///
    /// # Errors
    /// Returns [`ComposeError`] for everything that Compose itself refuses in what is read: malformed YAML, keys that
    /// occur twice, values with malformed variables.
    pub fn read(files: Vec<(PathBuf, String)>, variables: &Variables) -> Result<Self, ComposeError> {
        let sources: Vec<TextFile> = files
            .into_iter()
            .map(|(path, text)| TextFile::new(path, text))
            .collect();
        let budget = Budget::default();
        let mut found = Found::default();
        let mut services = BTreeMap::new();
        let mut has_services = false;
        for (file, source) in sources.iter().enumerate() {
            let interpolation = Interpolation {
                file,
                source: &source.text,
                variables,
                budget: &budget,
            };
            for read in read_file(interpolation, &mut found) {
                has_services = true;
                merge_file(&read, &mut services, &mut found.problems);
            }
        }
        if !has_services && found.problems.is_empty() {
            let problem = Problem::new(0, 0..0, "the file has no `services`");
            found
                .problems
                .push(problem.help("give a compose file: a mapping with `services`"));
        }
        found.problems.extend(too_many(&services));
        let Found {
            problems,
            uses,
            not_evaluated,
            has_include,
        } = found;
        if !problems.is_empty() {
            return Err(Problems::error(sources, problems));
        }
        Ok(Self {
            sources,
            services,
            uses,
            not_evaluated,
            has_include,
            budget,
        })
    }

    /// Returns the directory that paths in the files are relative to: that of the first file.
    pub fn directory(&self) -> &Path {
        let first = self.sources.first().and_then(|source| source.path.parent());
        first.unwrap_or(Path::new(""))
    }

    /// Returns the paths of all env files of services, relative to [`Stack::directory`].
    pub fn env_files(&self) -> BTreeSet<String> {
        let files = self.services.values().flat_map(|service| &service.env_files);
        files.map(|file| file.path.text.clone()).collect()
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

/// Reads the services of each document of a file.
fn read_file(interpolation: Interpolation<'_>, found: &mut Found) -> Vec<BTreeMap<String, FileService>> {
    let file = interpolation.file;
    let documents = match yaml::parse(interpolation.source) {
        Ok(documents) => documents,
        Err(error) => {
            let problem = Problem::new(file, error.span, error.message);
            found.problems.push(Problem {
                help: error.help,
                ..problem
            });
            return Vec::new();
        }
    };
    let mut services = Vec::new();
    for document in &documents {
        for duplicate in document.duplicate_keys() {
            let key = escape(duplicate.key.as_bytes());
            let problem = Problem::new(file, duplicate.second.span(), format!("the key \"{key}\" occurs twice"));
            found
                .problems
                .push(problem.help("remove one of them: Compose refuses the file"));
        }
        interpolation.walk(document, &mut found.uses, &mut found.problems);
        let mut reader = Reader {
            interpolation,
            found,
            service: None,
        };
        services.extend(reader.document(document));
    }
    services
}

/// Merges the services of a document into those of earlier ones.
fn merge_file(
    read: &BTreeMap<String, FileService>,
    services: &mut BTreeMap<String, Service>,
    problems: &mut Vec<Problem>,
) {
    for (name, service) in read {
        match service {
            FileService::Reset => {
                services.remove(name);
            }
            FileService::Override(service) => {
                services.remove(name);
                merge_service(name, service, read, services, problems);
            }
            FileService::Merge { .. } => merge_service(name, service, read, services, problems),
        }
    }
}

fn merge_service(
    name: &str,
    service: &FileService,
    read: &BTreeMap<String, FileService>,
    services: &mut BTreeMap<String, Service>,
    problems: &mut Vec<Problem>,
) {
    let FileService::Merge { place, .. } = service else {
        return;
    };
    match extended_layers(service, read) {
        Ok(layers) => {
            let merged = services
                .entry(name.to_owned())
                .or_insert_with(|| Service::new(place.clone()));
            merged.place = place.clone();
            // What it extends comes first.
            for layer in layers.into_iter().rev() {
                merged.apply(layer);
            }
        }
        Err(problem) => problems.push(problem),
    }
}

/// Returns the layers of a service and of those that it extends, its own first.
fn extended_layers<'a>(
    service: &'a FileService,
    read: &'a BTreeMap<String, FileService>,
) -> Result<Vec<&'a Layer>, Problem> {
    let mut layers = Vec::new();
    let mut next = Some((service, None));
    while let Some((service, from)) = next {
        let (layer, extends) = match service {
            FileService::Merge { layer, extends, .. } => (layer, extends),
            FileService::Override(inner) => match &**inner {
                FileService::Merge { layer, extends, .. } => (layer, extends),
                _ => break,
            },
            FileService::Reset => break,
        };
        layers.push(&**layer);
        if layers.len() > MAX_EXTENDS {
            let place: &Place = from.unwrap_or(&Place { file: 0, span: 0..0 });
            let message = format!("more than {MAX_EXTENDS} services extend each other, or they do so in a circle");
            return Err(Problem::new(place.file, place.span.clone(), message));
        }
        next = match extends {
            Some((name, place)) => {
                let known = read.get(name).ok_or_else(|| {
                    let message = format!(
                        "`extends` names no service of this file: \"{}\"",
                        escape(name.as_bytes())
                    );
                    let problem = Problem::new(place.file, place.span.clone(), message);
                    match nearest(name, read.keys().map(String::as_str)) {
                        Some(near) => problem.help(format!("did you mean {near}?")),
                        None => problem.help("name a service of the same file, or add `file`"),
                    }
                })?;
                Some((known, Some(place)))
            }
            None => None,
        };
    }
    Ok(layers)
}
