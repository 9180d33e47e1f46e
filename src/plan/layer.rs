//! Plans one layer on the image so far: the targets of its entries, which entries agree, and the parents and whiteouts
//! they need (image-spec, layer.md "Whiteouts"; byte format 1, "tar").
//!
//! Destinations are resolved in the base image and the layers below, after this layer's removals and before its
//! entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entries::{Attributes, attributes_of, difference, new_entry};
use super::error::PlanError;
use super::pending::{Origin, Pending, PendingEntries};
use crate::model::{
    Content, Entry, EntryKind, EntryPath, EntryPathError, OPAQUE_WHITEOUT, WHITEOUT_PREFIX, escape, nearest,
};
use crate::spec::Remove;
use crate::tree::{Node, ResolveError, View};

/// The attributes of a new directory, and the changes to an existing one.
#[derive(Debug, Clone)]
pub(super) struct DirectoryAttrs {
    pub new: Attributes,
    pub changed_mode: Option<u32>,
    pub changed_owner: Option<(u64, u64)>,
}

/// Collects the entries of one layer.
pub(super) struct LayerBuilder<'a> {
    name: &'a str,
    view: &'a mut View,
    entries: PendingEntries,
    removed: BTreeSet<EntryPath>,
    /// Directories that were resolved already: the path as the spec writes it, and its target.
    resolved: BTreeMap<EntryPath, Resolved>,
    /// The last of them: a listing has the files of one directory next to each other.
    last: Option<(EntryPath, Resolved)>,
}

/// The target of a directory in the image so far.
#[derive(Debug, Clone)]
struct Resolved {
    at: EntryPath,
    /// Nothing exists at or below it, so entries below it need not be looked up.
    is_new: bool,
}

impl<'a> LayerBuilder<'a> {
    /// Creates a layer without entries on the image so far.
    pub fn new(name: &'a str, view: &'a mut View) -> Self {
        let entries = PendingEntries::default();
        let removed = BTreeSet::new();
        let resolved = BTreeMap::new();
        Self {
            name,
            view,
            entries,
            removed,
            resolved,
            last: None,
        }
    }

    /// Returns the image so far: the layers below, without what this layer removes.
    pub fn view(&self) -> &View {
        self.view
    }

    /// Removes paths from the image so far. Must be called before any entry is placed.
    pub fn remove(&mut self, removes: &[Remove]) -> Result<(), PlanError> {
        let mut targets = BTreeSet::new();
        for remove in removes {
            targets.insert(self.removal_target(remove)?);
        }
        for target in &targets {
            let covered = ancestors(target).any(|ancestor| targets.contains(&ancestor));
            if !covered {
                self.view.remove(target);
                self.removed.insert(target.clone());
            }
        }
        Ok(())
    }

    fn removal_target(&self, remove: &Remove) -> Result<EntryPath, PlanError> {
        let layer = || self.name.to_owned();
        let origin = || format!("\"{}\" of remove ({})", escape(remove.path.as_bytes()), remove.place);
        let path = EntryPath::new(remove.path.as_bytes()).map_err(|cause| PlanError::Path {
            layer: layer(),
            origin: origin(),
            cause,
        })?;
        if path.is_root() {
            return Err(PlanError::RemoveRoot {
                layer: layer(),
                place: remove.place.clone(),
            });
        }
        let target = self.view.resolve_parent(&path).map_err(|cause| PlanError::Unresolved {
            layer: layer(),
            origin: origin(),
            cause,
        })?;
        if self.view.node(&target).is_some() || self.view.has_below(&target) {
            return Ok(target);
        }
        let nearest = self.nearest_sibling(&target);
        Err(PlanError::RemoveMissing {
            layer: layer(),
            path,
            place: remove.place.clone(),
            nearest,
        })
    }

    fn nearest_sibling(&self, path: &EntryPath) -> Option<EntryPath> {
        let parent = path.parent()?;
        let below = self.view.below(&parent);
        let siblings = below
            .map(|(path, _)| path)
            .filter(|path| path.parent().as_ref() == Some(&parent));
        let name = nearest(path.file_name(), siblings.map(EntryPath::file_name))?;
        parent.join(name).ok()
    }

    /// Places a directory. If the image has it already (also through links), only the changes in `attrs` are made.
    pub fn place_directory(
        &mut self,
        path: &EntryPath,
        attrs: DirectoryAttrs,
        origin: String,
    ) -> Result<(), PlanError> {
        self.refuse_whiteout(path, || origin.clone())?;
        let Resolved { at, is_new } = self
            .resolve_directory(path)
            .map_err(|cause| self.unplaced_directory(path, &origin, cause))?;
        if at.is_root() {
            return Ok(());
        }
        let existing = if is_new {
            None
        } else {
            existing_directory(self.view, &at)
        };
        let unchanged = existing.is_some() && attrs.changed_mode.is_none() && attrs.changed_owner.is_none();
        let attributes = match existing {
            None => attrs.new,
            Some(node) => {
                let kept = attributes_of(&node);
                let mode = attrs.changed_mode.unwrap_or(kept.mode);
                Attributes {
                    mode,
                    owner: attrs.changed_owner.unwrap_or(kept.owner),
                    ..kept
                }
            }
        };
        let entry = new_entry(at, EntryKind::Directory, attributes);
        self.claim(entry, (!unchanged).then_some(origin.into()))
    }

