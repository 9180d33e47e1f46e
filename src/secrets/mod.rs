//! Finds what looks like a secret in files: private keys, tokens, passwords.
//!
//! [`scan_file`] scans a whole file, [`scan_stream`] a stream, [`Slice`] and [`LargeFile`] a file in slices. Every byte
//! is searched for a few dozen short texts at once. Where one is found, the strict form of its kind decides: alphabet
//! and length, checksum, entropy, structure. Some files are also read by the rules of their names (`.npmrc`, `.env`).
//!
//! This module must never store or show the value of a secret, only its kind and position.

mod address;
mod anchors;
mod assigned;
mod base64;
mod kind;
mod names;
mod pem;
mod random;
mod scan;
mod settings;
mod sighting;
#[cfg(test)]
mod tests;
mod tokens;

pub use kind::Kind;
pub use names::is_secret;
pub use scan::{LargeFile, SightedFile, Slice, scan_file, scan_stream, scan_value};
pub use sighting::{Place, Sighting};

/// Version of the scan. A change of what it finds, such as a new kind or a stricter form, increases it. Files that were
/// scanned before are then scanned again.
pub const SCAN_VERSION: u32 = 1;
