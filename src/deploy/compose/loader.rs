//! Loads compose files with those that they include (compose-spec, 14-include.md) or extend.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::error::Problem;
use super::extends::{ExtendedFile, Part, Scope, extended_parts};
use super::file::{FileDocument, FileService, Include};
use super::foreign::{foreign_part, not_a_compose_file};
use super::input::{FileRole, ReadFile, is_remote, joined};
use super::place::Place;
use super::reader::{Found, NotEvaluated, Reader};
use super::service::{Layer, Service, Text};
use super::template::{Budget, TemplateReason};
use super::variables::Variables;
use super::walk::Interpolation;
use crate::deploy::text_file::TextFile;
use crate::deploy::yaml;
use crate::model::{escape, escape_path, ring};

/// Greatest size of a compose file, in bytes. It is written by hand; the limit keeps a wrong file out of memory.
pub const MAX_COMPOSE_BYTES: u64 = 1024 * 1024;

/// Greatest number of files that are read, and their size together. A file counts as often as it is included, since its
/// variables may differ each time. The largest known stacks include about 60 files; the limits bound files that include
/// each other many times. The number is smaller in unit tests, so that they reach it quickly.
const MAX_FILES: usize = if cfg!(test) { 100 } else { 1000 };
const MAX_ALL_BYTES: usize = 16 * 1024 * 1024;

/// Greatest depth of files that include each other. People use two or three; the limit bounds the recursion.
const MAX_INCLUDE_DEPTH: usize = 32;

/// Name of the env file that is read without being named.
const DEFAULT_ENV_FILE: &str = ".env";

/// Files that are merged, and what is the same for all of them.
pub(super) struct Project<'a> {
    /// What paths are relative to.
    pub directory: PathBuf,
    pub variables: &'a Variables,
    /// The files that include it, outermost first.
    pub including: Vec<PathBuf>,
    /// The place of the `include`; `None` for the files that the user gives.
    pub named_at: Option<Place>,
    /// Files with services that others extend; `None` for one that cannot be used.
    pub extended: BTreeMap<PathBuf, Option<Rc<ExtendedFile>>>,
}

impl<'a> Project<'a> {
    /// Creates the project of the files that the user gives.
    pub fn outermost(directory: PathBuf, variables: &'a Variables) -> Self {
        Self {
            directory,
            variables,
            including: Vec::new(),
            named_at: None,
            extended: BTreeMap::new(),
        }
    }
}

/// Reads files, and collects what is found in them.
pub(super) struct Loader<'a> {
    pub read: &'a ReadFile<'a>,
    pub budget: Budget,
    pub found: Found,
    /// All files, each once, in the order in which they are first read.
    pub sources: Vec<Arc<TextFile>>,
    /// The indexes of the files.
    pub indexes: BTreeMap<PathBuf, usize>,
    pub file_count: usize,
    pub byte_count: usize,
    /// Whether there are too many files, so that no more is read.
    pub is_exhausted: bool,
    /// Whether a file that may have services is not read.
    pub is_partial: bool,
    /// Whether a file has `services`, or includes others.
    pub has_services: bool,
}

impl<'a> Loader<'a> {
    pub fn new(read: &'a ReadFile<'a>) -> Self {
        Self {
            read,
            budget: Budget::default(),
            found: Found::default(),
            sources: Vec::new(),
            indexes: BTreeMap::new(),
            file_count: 0,
            byte_count: 0,
            is_exhausted: false,
            is_partial: false,
            has_services: false,
        }
    }

    /// Returns the index of a file with this text.
    pub fn add(&mut self, path: PathBuf, text: String) -> usize {
        let key = joined(Path::new(""), &path.to_string_lossy());
        let index = self.sources.len();
        match self.indexes.get(&key) {
            Some(known) => *known,
            None => {
                self.indexes.insert(key, index);
                self.sources.push(Arc::new(TextFile::new(path, text)));
                index
            }
        }
    }

