//! Layers applied to a tree, lowest first (image-spec, layer.md), as containerd applies them: where the standard is
//! silent, the tree is what a container would see.
//!
//! Content is never kept: it passes by once, and a node remembers in which layer and under which path it lies.

use std::collections::BTreeSet;
use std::io::Read;

use super::entries::{Entries, unknown_type};
use super::error::LayerError;
use super::node::{Node, NodeKind, Tree};
use super::resolve::ResolveError;
use crate::model::{EntryPath, MAX_LINK_TARGETS_BYTES, MAX_NAMES_BYTES};
use crate::tar::{Entry, EntryKind};

/// Greatest number of nodes in an image, and of entries in all its layers: bounds memory at about 2 GiB beside
/// the texts. The largest
/// images in the wild hold some hundred thousand.
pub const MAX_NODES: u64 = 4_000_000;

/// Greatest size of the extended attributes of an image together, in bytes: names, values, and 640 each for the map that
/// holds them. Hardly any file has some; a hundred thousand with a signature each stay below.
pub const MAX_XATTRS_BYTES: u64 = 128 * 1024 * 1024;

/// What an extended attribute takes of memory beside its name and value, in bytes: a map of its own, mostly.
const XATTR_ITEM_BYTES: u64 = 640;

const WHITEOUT_PREFIX: &[u8] = b".wh.";
const WHITEOUT_OPAQUE: &[u8] = b".wh..wh..opq";
/// Reserved by AUFS for what it keeps about a layer; never part of the image.
const WHITEOUT_META_PREFIX: &[u8] = b".wh..wh.";

/// Called with each regular file that a layer holds: where it stands in the image, its node, and its content.
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

/// What is known while one layer is applied.
#[derive(Default)]
struct LayerState {
    number: u32,
    /// What this layer has put into the image: whiteouts do not act on it.
    written: BTreeSet<EntryPath>,
    /// Stored paths that nodes of other paths refer to: they must keep their meaning.
    referred: BTreeSet<EntryPath>,
    /// Below these nothing is left of the layers below, and nothing of theirs can come there any more: a layer that
    /// hides one path again and again does not make us look below it each time.
    hidden: BTreeSet<EntryPath>,
}

/// What an entry's name says.
#[derive(PartialEq, Eq)]
enum Meaning {
    Entry,
    /// Hides what the layers below have under this name in the same directory.
    Whiteout(Vec<u8>),
    /// Hides what the layers below have in the same directory.
    Opaque,
    Ignored,
}

impl TreeBuilder {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree so far.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The tree of all layers that were applied.
    pub fn finish(self) -> Tree {
        self.tree
    }

    /// Applies the next layer: `reader` gives its uncompressed tar stream, `layer_index` is its number, from 0 for the
    /// lowest. `visit` sees each regular file of the layer in the order of the stream, those too that another entry of
    /// the layer replaces later. What follows the end marker is left in the reader.
    ///
    /// # Errors
    /// Those of the stream, and those of `visit`. The tree is of no use afterwards.
    pub fn apply_layer(
        &mut self,
        reader: impl Read,
        layer_index: u32,
        visit: &mut Visit<'_>,
    ) -> Result<(), LayerError> {
        let mut state = LayerState { number: layer_index, ..LayerState::default() };
        let mut entries = Entries::new(reader);
        while let Some(entry) = entries.next()? {
            let stored = EntryPath::new(&entry.name).map_err(LayerError::Name)?;
            self.count(&entry)?;
            let meaning = meaning(&entry, &stored)?;
            if meaning == Meaning::Ignored {
                continue;
            }
            let path = self.place(&entry, &stored, &mut state)?;
            let parent = path.parent().unwrap_or_default();
            match meaning {
                Meaning::Opaque => self.hide_below(&parent, &mut state)?,
                Meaning::Whiteout(name) => {
                    let hidden = parent.join(&name).map_err(LayerError::Name)?;
                    self.hide(&hidden, &mut state)?;
                }
                _ => self.apply_entry(entry, &stored, path, &mut state, &mut entries.content(), visit)?,
            }
        }
        Ok(())
    }

