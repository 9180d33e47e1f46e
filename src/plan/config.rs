//! Computes the config of an image: that of the base image, with the changes of the spec (image-spec, config.md; the
//! health check and the shell are Docker's).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::PlanError;
use super::types::ConfigPlan;
use crate::model::Image;
use crate::spec::{Command, ConfigSpec, Healthcheck};

/// The label that lists the variables which must be set where the image runs: names joined by commas, in the spec's
/// order.
pub const REQUIRED_ENV_LABEL: &str = "dev.ocitect.required-env";

/// The shell for a command that is a single string, unless the spec or the base image sets another.
const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

type Fields = Map<String, Value>;

/// Returns the base image's table `config` with the changes of the spec. Other fields are kept, whether known or not;
/// fields that become empty are removed.
pub(super) fn merge(
    spec: ConfigSpec,
    base: Option<&Image>,
    created_s: i64,
    warnings: &mut Vec<String>,
) -> Result<ConfigPlan, PlanError> {
    Ok(ConfigPlan {
        execution: execution(spec, base_execution(base)?, warnings)?,
        created: rfc3339(created_s)?,
    })
}

/// Returns the table `config` of a base image with the changes of the spec, like the plan of a build.
///
/// # Errors
/// Returns [`PlanError`] for a base whose config violates the standard.
pub fn execution(spec: ConfigSpec, base: Fields, warnings: &mut Vec<String>) -> Result<Fields, PlanError> {
    let mut fields = base;
    drop_on_build(&mut fields, warnings);
    set_commands(&mut fields, &spec)?;
    let texts = [
        ("User", spec.user),
        ("WorkingDir", spec.workdir),
        ("StopSignal", spec.stop_signal),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value.into());
        }
    }
    merge_env(&mut fields, &spec.env)?;
    merge_labels(&mut fields, &spec.labels, &spec.required_env)?;
    add_keys(&mut fields, "ExposedPorts", "config.ExposedPorts", spec.ports)?;
    add_keys(&mut fields, "Volumes", "config.Volumes", spec.volumes)?;
    if let Some(healthcheck) = spec.healthcheck {
        fields.insert("Healthcheck".to_owned(), healthcheck_value(healthcheck));
    }
    Ok(fields)
}

/// Returns the table `config` of a base image; empty without one.
///
/// # Errors
/// Returns [`PlanError`] if it is no table.
pub fn base_execution(base: Option<&Image>) -> Result<Fields, PlanError> {
    match base.and_then(|base| base.config().value().fields().get("config")) {
        None | Some(Value::Null) => Ok(Fields::new()),
        Some(Value::Object(fields)) => Ok(fields.clone()),
        Some(_) => Err(PlanError::BaseConfig {
            field: "config",
            expected: "an object",
        }),
    }
}

/// Removes `ONBUILD`. It is an instruction for `docker build` only; if kept, it would affect images that are built on
/// this one.
fn drop_on_build(fields: &mut Fields, warnings: &mut Vec<String>) {
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if fields.remove("OnBuild").is_some_and(|value| !is_empty(&value)) {
        warnings.push("the ONBUILD instructions of the base are removed: only Dockerfile builds run them".to_owned());
    }
}

fn set_commands(fields: &mut Fields, spec: &ConfigSpec) -> Result<(), PlanError> {
    if let Some(shell) = &spec.shell {
        set_list(fields, "Shell", shell.clone());
    }
    if let Some(entrypoint) = &spec.entrypoint {
        let words = words(entrypoint, fields)?;
        set_list(fields, "Entrypoint", words);
        fields.remove("Cmd");
    }
    if let Some(cmd) = &spec.cmd {
        let words = words(cmd, fields)?;
        set_list(fields, "Cmd", words);
    }
    Ok(())
}

fn words(command: &Command, fields: &Fields) -> Result<Vec<String>, PlanError> {
    match command {
        Command::Exec(words) => Ok(words.clone()),
        Command::Shell(line) => {
            let mut words = string_list(fields, "Shell", "config.Shell")?;
            if words.is_empty() {
                words = DEFAULT_SHELL.map(str::to_owned).to_vec();
            }
            words.push(line.clone());
            Ok(words)
        }
    }
}

