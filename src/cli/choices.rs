//! What users choose for the output of every command.

use clap::ValueEnum;

/// When colors are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, as `NO_COLOR` and `CLICOLOR_FORCE` say.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How progress is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// Progress bars on a terminal, lines elsewhere.
    Auto,
    /// One line per event.
    Plain,
    /// One JSON object per line and event.
    Json,
    /// Only errors and warnings.
    None,
}

/// What a job of a matrix is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum MatrixBy {
    /// All platforms of a member.
    #[default]
    Member,
    /// One platform of a member.
    Platform,
}
