//! Files that say how images are deployed: compose files, Kubernetes manifests and their kin.
//!
//! This module is pure: the caller reads and writes the files. It must never change a byte that it was not asked to
//! change, or let a file decide how much memory or time it takes.

pub mod compose;
pub mod compose_keys;
pub mod listed;
pub mod pin;
pub mod problem;
pub mod text_file;
pub mod yaml;
