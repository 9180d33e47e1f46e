//! Reads the services of one compose file: what says which variables a container gets, and what it waits for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::error::Problem;
use super::file::{Extends, FileDocument, FileService};
use super::input::{is_remote, joined};
use super::place::Place;
use super::service::{
    Change, Dependency, HealthCheck, HealthTest, Layer, ServiceEnvFile, ServiceVariable, Text, VariableChange,
};
use super::template::TemplateReason;
use super::walk::{Interpolation, MAX_UNSET_USES, OVERRIDE, RESET, UnsetUse};
use crate::deploy::yaml::{Document, Mapping, Node, ScalarKind, ScalarStyle};
use crate::model::escape;

/// What was found in files beside the services.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub problems: Vec<Problem>,
    pub uses: Vec<UnsetUse>,
    pub not_evaluated: Vec<NotEvaluated>,
    /// Variables of the env files of includes that are not set: the file, the line and the name.
    pub env_unset: Vec<(PathBuf, usize, String)>,
}

impl Found {
    /// Adds what was found elsewhere.
    pub fn append(&mut self, other: Self) {
        let room = (MAX_UNSET_USES + 1).saturating_sub(self.uses.len());
        self.problems.extend(other.problems);
        self.uses.extend(other.uses.into_iter().take(room));
        self.not_evaluated.extend(other.not_evaluated);
        self.env_unset.extend(other.env_unset);
    }

    /// Adds what was found in a file with services that others extend, except for what matters only if a certain service
    /// is extended. Returns the latter by the name of the service. No service of the stack has the name, so it is left out.
    pub fn append_common(&mut self, other: Self) -> BTreeMap<String, Self> {
        let mut of_services: BTreeMap<String, Self> = BTreeMap::new();
        let mut common = Self {
            problems: other.problems,
            env_unset: other.env_unset,
            ..Self::default()
        };
        for mut used in other.uses {
            match used.service.take().filter(|_| used.refusal.is_none()) {
                Some(service) => of_services.entry(service).or_default().uses.push(used),
                None => common.uses.push(used),
            }
        }
        for mut part in other.not_evaluated {
            match part.service.take() {
                Some(service) => of_services.entry(service).or_default().not_evaluated.push(part),
                None => common.not_evaluated.push(part),
            }
        }
        self.append(common);
        of_services
    }
}

/// A part of a file that may matter and is not evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotEvaluated {
    pub place: Place,
    pub service: Option<String>,
    /// What it is, and what that means.
    pub what: String,
}

/// Reads the values of one file.
pub(super) struct Reader<'a> {
    pub interpolation: Interpolation<'a>,
    pub found: &'a mut Found,
    /// What paths in the file are relative to.
    pub directory: &'a Path,
    /// Whether the file is included by another one, so that its variables are not those of the stack.
    pub is_included: bool,
    /// The service that is read.
    pub service: Option<String>,
}

/// The keys and values of a mapping by name, with those below its merge keys.
pub(super) type Entries<'a> = BTreeMap<&'a str, (Node<'a>, Node<'a>)>;

/// Returns the entries of a mapping. Its own take precedence over those below its merge keys.
pub(super) fn all_entries(mapping: Mapping<'_>) -> Entries<'_> {
    let mut entries = Entries::new();
    add_entries(mapping, &mut entries);
    entries
}

fn add_entries<'a>(mapping: Mapping<'a>, entries: &mut Entries<'a>) {
    let is_merge = |key: Node<'_>| {
        let scalar = key.as_scalar();
        scalar.is_some_and(|key| key.text == "<<" && key.style == ScalarStyle::Plain)
    };
    for (key, value) in mapping.entries().filter(|(key, _)| !is_merge(*key)) {
        if let Some(name) = key.as_text() {
            entries.entry(name).or_insert((key, value));
        }
    }
    for merged in mapping.merged() {
        add_entries(merged, entries);
    }
}

