//! Tests of sources that cannot be packed or change during packing: a clear error, and no thread or file left behind.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{NoOpener, directory, disk_file, entry, file, noise, options, pack, plan, with_xattr};
use crate::compress::{self, CompressError};
use crate::events::{Event, Item, Observer, Task, Work};
use crate::model::{
    Compression, Content, ContentOpener, Diagnostic as _, Digest, EntryKind, EntryPath, ErrorKind, FileStamp,
};
use crate::pack::content::Reading;
use crate::pack::pipeline::{self, EncodeBlock};
use crate::pack::workers::{Failure, Job};
use crate::pack::{Change, EntryProblem, Origin, PackError, PackOptions, pack_layer};

/// A file of more than two blocks, so that it is read in several pieces.
const LARGE_BYTES: usize = 2_500_000;

struct Source {
    directory: tempfile::TempDir,
    path: PathBuf,
}

fn source(size_bytes: usize) -> Source {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("source");
    fs::write(&path, noise(size_bytes, 1)).unwrap();
    Source { directory, path }
}

/// Runs an action once, when the first bytes were read.
struct Meddler<F: Fn()> {
    meddle: F,
    done: AtomicBool,
}

impl<F: Fn() + Send + Sync> Observer for Meddler<F> {
    fn event(&self, event: Event) {
        if matches!(event, Event::Progress { .. }) && !self.done.swap(true, Ordering::Relaxed) {
            (self.meddle)();
        }
    }
}

/// Packs a large file that `meddle` changes while it is read.
fn change_while_packed(meddle: impl Fn(&Path) + Send + Sync + 'static) -> PackError {
    let source = source(LARGE_BYTES);
    let plan = plan(vec![disk_file("a", &source.path)]);
    let path = source.path.clone();
    let observer: Arc<dyn Observer> = Arc::new(Meddler {
        meddle: move || meddle(&path),
        done: AtomicBool::new(false),
    });
    let task = Task::start(&observer, Work::new("packing", Item::new("app")), None);
    pack_layer(&plan, &NoOpener, &options(2), &task).unwrap_err()
}

/// Packs a file that `meddle` changed after it was listed.
fn change_before_packed(meddle: impl Fn(&Source)) -> PackError {
    let source = source(100);
    let plan = plan(vec![disk_file("a", &source.path)]);
    meddle(&source);
    pack(&plan).unwrap_err()
}

fn change_of(error: &PackError) -> Change {
    assert_eq!(error.error_kind(), ErrorKind::Local);
    assert!(error.help().is_some());
    match error {
        PackError::Changed { what, .. } => *what,
        other => panic!("{other}"),
    }
}

fn append(path: &Path) {
    io::Write::write_all(&mut fs::File::options().append(true).open(path).unwrap(), b"more").unwrap();
}

#[test]
fn a_file_that_changes_while_it_is_read_is_named() {
    let size = LARGE_BYTES as u64;
    let resized = |actual_bytes| Change::Resized {
        expected_bytes: size,
        actual_bytes,
    };
    assert_eq!(change_of(&change_while_packed(append)), resized(size + 4));
    let truncate = |path: &Path| fs::File::options().write(true).open(path).unwrap().set_len(5).unwrap();
    assert_eq!(change_of(&change_while_packed(truncate)), resized(5));
    let touch = |path: &Path| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    };
    assert_eq!(change_of(&change_while_packed(touch)), Change::Written);
    let error = change_while_packed(append);
    assert!(
        error
            .to_string()
            .ends_with("/source changed while it was packed: expected 2500000 bytes, found 2500004")
    );
}

