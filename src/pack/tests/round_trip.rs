//! Tests that reading returns what was packed, for any cuts, threads and sources.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use tar::EntryType;

use super::fixture::every_kind;
use super::reader::{ReadEntry, read_tar};
use super::{NoOpener, disk_file, entry, file, noise, options, pack, plan, stored_bytes, tar_bytes};
use crate::compress::decoder;
use crate::events::{Event, Item, Observer, Task, Work};
use crate::model::{
    Compression, Content, ContentOpener, DiffId, Digest, Entry, EntryKind, EntryPath, FileStamp, LayerPlan, MediaType,
};
use crate::pack::{MAX_THREADS, pack_layer};

/// Returns the expected result of reading `entry`.
fn expected(entry: &Entry, mtime_s: i64) -> ReadEntry {
    let path = entry.path.as_bytes().to_vec();
    let (kind, path, mode, target, content) = match &entry.kind {
        EntryKind::Directory => (
            EntryType::Directory,
            [&path[..], b"/"].concat(),
            entry.mode,
            vec![],
            vec![],
        ),
        EntryKind::Symlink { target } => (EntryType::Symlink, path, 0o777, target.clone(), vec![]),
        EntryKind::File {
            content: Content::Bytes(bytes),
            ..
        } => (EntryType::Regular, path, entry.mode, vec![], bytes.to_vec()),
        other => panic!("{other:?}"),
    };
    let uid = entry.uid;
    let gid = entry.gid;
    let mode = mode & 0o7777;
    ReadEntry {
        path,
        kind,
        mode,
        uid,
        gid,
        mtime_s,
        target,
        records: BTreeMap::new(),
        content,
    }
}

fn assert_reads_back(plan: &LayerPlan) {
    let read = read_tar(&tar_bytes(plan));
    assert_eq!(read.len(), plan.entries.len());
    for (read, entry) in read.into_iter().zip(&plan.entries) {
        let xattrs = entry
            .xattrs
            .iter()
            .map(|(name, value)| (String::from_utf8(name.clone()).unwrap(), value.clone()));
        let read_xattrs = read.records.iter().filter_map(|(keyword, value)| {
            keyword
                .strip_prefix("SCHILY.xattr.")
                .map(|name| (name.to_owned(), value.clone()))
        });
        assert!(xattrs.eq(read_xattrs));
        assert_eq!(
            ReadEntry {
                records: BTreeMap::new(),
                ..read
            },
            expected(entry, plan.mtime_s)
        );
    }
}

#[test]
fn the_fixture_reads_back() {
    assert_reads_back(&every_kind());
}

#[test]
fn the_crate_tar_agrees_on_names_where_no_value_has_a_newline() {
    let mut plan = every_kind();
    plan.entries.retain(|entry| entry.xattrs.is_empty());
    let tar = tar_bytes(&plan);
    let mut archive = tar::Archive::new(&tar[..]);
    let mut read = archive.entries().unwrap().map(Result::unwrap);
    for entry in &plan.entries {
        let read = read.next().unwrap();
        let expected = expected(entry, plan.mtime_s);
        assert_eq!(read.path_bytes(), expected.path);
        assert_eq!(read.link_name_bytes().unwrap_or_default(), expected.target);
        assert_eq!(read.header().uid().unwrap(), entry.uid);
    }
    assert!(read.next().is_none());
}

