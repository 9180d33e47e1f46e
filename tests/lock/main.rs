//! The lock: what is written, what holds without a layer or a connection, how pins move, and what is refused.

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
