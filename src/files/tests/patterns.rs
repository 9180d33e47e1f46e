//! `include`, `exclude`, `executable`.

use super::super::filter;
use super::*;
use crate::model::{EntryPath, ListedRoot};

fn tree() -> Fixture {
    Fixture::with(&[
        "src/a.py",
        "src/b.txt",
        "src/pkg/c.py",
        "src/pkg/__pycache__/c.pyc",
        "src/doc/d.md",
        "src/empty/",
    ])
}

fn listed(include: &[&str], exclude: &[&str]) -> Vec<String> {
    let fixture = tree();
    let entry = FilesEntry {
        include: strings(include),
        exclude: strings(exclude),
        ..fixture.entry("src")
    };
    shown(&fixture.list(&entry).unwrap())
}

#[test]
fn include_brings_what_matches_and_the_directories_on_the_way() {
    assert_eq!(listed(&["*.py"], &[]), ["a.py", "pkg/", "pkg/c.py"]);
    assert_eq!(listed(&["/a.py"], &[]), ["a.py"]);
    assert_eq!(
        listed(&["pkg"], &[]),
        ["pkg/", "pkg/__pycache__/", "pkg/__pycache__/c.pyc", "pkg/c.py"]
    );
    assert_eq!(listed(&["empty/"], &[]), ["empty/"]);
    assert_eq!(listed(&["pkg", "!__pycache__"], &[]), ["pkg/", "pkg/c.py"]);
}

#[test]
fn exclude_drops_what_matches_with_its_contents() {
    assert_eq!(
        listed(&[], &["**/__pycache__", "doc/", "*.txt"]),
        ["a.py", "empty/", "pkg/", "pkg/c.py"]
    );
    assert_eq!(listed(&["*.py"], &["/a.py"]), ["pkg/", "pkg/c.py"]);
    assert_eq!(listed(&[], &["*", "!a.py"]), ["a.py"]);
    assert_eq!(listed(&[], &["a.{py,txt}", "/b*", "pkg", "doc"]), ["a.py", "empty/"]);
}

#[test]
fn executable_makes_files_executable_and_directories_pass_it_down() {
    let fixture = tree();
    let entry = FilesEntry {
        executable: strings(&["pkg/", "b.*"]),
        ..fixture.entry("src")
    };
    let expected = [
        "a.py",
        "b.txt*",
        "doc/",
        "doc/d.md",
        "empty/",
        "pkg/",
        "pkg/__pycache__/",
        "pkg/__pycache__/c.pyc*",
        "pkg/c.py*",
    ];
    let listing = fixture.list(&entry).unwrap();
    assert_eq!(shown(&listing), expected);
    let entry = FilesEntry {
        executable: strings(&["*.py"]),
        ..fixture.entry("src/a.py")
    };
    assert!(fixture.list(&entry).unwrap().items[0].executable);
}

#[test]
fn nothing_left_is_an_error() {
    let fixture = tree();
    for (include, exclude, from) in [
        (&["*.rs"][..], &[][..], "src"),
        (&[], &["*.py"], "src/a.py"),
        (&["*.rs"], &[], "src/a.py"),
        (&[], &["*"], "src/*.py"),
    ] {
        let entry = FilesEntry {
            include: strings(include),
            exclude: strings(exclude),
            ..fixture.entry(from)
        };
        let error = fixture.list(&entry).unwrap_err();
        assert!(matches!(error, FilesError::NothingLeft { .. }), "{error}");
        assert_eq!(error.error_kind(), ErrorKind::Input);
    }
    let entry = FilesEntry {
        exclude: strings(&["*"]),
        ..fixture.entry("src")
    };
    assert!(fixture.list(&entry).unwrap().items.is_empty());
}

#[test]
fn a_bad_pattern_is_an_error_that_names_it() {
    let fixture = tree();
    let entry = FilesEntry {
        exclude: strings(&["a[b"]),
        ..fixture.entry("src")
    };
    let error = fixture.list(&entry).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("ocitect.toml:7:3: bad pattern \"a[b\" in `exclude`: "),
        "{error}"
    );
}

#[test]
fn listings_of_images_are_filtered_the_same_way() {
    let fixture = tree();
    let whole = fixture.list(&fixture.entry("src")).unwrap();
    let entry = FilesEntry {
        include: strings(&["*.py", "doc"]),
        exclude: strings(&["/a.py"]),
        executable: strings(&["c.py"]),
        ..fixture.entry("src")
    };
    let filtered = filter(whole.clone(), &entry).unwrap();
    assert_eq!(filtered, fixture.list(&entry).unwrap());
    assert_eq!(shown(&filtered), ["doc/", "doc/d.md", "pkg/", "pkg/c.py*"]);
    assert_eq!(filter(filtered.clone(), &entry).unwrap(), filtered);
    assert_eq!(filter(whole.clone(), &fixture.entry("src")).unwrap(), whole);
    let error = filter(
        whole,
        &FilesEntry {
            include: strings(&["*.rs"]),
            ..fixture.entry("src")
        },
    )
    .unwrap_err();
    assert!(matches!(error, FilesError::NothingLeft { .. }), "{error}");
}

#[test]
fn a_file_of_an_image_takes_patterns_by_its_name_and_capabilities() {
    let fixture = tree();
    let mut item = fixture.list(&fixture.entry("src/a.py")).unwrap().items.remove(0);
    item.path = EntryPath::root();
    let listing = Listing {
        root: ListedRoot::File { name: b"uv".to_vec() },
        items: vec![item],
    };
    let entry = FilesEntry {
        executable: strings(&["uv"]),
        capabilities: strings(&["cap_net_raw"]),
        ..fixture.entry("docker://x#/uv")
    };
    let filtered = filter(listing.clone(), &entry).unwrap();
    assert!(filtered.items[0].executable && filtered.items[0].xattrs.len() == 1);
    assert!(
        filter(
            listing,
            &FilesEntry {
                exclude: strings(&["uv"]),
                ..entry
            }
        )
        .is_err()
    );
}