#[test]
fn a_layer_is_the_same_for_any_number_of_threads() {
    let content: Arc<[u8]> = noise(11 * 1024 * 1024 + 13, 3).into();
    let mut entries = every_kind().entries;
    let kind = EntryKind::File {
        size_bytes: content.len() as u64,
        content: Content::Bytes(content),
    };
    entries.push(entry("large", kind, 0o644));
    for compression in [Compression::Gzip(1), Compression::Zstd(1), Compression::None] {
        let plan = LayerPlan {
            compression,
            ..plan(entries.clone())
        };
        let tar = tar_bytes(&plan);
        let layers = [0, 1, 2, 3, MAX_THREADS, usize::MAX]
            .map(|threads| pack_layer(&plan, &NoOpener, &options(threads), &Task::silent()).unwrap());
        for packed in &layers {
            assert_eq!(packed.layer, layers[0].layer);
        }
        let stored = stored_bytes(&layers[2]);
        assert_eq!(layers[2].layer.descriptor.digest, Digest::of(&stored));
        assert_eq!(layers[2].layer.descriptor.size_bytes, stored.len() as u64);
        assert_eq!(layers[2].layer.diff_id, DiffId::of(&tar));
        let mut decoded = Vec::new();
        decoder(&stored[..]).unwrap().read_to_end(&mut decoded).unwrap();
        assert!(decoded == tar);
    }
}

#[test]
fn a_layer_without_entries_is_an_end_alone() {
    let packed = pack(&plan(vec![])).unwrap();
    assert_eq!(packed.layer.tar_size_bytes, 1024);
    assert_eq!(packed.layer.diff_id, DiffId::of(&[0; 1024]));
    let mut decoded = Vec::new();
    decoder(packed.reader()).unwrap().read_to_end(&mut decoded).unwrap();
    assert_eq!(decoded, [0; 1024]);
}

#[test]
fn the_descriptor_carries_media_type_and_annotations() {
    let mut plan = plan(vec![file("a", b"a")]);
    plan.annotations
        .insert("org.example.key".to_owned(), "value".to_owned());
    plan.compression = Compression::Zstd(3);
    let packed = pack(&plan).unwrap();
    assert_eq!(packed.layer.descriptor.media_type, MediaType::OciLayerZstd);
    assert_eq!(packed.layer.descriptor.annotations, plan.annotations);
}

#[test]
fn readers_are_independent_and_outlive_the_layer() {
    let packed = pack(&plan(vec![file("a", noise(100_000, 1))])).unwrap();
    let mut one = packed.reader();
    let mut other = packed.reader();
    let whole = stored_bytes(&packed);
    drop(packed);
    let mut half = vec![0; whole.len() / 2];
    one.read_exact(&mut half).unwrap();
    let mut all = Vec::new();
    other.read_to_end(&mut all).unwrap();
    one.read_to_end(&mut half).unwrap();
    assert!(all == whole && half == whole);
}

/// Returns the index of a member, or the path in an image, as content, a few bytes at a time.
struct NamingOpener;

struct Trickle(Vec<u8>, usize);

impl Read for Trickle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 += 1;
        if self.1.is_multiple_of(3) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let size = self.0.len().min(buffer.len()).min(2);
        buffer[..size].copy_from_slice(&self.0[..size]);
        self.0.drain(..size);
        Ok(size)
    }
}

impl ContentOpener for NamingOpener {
    fn open(&self, content: &Content) -> io::Result<Box<dyn Read + Send + '_>> {
        let bytes = match content {
            Content::Member { index, .. } => index.to_string().into_bytes(),
            Content::Image { path, .. } => path.as_bytes().to_vec(),
            other => panic!("{other:?} is not for the opener"),
        };
        Ok(Box::new(Trickle(bytes, 0)))
    }
}

struct Counter(AtomicU64);

impl Observer for Counter {
    fn event(&self, event: Event) {
        if let Event::Progress { done_bytes, .. } = event {
            self.0.fetch_max(done_bytes, Ordering::Relaxed);
        }
    }
}

