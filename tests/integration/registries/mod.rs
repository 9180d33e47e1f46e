//! Pushes to and pulls from real registries: credentials, configuration, and how little is transferred. These tests
//! rely on the registries' access logs.

mod bases;
mod copy;
mod credentials;
mod earlier;
pub mod images;
mod login;
mod mirrors;
#[cfg(target_arch = "x86_64")]
mod old_processor;
mod prompt;
mod proxy;
mod push;
mod read;
mod readers;
mod secrets;
mod self_signed;
mod tls;
mod tokens;
