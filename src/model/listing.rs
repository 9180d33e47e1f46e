//! The listing of one `files` entry: paths, kinds, sizes, modes, link targets. Only directories and archives are opened
//! to create it.

use std::collections::BTreeMap;

use super::{EntryKind, EntryPath};

/// The listing of one `files` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The source as a whole.
    pub root: ListedRoot,
    /// The items of the source, sorted by path, without duplicates, directories before their entries.
    pub items: Vec<ListedItem>,
}

/// The source of a `files` entry as a whole, which decides the targets of the items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedRoot {
    /// A single file: one item with the empty path. It goes to `to`, or to `to` + `name` if `to` ends in a slash.
    File {
        /// Its own name.
        name: Vec<u8>,
    },
    /// A directory or an unpacked archive. Its contents go below `to`, which becomes its copy. The items do not include
    /// the directory itself.
    Directory,
    /// Matches of a glob: the items go below `to`, with their paths below the glob's fixed part.
    Glob,
}

/// An item of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedItem {
    /// Its path below the source; empty if the source is a single file.
    pub path: EntryPath,
    /// Its kind.
    pub kind: EntryKind,
    /// A mode that takes precedence over the other rules, `& 07777`: the stored one (`keep-modes`), or 0755 by a
    /// pattern of `executable`.
    pub kept_mode: Option<u32>,
    /// `true` for a file that gets the mode 0755 because the owner may execute it.
    pub executable: bool,
    /// Extended attributes to pack, by full name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Its origin for messages, escaped: a path on the disk, `ARCHIVE: MEMBER`, `IMAGE#/path`. `None` for a file on the
    /// disk, whose content includes the path: there are very many of them.
    pub origin: Option<String>,
}

impl ListedItem {
    /// Returns its origin for messages, escaped.
    pub fn origin_text(&self) -> String {
        self.origin.clone().unwrap_or_else(|| self.kind.disk_path_text())
    }
}
