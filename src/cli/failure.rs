//! The report of a failure: one line for each cause, and the help.

use std::any::Any;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::choices::Progress;
use super::render;
use super::stderr::{eprintln_json, eprintln_line};
use crate::build::BuildError;
use crate::deploy::compose::ComposeError;
use crate::deploy::problem::FileError;
use crate::model::{Diagnostic, escape_path};
use crate::spec::SpecError;
use crate::workspace::WorkspaceError;

/// Exit statuses of remote failures: authentication, network or registry, not found.
const REMOTE_EXIT_CODES: [u8; 3] = [4, 5, 6];

/// The result of a command.
pub type Done = Result<(), Failure>;

/// A failure of a command, ready to be reported.
pub struct Failure {
    message: String,
    causes: Vec<String>,
    help: Option<String>,
    /// Excerpt of the spec or of a compose file with its own help, printed for people in place of the other fields.
    diagnostic: Option<String>,
    exit_code: u8,
    /// The ID of the member that failed, in a workspace.
    member: Option<String>,
    /// Failures of the same run that are printed after it.
    others: Vec<Failure>,
}

impl Failure {
    /// Returns a usage error that clap cannot detect.
    pub fn usage(message: &str, help: &str) -> Self {
        Self {
            help: Some(help.to_owned()),
            exit_code: 2,
            ..Self::here(message)
        }
    }

    /// Returns the failure for something that does not exist.
    pub fn not_found(message: &str, help: &str) -> Self {
        Self {
            exit_code: 6,
            ..Self::usage(message, help)
        }
    }

    /// Returns the failure of a check.
    pub fn gate(message: &str, help: &str) -> Self {
        Self {
            exit_code: 3,
            ..Self::usage(message, help)
        }
    }

    /// Returns the failure for an env file of the command line that does not exist.
    pub fn no_env_file(path: &Path) -> Self {
        let message = format!("env file {} does not exist", escape_path(path));
        Self::usage(&message, "give a file with NAME=value lines")
    }

    /// Returns a local failure.
    pub fn here(message: &str) -> Self {
        Self {
            message: message.to_owned(),
            causes: Vec::new(),
            help: None,
            diagnostic: None,
            exit_code: 1,
            member: None,
            others: Vec::new(),
        }
    }

    /// Returns the failure of a run that a signal ended.
    pub fn interrupted(message: &str, exit_code: u8) -> Self {
        Self {
            exit_code,
            ..Self::here(message)
        }
    }

    /// Adds the causes of an error.
    pub fn caused_by(mut self, cause: &dyn Error) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Returns the message and the causes as one line.
    pub fn summary(&self) -> String {
        [std::slice::from_ref(&self.message), &self.causes].concat().join(": ")
    }

    /// Returns `true` if a registry failed, refused access, or does not have what was asked for.
    pub fn is_remote(&self) -> bool {
        REMOTE_EXIT_CODES.contains(&self.exit_code)
    }

    /// Adds help.
    pub fn help(self, help: &str) -> Self {
        Self {
            help: Some(help.to_owned()),
            ..self
        }
    }

    /// Returns the first of several failures of one run, which is followed by the others; `None` if there are none.
    pub fn first_of(failures: Vec<Failure>) -> Option<Self> {
        let mut all = failures.into_iter().flat_map(|mut failure| {
            let others = std::mem::take(&mut failure.others);
            std::iter::once(failure).chain(others)
        });
        let first = all.next()?;
        Some(Self {
            others: all.collect(),
            ..first
        })
    }

    /// Prints the failure on stderr, as a line of JSON if progress is in JSON, and returns the exit status.
    pub fn report(self, progress: Progress) -> ExitCode {
        for failure in std::iter::once(&self).chain(&self.others) {
            match progress {
                Progress::Json => eprintln_json(failure.to_json()),
                _ => failure.print_human(),
            }
        }
        ExitCode::from(self.exit_code)
    }

    fn print_human(&self) {
        if let Some(diagnostic) = &self.diagnostic {
            return eprintln_line(diagnostic);
        }
        eprintln_line(&format!("{} {}", render::emphasis("error:", 31), self.message));
        for cause in &self.causes {
            eprintln_line(&format!("Caused by: {cause}"));
        }
        if let Some(help) = &self.help {
            eprintln_line(&format!("{} {help}", render::emphasis("help:", 36)));
        }
    }

    fn to_json(&self) -> Value {
        let mut event = json!({
            "event": "error",
            "message": self.message,
            "causes": self.causes,
            "help": self.help,
            "diagnostic": self.diagnostic,
            "exit_code": self.exit_code,
        });
        if let Some(member) = &self.member {
            event["member"] = member.as_str().into();
        }
        event
    }
}

/// Returns the causes of an error, without those that only repeat the previous one.
fn causes(error: &dyn Error) -> Vec<String> {
    let message = error.to_string();
    let mut causes = Vec::<String>::new();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.ends_with(&text) && !causes.iter().any(|earlier| earlier.ends_with(&text)) {
            causes.push(text);
        }
        cause = error.source();
    }
    causes
}

impl<E: Diagnostic> From<E> for Failure {
    fn from(error: E) -> Self {
        match (&error as &dyn Any).downcast_ref() {
            Some(BuildError::Several { first, others }) => Self {
                others: others.iter().map(of).collect(),
                ..of(first.as_ref())
            },
            _ => of(&error),
        }
    }
}

/// Returns the message of an error and its causes as one line.
pub fn summary_of<E: Diagnostic>(error: &E) -> String {
    of(error).summary()
}

fn of<E: Diagnostic>(error: &E) -> Failure {
    // A diagnostic of a file shows the line, a caret, and its own help.
    let color = render::color_on_stderr();
    let any: &dyn Any = error;
    let of_spec = spec_error(error).and_then(|error| error.render(color));
    let of_compose = || any.downcast_ref::<ComposeError>()?.render(color);
    let of_file = || any.downcast_ref::<FileError>()?.render(color);
    let diagnostic = of_spec.or_else(of_compose).or_else(of_file);
    Failure {
        message: error.to_string(),
        causes: causes(error),
        help: error.help(),
        diagnostic,
        exit_code: error.error_kind().exit_code(),
        member: member_of(error).map(str::to_owned),
        others: Vec::new(),
    }
}

/// Returns the ID of the member that an error is about.
fn member_of(error: &dyn Any) -> Option<&str> {
    match error.downcast_ref() {
        Some(BuildError::Member { id, .. }) => Some(id),
        _ => None,
    }
}

/// Returns the error of a spec that an error consists of.
fn spec_error(error: &dyn Any) -> Option<&SpecError> {
    if let Some(WorkspaceError::Spec(error)) = error.downcast_ref() {
        return Some(error);
    }
    match error.downcast_ref() {
        Some(BuildError::Spec(error)) => Some(error),
        Some(BuildError::Member { cause, .. }) => spec_error(cause.as_ref()),
        _ => error.downcast_ref(),
    }
}
