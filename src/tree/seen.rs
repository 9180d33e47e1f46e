//! What was asked of a tree, and what it answered.

use std::collections::BTreeMap;

use super::node::{Node, Tree};
use crate::model::EntryPath;

/// Answers that are remembered. Layers on paths of their own ask for some dozens, layers all over a base for as many as
/// they have entries.
const MAX_ANSWERS: usize = 4096;

/// The answers of a tree. Another tree that gives the same may stand in for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What stands at a path.
    nodes: BTreeMap<EntryPath, Option<Node>>,
    /// Whether something stands below a path.
    below: BTreeMap<EntryPath, bool>,
    /// More was asked than is remembered.
    is_too_much: bool,
}

impl Seen {
    /// True where `tree` gives the same answers.
    pub fn holds(&self, tree: &Tree) -> bool {
        !self.is_too_much
            && self.nodes.iter().all(|(path, node)| tree.node(path) == node.as_ref())
            && self.below.iter().all(|(path, has_below)| tree.below(path).next().is_some() == *has_below)
    }

    pub(super) fn note_node(&mut self, path: &EntryPath, node: Option<&Node>) {
        if self.has_room() {
            self.nodes.insert(path.clone(), node.cloned());
        }
    }

    pub(super) fn note_below(&mut self, path: &EntryPath, has_below: bool) {
        if self.has_room() {
            self.below.insert(path.clone(), has_below);
        }
    }

    /// Notes that all of a tree may have been looked at.
    pub(super) fn note_everything(&mut self) {
        self.is_too_much = true;
    }

    fn has_room(&mut self) -> bool {
        self.is_too_much |= self.nodes.len() + self.below.len() >= MAX_ANSWERS;
        !self.is_too_much
    }
}
