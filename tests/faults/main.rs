//! Faults: connections that break, registries that differ and lie, and how the program handles them. These tests rely
//! on the logs of the proxy and of the registries.

mod bodies;
#[path = "../support/faults/mod.rs"]
mod faults;
mod fixtures;
mod http2;
mod large;
mod mounts;
mod quirks;
mod raw;
mod redirects;
mod reflected;
mod replies;
mod requests;
mod sailor;
mod silence;
#[path = "../support/sandbox.rs"]
mod support;
mod surroundings;
mod tokens;
mod uploads;
