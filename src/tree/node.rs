//! The nodes of a file tree.

use crate::model::{Entry, EntryKind, EntryPath};

pub use crate::tar::Xattrs;

/// Layer index of planned entries. Their content is never read through a tree.
const PLANNED_LAYER: u32 = u32::MAX;

/// An entry of an image, without its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its kind.
    pub kind: NodeKind,
    /// Permission bits, `& 07777`.
    pub mode: u32,
    /// User ID.
    pub uid: u64,
    /// Group ID.
    pub gid: u64,
    /// Extended attributes. Boxed, since hardly any node has them and trees are large.
    pub xattrs: Option<Box<Xattrs>>,
}

/// The kind of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// Size in bytes.
        size_bytes: u64,
        /// The layer whose stream holds the content, from 0 for the lowest.
        layer: u32,
        /// The path of the content in that layer, if it differs from the node's path: the target of a hard link, or the
        /// original path of an entry that was written through a symbolic link.
        stored_at: Option<Box<EntryPath>>,
    },
    /// A symbolic link.
    Symlink {
        /// Its target, verbatim.
        target: Box<[u8]>,
    },
    /// A device or a fifo.
    Special,
}

impl Node {
    /// Returns the node of an entry of a planned layer.
    pub fn of_entry(entry: &Entry) -> Self {
        let kind = match &entry.kind {
            EntryKind::Directory => NodeKind::Directory,
            EntryKind::File { size_bytes, .. } => NodeKind::File {
                size_bytes: *size_bytes,
                layer: PLANNED_LAYER,
                stored_at: None,
            },
            EntryKind::Symlink { target } => NodeKind::Symlink {
                target: target.as_slice().into(),
            },
        };
        Self {
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            xattrs: (!entry.xattrs.is_empty()).then(|| Box::new(entry.xattrs.clone())),
        }
    }

    /// Returns a directory with default attributes: 0755, 0:0.
    pub fn plain_directory() -> Self {
        Self {
            kind: NodeKind::Directory,
            mode: 0o755,
            uid: 0,
            gid: 0,
            xattrs: None,
        }
    }

    /// Returns the position of a regular file's content, for a node at `path`: the layer, from 0 for the lowest, and
    /// the path in its stream. Returns `None` for other nodes.
    pub fn content_at<'a>(&'a self, path: &'a EntryPath) -> Option<(u32, &'a EntryPath)> {
        match &self.kind {
            NodeKind::File { layer, stored_at, .. } => Some((*layer, stored_at.as_deref().unwrap_or(path))),
            _ => None,
        }
    }

    /// Returns `true` for a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == NodeKind::Directory
    }
}
