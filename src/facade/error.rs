//! The error of the front door.

use std::fmt;

use crate::model::{Diagnostic, ErrorKind};

/// Why an operation failed. The cause, if there is one, is available as `source()` and is not repeated in the message.
pub struct Error(Box<dyn Diagnostic>);

impl Error {
    /// Returns the class of the error: which side failed, or what was wrong with the input.
    pub fn kind(&self) -> ErrorKind {
        self.0.error_kind()
    }

    /// Returns one sentence that says how to fix it, if a fix is known.
    pub fn help(&self) -> Option<String> {
        self.0.help()
    }
}

impl<E: Diagnostic> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

impl fmt::Debug for Error {
    /// As `main` prints it: the message, its causes, and the help, one a line.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(formatter, "\nCaused by: {error}")?;
            cause = error.source();
        }
        match self.help() {
            Some(help) => write!(formatter, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
