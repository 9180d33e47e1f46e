//! Reads the members of a tar stream in order (POSIX.1-2024 pax, "ustar Interchange Format" and "pax Extended Header";
//! GNU tar manual, "Basic Tar Format"), for all modules that read tar: layers, images in one file, archives.
//!
//! The crate `tar` decodes the fields of headers. Everything around them is read here, since the crate's reader accepts
//! a stream that is truncated at a header, holds extended headers of any size in memory, and splits PAX records at line
//! feeds. It also counts the size of members without content differently from the runtimes, which use Go's archive/tar.
//! If readers differ, an image could have one tree here and another one there. Input that Go and others interpret
//! differently is refused, or read like Go.
//!
//! This module must never accept a truncated stream as complete, hold more than an extended header in memory, or
//! interpret names: they are the stored bytes, including `..`.

mod entries;
mod entry;
mod error;
mod header;
mod input;
mod pax;
mod rules;
mod sparse;
#[cfg(test)]
mod tests;

pub use entries::Entries;
pub use entry::{Entry, EntryKind, Xattrs};
pub use error::{Bound, TarError};
pub use header::{BLOCK_BYTES, is_start};
pub use input::{FileInput, Stream};
pub use rules::{EndRule, MAX_EXTENDED_HEADER_BYTES, Rules};