    /// Returns the directory that a path resolves to in the image so far, if there is one.
    pub fn existing_directory(&mut self, path: &EntryPath, origin: &str) -> Result<Option<Node>, PlanError> {
        let resolved = self.resolve_directory(path);
        let Resolved { at, .. } = resolved.map_err(|cause| self.unplaced_directory(path, origin, cause))?;
        Ok(existing_directory(self.view, &at))
    }

    /// Returns `true` if this layer has an entry at a resolved path.
    pub fn has_claim(&self, path: &EntryPath) -> bool {
        self.entries.find(path).is_some_and(|pending| pending.origin.is_some())
    }

    /// Places a file or a link. Links in its parent path are followed; one at the path itself is replaced.
    pub fn place_leaf(
        &mut self,
        path: &EntryPath,
        kind: EntryKind,
        attributes: Attributes,
        origin: Origin,
    ) -> Result<(), PlanError> {
        self.refuse_whiteout(path, || origin.text(&kind))?;
        let directory = self
            .resolve_parent(path)
            .map_err(|cause| self.unresolved(&origin.text(&kind), cause))?;
        let at = child(&directory.at, path).map_err(|cause| self.bad_path(&origin.text(&kind), cause))?;
        if at.is_root() || !directory.is_new && existing_directory(self.view, &at).is_some() {
            let layer = self.name.to_owned();
            let origin = origin.text(&kind);
            return Err(PlanError::FileOverDirectory {
                layer,
                path: at,
                origin,
            });
        }
        self.claim(new_entry(at, kind, attributes), Some(origin))
    }

    /// Returns the error for a path that is not allowed in an image.
    pub fn bad_path(&self, origin: &str, cause: EntryPathError) -> PlanError {
        PlanError::Path {
            layer: self.name.to_owned(),
            origin: origin.to_owned(),
            cause,
        }
    }

    /// Returns the error for a path that cannot be resolved.
    pub fn unresolved(&self, origin: &str, cause: ResolveError) -> PlanError {
        PlanError::Unresolved {
            layer: self.name.to_owned(),
            origin: origin.to_owned(),
            cause,
        }
    }

    fn unplaced_directory(&self, path: &EntryPath, origin: &str, cause: ResolveError) -> PlanError {
        match cause {
            ResolveError::NotADirectory { file, path: asked } if asked == *path => PlanError::DirectoryOverFile {
                layer: self.name.to_owned(),
                path: file,
                origin: origin.to_owned(),
            },
            cause => self.unresolved(origin, cause),
        }
    }

    fn refuse_whiteout(&self, path: &EntryPath, origin: impl FnOnce() -> String) -> Result<(), PlanError> {
        if path.components().any(|name| name.starts_with(WHITEOUT_PREFIX)) {
            let layer = self.name.to_owned();
            let origin = origin();
            let path = path.clone();
            return Err(PlanError::WhiteoutName { layer, origin, path });
        }
        Ok(())
    }

    /// Resolves the parent directory of a path.
    fn resolve_parent(&mut self, path: &EntryPath) -> Result<Resolved, ResolveError> {
        match &self.last {
            Some((asked, resolved)) if asked.as_bytes() == path.parent_bytes() => Ok(resolved.clone()),
            _ => self.resolve_directory(&path.parent().unwrap_or_default()),
        }
    }

    /// Resolves a directory in the image so far. If anything exists there, it is a directory.
    fn resolve_directory(&mut self, path: &EntryPath) -> Result<Resolved, ResolveError> {
        let resolved = match self.resolved.get(path) {
            Some(known) => known.clone(),
            None => {
                let resolved = match self.resolve_below_known(path) {
                    Some(resolved) => resolved,
                    None => self.resolve_from_root(path)?,
                };
                self.resolved.insert(path.clone(), resolved.clone());
                resolved
            }
        };
        self.last = Some((path.clone(), resolved.clone()));
        Ok(resolved)
    }

    /// Returns `None` if its parent was not resolved yet, or if it exists and is not a directory.
    fn resolve_below_known(&self, path: &EntryPath) -> Option<Resolved> {
        let parent = self.resolved.get(path.parent_bytes()).filter(|_| !path.is_root())?;
        let at = child(&parent.at, path).ok()?;
        if parent.is_new {
            return Some(Resolved { at, is_new: true });
        }
        match self.view.node(&at) {
            Some(node) if !node.is_directory() => None,
            Some(_) => Some(Resolved { at, is_new: false }),
            None => Some(Resolved {
                is_new: !self.view.has_below(&at),
                at,
            }),
        }
    }

    fn resolve_from_root(&self, path: &EntryPath) -> Result<Resolved, ResolveError> {
        let at = self.view.resolve(path)?;
        match self.view.node(&at) {
            Some(node) if !node.is_directory() => Err(ResolveError::NotADirectory {
                path: path.clone(),
                file: at,
            }),
            Some(_) => Ok(Resolved { at, is_new: false }),
            None => Ok(Resolved {
                is_new: !self.view.has_below(&at),
                at,
            }),
        }
    }

