//! ocitect: assembles multi-platform OCI images from artifacts that are already built.
#![deny(missing_docs, unsafe_op_in_unsafe_fn)]
#![warn(clippy::unwrap_used, clippy::dbg_macro, clippy::todo)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod archive;
pub mod build;
pub mod cli;
pub mod compress;
pub mod elf;
pub mod files;
pub mod layout;
pub mod model;
pub mod pack;
pub mod plan;
pub mod registry;
pub mod spec;
pub mod store;
pub mod transfer;
pub mod tree;
