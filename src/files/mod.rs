//! Lists the files that the `files` entries of a spec name: paths, kinds, sizes, modes and link targets.
//!
//! `list` lists an entry whose source is on the disk. `filter` applies an entry's patterns to a listing of an
//! image's files. [`Archives`] reads the members of archives, first for listing and again for packing.
//!
//! This module must never open a file of the disk that is to be packed (only archives and directories), never follow a
//! symbolic link below a source, and never list a whiteout, a name that begins with `.wh.` (image-spec, layer.md,
//! "Whiteouts"). Listings are sorted by bytes, so they do not depend on the order of directories.

mod archive;
mod context;
mod dockerignore;
mod error;
mod filter;
mod handle;
mod ignore_rules;
mod list;
mod output_detection;
mod pattern;
mod source;
mod target;
#[cfg(test)]
mod tests;
mod walk;
mod xattr;

pub use archive::{ArchiveError, Archives, MAX_MEMBERS, MAX_SPOOL_BYTES, Reason};
pub use context::Context;
pub use dockerignore::{NotLeftOut, UnreadDockerignore};
pub use error::FilesError;
pub use ignore_rules::{IgnoreRules, MAX_IGNORE_FILE_BYTES};
pub use list::{filter, list};
