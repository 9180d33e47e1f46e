//! The options of `check` for compose files.

use std::path::PathBuf;

use clap::Args;

/// The compose files that `ocitect check` reads.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Compose")]
pub struct ComposeArguments {
    /// Check the services of this compose file instead of the images: their variables, env files and health checks. Can be
    /// repeated: a later file overrides earlier ones, as in Compose.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["sarif", "codes", "package", "exclude", "with_dependents"]
    )]
    pub compose: Vec<PathBuf>,
    /// Check only this service and those that it depends on. Can be repeated.
    #[arg(long, value_name = "SERVICE", requires = "compose")]
    pub service: Vec<String>,
}
