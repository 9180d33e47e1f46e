//! Encodes facts to columns.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::columns::{Column, DictionaryWriter, PATHS, TARGETS, TEXTS, Writer, put_number, put_text};
use crate::elf::{ElfClass, ElfFacts, ElfType, Endianness};
use crate::model::{EntryPath, Hasher};
use crate::tree::facts::{FACTS_VERSION, Facts};
use crate::tree::file_tree::Tree;
use crate::tree::node::{Node, NodeKind};
use crate::tree::packages::{Package, PackageSystem};

/// The first line.
pub(super) const MAGIC: &[u8] = b"ocitect facts\n";

/// The kind of a node, in its attributes.
pub(super) const DIRECTORY: u64 = 0;
pub(super) const FILE: u64 = 1;
/// A file whose content is stored in its layer under another path.
pub(super) const FILE_ELSEWHERE: u64 = 2;
pub(super) const SYMLINK: u64 = 3;
pub(super) const SPECIAL: u64 = 4;

/// Package systems. A number is never reused for another one.
pub(super) const DPKG: u64 = 0;
pub(super) const APK: u64 = 1;
pub(super) const RPM: u64 = 2;

/// Writes facts to `target` without flushing it.
pub(super) fn encode_to(facts: &Facts, target: &mut impl Write) -> io::Result<()> {
    let mut encoder = Encoder::default();
    encoder.tree(&facts.tree);
    encoder.option(facts.passwd.as_deref());
    encoder.option(facts.group.as_deref());
    encoder.map(&facts.tree, &facts.loader_configs, |encoder, bytes| {
        encoder.writer.text(TEXTS, bytes)
    });
    encoder.map(&facts.tree, &facts.shebangs, |encoder, line| encoder.name(line));
    encoder.map(&facts.tree, &facts.elf, Encoder::elf);
    encoder.list(&facts.packages, Encoder::package);
    let mut head = MAGIC.to_vec();
    put_number(&mut head, FACTS_VERSION.into());
    let mut summed = Summed {
        target,
        hasher: Hasher::new(),
    };
    summed.write_all(&head)?;
    encoder.writer.write_to(&mut summed, || {
        facts.tree.nodes().filter_map(|(_, node)| target_of(node))
    })?;
    let sum = summed.hasher.digest().hex();
    target.write_all(sum.as_bytes())
}

/// Returns the text in the column of targets for a node.
fn target_of(node: &Node) -> Option<&[u8]> {
    match &node.kind {
        NodeKind::File { stored_at, .. } => stored_at.as_ref().map(|path| path.as_bytes()),
        NodeKind::Symlink { target } => Some(target),
        NodeKind::Directory | NodeKind::Special => None,
    }
}

/// A target that computes the checksum of its input.
struct Summed<'a, W> {
    target: &'a mut W,
    hasher: Hasher,
}

impl<W: Write> Write for Summed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.target.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}

#[derive(Default)]
struct Encoder {
    writer: Writer,
    names: DictionaryWriter,
}

impl Encoder {
    fn count(&mut self, count: usize) {
        self.writer.number(Column::Counts, count as u64);
    }

    fn option(&mut self, bytes: Option<&[u8]>) {
        self.count(bytes.is_some().into());
        if let Some(bytes) = bytes {
            self.writer.text(TEXTS, bytes);
        }
    }

    fn list<T>(&mut self, list: &[T], each: impl Fn(&mut Self, &T)) {
        self.count(list.len());
        list.iter().for_each(|item| each(self, item));
    }

    fn name(&mut self, name: &[u8]) {
        self.names.write(&mut self.writer, Column::Names, name);
    }

