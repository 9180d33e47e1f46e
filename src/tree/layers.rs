//! Applies layers to a tree, lowest first (image-spec, layer.md), like containerd: where the standard does not specify
//! a case, the tree is what a container would see.
//!
//! Content is never kept. It is streamed once, and a node stores the layer and the path of its content.

use std::collections::BTreeSet;
use std::io::Read;

use super::entries::{Entries, unknown_type};
use super::error::LayerError;
use super::file_tree::Tree;
use super::node::{Node, NodeKind};
use super::planned::{OpenContent, PlannedContent, stream_entry};
use super::resolve::ResolveError;
use crate::model::{EntryPath, LayerPlan, MAX_LINK_TARGETS_BYTES, MAX_NAMES_BYTES, OPAQUE_WHITEOUT, WHITEOUT_PREFIX};
use crate::tar::{Entry, EntryKind};

/// Greatest number of nodes in an image, and of entries in all its layers. It limits memory to about 2 GiB plus the
/// texts. The largest known images have some hundred thousand.
pub const MAX_NODES: u64 = 4_000_000;

/// Greatest total size of the extended attributes of an image, in bytes: names, values, and 640 each for the map that
/// holds them. Hardly any file has some; a hundred thousand files with a signature each are below the limit.
pub const MAX_XATTRS_BYTES: u64 = 128 * 1024 * 1024;

/// Memory for an extended attribute in addition to its name and value, in bytes: mostly for a separate map.
const XATTR_ITEM_BYTES: u64 = 640;

/// Prefix that AUFS reserves for its own data about a layer; never part of the image.
const WHITEOUT_META_PREFIX: &[u8] = b".wh..wh.";

/// Called with each regular file in a layer: its path in the image, its node, and its content.
pub type Visit<'a> = dyn FnMut(&EntryPath, &Node, &mut dyn Read) -> Result<(), LayerError> + 'a;

/// Builds the tree of an image from its layers, lowest first.
#[derive(Debug, Default)]
pub struct TreeBuilder {
    tree: Tree,
    entry_count: u64,
    names_bytes: u64,
    link_targets_bytes: u64,
    xattrs_bytes: u64,
}

/// The state of applying one layer.
#[derive(Default)]
struct LayerState {
    number: u32,
    /// The paths that this layer wrote: whiteouts do not affect them.
    written: BTreeSet<EntryPath>,
    /// Stored paths that nodes of other paths refer to. Their content must not change.
    referred: BTreeSet<EntryPath>,
    /// Paths without entries of lower layers below them. Such entries cannot appear there any more, so a layer that
    /// hides one path many times does not cause many searches.
    hidden: BTreeSet<EntryPath>,
}

/// The meaning of an entry's name.
#[derive(PartialEq, Eq)]
enum Meaning {
    Entry,
    /// Hides the entry of lower layers with this name in the same directory.
    Whiteout(Vec<u8>),
    /// Hides all entries of lower layers in the same directory.
    Opaque,
    Ignored,
}

impl TreeBuilder {
    /// Creates an empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues the tree of the layers below.
    pub(super) fn above(tree: Tree) -> Self {
        Self {
            entry_count: tree.len() as u64,
            tree,
            ..Self::default()
        }
    }

    /// Returns the tree so far.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Returns the tree of all applied layers.
    pub fn finish(self) -> Tree {
        self.tree
    }

    /// Applies the next layer. `reader` returns its uncompressed tar stream; `layer_index` is its number, from 0 for
    /// the lowest. `visit` is called with each regular file of the layer in the order of the stream, including those
    /// that a later entry of the layer replaces. Data after the end marker is left in the reader.
    ///
    /// # Errors
    /// Those of the stream, and those of `visit`. The tree is of no use afterwards.
    pub fn apply_layer(
        &mut self,
        reader: impl Read,
        layer_index: u32,
        visit: &mut Visit<'_>,
    ) -> Result<(), LayerError> {
        let mut state = LayerState {
            number: layer_index,
            ..LayerState::default()
        };
        let mut entries = Entries::new(reader);
        while let Some(entry) = entries.next()? {
            self.apply(entry, &mut state, &mut entries.content(), visit)?;
        }
        Ok(())
    }