#[test]
fn contents_come_from_memory_disk_archives_and_images() {
    let scratch = tempfile::tempdir().unwrap();
    let source = scratch.path().join("source");
    let large = noise(2_500_000, 9);
    std::fs::write(&source, &large).unwrap();
    let stamp = FileStamp::of(&source.metadata().unwrap());
    let member = Content::Member {
        archive: Arc::new(source.clone()),
        stamp,
        index: 123_456,
    };
    let image = Content::Image {
        manifest: Digest::of(b""),
        path: EntryPath::new(b"usr/bin/uv").unwrap(),
    };
    let plan = plan(vec![
        disk_file("disk", &source),
        entry(
            "image",
            EntryKind::File {
                size_bytes: 10,
                content: image,
            },
            0o755,
        ),
        entry(
            "member",
            EntryKind::File {
                size_bytes: 6,
                content: member,
            },
            0o644,
        ),
        file("memory", b"1234"),
    ]);
    let counter = Arc::new(Counter(AtomicU64::new(0)));
    let observer: Arc<dyn Observer> = counter.clone();
    let task = Task::start(&observer, Work::new("packing", Item::new("app")), None);
    let packed = pack_layer(&plan, &NamingOpener, &options(2), &task).unwrap();
    task.finish(String::new());
    let mut tar = Vec::new();
    decoder(packed.reader()).unwrap().read_to_end(&mut tar).unwrap();
    let contents: Vec<_> = read_tar(&tar).into_iter().map(|entry| entry.content).collect();
    assert!(contents == [&large[..], b"usr/bin/uv", b"123456", b"1234"]);
    assert_eq!(counter.0.load(Ordering::Relaxed), 2_500_020);
}

#[test]
fn the_temporary_file_has_no_name() {
    let scratch = tempfile::tempdir().unwrap();
    let options = crate::pack::PackOptions {
        scratch_dir: scratch.path().to_owned(),
        threads: 1,
        cache: None,
    };
    let packed = pack_layer(&plan(vec![file("a", b"a")]), &NoOpener, &options, &Task::silent()).unwrap();
    assert!(is_empty(scratch.path()));
    assert!(!stored_bytes(&packed).is_empty());
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

/// Returns path components of all kinds of bytes, often ASCII, often near the lengths of fields.
fn component() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => b'a'..=b'z', 1 => 1..=0xff_u8];
    let text = prop_oneof![
        vec(byte, 1..12),
        vec(b'a'..=b'z', 90..160),
        "[a-z\u{e0}-\u{ff}\u{65e5}\n]{1,60}".prop_map(String::into_bytes),
    ];
    text.prop_map(|bytes| {
        bytes
            .into_iter()
            .filter(|byte| !matches!(byte, 0 | b'/' | b'.'))
            .chain([b'x'])
            .collect()
    })
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    vec(component(), 1..5).prop_map(|components| components.join(&b'/'))
}

fn kind() -> impl Strategy<Value = EntryKind> {
    prop_oneof![
        Just(EntryKind::Directory),
        path().prop_map(|target| EntryKind::Symlink { target }),
        vec(any::<u8>(), 0..1500).prop_map(|bytes| EntryKind::File {
            size_bytes: bytes.len() as u64,
            content: Content::Bytes(bytes.into())
        }),
    ]
}

fn owner() -> impl Strategy<Value = u64> {
    prop_oneof![0..3000_u64, 2_097_140..2_097_160_u64, any::<u32>().prop_map(u64::from)]
}

fn any_entry() -> impl Strategy<Value = (EntryPath, Entry)> {
    let xattrs = btree_map(
        "user\\.[a-z]{1,8}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..120),
        0..3,
    );
    (path(), kind(), 0..0o200_000_u32, owner(), owner(), xattrs).prop_map(|(path, kind, mode, uid, gid, xattrs)| {
        let path = EntryPath::new(&path).unwrap();
        (
            path.clone(),
            Entry {
                path,
                kind,
                mode,
                uid,
                gid,
                xattrs,
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_entries_read_back(entries in vec(any_entry(), 0..8), mtime_s in -10..1_i64 << 34) {
        let entries: BTreeMap<_, _> = entries.into_iter().collect();
        let mut plan = plan(entries.into_values().collect());
        plan.mtime_s = mtime_s;
        assert_reads_back(&plan);
    }
}
