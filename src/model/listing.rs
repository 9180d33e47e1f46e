//! What one `files` entry names, listed: paths, kinds, sizes, modes, link targets; nothing opened but directories and
//! archives.

use std::collections::BTreeMap;

use super::{EntryKind, EntryPath};

/// The listing of one `files` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// What the source is as a whole.
    pub root: ListedRoot,
    /// What it holds, sorted by path, each path once, directories before what stands in them.
    pub items: Vec<ListedItem>,
}

/// What the source of a `files` entry is as a whole; it decides where the items go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedRoot {
    /// One file: one item with the empty path. It goes to `to`, or to `to` + `name` where `to` ends in a slash.
    File {
        /// Its own name.
        name: Vec<u8>,
    },
    /// A directory, or an unpacked archive: its contents go below `to`, which is its copy. The items do not hold the
    /// directory itself.
    Directory,
    /// What a glob matched: the items go below `to`, with their paths below the glob's fixed part.
    Glob,
}

/// One thing of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedItem {
    /// Where it stands below the source; empty for a source that is one file.
    pub path: EntryPath,
    /// What it is.
    pub kind: EntryKind,
    /// A mode that goes before the cascade, `& 07777`: the stored one (`keep-modes`), or 0755 by a pattern of `executable`.
    pub kept_mode: Option<u32>,
    /// True for a file that is 0755 by rule: it has the owner's execute bit.
    pub executable: bool,
    /// Extended attributes to carry, by full name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Where it comes from, for messages: a path of the disk, `ARCHIVE: MEMBER`, `IMAGE#/path`. Escaped. `None` for a file
    /// of the disk whose content says so: there are very many of them.
    pub origin: Option<String>,
}

impl ListedItem {
    /// Where it comes from, for messages; escaped.
    pub fn origin_text(&self) -> String {
        self.origin.clone().unwrap_or_else(|| self.kind.disk_path_text())
    }
}
