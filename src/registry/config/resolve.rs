//! Selection of the endpoints of a repository, by the kind of request.
//!
//! `registries.conf` rewrites names; then `hosts.toml` selects the hosts of the upstream's registry. The order of
//! the endpoints is: mirrors of `registries.conf`, hosts of `hosts.toml`, the upstream.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::document::Place;
use super::endpoint::{Endpoint, EndpointTls, RepositoryEndpoint, Scheme};
use super::files::ConfigFiles;
use super::hosts_toml::{self, Address, Capabilities, Host, HostsFile};
use super::prefix::Location;
use super::registries_conf::{MirrorPulls, RegistriesConf, Registry};
use crate::model::{Repository, Selector, ShortNames, escape_path, locked};
use crate::registry::origin::{Locality, canonical, endpoint, locality};
use crate::store::StoreError;

/// The kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::registry) enum Action<'a> {
    /// Read a manifest, by tag or by digest.
    Resolve(&'a Selector),
    /// Read content by digest only.
    Read,
    /// All others: writing, and checking what a registry has before writing.
    Push,
}

impl Action<'_> {
    fn is_by_digest(self) -> bool {
        matches!(self, Self::Read | Self::Resolve(Selector::Digest(_)))
    }

    fn pin(self) -> Option<String> {
        match self {
            Self::Resolve(Selector::Digest(digest)) => Some(format!("@{digest}")),
            Self::Resolve(Selector::Tag(tag)) => Some(format!(":{tag}")),
            Self::Resolve(Selector::Only) => Some(":latest".to_owned()),
            Self::Read | Self::Push => None,
        }
    }

    fn is_allowed_by(self, capabilities: Capabilities) -> bool {
        match self {
            Self::Push => capabilities.push,
            _ if self.is_by_digest() => capabilities.pull,
            _ => capabilities.pull && capabilities.resolve,
        }
    }
}

/// The parsed files. A `hosts.toml` is read once, when its registry is first used.
#[derive(Debug)]
pub(in crate::registry) struct Config {
    conf: RegistriesConf,
    files: ConfigFiles,
    plain_http: BTreeSet<String>,
    hosts: Mutex<BTreeMap<String, Option<Arc<HostsFile>>>>,
}

impl Config {
    /// Reads `registries.conf` and its drop-in files. `plain_http` are the registries (`HOST[:PORT]`) that use plain
    /// HTTP whatever the files say.
    pub(in crate::registry) fn read(files: &ConfigFiles, plain_http: &BTreeSet<String>) -> Result<Self, StoreError> {
        Ok(Self {
            conf: RegistriesConf::read(files)?,
            files: files.clone(),
            plain_http: plain_http.clone(),
            hosts: Mutex::default(),
        })
    }

    /// Returns the endpoints of a repository, in the order in which they are tried. There is at least one, and the last
    /// one is not a mirror.
    pub(in crate::registry) fn endpoints(
        &self,
        repository: &Repository,
        action: Action<'_>,
    ) -> Result<Vec<RepositoryEndpoint>, StoreError> {
        let registry = canonical(repository.registry());
        let name = Location {
            registry: registry.to_owned(),
            path: repository.path().to_owned(),
            pin: action.pin(),
        };
        let mut endpoints = Vec::new();
        let mut upstream = rename(repository, registry);
        let mut is_insecure = false;
        if let Some(table) = self.conf.table(&name) {
            if let Some(place) = &table.blocked {
                let path = escape_path(&place.path);
                let name = format!("{repository}{}", name.pin.unwrap_or_default());
                let reason = format!("it is blocked by the key `blocked` at {place}");
                let help = format!("use another image, or remove the key `blocked` from {path}");
                return Err(StoreError::malformed(name, reason).with_help(help));
            }
            let rest = table.prefix.rest_of(&name).unwrap_or_default();
            if action != Action::Push {
                endpoints = self.mirrors(table, rest, registry, action)?;
            }
            if let Some(location) = &table.location {
                upstream = rewritten(location, rest, &table.place)?;
            }
            is_insecure = table.insecure;
        }
        let host = self.host(upstream.registry(), is_insecure);
        endpoints.extend(self.hosts(&upstream, host, action)?);
        Ok(endpoints)
    }

    /// Returns a registry's host, without a repository, for a login.
    pub(in crate::registry) fn endpoint(&self, registry: &str) -> Result<Endpoint, StoreError> {
        let registry = canonical(registry);
        let table = self.conf.table(&Location {
            registry: registry.to_owned(),
            path: String::new(),
            pin: None,
        });
        let endpoint = self.host(registry, table.is_some_and(|table| table.insecure));
        let file = self.hosts_file(registry)?.filter(|file| file.server.address.is_none());
        Ok(file.map_or(endpoint.clone(), |file| with_settings(endpoint, &file.server)))
    }

    /// Returns the full names of short names.
    pub(in crate::registry) fn short_names(&self) -> ShortNames {
        self.conf.short_names()
    }