#[test]
fn a_file_that_changed_since_it_was_listed_is_named() {
    let vanish = |source: &Source| fs::remove_file(&source.path).unwrap();
    assert_eq!(change_of(&change_before_packed(vanish)), Change::Vanished);
    let replace = |source: &Source| {
        let other = source.directory.path().join("other");
        fs::copy(&source.path, &other).unwrap();
        fs::rename(&other, &source.path).unwrap();
    };
    assert_eq!(change_of(&change_before_packed(replace)), Change::Replaced);
    let link = |source: &Source| {
        let other = source.directory.path().join("other");
        fs::rename(&source.path, &other).unwrap();
        symlink(&other, &source.path).unwrap();
    };
    assert_eq!(change_of(&change_before_packed(link)), Change::Replaced);
    let make_directory = |source: &Source| {
        fs::remove_file(&source.path).unwrap();
        fs::create_dir(&source.path).unwrap();
    };
    assert_eq!(change_of(&change_before_packed(make_directory)), Change::Replaced);
    let grow = |source: &Source| append(&source.path);
    let resized = Change::Resized {
        expected_bytes: 100,
        actual_bytes: 104,
    };
    assert_eq!(change_of(&change_before_packed(grow)), resized);
}

#[test]
fn a_file_of_another_mode_is_named() {
    let make_executable = |path: &Path| {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    assert_eq!(change_of(&change_while_packed(make_executable)), Change::Mode);
    assert_eq!(
        change_of(&change_before_packed(|source| make_executable(&source.path))),
        Change::Mode
    );
}

#[test]
fn a_file_that_gets_another_name_has_not_changed() {
    let source = source(100);
    let mut plan = plan(vec![disk_file("a", &source.path)]);
    fs::hard_link(&source.path, source.directory.path().join("other")).unwrap();
    // The clock of the file system may not have advanced since the listing; an earlier time has the same effect.
    let EntryKind::File {
        content: Content::Disk(file),
        ..
    } = &mut plan.entries[0].kind
    else {
        panic!()
    };
    file.stamp.changed.1 -= 1;
    assert_ne!(file.stamp, FileStamp::of(&source.path.metadata().unwrap()));
    assert!(file.open().is_ok());
    pack(&plan).unwrap();
}

#[test]
fn a_pipe_in_place_of_a_file_is_not_waited_for() {
    let make_pipe = |source: &Source| {
        fs::remove_file(&source.path).unwrap();
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&source.path)
                .status()
                .unwrap()
                .success()
        );
    };
    assert_eq!(change_of(&change_before_packed(make_pipe)), Change::Replaced);
    let bind_socket = |source: &Source| {
        fs::remove_file(&source.path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&source.path).unwrap());
    };
    assert_eq!(change_of(&change_before_packed(bind_socket)), Change::Replaced);
}

#[test]
fn an_unreadable_file_says_what_to_do() {
    let source = io::Error::from(io::ErrorKind::PermissionDenied);
    let error = PackError::Open {
        path: "a\nb".into(),
        source,
    };
    assert_eq!(
        (error.error_kind(), error.to_string()),
        (ErrorKind::Local, "cannot open a\\nb".to_owned())
    );
    assert!(error.help().unwrap().contains("readable"));

    // The system refuses access to all users except root, who may read everything.
    let source = self::source(100);
    let plan = plan(vec![disk_file("a", &source.path)]);
    fs::set_permissions(&source.path, fs::Permissions::from_mode(0o0)).unwrap();
    match pack(&plan).unwrap_err() {
        PackError::Open { path, source: cause } => {
            assert_eq!(
                (path, cause.kind()),
                (source.path.clone(), io::ErrorKind::PermissionDenied)
            );
        }
        error => assert_eq!(change_of(&error), Change::Mode),
    }
}

#[test]
fn plans_out_of_order_or_with_a_path_twice_are_refused() {
    let mut reversed = plan(vec![file("a", b""), file("b", b"")]);
    reversed.entries.reverse();
    let twice = plan(vec![file("a", b""), file("a", b"")]);
    for plan in [reversed, twice] {
        let error = pack(&plan).unwrap_err();
        assert!(matches!(error, PackError::Unsorted { .. }), "{error}");
        assert_eq!(error.error_kind(), ErrorKind::Local);
    }
    // The order is that of whole paths, not of components: `-` is before `/`.
    pack(&plan(vec![file("a-", b""), directory("a"), file("a/b", b"")])).unwrap();
}

