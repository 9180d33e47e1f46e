//! Settings of a registry client, as values: the command line reads the environment, the home directory and the files'
//! places.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use url::Url;

use super::certificates::{parsable_certificates, unusable};
use super::origin::{canonical, endpoint, origin};
use super::{ConfigFiles, RetryOptions, Secret, Secrets};
use crate::events::{Observer, Silent};
use crate::store::StoreError;

/// Timeout of connecting: long enough for a slow DNS server and a lost packet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest silence on a connection. A transfer as a whole has no timeout: a slow connection is not a dead one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Settings for access to registries, and the credentials.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RegistryOptions {
    /// Registries (`HOST[:PORT]`) that use plain HTTP. Loopback needs no entry: TLS is tried first, then plain HTTP if
    /// the server does not support TLS.
    pub plain_http: BTreeSet<String>,
    /// Registries (`HOST[:PORT]`) whose certificate is not verified.
    pub skip_verify: BTreeSet<String>,
    /// Trusted certificate authorities of the system.
    pub roots: Roots,
    /// PEM files of additional trusted authorities.
    pub ca_files: Vec<PathBuf>,
    /// Directories that have a directory for each `HOST[:PORT]`, with `*.crt` (authorities) and pairs of `*.cert` and
    /// `*.key` (of the client). The first directory that has one for the registry is used.
    pub certs_dirs: Vec<PathBuf>,
    /// Files that configure which hosts serve a registry's images.
    pub config: ConfigFiles,
    /// Proxies.
    pub proxies: ProxyOptions,
    /// Sources of credentials.
    pub credentials: Credentials,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Timeout of connecting.
    pub connect_timeout: Duration,
    /// Timeout of silence: while waiting for a reply's head, for more of its body, or until more can be sent.
    pub idle_timeout: Duration,
    /// Retries of transient failures.
    pub retry: RetryOptions,
    /// Directory that records uploads in progress, so that another process can resume them; `None` records nothing.
    pub journal_directory: Option<PathBuf>,
    /// Receives notes for a user who waits (a long wait, an upload that is restarted), and warnings.
    pub observer: Arc<dyn Observer>,
    /// Receives every secret that is sent. Callers must mask these secrets in the client's output and errors.
    pub secrets: Secrets,
}

impl RegistryOptions {
    /// Returns `true` if the certificate of the host at `url` is not verified: host and port are those of a registry in
    /// `skip_verify`.
    pub(super) fn skips_verification_at(&self, url: &Url) -> bool {
        let is_at =
            |registry: &String| endpoint(registry, url.scheme()).is_ok_and(|named| origin(&named) == origin(url));
        self.skip_verify.iter().any(is_at)
    }
}

/// Trusted certificate authorities, loaded at the first TLS connection: they are hundreds of files, and most builds
/// need none.
#[derive(Clone)]
pub struct Roots(Arc<LazyLock<Loaded, LoadRoots>>);

/// The certificates, or the file that cannot be used and why.
type Loaded = Result<Vec<CertificateDer<'static>>, (PathBuf, String)>;

type LoadRoots = Box<dyn FnOnce() -> Loaded + Send>;

impl Roots {
    /// Returns the roots that `load` returns. `load` is called once at most.
    pub fn new(load: impl FnOnce() -> Vec<CertificateDer<'static>> + Send + 'static) -> Self {
        Self::lazy(|| Ok(load()))
    }

    /// Returns the roots of a PEM file, and of the PEM files in directories, in place of the system's.
    ///
    /// The file must be a regular one of at most 4 MiB; otherwise the first TLS connection fails. A file that does not
    /// exist is skipped, and so are unusable files in the directories, as other programs do.
    pub fn of_files(file: Option<PathBuf>, directories: Vec<PathBuf>) -> Self {
        Self::lazy(move || {
            let mut all = match file.as_deref().map(parsable_certificates) {
                Some(Ok(certificates)) => certificates,
                Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                    return Err((file.unwrap_or_default(), error.to_string()));
                }
                Some(Err(_)) | None => Vec::new(),
            };
            let entries = directories
                .iter()
                .filter_map(|directory| directory.read_dir().ok())
                .flatten()
                .flatten();
            all.extend(
                entries
                    .filter_map(|entry| parsable_certificates(&entry.path()).ok())
                    .flatten(),
            );
            Ok(all)
        })
    }

    fn lazy(load: impl FnOnce() -> Loaded + Send + 'static) -> Self {
        let load: LoadRoots = Box::new(load);
        Self(Arc::new(LazyLock::new(load)))
    }

    pub(super) fn certificates(&self) -> Result<&[CertificateDer<'static>], StoreError> {
        match &**self.0 {
            Ok(certificates) => Ok(certificates),
            Err((path, reason)) => Err(unusable(path, reason)),
        }
    }
}

