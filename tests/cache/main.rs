//! The cache: many processes at once, including killed ones, and damage; and the commands that show, prune and verify
//! it, and prune layouts.

mod command;
mod crowds;
#[path = "../outputs/images.rs"]
#[allow(dead_code, reason = "shared with the tests of outputs, which use more of it")]
mod images;
mod killed;
mod layouts;
mod modes;
mod records;
#[path = "../support/supervisor.rs"]
#[allow(dead_code, reason = "shared with the tests of outputs, which use more of it")]
mod supervisor;
#[path = "../support/sandbox.rs"]
mod support;
