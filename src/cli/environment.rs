//! The environment, read once: variables, home, directories, credential files, proxies, certificates.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::arguments::RegistryArguments;
use super::failure::Failure;
use super::sizes::parse_given_size;
use super::stderr;
use crate::build::{BuildOptions, Transports};
use crate::cache::{Cache, DEFAULT_LIMIT_BYTES};
use crate::events::Observer;
use crate::model::{Repository, ShortNames, escape};
use crate::pack::MAX_THREADS;
use crate::registry::{
    Client, ConfigFiles, Credentials, Login, ProxyOptions, ProxySetting, RegistryOptions, RetryOptions, Roots, Secret,
    short_names,
};
use crate::spec::Inputs;

/// Size limit of a password or token on standard input, in bytes: the longest tokens in use have some kilobytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Latest accepted time: the limit in the specification of the variable's readers (34 bits). Four-digit years of RFC
/// 3339 would allow later times, but an image with one is a mistake.
const MAX_SOURCE_DATE_EPOCH: i64 = 8_589_934_591;

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

    /// Returns the variables that a spec may use, and those of `--set NAME=VALUE`.
    pub fn spec_inputs(&self, sets: &[String]) -> Result<Inputs, Failure> {
        let environment = self.variables.iter().filter_map(|(name, value)| {
            // A variable that is not UTF-8 cannot be put into TOML text; it counts as unset.
            Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()))
        });
        let split = |text: &String| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(Failure::usage(
                &format!("--set \"{}\": expected NAME=VALUE", escape(text.as_bytes())),
                "write --set NAME=VALUE",
            )),
        };
        let sets = sets.iter().map(split).collect::<Result<_, _>>()?;
        Ok(Inputs {
            environment: environment.collect(),
            sets,
            short_names: self.short_names(),
        })
    }

    /// Returns times, directories and threads of a build. `jobs` is the number of threads; by default it is the number
    /// of processors.
    pub fn build_options(&self, jobs: Option<u16>) -> Result<BuildOptions, Failure> {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = jobs.map_or_else(processors, usize::from);
        Ok(BuildOptions {
            created_s: self.source_date_epoch()?,
            cache: self.cache()?,
            scratch_directory: self.scratch_directory(),
            threads: threads.min(MAX_THREADS),
            locked: false,
            cache_from: Vec::new(),
            started_at: Some(SystemTime::now()),
        })
    }

    fn source_date_epoch(&self) -> Result<i64, Failure> {
        let Some(value) = self.value("SOURCE_DATE_EPOCH") else {
            return Ok(0);
        };
        let seconds = value.to_str().and_then(|text| text.parse().ok());
        seconds
            .filter(|seconds| (0..=MAX_SOURCE_DATE_EPOCH).contains(seconds))
            .ok_or_else(|| {
                Failure::usage(
                    &format!(
                        "SOURCE_DATE_EPOCH: \"{}\" is not a time",
                        escape(value.as_encoded_bytes())
                    ),
                    &format!("set it to seconds since 1970, from 0 to {MAX_SOURCE_DATE_EPOCH}, or unset it"),
                )
            })
    }

    /// Returns the cache, or `None` if no directory for it is known.
    pub fn cache(&self) -> Result<Option<Cache>, Failure> {
        let limit_bytes = match self.value("OCITECT_CACHE_SIZE") {
            Some(value) => parse_given_size(&value.to_string_lossy(), "OCITECT_CACHE_SIZE")?,
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

    fn scratch_directory(&self) -> PathBuf {
        self.path("TMPDIR").unwrap_or_else(|| PathBuf::from("/tmp"))
    }

    /// Returns the access to images. A password from the command line is only used for `login_registries`: the
    /// registries that the command names, not those of base images.
    pub fn transports(
        &self,
        arguments: &RegistryArguments,
        login_registries: &[&str],
        observer: &Arc<dyn Observer>,
    ) -> Result<Transports, Failure> {
        check_auth_file(arguments.authfile.as_deref())?;
        let mut explicit = Vec::new();
        if let (Some(user), true) = (&arguments.username, arguments.password_stdin) {
            let secret = read_secret()?;
            for registry in login_registries {
                let registry = (*registry).to_owned();
                let user = user.clone();
                explicit.push(Login {
                    registry,
                    user,
                    secret: secret.clone(),
                });
            }
        }
        let options = RegistryOptions {
            observer: observer.clone(),
            ..self.registry_options(arguments, explicit)?
        };
        let client = Client::new(options)?;
        Ok(Transports::new(client, self.scratch_directory(), || {
            Box::new(std::io::stdout())
        }))
    }

    /// Returns the files other than images that the command line names and that are read.
    pub fn files_read(&self, arguments: &RegistryArguments) -> Vec<PathBuf> {
        let auth_file = arguments.authfile.clone().or_else(|| self.path("REGISTRY_AUTH_FILE"));
        arguments.ca_file.iter().cloned().chain(auth_file).collect()
    }

    /// Returns the settings for access to registries.
    pub fn registry_options(
        &self,
        arguments: &RegistryArguments,
        explicit: Vec<Login>,
    ) -> Result<RegistryOptions, Failure> {
        Ok(RegistryOptions {
            plain_http: arguments
                .plain_http
                .iter()
                .map(|text| plain_http_host(text))
                .collect::<Result<_, _>>()?,
            roots: self.roots(),
            ca_files: arguments.ca_file.clone(),
            certs_dirs: self.certs_directories(),
            config: self.registry_config(),
            proxies: self.proxies(),
            credentials: self.credentials(arguments.authfile.as_deref(), explicit),
            retry: RetryOptions {
                seed: jitter_seed(),
                ..RetryOptions::default()
            },
            journal_directory: self.journal_directory(),
            secrets: stderr::secrets().clone(),
            ..RegistryOptions::default()
        })
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

    fn credentials(&self, authfile: Option<&Path>, explicit: Vec<Login>) -> Credentials {
        let auth_file = authfile.map(Path::to_owned).or_else(|| self.path("REGISTRY_AUTH_FILE"));
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
            auth_file,
            files: self.auth_files(),
            environment: github.into_iter().chain(gitlab).collect(),
            helper_path: self.value("PATH").cloned(),
        }
    }

    /// Returns Docker's file, containers' files, and Docker's old one, whether they exist or not.
    fn auth_files(&self) -> Vec<PathBuf> {
        let docker = self.path("DOCKER_CONFIG").or_else(|| self.home(".docker"));
        let runtime = self
            .absolute_path("XDG_RUNTIME_DIR")
            .map(|directory| directory.join("containers/auth.json"));
        let config = self.absolute_path("XDG_CONFIG_HOME").or_else(|| self.home(".config"));
        [
            docker.map(|directory| directory.join("config.json")),
            Some(runtime.unwrap_or_else(default_runtime_file)),
            config.map(|directory| directory.join("containers/auth.json")),
            self.home(".dockercfg"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Returns the file that `login` writes and `logout` edits: `--authfile`, `$REGISTRY_AUTH_FILE`, or Docker's, which
    /// every tool reads.
    pub fn login_file(&self, authfile: Option<&Path>) -> Result<PathBuf, Failure> {
        let named = authfile.map(Path::to_owned).or_else(|| self.path("REGISTRY_AUTH_FILE"));
        let docker = self.path("DOCKER_CONFIG").or_else(|| self.home(".docker"));
        named.or_else(|| Some(docker?.join("config.json"))).ok_or_else(|| {
            Failure::usage(
                "no place to store credentials: HOME is not set",
                "name a file with --authfile",
            )
        })
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
    // SAFETY: getuid has no preconditions and cannot fail.
    let uid = unsafe { libc::getuid() };
    PathBuf::from(format!("/run/containers/{uid}/auth.json"))
}

/// Makes a file that reaches the limit of `ulimit -f` an I/O error with its path, like a full disk. By default the
/// signal would end the process without a message.
pub fn take_too_large_files_as_errors() {
    // SAFETY: a signal that is ignored runs no code.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Rejects a configured credential file that does not exist.
fn check_auth_file(file: Option<&Path>) -> Result<(), Failure> {
    match file {
        Some(file) if matches!(file.try_exists(), Ok(false)) => {
            let shown = escape(file.as_os_str().as_encoded_bytes());
            Err(Failure::usage(
                &format!("--authfile {shown}: no such file"),
                &format!("name another file, or create it with `ocitect login REGISTRY --authfile {shown}`"),
            ))
        }
        _ => Ok(()),
    }
}

/// Returns the registry of `--plain-http`, `HOST[:PORT]`.
fn plain_http_host(text: &str) -> Result<String, Failure> {
    registry_name(text).map_err(|host| {
        let message = format!("--plain-http {}: not a registry", escape(text.as_bytes()));
        let example = host.as_deref().unwrap_or("localhost:5000");
        Failure::usage(
            &message,
            &format!("give only the host and port: --plain-http {example}"),
        )
    })
}

/// Parses `HOST[:PORT]`, by the rules of references. If the text has more parts, such as an address, the error is its
/// host.
pub fn registry_name(text: &str) -> Result<String, Option<String>> {
    let host = |text: &str| {
        let repository: Repository = format!("{text}/name").parse().ok()?;
        (repository.path() == "name").then(|| repository.registry().to_owned())
    };
    host(text).ok_or_else(|| {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        host(authority.rsplit('@').next().unwrap_or_default())
    })
}

/// Reads a password or a token from standard input, without its line end.
pub fn read_secret() -> Result<Secret, Failure> {
    let mut secret = String::new();
    let read = std::io::stdin()
        .lock()
        .take(MAX_SECRET_BYTES + 1)
        .read_to_string(&mut secret);
    let failed = |reason: &str| {
        Failure::usage(
            &format!("cannot read the password from standard input: {reason}"),
            "pipe it in: echo \"$TOKEN\" | …",
        )
    };
    read.map_err(|error| failed(&error.to_string()))?;
    if secret.len() as u64 > MAX_SECRET_BYTES {
        return Err(failed("it is longer than 64 KiB"));
    }
    let secret = secret.trim_end_matches(['\r', '\n']).to_owned();
    if secret.is_empty() {
        Err(failed("it is empty"))
    } else {
        Ok(secret.into())
    }
}