    /// Returns the services of files that are merged in this order.
    pub fn project(&mut self, files: &[usize], project: &mut Project<'_>) -> BTreeMap<String, Service> {
        let mut services = BTreeMap::new();
        for file in files {
            let Some(documents) = self.documents(*file, project) else {
                break;
            };
            for document in documents {
                self.has_services |= document.services.is_some() || !document.includes.is_empty();
                let own = document.services.unwrap_or_default();
                let all = self.with_included(*file, own, &document.includes, project);
                self.merge(*file, &all, &mut services, project);
            }
        }
        services
    }

    /// Counts the reading of a file. Returns `false` if there are too many, and reports the first one.
    fn count(&mut self, file: usize) -> bool {
        if self.is_exhausted {
            return false;
        }
        self.file_count += 1;
        self.byte_count += self.sources[file].text.len();
        let message = match () {
            () if self.file_count > MAX_FILES => {
                format!("the compose files include or extend more than {MAX_FILES} files")
            }
            () if self.byte_count > MAX_ALL_BYTES => {
                format!("the compose files have more than {MAX_ALL_BYTES} bytes together")
            }
            () => return true,
        };
        self.is_exhausted = true;
        self.found.problems.push(Problem::new(file, 0..0, message));
        false
    }

    /// Reads the documents of a file; `None` if too many files are read.
    fn documents(&mut self, file: usize, project: &Project<'_>) -> Option<Vec<FileDocument>> {
        if !self.count(file) {
            return None;
        }
        let mut found = std::mem::take(&mut self.found);
        let documents = self.read(file, project, &project.directory, project.named_at.as_ref(), &mut found);
        self.found = found;
        Some(documents)
    }

    /// Reads the documents of a file whose paths are relative to `directory`, and which is named at `named_at`.
    fn read(
        &self,
        file: usize,
        project: &Project<'_>,
        directory: &Path,
        named_at: Option<&Place>,
        found: &mut Found,
    ) -> Vec<FileDocument> {
        let source = &self.sources[file];
        let interpolation = Interpolation {
            file,
            source: &source.text,
            variables: project.variables,
            budget: &self.budget,
        };
        let origin = Origin {
            directory,
            is_included: project.named_at.is_some(),
            named_at,
        };
        read_documents(source, interpolation, origin, found)
    }

    /// Adds the services of included files to those of a document. None may be in both.
    fn with_included(
        &mut self,
        file: usize,
        own: BTreeMap<String, FileService>,
        includes: &[Include],
        project: &Project<'_>,
    ) -> BTreeMap<String, FileService> {
        let mut included: BTreeMap<String, Service> = BTreeMap::new();
        for include in includes {
            for (name, service) in self.include(file, include, project).into_iter().flatten() {
                let place = match (own.get(&name), included.get(&name)) {
                    (Some(FileService::Merge { place, .. }), _) => place,
                    // It takes the included one away.
                    (Some(_), _) => continue,
                    (None, Some(known)) if *known != service => &include.place,
                    (None, _) => {
                        included.insert(name, service);
                        continue;
                    }
                };
                let other = included.get(&name).map_or(&service.place, |known| &known.place);
                let message = format!(
                    "service {} is also defined in {}, which is included",
                    escape(name.as_bytes()),
                    escape_path(&self.sources[other.file].path)
                );
                let problem = Problem::new(place.file, place.span.clone(), message);
                self.found.problems.push(problem.help(CONFLICT_HELP));
            }
        }
        let added = included.into_iter().map(|(name, service)| {
            let merge = FileService::Merge {
                place: service.place.clone(),
                layer: Box::new(Layer::of(&service)),
                extends: None,
            };
            (name, merge)
        });
        let mut all = own;
        all.extend(added);
        all
    }

