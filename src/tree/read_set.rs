//! Records the lookups in a tree, and their results.

use std::collections::BTreeMap;

use super::file_tree::Tree;
use super::node::Node;
use crate::model::EntryPath;

/// Greatest number of recorded results. Layers on separate paths need some dozens; layers that write throughout a base
/// image need one for each of their entries.
const MAX_ANSWERS: usize = 4096;

/// The recorded results of lookups. Another tree with the same results may be used instead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// The node at a path.
    nodes: BTreeMap<EntryPath, Option<Node>>,
    /// Whether a path has nodes below it.
    below: BTreeMap<EntryPath, bool>,
    /// There were more lookups than are recorded.
    is_too_much: bool,
}

impl ReadSet {
    /// Returns `true` if `tree` gives the same results.
    pub fn holds(&self, tree: &Tree) -> bool {
        !self.is_too_much
            && self.nodes.iter().all(|(path, node)| tree.node(path) == node.as_ref())
            && self
                .below
                .iter()
                .all(|(path, has_below)| tree.below(path).next().is_some() == *has_below)
    }

    pub(super) fn record_node(&mut self, path: &EntryPath, node: Option<&Node>) {
        if self.has_room() {
            self.nodes.insert(path.clone(), node.cloned());
        }
    }

    pub(super) fn record_below(&mut self, path: &EntryPath, has_below: bool) {
        if self.has_room() {
            self.below.insert(path.clone(), has_below);
        }
    }

    /// Records that the whole tree may have been read.
    pub(super) fn record_everything(&mut self) {
        self.is_too_much = true;
    }

    fn has_room(&mut self) -> bool {
        self.is_too_much |= self.nodes.len() + self.below.len() >= MAX_ANSWERS;
        !self.is_too_much
    }
}
