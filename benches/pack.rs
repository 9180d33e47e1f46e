//! Measures the stages of packing, separately and together: walk, tar, hash, compress, whole. The inputs are one file
//! of 256 MiB, half of it random, and 10,000 small files. Both are written to a temporary directory first.
//!
//! `cargo bench --bench pack`

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use divan::Bencher;
use divan::counter::BytesCount;
use ocitect::compress::{Algorithm, Compression as Encoding};
use ocitect::events::Task;
use ocitect::files::{Archives, Context, IgnoreRules, list};
use ocitect::model::{
    Compression, Content, ContentOpener, DiskFile, Entry, EntryKind, EntryPath, FileStamp, Hasher, LayerPlan,
};
use ocitect::pack::{PackOptions, pack_layer, write_tar};
use ocitect::spec::{FilesEntry, From, Place};
use tempfile::TempDir;

const LARGE_SIZE_BYTES: usize = 256 * 1024 * 1024;
const SMALL_FILES: usize = 10_000;
const COMPRESSIONS: [Compression; 3] = [Compression::Gzip(6), Compression::Zstd(3), Compression::None];

fn main() {
    divan::main();
    // Statics are never dropped.
    if let Ok(mut directories) = DIRECTORIES.lock() {
        directories.clear();
    }
}

static DIRECTORIES: Mutex<Vec<TempDir>> = Mutex::new(Vec::new());
static LARGE: LazyLock<LayerPlan> = LazyLock::new(large_file);
static SMALL: LazyLock<LayerPlan> = LazyLock::new(small_files);

/// Returns text and noise in turns, a kibibyte each.
fn half_random(size_bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(size_bytes + 1024);
    while bytes.len() < size_bytes {
        for _ in 0..128 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        for line in 0..32 {
            writeln!(bytes, "line {line:3} of block {:12x}", state >> 16).expect("memory takes all");
        }
    }
    bytes.truncate(size_bytes);
    bytes
}

fn scratch() -> PathBuf {
    let directory = TempDir::new().expect("a temporary directory");
    let path = directory.path().to_owned();
    DIRECTORIES.lock().expect("no bench panics").push(directory);
    path
}

fn large_file() -> LayerPlan {
    let path = scratch().join("large");
    std::fs::write(&path, half_random(LARGE_SIZE_BYTES, 1)).expect("room for the file");
    plan(vec![disk_file("large", &path)])
}

fn small_files() -> LayerPlan {
    let directory = scratch();
    let files = (0..SMALL_FILES).map(|number| {
        let path = directory.join(format!("{number:05}"));
        std::fs::write(&path, half_random(number % 8000, number as u64)).expect("room for the files");
        disk_file(
            &format!("node_modules/package-{:02}/{number:05}.js", number / 100),
            &path,
        )
    });
    plan(files.collect())
}

fn disk_file(path: &str, source: &Path) -> Entry {
    let stamp = FileStamp::of(&source.metadata().expect("it was just written"));
    let content = Content::Disk(DiskFile {
        path: source.to_owned(),
        stamp,
    });
    Entry {
        path: EntryPath::new(path.as_bytes()).expect("a plain path"),
        kind: EntryKind::File {
            size_bytes: stamp.size_bytes,
            content,
        },
        mode: 0o644,
        uid: 0,
        gid: 0,
        xattrs: BTreeMap::new(),
    }
}

fn plan(entries: Vec<Entry>) -> LayerPlan {
    let mtime_s = 0;
    let compression = Compression::Gzip(6);
    let annotations = BTreeMap::new();
    LayerPlan {
        name: "bench".to_owned(),
        entries,
        mtime_s,
        compression,
        annotations,
    }
}

struct NoOpener;

