//! The environment of the process, read once: variables, home, directories, credential files, proxies, certificates.
//!
//! The only module beside the command line that reads the environment and the clock. All others receive values.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::build::BuildOptions;
use crate::cache::{Cache, DEFAULT_LIMIT_BYTES};
use crate::model::{Diagnostic, ErrorKind, ShortNames, escape};
use crate::pack::MAX_THREADS;
use crate::registry::{
    ConfigFiles, Credentials, Login, ProxyOptions, ProxySetting, RegistryOptions, RetryOptions, Roots, Secret,
    short_names,
};
use crate::spec::parse_size;

/// Latest accepted time: the limit in the specification of the variable's readers (34 bits). Four-digit years of RFC
/// 3339 would allow later times, but an image with one is a mistake.
const MAX_SOURCE_DATE_EPOCH: i64 = 8_589_934_591;

/// A variable of the environment with a value that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// `SOURCE_DATE_EPOCH`.
    #[error("SOURCE_DATE_EPOCH: \"{0}\" is not a time")]
    Time(String),
    /// `OCITECT_CACHE_SIZE`.
    #[error("OCITECT_CACHE_SIZE: \"{0}\" is not a size")]
    Size(String),
}

impl Diagnostic for EnvironmentError {
    fn error_kind(&self) -> ErrorKind {
        ErrorKind::Input
    }

    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Time(_) => {
                format!("set it to seconds since 1970, from 0 to {MAX_SOURCE_DATE_EPOCH}, or unset it")
            }
            Self::Size(_) => SIZE_HELP.to_owned(),
        })
    }
}

/// How a size is written.
pub const SIZE_HELP: &str = "a size is a number and a unit: 500MB (10^6 bytes), 2GiB (2^30 bytes)";

/// The environment of the process.
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

impl Environment {
    /// Reads the environment.
    pub fn read() -> Self {
        Self {
            variables: std::env::vars_os().collect(),
        }
    }

