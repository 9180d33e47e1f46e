//! Which hosts a repository's requests go to: `registries.conf` (containers-registries.conf(5), version 2),
//! containerd's `hosts.toml` (its docs/hosts.md), and the rules for hosts that neither names.
//!
//! Text in, values out: this module reads files and connects to nothing. It never reads the environment (the command
//! line names the files), never prints what a header holds, and never hands a mirror anything of its upstream but the
//! upstream's name.

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

pub(super) use endpoint::{Endpoint, EndpointTls, Route, Scheme};
pub(super) use resolve::{Action, Config};

use crate::model::ShortNames;

/// What names without a registry stand for on this machine, by its files. They are for hints alone: where the files cannot
/// be read, nothing is known, and whoever asks a registry is told why.
pub fn short_names(files: &ConfigFiles) -> ShortNames {
    Config::read(files, &BTreeSet::new()).map(|config| config.short_names().clone()).unwrap_or_default()
}

/// Files that say how registries are reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigFiles {
    /// The one `registries.conf` that is read, and nothing beside it; it must be there. Where it is set, `directories`
    /// are not looked at.
    pub registries_conf: Option<PathBuf>,
    /// The user's directory with `registries.conf` and `registries.conf.d`, such as `~/.config/containers`. Where it
    /// has the file, the system's directory is not looked at.
    pub user_directory: Option<PathBuf>,
    /// The system's, `/etc/containers`.
    pub system_directory: Option<PathBuf>,
    /// Directories with one directory for each `HOST[:PORT]` (or `HOST_PORT_`, or `_default`), which may hold a
    /// `hosts.toml`. The first that has one for the host is taken, and `_default` only where none has.
    pub hosts_directories: Vec<PathBuf>,
}
