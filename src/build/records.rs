//! Records of packed layers, which are reused while the inputs of the plan are unchanged.
//!
//! The key of a record is a digest over the whole plan: for each file on the disk its path, device, inode, size,
//! resulting mode, and times of modification and change. It also covers the version of the secret scan, since a record
//! holds the scan's results. No file is opened to compute it. A file that is about as young as the listing may change
//! again without a change of its times; a layer with such a file is not recorded.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::build::cache::BuildCache;
use crate::model::{BYTE_FORMAT, Content, Descriptor, DiffId, Digest, EntryKind, FileStamp, Hasher, Layer, LayerPlan};
use crate::pack::KeptLayer;
use crate::secrets::{Kind, Place, SCAN_VERSION, SightedFile, Sighting};
use crate::tree::Facts;

/// Least age of a file at the time of the listing. File times have a resolution: usually some milliseconds, two seconds
/// on FAT.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// Bytes of key text that are collected before they are hashed.
const KEY_PIECE_BYTES: usize = 64 * 1024;

/// Format version of records. Records of other versions are ignored.
const RECORD_VERSION: u32 = 2;

/// Records of layers in the cache, for the inputs as listed.
pub(super) struct Records {
    cache: Arc<BuildCache>,
    /// Files must be older than this. `None` if the time is not known; nothing is recorded then.
    settled_before: Option<SystemTime>,
}

/// A record as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    digest: Digest,
    size_bytes: u64,
    diff_id: DiffId,
    tar_size_bytes: u64,
    crc32: u32,
    blocks: Vec<Digest>,
    sighted: Vec<RecordedFile>,
}

/// A file that contains something that looks like a secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedFile {
    /// Its index in the plan.
    entry: usize,
    sightings: Vec<RecordedSighting>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedSighting {
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    byte: Option<u64>,
    is_certain: bool,
}

impl RecordedSighting {
    fn new(sighting: &Sighting) -> Self {
        let (line, byte) = match sighting.place {
            Place::Whole => (None, None),
            Place::Line(line) => (Some(line), None),
            Place::Byte(byte) => (None, Some(byte)),
        };
        Self {
            kind: sighting.kind.as_str().to_owned(),
            line,
            byte,
            is_certain: sighting.is_certain,
        }
    }

    fn read(&self) -> Option<Sighting> {
        let place = match (self.line, self.byte) {
            (Some(line), _) => Place::Line(line),
            (None, Some(byte)) => Place::Byte(byte),
            (None, None) => Place::Whole,
        };
        Some(Sighting {
            kind: Kind::from_name(&self.kind)?,
            place,
            is_certain: self.is_certain,
        })
    }
}

impl RecordedFile {
    /// Returns `None` if the plan does not have the file.
    fn new(file: &SightedFile, plan: &LayerPlan) -> Option<Self> {
        let entry = plan.entries.binary_search_by(|entry| entry.path.cmp(&file.path)).ok()?;
        Some(Self {
            entry,
            sightings: file.sightings.iter().map(RecordedSighting::new).collect(),
        })
    }

    fn read(&self, plan: &LayerPlan) -> Option<SightedFile> {
        let path = plan.entries.get(self.entry)?.path.clone();
        let sightings = self
            .sightings
            .iter()
            .map(RecordedSighting::read)
            .collect::<Option<_>>()?;
        Some(SightedFile { path, sightings })
    }
}

impl Records {
    /// Creates records in `cache` for files that were listed at `listed_at` or later.
    pub fn new(cache: Arc<BuildCache>, listed_at: Option<SystemTime>) -> Self {
        Self {
            cache,
            settled_before: listed_at.and_then(|at| at.checked_sub(SETTLED_AFTER)),
        }
    }

    /// Returns the layer that the plan was packed to before.
    pub fn load(&self, plan: &LayerPlan) -> Option<KeptLayer> {
        let bytes = self.cache.get()?.load_record(&key(plan))?;
        let record: Record = serde_json::from_slice(&bytes).ok()?;
        // No secret that was found may be lost, so a record that does not fit the plan is ignored.
        let sighted = record
            .sighted
            .iter()
            .map(|file| file.read(plan))
            .collect::<Option<_>>()?;
        let mut descriptor = Descriptor::new(plan.compression.media_type(), record.digest, record.size_bytes);
        descriptor.annotations.clone_from(&plan.annotations);
        Some(KeptLayer {
            layer: Layer {
                descriptor,
                diff_id: record.diff_id,
                tar_size_bytes: record.tar_size_bytes,
            },
            crc32: record.crc32,
            blocks: record.blocks,
            sighted,
        })
    }

    /// Records the layer that the plan was packed to, if none of its files is too young.
    pub fn store(&self, plan: &LayerPlan, kept: &KeptLayer) {
        if !self.has_settled(plan) {
            return;
        }
        let sighted = kept
            .sighted
            .iter()
            .map(|file| RecordedFile::new(file, plan))
            .collect::<Option<_>>();
        let Some(sighted) = sighted else { return };
        let record = Record {
            digest: kept.layer.descriptor.digest,
            size_bytes: kept.layer.descriptor.size_bytes,
            diff_id: kept.layer.diff_id,
            tar_size_bytes: kept.layer.tar_size_bytes,
            crc32: kept.crc32,
            blocks: kept.blocks.clone(),
            sighted,
        };
        if let Ok(bytes) = serde_json::to_vec(&record) {
            self.cache.store(|cache| cache.store_record(&key(plan), &bytes));
        }
    }

