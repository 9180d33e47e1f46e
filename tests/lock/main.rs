//! The lockfile: what is written, what works without a layer or a connection, how pins are updated, and what is
//! rejected.

mod commands;
#[path = "../registries/images.rs"]
#[allow(dead_code, reason = "shared with the tests of registries, which use more of it")]
mod images;
mod offline;
mod project;
mod push;
mod refused;
#[path = "../support/sandbox.rs"]
mod support;
mod writing;
