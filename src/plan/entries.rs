//! Entries of a layer: their attributes, and in what two of them differ.

use std::collections::BTreeMap;

use crate::model::{Entry, EntryKind, EntryPath, XattrOwner, xattr_owner};
use crate::tree::Node;

/// Mode, owner and extended attributes of an entry.
#[derive(Debug, Clone, Default)]
pub(super) struct Attributes {
    pub mode: u32,
    pub owner: (u64, u64),
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Returns the attributes of a node for an entry that keeps them. Extended attributes of the machine that made a layer
/// are not part of the image. Access control lists are, since they refer to the image's own users.
pub(super) fn attributes_of(node: &Node) -> Attributes {
    let is_kept = |name: &[u8]| matches!(xattr_owner(name), None | Some(XattrOwner::AccessControl));
    let mut xattrs = node.xattrs.as_deref().cloned().unwrap_or_default();
    xattrs.retain(|name, _| is_kept(name));
    Attributes {
        mode: node.mode,
        owner: (node.uid, node.gid),
        xattrs,
    }
}

/// Creates an entry with these attributes.
pub(super) fn new_entry(path: EntryPath, kind: EntryKind, attributes: Attributes) -> Entry {
    let Attributes {
        mode,
        owner: (uid, gid),
        xattrs,
    } = attributes;
    Entry {
        path,
        kind,
        mode,
        uid,
        gid,
        xattrs,
    }
}

/// Returns the property in which two entries for one path differ. Files with different origins count as different:
/// nothing is read to compare them.
pub(super) fn difference(first: &Entry, second: &Entry) -> Option<&'static str> {
    use EntryKind::{Directory, File, Symlink};
    match (&first.kind, &second.kind) {
        (left, right) if left == right => {}
        (File { .. }, File { .. }) => return Some("content"),
        (Symlink { .. }, Symlink { .. }) => return Some("target"),
        (Directory | File { .. } | Symlink { .. }, _) => return Some("kind"),
    }
    if first.mode != second.mode {
        Some("mode")
    } else if (first.uid, first.gid) != (second.uid, second.gid) {
        Some("owner")
    } else if first.xattrs != second.xattrs {
        Some("extended attributes")
    } else {
        None
    }
}