#[test]
fn entries_that_no_tar_holds_are_named() {
    let error = pack(&plan(vec![with_xattr(file("a", b""), "user.a=b", b"")])).unwrap_err();
    assert_eq!(error.to_string(), "cannot write entry /a to a layer");
    assert_eq!(error.error_kind(), ErrorKind::Input);
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("\"user.a=b\"")
    );

    let kind = EntryKind::File {
        size_bytes: 2,
        content: Content::Bytes(b"abc".as_slice().into()),
    };
    match pack(&plan(vec![entry("a", kind, 0)])).unwrap_err() {
        PackError::Entry { problem, .. } => {
            assert_eq!(
                problem,
                EntryProblem::Size {
                    size_bytes: 2,
                    content_bytes: 3
                }
            );
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_level_that_there_is_not_is_bad_input() {
    let mut plan = plan(vec![]);
    for compression in [
        Compression::Gzip(10),
        Compression::Gzip(-1),
        Compression::Zstd(0),
        Compression::Zstd(23),
    ] {
        plan.compression = compression;
        let error = pack(&plan).unwrap_err();
        assert_eq!(
            (error.error_kind(), error.help().is_some()),
            (ErrorKind::Input, true),
            "{error}"
        );
    }
}

/// Returns the same bytes for every content, then an error, if there is one.
struct SameOpener(&'static [u8], Option<io::ErrorKind>);

struct Failing(Option<io::ErrorKind>);

impl Read for Failing {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        self.0.map_or(Ok(0), |kind| Err(kind.into()))
    }
}

impl ContentOpener for SameOpener {
    fn open(&self, _content: &Content) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(self.0.chain(Failing(self.1))))
    }
}

fn pack_opened(origin: Origin, opener: &dyn ContentOpener) -> PackError {
    let archive = Arc::new(PathBuf::from("archive.tar"));
    let stamp = FileStamp {
        identity: (0, 0),
        size_bytes: 0,
        modified: (0, 0),
        changed: (0, 0),
        mode: 0,
    };
    let content = match origin {
        Origin::Archive => Content::Member {
            archive,
            stamp,
            index: 0,
        },
        Origin::Image => Content::Image {
            manifest: Digest::of(b""),
            path: EntryPath::root(),
        },
    };
    let plan = plan(vec![entry("a", EntryKind::File { size_bytes: 3, content }, 0)]);
    pack_layer(&plan, opener, &options(1), &Task::silent()).unwrap_err()
}

