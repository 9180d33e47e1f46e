//! Bad weather: connections that break, registries that differ and lie, and what the program makes of them. The proxy's
//! and the registries' logs are what these tests believe.

mod bodies;
#[path = "../support/faults/mod.rs"]
mod faults;
mod fixtures;
mod http2;
mod large;
mod lists;
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
