//! The command line as clap parses it: names, help texts and examples. No decision is made here.

mod cache;
mod compose;
mod lock;
mod merge;
mod output;
mod pin;
mod registry;
mod selection;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::cache::{CacheArguments, CacheCommand, PruneArguments};
pub use self::compose::ComposeArguments;
pub use self::lock::{LockArguments, LockedSpecArguments, OutdatedArguments, UpdateArguments};
pub use self::merge::MergeArguments;
pub use self::output::OutputArguments;
pub use self::pin::PinFilesArguments;
pub use self::registry::{ConnectionArguments, LoginArguments, LogoutArguments, RegistryArguments};
pub use self::selection::{ListArguments, SelectionArguments, ShardArguments};

/// Assembles container images from files that you have already built: no Docker, no daemon, no root.
#[derive(Debug, Parser)]
#[command(name = "ocitect", version, max_term_width = 100, propagate_version = true, after_help = TOP_EXAMPLES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How progress is reported.
    #[command(flatten)]
    pub output: OutputArguments,
}

const TOP_EXAMPLES: &str = "\
Images are named as in skopeo:
  oci:DIR[:TAG]              OCI layout (a directory)
  oci-archive:FILE[:TAG]     OCI layout in a tar file
  docker-archive:FILE[:REF]  archive of `docker save` and `docker load`
  docker://REF or REF        registry, for example ghcr.io/me/app:1.0
Append @sha256:... to require a digest.

Examples:
  ocitect init                   Write ./ocitect.toml for this project
  ocitect build                  Build ./ocitect.toml into build/oci
  ocitect build --push           Build and push to the registry
  ocitect inspect oci:build/oci  Show the image

Exit status:
  0  success
  1  local error
  2  invalid usage or input
  3  check failed, over budget or outdated
  4  authentication failed
  5  network or registry error
  6  not found";

