//! Configuration files, and the endpoints that result from them.

mod endpoints;
mod files;
mod hosts;
mod registries;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::document::File;
use super::endpoint::{RepositoryEndpoint, Scheme};
use super::registries_conf::RegistriesConf;
use super::{Action, Config, ConfigFiles};
use crate::model::{Diagnostic, Digest, Repository, Selector};
use crate::store::StoreError;

/// A directory with the files of a test.
pub(super) struct Files(tempfile::TempDir);

impl Files {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    pub(super) fn write(&self, relative: &str, text: &str) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// `user`, `system` and `certs.d` of this directory.
    pub(super) fn places(&self) -> ConfigFiles {
        ConfigFiles {
            registries_conf: None,
            user_directory: Some(self.path("user")),
            system_directory: Some(self.path("system")),
            hosts_directories: vec![self.path("certs.d"), self.path("containerd")],
        }
    }

    pub(super) fn config(&self) -> Config {
        Config::read(&self.places(), &BTreeSet::new()).unwrap()
    }
}

/// Returns the configuration of one `registries.conf`.
pub(super) fn config_of(text: &str) -> (Files, Config) {
    let files = Files::new();
    files.write("user/registries.conf", text);
    let config = files.config();
    (files, config)
}

/// Returns the configuration of one `hosts.toml`.
pub(super) fn hosts_of(host: &str, text: &str) -> (Files, Config) {
    let files = Files::new();
    files.write(&format!("certs.d/{host}/hosts.toml"), text);
    let config = files.config();
    (files, config)
}

pub(super) fn tag() -> Selector {
    Selector::Tag("1.0".to_owned())
}

pub(super) fn digest() -> Selector {
    Selector::Digest(Digest::of(b"x"))
}

pub(super) fn repository(text: &str) -> Repository {
    text.parse().unwrap()
}

/// Returns the endpoints, as `SCHEME HOST/NAME[?ns=…][ mirror]`.
pub(super) fn endpoints(config: &Config, name: &str, action: Action<'_>) -> Vec<String> {
    config
        .endpoints(&repository(name), action)
        .unwrap()
        .iter()
        .map(show)
        .collect()
}

fn show(endpoint: &RepositoryEndpoint) -> String {
    let scheme = match endpoint.host.scheme {
        Scheme::Https => "https",
        Scheme::HttpsOrHttp => "either",
        Scheme::Http => "http",
    };
    assert_eq!(endpoint.host.registry, endpoint.repository.registry());
    let root = if endpoint.host.root == "/v2/" {
        String::new()
    } else {
        format!(" at {}", endpoint.host.root)
    };
    let namespace = endpoint
        .namespace
        .as_ref()
        .map_or(String::new(), |namespace| format!("?ns={namespace}"));
    let insecure = if endpoint.host.tls.skip_verify { " insecure" } else { "" };
    let mirror = if endpoint.is_mirror { " mirror" } else { "" };
    format!("{scheme} {}{namespace}{root}{insecure}{mirror}", endpoint.repository)
}

/// Returns the error of a `registries.conf`, with its help.
pub(super) fn refusal(text: &str) -> String {
    shown(&RegistriesConf::parse(&File::of("r.conf", text)).unwrap_err())
}

/// Returns an error without its first words, with its help.
pub(super) fn shown(error: &StoreError) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("cannot use ").unwrap_or(&text);
    let help = error.help().map(|help| format!("; help: {help}"));
    format!("{text}{}", help.unwrap_or_default())
}

pub(super) fn refused_at(path: &Path, text: &str) -> String {
    fs::write(path, text).unwrap();
    match File::read(path).and_then(|file| super::hosts_toml::parse(&file.unwrap())) {
        Ok(_) => panic!("taken: {text}"),
        Err(error) => shown(&error),
    }
}