fn set_list(fields: &mut Fields, name: &str, words: Vec<String>) {
    if words.is_empty() {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), words.into());
    }
}

/// Merges environment variables. A changed value keeps its position; new names are appended, sorted. All other entries
/// are kept as written.
fn merge_env(fields: &mut Fields, changes: &BTreeMap<String, Option<String>>) -> Result<(), PlanError> {
    if changes.is_empty() {
        return Ok(());
    }
    let mut rest = changes.clone();
    let mut merged = Vec::new();
    for entry in string_list(fields, "Env", "config.Env")? {
        let name = entry.split_once('=').map_or(&*entry, |(name, _)| name);
        if !changes.contains_key(name) {
            merged.push(entry);
        } else if let Some(value) = rest.remove(name).flatten() {
            merged.push(format!("{name}={value}"));
        }
    }
    merged.extend(
        rest.into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value?))),
    );
    set_list(fields, "Env", merged);
    Ok(())
}

fn merge_labels(
    fields: &mut Fields,
    changes: &BTreeMap<String, Option<String>>,
    required_env: &[String],
) -> Result<(), PlanError> {
    let mut changes = changes.clone();
    if !required_env.is_empty() {
        changes.insert(REQUIRED_ENV_LABEL.to_owned(), Some(required_env.join(",")));
    }
    if changes.is_empty() {
        return Ok(());
    }
    let mut labels = table(fields, "Labels", "config.Labels")?;
    for (name, value) in changes {
        match value {
            Some(value) => labels.insert(name, value.into()),
            None => labels.remove(&name),
        };
    }
    set_table(fields, "Labels", labels);
    Ok(())
}

/// Adds keys to an object that is used as a set.
fn add_keys(fields: &mut Fields, name: &str, field: &'static str, keys: Vec<String>) -> Result<(), PlanError> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut set = table(fields, name, field)?;
    for key in keys {
        set.entry(key).or_insert_with(|| json!({}));
    }
    set_table(fields, name, set);
    Ok(())
}

fn set_table(fields: &mut Fields, name: &str, table: Fields) {
    if table.is_empty() {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), table.into());
    }
}

fn table(fields: &Fields, name: &str, field: &'static str) -> Result<Fields, PlanError> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(Fields::new()),
        Some(Value::Object(table)) => Ok(table.clone()),
        Some(_) => Err(PlanError::BaseConfig {
            field,
            expected: "an object",
        }),
    }
}

fn string_list(fields: &Fields, name: &str, field: &'static str) -> Result<Vec<String>, PlanError> {
    let malformed = || PlanError::BaseConfig {
        field,
        expected: "a list of strings",
    };
    match fields.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(malformed))
            .collect(),
        Some(_) => Err(malformed()),
    }
}

/// Returns the health check in Docker's form: durations in nanoseconds, unset fields left out.
fn healthcheck_value(healthcheck: Healthcheck) -> Value {
    let Healthcheck::Check(check) = healthcheck else {
        return json!({ "Test": ["NONE"] });
    };
    let numbers = [
        ("Interval", check.interval_ns),
        ("Timeout", check.timeout_ns),
        ("StartPeriod", check.start_period_ns),
        ("StartInterval", check.start_interval_ns),
        ("Retries", check.retries),
    ];
    let mut fields = Fields::new();
    fields.insert("Test".to_owned(), check.test.into());
    fields.extend(
        numbers
            .into_iter()
            .filter_map(|(name, number)| Some((name.to_owned(), number?.into()))),
    );
    fields.into()
}

fn rfc3339(seconds: i64) -> Result<String, PlanError> {
    let time = OffsetDateTime::from_unix_timestamp(seconds).map_err(|cause| PlanError::Time {
        seconds,
        cause: Box::new(cause),
    })?;
    time.format(&Rfc3339).map_err(|cause| PlanError::Time {
        seconds,
        cause: Box::new(cause),
    })
}