    /// Returns the services that an item of `include` adds; `None` if it cannot be read.
    fn include(&mut self, file: usize, include: &Include, project: &Project<'_>) -> Option<BTreeMap<String, Service>> {
        if self.is_exhausted {
            return None;
        }
        if let Some(remote) = include.paths.iter().find(|path| is_remote(&path.text)) {
            self.is_partial = true;
            self.found.not_evaluated.push(NotEvaluated {
                place: remote.place.clone(),
                service: None,
                what: "`include` of a file that Compose fetches from elsewhere: its services are not checked"
                    .to_owned(),
            });
            return None;
        }
        let way = [&project.including[..], &[self.sources[file].path.clone()]].concat();
        let mut files = Vec::new();
        let mut paths = Vec::new();
        for path in &include.paths {
            let joined = joined(&project.directory, &path.text);
            if let Some(problem) = circle(&way, &joined, path) {
                self.found.problems.push(problem);
                return None;
            }
            files.push(self.named_file(&joined, &path.place)?);
            paths.push(joined);
        }
        if way.len() > MAX_INCLUDE_DEPTH {
            let message = format!("files are included more than {MAX_INCLUDE_DEPTH} levels deep");
            let place = &include.place;
            self.found
                .problems
                .push(Problem::new(place.file, place.span.clone(), message));
            return None;
        }
        let directory = match &include.directory {
            Some(directory) => joined(&project.directory, &directory.text),
            None => paths.first()?.parent().unwrap_or(Path::new("")).to_owned(),
        };
        let variables = self.variables(include, &directory, project)?;
        let mut nested = Project {
            directory,
            variables: &variables,
            including: way,
            named_at: Some(include.place.clone()),
            extended: BTreeMap::new(),
        };
        Some(self.project(&files, &mut nested))
    }

    /// Returns the variables of an included file.
    fn variables(&mut self, include: &Include, directory: &Path, project: &Project<'_>) -> Option<Variables> {
        let files: Vec<(PathBuf, &Place, bool)> = match &include.env_files {
            Some(files) => {
                let named = |file: &'_ Text| joined(&project.directory, &file.text);
                // Compose takes it for no file.
                let files = files.iter().filter(|file| file.text != "/dev/null");
                files.map(|file| (named(file), &file.place, true)).collect()
            }
            None => vec![(directory.join(DEFAULT_ENV_FILE), &include.place, false)],
        };
        let mut variables = project.variables.of_include();
        for (path, place, is_required) in files {
            let problem = match (self.read)(&path, FileRole::EnvFile) {
                Ok(Some(text)) => match variables.with_file_within(path, &text, &self.budget) {
                    Ok(more) => {
                        variables = more;
                        continue;
                    }
                    Err(error) => Problem {
                        place: place.clone(),
                        message: error.to_string(),
                        help: Some(error.help.to_owned()),
                    },
                },
                Ok(None) if !is_required => continue,
                Ok(None) => missing(&path, place),
                Err(reason) => unreadable(&path, place, &reason),
            };
            self.found.problems.push(problem);
            return None;
        }
        self.found.env_unset.append(&mut variables.unset);
        Some(variables)
    }

    /// Returns the index of a file that another one names. Reports one that cannot be read.
    fn named_file(&mut self, path: &Path, place: &Place) -> Option<usize> {
        if let Some(known) = self.indexes.get(path) {
            return Some(*known);
        }
        let problem = match (self.read)(path, FileRole::Compose) {
            Ok(Some(text)) => return Some(self.add(path.to_owned(), text)),
            Ok(None) => missing(path, place),
            Err(reason) => unreadable(path, place, &reason),
        };
        self.found.problems.push(problem);
        None
    }

    /// Merges the services of a document into those of earlier ones.
    fn merge(
        &mut self,
        file: usize,
        read: &BTreeMap<String, FileService>,
        services: &mut BTreeMap<String, Service>,
        project: &mut Project<'_>,
    ) {
        for (name, service) in read {
            if !matches!(service, FileService::Merge { .. }) {
                services.remove(name);
            }
            let Some(place) = service.place() else { continue };
            let scope = Scope::Document { file, services: read };
            let parts = extended_parts(name, scope, |path, place| self.extended(path, place, project));
            match parts {
                Ok(parts) => {
                    let merged = services
                        .entry(name.clone())
                        .or_insert_with(|| Service::new(place.clone()));
                    merged.place = place.clone();
                    // What it extends comes first.
                    for part in parts.into_iter().rev() {
                        if !self.take_over(&part, place) {
                            return;
                        }
                        merged.apply(&part.layer);
                    }
                }
                // What cannot be read is reported already.
                Err(problem) => self.found.problems.extend(problem),
            }
        }
    }

