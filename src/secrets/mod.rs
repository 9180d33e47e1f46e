//! What looks like a secret in a file: private keys, tokens, passwords.
//!
//! [`scan_file`] looks at a whole file, [`scan_stream`] at one that is read, [`Slice`] and [`LargeFile`] at one that comes
//! in slices. Every byte is searched for
//! a few dozen short texts at once; where one stands, the strict form of its kind decides: alphabet and length, checksum,
//! entropy, structure. Some files are read by the rules of their names besides (`.npmrc`, `.env`).
//!
//! This module must never keep or show a secret's value: it says what it looks like, and where it is.

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
pub use scan::{LARGE_FILE_BYTES, LargeFile, MIN_SLICE_BYTES, SightedFile, Slice, scan_file, scan_stream, scan_value};
pub use sighting::{Place, Sighting};

/// The version of what is found. Whatever changes it, such as a new kind or a stricter form, raises it: then files that were
/// scanned before are scanned again.
pub const SCAN_VERSION: u32 = 1;
