//! Tests of the cache: an entry is found whole or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::*;
use crate::store::local::TEMPORARY_PREFIX;

const HOUR: Duration = Duration::from_secs(3600);

struct Fixture {
    directory: tempfile::TempDir,
    cache: Cache,
}

impl Fixture {
    fn new(limit_bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::new(directory.path().join("deep/cache"), limit_bytes).at_time(SystemTime::now());
        Self { directory, cache }
    }

    /// The cache as another process opens it.
    fn reopened(&self) -> Cache {
        Cache::new(self.cache.root().to_owned(), self.cache.limit_bytes()).at_time(SystemTime::now())
    }

    fn block(&self, key: &Digest) -> PathBuf {
        self.cache.path(Kind::BLOCKS, key)
    }

    fn age(&self, key: &Digest, age: Duration) {
        let file = fs::File::options().write(true).open(self.block(key)).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }

    fn used(&self, key: &Digest) -> SystemTime {
        fs::metadata(self.block(key)).unwrap().modified().unwrap()
    }
}

fn key(number: usize) -> Digest {
    Digest::of(format!("key {number}").as_bytes())
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect()
}

#[test]
fn what_is_stored_is_found_and_nothing_is_made_before() {
    let fixture = Fixture::new(1000);
    let cache = &fixture.cache;
    assert_eq!(cache.load_block(&key(1)), None);
    assert_eq!(cache.trim().unwrap(), Trimmed::default());
    assert!(!fixture.directory.path().join("deep").exists());
    for content in [&b""[..], b"content", &[7; 100_000]] {
        cache.store_block(&key(1), content).unwrap();
        assert_eq!(fixture.reopened().load_block(&key(1)).as_deref(), Some(content));
    }
    assert_eq!((cache.load_block(&key(2)), cache.load_record(&key(1))), (None, None));
    cache.store_record(&key(1), b"record").unwrap();
    assert_eq!(cache.load_record(&key(1)).as_deref(), Some(&b"record"[..]));
    let hex = key(1).hex();
    assert!(cache.root().join("blocks/v1").join(&hex[..2]).join(&hex).is_file());
    assert!(cache.root().join("layers/v1").join(&hex[..2]).join(&hex).is_file());
}

#[test]
fn damage_is_a_miss_and_is_deleted() {
    let fixture = Fixture::new(u64::MAX);
    let path = fixture.block(&key(1));
    let store = || fixture.cache.store_block(&key(1), b"some content of a block").unwrap();
    store();
    let whole = fs::read(&path).unwrap();
    let mut damages = vec![b"foreign".to_vec(), [&whole[..], b"more"].concat()];
    damages.extend((0..whole.len()).map(|length| whole[..length].to_vec()));
    damages.extend((0..whole.len()).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        bytes
    }));
    damages.extend([0, 1].map(|byte| vec![byte; whole.len()]));
    for damage in damages {
        fs::write(&path, &damage).unwrap();
        assert_eq!(fixture.cache.load_block(&key(1)), None, "{}", damage.escape_ascii());
        assert!(!path.exists());
        store();
        assert!(fs::read(&path).unwrap() == whole);
    }
}

#[test]
fn a_file_under_another_name_or_of_another_kind_is_damaged() {
    let fixture = Fixture::new(u64::MAX);
    let cache = &fixture.cache;
    cache.store_block(&key(1), b"one").unwrap();
    cache.store_block(&key(2), b"two").unwrap();
    fs::copy(fixture.block(&key(1)), fixture.block(&key(2))).unwrap();
    assert_eq!(cache.load_block(&key(2)), None);
    cache.store_record(&key(1), b"record").unwrap();
    fs::copy(fixture.block(&key(1)), cache.path(Kind::LAYERS, &key(1))).unwrap();
    assert_eq!(cache.load_record(&key(1)), None);
    assert_eq!(cache.load_block(&key(1)).as_deref(), Some(&b"one"[..]));
}

#[test]
fn what_is_no_regular_file_is_neither_followed_nor_waited_for() {
    let fixture = Fixture::new(u64::MAX);
    let cache = &fixture.cache;
    cache.store_block(&key(1), b"one").unwrap();
    let (path, outside) = (fixture.block(&key(1)), fixture.directory.path().join("outside"));
    fs::rename(&path, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &path).unwrap();
    assert_eq!(cache.load_block(&key(1)), None);
    assert!(outside.exists() && fs::symlink_metadata(&path).is_err());
    fs::create_dir(&path).unwrap();
    assert_eq!(cache.load_block(&key(1)), None);
    let error = cache.store_block(&key(1), b"one").unwrap_err();
    assert!(error.to_string().contains(&key(1).hex()), "{error}");
    assert_eq!(files_below(&cache.root().join("blocks")), Vec::<PathBuf>::new());
}

