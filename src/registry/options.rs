//! What a registry client must be told, as values: the command line reads environment, home and files' places.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rustls_pki_types::CertificateDer;

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
    pub roots: Vec<CertificateDer<'static>>,
    /// PEM files of authorities that are trusted besides.
    pub ca_files: Vec<PathBuf>,
    /// Directories with one directory for each `HOST[:PORT]`, of `*.crt` (authorities) and pairs of `*.cert` and `*.key`
    /// (of the client). The first that has a directory for the registry is taken.
    pub certs_dirs: Vec<PathBuf>,
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
}

impl Default for RegistryOptions {
    /// No roots, no proxies, no credentials.
    fn default() -> Self {
        Self {
            plain_http: BTreeSet::new(),
            skip_verify: BTreeSet::new(),
            roots: Vec::new(),
            ca_files: Vec::new(),
            certs_dirs: Vec::new(),
            proxies: ProxyOptions::default(),
            credentials: Credentials::default(),
            user_agent: concat!("ocitect/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
        }
    }
}

/// Proxies, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` name them. Loopback is never reached through one.
#[derive(Clone, Default)]
pub struct ProxyOptions {
    /// For `http://` addresses: `[http[s]://][USER:PASSWORD@]HOST[:PORT]`.
    pub http: Option<String>,
    /// For `https://` addresses.
    pub https: Option<String>,
    /// What is reached directly: names (their subdomains included), addresses, CIDR blocks, each with an optional port,
    /// parted by commas; `*` for everything.
    pub no_proxy: Option<String>,
}

impl fmt::Debug for ProxyOptions {
    /// Without the addresses, which may hold passwords.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("ProxyOptions");
        shown.field("http", &self.http.is_some()).field("https", &self.https.is_some());
        shown.field("no_proxy", &self.no_proxy).finish()
    }
}

/// A user and a secret for one registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// `HOST[:PORT]`; `docker.io` for Docker Hub.
    pub registry: String,
    /// The user.
    pub user: String,
    /// The password or token.
    pub secret: String,
}

impl fmt::Debug for Login {
    /// Without the secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Login");
        shown.field("registry", &self.registry).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where credentials are looked for, in this order; the first that answers for a registry wins.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Given on the command line.
    pub explicit: Vec<Login>,
    /// The text of `DOCKER_AUTH_CONFIG`; only its inline `auths` are used.
    pub docker_auth_config: Option<String>,
    /// The file of `--authfile` or `REGISTRY_AUTH_FILE`. Where it is set, `files` are not searched.
    pub auth_file: Option<PathBuf>,
    /// Docker's and containers' files, in order. Each may name credential helpers.
    pub files: Vec<PathBuf>,
    /// What the environment of a CI system says, such as `GITHUB_TOKEN` for exactly ghcr.io.
    pub environment: Vec<Login>,
    /// Value of `PATH`: where `docker-credential-*` programs are looked for. Without it there are no helpers.
    pub helper_path: Option<OsString>,
}

impl fmt::Debug for Credentials {
    /// Without the contents of `DOCKER_AUTH_CONFIG`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Credentials");
        shown.field("explicit", &self.explicit).field("docker_auth_config", &self.docker_auth_config.is_some());
        shown.field("auth_file", &self.auth_file).field("files", &self.files);
        shown.field("environment", &self.environment).finish_non_exhaustive()
    }
}
