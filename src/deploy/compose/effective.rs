//! The environment that Compose gives to a service: its env files in their order, and then `environment`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::env_file::{EnvFileError, EnvFormat, read_env_file};
use super::place::Place;
use super::service::{Service, ServiceEnvFile};
use super::template::Budget;
use super::variables::Variables;

/// The texts of env files by their paths; `None` for a file that does not exist.
pub type EnvTexts = BTreeMap<PathBuf, Option<String>>;

/// Where a variable is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// In a compose file.
    Compose(Place),
    /// In a line of an env file.
    EnvFile { path: PathBuf, line: usize },
}

/// A variable of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// Its value; `None` if it is taken from the shell, which does not set it. The container does not get it then, even if
    /// its image sets it.
    pub value: Option<String>,
    /// Whether it is taken from the shell.
    pub is_of_shell: bool,
    /// Variables in the value that are not set.
    pub unset: Vec<String>,
    pub source: Source,
}

/// The environment of a service.
#[derive(Debug, Default)]
pub(super) struct Environment<'a> {
    pub variables: BTreeMap<String, Given>,
    /// Required env files that do not exist.
    pub missing_files: Vec<&'a ServiceEnvFile>,
    /// Variables in env files that are not set: the file, the line and the name.
    pub unset: Vec<(PathBuf, usize, String)>,
    /// What env files set and a name without a value takes away.
    pub taken_away: Vec<String>,
}

/// Returns the environment of a service.
pub(super) fn environment<'a>(
    service: &'a Service,
    texts: &EnvTexts,
    variables: &Variables,
    budget: &Budget,
) -> Result<Environment<'a>, EnvFileError> {
    let mut environment = Environment::default();
    // The variables of the shell and of --env-file come first, and then the service's own.
    let known = |name: &str| {
        let own = || {
            service
                .environment
                .get(name)?
                .value
                .as_ref()
                .map(|value| value.text.as_str())
        };
        variables.get(name).or_else(own)
    };
    for file in &service.env_files {
        let path = &file.file;
        let Some(text) = texts.get(path).and_then(Option::as_ref) else {
            if file.is_required {
                environment.missing_files.push(file);
            }
            continue;
        };
        let format = if file.is_raw {
            EnvFormat::Raw
        } else {
            EnvFormat::Compose
        };
        let of_earlier_files = |name: &str| environment.variables.get(name)?.value.as_deref();
        let entries = read_env_file(path, text, format, &known, &of_earlier_files, budget)?;
        for entry in entries {
            for name in &entry.unset {
                environment.unset.push((path.clone(), entry.line, name.clone()));
            }
            let given = Given {
                value: Some(entry.value),
                is_of_shell: false,
                unset: entry.unset,
                source: Source::EnvFile {
                    path: path.clone(),
                    line: entry.line,
                },
            };
            environment.variables.insert(entry.name, given);
        }
    }
    for (name, variable) in &service.environment {
        let given = match &variable.value {
            Some(value) => Given {
                value: Some(value.text.clone()),
                is_of_shell: false,
                unset: value.unset.clone(),
                source: Source::Compose(variable.place.clone()),
            },
            None => Given {
                value: variables
                    .get(name)
                    .map_or_else(|| variable.of_include.clone(), |value| Some(value.to_owned())),
                is_of_shell: true,
                unset: Vec::new(),
                source: Source::Compose(variable.place.clone()),
            },
        };
        let is_lost = given.value.is_none();
        let earlier = environment.variables.insert(name.clone(), given);
        if is_lost && earlier.is_some() {
            environment.taken_away.push(name.clone());
        }
    }
    Ok(environment)
}
