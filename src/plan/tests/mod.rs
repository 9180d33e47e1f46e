//! Tests of plans on a small base, and helpers that write entries as lines of text.

mod config;
mod documents;
mod filesystem;
mod layers;
mod removals;
mod reuse;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{BaseImage, BuildPlan, PlanError, PlanInput, plan};
use crate::model::{
    Compression, Content, Descriptor, Diagnostic, Digest, DiskFile, Document, Entry, EntryKind, EntryPath, Family,
    FileStamp, Image, ListedItem, ListedRoot, Listing, MediaType, Platform,
};
use crate::spec::{
    Base, CheckSpec, ConfigSpec, FilesEntry, From, IgnoreFile, LayerSpec, LinkEntry, NameOrId, Owner, Ownership, Place,
    PlatformSpec, Remove,
};
use crate::tree::{Node, NodeKind, Tree};

/// A Debian-like base: merged /usr, a sticky /tmp, a home directory with its own user, valid and broken links.
const BASE: &str = "\
d0755 0:0 /bad
l0777 0:0 /bad/a -> b
l0777 0:0 /bad/b -> a
l0777 0:0 /bin -> usr/bin
d0755 0:0 /etc
f0640 0:42 /etc/group
f0600 7:7 /etc/passwd
d0755 0:0 /home
d0750 1000:1000 /home/node
l0777 0:0 /lib -> usr/lib
d1777 0:0 /tmp
d0755 0:0 /usr
d0755 0:0 /usr/bin
f0755 0:0 /usr/bin/env
d0755 0:0 /usr/lib
d0755 0:0 /usr/share
d0755 0:0 /usr/share/doc
f0644 0:0 /usr/share/doc/readme
d0755 0:0 /usr/share/man";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/bash";
const GROUP: &str = "root:x:0:\nnode:x:1000:\nstaff:x:50:node\n";

fn path(text: &str) -> EntryPath {
    EntryPath::new(text.as_bytes()).unwrap()
}

fn place(line: usize) -> Place {
    Place {
        file: "ocitect.toml".into(),
        line,
        column: 1,
    }
}

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// Parses a tree from lines such as `d1777 0:0 /tmp` and `l0777 0:0 /bin -> usr/bin`.
fn tree(lines: &str) -> Tree {
    let mut tree = Tree::default();
    for line in lines.lines() {
        let (attributes, rest) = line.split_once(' ').unwrap();
        let (owner, rest) = rest.split_once(' ').unwrap();
        let (uid, gid) = owner.split_once(':').unwrap();
        let (name, target) = rest.split_once(" -> ").unwrap_or((rest, ""));
        let kind = match &attributes[..1] {
            "d" => NodeKind::Directory,
            "f" => NodeKind::File {
                size_bytes: 1,
                layer: 0,
                stored_at: None,
            },
            _ => NodeKind::Symlink {
                target: target.as_bytes().into(),
            },
        };
        let mode = u32::from_str_radix(&attributes[1..], 8).unwrap();
        let node = Node {
            kind,
            mode,
            uid: uid.parse().unwrap(),
            gid: gid.parse().unwrap(),
            xattrs: None,
        };
        tree.insert(path(name), node);
    }
    tree
}

/// Returns entries in the form that [`tree`] parses.
fn lines(entries: &[Entry]) -> Vec<String> {
    let line = |entry: &Entry| {
        let (letter, target) = match &entry.kind {
            EntryKind::Directory => ('d', String::new()),
            EntryKind::File { .. } => ('f', String::new()),
            EntryKind::Symlink { target } => ('l', format!(" -> {}", String::from_utf8_lossy(target))),
        };
        format!(
            "{letter}{:04o} {}:{} {}{target}",
            entry.mode, entry.uid, entry.gid, entry.path
        )
    };
    entries.iter().map(line).collect()
}

/// Returns the base image of [`BASE`], with one layer and the fields of a config.
fn base_with(media_type: MediaType, config: Value) -> BaseImage {
    let mut fields = json!({
        "architecture": "amd64",
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [digest("base tar")] },
    });
    fields
        .as_object_mut()
        .unwrap()
        .extend(config.as_object().unwrap().clone());
    let config = Document::parse(MediaType::DockerConfig, serde_json::to_vec(&fields).unwrap()).unwrap();
    let layer = Descriptor::new(media_type, digest("base layer"), 1000);
    let manifest = json!({ "schemaVersion": 2, "config": config.descriptor(), "layers": [layer] });
    let manifest = Document::parse(MediaType::DockerManifest, serde_json::to_vec(&manifest).unwrap()).unwrap();
    BaseImage {
        image: Image::new(manifest, config).unwrap(),
        name: Some("docker.io/library/node:22".to_owned()),
        index: Some(digest("base index")),
        tree: Arc::new(tree(BASE)),
        passwd: Bytes::from_static(PASSWD.as_bytes()),
        group: Bytes::from_static(GROUP.as_bytes()),
    }
}

fn base() -> BaseImage {
    base_with(MediaType::DockerLayerGzip, json!({}))
}

