//! The command line: help, messages, and the commands that need no registry.

mod commands;
mod ux;
