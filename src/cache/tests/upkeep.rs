//! What the cache deletes, counts and verifies: trimming to the limit, pruning, usage.

use std::fs;
use std::time::SystemTime;

use super::super::{Cache, Count, Kind, Trimmed, Unsound, Verified};
use super::{Fixture, HOUR, files_below, key};
use crate::store::local::TEMPORARY_PREFIX;

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
        ("origins", 0, 0),
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
        ("origins", 0, 0),
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
