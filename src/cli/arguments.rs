//! The command line as clap reads it: names, help texts and examples; nothing is decided here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::cache::CacheArguments;

/// Assembles container images from files that are already built: no Docker, no daemon, no root.
#[derive(Debug, Parser)]
#[command(name = "ocitect", version, max_term_width = 100, propagate_version = true, after_help = TOP_EXAMPLES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How it is told.
    #[command(flatten)]
    pub output: OutputArguments,
}

const TOP_EXAMPLES: &str = "\
An image is named as skopeo names it:
  oci:DIR[:TAG]            a directory in the OCI layout
  oci-archive:FILE[:TAG]   the same as one tar file
  docker-archive:FILE[:REF] what `docker save` and `docker load` use
  docker://REF, or REF     a registry, such as ghcr.io/me/app:1.0
A final @sha256:… pins what is read.

Examples:
  ocitect build                     build ./ocitect.toml into build/oci
  ocitect build --push              build it and push it under its name and tags
  ocitect inspect oci:build/oci     show what was made

Exit codes: 0 done; 1 failed here; 2 bad usage or bad input; 3 a gate said no; 4 not authorised;
5 the other side failed; 6 not found";

/// What a command line asks for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Assemble the image that a spec describes
    Build(BuildArguments),
    /// Tell whether an image will start: wrong processors, missing libraries, secrets and more
    Check(CheckArguments),
    /// Pin the images that a spec builds on in its lock file
    Lock(LockArguments),
    /// Move the pins of a lock file, and show what changed
    Update(UpdateArguments),
    /// Say whether pins would move (exit code 3), and write nothing
    Outdated(OutdatedArguments),
    /// Push an image from a layout, an archive or a registry, unchanged
    Push(PushArguments),
    /// Copy an image from anywhere to anywhere, unchanged
    Copy(CopyArguments),
    /// Show what an image is: platforms, layers, config
    Inspect(InspectArguments),
    /// List the files of an image
    Ls(LsArguments),
    /// Show, prune and verify what is kept between builds; prune a layout
    Cache(CacheArguments),
    /// Log in to a registry
    Login(LoginArguments),
    /// Log out of a registry
    Logout(LogoutArguments),
    /// Print the JSON Schema of ocitect.toml, for editors
    #[command(after_help = "Example:\n  ocitect schema > ocitect.schema.json")]
    Schema,
    /// Print completions for a shell
    #[command(after_help = "Example:\n  ocitect completions bash > ~/.local/share/bash-completion/completions/ocitect")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// How progress and errors are told; the same for every command.
#[derive(Debug, Clone, Args)]
pub struct OutputArguments {
    /// How progress is told on stderr: bars on a terminal and a line per event elsewhere, unless said otherwise.
    #[arg(long, global = true, value_enum, default_value_t = Progress::Auto, hide_possible_values = false)]
    pub progress: Progress,
    /// Tell what is done in detail: requests, credentials' sources (never secrets). Twice for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// Bars on a terminal, lines elsewhere.
    Auto,
    /// A line per event.
    Plain,
    /// A JSON object per event and line.
    Json,
    /// Errors and warnings alone.
    None,
}

/// How registries are reached; the same for every command that may reach one.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Registries")]
pub struct RegistryArguments {
    /// File with credentials, instead of all other places (else $REGISTRY_AUTH_FILE).
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
    /// User name for the registry that is pushed to (that is read, where nothing is pushed); the password comes with
    /// --password-stdin.
    #[arg(long, value_name = "USER", requires = "password_stdin")]
    pub username: Option<String>,
    /// Read the password, or a token, from standard input.
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
    /// Trust the certificates of this PEM file as well; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Vec<PathBuf>,
    /// Speak plain HTTP with this registry (HOST[:PORT]); may be given several times. This machine's own addresses need
    /// no flag.
    #[arg(long, value_name = "HOST")]
    pub plain_http: Vec<String>,
}

