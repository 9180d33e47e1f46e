//! A tree that changes while layers are planned, on top of a base image's tree that does not change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::cursor::Cursor;
use super::file_tree::{Tree, below};
use super::node::Node;
use super::read_set::ReadSet;
use super::resolve::{ResolveError, walk};
use crate::model::EntryPath;

/// The image so far: a base image's tree, and the changes of the layers above it.
#[derive(Debug, Clone)]
pub struct View {
    base: Arc<Tree>,
    /// `None` hides the base image's entry at a path.
    changes: BTreeMap<EntryPath, Option<Node>>,
    /// Records the lookups in the base image's tree, if requested.
    read_set: Option<Arc<Mutex<ReadSet>>>,
}

impl View {
    /// Creates a view of a base image without changes.
    pub fn new(base: Arc<Tree>) -> Self {
        Self {
            base,
            changes: BTreeMap::new(),
            read_set: None,
        }
    }

    /// Creates a view of a base image that records its lookups in `read_set`.
    pub fn recording(base: Arc<Tree>, read_set: Arc<Mutex<ReadSet>>) -> Self {
        Self {
            read_set: Some(read_set),
            ..Self::new(base)
        }
    }

    fn record(&self, what: impl FnOnce(&mut ReadSet)) {
        if let Some(read_set) = &self.read_set {
            what(&mut read_set.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn base_node(&self, path: &EntryPath) -> Option<&Node> {
        let node = self.base.node(path);
        self.record(|reads| reads.record_node(path, node));
        node
    }

    /// Returns the node at exactly this path, without following links.
    pub fn node(&self, path: &EntryPath) -> Option<&Node> {
        match self.changes.get(path) {
            Some(change) => change.as_ref(),
            None => self.base_node(path),
        }
    }

    /// Returns those of `items` at whose path a node exists, with the node. For many paths at once, sorted by path.
    pub fn standing<'a, T: 'a>(
        &'a self,
        items: impl Iterator<Item = &'a T>,
        path: impl Fn(&'a T) -> &'a EntryPath,
    ) -> impl Iterator<Item = (&'a T, &'a Node)> {
        self.record(ReadSet::record_everything);
        self.nodes_at(items, path)
    }

    /// Like [`View::standing`], and records nothing.
    fn nodes_at<'a, T: 'a>(
        &'a self,
        items: impl Iterator<Item = &'a T>,
        path: impl Fn(&'a T) -> &'a EntryPath,
    ) -> impl Iterator<Item = (&'a T, &'a Node)> {
        let mut changes = Cursor::new(&self.changes);
        let mut base = self.base.cursor();
        items.filter_map(move |item| {
            let path = path(item);
            let node = match changes.find(path) {
                Some(change) => change.as_ref(),
                None => base.find(path),
            };
            Some((item, node?))
        })
    }

    /// Returns all nodes below a path, sorted by the bytes of the paths.
    pub fn below<'a>(&'a self, path: &EntryPath) -> impl Iterator<Item = (&'a EntryPath, &'a Node)> + use<'a> {
        self.record(ReadSet::record_everything);
        let mut kept = self
            .base
            .below(path)
            .filter(|(path, _)| !self.changes.contains_key(*path))
            .peekable();
        let mut changed = below(&self.changes, path)
            .filter_map(|(path, node)| Some((path, node.as_ref()?)))
            .peekable();
        std::iter::from_fn(move || match (kept.peek(), changed.peek()) {
            (Some((left, _)), Some((right, _))) if left < right => kept.next(),
            (_, Some(_)) => changed.next(),
            (_, None) => kept.next(),
        })
    }

    /// Returns the nodes that layers have written, sorted by path: new ones, and replaced ones.
    pub fn written(&self) -> impl Iterator<Item = (&EntryPath, &Node)> {
        self.changes
            .iter()
            .filter_map(|(path, change)| Some((path, change.as_ref()?)))
    }

    /// Returns `true` if nodes exist below a path.
    pub fn has_below(&self, path: &EntryPath) -> bool {
        if below(&self.changes, path).any(|(_, change)| change.is_some()) {
            return true;
        }
        // Whenever something of the base is hidden, the whole tree is recorded as read.
        self.record(|reads| reads.record_below(path, self.base.below(path).next().is_some()));
        self.base.below(path).any(|(path, _)| !self.changes.contains_key(path))
    }

    /// Applies the nodes of a layer, sorted by path, without duplicates. Each replaces the node at its path. One that
    /// is not a directory also replaces everything below. Whiteouts are no nodes: what they hide must be removed first.
    ///
    /// The lookups for this are not recorded unless a directory is replaced: whether a base image has one there changes
    /// only the results of later lookups, and those are recorded.
    pub fn apply_layer(&mut self, nodes: Vec<(EntryPath, Node)>) {
        let leaves = nodes.iter().filter(|(_, node)| !node.is_directory());
        let replaced: Vec<EntryPath> = self
            .nodes_at(leaves, |(path, _)| path)
            .filter(|(_, node)| node.is_directory())
            .map(|((path, _), _)| path.clone())
            .collect();
        for path in replaced {
            self.remove_below(&path);
        }
        // A map that is filled at once has no unused capacity.
        self.changes
            .append(&mut nodes.into_iter().map(|(path, node)| (path, Some(node))).collect());
    }

    /// Removes the node at a path and everything below it.
    pub fn remove(&mut self, path: &EntryPath) {
        self.remove_below(path);
        self.hide(path);
    }

    /// Removes everything below a path (an opaque whiteout).
    pub fn remove_below(&mut self, path: &EntryPath) {
        self.record(ReadSet::record_everything);
        let changed = below(&self.changes, path).map(|(path, _)| path.clone());
        let doomed: Vec<EntryPath> = self
            .base
            .below(path)
            .map(|(path, _)| path.clone())
            .chain(changed)
            .collect();
        for path in doomed {
            self.hide(&path);
        }
    }

    fn hide(&mut self, path: &EntryPath) {
        if self.base_node(path).is_some() {
            self.changes.insert(path.clone(), None);
        } else {
            self.changes.remove(path);
        }
    }

    /// Resolves a path like the system would inside the image: links in its parent path are followed, relative to the
    /// image's root, and `..` in link targets never leaves the root. The last component is not followed. Components
    /// that do not exist are kept.
    pub fn resolve_parent(&self, path: &EntryPath) -> Result<EntryPath, ResolveError> {
        walk(|at| self.node(at), path, false)
    }

    /// Resolves a path like [`View::resolve_parent`], and also follows the last component.
    pub fn resolve(&self, path: &EntryPath) -> Result<EntryPath, ResolveError> {
        walk(|at| self.node(at), path, true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::NodeKind;
    use super::*;

    fn path(text: &str) -> EntryPath {
        EntryPath::new(text.as_bytes()).unwrap()
    }

    fn view(links: &[(&str, &str)], files: &[&str]) -> View {
        let mut tree = Tree::default();
        for (at, target) in links {
            let kind = NodeKind::Symlink {
                target: target.as_bytes().into(),
            };
            tree.insert(
                path(at),
                Node {
                    kind,
                    ..Node::plain_directory()
                },
            );
        }
        for at in files {
            let kind = NodeKind::File {
                size_bytes: 0,
                layer: 0,
                stored_at: None,
            };
            tree.insert(
                path(at),
                Node {
                    kind,
                    ..Node::plain_directory()
                },
            );
        }
        View::new(Arc::new(tree))
    }

    #[test]
    fn links_on_the_way_are_followed_inside_the_root() {
        let view = view(
            &[
                ("lib", "usr/lib"),
                ("abs", "/opt/x"),
                ("up", "../../../etc"),
                ("usr/lib/y", "../z"),
            ],
            &[],
        );
        for (asked, found) in [
            ("lib/a", "/usr/lib/a"),
            ("abs/b", "/opt/x/b"),
            ("up/c", "/etc/c"),
            ("lib/y/d", "/usr/z/d"),
            ("n/m", "/n/m"),
        ] {
            assert_eq!(view.resolve_parent(&path(asked)).unwrap().to_string(), found);
        }
        assert_eq!(view.resolve_parent(&path("lib")).unwrap(), path("lib"));
        assert_eq!(view.resolve(&path("lib")).unwrap(), path("usr/lib"));
    }

    #[test]
    fn loops_and_files_on_the_way_are_errors() {
        let view = view(&[("a", "b"), ("b", "a")], &["f"]);
        assert!(matches!(
            view.resolve_parent(&path("a/x")),
            Err(ResolveError::Loop { .. })
        ));
        assert!(matches!(
            view.resolve_parent(&path("f/x")),
            Err(ResolveError::NotADirectory { .. })
        ));
        assert_eq!(view.resolve_parent(&path("a")).unwrap(), path("a"));
    }

    #[test]
    fn changes_hide_and_replace_what_the_base_has() {
        let mut view = view(&[], &["a/b", "a/c"]);
        view.apply_layer(vec![(path("a/d"), Node::plain_directory())]);
        view.remove(&path("a/b"));
        let names: Vec<_> = view.below(&path("a")).map(|(path, _)| path.to_string()).collect();
        assert_eq!(names, ["/a/c", "/a/d"]);
        view.remove_below(&path("a"));
        assert!(!view.has_below(&path("a")));
    }
}
