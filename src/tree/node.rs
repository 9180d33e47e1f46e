//! Nodes of a file tree, by path.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::cursor::Cursor;
use super::resolve::{ResolveError, walk};
use crate::model::EntryPath;

pub use crate::tar::Xattrs;

/// What stands at a path of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Permission bits, `& 07777`.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Extended attributes; boxed, since hardly any node has some and trees are large.
    pub xattrs: Option<Box<Xattrs>>,
}

/// What a node is.
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
        /// The path under which that layer holds the content, where it is another than the node's: a hard link's
        /// target, or an entry that came through a symbolic link of the way.
        stored_at: Option<Box<EntryPath>>,
    },
    /// A symbolic link.
    Symlink {
        /// What it points to, verbatim.
        target: Box<[u8]>,
    },
    /// A device or a fifo.
    Special,
}

impl Node {
    /// A directory as it is made where nothing says otherwise: 0755, 0:0.
    pub fn plain_directory() -> Self {
        Self { kind: NodeKind::Directory, mode: 0o755, uid: 0, gid: 0, xattrs: None }
    }

    /// Where the content of a regular file lies, for a node that stands at `path`: the layer, from 0 for the lowest, and
    /// the path under which that layer's stream has it. `None` for anything but a regular file.
    pub fn content_at<'a>(&'a self, path: &'a EntryPath) -> Option<(u32, &'a EntryPath)> {
        match &self.kind {
            NodeKind::File { layer, stored_at, .. } => Some((*layer, stored_at.as_deref().unwrap_or(path))),
            _ => None,
        }
    }

    /// True for a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == NodeKind::Directory
    }
}

/// The file tree of an image: nodes by path. The root has a node only where a layer has an entry for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    nodes: BTreeMap<EntryPath, Node>,
}

impl Tree {
    /// The node at a path; links are not followed.
    pub fn node(&self, path: &EntryPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// For many look-ups in the order of the paths.
    pub fn cursor(&self) -> Cursor<'_, Node> {
        Cursor::new(&self.nodes)
    }

    /// All nodes, sorted by the bytes of their paths.
    pub fn nodes(&self) -> impl Iterator<Item = (&EntryPath, &Node)> {
        self.nodes.iter()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True where there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All nodes below a path, at any depth, without the path itself, sorted.
    pub fn below<'a>(&'a self, path: &EntryPath) -> impl Iterator<Item = (&'a EntryPath, &'a Node)> + use<'a> {
        below(&self.nodes, path)
    }

    /// Where a path leads as the system would see it inside the image: links on the way are followed, rooted in the
    /// image. The last component is not followed. Components that do not exist stay as they are.
    pub fn resolve_parent(&self, path: &EntryPath) -> Result<EntryPath, ResolveError> {
        walk(|at| self.node(at), path, false)
    }

    /// As [`Tree::resolve_parent`], with the last component followed too.
    pub fn resolve(&self, path: &EntryPath) -> Result<EntryPath, ResolveError> {
        walk(|at| self.node(at), path, true)
    }

    /// Puts a node at a path, in place of what stands there. Nodes below a directory that becomes something else go.
    pub fn insert(&mut self, path: EntryPath, node: Node) {
        if !node.is_directory() {
            self.remove_below(&path);
        }
        self.nodes.insert(path, node);
    }

    /// Takes the node at a path away, and all below it.
    pub fn remove(&mut self, path: &EntryPath) {
        self.remove_below(path);
        self.nodes.remove(path);
    }

    /// Puts a node at a path that sorts after all others, and leaves what is there as it is.
    pub(super) fn append(&mut self, path: EntryPath, node: Node) {
        self.nodes.insert(path, node);
    }

    /// Takes the node at a path away, and leaves what is below it; the caller sees to that.
    pub(super) fn remove_alone(&mut self, path: &EntryPath) {
        self.nodes.remove(path);
    }

    /// Takes all below a path away.
    pub fn remove_below(&mut self, path: &EntryPath) {
        let doomed: Vec<EntryPath> = self.below(path).map(|(path, _)| path.clone()).collect();
        for path in doomed {
            self.nodes.remove(&path);
        }
    }
}

/// The entries of a sorted map that stand below a path.
pub(super) fn below<'a, T>(
    map: &'a BTreeMap<EntryPath, T>,
    path: &EntryPath,
) -> impl Iterator<Item = (&'a EntryPath, &'a T)> + use<'a, T> {
    // Below `a` come `a/…`, but between `a` and `a/` sort names such as `a-b`: the range starts at `a/`.
    let start = if path.is_root() { Vec::new() } else { [path.as_bytes(), b"/"].concat() };
    let range = (Bound::Included(start.clone()), Bound::<Vec<u8>>::Unbounded);
    map.range::<[u8], _>((range.0.as_ref().map(Vec::as_slice), range.1.as_ref().map(Vec::as_slice)))
        .take_while(move |(found, _)| found.as_bytes().starts_with(&start))
        .filter(|(found, _)| !found.is_root())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes()).unwrap()
    }

    #[test]
    fn removing_a_directory_takes_what_is_below_and_nothing_beside() {
        let mut tree = Tree::default();
        for name in ["a", "a/b", "a/b/c", "a-b", "ab"] {
            tree.insert(path(name), Node::plain_directory());
        }
        let below: Vec<_> = tree.below(&path("a")).map(|(path, _)| path.to_string()).collect();
        assert_eq!(below, ["/a/b", "/a/b/c"]);
        tree.remove(&path("a"));
        assert_eq!(tree.nodes().map(|(path, _)| path.to_string()).collect::<Vec<_>>(), ["/a-b", "/ab"]);
        assert_eq!(tree.below(&EntryPath::root()).count(), 2);
    }
}