/// What a command line asks for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a first spec for a project
    Init(InitArguments),
    /// Build the image that a spec describes
    Build(BuildArguments),
    /// Check an image for problems that would keep it from starting
    Check(CheckArguments),
    /// List the members of a workspace
    List(ListArguments),
    /// Pin the images that a spec uses in its lockfile
    Lock(LockArguments),
    /// Update the pins in a lockfile and show what changed
    Update(UpdateArguments),
    /// Check whether pinned images have newer versions
    Outdated(OutdatedArguments),
    /// Push an image from a layout, an archive or a registry
    Push(PushArguments),
    /// Copy an image between registries, layouts and archives
    Copy(CopyArguments),
    /// Join images that were built apart, one for each platform or runner
    Merge(MergeArguments),
    /// Pin images by digest in compose files and manifests
    Pin(PinFilesArguments),
    /// Show the platforms, layers and config of an image
    Inspect(InspectArguments),
    /// List the files of an image
    Ls(LsArguments),
    /// Manage the cache, and prune layouts
    Cache(CacheArguments),
    /// Log in to a registry
    Login(LoginArguments),
    /// Log out of a registry
    Logout(LogoutArguments),
    /// Print the JSON Schema of ocitect.toml
    #[command(after_help = "Example:\n  ocitect schema > ocitect.schema.json")]
    Schema,
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  ocitect completions bash > ~/.local/share/bash-completion/completions/ocitect")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a directory
    #[command(after_help = "Example:\n  ocitect man ~/.local/share/man")]
    Man {
        /// The directory. The pages are written to man1 in it, which is created if it does not exist.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

/// Options for the lockfile of a spec.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Lockfile")]
pub struct PinArguments {
    /// Require the lockfile to be up to date; fail instead of updating it.
    #[arg(long)]
    pub locked: bool,
    /// Do not connect to registries; use only the lockfile, the cache and local images.
    #[arg(long)]
    pub offline: bool,
}

/// `ocitect init`.
#[derive(Debug, Args)]
#[command(after_help = INIT_EXAMPLES)]
pub struct InitArguments {
    /// The directory of the project, where ocitect.toml is written.
    #[arg(default_value = ".", value_name = "DIR")]
    pub directory: PathBuf,
    /// Do not connect to registries. The new spec is then checked only if its base image is in the cache or is
    /// `scratch`.
    #[arg(long)]
    pub offline: bool,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

const INIT_EXAMPLES: &str = "\
Looks for build results first (programs, jars and wheels in dist, build, target
and the like), then for manifests (package.json, pyproject.toml, go.mod,
Cargo.toml, pom.xml, build.gradle, *.csproj, index.html). Prints what it found
and what still has to be built, and checks the image if nothing is missing.
Never overwrites a file and runs nothing of the project.

Examples:
  # Write ./ocitect.toml
  ocitect init

  # Write app/ocitect.toml, without a network
  ocitect init app --offline

  # Then build the image
  ocitect build";

/// `ocitect build`.
#[derive(Debug, Args)]
#[command(after_help = BUILD_EXAMPLES)]
pub struct BuildArguments {
    /// The spec, or the directory that contains ocitect.toml.
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub spec: PathBuf,
    /// Push to the registry in the image's name, or in -t.
    #[arg(long, conflicts_with = "offline")]
    pub push: bool,
    /// Where to write the image: oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:REF]; FILE can be - for
    /// standard output. Can be repeated. [default without --push: oci:build/oci in the current directory; for a workspace, beside its root file]
    #[arg(short, long, value_name = "OUTPUT")]
    pub output: Vec<String>,
    /// Tag or full reference to use instead of those in the spec. Can be repeated.
    #[arg(short, long, value_name = "REF")]
    pub tag: Vec<String>,
    /// Build only this platform of the spec. Can be repeated. With --push, fewer platforms than the spec has are pushed by
    /// digest only, unless -t is given.
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platform: Vec<String>,
    /// Set a variable of [vars]. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Reuse matching layers from this image, previously built by ocitect, instead of compressing and uploading them.
    /// The image is trusted. Can be repeated.
    #[arg(long, value_name = "REF", conflicts_with = "offline")]
    pub cache_from: Vec<String>,
    /// Write name, tags, digests, platforms and sizes to this file as JSON. With -, they go to standard output and the
    /// digest line to standard error.
    #[arg(long, value_name = "FILE")]
    pub metadata: Option<PathBuf>,
    /// Print the resolved plan as JSON and exit without building.
    #[arg(long, conflicts_with_all = ["push", "output", "metadata"])]
    pub print_plan: bool,
    /// Build the members of a workspace that do not need a failed one. [default: write nothing if one fails]
    #[arg(long)]
    pub keep_going: bool,
    /// Number of threads that read, check and pack. Does not affect the image. [default: number of processors, at most 8]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Lockfile.
    #[command(flatten)]
    pub pins: PinArguments,
    /// Members.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Part of them.
    #[command(flatten)]
    pub shard: ShardArguments,
    /// Only the members whose images differ from those in this file, which an earlier build wrote with --metadata. Can be
    /// repeated, for the parts of a build.
    #[arg(long, value_name = "FILE", help_heading = "Workspaces")]
    pub changed_from: Vec<PathBuf>,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

const BUILD_EXAMPLES: &str = "\
The last line of standard output is NAME@DIGEST of the image.

Examples:
  # Build ./ocitect.toml into the OCI layout build/oci
  ocitect build

  # Build app/ocitect.toml and push it
  ocitect build app --push

  # Write one file, to carry to another network
  ocitect build -t 1.2.3 -o oci-archive:app.tar

  # Load into podman
  ocitect build --platform linux/amd64 -o docker-archive:- | podman load

  # Reuse layers of the last image on a new CI machine
  ocitect build --push --cache-from ghcr.io/me/app:latest

  # Build some images of a workspace, and what they are based on
  ocitect build -p planner -p 'servers/*' --push

  # Build what differs from the last build
  ocitect build --push --changed-from last.json --metadata images.json

  # Build a workspace on four machines: this is the first one
  ocitect build --shard 1/4 --push --metadata shard-1.json

  # Build without a network, from lockfile and cache
  ocitect build --locked --offline";

/// `ocitect check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct CheckArguments {
    /// A spec, the directory that contains ocitect.toml, or an image.
    #[arg(default_value = ".", value_name = "DIR|FILE|IMAGE")]
    pub subject: String,
    /// Check only this platform. Can be repeated.
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platform: Vec<String>,
    /// Set a variable of the spec's [vars]. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Check that this file and the image's environment set every variable of `required-env`. Can be repeated: a later
    /// file takes precedence, as in Docker. (In the spec's `env-files`, an earlier one does.) With --compose: a file with
    /// the variables of the compose files, instead of .env beside the first one.
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Print findings as JSON.
    #[arg(long, conflicts_with = "sarif")]
    pub json: bool,
    /// Print findings as SARIF 2.1.0, for code scanning services.
    #[arg(long)]
    pub sarif: bool,
    /// List all finding codes and their meaning. Checks nothing.
    #[arg(long, conflicts_with_all = ["sarif", "env_file", "set", "platform"])]
    pub codes: bool,
    /// Number of threads that read and check. [default: number of processors, at most 8]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Lockfile.
    #[command(flatten)]
    pub pins: PinArguments,
    /// Compose files.
    #[command(flatten)]
    pub compose: ComposeArguments,
    /// Members.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Part of them.
    #[command(flatten)]
    pub shard: ShardArguments,
    /// Only the members whose images differ from those in this file, which an earlier build wrote with --metadata. Can be
    /// repeated, for the parts of a build.
    #[arg(long, value_name = "FILE", help_heading = "Workspaces")]
    pub changed_from: Vec<PathBuf>,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

const CHECK_EXAMPLES: &str = "\
Prints findings on standard output. Exits with status 3 if one is an error, and \
with 0 if there are only warnings.

Examples:
  # Check the image that ./ocitect.toml describes
  ocitect check

  # Check an existing image
  ocitect check oci:build/oci
  ocitect check ghcr.io/me/app:1.0 --json

  # Upload findings to a code scanning service
  ocitect check --sarif > findings.sarif

  # Check that all required variables are set
  ocitect check --env-file production.env

  # Check that a stack sets them, before it starts
  ocitect check --compose compose.yaml --env-file production.env";

/// `ocitect push`.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints NAME@DIGEST of the image. With several platforms, the pushed image is an
index that lists only these.

Example:
  # Push one image under two tags
  ocitect push oci:build/oci:1.0 ghcr.io/me/app:1.0 ghcr.io/me/app:latest")]
pub struct PushArguments {
    /// The image to read: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or a reference.
    pub source: String,
    /// Where to push it, such as ghcr.io/me/app:1.0. Can be repeated.
    #[arg(required = true, value_name = "REF")]
    pub references: Vec<String>,
    /// Push only this platform of a multi-platform image. Can be repeated: several platforms are pushed as a new index.
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platform: Vec<String>,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// `ocitect copy`.
#[derive(Debug, Args)]
#[command(after_help = COPY_EXAMPLES)]
pub struct CopyArguments {
    /// The image to read: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or a reference.
    pub source: String,
    /// Where to write it, in the same forms.
    pub target: String,
    /// Copy only this platform of a multi-platform image. Can be repeated: several platforms are copied as a new index.
    #[arg(long, value_name = "OS/ARCH", value_delimiter = ',')]
    pub platform: Vec<String>,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

const COPY_EXAMPLES: &str = "\
The copy of a whole image, or of one platform, keeps its digest. With several
platforms, the copy is an index that lists only these.

Examples:
  # Copy from a registry into a layout
  ocitect copy ghcr.io/me/app:1.0 oci:mirror:1.0

  # Push an archive
  ocitect copy oci-archive:app.tar registry.internal/me/app:1.0

  # Copy two platforms
  ocitect copy --platform linux/amd64,linux/arm64 \\
      docker.io/library/node:22 registry.internal/node:22

  # Write an archive for `docker load`
  ocitect copy --platform linux/amd64 oci:build/oci \\
      docker-archive:app.tar:ghcr.io/me/app:1.0";

/// `ocitect inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ocitect inspect oci:build/oci
  ocitect inspect --json ghcr.io/me/app:1.0 | jq -r .digest")]
pub struct InspectArguments {
    /// The image: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or a reference.
    pub image: String,
    /// Show only this platform.
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Print JSON.
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
    /// The image: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF] or a reference.
    pub image: String,
    /// Path in the image. Lists the file, or everything below the directory.
    #[arg(default_value = "/")]
    pub path: OsString,
    /// Platform to list. [default: the platform of this machine, if the image has it]
    #[arg(long, value_name = "OS/ARCH")]
    pub platform: Option<String>,
    /// Print one JSON object per file.
    #[arg(long)]
    pub json: bool,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}
