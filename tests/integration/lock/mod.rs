//! The lockfile: what is written, what works without a layer or a connection, how pins are updated, and what is
//! rejected.

mod commands;
mod offline;
mod project;
mod push;
mod refused;
mod writing;
