//! Compose files: whether every service gets the variables that its image requires.
//!
//! The files are read as Compose reads them: variables are replaced in every file, and then the files are merged. What
//! this module does not evaluate is reported by name.

mod check;
mod effective;
mod env_file;
mod error;
mod finding;
mod health;
mod members;
mod place;
mod reader;
mod required;
mod service;
mod stack;
mod subject;
mod template;
#[cfg(test)]
mod tests;
mod unset;
mod variables;
mod walk;

pub use effective::EnvTexts;
pub use env_file::{EnvFileError, MAX_ENV_FILE_BYTES};
pub use error::{ComposeError, Problems};
pub use finding::{FindingPlace, ServiceFinding};
pub use members::{MemberName, MemberPlatform};
pub use stack::{MAX_COMPOSE_BYTES, Stack, UnknownService};
pub use subject::{CheckedService, StackMember, StackReport};
pub use variables::Variables;
