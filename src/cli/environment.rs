//! What the command line adds to the environment: its own options, and secrets on standard input.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::arguments::{ConnectionArguments, RegistryArguments};
use super::failure::Failure;
use super::stderr;
use crate::build::Transports;
use crate::environment::Environment;
use crate::events::{Event, Observer};
use crate::model::{Repository, escape, escape_path};
use crate::registry::{Client, Login, RegistryOptions, Secret};
use crate::spec::Inputs;

/// Size limit of a password or token on standard input, in bytes: the longest tokens in use have some kilobytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

impl Environment {
    /// Returns the variables that a spec may use, and those of `--set NAME=VALUE`.
    pub fn spec_inputs(&self, sets: &[String]) -> Result<Inputs, Failure> {
        let split = |text: &String| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(Failure::usage(
                &format!("--set \"{}\": expected NAME=VALUE", escape(text.as_bytes())),
                "write --set NAME=VALUE",
            )),
        };
        let sets = sets.iter().map(split).collect::<Result<_, _>>()?;
        Ok(Inputs {
            environment: self.variables(),
            sets,
            short_names: self.short_names(),
        })
    }

    /// Returns the access to images. A password from the command line is only used for `login_registries`: the
    /// registries that the command names, not those of base images.
    ///
    /// # Errors
    /// Returns [`Failure`] for a password with several registries: one of them would receive that of another.
    pub fn transports(
        &self,
        arguments: &RegistryArguments,
        login_registries: &[&str],
        observer: &Arc<dyn Observer>,
    ) -> Result<Transports, Failure> {
        check_auth_file(arguments.authfile.as_deref())?;
        let mut explicit = Vec::new();
        if let (Some(user), true) = (&arguments.username, arguments.password_stdin) {
            let registries: BTreeSet<&str> = login_registries.iter().copied().collect();
            refuse_several(&registries)?;
            let secret = read_secret()?;
            for registry in registries {
                let registry = registry.to_owned();
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
            ..self.registry_options(&arguments.connection, arguments.authfile.as_deref(), explicit)?
        };
        if let Some(text) = insecure_warning(&options) {
            observer.event(Event::Warning(text));
        }
        let client = Client::new(options)?;
        let transports = Transports::new(client, self.scratch_directory(), || Box::new(std::io::stdout()));
        Ok(transports.remembering(self.cache()?))
    }

    /// Returns the files other than images that the command line names and that are read.
    pub fn files_read(&self, arguments: &RegistryArguments) -> Vec<PathBuf> {
        let auth_file = self.auth_file(arguments.authfile.as_deref());
        arguments.connection.ca_file.iter().cloned().chain(auth_file).collect()
    }

    /// Returns the settings for access to registries.
    pub fn registry_options(
        &self,
        connection: &ConnectionArguments,
        authfile: Option<&Path>,
        explicit: Vec<Login>,
    ) -> Result<RegistryOptions, Failure> {
        let plain_http = hosts("--plain-http", &connection.plain_http)?;
        let skip_verify = hosts("--insecure-tls", &connection.insecure_tls)?;
        if let Some(host) = plain_http.intersection(&skip_verify).next() {
            return Err(Failure::usage(
                &format!("{host} is given to both --plain-http and --insecure-tls"),
                "use --plain-http if the registry does not use TLS, and --insecure-tls if it does",
            ));
        }
        Ok(RegistryOptions {
            plain_http,
            skip_verify,
            ca_files: connection.ca_file.clone(),
            secrets: stderr::secrets().clone(),
            ..self.registries(authfile, explicit)
        })
    }

    /// Returns the file that `login` writes and `logout` edits: `--authfile`, `$REGISTRY_AUTH_FILE`, or Docker's, which
    /// every tool reads.
    pub fn login_file(&self, authfile: Option<&Path>) -> Result<PathBuf, Failure> {
        let named = self.auth_file(authfile);
        named.or_else(|| self.docker_config()).ok_or_else(|| {
            Failure::usage(
                "no place to store credentials: HOME is not set",
                "name a file with --authfile",
            )
        })
    }
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
            let shown = escape_path(file);
            Err(Failure::usage(
                &format!("--authfile {shown}: no such file"),
                &format!("name another file, or create it with `ocitect login REGISTRY --authfile {shown}`"),
            ))
        }
        _ => Ok(()),
    }
}

/// Returns the warning about registries whose certificates are not verified.
pub fn insecure_warning(options: &RegistryOptions) -> Option<String> {
    let hosts: Vec<&str> = options.skip_verify.iter().map(String::as_str).collect();
    (!hosts.is_empty()).then(|| {
        format!(
            "--insecure-tls: the certificate of {} is not verified; an attacker on the network can read credentials and \
             replace images",
            hosts.join(", ")
        )
    })
}

/// Returns the registries that an option names, each `HOST[:PORT]`.
fn hosts(option: &str, texts: &[String]) -> Result<BTreeSet<String>, Failure> {
    let host = |text: &String| {
        registry_name(text).map_err(|host| {
            let message = format!("{option} {}: not a registry", escape(text.as_bytes()));
            let example = host.as_deref().unwrap_or("localhost:5000");
            Failure::usage(&message, &format!("give only the host and port: {option} {example}"))
        })
    };
    texts.iter().map(host).collect()
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

/// Refuses a user name and password for several registries.
fn refuse_several(registries: &BTreeSet<&str>) -> Result<(), Failure> {
    if registries.len() < 2 {
        return Ok(());
    }
    let names: Vec<&str> = registries.iter().copied().collect();
    Err(Failure::usage(
        &format!(
            "--username is for one registry, but this command uses {}: {}",
            names.len(),
            names.join(", ")
        ),
        "run `ocitect login` for each of them, or give a credential file with --authfile: it can have any number",
    ))
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
