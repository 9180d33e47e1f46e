//! Reads the tables of a merged and expanded spec: applies defaults and inheritance, and checks every value.
//!
//! Pure: paths are joined to the spec's directory and never accessed.

mod config;
mod context;
mod files;
mod image;
mod inherited;
mod layers;
mod matrix;
mod members;
mod values;
mod vars;

pub(super) use config::config;
pub use context::lock_path_of;
pub(super) use context::{Context, Input, Outside, directory_of};
pub(super) use image::{DEFAULT_IGNORE_FILE, identity, platform};
pub(super) use layers::unknown_platform;
pub(super) use matrix::{Cell, cells};
pub(super) use values::parse_platform;
pub use values::parse_size;
pub(super) use vars::{BUILT_IN, Var, VarTable, vars};
