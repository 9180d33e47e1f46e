//! A plan as JSON, for people and for scripts: paths escaped, every entry with kind, mode, owner, size and origin.

use serde_json::{Map, Value, json};

use super::types::{BaseImage, BuildPlan};
use crate::model::{Compression, Content, Digest, Entry, EntryKind, LayerPlan, WHITEOUT_PREFIX, escape};

impl BuildPlan {
    /// Returns the plan as JSON. Equal plans give equal texts.
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        set("platform", self.platform.to_string().into());
        set("base", self.base.as_deref().map(base).into());
        set("created", self.config.created.as_str().into());
        if let Some(size_bytes) = self.max_size_bytes {
            set("max_size_bytes", size_bytes.into());
        }
        set("annotations", json!(self.annotations));
        set("config", self.config.execution.clone().into());
        set("layers", self.layers.iter().map(|plan| layer(plan)).collect());
        set("warnings", self.warnings.clone().into());
        fields.into()
    }
}

fn base(base: &BaseImage) -> Value {
    let layers = base.image.layers().map(
        |(layer, _)| json!({ "digest": layer.digest, "media_type": layer.media_type, "size_bytes": layer.size_bytes }),
    );
    json!({
        "name": base.name,
        "index": base.index,
        "manifest": base.image.manifest().descriptor().digest,
        "layers": layers.collect::<Vec<_>>(),
    })
}

fn layer(layer: &LayerPlan) -> Value {
    json!({
        "name": layer.name,
        "compression": compression(layer.compression),
        "mtime": layer.mtime_s,
        "annotations": layer.annotations,
        "entries": layer.entries.iter().map(entry).collect::<Vec<_>>(),
    })
}

fn compression(compression: Compression) -> String {
    match compression {
        Compression::Gzip(level) => format!("gzip:{level}"),
        Compression::Zstd(level) => format!("zstd:{level}"),
        Compression::None => "none".to_owned(),
    }
}

fn entry(entry: &Entry) -> Value {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    let is_whiteout = entry.path.file_name().starts_with(WHITEOUT_PREFIX);
    set("path", entry.path.to_string().into());
    match &entry.kind {
        EntryKind::Directory => {
            set("kind", "directory".into());
        }
        EntryKind::File { .. } if is_whiteout => {
            set("kind", "whiteout".into());
        }
        EntryKind::File { size_bytes, content } => {
            set("kind", "file".into());
            set("size_bytes", (*size_bytes).into());
            set("from", origin(content).into());
        }
        EntryKind::Symlink { target } => {
            set("kind", "symlink".into());
            set("target", escape(target).into());
        }
    }
    set("mode", format!("{:04o}", entry.mode).into());
    set("owner", format!("{}:{}", entry.uid, entry.gid).into());
    if !entry.xattrs.is_empty() {
        set("xattrs", entry.xattrs.keys().map(|name| escape(name)).collect());
    }
    fields.into()
}

/// Returns the origin of content. States of files, which differ by machine, are left out.
fn origin(content: &Content) -> String {
    match content {
        Content::Bytes(bytes) => format!("bytes {}", Digest::of(bytes)),
        Content::Disk(file) => format!("file {}", escape(file.path.as_os_str().as_encoded_bytes())),
        Content::Member { archive, index, .. } => {
            format!(
                "archive {}, member {index}",
                escape(archive.as_os_str().as_encoded_bytes())
            )
        }
        Content::Image { manifest, path } => format!("image {manifest}, {path}"),
    }
}