    fn mirrors(
        &self,
        table: &Registry,
        rest: &str,
        upstream: &str,
        action: Action<'_>,
    ) -> Result<Vec<RepositoryEndpoint>, StoreError> {
        let is_asked = |pulls: MirrorPulls| match pulls {
            MirrorPulls::All => true,
            MirrorPulls::DigestOnly => action.is_by_digest(),
            MirrorPulls::TagOnly => !action.is_by_digest(),
        };
        let mut endpoints = Vec::new();
        for mirror in table.mirrors.iter().filter(|mirror| is_asked(mirror.pulls)) {
            let repository = rewritten(&mirror.location, rest, &table.place)?;
            let host = self.host(repository.registry(), mirror.insecure);
            endpoints.push(RepositoryEndpoint {
                host,
                repository,
                namespace: Some(upstream.to_owned()),
                is_mirror: true,
            });
        }
        Ok(endpoints)
    }

    /// Returns a registry's host with default settings.
    fn host(&self, registry: &str, is_insecure: bool) -> Endpoint {
        let is_loopback = || endpoint(registry, "https").is_ok_and(|address| locality(&address) == Locality::Loopback);
        let scheme = if self.plain_http.contains(registry) {
            Scheme::Http
        } else if is_insecure || is_loopback() {
            Scheme::HttpsOrHttp
        } else {
            Scheme::Https
        };
        let mut endpoint = Endpoint::new(registry, scheme);
        endpoint.tls.skip_verify = is_insecure;
        endpoint
    }

    /// Returns the endpoints for the upstream after `hosts.toml`.
    fn hosts(
        &self,
        upstream: &Repository,
        own_host: Endpoint,
        action: Action<'_>,
    ) -> Result<Vec<RepositoryEndpoint>, StoreError> {
        let own = |host: Endpoint| RepositoryEndpoint {
            host,
            repository: upstream.clone(),
            namespace: None,
            is_mirror: false,
        };
        let Some(file) = self.hosts_file(upstream.registry())? else {
            return Ok(vec![own(own_host)]);
        };
        let mut endpoints: Vec<RepositoryEndpoint> = Vec::new();
        for host in file.hosts.iter().filter(|host| action.is_allowed_by(host.capabilities)) {
            if let Some(address) = &host.address {
                endpoints.push(self.endpoint_at(host, address, upstream)?);
            }
        }
        if action.is_allowed_by(file.server.capabilities) {
            let server = match &file.server.address {
                None => own(with_settings(own_host, &file.server)),
                Some(address) => self.endpoint_at(&file.server, address, upstream)?,
            };
            // A shared file may name the registry itself as a mirror.
            endpoints.retain(|endpoint| endpoint.host != server.host || endpoint.repository != server.repository);
            endpoints.push(server);
        }
        if action == Action::Push {
            // A push goes to one host only: the content must be where pulls look for it.
            endpoints.truncate(1);
        }
        let last = endpoints.last_mut().ok_or_else(|| no_host(upstream, action, &file))?;
        last.is_mirror = false;
        Ok(endpoints)
    }

    fn endpoint_at(
        &self,
        host: &Host,
        address: &Address,
        upstream: &Repository,
    ) -> Result<RepositoryEndpoint, StoreError> {
        let registry = canonical(&address.registry);
        let scheme = if self.plain_http.contains(registry) {
            Scheme::Http
        } else {
            address.scheme
        };
        let endpoint = Endpoint {
            root: address.root.clone(),
            ..Endpoint::new(registry, scheme)
        };
        let name = format!("{registry}/{}{}", address.path, upstream.path());
        let too_long = |_| host.place.invalid(format!("{name} is too long for a repository name"));
        let repository = name.parse().map_err(too_long)?;
        let is_other = registry != upstream.registry();
        let namespace = is_other.then(|| upstream.registry().to_owned());
        Ok(RepositoryEndpoint {
            host: with_settings(endpoint, host),
            repository,
            namespace,
            is_mirror: is_other,
        })
    }

    fn hosts_file(&self, registry: &str) -> Result<Option<Arc<HostsFile>>, StoreError> {
        let mut known = locked(&self.hosts);
        if let Some(file) = known.get(registry) {
            return Ok(file.clone());
        }
        let file = hosts_toml::read(&self.files.hosts_directories, registry)?.map(Arc::new);
        known.insert(registry.to_owned(), file.clone());
        Ok(file)
    }
}

/// Returns the host with its settings from `hosts.toml`.
fn with_settings(endpoint: Endpoint, host: &Host) -> Endpoint {
    let tls = EndpointTls {
        skip_verify: endpoint.tls.skip_verify || host.tls.skip_verify,
        ..host.tls.clone()
    };
    Endpoint {
        tls,
        headers: host.headers.clone(),
        connect_timeout: host.connect_timeout,
        ..endpoint
    }
}

/// Returns the repository with another name of its registry.
fn rename(repository: &Repository, registry: &str) -> Repository {
    format!("{registry}/{}", repository.path())
        .parse()
        .unwrap_or_else(|_| repository.clone())
}

fn rewritten(location: &Location, rest: &str, place: &Place) -> Result<Repository, StoreError> {
    location.join(rest).ok_or_else(|| {
        place.invalid(format!(
            "\"{rest}\" below this table's location is not a valid repository name"
        ))
    })
}

fn no_host(upstream: &Repository, action: Action<'_>, file: &HostsFile) -> StoreError {
    let (verb, help) = match action {
        Action::Push => ("pushing to", "add the capability \"push\" to the upstream or a host"),
        _ => ("pulling", "add the capabilities \"pull\" and \"resolve\" to a host"),
    };
    let reason = format!("none of its hosts is allowed for {verb} {upstream}");
    StoreError::malformed(escape_path(&file.path), reason).with_help(help)
}
