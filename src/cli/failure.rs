//! How a failure is told: one line a cause, and the way out of it.

use std::any::Any;
use std::error::Error;
use std::process::ExitCode;

use super::progress::tell;
use super::render;
use crate::build::BuildError;
use crate::model::Diagnose;
use crate::spec::SpecError;

/// A failure of any command, ready to be told.
pub struct Failure {
    lines: Vec<String>,
    help: Option<String>,
    exit_code: u8,
}

impl Failure {
    /// Bad usage that clap cannot know of.
    pub fn usage(message: &str, help: &str) -> Self {
        Self { lines: vec![format!("error: {message}")], help: Some(help.to_owned()), exit_code: 2 }
    }

    /// Something that is not there.
    pub fn not_found(message: &str, help: &str) -> Self {
        Self { exit_code: 6, ..Self::usage(message, help) }
    }

    /// A failure of this machine.
    pub fn here(message: &str) -> Self {
        Self { lines: vec![format!("error: {message}")], help: None, exit_code: 1 }
    }

    /// Tells it on stderr and gives the exit code.
    pub fn report(self) -> ExitCode {
        for line in self.lines {
            tell(&line.replacen("error:", &render::emphasis("error:", 31), 1));
        }
        if let Some(help) = self.help {
            tell(&format!("{} {help}", render::emphasis("help:", 36)));
        }
        ExitCode::from(self.exit_code)
    }
}

/// The chain of causes, each in a line of its own; a cause that only repeats the line before is left out.
fn chain(error: &dyn Error) -> Vec<String> {
    let mut lines = vec![format!("error: {error}")];
    let mut cause = error.source();
    while let Some(error) = cause {
        let line = format!("  because: {error}");
        if !lines.iter().any(|earlier| earlier.ends_with(&error.to_string())) {
            lines.push(line);
        }
        cause = error.source();
    }
    lines
}

impl<E: Diagnose> From<E> for Failure {
    fn from(error: E) -> Self {
        let exit_code = error.class().exit_code();
        // A diagnostic of the spec shows the line, a caret, and its own help.
        let diagnostic: Option<&SpecError> = match (&error as &dyn Any).downcast_ref::<BuildError>() {
            Some(BuildError::Spec(diagnostic)) => Some(diagnostic),
            _ => (&error as &dyn Any).downcast_ref(),
        };
        if let Some(diagnostic) = diagnostic.and_then(|error| error.render(render::color_on_stderr())) {
            return Self { lines: vec![diagnostic], help: None, exit_code };
        }
        Self { lines: chain(&error), help: error.help(), exit_code }
    }
}