    fn tree(&mut self, tree: &Tree) {
        self.count(tree.len());
        let mut attributes = DictionaryWriter::default();
        let mut before: &[u8] = b"";
        for (path, node) in tree.nodes() {
            let path = path.as_bytes();
            let shared = before
                .iter()
                .zip(path)
                .take_while(|(left, right)| left == right)
                .count();
            self.writer.number(Column::Shared, shared as u64);
            self.writer.text(PATHS, &path[shared..]);
            before = path;
            attributes.write(&mut self.writer, Column::Nodes, &attributes_of(node));
            if let NodeKind::File { size_bytes, .. } = &node.kind {
                self.writer.number(Column::Sizes, *size_bytes);
            }
            if let Some(target) = target_of(node) {
                self.writer.length(TARGETS, target);
            }
        }
    }

    /// Writes a map whose keys are mostly paths of the tree. Such a path is written as its distance, in nodes, from the
    /// previous one; a path that is not in the tree is written out after a 0.
    fn map<T>(&mut self, tree: &Tree, map: &BTreeMap<EntryPath, T>, each: impl Fn(&mut Self, &T)) {
        self.count(map.len());
        let mut nodes = tree.nodes().map(|(path, _)| path).peekable();
        let mut passed = 0;
        for (path, item) in map {
            while nodes.next_if(|node| *node < path).is_some() {
                passed += 1;
            }
            if nodes.next_if_eq(&path).is_some() {
                self.writer.number(Column::References, passed + 1);
                passed = 0;
            } else {
                self.writer.number(Column::References, 0);
                self.writer.text(TEXTS, path.as_bytes());
            }
            each(self, item);
        }
    }

    fn elf(&mut self, facts: &ElfFacts) {
        self.name(&elf_header(facts));
        for name in [&facts.interpreter, &facts.soname, &facts.rpath, &facts.runpath] {
            self.count(name.is_some().into());
            if let Some(name) = name {
                self.name(name);
            }
        }
        self.list(&facts.needed, |encoder, name| encoder.name(name));
        self.list(&facts.version_needs, |encoder, need| {
            encoder.name(&need.library);
            encoder.list(&need.versions, |encoder, version| encoder.name(version));
        });
        self.list(&facts.version_definitions, |encoder, version| encoder.name(version));
    }

    fn package(&mut self, package: &Package) {
        let system = match package.system {
            PackageSystem::Dpkg => DPKG,
            PackageSystem::Apk => APK,
            PackageSystem::Rpm => RPM,
        };
        self.writer.number(Column::Counts, system);
        self.writer.text(TEXTS, package.name.as_bytes());
        self.writer.text(TEXTS, package.version.as_bytes());
    }
}

/// Returns the attributes that many nodes share: kind, layer, mode, owner, extended attributes.
fn attributes_of(node: &Node) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (kind, layer) = match &node.kind {
        NodeKind::Directory => (DIRECTORY, None),
        NodeKind::File {
            layer, stored_at: None, ..
        } => (FILE, Some(*layer)),
        NodeKind::File {
            layer,
            stored_at: Some(_),
            ..
        } => (FILE_ELSEWHERE, Some(*layer)),
        NodeKind::Symlink { .. } => (SYMLINK, None),
        NodeKind::Special => (SPECIAL, None),
    };
    put_number(&mut bytes, kind);
    layer.into_iter().for_each(|layer| put_number(&mut bytes, layer.into()));
    for number in [node.mode.into(), node.uid, node.gid] {
        put_number(&mut bytes, number);
    }
    for (name, value) in node.xattrs.iter().flat_map(|xattrs| xattrs.iter()) {
        put_text(&mut bytes, name);
        put_text(&mut bytes, value);
    }
    bytes
}

/// Returns the values that all files for one processor share.
fn elf_header(facts: &ElfFacts) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [
        (facts.class == ElfClass::Elf64).into(),
        (facts.endianness == Endianness::Big).into(),
        (facts.elf_type == ElfType::Dynamic).into(),
        facts.is_dynamic.into(),
        facts.machine.into(),
        facts.flags.into(),
        facts.os_abi.into(),
    ] {
        put_number(&mut bytes, number);
    }
    bytes
}
