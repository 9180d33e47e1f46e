//! Runs the real binary against real registries and real readers. Run it with `tests/run`, which starts them and sets
//! their addresses; a test fails if one is missing.

mod commands;
mod first_page;
mod hello;
mod init;
#[path = "../support/page.rs"]
mod page;
#[path = "../support/sandbox.rs"]
mod support;
mod ux;
