//! The options that select members of a workspace, and the arguments of `list`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::choices::MatrixBy;
use crate::workspace::Shard;

/// Which members of a workspace a command is for.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Workspaces")]
pub struct SelectionArguments {
    /// Only the members whose ID matches, such as planner or 'servers/*'. Can be repeated.
    #[arg(short, long, value_name = "ID")]
    pub package: Vec<String>,
    /// Not the members whose ID matches. Can be repeated.
    #[arg(long, value_name = "ID")]
    pub exclude: Vec<String>,
    /// Also the members that are based on a selected one.
    #[arg(long)]
    pub with_dependents: bool,
}

impl SelectionArguments {
    /// Returns the first option that is given.
    pub fn first_option(&self) -> Option<&'static str> {
        match self {
            Self { package, .. } if !package.is_empty() => Some("-p"),
            Self { exclude, .. } if !exclude.is_empty() => Some("--exclude"),
            Self { with_dependents, .. } => with_dependents.then_some("--with-dependents"),
        }
    }
}

/// Which of the selected members this run is for.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Workspaces")]
pub struct ShardArguments {
    /// Only part I of N of the selected members. Each member is in one part.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
}

/// `ocitect list`.
#[derive(Debug, Args)]
#[command(after_help = LIST_EXAMPLES)]
pub struct ListArguments {
    /// The workspace's ocitect.toml, or its directory.
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub spec: PathBuf,
    /// Set a variable of [vars]. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Print members as JSON.
    #[arg(long, conflicts_with_all = ["github_matrix", "ids"])]
    pub json: bool,
    /// Print a job matrix for GitHub Actions, as one line of JSON.
    #[arg(long, conflicts_with = "ids")]
    pub github_matrix: bool,
    /// What a job of the matrix is for.
    #[arg(long, value_name = "WHAT", requires = "github_matrix", value_enum, default_value_t)]
    pub by: MatrixBy,
    /// Print IDs only, one a line.
    #[arg(long)]
    pub ids: bool,
    /// Only the members that the changed paths in this file may affect, and those that are based on them. The paths are
    /// those that `git diff --name-only` prints. With -, they are read from standard input.
    #[arg(long, value_name = "FILE", help_heading = "Workspaces")]
    pub affected_by: Option<PathBuf>,
    /// Members.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// Part of them.
    #[command(flatten)]
    pub shard: ShardArguments,
}

const LIST_EXAMPLES: &str = "\
Examples:
  # List the members of the workspace in this directory
  ocitect list

  # List what has to be built again when the base changes
  ocitect list -p base --with-dependents --json

  # List what a branch may change
  git diff --name-only origin/main... | ocitect list --affected-by -

  # A job for each platform of each member, in GitHub Actions
  ocitect list --github-matrix --by platform";
