//! Faults: connections that break, registries that differ and lie, and how the program handles them. These tests rely
//! on the logs of the proxy and of the registries.

mod bodies;
mod http2;
mod mounts;
mod quirks;
mod raw;
mod redirects;
mod reflected;
mod replies;
mod requests;
mod sailor;
mod silence;
mod surroundings;
mod tokens;
mod uploads;