    /// Counts what a service gets from the one that it extends, and takes over what was found there. Returns `false`, and
    /// reports it, if it is too much.
    fn take_over(&mut self, part: &Part, place: &Place) -> bool {
        if let Some((file, service)) = &part.origin
            && let Some(found) = file.found.borrow_mut().remove(service)
        {
            self.found.append(found);
        }
        let is_free = !part.is_extended || self.budget.take(part.layer.size());
        if !is_free {
            let message = TemplateReason::TooMuch.message();
            self.found
                .problems
                .push(Problem::new(place.file, place.span.clone(), message));
        }
        is_free
    }

    /// Returns a file with services that others extend; `None` if it cannot be read.
    fn extended(&mut self, path: &Path, place: &Place, project: &mut Project<'_>) -> Option<Rc<ExtendedFile>> {
        if let Some(known) = project.extended.get(path) {
            return known.clone();
        }
        let extended = self
            .named_file(path, place)
            .filter(|file| self.count(*file))
            .and_then(|file| {
                let directory = path.parent().unwrap_or(Path::new(""));
                let mut found = Found::default();
                let documents = self.read(file, project, directory, Some(place), &mut found);
                if documents.is_empty() && !found.problems.is_empty() {
                    self.found.append(found);
                    return None;
                }
                let documents = documents.into_iter().filter_map(|document| document.services).collect();
                let found = RefCell::new(self.found.append_common(found));
                Some(Rc::new(ExtendedFile { file, documents, found }))
            });
        project.extended.insert(path.to_owned(), extended.clone());
        extended
    }
}

/// Where a file comes from.
struct Origin<'a> {
    /// What paths in it are relative to.
    directory: &'a Path,
    is_included: bool,
    /// The place where another file names it; `None` for a file that the user gives.
    named_at: Option<&'a Place>,
}

/// Reads the documents of a file.
fn read_documents(
    source: &TextFile,
    interpolation: Interpolation<'_>,
    origin: Origin<'_>,
    found: &mut Found,
) -> Vec<FileDocument> {
    let file = interpolation.file;
    let documents = yaml::parse(&source.text);
    if let Some(named_at) = origin.named_at
        && let Some(part) = foreign_part(&documents, &source.text)
    {
        found.problems.push(not_a_compose_file(source, &part, named_at));
        return Vec::new();
    }
    let documents = match documents {
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
    let mut read = Vec::new();
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
            directory: origin.directory,
            is_included: origin.is_included,
            service: None,
        };
        read.push(reader.document(document));
    }
    read
}

/// Returns the problem of a file that is included by itself.
fn circle(way: &[PathBuf], path: &Path, named: &Text) -> Option<Problem> {
    let clean = |path: &PathBuf| joined(Path::new(""), &path.to_string_lossy());
    let start = way.iter().position(|including| clean(including) == path)?;
    let names: Vec<String> = way[start..].iter().map(|path| escape_path(path)).collect();
    let place = &named.place;
    let problem = Problem::new(
        place.file,
        place.span.clone(),
        format!("files include each other in a circle: {}", ring(&names)),
    );
    Some(problem.help("remove one of the `include`"))
}

fn missing(path: &Path, place: &Place) -> Problem {
    let message = format!("file {} does not exist", escape_path(path));
    Problem::new(place.file, place.span.clone(), message).help("correct the path")
}

fn unreadable(path: &Path, place: &Place, reason: &str) -> Problem {
    let message = format!("cannot read {}: {reason}", escape_path(path));
    Problem::new(place.file, place.span.clone(), message)
}

const CONFLICT_HELP: &str = "rename one of them, or list both files in one `path` of `include`, which merges them";
