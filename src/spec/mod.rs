//! The spec file, `ocitect.toml`: reads the text, and returns the values for each platform.
//!
//! Strict: an unknown key is an error with its place and the nearest known key. This module reads only the spec and its
//! env-files; the caller passes the environment. It must never access the network or the paths in the spec, or show the
//! value of a variable, except in messages that quote a value in which it was expanded.

mod alternatives;
mod cascades;
mod config;
mod convert;
mod document;
mod dollar;
mod env_file;
mod error;
mod foreign;
mod forms;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod habits;
mod identity;
mod merge;
mod reading;
mod resolve;
mod root;
mod schema;
mod shape;
mod spec_file;
mod template;
mod tree;
mod variables;

#[cfg(test)]
mod tests;

pub use config::{Command, ConfigSpec, HealthTest, Healthcheck};
pub use convert::{lock_path_of, parse_size};
pub use env_file::read as read_env_file;
pub use error::{Diagnostics, SpecError};
pub use reading::MAX_SPEC_BYTES;
pub use root::Root;
pub use schema::{
    Base, CheckSpec, DEFAULT_MTIME_S, DirSpec, FilesEntry, From, Group, IgnoreFile, ImageSpec, LayerSpec, LinkEntry,
    NameOrId, NamedImage, Owner, Ownership, Place, PlatformSpec, Remove, User,
};
pub use shape::schema;
pub use spec_file::{DEFAULT_NAME, Inputs, Spec, spec_path};