/// Returns an input without layers.
fn input(base: Option<BaseImage>) -> PlanInput {
    let platform_spec = PlatformSpec {
        platform: Platform::new("linux", "amd64"),
        base: Base::Scratch,
        base_text: "scratch".to_owned(),
        max_size_bytes: None,
        annotations: BTreeMap::new(),
        mtime_s: 1,
        ignore_file: IgnoreFile {
            path: ".ocitectignore".into(),
            required: false,
        },
        users: Vec::new(),
        groups: Vec::new(),
        dirs: Vec::new(),
        compression: Compression::Gzip(6),
        layers: Vec::new(),
        check: CheckSpec::default(),
    };
    PlanInput {
        platform_spec,
        config: ConfigSpec::default(),
        base: base.map(Arc::new),
        listings: Vec::new(),
        family: Family::Oci,
        created_s: 0,
    }
}

/// A layer of the spec with its listings.
struct TestLayer {
    spec: LayerSpec,
    listings: Vec<Listing>,
}

/// Parses `name`, `name:group`, or numbers.
fn owner(text: &str) -> Owner {
    let parse = |text: &str| match text.parse() {
        Ok(id) => NameOrId::Id(id),
        Err(_) => NameOrId::Name(text.to_owned()),
    };
    let (user, group) = text
        .split_once(':')
        .map_or((text, None), |(user, group)| (user, Some(group)));
    Owner {
        user: parse(user),
        group: group.map(parse),
    }
}

fn owned_by(text: &str) -> Ownership {
    Ownership {
        owner: Some(owner(text)),
        ..Ownership::default()
    }
}

fn layer(name: &str) -> TestLayer {
    let spec = LayerSpec {
        name: name.to_owned(),
        files: Vec::new(),
        links: Vec::new(),
        remove: Vec::new(),
        ownership: Ownership::default(),
        compression: Compression::Gzip(6),
        annotations: BTreeMap::new(),
        place: place(1),
    };
    TestLayer {
        spec,
        listings: Vec::new(),
    }
}

impl TestLayer {
    /// Adds a `files` entry. Items are written as in [`item`].
    fn files(mut self, from: &str, to: &str, root: ListedRoot, items: &[&str], ownership: Ownership) -> Self {
        let source = From::Disk {
            directory: ".".into(),
            pattern: from.to_owned(),
        };
        let place = place(self.spec.files.len() + 1);
        self.spec.files.push(FilesEntry {
            ownership,
            ..FilesEntry::new(source, from.to_owned(), to.to_owned(), place)
        });
        let items = items.iter().map(|text| item(from, text)).collect();
        self.listings.push(Listing { root, items });
        self
    }

    fn directory(self, from: &str, to: &str, items: &[&str]) -> Self {
        self.files(from, to, ListedRoot::Directory, items, Ownership::default())
    }

    fn file(self, from: &str, to: &str) -> Self {
        let name = from.rsplit('/').next().unwrap().as_bytes().to_vec();
        self.files(from, to, ListedRoot::File { name }, &["f "], Ownership::default())
    }

    fn link(mut self, at: &str, target: &str) -> Self {
        let path = at.to_owned();
        let target = target.to_owned();
        self.spec.links.push(LinkEntry {
            path,
            target,
            owner: None,
            place: place(50),
        });
        self
    }

    fn remove(mut self, paths: &[&str]) -> Self {
        self.spec.remove.extend(paths.iter().map(|path| Remove {
            path: (*path).to_owned(),
            place: place(60),
        }));
        self
    }

    fn ownership(mut self, ownership: Ownership) -> Self {
        self.spec.ownership = ownership;
        self
    }
}

/// Parses `d a` for a directory, `f a` for a file, `x a` for an executable one, `l a -> b` for a link; `f:4750 a` has a
/// mode to keep.
fn item(from: &str, text: &str) -> ListedItem {
    let (kind, rest) = text.split_once(' ').unwrap();
    let (letter, kept_mode) = kind
        .split_once(':')
        .map_or((kind, None), |(letter, mode)| (letter, Some(mode)));
    let (name, target) = rest.split_once(" -> ").unwrap_or((rest, ""));
    let origin = format!("{from}{name}");
    let kind = match letter {
        "d" => EntryKind::Directory,
        "l" => EntryKind::Symlink {
            target: target.as_bytes().to_vec(),
        },
        _ => EntryKind::File {
            size_bytes: 3,
            content: disk(&origin),
        },
    };
    let kept_mode = kept_mode.map(|mode| u32::from_str_radix(mode, 8).unwrap());
    ListedItem {
        path: path(name),
        kind,
        kept_mode,
        executable: letter == "x",
        xattrs: BTreeMap::new(),
        origin: Some(origin),
    }
}

fn disk(origin: &str) -> Content {
    let stamp = FileStamp {
        identity: (1, 1),
        size_bytes: 3,
        modified: (0, 0),
        changed: (0, 0),
        mode: 0o644,
    };
    Content::Disk(DiskFile {
        path: origin.into(),
        stamp,
    })
}

fn with_layers(mut input: PlanInput, layers: Vec<TestLayer>) -> PlanInput {
    for layer in layers {
        input.platform_spec.layers.push(layer.spec);
        input.listings.push(layer.listings);
    }
    input
}

fn planned(layers: Vec<TestLayer>) -> BuildPlan {
    plan(with_layers(input(Some(base())), layers)).unwrap()
}

fn failure(layers: Vec<TestLayer>) -> PlanError {
    let error = plan(with_layers(input(Some(base())), layers)).unwrap_err();
    assert_eq!(error.error_kind(), crate::model::ErrorKind::Input);
    error
}

/// Returns the entries of the last layer.
fn last(plan: &BuildPlan) -> Vec<String> {
    lines(&plan.layers.last().unwrap().entries)
}
