//! containerd's `hosts.toml` (docs/hosts.md of containerd): the hosts that serve one registry's images.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use url::Url;

use super::document::{File, Place, Table, Value};
use super::duration;
use super::endpoint::{EndpointTls, Header, STANDARD_ROOT, Scheme};
use crate::model::is_registry;
use crate::store::StoreError;

/// Limit on the hosts of one file. Each may cost a request before the upstream is tried.
const MAX_HOSTS: usize = 64;

/// Limit on the headers, the authorities and the client certificates of one host. More is a mistake.
const MAX_ITEMS: usize = 32;

/// A file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct HostsFile {
    pub(super) path: PathBuf,
    /// Hosts in the order of the file.
    pub(super) hosts: Vec<Host>,
    /// The registry itself, or the server configured in its place; tried last.
    pub(super) server: Host,
}

/// A host with its settings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// `None` for the registry itself.
    pub(super) address: Option<Address>,
    /// Its place in the file.
    pub(super) place: Place,
    pub(super) capabilities: Capabilities,
    pub(super) tls: EndpointTls,
    pub(super) headers: Vec<Header>,
    pub(super) connect_timeout: Option<Duration>,
}

/// The address of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// `HOST[:PORT]`.
    pub(super) registry: String,
    pub(super) scheme: Scheme,
    /// The root of the protocol's paths, with slashes at both ends.
    pub(super) root: String,
    /// Prefix of the repositories' names there; empty, or with a slash at its end.
    pub(super) path: String,
}

/// The requests that a host serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Capabilities {
    pub(super) pull: bool,
    pub(super) resolve: bool,
    pub(super) push: bool,
}

/// Finds and reads the file for a registry.
pub(super) fn read(directories: &[PathBuf], registry: &str) -> Result<Option<HostsFile>, StoreError> {
    let mut own = Vec::new();
    if let Some((host, port)) = registry.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
        own.push(format!("{host}_{port}_"));
    }
    own.push(registry.to_owned());
    let own = directories
        .iter()
        .flat_map(|directory| own.iter().map(|name| directory.join(name)));
    let common = directories.iter().map(|directory| directory.join("_default"));
    for directory in own.chain(common) {
        if let Some(file) = File::read(&directory.join("hosts.toml"))? {
            return parse(&file).map(Some);
        }
    }
    Ok(None)
}

/// Parses a file.
pub(super) fn parse(file: &File) -> Result<HostsFile, StoreError> {
    let parsed = file.parse()?;
    let root = file.root(&parsed);
    let mut hosts = Vec::new();
    if let Some(value) = root.value("host") {
        for (address, value) in value.bounded(value.table()?.entries("host"), MAX_HOSTS)? {
            let table = value.table()?;
            // Without `capabilities` containerd would also push to the host. ocitect never pushes to a mirror by
            // default.
            let unsaid = Capabilities {
                pull: true,
                resolve: true,
                push: false,
            };
            hosts.push(parse_host(&table, Some((address, value)), unsaid)?);
        }
    }
    let unsaid = Capabilities {
        pull: true,
        resolve: true,
        push: true,
    };
    Ok(HostsFile {
        path: file.path().to_owned(),
        hosts,
        server: parse_host(&root, root.text("server")?, unsaid)?,
    })
}

fn parse_host(table: &Table<'_>, address: Option<(&str, Value<'_>)>, unsaid: Capabilities) -> Result<Host, StoreError> {
    let tls = EndpointTls {
        skip_verify: table.flag("skip_verify")?,
        ca_files: parse_paths(table, "ca")?,
        identity: parse_identity(table)?,
    };
    let overrides_path = table.flag("override_path")?;
    let mut place = table.place();
    let address = match address {
        None => None,
        Some((text, value)) => {
            place = value.place();
            let mut address = parse_address(text, overrides_path).map_err(|reason| value.invalid(reason))?;
            if address.scheme == Scheme::Http && tls != EndpointTls::default() {
                // Otherwise the TLS settings would have no effect; containerd tries TLS first too.
                address.scheme = Scheme::HttpsOrHttp;
            }
            Some(address)
        }
    };
    table.warn_of_proxy();
    let timeout = |(text, value): (&str, Value<'_>)| {
        duration::parse(text).ok_or_else(|| value.invalid("expected a duration of up to a day, such as 30s or 1m30s"))
    };
    Ok(Host {
        address,
        place,
        connect_timeout: table.text("dial_timeout")?.map(timeout).transpose()?,
        capabilities: parse_capabilities(table, unsaid)?,
        tls,
        headers: parse_headers(table)?,
    })
}

