//! An entry is found whole or not at all, even with several writers, and whatever the modes of its files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io, thread};

use super::super::{Cache, Kind, Trimmed};
use super::{Fixture, HOUR, files_below, key};
use crate::store::local::TEMPORARY_PREFIX;

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
    let path = fixture.block(&key(1));
    let outside = fixture.directory.path().join("outside");
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
