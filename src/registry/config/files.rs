//! Files that are read.

use std::path::PathBuf;

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
