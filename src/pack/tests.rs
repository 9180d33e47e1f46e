//! Tests of packing, and shared helpers.

mod cuts;
mod failures;
mod fixture;
mod golden;
mod headers;
mod reader;
mod round_trip;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::{PackError, PackOptions, PackedLayer, pack_layer, write_tar};
use crate::events::Task;
use crate::model::{Compression, Content, ContentOpener, DiskFile, Entry, EntryKind, EntryPath, FileStamp, LayerPlan};

/// An opener for plans without members of archives and files of images.
struct NoOpener;

impl ContentOpener for NoOpener {
    fn open(&self, _content: &Content) -> io::Result<Box<dyn Read + Send + '_>> {
        Err(io::Error::other("nothing to open"))
    }
}

fn entry(path: impl AsRef<[u8]>, kind: EntryKind, mode: u32) -> Entry {
    Entry {
        path: EntryPath::new(path.as_ref()).unwrap(),
        kind,
        mode,
        uid: 0,
        gid: 0,
        xattrs: BTreeMap::new(),
    }
}

fn file(path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Entry {
    let content: Arc<[u8]> = content.as_ref().into();
    let kind = EntryKind::File {
        size_bytes: content.len() as u64,
        content: Content::Bytes(content),
    };
    entry(path, kind, 0o644)
}

fn disk_file(path: impl AsRef<[u8]>, source: &Path) -> Entry {
    let stamp = FileStamp::of(&source.symlink_metadata().unwrap());
    let content = Content::Disk(DiskFile {
        path: source.to_owned(),
        stamp,
    });
    entry(
        path,
        EntryKind::File {
            size_bytes: stamp.size_bytes,
            content,
        },
        0o644,
    )
}

fn directory(path: impl AsRef<[u8]>) -> Entry {
    entry(path, EntryKind::Directory, 0o755)
}

fn symlink(path: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    entry(
        path,
        EntryKind::Symlink {
            target: target.as_ref().to_vec(),
        },
        0o777,
    )
}

fn with_xattr(mut entry: Entry, name: &str, value: &[u8]) -> Entry {
    entry.xattrs.insert(name.as_bytes().to_vec(), value.to_vec());
    entry
}

/// Returns a plan of these entries, sorted.
fn plan(mut entries: Vec<Entry>) -> LayerPlan {
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    LayerPlan {
        name: "test".to_owned(),
        entries,
        mtime_s: 0,
        compression: Compression::Gzip(6),
        annotations: BTreeMap::new(),
    }
}

fn options(threads: usize) -> PackOptions<'static> {
    PackOptions {
        scratch_dir: std::env::temp_dir(),
        threads,
        cache: None,
    }
}

fn pack(plan: &LayerPlan) -> Result<PackedLayer, PackError> {
    pack_layer(plan, &NoOpener, &options(2), &Task::silent())
}

fn stored_bytes(packed: &PackedLayer) -> Vec<u8> {
    let mut bytes = Vec::new();
    packed.reader().read_to_end(&mut bytes).unwrap();
    bytes
}

fn tar_bytes(plan: &LayerPlan) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_tar(plan, &NoOpener, &Task::silent(), &mut bytes).unwrap();
    bytes
}

/// Returns bytes that compress to about a half; the same seed gives the same bytes.
fn noise(size_bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size_bytes + 16);
    while bytes.len() < size_bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
        bytes.extend_from_slice(b"the same");
    }
    bytes.truncate(size_bytes);
    bytes
}
