//! A tree that changes while layers are planned on it, above a base's tree that does not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::cursor::Cursor;
use super::node::{Node, Tree, below};
use super::resolve::{ResolveError, walk};
use super::seen::Seen;
use crate::model::EntryPath;

/// The image so far: a base's tree, and the changes of the layers above it.
#[derive(Debug, Clone)]
pub struct View {
    base: Arc<Tree>,
    /// `None` hides what the base has at a path.
    changes: BTreeMap<EntryPath, Option<Node>>,
    /// What was asked of the base, where that is to be known.
    seen: Option<Arc<Mutex<Seen>>>,
}

impl View {
    /// A view on a base without changes.
    pub fn new(base: Arc<Tree>) -> Self {
        Self { base, changes: BTreeMap::new(), seen: None }
    }

    /// A view on a base that notes in `seen` what it asks of the base.
    pub fn noting(base: Arc<Tree>, seen: Arc<Mutex<Seen>>) -> Self {
        Self { seen: Some(seen), ..Self::new(base) }
    }

    fn note(&self, what: impl FnOnce(&mut Seen)) {
        if let Some(seen) = &self.seen {
            what(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn base_node(&self, path: &EntryPath) -> Option<&Node> {
        let node = self.base.node(path);
        self.note(|seen| seen.note_node(path, node));
        node
    }

    /// The node at exactly this path; links are not followed.
    pub fn node(&self, path: &EntryPath) -> Option<&Node> {
        match self.changes.get(path) {
            Some(change) => change.as_ref(),
            None => self.base_node(path),
        }
    }

    /// Those of `items` at whose path something stands, and what. For many at once, sorted by path.
    pub fn standing<'a, T: 'a>(
        &'a self,
        items: impl Iterator<Item = &'a T>,
        path: impl Fn(&'a T) -> &'a EntryPath,
    ) -> impl Iterator<Item = (&'a T, &'a Node)> {
        self.note(Seen::note_everything);
        let (mut changes, mut base) = (Cursor::new(&self.changes), self.base.cursor());
        items.filter_map(move |item| {
            let path = path(item);
            let node = match changes.find(path) {
                Some(change) => change.as_ref(),
                None => base.find(path),
            };
            Some((item, node?))
        })
    }

    /// All that stands below a path, sorted by the bytes of the paths.
    pub fn below<'a>(&'a self, path: &EntryPath) -> impl Iterator<Item = (&'a EntryPath, &'a Node)> + use<'a> {
        self.note(Seen::note_everything);
        let mut kept = self.base.below(path).filter(|(path, _)| !self.changes.contains_key(*path)).peekable();
        let mut changed = below(&self.changes, path).filter_map(|(path, node)| Some((path, node.as_ref()?))).peekable();
        std::iter::from_fn(move || match (kept.peek(), changed.peek()) {
            (Some((left, _)), Some((right, _))) if left < right => kept.next(),
            (_, Some(_)) => changed.next(),
            (_, None) => kept.next(),
        })
    }

    /// What layers have put on the base, sorted by path: new nodes, and those that they wrote again.
    pub fn written(&self) -> impl Iterator<Item = (&EntryPath, &Node)> {
        self.changes.iter().filter_map(|(path, change)| Some((path, change.as_ref()?)))
    }

    /// True where something stands below a path.
    pub fn has_below(&self, path: &EntryPath) -> bool {
        if below(&self.changes, path).any(|(_, change)| change.is_some()) {
            return true;
        }
        // Nothing of the base is hidden without all being noted.
        self.note(|seen| seen.note_below(path, self.base.below(path).next().is_some()));
        self.base.below(path).any(|(path, _)| !self.changes.contains_key(path))
    }

    /// Puts a node at a path, in place of what stands there. What stands below goes where the node is no directory.
    pub fn insert(&mut self, path: EntryPath, node: Node) {
        if !node.is_directory() {
            self.remove_below(&path);
        }
        self.changes.insert(path, Some(node));
    }

    /// Puts nodes at their paths, sorted, each path once; what stands below a node that is no directory stays, so nothing
    /// may. Cheaper than [`View::insert`] for each: a map that is filled at once has no room that stays empty.
    pub fn extend(&mut self, nodes: impl Iterator<Item = (EntryPath, Node)>) {
        self.changes.append(&mut nodes.map(|(path, node)| (path, Some(node))).collect());
    }

    /// Puts all nodes of a layer at their paths, sorted, each path once. As [`View::insert`] for each.
    pub fn lay(&mut self, nodes: Vec<(EntryPath, Node)>) {
        let leaves = nodes.iter().filter(|(_, node)| !node.is_directory());
        let standing = self.standing(leaves, |(path, _)| path);
        let replaced: Vec<EntryPath> =
            standing.filter(|(_, node)| node.is_directory()).map(|((path, _), _)| path.clone()).collect();
        for path in replaced {
            self.remove_below(&path);
        }
        self.changes.append(&mut nodes.into_iter().map(|(path, node)| (path, Some(node))).collect());
    }

    /// Takes away what stands at a path and below it.
    pub fn remove(&mut self, path: &EntryPath) {
        self.remove_below(path);
        self.hide(path);
    }

    /// Takes away what stands below a path (an opaque whiteout).
    pub fn remove_below(&mut self, path: &EntryPath) {
        self.note(Seen::note_everything);
        let changed = below(&self.changes, path).map(|(path, _)| path.clone());
        let doomed: Vec<EntryPath> = self.base.below(path).map(|(path, _)| path.clone()).chain(changed).collect();
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

    /// Where a path leads as the system would see it inside the image: links on the way are followed, rooted in the
    /// image, and `..` of link targets never leaves the root. The last component is not followed. Components that do not
    /// exist stay as they are.
    pub fn resolve_parent(&self, path: &EntryPath) -> Result<EntryPath, ResolveError> {
        walk(|at| self.node(at), path, false)
    }

    /// As [`View::resolve_parent`], with the last component followed too.
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
            let kind = NodeKind::Symlink { target: target.as_bytes().into() };
            tree.insert(path(at), Node { kind, ..Node::plain_directory() });
        }
        for at in files {
            let kind = NodeKind::File { size_bytes: 0, layer: 0, stored_at: None };
            tree.insert(path(at), Node { kind, ..Node::plain_directory() });
        }
        View::new(Arc::new(tree))
    }

    #[test]
    fn links_on_the_way_are_followed_inside_the_root() {
        let view = view(&[("lib", "usr/lib"), ("abs", "/opt/x"), ("up", "../../../etc"), ("usr/lib/y", "../z")], &[]);
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
        assert!(matches!(view.resolve_parent(&path("a/x")), Err(ResolveError::Loop { .. })));
        assert!(matches!(view.resolve_parent(&path("f/x")), Err(ResolveError::NotADirectory { .. })));
        assert_eq!(view.resolve_parent(&path("a")).unwrap(), path("a"));
    }

    #[test]
    fn changes_hide_and_replace_what_the_base_has() {
        let mut view = view(&[], &["a/b", "a/c"]);
        view.insert(path("a/d"), Node::plain_directory());
        view.remove(&path("a/b"));
        let names: Vec<_> = view.below(&path("a")).map(|(path, _)| path.to_string()).collect();
        assert_eq!(names, ["/a/c", "/a/d"]);
        view.remove_below(&path("a"));
        assert!(!view.has_below(&path("a")));
    }
}
