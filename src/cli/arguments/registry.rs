//! The options for registries, and the arguments of `login` and `logout`.

use std::path::PathBuf;

use clap::Args;

/// Options for registries, which every command has that may connect to one.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registries")]
pub struct RegistryArguments {
    /// Read credentials from this file only [env: REGISTRY_AUTH_FILE].
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// User name at the target registry or, if nothing is pushed, at the source registry. Only for one registry: for
    /// several, use `ocitect login`. Needs --password-stdin.
    #[arg(long, value_name = "USER", requires = "password_stdin")]
    pub username: Option<String>,
    /// Read the password or token from standard input.
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
    /// Connections.
    #[command(flatten)]
    pub connection: ConnectionArguments,
}

/// Options for connections to registries.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registries")]
pub struct ConnectionArguments {
    /// Also trust the certificates in this PEM file. Can be repeated.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Vec<PathBuf>,
    /// Use plain HTTP for this registry (HOST[:PORT]). Can be repeated. Loopback addresses do not need it.
    #[arg(long, value_name = "HOST")]
    pub plain_http: Vec<String>,
    /// Do not verify the certificate of this registry (HOST[:PORT]). Can be repeated. --ca-file is safer.
    #[arg(long, value_name = "HOST")]
    pub insecure_tls: Vec<String>,
}

/// `ocitect login`.
#[derive(Debug, Args)]
#[command(after_help = LOGIN_EXAMPLES)]
pub struct LoginArguments {
    /// The registry: HOST[:PORT].
    #[arg(value_name = "HOST")]
    pub registry: String,
    /// User name. [default: ask for it on the terminal]
    #[arg(short, long, value_name = "USER")]
    pub username: Option<String>,
    /// Read the password or token from standard input instead of the terminal.
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
    /// Store the credentials in this file [env: REGISTRY_AUTH_FILE]. [default: Docker's config.json]
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// Connections.
    #[command(flatten)]
    pub connection: ConnectionArguments,
}

const LOGIN_EXAMPLES: &str = "\
Sends the credentials to the registry first, and stores them only if they are
accepted. A credential helper that the file names for the registry stores them
instead of the file.

Examples:
  # Ask for the password or token on the terminal
  ocitect login -u me ghcr.io

  # In a script
  echo \"$TOKEN\" | ocitect login -u me --password-stdin ghcr.io";

/// `ocitect logout`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ocitect logout ghcr.io")]
pub struct LogoutArguments {
    /// The registry: HOST[:PORT].
    #[arg(value_name = "HOST")]
    pub registry: String,
    /// Remove the credentials from this file [env: REGISTRY_AUTH_FILE]. [default: Docker's config.json]
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
}
