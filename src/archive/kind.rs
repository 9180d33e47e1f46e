//! Detection of a file's kind of archive, for messages about a wrong transport.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::docker::LIST_NAME;
use super::members::Members;
use crate::compress::{Algorithm, sniff};
use crate::store::LAYOUT_MARKER_NAME;

/// Number of first bytes that identify a compression.
const SNIFF_BYTES: u64 = 16;

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// A tar of an OCI layout.
    Oci,
    /// Output of `docker save`; since version 25 that is an OCI layout too.
    Docker,
    /// A compressed file, whose content is not read.
    Compressed,
}

/// Returns the kind of archive of the regular file at `path`, by the names of its members, or `None` for anything else,
/// and for a file that cannot be read.
pub fn kind_of(path: &Path) -> Option<ArchiveKind> {
    let mut prefix = Vec::new();
    File::open(path).ok()?.take(SNIFF_BYTES).read_to_end(&mut prefix).ok()?;
    if sniff(&prefix).ok()? != Algorithm::None {
        return Some(ArchiveKind::Compressed);
    }
    // Nothing is spooled, since it is not compressed.
    let members = Members::open(path, Path::new(""), "").ok()?;
    if members.file(LAYOUT_MARKER_NAME).ok()?.is_some() {
        return Some(ArchiveKind::Oci);
    }
    members.file(LIST_NAME).ok()?.map(|_| ArchiveKind::Docker)
}
