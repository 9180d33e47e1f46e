//! Selection of the hosts that a repository's requests go to: `registries.conf` (containers-registries.conf(5), version
//! 2), containerd's `hosts.toml` (its docs/hosts.md), and rules for hosts that neither names.
//!
//! This module reads files and opens no connections. It does not read the environment (the command line names the
//! files), never prints the value of a header, and gives a mirror nothing of the upstream but its name.

mod document;
mod duration;
mod endpoint;
mod error;
mod hosts_toml;
mod prefix;
mod registries_conf;
mod resolve;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;

pub(super) use endpoint::{Endpoint, EndpointTls, RepositoryEndpoint, Scheme};
pub(super) use resolve::{Action, Config};

use crate::model::ShortNames;

/// Returns the full names of short names on this machine, from its configuration files. They are used for hints only:
/// if the files cannot be read, the result is empty, and the error is reported at the first request to a registry.
pub fn short_names(files: &ConfigFiles) -> ShortNames {
    Config::read(files, &BTreeSet::new())
        .map(|config| config.short_names().clone())
        .unwrap_or_default()
}

/// Files that configure how registries are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFiles {
    /// The only `registries.conf` that is read, without drop-in files. It must exist. If it is set, the directories
    /// below are not used.
    pub registries_conf: Option<PathBuf>,
    /// The user's directory with `registries.conf` and `registries.conf.d`, such as `~/.config/containers`. If it has
    /// the file, the system's directory is not used.
    pub user_directory: Option<PathBuf>,
    /// The system's directory, `/etc/containers`.
    pub system_directory: Option<PathBuf>,
    /// Directories that have a directory for each `HOST[:PORT]` (or `HOST_PORT_`, or `_default`), with a `hosts.toml`.
    /// The first one that has a directory for the host is used, and `_default` only if none has one.
    pub hosts_directories: Vec<PathBuf>,
}
