//! Weather for registry clients: a proxy that breaks connections, registries in memory that behave as known ones do, and
//! an origin that must never see a secret. All on loopback, each on a port of its own, gone with its value.
#![allow(dead_code, reason = "each test crate uses a part of it")]

pub mod answer;
pub mod content;
pub mod fake;
pub mod flavour;
pub mod honeypot;
pub mod hook;
pub mod http;
pub mod http2;
pub mod internet;
pub mod log;
pub mod proxy;
pub mod registries;
pub mod router;
pub mod script;
pub mod server;
pub mod storage;
pub mod tokens;
pub mod uploads;
