//! The facts about an image whose upper layers are planned and not packed yet.
//!
//! They are those of the image below and what the planned files say. They equal the facts that are read from the layers
//! once these are packed, so that an image can be planned on one that does not exist yet.

use std::path::Path;
use std::sync::Arc;

use super::capture::{Capture, Place, Role, roles_of};
use super::error::TreeError;
use super::facts::{Facts, assemble, scratch_file};
use super::layers::TreeBuilder;
use super::planned::OpenContent;
use crate::model::LayerPlan;

/// Returns the facts about the image that has these layers above an image with `below_layers` layers and the facts
/// `below`. `open` returns the content of a planned file. Programs and libraries are read whole, of other files the
/// first bytes.
///
/// Returns `None` if the facts cannot be known without the layers below: a file of them is now at a path that gives it a
/// meaning, or a package database of them is no longer there.
///
/// `scratch_folder` is used as by [`super::read_facts`].
///
/// # Errors
/// Returns [`TreeError`] if a planned file cannot be read, or the image exceeds the limits of this module.
pub fn planned_facts(
    below: &Facts,
    below_layers: u32,
    layers: &[Arc<LayerPlan>],
    scratch_folder: &Path,
    open: &OpenContent<'_>,
) -> Result<Option<Facts>, TreeError> {
    let mut capture = known_of(below, scratch_folder)?;
    let mut builder = TreeBuilder::above(below.tree.as_ref().clone());
    for (number, layer) in (below_layers..).zip(layers) {
        let applied = builder.apply_planned(layer, number, open, &mut |path, node, content| {
            capture.visit(path, node, content)
        });
        applied.map_err(|cause| TreeError::Planned {
            layer: layer.name.clone(),
            cause,
        })?;
        capture.prune(builder.tree());
    }
    let tree = builder.finish();
    let databases =
        |places: Vec<(Role, Place)>| places.into_iter().filter(|(role, _)| matches!(role, Role::Packages(_)));
    let before: Vec<(Role, Place)> = databases(places_of(below)).collect();
    let mut after = Vec::new();
    for (_, role, size_bytes, place) in roles_of(&tree) {
        let is_known = capture.has(role, &place) || before.contains(&(role, place.clone()));
        if !is_known && size_bytes <= role.limit_bytes() {
            return Ok(None);
        }
        after.push((role, place));
    }
    if before.iter().any(|database| !after.contains(database)) {
        return Ok(None);
    }
    let mut facts = assemble(tree, &capture)?;
    facts.packages.extend(below.packages.iter().cloned());
    facts.packages.sort();
    facts.packages.dedup();
    Ok(Some(facts))
}

/// Returns the files of an image that have a role.
fn places_of(facts: &Facts) -> Vec<(Role, Place)> {
    roles_of(&facts.tree)
        .into_iter()
        .map(|(_, role, _, place)| (role, place))
        .collect()
}

