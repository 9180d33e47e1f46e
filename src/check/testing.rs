//! Small images for the tests of rules.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Code;
use super::Finding;
use super::evidence::Evidence;
use super::execution::Execution;
use super::jar::JarFacts;
use super::python_source::{Source, read_source};
use super::rules;
use super::subject::Subject;
use crate::elf::{ElfClass, ElfFacts, ElfType, Endianness};
use crate::model::{Compression, Content, Entry, EntryKind, EntryPath, Family, LayerPlan, Platform};
use crate::tree::{Facts, Node, NodeKind, Tree};

/// Returns a path of an image.
pub fn path(text: &str) -> EntryPath {
    EntryPath::new(text.as_bytes()).unwrap()
}

/// Returns an ELF file of x86-64 that needs nothing: a shared library, or a program if it has an interpreter.
pub fn elf(interpreter: Option<&str>, needed: &[&str]) -> ElfFacts {
    ElfFacts {
        class: ElfClass::Elf64,
        endianness: Endianness::Little,
        machine: 62,
        flags: 0,
        os_abi: 0,
        elf_type: ElfType::Dynamic,
        interpreter: interpreter.map(|text| text.as_bytes().to_vec()),
        is_dynamic: true,
        needed: needed.iter().map(|name| name.as_bytes().to_vec()).collect(),
        soname: None,
        rpath: None,
        runpath: None,
        version_needs: Vec::new(),
        version_definitions: Vec::new(),
    }
}

/// An entry of a layer or of the base image.
pub enum Thing {
    Directory,
    Link(&'static str),
    Elf(ElfFacts),
    /// Content, read whole by the check.
    Text(String),
    /// The part of a file that the check reads, if it is not text.
    Bytes(Vec<u8>),
    /// A Java archive of your layers; `None` for a file that is not one.
    Jar(Option<JarFacts>),
    /// A file of this size that the check does not open.
    Unread(u64),
}

/// An image that is being put together: first the base, then one layer named `app`.
pub struct Image {
    platform: Platform,
    config: Value,
    family: Family,
    base: Facts,
    tree: Tree,
    entries: BTreeMap<EntryPath, (Entry, Evidence)>,
}

impl Image {
    /// Creates an empty image for a platform such as `linux/amd64`.
    pub fn new(platform: &str) -> Self {
        let platform = platform.parse().unwrap();
        let base = Facts::empty();
        let tree = Tree::default();
        let entries = BTreeMap::new();
        Self {
            platform,
            config: json!({}),
            family: Family::Oci,
            base,
            tree,
            entries,
        }
    }

    /// Sets the table `config`.
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Sets the family of the manifest.
    pub fn family(mut self, family: Family) -> Self {
        self.family = family;
        self
    }

    /// Adds something to the base, owned by root, with the directories above it.
    pub fn base(mut self, at: &str, mode: u32, thing: Thing) -> Self {
        let at = path(at);
        let mut parent = at.parent();
        while let Some(directory) = parent.filter(|directory| !directory.is_root()) {
            if self.tree.node(&directory).is_none() {
                self.tree.insert(directory.clone(), Node::plain_directory());
            }
            parent = directory.parent();
        }
        let file = |size_bytes| NodeKind::File {
            size_bytes,
            layer: 0,
            stored_at: None,
        };
        let kind = match thing {
            Thing::Directory => NodeKind::Directory,
            Thing::Link(target) => NodeKind::Symlink {
                target: target.as_bytes().into(),
            },
            Thing::Unread(size_bytes) => file(size_bytes),
            Thing::Jar(_) => file(1000),
            Thing::Bytes(bytes) => file(bytes.len() as u64),
            Thing::Elf(facts) => {
                self.base.elf.insert(at.clone(), facts);
                file(1000)
            }
            Thing::Text(text) => {
                let bytes = text.into_bytes();
                let size_bytes = bytes.len() as u64;
                match at.as_bytes() {
                    b"etc/passwd" => self.base.passwd = Some(bytes),
                    b"etc/group" => self.base.group = Some(bytes),
                    name if name.starts_with(b"etc/ld") => {
                        self.base.loader_configs.insert(at.clone(), bytes);
                    }
                    _ if bytes.starts_with(b"#!") => {
                        let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
                        self.base.shebangs.insert(at.clone(), line.to_vec());
                    }
                    _ => {}
                }
                file(size_bytes)
            }
        };
        self.tree.insert(
            at,
            Node {
                kind,
                mode,
                ..Node::plain_directory()
            },
        );
        self
    }

    /// Adds something to the layer, owned by root.
    pub fn own(self, at: &str, mode: u32, thing: Thing) -> Self {
        self.owned(at, mode, 0, thing)
    }

