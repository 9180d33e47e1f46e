//! The options for output on the terminal, which every command has.

use clap::Args;

use crate::cli::choices::{Color, Progress};

/// Options for progress output, which every command has.
#[derive(Debug, Clone, Args)]
pub struct OutputArguments {
    /// How to report progress on standard error.
    #[arg(long, global = true, value_enum, default_value_t = Progress::Auto, hide_possible_values = false)]
    pub progress: Progress,
    /// Print only errors and warnings, like --progress none.
    #[arg(short, long, global = true, conflicts_with = "progress")]
    pub quiet: bool,
    /// When to use colors. By default on a terminal; NO_COLOR turns them off, and CLICOLOR_FORCE on everywhere.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto, hide_possible_values = true)]
    pub color: Color,
    /// Print details, such as requests and where credentials come from (never secrets). Repeat for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl OutputArguments {
    /// Returns the arguments with `--quiet` as the form of progress that it stands for.
    pub fn with_quiet_as_progress(self) -> Self {
        let progress = if self.quiet { Progress::None } else { self.progress };
        Self { progress, ..self }
    }
}
