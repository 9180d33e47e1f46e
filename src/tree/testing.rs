//! Creates layers in memory, for the tests of this module.

use std::collections::BTreeMap;
use std::io::Write as _;

use serde_json::json;
use tar::{Builder, EntryType, Header};

use super::{Node, NodeKind, Tree, TreeBuilder};
use crate::compress::{Algorithm, Compression, Encoder};
use crate::model::{Descriptor, DiffId, Document, EntryPath, Image, ImageConfig, ImageManifest, MediaType};
use crate::store::MemoryStore;

pub(super) fn path(text: &str) -> EntryPath {
    EntryPath::new(text.as_bytes()).unwrap()
}

/// A tar stream for writing.
pub(super) struct LayerTar {
    builder: Builder<Vec<u8>>,
}

impl LayerTar {
    pub(super) fn new() -> Self {
        Self {
            builder: Builder::new(Vec::new()),
        }
    }

    /// Adds an entry with exactly these fields; the name is not cleaned.
    pub(super) fn raw(mut self, kind: EntryType, name: &[u8], mode: u32, link: &[u8], data: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(1000);
        header.set_gid(100);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.builder.append(&header, data).unwrap();
        self
    }

    pub(super) fn directory(self, name: &str, mode: u32) -> Self {
        self.raw(EntryType::Directory, name.as_bytes(), mode, b"", b"")
    }

    pub(super) fn file(self, name: &str, data: &[u8]) -> Self {
        self.raw(EntryType::Regular, name.as_bytes(), 0o644, b"", data)
    }

    pub(super) fn program(self, name: &str, data: &[u8]) -> Self {
        self.raw(EntryType::Regular, name.as_bytes(), 0o755, b"", data)
    }

    pub(super) fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(EntryType::Symlink, name.as_bytes(), 0o777, target.as_bytes(), b"")
    }

    pub(super) fn hard_link(self, name: &str, target: &str) -> Self {
        self.raw(EntryType::Link, name.as_bytes(), 0o644, target.as_bytes(), b"")
    }

    /// Adds records for the following entry.
    pub(super) fn pax(mut self, records: &[(&str, &[u8])]) -> Self {
        self.builder.append_pax_extensions(records.iter().copied()).unwrap();
        self
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.builder.into_inner().unwrap()
    }
}

/// Returns the tree of these layers, lowest first.
pub(super) fn tree_of(layers: &[Vec<u8>]) -> Result<Tree, super::LayerError> {
    let mut builder = TreeBuilder::new();
    for (index, layer) in layers.iter().enumerate() {
        builder.apply_layer(&layer[..], index as u32, &mut |_, _, _| Ok(()))?;
    }
    Ok(builder.finish())
}

/// Returns a line for each node: mode, path, and kind.
pub(super) fn listing(tree: &Tree) -> Vec<String> {
    let line = |(path, node): (&EntryPath, &Node)| {
        let kind = match &node.kind {
            NodeKind::Directory => "/".to_owned(),
            NodeKind::Special => " special".to_owned(),
            NodeKind::Symlink { target } => format!(" -> {}", target.escape_ascii()),
            NodeKind::File {
                size_bytes,
                layer,
                stored_at: None,
            } => format!(" {size_bytes} in {layer}"),
            NodeKind::File {
                size_bytes,
                layer,
                stored_at: Some(at),
            } => format!(" {size_bytes} in {layer} at {at}"),
        };
        format!("{:o} {path}{kind}", node.mode)
    };
    tree.nodes().map(line).collect()
}

/// An image in memory, and the blobs of its layers.
pub(super) struct TestImage {
    pub(super) store: MemoryStore,
    layers: Vec<Descriptor>,
    diff_ids: Vec<DiffId>,
}

impl TestImage {
    pub(super) fn new() -> Self {
        Self {
            store: MemoryStore::new("memory"),
            layers: Vec::new(),
            diff_ids: Vec::new(),
        }
    }

    /// Adds a layer that is stored compressed.
    pub(super) fn with(self, tar: &[u8], algorithm: Algorithm) -> Self {
        let stored = compressed(tar, algorithm);
        let media_type = media_type(algorithm);
        self.with_stored(&stored, media_type, DiffId::of(tar))
    }

    /// Adds a layer that is stored as these bytes.
    pub(super) fn with_stored(mut self, stored: &[u8], media_type: MediaType, diff_id: DiffId) -> Self {
        let descriptor = Descriptor::of(media_type, stored);
        self.store = self.store.with_blob(&descriptor, stored.to_vec());
        self.layers.push(descriptor);
        self.diff_ids.push(diff_id);
        self
    }

    /// Adds a layer that is missing in the store.
    pub(super) fn with_lacking(mut self, media_type: MediaType) -> Self {
        self.layers.push(Descriptor::of(media_type, b"lacking"));
        self.diff_ids.push(DiffId::of(b"lacking"));
        self
    }

    /// Returns the store, and the image in it.
    pub(super) fn finish(self) -> (MemoryStore, Image) {
        let fields = json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": self.diff_ids}
        });
        let config = ImageConfig::from_fields(fields.as_object().unwrap().clone()).unwrap();
        let config = Document::write(MediaType::OciConfig, config).unwrap();
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: Some(MediaType::OciManifest),
            config: config.descriptor().clone(),
            layers: self.layers,
            annotations: BTreeMap::new(),
            subject: None,
            other: BTreeMap::new(),
        };
        let manifest = Document::write(MediaType::OciManifest, manifest).unwrap();
        (self.store, Image::new(manifest, config).unwrap())
    }
}

pub(super) fn compressed(tar: &[u8], algorithm: Algorithm) -> Vec<u8> {
    let mut encoder = Encoder::new(Compression::new(algorithm, None).unwrap(), Vec::new()).unwrap();
    encoder.write_all(tar).unwrap();
    encoder.finish().unwrap()
}

fn media_type(algorithm: Algorithm) -> MediaType {
    match algorithm {
        Algorithm::Gzip => MediaType::OciLayerGzip,
        Algorithm::Zstd => MediaType::OciLayerZstd,
        Algorithm::None => MediaType::OciLayer,
    }
}