    /// Returns a variable, unless it is unset or empty.
    fn value(&self, name: &str) -> Option<&OsString> {
        self.variables
            .get(std::ffi::OsStr::new(name))
            .filter(|value| !value.is_empty())
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::from)
    }

    /// Returns all variables that are UTF-8. A spec is text, so that others count as unset.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let text =
            |(name, value): (&OsString, &OsString)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()));
        self.variables.iter().filter_map(text).collect()
    }

    fn text(&self, name: &str) -> Option<String> {
        self.value(name)?.to_str().map(str::to_owned)
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.value(name).map(PathBuf::from)
    }

    /// Returns a variable with an absolute path. A relative one is ignored, by the XDG base directory specification.
    fn absolute_path(&self, name: &str) -> Option<PathBuf> {
        self.path(name).filter(|path| path.is_absolute())
    }

    fn home(&self, below: &str) -> Option<PathBuf> {
        Some(self.path("HOME")?.join(below))
    }

    /// Returns times, directories and threads of a build. `jobs` is the number of threads; by default it is the number
    /// of processors.
    pub fn build_options(&self, jobs: Option<u16>) -> Result<BuildOptions, EnvironmentError> {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = jobs.map_or_else(processors, usize::from);
        Ok(BuildOptions {
            created_s: self.source_date_epoch()?,
            cache: self.cache()?,
            scratch_directory: self.scratch_directory(),
            threads: threads.min(MAX_THREADS),
            locked: false,
            cache_from: Vec::new(),
            keep_going: false,
            started_at: Some(SystemTime::now()),
        })
    }

    fn source_date_epoch(&self) -> Result<i64, EnvironmentError> {
        let Some(value) = self.value("SOURCE_DATE_EPOCH") else {
            return Ok(0);
        };
        let seconds = value.to_str().and_then(|text| text.parse().ok());
        seconds
            .filter(|seconds| (0..=MAX_SOURCE_DATE_EPOCH).contains(seconds))
            .ok_or_else(|| EnvironmentError::Time(escape(value.as_encoded_bytes())))
    }

    /// Returns the cache, or `None` if no directory for it is known.
    pub fn cache(&self) -> Result<Option<Cache>, EnvironmentError> {
        let limit_bytes = match self.value("OCITECT_CACHE_SIZE") {
            Some(value) => value
                .to_str()
                .and_then(parse_size)
                .ok_or_else(|| EnvironmentError::Size(escape(value.as_encoded_bytes())))?,
            None => DEFAULT_LIMIT_BYTES,
        };
        let cache = |root| Cache::new(root, limit_bytes).at_time(SystemTime::now());
        Ok(self.cache_directory().map(cache))
    }

    /// Returns the directory that records uploads in progress, or `None` if no directory for a cache is known.
    pub fn journal_directory(&self) -> Option<PathBuf> {
        self.cache_directory().map(|directory| directory.join("uploads"))
    }

    fn cache_directory(&self) -> Option<PathBuf> {
        self.path("OCITECT_CACHE_DIR")
            .or_else(|| Some(self.absolute_path("XDG_CACHE_HOME")?.join("ocitect")))
            .or_else(|| self.home(".cache/ocitect"))
    }

    /// Returns the directory of temporary files.
    pub fn scratch_directory(&self) -> PathBuf {
        self.path("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"))
    }

    /// Returns the settings for access to registries, as Docker and podman would find them. `auth_file` is a credential
    /// file that the user named; `explicit` are credentials that take precedence over all others.
    pub fn registries(&self, auth_file: Option<&Path>, explicit: Vec<Login>) -> RegistryOptions {
        RegistryOptions {
            roots: self.roots(),
            certs_dirs: self.certs_directories(),
            config: self.registry_config(),
            proxies: self.proxies(),
            credentials: self.credentials(auth_file, explicit),
            retry: RetryOptions {
                seed: jitter_seed(),
                ..RetryOptions::default()
            },
            journal_directory: self.journal_directory(),
            ..RegistryOptions::default()
        }
    }

    /// Returns the credential file that is used instead of all others: `named`, else `$REGISTRY_AUTH_FILE`.
    pub fn auth_file(&self, named: Option<&Path>) -> Option<PathBuf> {
        named.map(Path::to_owned).or_else(|| self.path("REGISTRY_AUTH_FILE"))
    }

    /// Returns Docker's configuration file, which every tool reads credentials from.
    pub fn docker_config(&self) -> Option<PathBuf> {
        let directory = self.path("DOCKER_CONFIG").or_else(|| self.home(".docker"))?;
        Some(directory.join("config.json"))
    }

    /// Returns the system's trusted certificates, or those of OpenSSL's variables.
    fn roots(&self) -> Roots {
        let file = self.path("SSL_CERT_FILE");
        let directories = self
            .value("SSL_CERT_DIR")
            .map(|list| std::env::split_paths(list).collect::<Vec<_>>());
        if file.is_none() && directories.is_none() {
            return Roots::new(|| rustls_native_certs::load_native_certs().certs);
        }
        let named = directories
            .unwrap_or_default()
            .into_iter()
            .filter(|path| !path.as_os_str().is_empty());
        Roots::of_files(file, named.collect())
    }

    fn certs_directories(&self) -> Vec<PathBuf> {
        let own = self.absolute_path("XDG_CONFIG_HOME").or_else(|| self.home(".config"));
        let own = own.map(|directory| directory.join("containers/certs.d"));
        let common = [
            "/etc/containers/certs.d",
            "/etc/containerd/certs.d",
            "/etc/docker/certs.d",
        ];
        own.into_iter().chain(common.map(PathBuf::from)).collect()
    }

    /// Returns the full names that other tools on this machine use for short names.
    pub fn short_names(&self) -> ShortNames {
        short_names(&self.registry_config())
    }

    /// Returns the files that configure access to registries, those of podman and containerd.
    fn registry_config(&self) -> ConfigFiles {
        let own = self.absolute_path("XDG_CONFIG_HOME").or_else(|| self.home(".config"));
        ConfigFiles {
            registries_conf: self.path("CONTAINERS_REGISTRIES_CONF"),
            user_directory: own.map(|directory| directory.join("containers")),
            system_directory: Some(PathBuf::from("/etc/containers")),
            hosts_directories: self.certs_directories(),
        }
    }

    /// Returns the proxies. Lower case takes precedence over upper case, as in curl and Go. In a CGI program
    /// `HTTP_PROXY` could come from a request's header; this is not one.
    fn proxies(&self) -> ProxyOptions {
        let setting = |name: &str| {
            let variable = name.to_owned();
            self.secret(name).map(|address| ProxySetting { address, variable })
        };
        let either = |name: &str| setting(name).or_else(|| setting(&name.to_uppercase()));
        ProxyOptions {
            http: either("http_proxy").or_else(|| either("all_proxy")),
            https: either("https_proxy").or_else(|| either("all_proxy")),
            no_proxy: self.text("no_proxy").or_else(|| self.text("NO_PROXY")),
        }
    }

    fn credentials(&self, auth_file: Option<&Path>, explicit: Vec<Login>) -> Credentials {
        let github = match (self.text("GITHUB_ACTOR"), self.secret("GITHUB_TOKEN")) {
            (Some(user), Some(secret)) => Some(Login {
                registry: "ghcr.io".to_owned(),
                user,
                secret,
            }),
            _ => None,
        };
        let gitlab = match (
            self.text("CI_REGISTRY"),
            self.text("CI_REGISTRY_USER"),
            self.secret("CI_REGISTRY_PASSWORD"),
        ) {
            (Some(registry), Some(user), Some(secret)) => Some(Login { registry, user, secret }),
            _ => None,
        };
        Credentials {
            explicit,
            docker_auth_config: self.secret("DOCKER_AUTH_CONFIG"),
            auth_file: self.auth_file(auth_file),
            files: self.auth_files(),
            environment: github.into_iter().chain(gitlab).collect(),
            helper_path: self.value("PATH").cloned(),
        }
    }

    /// Returns Docker's file, containers' files, and Docker's old one, whether they exist or not.
    fn auth_files(&self) -> Vec<PathBuf> {
        let runtime = self
            .absolute_path("XDG_RUNTIME_DIR")
            .map(|directory| directory.join("containers/auth.json"));
        let config = self.absolute_path("XDG_CONFIG_HOME").or_else(|| self.home(".config"));
        [
            self.docker_config(),
            Some(runtime.unwrap_or_else(default_runtime_file)),
            config.map(|directory| directory.join("containers/auth.json")),
            self.home(".dockercfg"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Returns the search path of credential helpers.
    pub fn helper_path(&self) -> Option<OsString> {
        self.value("PATH").cloned()
    }
}

/// Returns a number that differs from process to process, so that many that failed together do not retry together.
fn jitter_seed() -> u64 {
    let now = SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 32)
}

/// Returns podman's credential file if `XDG_RUNTIME_DIR` is not set.
fn default_runtime_file() -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    PathBuf::from(format!("/run/containers/{uid}/auth.json"))
}