    fn claim(&mut self, entry: Entry, origin: Option<Origin>) -> Result<(), PlanError> {
        let Some(pending) = self.entries.find(&entry.path) else {
            self.entries.insert(Pending { entry, origin });
            return Ok(());
        };
        match (&pending.origin, &origin) {
            (_, None) => {}
            (None, Some(_)) => self.entries.insert(Pending { entry, origin }),
            (Some(first), Some(second)) => {
                if let Some(difference) = difference(&pending.entry, &entry) {
                    let first = first.text(&pending.entry.kind);
                    let second = second.text(&entry.kind);
                    let layer = self.name.to_owned();
                    return Err(PlanError::Conflict {
                        layer,
                        path: entry.path,
                        first,
                        second,
                        difference,
                    });
                }
            }
        }
        Ok(())
    }

    /// Returns the entries, sorted, with parents and whiteouts. Updates the view to the image with this layer.
    pub fn finish(mut self) -> Result<Vec<Entry>, PlanError> {
        self.add_parents()?;
        let nodes = self
            .entries
            .sorted()
            .map(|Pending { entry, .. }| (entry.path.clone(), Node::of_entry(entry)));
        self.view.apply_layer(nodes.collect());
        if !self.removed.is_empty() {
            self.add_whiteouts()?;
            self.add_parents()?;
        }
        Ok(self.entries.into_entries())
    }

    fn add_parents(&mut self) -> Result<(), PlanError> {
        let mut parents = BTreeSet::new();
        // The parent directory of the previous entry. It is among the entries and was handled already.
        let mut last: Option<&[u8]> = None;
        for pending in self.entries.sorted() {
            let directory = pending.entry.path.parent_bytes();
            if last.replace(directory) == Some(directory) {
                continue;
            }
            for parent in ancestors(&pending.entry.path) {
                match self.entries.find(&parent) {
                    // Its own parents are handled when it is the current entry.
                    Some(found) if found.entry.kind == EntryKind::Directory => break,
                    Some(found) => return Err(self.parent_not_directory(pending, found)),
                    None if !parents.insert(parent) => break,
                    None => {}
                }
            }
        }
        let made = parents.into_iter().map(|path| {
            let node = existing_directory(self.view, &path).unwrap_or_else(Node::plain_directory);
            Pending {
                entry: new_entry(path, EntryKind::Directory, attributes_of(&node)),
                origin: None,
            }
        });
        self.entries.insert_all(made.collect());
        Ok(())
    }

    fn parent_not_directory(&self, pending: &Pending, parent: &Pending) -> PlanError {
        let origin_of = |pending: &Pending| match &pending.origin {
            Some(origin) => origin.text(&pending.entry.kind),
            None => pending.entry.path.to_string(),
        };
        PlanError::ParentNotDirectory {
            layer: self.name.to_owned(),
            path: pending.entry.path.clone(),
            origin: origin_of(pending),
            parent_origin: origin_of(parent),
        }
    }

    /// Adds the whiteouts of removed paths. If the layer writes such a path itself, a directory gets an opaque
    /// whiteout, and anything else needs none. A whiteout next to its own path was observed to hide that path, or to
    /// bring the old contents back.
    fn add_whiteouts(&mut self) -> Result<(), PlanError> {
        for path in std::mem::take(&mut self.removed) {
            let whiteout = match self.entries.find(&path).map(|pending| &pending.entry.kind) {
                Some(EntryKind::Directory) => path.join(OPAQUE_WHITEOUT),
                Some(_) => continue,
                None => {
                    let name = [WHITEOUT_PREFIX, path.file_name()].concat();
                    path.parent().unwrap_or_default().join(&name)
                }
            };
            let origin = format!("the whiteout of {path}");
            let at = whiteout.map_err(|cause| self.bad_path(&origin, cause))?;
            let kind = EntryKind::File {
                size_bytes: 0,
                content: Content::Bytes(Arc::default()),
            };
            let entry = new_entry(at, kind, Attributes::default());
            self.entries.insert(Pending {
                entry,
                origin: Some(origin.into()),
            });
        }
        Ok(())
    }
}

/// Returns the path of the last component of `path` in `directory`.
fn child(directory: &EntryPath, path: &EntryPath) -> Result<EntryPath, EntryPathError> {
    if directory.as_bytes() == path.parent_bytes() {
        Ok(path.clone())
    } else {
        directory.join(path.file_name())
    }
}

/// Returns the parent directories of a path, from the nearest up, without the root.
pub(super) fn ancestors(path: &EntryPath) -> impl Iterator<Item = EntryPath> {
    std::iter::successors(path.parent(), EntryPath::parent).filter(|parent| !parent.is_root())
}

fn existing_directory(view: &View, path: &EntryPath) -> Option<Node> {
    match view.node(path) {
        Some(node) => node.is_directory().then(|| node.clone()),
        None => view.has_below(path).then(Node::plain_directory),
    }
}