impl ContentOpener for NoOpener {
    fn open(&self, _content: &Content) -> io::Result<Box<dyn Read + Send + '_>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

fn content_bytes(plan: &LayerPlan) -> BytesCount {
    let size = |entry: &Entry| match entry.kind {
        EntryKind::File { size_bytes, .. } => size_bytes,
        _ => 0,
    };
    BytesCount::new(plan.entries.iter().map(size).sum::<u64>())
}

/// Lists a directory tree: 10,000 files in 100 directories.
#[divan::bench(sample_count = 10)]
fn walk(bencher: Bencher) {
    let directory = scratch();
    for number in 0..SMALL_FILES {
        let parent = directory.join(format!("package-{:02}", number / 100));
        std::fs::create_dir_all(&parent).expect("room for the directories");
        std::fs::write(parent.join(format!("{number:05}.js")), b"").expect("room for the files");
    }
    let from = From::Disk {
        directory,
        pattern: ".".to_owned(),
    };
    let mut entry = FilesEntry::new(from, ".".to_owned(), "/app".to_owned(), Place::default());
    entry.exclude = vec!["**/*.map".to_owned()];
    let archives = Archives::new(scratch());
    let ignore = IgnoreRules::default();
    let none = BTreeSet::new();
    let context = Context {
        ignore: &ignore,
        never_packed: &none,
        outputs: &none,
        archives: &archives,
        threads: 2,
    };
    bencher.bench(|| list(&entry, &context).expect("the tree is readable").items.len());
}

#[divan::bench(args = ["large", "small"], sample_count = 5)]
fn tar(bencher: Bencher, input: &str) {
    let plan = input_plan(input);
    bencher
        .counter(content_bytes(plan))
        .bench(|| write_tar(plan, &NoOpener, &Task::silent(), &mut io::sink()).expect("the files are readable"));
}

#[divan::bench(sample_count = 10)]
fn hash(bencher: Bencher) {
    let bytes = half_random(32 * 1024 * 1024, 1);
    bencher.counter(BytesCount::of_slice(&bytes)).bench(|| {
        let mut hasher = Hasher::new();
        hasher.update(divan::black_box(&bytes));
        hasher.digest()
    });
}

#[divan::bench(args = ["gzip-1", "gzip-6", "gzip-9", "zstd-1", "zstd-3", "zstd-9"], sample_count = 5)]
fn compress_block(bencher: Bencher, encoder: &str) {
    let (name, level) = encoder.split_once('-').expect("algorithm and level");
    let mut algorithms = [Algorithm::Gzip, Algorithm::Zstd].into_iter();
    let algorithm = algorithms
        .find(|algorithm| algorithm.name() == name)
        .expect("an algorithm");
    let encoding = Encoding::new(algorithm, level.parse().ok()).expect("a level");
    let block = half_random(encoding.block_unit_bytes(), 1);
    bencher
        .counter(BytesCount::of_slice(&block))
        .bench(|| encoding.block_encoder().encode(divan::black_box(&block)));
}

#[divan::bench(args = ["large", "small"], consts = [1, 2], sample_count = 3)]
fn whole_gzip<const THREADS: usize>(bencher: Bencher, input: &str) {
    whole(bencher, input, THREADS, COMPRESSIONS[0]);
}

#[divan::bench(args = ["large", "small"], consts = [1, 2], sample_count = 3)]
fn whole_zstd<const THREADS: usize>(bencher: Bencher, input: &str) {
    whole(bencher, input, THREADS, COMPRESSIONS[1]);
}

#[divan::bench(args = ["large", "small"], sample_count = 3)]
fn whole_none(bencher: Bencher, input: &str) {
    whole(bencher, input, 1, COMPRESSIONS[2]);
}

fn whole(bencher: Bencher, input: &str, threads: usize, compression: Compression) {
    let plan = LayerPlan {
        compression,
        ..input_plan(input).clone()
    };
    let options = PackOptions {
        scratch_dir: std::env::temp_dir(),
        threads,
        cache: None,
    };
    bencher
        .counter(content_bytes(&plan))
        .bench(|| pack_layer(&plan, &NoOpener, &options, &Task::silent()).expect("the files are readable"));
}

fn input_plan(input: &str) -> &'static LayerPlan {
    if input == "large" { &LARGE } else { &SMALL }
}
