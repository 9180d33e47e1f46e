//! A file tree: its nodes, by path.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::cursor::Cursor;
use super::node::Node;
use super::resolve::{ResolveError, walk};
use crate::model::EntryPath;

/// The file tree of an image: nodes by path. The root only has a node if a layer has an entry for it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    nodes: BTreeMap<EntryPath, Node>,
}

impl Tree {
    /// Returns the node at a path, without following links.
    pub fn node(&self, path: &EntryPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Returns a cursor for many lookups in the order of the paths.
    pub fn cursor(&self) -> Cursor<'_, Node> {
        Cursor::new(&self.nodes)
    }

    /// Returns all nodes, sorted by the bytes of their paths.
    pub fn nodes(&self) -> impl Iterator<Item = (&EntryPath, &Node)> {
        self.nodes.iter()
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns `true` if there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns all nodes below a path, at any depth, without the path itself, sorted.
    pub fn below<'a>(&'a self, path: &EntryPath) -> impl Iterator<Item = (&'a EntryPath, &'a Node)> + use<'a> {
        below(&self.nodes, path)
    }

    /// Resolves a path like the system would inside the image: links in its parent path are followed, relative to the
    /// image's root. The last component is not followed. Components that do not exist are kept.
    pub fn resolve_parent(&self, path: &EntryPath) -> Result<EntryPath, ResolveError> {
        walk(|at| self.node(at), path, false)
    }

    /// Resolves a path like [`Tree::resolve_parent`], and also follows the last component.
    pub fn resolve(&self, path: &EntryPath) -> Result<EntryPath, ResolveError> {
        walk(|at| self.node(at), path, true)
    }

    /// Inserts a node at a path, replacing an existing one. If a directory becomes something else, nodes below it are
    /// removed.
    pub fn insert(&mut self, path: EntryPath, node: Node) {
        if !node.is_directory() {
            self.remove_below(&path);
        }
        self.nodes.insert(path, node);
    }

    /// Removes the node at a path and everything below it.
    pub fn remove(&mut self, path: &EntryPath) {
        self.remove_below(path);
        self.nodes.remove(path);
    }

    /// Appends a node at a path that sorts after all others, and does not change any other node.
    pub(super) fn append(&mut self, path: EntryPath, node: Node) {
        self.nodes.insert(path, node);
    }

    /// Removes the node at a path, but not the nodes below it; the caller must handle them.
    pub(super) fn remove_alone(&mut self, path: &EntryPath) {
        self.nodes.remove(path);
    }

    /// Removes everything below a path.
    pub fn remove_below(&mut self, path: &EntryPath) {
        let doomed: Vec<EntryPath> = self.below(path).map(|(path, _)| path.clone()).collect();
        for path in doomed {
            self.nodes.remove(&path);
        }
    }
}

/// Returns the entries of a sorted map below a path.
pub(super) fn below<'a, T>(
    map: &'a BTreeMap<EntryPath, T>,
    path: &EntryPath,
) -> impl Iterator<Item = (&'a EntryPath, &'a T)> + use<'a, T> {
    // Entries below `a` have the form `a/…`, but names such as `a-b` sort between `a` and `a/`: the range starts at
    // `a/`.
    let start = if path.is_root() {
        Vec::new()
    } else {
        [path.as_bytes(), b"/"].concat()
    };
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
        assert_eq!(
            tree.nodes().map(|(path, _)| path.to_string()).collect::<Vec<_>>(),
            ["/a-b", "/ab"]
        );
        assert_eq!(tree.below(&EntryPath::root()).count(), 2);
    }
}
