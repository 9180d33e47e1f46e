//! What a registry client must be told, as values: the command line reads environment, home and files' places.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls_pki_types::CertificateDer;

use super::certificates::{parsable_certificates, unusable};
use super::{ConfigFiles, RetryOptions, Secret, Secrets};
use crate::store::StoreError;

/// Long enough for a slow DNS server and a lost packet; a registry that takes longer is not there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest silence on a connection. There is no limit on the whole of a transfer: a slow line is not a dead one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// How to reach registries, and as whom.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Registries (`HOST[:PORT]`) that are spoken to in plain HTTP. Loopback needs no entry: it is tried with TLS first,
    /// and without where nothing there speaks TLS.
    pub plain_http: BTreeSet<String>,
    /// Registries (`HOST[:PORT]`) whose certificate is not verified.
    pub skip_verify: BTreeSet<String>,
    /// Certificates of authorities that are trusted: the system's.
    pub roots: Roots,
    /// PEM files of authorities that are trusted besides.
    pub ca_files: Vec<PathBuf>,
    /// Directories with one directory for each `HOST[:PORT]`, of `*.crt` (authorities) and pairs of `*.cert` and `*.key`
    /// (of the client). The first that has a directory for the registry is taken.
    pub certs_dirs: Vec<PathBuf>,
    /// Files that say which hosts serve a registry's images.
    pub config: ConfigFiles,
    /// Proxies.
    pub proxies: ProxyOptions,
    /// Where credentials come from.
    pub credentials: Credentials,
    /// The `User-Agent`.
    pub user_agent: String,
    /// Limit on making a connection.
    pub connect_timeout: Duration,
    /// Limit on silence: on waiting for a reply's head, for more of its body, for room to send.
    pub idle_timeout: Duration,
    /// How failures that pass are waited out.
    pub retry: RetryOptions,
    /// Where uploads that are under way are noted, so that another process can go on with them; `None` notes nothing.
    pub journal_directory: Option<PathBuf>,
    /// Is told, in one line each, of what a person who waits should know: a long wait, an upload that is begun again.
    pub notice: Notice,
    /// Receives, in one line each, what is probably not what the user wants.
    pub warning: Notice,
    /// Gets every secret that is sent. Whoever shows what a client or its errors say takes them out of it.
    pub secrets: Secrets,
}

/// Certificates of authorities, had when a registry is first spoken to: they are hundreds of files, and most builds need
/// none.
#[derive(Clone)]
pub struct Roots(Arc<LazyLock<Loaded, LoadRoots>>);

/// The certificates, or the file that cannot be used and why.
type Loaded = Result<Vec<CertificateDer<'static>>, (PathBuf, String)>;

type LoadRoots = Box<dyn FnOnce() -> Loaded + Send>;

impl Roots {
    /// Returns those that `load` gives; it is called once at the most.
    pub fn new(load: impl FnOnce() -> Vec<CertificateDer<'static>> + Send + 'static) -> Self {
        Self::lazy(|| Ok(load()))
    }

    /// Returns those of a PEM file, and of the PEM files in directories, in place of the system's.
    ///
    /// The file must be a regular one of at most 4 MiB; it is an error of the first connection with TLS if it is not. A file
    /// that does not exist, and what cannot be used in the directories, is skipped, as other programs do.
    pub fn of_files(file: Option<PathBuf>, directories: Vec<PathBuf>) -> Self {
        Self::lazy(move || {
            let mut all = match file.as_deref().map(parsable_certificates) {
                Some(Ok(certificates)) => certificates,
                Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                    return Err((file.unwrap_or_default(), error.to_string()));
                }
                Some(Err(_)) | None => Vec::new(),
            };
            let entries = directories.iter().filter_map(|directory| directory.read_dir().ok()).flatten().flatten();
            all.extend(entries.filter_map(|entry| parsable_certificates(&entry.path()).ok()).flatten());
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
    /// None.
    fn default() -> Self {
        Self::new(Vec::new)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Roots")
    }
}

/// Whom to tell of rare things. Called from any thread; must return at once.
#[derive(Clone)]
pub struct Notice(Arc<dyn Fn(&str) + Send + Sync>);

impl Notice {
    /// Calls `tell` with each line.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(super) fn tell(&self, line: &str) {
        (self.0)(line);
    }
}

impl Default for Notice {
    /// Tells nobody.
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Notice")
    }
}

impl Default for RegistryOptions {
    /// No roots, no proxies, no credentials.
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
            notice: Notice::default(),
            warning: Notice::default(),
            secrets: Secrets::default(),
        }
    }
}

/// Proxies, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` name them. Loopback is never reached through one.
#[derive(Debug, Clone, Default)]
pub struct ProxyOptions {
    /// For `http://` addresses.
    pub http: Option<ProxySetting>,
    /// For `https://` addresses.
    pub https: Option<ProxySetting>,
    /// What is reached directly: names (their subdomains included), addresses, CIDR blocks, each with an optional port,
    /// parted by commas; `*` for everything.
    pub no_proxy: Option<String>,
}

/// The address of a proxy, and where it comes from. One that cannot be used is an error of the first request that would go
/// through it.
#[derive(Debug, Clone)]
pub struct ProxySetting {
    /// `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`; the schemes are `http` (the default), `https`, `socks5`, `socks5h`, `socks4`
    /// and `socks4a`.
    pub address: Secret,
    /// The variable that holds it, for messages.
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

/// Where credentials are looked for, in this order; the first that answers for a registry wins.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// Given on the command line.
    pub explicit: Vec<Login>,
    /// The text of `DOCKER_AUTH_CONFIG`; only its inline `auths` are used.
    pub docker_auth_config: Option<Secret>,
    /// The file of `--authfile` or `REGISTRY_AUTH_FILE`. Where it is set, `files` are not searched.
    pub auth_file: Option<PathBuf>,
    /// Docker's and containers' files, in order. Each may name credential helpers.
    pub files: Vec<PathBuf>,
    /// What the environment of a CI system says, such as `GITHUB_TOKEN` for exactly ghcr.io.
    pub environment: Vec<Login>,
    /// Value of `PATH`: where `docker-credential-*` programs are looked for. Without it there are no helpers.
    pub helper_path: Option<OsString>,
}