    /// Applies the next layer, which is planned and not packed yet. `open` returns the content of one of its files; it
    /// is called when the content is read.
    ///
    /// # Errors
    /// Those of [`TreeBuilder::apply_layer`].
    pub(super) fn apply_planned(
        &mut self,
        layer: &LayerPlan,
        layer_index: u32,
        open: &OpenContent<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<(), LayerError> {
        let mut state = LayerState {
            number: layer_index,
            ..LayerState::default()
        };
        for planned in &layer.entries {
            self.apply(
                stream_entry(planned),
                &mut state,
                &mut PlannedContent::new(planned, open),
                visit,
            )?;
        }
        Ok(())
    }

    /// Applies one entry of a layer.
    fn apply(
        &mut self,
        entry: Entry,
        state: &mut LayerState,
        content: &mut dyn Read,
        visit: &mut Visit<'_>,
    ) -> Result<(), LayerError> {
        let stored = EntryPath::new(&entry.name).map_err(LayerError::Name)?;
        self.count(&entry)?;
        let meaning = meaning(&entry, &stored)?;
        if meaning == Meaning::Ignored {
            return Ok(());
        }
        let path = self.place(&entry, &stored, state)?;
        let parent = path.parent().unwrap_or_default();
        match meaning {
            Meaning::Opaque => self.hide_below(&parent, state),
            Meaning::Whiteout(name) => {
                let hidden = parent.join(&name).map_err(LayerError::Name)?;
                self.hide(&hidden, state)
            }
            _ => self.apply_entry(entry, &stored, path, state, content, visit),
        }
    }

    fn count(&mut self, entry: &Entry) -> Result<(), LayerError> {
        self.entry_count += 1;
        self.names_bytes += entry.name.len() as u64;
        self.link_targets_bytes += entry.link.len() as u64;
        let xattrs = entry
            .xattrs
            .iter()
            .map(|(name, value)| (name.len() + value.len()) as u64 + XATTR_ITEM_BYTES);
        self.xattrs_bytes += xattrs.sum::<u64>();
        for (what, actual, limit) in [
            ("the entries of an image", self.entry_count, MAX_NODES),
            (
                "the names of the entries of an image, in bytes",
                self.names_bytes,
                MAX_NAMES_BYTES,
            ),
            (
                "the link targets of an image, in bytes",
                self.link_targets_bytes,
                MAX_LINK_TARGETS_BYTES,
            ),
            (
                "the extended attributes of an image, in bytes",
                self.xattrs_bytes,
                MAX_XATTRS_BYTES,
            ),
        ] {
            if actual > limit {
                return Err(LayerError::OverLimit { what, limit });
            }
        }
        Ok(())
    }

    fn apply_entry(
        &mut self,
        entry: Entry,
        stored: &EntryPath,
        path: EntryPath,
        state: &mut LayerState,
        content: &mut dyn Read,
        visit: &mut Visit<'_>,
    ) -> Result<(), LayerError> {
        if stored.is_root() && entry.kind != EntryKind::Directory {
            return Err(LayerError::Entry {
                name: entry.name,
                reason: "the root of an image is a directory",
            });
        }
        let has_content = entry.kind == EntryKind::File;
        let node = self.node(entry, stored, &path, state)?;
        if has_content {
            visit(&path, &node, content)?;
        }
        self.insert(path, node, state)
    }

    /// Returns the path of an entry after following links in its parent path, and creates missing parents. A file in
    /// the parent path is replaced by a directory, as in a stack of layers.
    fn place(&mut self, entry: &Entry, stored: &EntryPath, state: &mut LayerState) -> Result<EntryPath, LayerError> {
        let path = loop {
            match self.tree.resolve_parent(stored) {
                Ok(path) => break path,
                Err(ResolveError::NotADirectory { file, .. }) if stored != &file && stored.starts_with(&file) => {
                    self.tree.remove(&file);
                }
                Err(cause) => {
                    return Err(LayerError::Place {
                        name: entry.name.clone(),
                        cause,
                    });
                }
            }
        };
        self.make_parents(&path, state)?;
        Ok(path)
    }

    /// Creates the missing parent directories of a path, as the runtimes do.
    fn make_parents(&mut self, path: &EntryPath, state: &mut LayerState) -> Result<(), LayerError> {
        let mut lacking = Vec::new();
        let mut parent = path.parent();
        while let Some(directory) = parent.filter(|directory| !directory.is_root()) {
            if self.tree.node(&directory).is_some() {
                break;
            }
            parent = directory.parent();
            lacking.push(directory);
        }
        lacking
            .into_iter()
            .rev()
            .try_for_each(|directory| self.insert(directory, Node::plain_directory(), state))
    }

    fn node(
        &self,
        entry: Entry,
        stored: &EntryPath,
        path: &EntryPath,
        state: &mut LayerState,
    ) -> Result<Node, LayerError> {
        let kind = match entry.kind {
            EntryKind::HardLink => return self.hard_link(&entry, path, state),
            EntryKind::Directory => NodeKind::Directory,
            EntryKind::CharacterDevice | EntryKind::BlockDevice | EntryKind::Fifo => NodeKind::Special,
            EntryKind::Other(_) => return Err(unknown_type(entry.name)),
            EntryKind::Symlink if entry.link.is_empty() || entry.link.contains(&0) => {
                return Err(LayerError::Entry {
                    name: entry.name,
                    reason: "it is a symbolic link with an empty target",
                });
            }
            EntryKind::Symlink => NodeKind::Symlink {
                target: entry.link.into(),
            },
            EntryKind::File => {
                if state.referred.contains(stored) {
                    let reason = "the layer contains it twice, and a link refers to the first";
                    return Err(LayerError::Entry {
                        name: entry.name,
                        reason,
                    });
                }
                let stored_at = (stored != path).then(|| Box::new(stored.clone()));
                if stored_at.is_some() {
                    state.referred.insert(stored.clone());
                }
                NodeKind::File {
                    size_bytes: entry.size_bytes,
                    layer: state.number,
                    stored_at,
                }
            }
        };
        let xattrs = (!entry.xattrs.is_empty()).then(|| Box::new(entry.xattrs));
        Ok(Node {
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            xattrs,
        })
    }

    /// Returns the node of a hard link, which is that of its target. The mode and owner in its own header are the same,
    /// or wrong.
    fn hard_link(&self, entry: &Entry, path: &EntryPath, state: &mut LayerState) -> Result<Node, LayerError> {
        let target = EntryPath::new(&entry.link).map_err(LayerError::Name)?;
        let place = |cause| LayerError::Place {
            name: entry.name.clone(),
            cause,
        };
        let at = self.tree.resolve_parent(&target).map_err(place)?;
        let mut node = match self.tree.node(&at) {
            Some(node) if !node.is_directory() => node.clone(),
            _ => {
                return Err(LayerError::HardLink {
                    path: path.clone(),
                    target,
                });
            }
        };
        if let NodeKind::File { layer, stored_at, .. } = &mut node.kind {
            let stored = stored_at.take().map_or(at, |stored| *stored);
            if *layer == state.number {
                state.referred.insert(stored.clone());
            }
            *stored_at = (stored != *path).then(|| Box::new(stored));
        }
        Ok(node)
    }

    fn insert(&mut self, path: EntryPath, node: Node, state: &mut LayerState) -> Result<(), LayerError> {
        state.written.insert(path.clone());
        self.tree.insert(path, node);
        if self.tree.len() as u64 > MAX_NODES {
            return Err(LayerError::OverLimit {
                what: "the nodes of an image",
                limit: MAX_NODES,
            });
        }
        Ok(())
    }

    /// Applies a whiteout: removes the entries of lower layers at a path and below it.
    fn hide(&mut self, path: &EntryPath, state: &mut LayerState) -> Result<(), LayerError> {
        if !state.written.contains(path) {
            self.tree.remove_alone(path);
            // If this layer has entries below it, their directory must exist again.
            state.hidden.remove(path);
        }
        self.hide_below(path, state)
    }

    /// Applies an opaque whiteout: removes the entries of lower layers below a path. Entries of this layer stay. If
    /// their directory belonged to a lower layer, they are in a new one.
    fn hide_below(&mut self, path: &EntryPath, state: &mut LayerState) -> Result<(), LayerError> {
        if !state.hidden.insert(path.clone()) {
            return Ok(());
        }
        let below = self.tree.below(path).map(|(path, _)| path.clone());
        let (kept, doomed): (Vec<_>, Vec<_>) = below.partition(|path| state.written.contains(path));
        for path in doomed {
            self.tree.remove_alone(&path);
        }
        kept.iter().try_for_each(|path| self.make_parents(path, state))
    }
}

fn meaning(entry: &Entry, stored: &EntryPath) -> Result<Meaning, LayerError> {
    let invalid = |reason| LayerError::Entry {
        name: entry.name.clone(),
        reason,
    };
    let Some(parent) = stored.parent() else {
        return Ok(Meaning::Entry);
    };
    if parent
        .components()
        .any(|component| component.starts_with(WHITEOUT_META_PREFIX))
    {
        return Ok(Meaning::Ignored);
    }
    if parent
        .components()
        .any(|component| component.starts_with(WHITEOUT_PREFIX))
    {
        return Err(invalid("a whiteout is no directory"));
    }
    let name = stored.file_name();
    if name == OPAQUE_WHITEOUT {
        return Ok(Meaning::Opaque);
    }
    if name.starts_with(WHITEOUT_META_PREFIX) {
        return Ok(Meaning::Ignored);
    }
    match name.strip_prefix(WHITEOUT_PREFIX) {
        None => Ok(Meaning::Entry),
        Some(b"" | b"." | b"..") => Err(invalid("a whiteout names what it hides")),
        Some(hidden) => Ok(Meaning::Whiteout(hidden.to_vec())),
    }
}

#[cfg(test)]
mod tests;
