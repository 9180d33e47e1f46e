//! The arguments of `lock`, `update` and `outdated`.

use std::path::PathBuf;

use clap::Args;

use super::registry::RegistryArguments;
use super::selection::SelectionArguments;

/// The specs whose lockfile a command is for.
#[derive(Debug, Args)]
pub struct LockedSpecArguments {
    /// The spec, or the directory that contains ocitect.toml.
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub spec: PathBuf,
    /// Set a variable of [vars]. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Members.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArguments,
}

/// `ocitect lock`.
#[derive(Debug, Args)]
#[command(after_help = "\
Keeps existing pins, and removes those that the spec no longer uses. Commit the \
lockfile: every machine then builds on the same base images.

Examples:
  # Pin the images of ./ocitect.toml in ./ocitect.lock
  ocitect lock

  # Show users, packages and libraries of the pinned images
  ocitect lock --show app

  # Add the missing pins of one member of a workspace, and change no other
  ocitect lock -p planner

  # Build only if the lockfile is up to date
  ocitect build --locked")]
pub struct LockArguments {
    /// Print the lockfile in readable form, with the facts of each image. Changes nothing.
    #[arg(long, conflicts_with_all = ["package", "exclude", "with_dependents"])]
    pub show: bool,
    /// Print JSON.
    #[arg(long, requires = "show")]
    pub json: bool,
    /// The specs, and how their images are read.
    #[command(flatten)]
    pub specs: LockedSpecArguments,
}

/// `ocitect update`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Update all images of ./ocitect.toml
  ocitect update

  # Update one image of app/ocitect.toml
  ocitect update app --image docker.io/library/python

  # Update the images that some members of a workspace are built on
  ocitect update -p 'servers/*'

  # List the packages that changed
  ocitect update --json | jq '.images[].platforms[].packages.changed'")]
pub struct UpdateArguments {
    /// Update only this image, named as in the spec, with or without its tag. Can be repeated. [default: all images]
    #[arg(long, value_name = "IMAGE")]
    pub image: Vec<String>,
    /// Print the changes as JSON.
    #[arg(long)]
    pub json: bool,
    /// The specs, and how their images are read.
    #[command(flatten)]
    pub specs: LockedSpecArguments,
}

/// `ocitect outdated`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exits with status 3 if an image has a newer version. Writes nothing.

Examples:
  # In a scheduled CI job
  ocitect outdated || echo \"a base image has a new version\"

  # Check the images that one member of a workspace is built on
  ocitect outdated -p planner

  # List outdated images of app/ocitect.toml
  ocitect outdated --json app | jq -r '.images[] | select(.outdated) | .name'")]
pub struct OutdatedArguments {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// The specs, and how their images are read.
    #[command(flatten)]
    pub specs: LockedSpecArguments,
}
