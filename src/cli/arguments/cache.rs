//! The arguments of `cache`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `ocitect cache`.
#[derive(Debug, Args)]
#[command(after_help = "\
The cache holds compressed blocks, records of layers, and facts and documents of \
base images. It is at $OCITECT_CACHE_DIR, $XDG_CACHE_HOME/ocitect or \
~/.cache/ocitect, the first that is set. Its limit is 10 GiB, or \
$OCITECT_CACHE_SIZE; the least recently used entries are deleted first. You can \
delete the cache at any time.

Examples:
  # Show where the cache is and what it holds
  ocitect cache
  ocitect cache --json | jq .size_bytes

  # Delete the least recently used entries
  ocitect cache prune --keep 2GB

  # Read everything and delete damaged entries
  ocitect cache verify

  # Delete blobs that no tag of a layout reaches
  ocitect cache prune --layout build/oci")]
pub struct CacheArguments {
    /// What to do. [default: show what the cache holds]
    #[command(subcommand)]
    pub command: Option<CacheCommand>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands of `ocitect cache`.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Delete least recently used entries, or unused blobs of a layout
    #[command(after_help = "\
With --layout, deletes the blobs of that OCI layout that its index.json does not \
reach through indexes, manifests and referrers (signatures, SBOMs). The cache is \
not changed. If an image of the layout is damaged or of an unknown kind, nothing \
is deleted. If a lockfile pins an image that was deleted, run `ocitect update`.

Examples:
  # Prune to the limit, and remove what killed processes left
  ocitect cache prune

  # Keep 500 MB, or nothing
  ocitect cache prune --keep 500MB
  ocitect cache prune --all

  # Show what would be deleted from a layout
  ocitect cache prune --layout build/oci --dry-run")]
    Prune(PruneArguments),
    /// Verify all entries and delete damaged ones
    #[command(after_help = "\
Deleted entries are created again when they are needed: the exit status is 0. It \
is 1 if a damaged entry could not be deleted.

Examples:
  ocitect cache verify
  ocitect cache verify --json | jq '.damaged | length'")]
    Verify,
}

/// `ocitect cache prune`.
#[derive(Debug, Args)]
pub struct PruneArguments {
    /// Size to keep, such as 500MB or 2GiB. [default: the limit of the cache]
    #[arg(long, value_name = "SIZE")]
    pub keep: Option<String>,
    /// Delete all entries.
    #[arg(long, conflicts_with = "keep")]
    pub all: bool,
    /// Prune this OCI layout instead of the cache.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["keep", "all"])]
    pub layout: Option<PathBuf>,
    /// Only show what would be deleted.
    #[arg(long, requires = "layout")]
    pub dry_run: bool,
}