#[test]
fn sizes_are_bounded_both_ways() {
    const SMALL: Kind = Kind::documents(4);
    let fixture = Fixture::new(u64::MAX);
    fixture.cache.store(SMALL, &key(1), b"four").unwrap();
    assert_eq!(
        fixture.cache.store(SMALL, &key(1), b"fives").unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
    assert_eq!(fixture.cache.load(SMALL, &key(1)).as_deref(), Some(&b"four"[..]));
    fixture.cache.store(Kind::documents(5), &key(1), b"fives").unwrap();
    assert_eq!(fixture.cache.load(SMALL, &key(1)), None);
}

#[test]
fn a_root_that_cannot_be_written_is_named_and_a_link_is_followed() {
    let fixture = Fixture::new(u64::MAX);
    let base = fixture.directory.path();
    fs::write(base.join("file"), "").unwrap();
    let cache = Cache::new(base.join("file/cache"), 1);
    let error = cache.store_block(&key(1), b"x").unwrap_err();
    assert!(error.to_string().contains("file/cache/blocks"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    assert_eq!(
        (cache.load_block(&key(1)), cache.trim().unwrap()),
        (None, Trimmed::default())
    );
    fs::create_dir(base.join("real")).unwrap();
    std::os::unix::fs::symlink("real", base.join("link")).unwrap();
    let linked = Cache::new(base.join("link"), u64::MAX);
    linked.store_block(&key(1), b"x").unwrap();
    assert!(linked.load_block(&key(1)).is_some() && base.join("real/blocks").is_dir());
}

#[test]
fn directories_that_vanish_are_made_anew() {
    let fixture = Fixture::new(u64::MAX);
    fixture.cache.store_block(&key(1), b"one").unwrap();
    fs::remove_dir_all(fixture.cache.root()).unwrap();
    assert_eq!(fixture.cache.load_block(&key(1)), None);
    fixture.cache.store_block(&key(1), b"one").unwrap();
    assert!(fixture.cache.load_block(&key(1)).is_some());
    fixture.cache.trim().unwrap();
}

#[test]
fn a_use_is_noted_once_an_hour() {
    let fixture = Fixture::new(u64::MAX);
    fixture.cache.store_block(&key(1), b"one").unwrap();
    let now = SystemTime::now();
    for (age, is_moved) in [(HOUR / 2, false), (2 * HOUR, true), (1000 * HOUR, true)] {
        fixture.age(&key(1), age);
        let before = fixture.used(&key(1));
        assert!(fixture.reopened().load_block(&key(1)).is_some());
        let after = fixture.used(&key(1));
        assert_eq!(after != before, is_moved, "{age:?}");
        assert!(!is_moved || after > now - HOUR / 2, "{age:?}");
    }
    // No use is recorded if the time is not known.
    fixture.age(&key(1), 5 * HOUR);
    let before = fixture.used(&key(1));
    assert!(
        Cache::new(fixture.cache.root().to_owned(), 0)
            .load_block(&key(1))
            .is_some()
    );
    assert_eq!(fixture.used(&key(1)), before);
    // Stored under a wrong clock.
    let file = fs::File::options().write(true).open(fixture.block(&key(1))).unwrap();
    file.set_modified(now + 1000 * HOUR).unwrap();
    assert!(fixture.reopened().load_block(&key(1)).is_some());
    assert!(fixture.used(&key(1)) < now + HOUR);
}

#[test]
fn the_least_recently_used_go_first_whatever_their_kind() {
    let fixture = Fixture::new(10_000);
    let cache = &fixture.cache;
    for number in 0..10 {
        cache.store_block(&key(number), &[0; 928]).unwrap();
        fixture.age(&key(number), HOUR * (100 - number as u32));
    }
    assert_eq!(
        cache.trim().unwrap(),
        Trimmed {
            kept_bytes: 10_000,
            ..Trimmed::default()
        }
    );
    // The oldest is used, and a new one is stored.
    assert!(cache.load_block(&key(0)).is_some());
    cache.store_record(&key(10), &[0; 928]).unwrap();
    let removed = [(
        "blocks",
        Count {
            files: 2,
            size_bytes: 2_000,
        },
    )]
    .into();
    assert_eq!(
        cache.trim().unwrap(),
        Trimmed {
            removed,
            kept_bytes: 9_000
        }
    );
    let kept: Vec<usize> = (0..10).filter(|number| fixture.block(&key(*number)).exists()).collect();
    assert_eq!(kept, [0, 3, 4, 5, 6, 7, 8, 9]);
    assert!(cache.load_record(&key(10)).is_some());
    assert_eq!(fs::read_to_string(cache.root().join("size")).unwrap(), "9000 0\n");
}

#[test]
fn what_other_processes_stored_and_did_not_note_is_counted_in_time() {
    let fixture = Fixture::new(100_000);
    // Killed before it could trim.
    let killed = fixture.reopened();
    (0..200).for_each(|number| killed.store_block(&key(number), &[0; 928]).unwrap());
    let mut noted = 0;
    while files_below(&fixture.cache.root().join("blocks")).len() > 100 {
        fixture.cache.store_block(&key(1000), b"little").unwrap();
        fixture.cache.trim().unwrap();
        noted += 1;
        assert!(noted <= 40, "never counted");
    }
    for bad in ["", "x", "1", "1 2", "99999999999999999999 1\n", "-1 0\n", "0 32\n"] {
        (0..200).for_each(|number| killed.store_block(&key(number), &[0; 928]).unwrap());
        fs::write(fixture.cache.root().join("size"), bad).unwrap();
        fixture.cache.store_block(&key(1000), b"little").unwrap();
        assert!(fixture.cache.trim().unwrap().removed["blocks"].files > 100, "{bad}");
    }
}

#[test]
fn what_killed_writers_left_goes_and_what_is_not_ours_stays() {
    let fixture = Fixture::new(0);
    let cache = &fixture.cache;
    cache.store_block(&key(1), b"one").unwrap();
    let left = ["blocks/v1", "blocks/v0", "facts/v9", "."];
    let not_ours = [
        "blocks/v1/README",
        "mine/aa",
        "documents/letter.txt",
        "documents/v1/00/x",
    ];
    for path in left
        .map(|directory| format!("{directory}/{TEMPORARY_PREFIX}x"))
        .iter()
        .map(String::as_str)
        .chain(not_ours)
    {
        let path = cache.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    let outside = fixture.directory.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join(key(5).hex()), "x").unwrap();
    std::os::unix::fs::symlink(&outside, cache.root().join("blocks/v1/zz")).unwrap();
    assert_eq!(cache.trim().unwrap().removed["blocks"].files, 1);
    let mut names: Vec<_> = files_below(cache.root())
        .into_iter()
        .filter(|path| !path.starts_with(cache.root().join("blocks/v1/zz")))
        .collect();
    names.sort();
    let mut wanted: Vec<_> = not_ours
        .iter()
        .chain(&["size"])
        .map(|name| cache.root().join(name))
        .collect();
    wanted.sort();
    assert_eq!(names, wanted);
    assert!(outside.join(key(5).hex()).exists());
}

#[test]
fn files_of_earlier_versions_are_counted_and_go() {
    let fixture = Fixture::new(2_000);
    let cache = &fixture.cache;
    for path in ["documents", "facts/v1", "blocks/v0/ab"] {
        fs::create_dir_all(cache.root().join(path)).unwrap();
        let file = cache.root().join(path).join(key(7).hex());
        fs::write(&file, [0; 1_000]).unwrap();
        fs::File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_modified(SystemTime::now() - HOUR)
            .unwrap();
    }
    cache.store_block(&key(1), b"one").unwrap();
    assert_eq!(
        cache
            .trim()
            .unwrap()
            .removed
            .values()
            .map(|count| count.files)
            .sum::<u64>(),
        2
    );
    assert!(cache.load_block(&key(1)).is_some());
}

#[test]
fn old_notes_of_uploads_expire() {
    let fixture = Fixture::new(u64::MAX);
    let uploads = fixture.cache.root().join("uploads");
    fs::create_dir_all(&uploads).unwrap();
    let day = 24 * HOUR;
    let held = fs::File::create(uploads.join("held.lock")).unwrap();
    held.try_lock().unwrap();
    for (name, age) in [
        ("old.json", 8 * day),
        ("old.lock", 8 * day),
        ("held.lock", 8 * day),
        ("new.json", 6 * day),
        ("other", 99 * day),
    ] {
        let file = fs::File::options()
            .create(true)
            .append(true)
            .open(uploads.join(name))
            .unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }
    fixture.cache.store_block(&key(1), b"x").unwrap();
    fixture.cache.trim().unwrap();
    let mut names: Vec<_> = fs::read_dir(&uploads)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["held.lock", "new.json", "other"]);
}

#[test]
fn a_cache_that_can_only_be_read_serves_all_the_same() {
    let fixture = Fixture::new(u64::MAX);
    fixture.cache.store_block(&key(1), b"one").unwrap();
    fixture.age(&key(1), 5 * HOUR);
    let root = fixture.cache.root();
    fs::set_permissions(root, fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(fixture.reopened().load_block(&key(1)).as_deref(), Some(&b"one"[..]));
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_an_earlier_version_left_open_is_tightened() {
    for open in ["", "blocks", "blocks/v1"] {
        let fixture = Fixture::new(u64::MAX);
        fixture.cache.store_block(&key(1), b"one").unwrap();
        let root = fixture.cache.root();
        let block = fixture.block(&key(1));
        let shard = block.parent().unwrap();
        for path in [&root.join(open), shard, &block] {
            set_mode(path, 0o777);
        }
        assert_eq!(fixture.cache.tighten(), None);
        for path in [root, &root.join("blocks"), &root.join("blocks/v1"), shard, &block] {
            assert_eq!(mode(path) & 0o022, 0, "{open}: {}", path.display());
        }
        assert_eq!(fixture.cache.load_block(&key(1)).as_deref(), Some(&b"one"[..]));
    }
}

#[test]
fn a_directory_that_holds_more_than_the_cache_keeps_its_mode() {
    let fixture = Fixture::new(u64::MAX);
    assert_eq!(fixture.cache.tighten(), None);
    fixture.cache.store_block(&key(1), b"one").unwrap();
    let root = fixture.cache.root();
    fs::write(root.join("other"), "").unwrap();
    set_mode(root, 0o777);
    set_mode(&root.join("blocks"), 0o777);
    assert_eq!(fixture.cache.tighten().as_deref(), Some(root));
    assert_eq!((mode(root), mode(&root.join("blocks"))), (0o777, 0o755));
    // Like /tmp: only the owner of a file can replace it.
    set_mode(root, 0o1777);
    assert_eq!(fixture.cache.tighten(), None);
    assert_eq!(mode(root), 0o1777);
}

#[test]
fn what_is_another_users_is_named() {
    let fixture = Fixture::new(u64::MAX);
    fixture.cache.store_block(&key(1), b"one").unwrap();
    let blocks = fixture.cache.root().join("blocks");
    set_mode(&blocks, 0o777);
    // Only root gives a directory away.
    if std::os::unix::fs::chown(&blocks, Some(54321), None).is_ok() {
        assert_eq!(fixture.cache.tighten(), Some(blocks.clone()));
        assert_eq!(mode(&blocks), 0o777);
    }
}

/// Threads with separate caches, like processes: they load, store and trim the same few keys.
#[test]
fn nobody_sees_a_half_of_a_file() {
    let fixture = Fixture::new(200_000);
    let content = |number: usize| vec![number as u8; 1_000 + number * 500];
    thread::scope(|scope| {
        for worker in 0..8 {
            let cache = fixture.reopened();
            scope.spawn(move || {
                for round in 0..200 {
                    let number = (round * 7 + worker * 3) % 20;
                    match cache.load_block(&key(number)) {
                        Some(found) => assert!(found == content(number), "{number}"),
                        None => cache.store_block(&key(number), &content(number)).unwrap(),
                    }
                    if round % 16 == 0 {
                        cache.trim().unwrap();
                    }
                }
            });
        }
    });
    let left = files_below(&fixture.cache.root().join("blocks"));
    assert!(
        left.iter()
            .all(|path| !path.to_string_lossy().contains(TEMPORARY_PREFIX)),
        "{left:?}"
    );
}

#[test]
fn what_is_kept_is_shown_and_changes_by_nothing() {
    let fixture = Fixture::new(1_000);
    let cache = &fixture.cache;
    let counts = || -> Vec<(&str, u64, u64)> {
        let usage = cache.usage().unwrap();
        usage
            .iter()
            .map(|kind| (kind.name, kind.count.files, kind.count.size_bytes))
            .collect()
    };
    let empty = [
        ("blocks", 0, 0),
        ("layers", 0, 0),
        ("facts", 0, 0),
        ("documents", 0, 0),
        ("uploads", 0, 0),
    ];
    assert_eq!(counts(), empty);
    assert!(!cache.root().exists());
    cache.store_block(&key(1), &[0; 28]).unwrap();
    cache.store_block(&key(2), &[0; 128]).unwrap();
    cache.store_record(&key(1), &[0; 28]).unwrap();
    fs::create_dir(cache.root().join("uploads")).unwrap();
    fs::write(cache.root().join("uploads/a.json"), "12").unwrap();
    fs::write(cache.root().join("uploads/a.lock"), "").unwrap();
    fixture.age(&key(2), 9 * HOUR);
    let expected = [
        ("blocks", 2, 300),
        ("layers", 1, 100),
        ("facts", 0, 0),
        ("documents", 0, 0),
        ("uploads", 1, 2),
    ];
    assert_eq!(counts(), expected);
    let usage = cache.usage().unwrap();
    assert_eq!(
        (usage[0].oldest_use, usage[2].oldest_use),
        (Some(fixture.used(&key(2))), None)
    );
    fs::write(fixture.directory.path().join("file"), "").unwrap();
    let bad = Cache::new(fixture.directory.path().join("file"), 1);
    assert!(bad.usage().is_err() && bad.prune(None).is_err() && bad.verify(&[Kind::BLOCKS]).is_err());
}

#[test]
fn pruning_keeps_exactly_what_fits_and_all_means_all() {
    let fixture = Fixture::new(u64::MAX);
    let cache = &fixture.cache;
    assert_eq!(cache.prune(None).unwrap(), Trimmed::default());
    assert!(!cache.root().exists());
    for number in 0..10 {
        cache.store_block(&key(number), &[0; 928]).unwrap();
        fixture.age(&key(number), HOUR * (10 + number as u32));
    }
    let blocks = |files| {
        [(
            "blocks",
            Count {
                files,
                size_bytes: files * 1_000,
            },
        )]
        .into()
    };
    assert_eq!(
        cache.prune(Some(10_000)).unwrap(),
        Trimmed {
            kept_bytes: 10_000,
            ..Trimmed::default()
        }
    );
    assert_eq!(
        cache.prune(Some(9_999)).unwrap(),
        Trimmed {
            removed: blocks(1),
            kept_bytes: 9_000
        }
    );
    assert!(!fixture.block(&key(9)).exists());
    assert_eq!(
        cache.prune(Some(4_500)).unwrap(),
        Trimmed {
            removed: blocks(5),
            kept_bytes: 4_000
        }
    );
    let uploads = cache.root().join("uploads");
    fs::create_dir(&uploads).unwrap();
    let held = fs::File::create(uploads.join("held.lock")).unwrap();
    held.try_lock().unwrap();
    fs::write(uploads.join("a.json"), "note").unwrap();
    assert_eq!(cache.prune(Some(4_000)).unwrap().removed.len(), 0);
    let all = cache.prune(None).unwrap();
    assert_eq!(
        (
            all.removed["blocks"].files,
            all.removed["uploads"].files,
            all.kept_bytes
        ),
        (4, 1, 0)
    );
    assert_eq!(
        files_below(cache.root()),
        [cache.root().join("size"), uploads.join("held.lock")]
    );
}

#[test]
fn verifying_deletes_what_is_damaged_and_leaves_other_versions_alone() {
    const KINDS: [Kind; 2] = [Kind::BLOCKS, Kind::documents(1_000)];
    let fixture = Fixture::new(u64::MAX);
    let cache = &fixture.cache;
    assert_eq!(cache.verify(&KINDS).unwrap(), Verified::default());
    (0..4).for_each(|number| cache.store_block(&key(number), &[0; 28]).unwrap());
    cache.store(KINDS[1], &key(1), b"document").unwrap();
    let other = cache.root().join("blocks/v2").join(key(1).hex());
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, "of another version").unwrap();
    fs::copy(fixture.block(&key(1)), fixture.block(&key(0))).unwrap();
    fs::write(fixture.block(&key(2)), "").unwrap();
    fs::write(cache.path(KINDS[1], &key(1)), [0; 80]).unwrap();
    let verified = cache.verify(&KINDS).unwrap();
    assert_eq!(
        verified.sound,
        Count {
            files: 2,
            size_bytes: 200
        }
    );
    let damaged = [
        fixture.block(&key(0)),
        fixture.block(&key(2)),
        cache.path(KINDS[1], &key(1)),
    ];
    assert_eq!(
        verified.unsound,
        damaged.clone().map(|path| (path, Unsound::Deleted)).into()
    );
    assert!(damaged.iter().all(|path| !path.exists()) && other.exists());
    assert!(cache.verify(&KINDS).unwrap().unsound.is_empty());
}