    /// Returns the facts about the planned image with this [`facts_key`], if they are stored.
    pub fn load_facts(&self, key: &Digest) -> Option<Facts> {
        self.cache.load_facts(key).map(|kept| kept.facts)
    }

    /// Stores the facts about the planned image with this [`facts_key`], if no file of its layers is too young.
    pub fn store_facts(&self, key: &Digest, layers: &[Arc<LayerPlan>], facts: &Facts) {
        if layers.iter().all(|plan| self.has_settled(plan))
            && let Ok(compressed) = facts.compress()
        {
            self.cache.store_facts(key, &compressed);
        }
    }

    /// Deletes the record of the plan: its files changed while their times did not.
    pub fn forget(&self, plan: &LayerPlan) {
        self.cache.store(|cache| cache.store_record(&key(plan), &[]));
    }

    fn has_settled(&self, plan: &LayerPlan) -> bool {
        let Some(before) = self
            .settled_before
            .and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok())
        else {
            return false;
        };
        let before = (before.as_secs() as i64, i64::from(before.subsec_nanos()));
        let stamps = plan.entries.iter().filter_map(|entry| match &entry.kind {
            EntryKind::File {
                content: Content::Disk(file),
                ..
            } => Some(file.stamp),
            EntryKind::File {
                content: Content::Member { stamp, .. },
                ..
            } => Some(*stamp),
            _ => None,
        });
        stamps
            .into_iter()
            .all(|stamp| stamp.modified < before && stamp.changed < before)
    }
}

/// Returns the key of the facts about planned layers. It identifies the image that the layers are the upper part of.
pub(super) fn facts_key(below: &str, layers: &[Arc<LayerPlan>]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(format!("facts of layers above {below}\n").as_bytes());
    for plan in layers {
        hasher.update(format!("{}\n", key(plan)).as_bytes());
    }
    hasher.digest()
}

/// Returns the key of a plan's record. Equal plans have equal keys. The layer's name and annotations do not count,
/// since they are not in its bytes.
fn key(plan: &LayerPlan) -> Digest {
    // Hashed in pieces: for a million entries the text would be larger than everything else in memory.
    let mut hasher = Hasher::new();
    let mut text = Vec::with_capacity(2 * KEY_PIECE_BYTES);
    text.extend_from_slice(
        format!("record {RECORD_VERSION}, scan {SCAN_VERSION}, byte format {BYTE_FORMAT}, ").as_bytes(),
    );
    text.extend_from_slice(format!("{:?}, {}\n", plan.compression, plan.mtime_s).as_bytes());
    for entry in &plan.entries {
        put_bytes(&mut text, entry.path.as_bytes());
        put_numbers(
            &mut text,
            &[u64::from(entry.mode), entry.uid, entry.gid, entry.xattrs.len() as u64],
        );
        for (name, value) in &entry.xattrs {
            put_bytes(&mut text, name);
            put_bytes(&mut text, value);
        }
        put_kind(&mut text, &entry.kind);
        if text.len() >= KEY_PIECE_BYTES {
            hasher.update(&text);
            text.clear();
        }
    }
    hasher.update(&text);
    hasher.digest()
}

fn put_kind(text: &mut Vec<u8>, kind: &EntryKind) {
    match kind {
        EntryKind::Directory => text.push(b'd'),
        EntryKind::Symlink { target } => {
            text.push(b'l');
            put_bytes(text, target);
        }
        EntryKind::File { size_bytes, content } => {
            text.push(b'f');
            put_numbers(text, &[*size_bytes]);
            put_content(text, content);
        }
    }
}

fn put_content(text: &mut Vec<u8>, content: &Content) {
    use std::os::unix::ffi::OsStrExt as _;
    match content {
        Content::Bytes(bytes) => {
            text.push(b'b');
            put_bytes(text, bytes);
        }
        Content::Disk(file) => {
            text.push(b'd');
            put_bytes(text, file.path.as_os_str().as_bytes());
            put_stamp(text, &file.stamp);
        }
        Content::Member { archive, stamp, index } => {
            text.push(b'm');
            put_bytes(text, archive.as_os_str().as_bytes());
            put_stamp(text, stamp);
            put_numbers(text, &[*index]);
        }
        Content::Image { manifest, path } => {
            text.push(b'i');
            put_bytes(text, manifest.to_string().as_bytes());
            put_bytes(text, path.as_bytes());
        }
    }
}

fn put_stamp(text: &mut Vec<u8>, stamp: &FileStamp) {
    // A change of the mode also changes the time of the inode.
    let FileStamp {
        identity,
        size_bytes,
        modified,
        changed,
        mode: _,
    } = stamp;
    put_numbers(text, &[identity.0, identity.1, *size_bytes]);
    put_numbers(
        text,
        &[modified.0 as u64, modified.1 as u64, changed.0 as u64, changed.1 as u64],
    );
}

/// Appends bytes after their length, so that different lists of values never have the same encoding.
fn put_bytes(text: &mut Vec<u8>, bytes: &[u8]) {
    put_numbers(text, &[bytes.len() as u64]);
    text.extend_from_slice(bytes);
}

fn put_numbers(text: &mut Vec<u8>, numbers: &[u64]) {
    numbers
        .iter()
        .for_each(|number| text.extend_from_slice(&number.to_le_bytes()));
}