impl Default for Roots {
    /// Returns no roots.
    fn default() -> Self {
        Self::new(Vec::new)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Roots")
    }
}

impl Default for RegistryOptions {
    /// Returns settings without roots, proxies and credentials.
    fn default() -> Self {
        Self {
            plain_http: BTreeSet::new(),
            skip_verify: BTreeSet::new(),
            roots: Roots::default(),
            ca_files: Vec::new(),
            certs_dirs: Vec::new(),
            config: ConfigFiles::default(),
            proxies: ProxyOptions::default(),
            credentials: Credentials::default(),
            user_agent: concat!("ocitect/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            retry: RetryOptions::default(),
            journal_directory: None,
            observer: Arc::new(Silent),
            secrets: Secrets::default(),
        }
    }
}

/// Proxies, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` name them. Loopback is never accessed through a proxy.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ProxyOptions {
    /// For `http://` addresses.
    pub http: Option<ProxySetting>,
    /// For `https://` addresses.
    pub https: Option<ProxySetting>,
    /// Hosts that are accessed directly: names (including subdomains), addresses and CIDR blocks, each with an optional
    /// port, separated by commas; `*` for all hosts.
    pub no_proxy: Option<String>,
}

/// The address of a proxy, and where it comes from. An invalid address is an error of the first request that would use
/// it.
#[derive(Debug, Clone)]
pub struct ProxySetting {
    /// `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`. The schemes are `http` (the default), `https`, `socks5`, `socks5h`,
    /// `socks4` and `socks4a`.
    pub address: Secret,
    /// The environment variable that holds it, for messages.
    pub variable: String,
}

/// A user and a secret for one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// `HOST[:PORT]`; `docker.io` for Docker Hub.
    pub registry: String,
    /// The user.
    pub user: String,
    /// The password or token.
    pub secret: Secret,
}

/// Sources of credentials, searched in this order. The first one that has credentials for a registry wins.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Credentials {
    /// Credentials from the command line.
    pub explicit: Vec<Login>,
    /// The text of `DOCKER_AUTH_CONFIG`; only its inline `auths` are used.
    pub docker_auth_config: Option<Secret>,
    /// The file of `--authfile` or `REGISTRY_AUTH_FILE`. If it is set, `files` are not searched.
    pub auth_file: Option<PathBuf>,
    /// Docker's and containers' files, in order. Each may name credential helpers.
    pub files: Vec<PathBuf>,
    /// Credentials from the environment of a CI system, such as `GITHUB_TOKEN` for exactly ghcr.io.
    pub environment: Vec<Login>,
    /// Value of `PATH`, in which `docker-credential-*` programs are searched. Without it no helpers are used.
    pub helper_path: Option<OsString>,
}

impl Credentials {
    /// Returns what helps if a registry refuses the credentials for it.
    pub(super) fn login_help(&self, registry: &str) -> String {
        let is_explicit = self
            .explicit
            .iter()
            .any(|login| canonical(&login.registry) == canonical(registry));
        if is_explicit {
            "check --username and the password on standard input".to_owned()
        } else {
            format!("log in again: ocitect login {registry}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verification_is_skipped_at_the_named_host_and_port_alone() {
        let skips = |registry: &str, url: &str| {
            let options = RegistryOptions {
                skip_verify: [registry.to_owned()].into(),
                ..RegistryOptions::default()
            };
            options.skips_verification_at(&url.parse().unwrap())
        };
        assert!(skips("r.example", "https://r.example/v2/"));
        assert!(skips("r.example", "https://r.example:443/token"));
        assert!(skips("r.example:443", "https://r.example/v2/"));
        assert!(skips("r.example:5000", "https://R.example:5000/v2/"));
        assert!(skips("[::1]:5000", "https://[::1]:5000/v2/"));
        assert!(skips("docker.io", "https://registry-1.docker.io/v2/"));
        assert!(!skips("docker.io", "https://auth.docker.io/token"));
        assert!(!skips("r.example", "https://r.example:5000/v2/"));
        assert!(!skips("r.example:5000", "https://r.example/v2/"));
        assert!(!skips("r.example", "https://a.r.example/v2/"));
        assert!(!skips("r.example", "https://r.example.org/v2/"));
    }
}
