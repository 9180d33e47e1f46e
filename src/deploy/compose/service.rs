//! A service, as it is merged from all files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::place::Place;

/// Text with its variables replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// The text.
    pub text: String,
    /// Variables that are not set, and that an empty string stands for.
    pub unset: Vec<String>,
    /// The place of the scalar.
    pub place: Place,
}

/// A variable of `environment`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceVariable {
    /// Its value; `None` if it is taken from the shell.
    pub value: Option<Text>,
    /// What an env file of the include says, if the shell does not set it.
    pub of_include: Option<String>,
    /// The place of the value, or of the name.
    pub place: Place,
}

/// A file of `env_file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceEnvFile {
    /// The path, as written.
    pub path: Text,
    /// The path with the directory that it is relative to.
    pub file: PathBuf,
    /// Whether Compose fails if it does not exist.
    pub is_required: bool,
    /// `format: raw`.
    pub is_raw: bool,
}

/// A service that another one waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    /// The place of the condition, or of the name.
    pub place: Place,
    /// Whether `condition` is `service_healthy`; `None` if it is not given.
    pub must_be_healthy: Option<bool>,
}

/// `test` of a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HealthTest {
    /// A command.
    Command,
    /// Empty: that of the image.
    OfImage,
    /// `["NONE"]`.
    Off,
}

/// `healthcheck`, as far as it says whether there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct HealthCheck {
    /// `test`.
    pub test: Option<HealthTest>,
    /// `disable`.
    pub is_disabled: Option<bool>,
}

impl HealthCheck {
    /// Returns what is run.
    pub fn outcome(self) -> HealthTest {
        match self.is_disabled {
            Some(true) => HealthTest::Off,
            _ => self.test.unwrap_or(HealthTest::OfImage),
        }
    }
}

/// A value of one file, and what it does to that of earlier files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change<T> {
    /// It is added to the earlier one.
    Merge(T),
    /// It replaces the earlier one (`!override`); `None` removes it (`!reset`).
    Replace(Option<T>),
}

/// A change of one variable.
pub(super) type VariableChange = Option<ServiceVariable>;

/// A service of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layer {
    pub image: Option<Change<Text>>,
    pub platform: Option<Change<Text>>,
    pub build: Option<Change<()>>,
    /// `None` removes a variable.
    pub environment: Option<Change<BTreeMap<String, VariableChange>>>,
    /// Whether `environment` is a list.
    pub has_variable_list: bool,
    pub env_files: Option<Change<Vec<ServiceEnvFile>>>,
    pub dependencies: Option<Change<BTreeMap<String, Dependency>>>,
    pub health_check: Option<Change<HealthCheck>>,
    /// What may set variables and is not evaluated.
    pub open_questions: Vec<&'static str>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    /// The place of its name in the last file that has it.
    pub place: Place,
    pub image: Option<Text>,
    pub platform: Option<Text>,
    pub is_built: bool,
    pub environment: BTreeMap<String, ServiceVariable>,
    /// Whether `environment` is a list, as it is written or because several were merged. Only then Compose looks for
    /// names without a value in the env files of an include.
    pub has_variable_list: bool,
    pub env_files: Vec<ServiceEnvFile>,
    pub dependencies: BTreeMap<String, Dependency>,
    pub health_check: HealthCheck,
    /// What may set variables and is not evaluated.
    pub open_questions: Vec<&'static str>,
}

impl Layer {
    /// Returns what adds all of a service to one of another file.
    pub fn of(service: &Service) -> Self {
        let variable = |(name, variable): (&String, &ServiceVariable)| {
            let of_include = variable.of_include.clone().filter(|_| service.has_variable_list);
            let variable = ServiceVariable {
                of_include,
                ..variable.clone()
            };
            (name.clone(), Some(variable))
        };
        let variables = service.environment.iter().map(variable);
        Self {
            image: service.image.clone().map(Change::Merge),
            platform: service.platform.clone().map(Change::Merge),
            build: service.is_built.then_some(Change::Merge(())),
            environment: Some(Change::Merge(variables.collect())),
            has_variable_list: service.has_variable_list,
            env_files: Some(Change::Merge(service.env_files.clone())),
            dependencies: Some(Change::Merge(service.dependencies.clone())),
            health_check: Some(Change::Merge(service.health_check)),
            open_questions: service.open_questions.clone(),
        }
    }

