//! The options that select members of a workspace.

use std::path::PathBuf;

use clap::Args;

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

/// `ocitect list`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # List the members of the workspace in this directory
  ocitect list

  # List what has to be built again when the base changes
  ocitect list -p base --with-dependents --json")]
pub struct ListArguments {
    /// The workspace's ocitect.toml, or its directory.
    #[arg(default_value = ".", value_name = "DIR|FILE")]
    pub spec: PathBuf,
    /// Set a variable of [vars]. Can be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Print members as JSON.
    #[arg(long)]
    pub json: bool,
    /// Members.
    #[command(flatten)]
    pub selection: SelectionArguments,
}
