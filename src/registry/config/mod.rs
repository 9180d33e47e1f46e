//! Selection of the hosts that a repository's requests go to: `registries.conf` (containers-registries.conf(5), version
//! 2), containerd's `hosts.toml` (its docs/hosts.md), and rules for hosts that neither names.
//!
//! This module reads files and opens no connections. It does not read the environment (the command line names the
//! files), never prints the value of a header, and gives a mirror nothing of the upstream but its name.

mod document;
mod duration;
mod endpoint;
mod files;
mod hosts_toml;
mod prefix;
mod registries_conf;
mod resolve;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub(super) use endpoint::{Endpoint, EndpointTls, RepositoryEndpoint, Scheme};
pub use files::ConfigFiles;
pub(super) use resolve::{Action, Config};

use crate::model::ShortNames;

/// Returns the full names of short names on this machine, from its configuration files. They are used for hints only:
/// if the files cannot be read, the result is empty, and the error is reported at the first request to a registry.
pub fn short_names(files: &ConfigFiles) -> ShortNames {
    Config::read(files, &BTreeSet::new())
        .map(|config| config.short_names())
        .unwrap_or_default()
}