/// Parses an address. The error does not quote it, since it may have a password.
fn parse_address(text: &str, overrides_path: bool) -> Result<Address, &'static str> {
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let url = Url::parse(&with_scheme).map_err(|_| "not a URL")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("the URL must be https or http");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not contain a user name; use `ocitect login`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL must not have a query or fragment");
    }
    let host = url.host_str().ok_or("the URL has no host")?;
    let registry = match url.port() {
        Some(port) => format!("{host}:{port}"),
        // A name of one label is a registry only if it has a port.
        None if !is_registry(host) => {
            format!("{host}:{}", url.port_or_known_default().unwrap_or_default())
        }
        None => host.to_owned(),
    };
    let scheme = if url.scheme() == "http" {
        Scheme::Http
    } else {
        Scheme::Https
    };
    let (root, path) = split_path(url.path(), overrides_path);
    let address = Address {
        registry,
        scheme,
        root,
        path,
    };
    let example = format!("{}/{}x", address.registry, address.path);
    if example.parse::<crate::model::Repository>().is_err() {
        return Err("the host or path is not valid in an image name");
    }
    Ok(address)
}

/// Splits a path into the protocol's root and the prefix of repository names. A path such as `/v2/proxy` is a prefix of
/// names (as Harbor's proxies use it); `/registry` comes before `/v2/`.
fn split_path(path: &str, overrides_path: bool) -> (String, String) {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut root: String = parts.iter().map(|part| format!("/{part}")).collect();
    root.push('/');
    if !overrides_path {
        let has_root = parts.last() == Some(&"v2");
        return (if has_root { root } else { format!("{root}v2/") }, String::new());
    }
    match root.strip_prefix(STANDARD_ROOT) {
        Some(path) => (STANDARD_ROOT.to_owned(), path.to_owned()),
        None => (root, String::new()),
    }
}

fn parse_capabilities(table: &Table<'_>, unsaid: Capabilities) -> Result<Capabilities, StoreError> {
    let list = table.list("capabilities")?;
    if list.is_empty() {
        return Ok(unsaid);
    }
    let mut capabilities = Capabilities {
        pull: false,
        resolve: false,
        push: false,
    };
    for value in list {
        match value.string()?.to_ascii_lowercase().as_str() {
            "pull" => capabilities.pull = true,
            "resolve" => capabilities.resolve = true,
            "push" => capabilities.push = true,
            // Known to newer versions, and not used here.
            "referrers" => {}
            _ => return Err(value.invalid("expected pull, resolve or push")),
        }
    }
    Ok(capabilities)
}

fn parse_paths(table: &Table<'_>, key: &'static str) -> Result<Vec<PathBuf>, StoreError> {
    let Some(value) = table.value(key) else {
        return Ok(Vec::new());
    };
    bounded(&value)?
        .iter()
        .map(|value| Ok(beside(table, value.string()?)))
        .collect()
}

/// Parses the first entry of `client`: the path of certificate and key in one file, or a pair of paths.
fn parse_identity(table: &Table<'_>) -> Result<Option<(PathBuf, PathBuf)>, StoreError> {
    let Some(value) = table.value("client") else {
        return Ok(None);
    };
    let mut identities = Vec::new();
    for value in bounded(&value)? {
        let pair = value.one_or_list();
        let paths = pair.iter().map(|value| value.string()).collect::<Result<Vec<_>, _>>()?;
        let (certificate, key) = match (value.is_list(), paths.as_slice()) {
            (false, [both]) | (true, [both, ""]) => (*both, *both),
            (true, [certificate, key]) => (*certificate, *key),
            _ => return Err(value.invalid("expected two paths: the certificate and its key")),
        };
        identities.push((beside(table, certificate), beside(table, key)));
    }
    if identities.len() > 1 {
        tracing::warn!(place = %value.place(), "only the first client certificate is used");
    }
    Ok(identities.into_iter().next())
}

fn parse_headers(table: &Table<'_>) -> Result<Vec<Header>, StoreError> {
    let Some(value) = table.value("header") else {
        return Ok(Vec::new());
    };
    let mut headers = Vec::new();
    for (name, value) in value.table()?.entries("header") {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| value.invalid("not a header name"))?;
        if [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(&parsed) {
            return Err(value.invalid("this header is set by the connection and cannot be changed"));
        }
        for value in bounded(&value)? {
            let mut content = HeaderValue::from_str(value.string()?)
                .map_err(|_| value.invalid("the value contains characters that are not allowed in headers"))?;
            content.set_sensitive(true);
            headers.push(Header {
                name: parsed.as_str().to_owned(),
                value: content,
            });
        }
    }
    value.bounded(headers, MAX_ITEMS)
}

fn bounded<'a>(value: &Value<'a>) -> Result<Vec<Value<'a>>, StoreError> {
    value.bounded(value.one_or_list(), MAX_ITEMS)
}

/// Resolves a path relative to the file.
fn beside(table: &Table<'_>, path: &str) -> PathBuf {
    table.file().path().parent().unwrap_or(Path::new("")).join(path)
}
