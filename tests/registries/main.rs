//! WORK IN PROGRESS

#[path = "../support/sandbox.rs"]
mod support;
