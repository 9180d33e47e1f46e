//! Compose files: whether every service gets the variables that its image requires.
//!
//! The files are read as Compose reads them: variables are replaced in every file, and then the files are merged, with
//! those that they include or extend. What this module does not evaluate is reported by name.

mod check;
mod effective;
mod env_file;
mod error;
mod extends;
mod file;
mod finding;
mod foreign;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod health;
mod include;
mod input;
mod loader;
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
pub use input::{FileRole, ReadFile};
pub use loader::MAX_COMPOSE_BYTES;
pub use members::{MemberName, MemberPlatform};
pub use stack::{Stack, UnknownService};
pub use subject::{CheckedService, StackMember, StackReport};
pub use variables::Variables;