/// Returns what is known of the files of an image, by the position of their content. Packages are not: facts do not say
/// which database each is from.
fn known_of(facts: &Facts, scratch_folder: &Path) -> Result<Capture, TreeError> {
    let mut capture = Capture::new(scratch_file(scratch_folder)?);
    for (path, role, _, place) in roles_of(&facts.tree) {
        let bytes = match path.as_bytes() {
            b"etc/passwd" => facts.passwd.as_ref(),
            b"etc/group" => facts.group.as_ref(),
            _ => facts.loader_configs.get(&path),
        };
        if let (Role::Whole, Some(bytes)) = (role, bytes) {
            capture.whole.insert(place, bytes.clone());
        }
    }
    for (path, node) in facts.tree.nodes() {
        let Some((layer, stored)) = node.content_at(path) else {
            continue;
        };
        let place = (layer, stored.clone());
        if let Some(line) = facts.shebangs.get(path) {
            capture.shebangs.insert(place, line.clone());
        } else if let Some(elf) = facts.elf.get(path) {
            capture.elf.insert(place, elf.clone());
        }
    }
    Ok(capture)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io;

    use super::*;
    use crate::compress::Algorithm;
    use crate::events::{Item, Observer, Silent, Task, Work};
    use crate::model::{Compression, Content, Entry, EntryKind};
    use crate::tree::read_facts;
    use crate::tree::testing::{LayerTar, TestImage, path};

    /// A layer that is planned, and as it is packed.
    struct Both {
        plan: LayerPlan,
        tar: LayerTar,
    }

    impl Both {
        fn new(name: &str) -> Self {
            let plan = LayerPlan {
                name: name.to_owned(),
                entries: Vec::new(),
                mtime_s: 1,
                compression: Compression::None,
                annotations: BTreeMap::new(),
            };
            Self {
                plan,
                tar: LayerTar::new(),
            }
        }

        fn entry(mut self, at: &str, kind: EntryKind, mode: u32) -> Self {
            self.plan.entries.push(Entry {
                path: path(at),
                kind,
                mode,
                uid: 1000,
                gid: 100,
                xattrs: BTreeMap::new(),
            });
            self
        }

        fn file(self, at: &str, mode: u32, bytes: &[u8]) -> Self {
            let content = Content::Bytes(bytes.into());
            let size_bytes = bytes.len() as u64;
            let Self { plan, tar } = self.entry(at, EntryKind::File { size_bytes, content }, mode);
            let tar = if mode == 0o755 {
                tar.program(at, bytes)
            } else {
                tar.file(at, bytes)
            };
            Self { plan, tar }
        }

        fn link(self, at: &str, target: &str) -> Self {
            let kind = EntryKind::Symlink { target: target.into() };
            let Self { plan, tar } = self.entry(at, kind, 0o777);
            let tar = tar.symlink(at, target);
            Self { plan, tar }
        }
    }

    fn open(_: &Entry, content: &Content) -> io::Result<Box<dyn io::Read + Send>> {
        match content {
            Content::Bytes(bytes) => Ok(Box::new(io::Cursor::new(bytes.to_vec()))),
            _ => Err(io::Error::other("only bytes")),
        }
    }

    fn base() -> Vec<u8> {
        LayerTar::new()
            .symlink("lib", "usr/lib")
            .file("etc/passwd", b"root:x:0:0::/:/bin/sh\n")
            .file("etc/group", b"root:x:0:\n")
            .file("etc/ld.so.conf", b"/usr/local/lib\n")
            .file("etc/other", b"web:x:1:1::/:/bin/sh\n")
            .file("var/lib/dpkg/status.d/a", b"Package: a\nVersion: 1\n\n")
            .program("usr/bin/run", b"#!/bin/sh\n")
            .program("usr/bin/walk", b"#!/bin/sh\n")
            .program("usr/lib/program", &std::fs::read("/proc/self/exe").unwrap())
            .finish()
    }

    /// Returns the facts of planned layers, and those of the same layers packed.
    async fn facts_of(layers: Vec<Both>) -> (Option<Facts>, Facts) {
        let silent: Arc<dyn Observer> = Arc::new(Silent);
        let task = Arc::new(Task::start(&silent, Work::new("reading", Item::default()), None));
        let scratch = tempfile::tempdir().unwrap();
        let image = TestImage::new().with(&base(), Algorithm::None);
        let (store, below) = TestImage::new().with(&base(), Algorithm::None).finish();
        let below = read_facts(&store, &below, scratch.path(), &task).await.unwrap();
        let (plans, tars): (Vec<_>, Vec<_>) = layers
            .into_iter()
            .map(|layer| (Arc::new(layer.plan), layer.tar.finish()))
            .unzip();
        let image = tars.iter().fold(image, |image, tar| image.with(tar, Algorithm::Gzip));
        let (store, image) = image.finish();
        let packed = read_facts(&store, &image, scratch.path(), &task).await.unwrap();
        let planned = planned_facts(&below, 1, &plans, scratch.path(), &open).unwrap();
        (planned, packed)
    }

    #[tokio::test]
    async fn facts_of_planned_layers_are_those_of_the_packed_ones() {
        let program = std::fs::read("/proc/self/exe").unwrap();
        let users = Both::new("users")
            .file("etc/.wh.other", 0o644, b"")
            .file("etc/passwd", 0o644, b"app:x:9:9::/:/bin/sh\n")
            .file("usr/bin/.wh.walk", 0o644, b"");
        let app = Both::new("app")
            .file("app/run", 0o755, b"#!/app/python -u\nx")
            .file("app/tool", 0o755, &program)
            .link("etc/ld-musl-x86_64.path", "ld.so.conf")
            .file("etc/ld.so.conf.d/own.conf", 0o644, b"/app/lib\n")
            .file("lib/program", 0o644, b"text")
            .file("var/lib/dpkg/status.d/b", 0o644, b"Package: b\nVersion: 2\n\n");
        let (planned, packed) = facts_of(vec![users, app]).await;
        assert_eq!(planned.as_ref(), Some(&packed));
        assert_eq!(packed.packages.len(), 2);
        assert!(
            packed.elf.contains_key(&path("app/tool")) && packed.elf.len() == 1,
            "{:?}",
            packed.elf.keys()
        );
        assert_eq!(packed.passwd.as_deref(), Some(&b"app:x:9:9::/:/bin/sh\n"[..]));
    }

    #[tokio::test]
    async fn what_only_the_layers_below_know_is_not_guessed() {
        let hidden = Both::new("hidden").file("var/lib/dpkg/status.d/.wh.a", 0o644, b"");
        let linked = Both::new("linked").link("etc/passwd", "other");
        for layer in [hidden, linked] {
            let name = layer.plan.name.clone();
            assert_eq!(facts_of(vec![layer]).await.0, None, "{name}");
        }
    }

    #[tokio::test]
    async fn an_unreadable_file_names_its_layer() {
        let scratch = tempfile::tempdir().unwrap();
        let mut layer = Both::new("app").file("app/run", 0o755, b"").plan;
        layer.entries[0].kind = EntryKind::File {
            size_bytes: 1,
            content: Content::Member {
                archive: Arc::default(),
                stamp: crate::model::FileStamp::of(&std::fs::metadata("/").unwrap()),
                index: 0,
            },
        };
        let error = planned_facts(&Facts::empty(), 0, &[Arc::new(layer)], scratch.path(), &open).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the files of the layer \"app\"");
    }
}