#[test]
fn contents_of_another_size_than_listed_are_refused() {
    for (origin, class) in [(Origin::Archive, ErrorKind::Local), (Origin::Image, ErrorKind::Remote)] {
        let error = pack_opened(origin, &SameOpener(b"12", None));
        assert!(
            matches!(
                error,
                PackError::ContentShort {
                    expected_bytes: 3,
                    actual_bytes: 2,
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(error.error_kind(), class);
        let error = pack_opened(origin, &SameOpener(b"1234", None));
        assert!(
            matches!(error, PackError::ContentLong { expected_bytes: 3, .. }),
            "{error}"
        );
        assert_eq!(error.error_kind(), class);
    }
}

#[test]
fn failures_of_archives_and_images_have_their_class() {
    use io::ErrorKind::{InvalidData, NotFound, TimedOut};
    let class = |origin, kind| pack_opened(origin, &SameOpener(b"1", Some(kind))).error_kind();
    assert_eq!(class(Origin::Archive, InvalidData), ErrorKind::Input);
    assert_eq!(class(Origin::Archive, TimedOut), ErrorKind::Local);
    assert_eq!(class(Origin::Image, InvalidData), ErrorKind::Remote);
    assert_eq!(class(Origin::Image, NotFound), ErrorKind::NotFound);
    // The error of a verifying reader at the end of a content counts, although all bytes were read.
    assert_eq!(
        class(Origin::Image, InvalidData),
        pack_opened(Origin::Image, &SameOpener(b"123", Some(InvalidData))).error_kind()
    );
    let error = pack_opened(Origin::Archive, &NoOpener);
    assert_eq!(error.to_string(), "cannot read the content of /a from its archive");
}

#[test]
fn a_scratch_directory_that_is_not_there_is_named() {
    let options = PackOptions {
        scratch_dir: "/nowhere/at/all".into(),
        threads: 1,
        cache: None,
    };
    let error = pack_layer(&plan(vec![]), &NoOpener, &options, &Task::silent()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot write the layer to a temporary file in /nowhere/at/all"
    );
    assert!(error.help().unwrap().contains("TMPDIR"));
    assert_eq!(error.error_kind(), ErrorKind::Local);
}

fn gzip() -> compress::Compression {
    compress::Compression::new(compress::Algorithm::Gzip, Some(1)).unwrap()
}

/// Returns the same for every block, or fails.
struct Encode<F>(F);

impl<F: Fn(&[u8]) -> Result<Vec<u8>, CompressError>> EncodeBlock for Encode<F> {
    fn encode(&mut self, block: &[u8]) -> Result<Vec<u8>, CompressError> {
        (self.0)(block)
    }
}

/// Runs the pipeline over a file of this many units.
fn run(
    file: fs::File,
    units: usize,
    threads: usize,
    encode: &(impl Fn(&[u8]) -> Result<Vec<u8>, CompressError> + Sync),
) -> Result<(), Failure> {
    let plan = plan(vec![self::file("a", noise(units * gzip().block_unit_bytes(), 5))]);
    let reading = Reading {
        opener: &NoOpener,
        task: &Task::silent(),
        scan: None,
    };
    let job = Job {
        plan: &plan,
        unit_bytes: gzip().block_unit_bytes(),
        reading,
        threads,
    };
    pipeline::pack(&job, gzip(), || Encode(encode), None, file).map(drop)
}

#[test]
fn a_full_disk_ends_every_worker() {
    for (units, threads) in [(0, 1), (1, 2), (2, 8), (40, 2)] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        match run(full, units, threads, &|block| Ok(block.to_vec())) {
            Err(Failure::File(source)) => assert_eq!(source.kind(), io::ErrorKind::StorageFull),
            other => panic!("{other:?}"),
        }
    }
    let source = io::Error::from(io::ErrorKind::StorageFull);
    let error = PackError::Scratch {
        directory: "/tmp".into(),
        source,
    };
    assert_eq!(
        (error.error_kind(), error.to_string().ends_with("in /tmp")),
        (ErrorKind::Local, true)
    );
    assert!(error.help().unwrap().contains("space"));
}

#[test]
fn an_encoder_that_fails_or_panics_ends_every_worker() {
    /// Packs; from the third block on, `fail` decides.
    fn packed(threads: usize, fail: impl Fn() -> Result<Vec<u8>, CompressError> + Sync) -> PackError {
        let count = AtomicUsize::new(0);
        let encode = |block: &[u8]| match count.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Ok(block.to_vec()),
            _ => fail(),
        };
        match run(tempfile::tempfile().unwrap(), 40, threads, &encode) {
            Err(Failure::Other(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    for threads in [1, 2, 8] {
        let error = packed(threads, || Err(CompressError::FailedBefore));
        assert!(matches!(error, PackError::Encode { .. }), "{error}");
        let error = packed(threads, || panic!("a bug of the encoder, for a test"));
        assert!(matches!(error, PackError::Panicked { stage: "packing" }), "{error}");
    }
}

#[test]
fn of_several_failures_the_earliest_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let large = |name: &str| {
        let path = directory.path().join(name);
        fs::write(&path, noise(LARGE_BYTES, 1)).unwrap();
        disk_file(name, &path)
    };
    let plan = plan(["a", "b", "c", "d"].map(large).into());
    for name in ["b", "c", "d"] {
        fs::remove_file(directory.path().join(name)).unwrap();
    }
    for threads in [1, 2, 8] {
        match pack_layer(&plan, &NoOpener, &options(threads), &Task::silent()).unwrap_err() {
            PackError::Changed {
                path,
                what: Change::Vanished,
            } => assert!(path.ends_with("b"), "{path:?}"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn headers_that_no_reader_takes_are_refused() {
    let huge = with_xattr(file("a", b""), "user.huge", &vec![b'x'; 1024 * 1024]);
    match pack(&plan(vec![huge])).unwrap_err() {
        error @ PackError::Entry {
            problem: EntryProblem::HeadersTooLarge { .. },
            ..
        } => {
            assert_eq!((error.error_kind(), error.help().is_some()), (ErrorKind::Input, true));
        }
        other => panic!("{other}"),
    }
}