/// How the lock of a spec is used.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Lock")]
pub struct PinArguments {
    /// Refuse a lock that does not cover the spec, in place of completing it.
    #[arg(long)]
    pub locked: bool,
    /// Open no connection: registries' images come from the lock and the cache alone.
    #[arg(long)]
    pub offline: bool,
}

/// `ocitect build`.
#[derive(Debug, Args)]
#[command(after_help = BUILD_EXAMPLES)]
pub struct BuildArguments {
    /// The spec, or the directory of an ocitect.toml.
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub spec: PathBuf,
    /// Push to the registry that the spec's name, or -t, says.
    #[arg(long, conflicts_with = "offline")]
    pub push: bool,
    /// Write it here: oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:REF]; FILE may be - for standard
    /// output. May be given several times. [default without --push: oci:build/oci]
    #[arg(short, long, value_name = "OUTPUT")]
    pub output: Vec<String>,
    /// A tag, or a full reference, instead of the spec's; may be given several times.
    #[arg(short, long, value_name = "REF")]
    pub tag: Vec<String>,
    /// Build for this platform of the spec alone; may be given several times.
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platform: Vec<String>,
    /// Give a variable of [vars] a value.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Take layers of this image, built earlier by ocitect, where they are what would be packed: they are neither
    /// compressed nor sent again. REF is trusted to hold what it says. May be given several times.
    #[arg(long, value_name = "REF", conflicts_with = "offline")]
    pub cache_from: Vec<String>,
    /// Write name, tags, digests, platforms and sizes to this file, as JSON; - is standard output, and the digest then goes
    /// to standard error.
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,
    /// Print the resolved plan as JSON on standard output, and do nothing else.
    #[arg(long, conflicts_with_all = ["push", "output", "metadata"])]
    pub print_plan: bool,
    /// Threads that read, check and pack. No output depends on it. [default: the processors, at most 8]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// How the lock is used.
    #[command(flatten)]
    pub pins: PinArguments,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

const BUILD_EXAMPLES: &str = "\
The last line of standard output is the image's NAME@DIGEST, alone.

Examples:
  ocitect build                                   ./ocitect.toml into the layout build/oci
  ocitect build app --push                        app/ocitect.toml, to its registry
  ocitect build -t 1.2.3 -o oci-archive:app.tar   one file, for a network without a registry
  ocitect build --platform linux/amd64 -o docker-archive:- | podman load
  ocitect build --push --cache-from ghcr.io/me/app:latest
                                                  on a machine that has built nothing yet
  ocitect build --locked --offline                in a network without registries, from lock and cache";

/// `ocitect lock`.
#[derive(Debug, Args)]
#[command(after_help = "\
Images that are pinned stay so; those that the spec no longer names go. Commit the file: with it, nothing of a base is
fetched to plan a build, and every machine builds on the same base.

Examples:
  ocitect lock                   pin what ./ocitect.toml builds on in ./ocitect.lock
  ocitect lock --show app        what is pinned for app/ocitect.toml: users, packages, libraries
  ocitect build --locked         build on what is pinned, or fail")]
pub struct LockArguments {
    /// The spec, or the directory of an ocitect.toml.
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub spec: PathBuf,
    /// Give a variable of [vars] a value.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Print the lock readable, with the facts of each image, and change nothing.
    #[arg(long)]
    pub show: bool,
    /// As JSON.
    #[arg(long, requires = "show")]
    pub json: bool,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// `ocitect update`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ocitect update                                      everything that ./ocitect.toml builds on
  ocitect update docker.io/library/python --spec app  one image of app/ocitect.toml, whatever its tag
  ocitect update --json | jq '.images[].platforms[].packages.changed'")]
pub struct UpdateArguments {
    /// Images of the spec, with or without tag. [default: all]
    #[arg(value_name = "BASE")]
    pub bases: Vec<String>,
    /// The spec, or the directory of an ocitect.toml.
    #[arg(long, default_value = ".", value_name = "DIR|FILE")]
    pub spec: PathBuf,
    /// Give a variable of [vars] a value.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Print what changed as JSON.
    #[arg(long)]
    pub json: bool,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// `ocitect outdated`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ocitect outdated || echo \"a base has moved\"     in a CI job on a schedule
  ocitect outdated --json app | jq -r '.images[] | select(.outdated) | .name'")]
pub struct OutdatedArguments {
    /// The spec, or the directory of an ocitect.toml.
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub spec: PathBuf,
    /// Give a variable of [vars] a value.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// `ocitect check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct CheckArguments {
    /// A spec, the directory of an ocitect.toml, or an image.
    #[arg(default_value = ".", value_name = "DIR|FILE|IMAGE")]
    pub subject: String,
    /// Check this platform alone; may be given several times.
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platform: Vec<String>,
    /// Give a variable of the spec's [vars] a value.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Ask also whether this file, with the image's own environment, sets every variable of `required-env`; may be given
    /// several times.
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// The findings as JSON.
    #[arg(long, conflicts_with = "sarif")]
    pub json: bool,
    /// The findings as SARIF 2.1.0, for pages that show code scanning.
    #[arg(long)]
    pub sarif: bool,
    /// List the codes of all findings, with what they mean, and check nothing.
    #[arg(long, conflicts_with_all = ["sarif", "env_file", "set", "platform"])]
    pub codes: bool,
    /// Threads that read, check and pack. No output depends on it. [default: the processors, at most 8]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// How the lock is used.
    #[command(flatten)]
    pub pins: PinArguments,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

const CHECK_EXAMPLES: &str = "\
What is found stands on standard output. The exit code is 3 where there is an error, and 0 where there are warnings alone.

Examples:
  ocitect check                                 the image that ./ocitect.toml would make
  ocitect check oci:build/oci                   an image that is there
  ocitect check ghcr.io/me/app:1.0 --json
  ocitect check --sarif > findings.sarif
  ocitect check --env-file production.env       are all required variables set?";

/// `ocitect push`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ocitect push oci:build/oci:1.0 ghcr.io/me/app:1.0 ghcr.io/me/app:latest")]
pub struct PushArguments {
    /// The image: oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE or a reference.
    pub source: String,
    /// Where to; several references get the same image.
    #[arg(required = true, value_name = "REF")]
    pub references: Vec<String>,
    /// Of an image with several platforms, push this one alone.
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// `ocitect copy`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ocitect copy ghcr.io/me/app:1.0 oci:mirror:1.0
  ocitect copy oci-archive:app.tar registry.internal/me/app:1.0
  ocitect copy --platform linux/amd64 oci:build/oci docker-archive:app.tar:registry.internal/me/app:1.0")]
pub struct CopyArguments {
    /// The image to read.
    pub source: String,
    /// Where to write it.
    pub target: String,
    /// Of an image with several platforms, copy this one alone.
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// `ocitect inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ocitect inspect oci:build/oci
  ocitect inspect --json ghcr.io/me/app:1.0 | jq -r .digest")]
pub struct InspectArguments {
    /// The image.
    pub image: String,
    /// Show this platform alone.
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// As JSON.
    #[arg(long)]
    pub json: bool,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// `ocitect ls`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ocitect ls --platform linux/amd64 oci:build/oci
  ocitect ls --json ghcr.io/me/app:1.0 /app")]
pub struct LsArguments {
    /// The image.
    pub image: String,
    /// A path in it; what stands there and below is listed.
    #[arg(default_value = "/")]
    pub path: OsString,
    /// Of an image with several platforms, this one. [default: this machine's, where the image has it]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// As JSON, a line per file.
    #[arg(long)]
    pub json: bool,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// `ocitect login`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  echo \"$TOKEN\" | ocitect login ghcr.io --username me --password-stdin")]
pub struct LoginArguments {
    /// The registry: HOST[:PORT].
    #[arg(value_name = "HOST")]
    pub registry: String,
    /// Registries.
    #[command(flatten)]
    pub options: RegistryArguments,
}

/// `ocitect logout`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ocitect logout ghcr.io")]
pub struct LogoutArguments {
    /// The registry: HOST[:PORT].
    #[arg(value_name = "HOST")]
    pub registry: String,
    /// File with credentials. [default: as for login]
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
}
