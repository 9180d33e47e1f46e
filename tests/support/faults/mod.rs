//! Faults for registry clients: a proxy that breaks connections, registries in memory that behave like known ones, and
//! an origin that must never receive a secret. All are on loopback, each on its own port, and stop when their value is
//! dropped.

pub mod answer;
pub mod content;
pub mod fake;
pub mod fixtures;
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