    /// Adds something to the layer, with an owner and a group of the same number.
    pub fn owned(mut self, at: &str, mode: u32, id: u64, thing: Thing) -> Self {
        let at = path(at);
        let file = |size_bytes| EntryKind::File {
            size_bytes,
            content: Content::Bytes(Arc::from([])),
        };
        let (kind, evidence) = match thing {
            Thing::Directory => (EntryKind::Directory, Evidence::NotRead),
            Thing::Link(target) => (
                EntryKind::Symlink {
                    target: target.as_bytes().to_vec(),
                },
                Evidence::NotRead,
            ),
            Thing::Unread(size_bytes) => (file(size_bytes), Evidence::NotRead),
            Thing::Elf(facts) => (file(1000), Evidence::Elf(Box::new(facts))),
            Thing::Jar(facts) => (
                file(1000),
                facts.map_or(Evidence::DamagedJar, |facts| Evidence::Jar(Box::new(facts))),
            ),
            Thing::Text(text) => (file(text.len() as u64), Evidence::Whole(text.into_bytes().into())),
            Thing::Bytes(bytes) => (file(bytes.len() as u64), Evidence::Head(bytes.into())),
        };
        let entry = Entry {
            path: at.clone(),
            kind,
            mode,
            uid: id,
            gid: id,
            xattrs: BTreeMap::new(),
        };
        self.entries.insert(at, (entry, evidence));
        self
    }

    /// Returns the image as a subject.
    pub fn subject(self) -> Subject {
        let Self {
            platform,
            config,
            family,
            mut base,
            tree,
            mut entries,
        } = self;
        base.tree = Arc::new(tree);
        let layer = LayerPlan {
            name: "app".to_owned(),
            entries: entries.values().map(|(entry, _)| entry.clone()).collect(),
            mtime_s: 1,
            compression: Compression::None,
            annotations: BTreeMap::new(),
        };
        let execution = Execution::new(config.as_object().unwrap());
        let on_disk = Arc::new(|_: &std::path::Path| false);
        let sources: Vec<(EntryPath, Source)> = entries
            .iter()
            .filter_map(|(path, (_, evidence))| match evidence {
                Evidence::Whole(bytes) if path.file_name().ends_with(b".py") || bytes.starts_with(b"#!") => {
                    Some((path.clone(), read_source(bytes)))
                }
                _ => None,
            })
            .collect();
        let mut subject = Subject::new(platform, execution, family, Arc::new(base), BTreeMap::new(), on_disk)
            .with_layer(&layer, |path| entries.remove(path).unwrap().1);
        for (path, source) in sources {
            subject.see(&path, Evidence::Source(Box::new(source)));
        }
        subject
    }

    /// Returns all findings of all rules.
    pub fn findings(self) -> Vec<Finding> {
        rules::check(&self.subject())
    }

    /// Returns the findings of one code.
    pub fn found(self, code: Code) -> Vec<Finding> {
        self.findings()
            .into_iter()
            .filter(|finding| finding.code == code)
            .collect()
    }

    /// Returns the findings of one rule.
    pub fn found_by(self, rule: fn(&Subject, &mut Vec<Finding>)) -> Vec<Finding> {
        let mut findings = Vec::new();
        rule(&self.subject(), &mut findings);
        findings.sort();
        findings
    }
}

/// Returns a shared library with its own name.
pub fn shared_library(soname: &str, needed: &[&str]) -> ElfFacts {
    ElfFacts {
        soname: Some(soname.as_bytes().to_vec()),
        ..elf(None, needed)
    }
}

/// Returns glibc's loader and two libraries, as Debian for x86-64 has them: `/lib` is a link, and so is the loader's
/// usual path.
pub fn debian() -> Image {
    let tuple = "usr/lib/x86_64-linux-gnu";
    Image::new("linux/amd64")
        .base("lib", 0o777, Thing::Link("usr/lib"))
        .base("lib64", 0o777, Thing::Link("usr/lib64"))
        .base(
            "usr/lib64/ld-linux-x86-64.so.2",
            0o777,
            Thing::Link("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
        )
        .base(
            &format!("{tuple}/ld-linux-x86-64.so.2"),
            0o755,
            Thing::Elf(shared_library("ld-linux-x86-64.so.2", &[])),
        )
        .base(
            &format!("{tuple}/libc.so.6"),
            0o755,
            Thing::Elf(shared_library("libc.so.6", &["ld-linux-x86-64.so.2"])),
        )
        .base(&format!("{tuple}/libz.so.1"), 0o777, Thing::Link("libz.so.1.2"))
        .base(
            &format!("{tuple}/libz.so.1.2"),
            0o644,
            Thing::Elf(shared_library("libz.so.1", &["libc.so.6"])),
        )
}

/// Returns musl's loader, which is its C library.
pub fn alpine() -> Image {
    Image::new("linux/amd64")
        .base(
            "lib/ld-musl-x86_64.so.1",
            0o755,
            Thing::Elf(shared_library("libc.musl-x86_64.so.1", &[])),
        )
        .base("lib/libc.musl-x86_64.so.1", 0o777, Thing::Link("ld-musl-x86_64.so.1"))
}