impl Reader<'_> {
    pub(super) fn problem(&mut self, node: Node<'_>, message: impl Into<String>, help: &str) {
        let problem = Problem::new(self.interpolation.file, node.span(), message);
        self.found.problems.push(problem.help(help));
    }

    fn not_evaluated(&mut self, node: Node<'_>, what: impl Into<String>) {
        self.found.not_evaluated.push(NotEvaluated {
            place: Place::of(self.interpolation.file, node),
            service: self.service.clone(),
            what: what.into(),
        });
    }

    /// Reads a document.
    pub fn document(&mut self, document: &Document) -> FileDocument {
        let root = document.root();
        if root.scalar_kind() == Some(ScalarKind::Null) {
            return FileDocument::default();
        }
        let Some(mapping) = root.as_mapping() else {
            self.problem(
                root,
                "expected a compose file, which is a mapping with `services`",
                SHAPE_HELP,
            );
            return FileDocument::default();
        };
        let entries = all_entries(mapping);
        let includes = match entries.get("include") {
            Some((_, include)) if include.resolved().tag() != Some(RESET) => self.includes(*include),
            _ => Vec::new(),
        };
        let services = entries
            .get("services")
            .and_then(|(_, services)| self.services(*services));
        FileDocument { services, includes }
    }

    fn services(&mut self, services: Node<'_>) -> Option<BTreeMap<String, FileService>> {
        if services.scalar_kind() == Some(ScalarKind::Null) {
            return None;
        }
        let Some(services) = services.as_mapping() else {
            self.problem(services, "expected a mapping of services", SHAPE_HELP);
            return None;
        };
        let mut read = BTreeMap::new();
        for (name, (key, value)) in all_entries(services) {
            self.service = Some(name.to_owned());
            if let Some(service) = self.file_service(key, value) {
                read.insert(name.to_owned(), service);
            }
        }
        self.service = None;
        Some(read)
    }

    fn file_service(&mut self, key: Node<'_>, value: Node<'_>) -> Option<FileService> {
        if value.resolved().tag() == Some(RESET) {
            return Some(FileService::Reset);
        }
        let Some(mapping) = value.as_mapping() else {
            self.problem(value, "expected the mapping of a service", SHAPE_HELP);
            return None;
        };
        let entries = all_entries(mapping);
        let place = Place::of(self.interpolation.file, key);
        let mut layer = self.layer(&entries);
        let extends = entries
            .get("extends")
            .map(|(_, extends)| *extends)
            .filter(|extends| extends.resolved().tag() != Some(RESET))
            .and_then(|extends| self.extends(extends, &mut layer));
        let service = FileService::Merge {
            place,
            layer: Box::new(layer),
            extends,
        };
        Some(match value.resolved().tag() {
            Some(OVERRIDE) => FileService::Override(Box::new(service)),
            _ => service,
        })
    }

    fn layer(&mut self, entries: &Entries<'_>) -> Layer {
        let value = |name: &str| entries.get(name).map(|(_, value)| *value);
        if let Some(profiles) = value("profiles") {
            self.not_evaluated(
                profiles,
                "`profiles`: the service is checked as if one of them were active",
            );
        }
        let mut layer = Layer {
            image: value("image").and_then(|node| self.change(node, Self::text)),
            platform: value("platform").and_then(|node| self.change(node, Self::text)),
            build: value("build").and_then(|node| self.change(node, |_, _| Some(()))),
            environment: value("environment").and_then(|node| self.change(node, Self::environment)),
            has_variable_list: value("environment").is_some_and(|node| node.as_sequence().is_some()),
            env_files: value("env_file").and_then(|node| self.change(node, Self::env_files)),
            dependencies: value("depends_on").and_then(|node| self.change(node, Self::dependencies)),
            health_check: value("healthcheck").and_then(|node| self.change(node, Self::health_check)),
            open_questions: Vec::new(),
        };
        if let Some(models) = value("models") {
            self.not_evaluated(models, "`models`: Compose sets variables for each model");
            layer.open_questions.push("models");
        }
        layer
    }

    /// Reads which service is extended.
    fn extends(&mut self, node: Node<'_>, layer: &mut Layer) -> Option<Extends> {
        let file = node.get("file");
        let name = if node.as_scalar().is_some() {
            Some(node)
        } else {
            node.get("service")
        };
        let Some(name) = name else {
            self.problem(
                node,
                "`extends` does not name a service",
                "write `extends: { service: NAME }`",
            );
            return None;
        };
        let name = self.text(name)?;
        let file = match file.filter(|file| file.scalar_kind() != Some(ScalarKind::Null)) {
            Some(file) => {
                let path = self.text(file)?;
                if is_remote(&path.text) {
                    self.not_evaluated(file, "`extends` with a file that Compose fetches from elsewhere");
                    layer.open_questions.push("extends");
                    return None;
                }
                Some((joined(self.directory, &path.text), path.place))
            }
            None => None,
        };
        Some(Extends {
            service: name.text,
            place: name.place,
            file,
        })
    }

    /// Reads a value and what its tag does to that of earlier files.
    fn change<T>(&mut self, node: Node<'_>, read: impl FnOnce(&mut Self, Node<'_>) -> Option<T>) -> Option<Change<T>> {
        match node.resolved().tag() {
            Some(RESET) => return Some(Change::Replace(None)),
            Some(OVERRIDE) => return read(self, node).map(|value| Change::Replace(Some(value))),
            Some(tag) if tag.starts_with('!') && tag != "!" => {
                self.not_evaluated(node, format!("the tag {}", escape(tag.as_bytes())));
            }
            _ => {}
        }
        if node.scalar_kind() == Some(ScalarKind::Null) {
            return None;
        }
        read(self, node).map(Change::Merge)
    }

    pub(super) fn text(&mut self, node: Node<'_>) -> Option<Text> {
        match self.interpolation.text(node) {
            Ok(Some(text)) => Some(text),
            Ok(None) => {
                self.problem(node, "expected text", "write a string");
                None
            }
            Err(problem) => {
                self.found.problems.push(problem);
                None
            }
        }
    }

    fn environment(&mut self, node: Node<'_>) -> Option<BTreeMap<String, VariableChange>> {
        let mut variables = BTreeMap::new();
        if let Some(mapping) = node.as_mapping() {
            for (name, (key, value)) in all_entries(mapping) {
                if value.resolved().tag() == Some(RESET) {
                    variables.insert(name.to_owned(), None);
                    continue;
                }
                let is_of_shell = value.scalar_kind() == Some(ScalarKind::Null);
                let text = if is_of_shell { None } else { Some(self.text(value)?) };
                let place = text
                    .as_ref()
                    .map_or_else(|| Place::of(self.interpolation.file, key), |text| text.place.clone());
                let variable = self.variable(name, text, place)?;
                variables.insert(name.to_owned(), Some(variable));
            }
            return Some(variables);
        }
        if node.as_sequence().is_none() {
            self.problem(
                node,
                "expected a mapping or a list of variables",
                "write NAME: value, or - NAME=value",
            );
            return None;
        }
        for item in node.items() {
            let Text { text, unset, place } = self.text(item)?;
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (&text[..], None),
            };
            let value = value.map(|value| Text {
                text: value.to_owned(),
                unset,
                place: place.clone(),
            });
            let variable = self.variable(name, value, place)?;
            variables.insert(name.to_owned(), Some(variable));
        }
        Some(variables)
    }

    /// Returns a variable of `environment`. Without a value, it is that of the shell, or of an env file of the include.
    fn variable(&mut self, name: &str, value: Option<Text>, place: Place) -> Option<ServiceVariable> {
        let of_include = match &value {
            None if self.is_included => self.interpolation.variables.get(name).map(str::to_owned),
            _ => None,
        };
        if !self
            .interpolation
            .budget
            .take(of_include.as_ref().map_or(0, String::len))
        {
            let reason = TemplateReason::TooMuch;
            self.found.problems.push(Problem {
                place,
                message: reason.message(),
                help: None,
            });
            return None;
        }
        Some(ServiceVariable {
            value,
            of_include,
            place,
        })
    }

    fn env_files(&mut self, node: Node<'_>) -> Option<Vec<ServiceEnvFile>> {
        let nodes: Vec<Node<'_>> = match node.as_sequence() {
            Some(sequence) => sequence.items().collect(),
            None => vec![node],
        };
        nodes.into_iter().map(|node| self.env_file(node)).collect()
    }

    fn env_file(&mut self, node: Node<'_>) -> Option<ServiceEnvFile> {
        if node.as_scalar().is_some() {
            return self.text(node).map(|path| ServiceEnvFile {
                file: self.directory.join(&path.text),
                path,
                is_required: true,
                is_raw: false,
            });
        }
        let Some(path) = node.get("path") else {
            self.problem(
                node,
                "`env_file` does not name a file",
                "write `env_file: FILE`, or `- path: FILE`",
            );
            return None;
        };
        let path = self.text(path)?;
        let is_required = match node.get("required") {
            Some(required) => !self.is_false(required)?,
            None => true,
        };
        let format = match node.get("format") {
            Some(format) => self.text(format)?.text,
            None => String::new(),
        };
        if !(format.is_empty() || format == "raw") {
            self.problem(
                node,
                format!("unknown `format` \"{}\"", escape(format.as_bytes())),
                "write `format: raw`",
            );
            return None;
        }
        Some(ServiceEnvFile {
            file: self.directory.join(&path.text),
            path,
            is_required,
            is_raw: format == "raw",
        })
    }

    fn dependencies(&mut self, node: Node<'_>) -> Option<BTreeMap<String, Dependency>> {
        let file = self.interpolation.file;
        let mut dependencies = BTreeMap::new();
        if let Some(mapping) = node.as_mapping() {
            for (name, (key, value)) in all_entries(mapping) {
                let condition = value.get("condition");
                let must_be_healthy = match condition {
                    Some(condition) => Some(self.text(condition)?.text == "service_healthy"),
                    None => None,
                };
                let node = condition.filter(|_| must_be_healthy == Some(true)).unwrap_or(key);
                let dependency = Dependency {
                    place: Place::of(file, node.resolved()),
                    must_be_healthy,
                };
                dependencies.insert(name.to_owned(), dependency);
            }
            return Some(dependencies);
        }
        if node.as_sequence().is_none() {
            self.problem(
                node,
                "expected a list or a mapping of services",
                "write `depends_on: [NAME]`",
            );
            return None;
        }
        for item in node.items() {
            let Text { text, place, .. } = self.text(item)?;
            let dependency = Dependency {
                place,
                must_be_healthy: Some(false),
            };
            dependencies.insert(text, dependency);
        }
        Some(dependencies)
    }

    fn health_check(&mut self, node: Node<'_>) -> Option<HealthCheck> {
        let Some(mapping) = node.as_mapping() else {
            self.problem(
                node,
                "expected the mapping of a health check",
                "write `healthcheck: { test: … }`",
            );
            return None;
        };
        let entries = all_entries(mapping);
        let test = match entries.get("test") {
            Some((_, test)) => Some(self.health_test(*test)?),
            None => None,
        };
        let is_disabled = match entries.get("disable") {
            Some((_, disable)) => Some(self.text(*disable)?.text.eq_ignore_ascii_case("true")),
            None => None,
        };
        Some(HealthCheck { test, is_disabled })
    }

    fn health_test(&mut self, node: Node<'_>) -> Option<HealthTest> {
        let Some(sequence) = node.as_sequence() else {
            let text = self.text(node)?.text;
            return Some(if text.is_empty() {
                HealthTest::OfImage
            } else {
                HealthTest::Command
            });
        };
        let first = match sequence.items().next() {
            Some(first) => self.text(first)?.text,
            None => String::new(),
        };
        Some(match &first[..] {
            "" => HealthTest::OfImage,
            "NONE" => HealthTest::Off,
            _ => HealthTest::Command,
        })
    }

    /// Returns `true` for `false`, which may come from a variable.
    fn is_false(&mut self, node: Node<'_>) -> Option<bool> {
        let text = self.text(node)?.text;
        Some(text.eq_ignore_ascii_case("false"))
    }
}

const SHAPE_HELP: &str = "give a compose file: a mapping with `services`, each with `image` or `build`";
