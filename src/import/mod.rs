//! A first spec for a project that has none: what it has built already, what its manifests say, and an `ocitect.toml` with
//! comments.
//!
//! Results come first: programs, jars and wheels in `dist` and its kin decide platforms and base. Manifests say the rest.
//! Nothing is run, nothing is written, and nothing outside of the directory is read. A manifest that cannot be read is a
//! note, never an error.

mod artifacts;
mod draft;
mod error;
mod layout;
mod project;
mod proposal;
mod recipe;
mod spec_text;
#[cfg(test)]
mod tests;
mod tree;

pub use proposal::{Proposal, propose};