    /// Returns about how many bytes it takes.
    pub fn size(&self) -> usize {
        fn new<T>(change: &Option<Change<T>>) -> Option<&T> {
            match change.as_ref()? {
                Change::Merge(new) => Some(new),
                Change::Replace(new) => new.as_ref(),
            }
        }
        let text = |text: &Text| text.text.len() + size_of::<Text>();
        let variable = |(name, variable): (&String, &VariableChange)| {
            let value = variable.as_ref().and_then(|variable| variable.value.as_ref());
            name.len() + size_of::<ServiceVariable>() + value.map_or(0, text)
        };
        let environment = new(&self.environment).into_iter().flatten().map(variable);
        let file = |file: &ServiceEnvFile| text(&file.path) + file.file.as_os_str().len();
        let env_files = new(&self.env_files).into_iter().flatten().map(file);
        let dependency = |(name, _): (&String, &Dependency)| name.len() + size_of::<Dependency>();
        let dependencies = new(&self.dependencies).into_iter().flatten().map(dependency);
        environment.chain(env_files).chain(dependencies).sum()
    }
}

impl Service {
    /// Creates a service without any attribute.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            image: None,
            platform: None,
            is_built: false,
            environment: BTreeMap::new(),
            has_variable_list: false,
            env_files: Vec::new(),
            dependencies: BTreeMap::new(),
            health_check: HealthCheck::default(),
            open_questions: Vec::new(),
        }
    }

    /// Merges a later file into it (compose-spec, 13-merge.md): single values are replaced, mappings are merged by key,
    /// lists are appended.
    pub fn apply(&mut self, layer: &Layer) {
        replace(&mut self.image, layer.image.as_ref());
        replace(&mut self.platform, layer.platform.as_ref());
        match &layer.build {
            Some(Change::Replace(None)) => self.is_built = false,
            Some(_) => self.is_built = true,
            None => {}
        }
        if let Some(change) = &layer.environment {
            let is_merged = matches!(change, Change::Merge(_)) && !self.environment.is_empty();
            self.has_variable_list = is_merged || layer.has_variable_list;
            for (name, variable) in changed(change, || self.environment.clear()).into_iter().flatten() {
                match variable {
                    Some(variable) => self.environment.insert(name.clone(), variable.clone()),
                    None => self.environment.remove(name),
                };
            }
        }
        if let Some(change) = &layer.env_files {
            for file in changed(change, || self.env_files.clear()).into_iter().flatten() {
                // A path that is named again keeps its position.
                match self.env_files.iter_mut().find(|known| known.file == file.file) {
                    Some(known) => *known = file.clone(),
                    None => self.env_files.push(file.clone()),
                }
            }
        }
        if let Some(change) = &layer.dependencies {
            for (name, new) in changed(change, || self.dependencies.clear()).into_iter().flatten() {
                let known = self.dependencies.entry(name.clone()).or_insert_with(|| new.clone());
                // The place is that of the condition.
                if new.must_be_healthy.is_some() {
                    known.place = new.place.clone();
                }
                known.must_be_healthy = new.must_be_healthy.or(known.must_be_healthy);
            }
        }
        if let Some(change) = &layer.health_check {
            let mut known = self.health_check;
            let new = changed(change, || known = HealthCheck::default())
                .copied()
                .unwrap_or_default();
            self.health_check = HealthCheck {
                test: new.test.or(known.test),
                is_disabled: new.is_disabled.or(known.is_disabled),
            };
        }
        for question in &layer.open_questions {
            if !self.open_questions.contains(question) {
                self.open_questions.push(question);
            }
        }
    }
}

fn replace<T: Clone>(value: &mut Option<T>, change: Option<&Change<T>>) {
    match change {
        None => {}
        Some(Change::Merge(new)) => *value = Some(new.clone()),
        Some(Change::Replace(new)) => value.clone_from(new),
    }
}

/// Returns the new value, after clearing the earlier one if it is replaced.
fn changed<T>(change: &Change<T>, clear: impl FnOnce()) -> Option<&T> {
    match change {
        Change::Merge(new) => Some(new),
        Change::Replace(new) => {
            clear();
            new.as_ref()
        }
    }
}
