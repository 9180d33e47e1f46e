//! Reads the services of one compose file: what says which variables a container gets, and what it waits for.

use std::collections::BTreeMap;

use super::error::Problem;
use super::place::Place;
use super::service::{
    Change, Dependency, HealthCheck, HealthTest, Layer, ServiceEnvFile, ServiceVariable, Text, VariableChange,
};
use super::walk::{Interpolation, OVERRIDE, RESET, UnsetUse};
use crate::deploy::yaml::{Document, Mapping, Node, ScalarKind, ScalarStyle};
use crate::model::escape;

/// What was found in all files beside the services.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub problems: Vec<Problem>,
    pub uses: Vec<UnsetUse>,
    pub not_evaluated: Vec<NotEvaluated>,
    /// Whether services of other files are included.
    pub has_include: bool,
}

/// A part of a file that may matter and is not evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotEvaluated {
    pub place: Place,
    pub service: Option<String>,
    /// What it is, and what that means.
    pub what: String,
}

/// A service of one file.
#[derive(Debug)]
pub(super) enum FileService {
    /// It is merged with that of earlier files.
    Merge {
        place: Place,
        layer: Box<Layer>,
        /// The service of the same file that it extends, and the place of its name.
        extends: Option<(String, Place)>,
    },
    /// It replaces that of earlier files, which is taken away first.
    Override(Box<FileService>),
    /// `!reset`: that of earlier files is removed.
    Reset,
}

/// Reads the values of one file.
pub(super) struct Reader<'a> {
    pub interpolation: Interpolation<'a>,
    pub found: &'a mut Found,
    /// The service that is read.
    pub service: Option<String>,
}

/// The keys and values of a mapping by name, with those below its merge keys.
type Entries<'a> = BTreeMap<&'a str, (Node<'a>, Node<'a>)>;

/// Returns the entries of a mapping. Its own take precedence over those below its merge keys.
fn all_entries(mapping: Mapping<'_>) -> Entries<'_> {
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
    fn problem(&mut self, node: Node<'_>, message: impl Into<String>, help: &str) {
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

    /// Reads the services of a document.
    pub fn document(&mut self, document: &Document) -> Option<BTreeMap<String, FileService>> {
        let root = document.root();
        if root.scalar_kind() == Some(ScalarKind::Null) {
            return None;
        }
        let Some(mapping) = root.as_mapping() else {
            self.problem(
                root,
                "expected a compose file, which is a mapping with `services`",
                SHAPE_HELP,
            );
            return None;
        };
        let entries = all_entries(mapping);
        if let Some((_, include)) = entries.get("include") {
            self.found.has_include = true;
            self.not_evaluated(*include, "`include`: the services of other files are not checked");
        }
        let (_, services) = *entries.get("services")?;
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
        let extends = entries.get("extends");
        let extends = extends.and_then(|(_, extends)| self.extends(*extends, &mut layer));
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

    /// Reads the name of the service that is extended. One of another file is not read.
    fn extends(&mut self, node: Node<'_>, layer: &mut Layer) -> Option<(String, Place)> {
        let file = node.get("file");
        let name = if node.as_scalar().is_some() {
            Some(node)
        } else {
            node.get("service")
        };
        if let Some(file) = file.filter(|file| file.scalar_kind() != Some(ScalarKind::Null)) {
            self.not_evaluated(file, "`extends` with `file`: the service of the other file is not read");
            layer.open_questions.push("extends");
            return None;
        }
        let Some(name) = name else {
            self.problem(
                node,
                "`extends` does not name a service",
                "write `extends: { service: NAME }`",
            );
            return None;
        };
        let text = self.text(name)?;
        Some((text.text, text.place))
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

    fn text(&mut self, node: Node<'_>) -> Option<Text> {
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
                variables.insert(name.to_owned(), Some(ServiceVariable { value: text, place }));
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
            variables.insert(name.to_owned(), Some(ServiceVariable { value, place }));
        }
        Some(variables)
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
                let is_required = match value.get("required") {
                    Some(required) => Some(!self.is_false(required)?),
                    None => None,
                };
                let node = condition.filter(|_| must_be_healthy == Some(true)).unwrap_or(key);
                let dependency = Dependency {
                    place: Place::of(file, node.resolved()),
                    must_be_healthy,
                    is_required,
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
                is_required: Some(true),
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
