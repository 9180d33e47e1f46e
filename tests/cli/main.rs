//! Drives the real binary against real registries and real readers. Run it with `tests/run`, which starts them and says
//! where they are; a test fails where one is missing.

mod commands;
mod first_page;
mod hello;
#[path = "../support/sandbox.rs"]
mod support;
mod ux;