    fn count(&mut self, entry: &Entry) -> Result<(), LayerError> {
        self.entry_count += 1;
        self.names_bytes += entry.name.len() as u64;
        self.link_targets_bytes += entry.link.len() as u64;
        let xattrs = entry.xattrs.iter().map(|(name, value)| (name.len() + value.len()) as u64 + XATTR_ITEM_BYTES);
        self.xattrs_bytes += xattrs.sum::<u64>();
        for (what, actual, limit) in [
            ("the entries of an image", self.entry_count, MAX_NODES),
            ("the names of the entries of an image, in bytes", self.names_bytes, MAX_NAMES_BYTES),
            ("the link targets of an image, in bytes", self.link_targets_bytes, MAX_LINK_TARGETS_BYTES),
            ("the extended attributes of an image, in bytes", self.xattrs_bytes, MAX_XATTRS_BYTES),
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
            return Err(LayerError::Entry { name: entry.name, reason: "the root of an image is a directory" });
        }
        let has_content = entry.kind == EntryKind::File;
        let node = self.node(entry, stored, &path, state)?;
        if has_content {
            visit(&path, &node, content)?;
        }
        self.insert(path, node, state)
    }

    /// Where an entry goes: links on the way are followed, and what is lacking of the way is made. A file on the way
    /// gives way to a directory, as it does where layers are laid over each other.
    fn place(&mut self, entry: &Entry, stored: &EntryPath, state: &mut LayerState) -> Result<EntryPath, LayerError> {
        let path = loop {
            match self.tree.resolve_parent(stored) {
                Ok(path) => break path,
                Err(ResolveError::NotADirectory { file, .. }) if stored != &file && stored.starts_with(&file) => {
                    self.tree.remove(&file);
                }
                Err(cause) => return Err(LayerError::Place { name: entry.name.clone(), cause }),
            }
        };
        self.make_parents(&path, state)?;
        Ok(path)
    }

    /// Makes the directories above a path that are lacking, as the runtimes do.
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
        lacking.into_iter().rev().try_for_each(|directory| self.insert(directory, Node::plain_directory(), state))
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
            EntryKind::Symlink => NodeKind::Symlink { target: entry.link.into() },
            EntryKind::File => {
                if state.referred.contains(stored) {
                    let reason = "the layer contains it twice, and a link refers to the first";
                    return Err(LayerError::Entry { name: entry.name, reason });
                }
                let stored_at = (stored != path).then(|| Box::new(stored.clone()));
                if stored_at.is_some() {
                    state.referred.insert(stored.clone());
                }
                NodeKind::File { size_bytes: entry.size_bytes, layer: state.number, stored_at }
            }
        };
        let xattrs = (!entry.xattrs.is_empty()).then(|| Box::new(entry.xattrs));
        Ok(Node { kind, mode: entry.mode, uid: entry.uid, gid: entry.gid, xattrs })
    }

    /// A hard link is what its target is; what its own header says of mode and owner is the same or wrong.
    fn hard_link(&self, entry: &Entry, path: &EntryPath, state: &mut LayerState) -> Result<Node, LayerError> {
        let target = EntryPath::new(&entry.link).map_err(LayerError::Name)?;
        let place = |cause| LayerError::Place { name: entry.name.clone(), cause };
        let at = self.tree.resolve_parent(&target).map_err(place)?;
        let mut node = match self.tree.node(&at) {
            Some(node) if !node.is_directory() => node.clone(),
            _ => return Err(LayerError::HardLink { path: path.clone(), target }),
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
            return Err(LayerError::OverLimit { what: "the nodes of an image", limit: MAX_NODES });
        }
        Ok(())
    }

    /// A whiteout: takes away what the layers below have at a path and below it.
    fn hide(&mut self, path: &EntryPath, state: &mut LayerState) -> Result<(), LayerError> {
        if !state.written.contains(path) {
            self.tree.remove_alone(path);
            // What this layer has below it wants its directory back.
            state.hidden.remove(path);
        }
        self.hide_below(path, state)
    }

    /// An opaque whiteout: takes away what the layers below have below a path. What this layer has put there stays, and
    /// where its directory was one of the layers below, in a new one.
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
    let invalid = |reason| LayerError::Entry { name: entry.name.clone(), reason };
    let Some(parent) = stored.parent() else { return Ok(Meaning::Entry) };
    if parent.components().any(|component| component.starts_with(WHITEOUT_META_PREFIX)) {
        return Ok(Meaning::Ignored);
    }
    if parent.components().any(|component| component.starts_with(WHITEOUT_PREFIX)) {
        return Err(invalid("a whiteout is no directory"));
    }
    let name = stored.file_name();
    if name == WHITEOUT_OPAQUE {
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
