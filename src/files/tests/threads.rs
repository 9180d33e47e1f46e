//! Tests of walks on several threads: the result does not depend on their number or order.

use std::os::unix::net::UnixListener;

use super::*;

/// Names that sort near the slash, where the order of whole paths differs from that of names.
const NAMES: [&str; 7] = ["a", "a!", "a-b", "a.", "a0", "a-b.c", "b"];

/// Returns nested directories, each with files whose names differ from those of its children by one byte.
fn nested() -> Fixture {
    let fixture = Fixture::new();
    for one in NAMES {
        for other in NAMES {
            let directory = fixture.path(&format!("src/{one}/{other}"));
            fs::create_dir_all(&directory).unwrap();
            for name in NAMES {
                fs::write(directory.join(name), name).unwrap();
                fs::write(directory.parent().unwrap().join(format!("{name}+")), name).unwrap();
            }
        }
        fs::write(fixture.path(&format!("src/{one},")), one).unwrap();
    }
    fixture
}

#[test]
fn the_number_of_threads_does_not_show() {
    let mut fixture = nested();
    let entries = [
        fixture.entry("src"),
        fixture.entry("src/a*/**"),
        FilesEntry {
            include: strings(&["a-b", "!b"]),
            ..fixture.entry("src")
        },
    ];
    for entry in entries {
        fixture.threads = 1;
        let alone = fixture.list(&entry).unwrap();
        let paths: Vec<&[u8]> = alone.items.iter().map(|item| item.path.as_bytes()).collect();
        assert!(paths.len() > 100 && paths.is_sorted(), "{:?}", shown(&alone));
        for threads in [2, 3, 64] {
            fixture.threads = threads;
            assert_eq!(fixture.list(&entry).unwrap(), alone, "{threads} threads");
        }
    }
    assert_eq!(fixture.paths("src").len(), 7 + 7 + 7 * (7 + 7) + 7 * 7 * 7);
}

#[test]
fn of_several_errors_the_first_by_path_is_told() {
    let mut fixture = nested();
    for directory in ["b/b", "b", "a/b", "a0/a", "a-b/a"] {
        fixture.write(&format!("src/{directory}/.wh.x"), b"");
    }
    for (at, is_deleted) in [("src/b/a/socket", true), ("src/a/a0/socket", false)] {
        let _socket = UnixListener::bind(fixture.path(at)).unwrap();
        // For the first and the last entry of a directory: `a-b/a/.wh.x` sorts before everything in `a/`.
        for threads in [1, 2, 8].repeat(20) {
            fixture.threads = threads;
            let error = fixture.list(&fixture.entry("src")).unwrap_err().to_string();
            assert!(error.contains("src/a-b/a/.wh.x"), "{error}");
        }
        if is_deleted {
            fs::remove_file(fixture.path(at)).unwrap();
        }
    }
    fs::remove_dir_all(fixture.path("src/a-b")).unwrap();
    for threads in [1, 2, 8].repeat(20) {
        fixture.threads = threads;
        let error = fixture.list(&fixture.entry("src")).unwrap_err().to_string();
        assert!(error.contains("src/a/a0/socket"), "{error}");
    }
}

#[test]
fn a_single_directory_of_many_files_is_sorted() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.path("src")).unwrap();
    for number in 0..500 {
        fixture.write(&format!("src/{}", number * 7919 % 503), b"");
    }
    let listing = fixture.list(&fixture.entry("src")).unwrap();
    assert!(listing.items.is_sorted_by_key(|item| item.path.clone()) && listing.items.len() == 500);
}
