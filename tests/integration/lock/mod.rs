//! The lockfile: what is written, what works without a layer or a connection, how pins are updated, and what is
//! rejected.

mod absent;
mod bots;
mod commands;
mod first_version;
mod merging;
mod offline;
mod project;
mod push;
mod refused;
mod writing;
