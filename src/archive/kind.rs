//! What kind of archive a file is, for messages about one that was named as something else.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::docker::LIST_NAME;
use super::members::Members;
use crate::compress::{Algorithm, sniff};
use crate::store::LAYOUT_MARKER_NAME;

/// How many first bytes tell a compression.
const SNIFF_BYTES: u64 = 16;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// A tar of an OCI layout.
    Oci,
    /// What `docker save` writes; since version 25 that is an OCI layout too.
    Docker,
    /// Something compressed, which is not looked into.
    Compressed,
}

/// Returns what kind of archive the regular file at `path` is, by the names of its members; `None` for anything else, and
/// for what cannot be read.
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
