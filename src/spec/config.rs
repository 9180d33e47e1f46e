//! What `[config]` says, variables and `${base.NAME}` put in.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use super::forms::{DurationText, False, PortText, TextOrFalse};

/// `[config]`
#[derive(Debug, Clone, PartialEq, Eq, Default, JsonSchema)]
#[schemars(rename = "Config", deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConfigSpec {
    /// User that runs the container, verbatim.
    pub user: Option<String>,
    /// Working directory, absolute.
    pub workdir: Option<String>,
    /// Environment; false removes a variable of the base.
    #[schemars(with = "Option<BTreeMap<String, TextOrFalse>>")]
    pub env: BTreeMap<String, Option<String>>,
    /// Labels; false removes a label of the base.
    #[schemars(with = "Option<BTreeMap<String, TextOrFalse>>")]
    pub labels: BTreeMap<String, Option<String>>,
    /// Ports, such as "3000" or "53/udp".
    #[schemars(with = "Option<Vec<PortText>>")]
    pub ports: Vec<String>,
    /// Absolute paths of volumes.
    #[schemars(with = "Option<Vec<String>>")]
    pub volumes: Vec<String>,
    /// Signal that stops the container, such as SIGTERM.
    pub stop_signal: Option<String>,
    /// Names of variables that must be set when the container runs.
    #[schemars(with = "Option<Vec<String>>")]
    pub required_env: Vec<String>,
    /// A list of words, or a string that the shell runs.
    pub entrypoint: Option<Command>,
    /// A list of words, or a string that the shell runs.
    pub cmd: Option<Command>,
    /// Shell for commands that are strings; default: the base's, otherwise ["/bin/sh", "-c"].
    pub shell: Option<Vec<String>>,
    /// Health check; false removes the health check of the base.
    pub healthcheck: Option<Healthcheck>,
}

/// A command: a list of words, or a string for the shell.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Command {
    /// Run by the shell.
    Shell(String),
    /// The words themselves.
    Exec(Vec<String>),
}

/// A health check, or `false` for none.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "HealthcheckChoice", untagged)]
pub enum Healthcheck {
    /// None; removes that of the base.
    #[schemars(with = "False")]
    None,
    /// A check.
    Check(HealthTest),
}

/// `[config.healthcheck]`
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename = "Healthcheck", deny_unknown_fields, rename_all = "kebab-case")]
pub struct HealthTest {
    /// A list that begins with CMD or CMD-SHELL, or a string that the shell runs.
    #[schemars(with = "Option<Command>")]
    pub test: Vec<String>,
    /// Time between two checks, such as "30s".
    #[schemars(rename = "interval", with = "Option<DurationText>")]
    pub interval_ns: Option<u64>,
    /// Timeout of one check, such as "10s".
    #[schemars(rename = "timeout", with = "Option<DurationText>")]
    pub timeout_ns: Option<u64>,
    /// Time after the start in which failures do not count.
    #[schemars(rename = "start-period", with = "Option<DurationText>")]
    pub start_period_ns: Option<u64>,
    /// Time between two checks in the start period.
    #[schemars(rename = "start-interval", with = "Option<DurationText>")]
    pub start_interval_ns: Option<u64>,
    /// Consecutive failures after which the container is unhealthy.
    #[schemars(with = "Option<i64>", extend("minimum" = 0))]
    pub retries: Option<u64>,
}
