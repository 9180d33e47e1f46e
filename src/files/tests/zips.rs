//! zip archives.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, System, ZipWriter};

use super::*;

/// Returns a zip archive of files (name, mode, content) and links (name, target).
fn zip(files: &[(&str, u32, &str)], links: &[(&str, &str)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .system(System::Unix);
    for (name, mode, content) in files {
        if name.ends_with('/') {
            writer.add_directory(*name, options.unix_permissions(*mode)).unwrap()
        } else {
            writer.start_file(*name, options.unix_permissions(*mode)).unwrap();
            writer.write_all(content.as_bytes()).unwrap();
        }
    }
    for (name, target) in links {
        writer.add_symlink(*name, *target, options).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn stored(files: &[(&str, u32, &str)]) -> Vec<u8> {
    zip(files, &[], CompressionMethod::Stored)
}

fn fixture(archive: &[u8]) -> Fixture {
    let fixture = Fixture::new();
    fixture.write("a.zip", archive);
    fixture
}

/// Writes `bytes` at `offset` of every header that begins with `signature`.
fn patch(archive: &mut [u8], signature: &[u8; 4], offset: usize, bytes: &[u8]) {
    let places: Vec<usize> = archive
        .windows(4)
        .enumerate()
        .filter(|(_, window)| window == signature)
        .map(|(place, _)| place)
        .collect();
    assert!(!places.is_empty());
    for place in places {
        archive[place + offset..place + offset + bytes.len()].copy_from_slice(bytes);
    }
}

const LOCAL: &[u8; 4] = b"PK\x03\x04";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";

#[test]
fn members_are_listed_and_read() {
    let files = [
        ("bin/", 0o750, ""),
        ("bin/tool", 0o755, "run run run"),
        ("read.me", 0o640, "text"),
        ("empty", 0o600, ""),
    ];
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let fixture = fixture(&zip(&files, &[("bin/alias", "tool"), ("abs", "/etc/x")], method));
        let entry = FilesEntry {
            unpack: true,
            keep_modes: true,
            ..fixture.entry("a.zip")
        };
        let listing = fixture.list(&entry).unwrap();
        let expected = [
            "abs -> /etc/x",
            "bin/",
            "bin/alias -> tool",
            "bin/tool*",
            "empty",
            "read.me",
        ];
        assert_eq!(shown(&listing), expected);
        assert_eq!(fixture.read(item(&listing, "bin/tool")).unwrap(), b"run run run");
        assert_eq!(fixture.read(item(&listing, "read.me")).unwrap(), b"text");
        assert_eq!(fixture.read(item(&listing, "empty")).unwrap(), b"");
        assert_eq!(item(&listing, "bin").kept_mode, Some(0o750));
        assert_eq!(item(&listing, "read.me").kept_mode, Some(0o640));
    }
}

#[test]
fn an_archive_of_dos_has_no_modes() {
    let mut archive = stored(&[("a/", 0o755, ""), ("a/x", 0o755, "x")]);
    patch(&mut archive, CENTRAL, 5, &[0]);
    let fixture = fixture(&archive);
    let entry = FilesEntry {
        unpack: true,
        keep_modes: true,
        ..fixture.entry("a.zip")
    };
    let listing = fixture.list(&entry).unwrap();
    assert_eq!(shown(&listing), ["a/", "a/x"]);
    assert!(listing.items.iter().all(|item| item.kept_mode.is_none()));
}

#[test]
fn an_empty_archive_is_empty() {
    assert!(fixture(&stored(&[])).unpack("a.zip").unwrap().items.is_empty());
}

#[test]
fn links_that_leave_the_tree_are_refused() {
    for (name, target) in [("out", ".."), ("a/out", "../../x"), ("a/out", "./b/../../../x")] {
        let archive = zip(&[], &[(name, target)], CompressionMethod::Stored);
        let (member, reason) = fixture(&archive).member_error("a.zip");
        assert_eq!(member, name);
        assert!(matches!(reason, Reason::LinkLeaves { .. }), "{reason}");
    }
    let inside = zip(&[], &[("a/in", "../b"), ("c", "a/../b")], CompressionMethod::Deflated);
    assert_eq!(
        shown(&fixture(&inside).unpack("a.zip").unwrap()),
        ["a/in -> ../b", "c -> a/../b"]
    );
    let through = zip(&[("l/x", 0o644, "")], &[("l", "/etc")], CompressionMethod::Stored);
    assert!(matches!(
        fixture(&through).member_error("a.zip").1,
        Reason::Below { .. }
    ));
}

#[test]
fn names_that_leave_the_tree_are_refused() {
    // The writer cleans names, so they are replaced afterwards, at the same length.
    let renamed = |from: &str, to: &str| {
        let archive = stored(&[(from, 0o644, "x")]);
        let mut bytes = archive;
        let places: Vec<usize> = (0..bytes.len() - from.len())
            .filter(|at| bytes[*at..].starts_with(from.as_bytes()))
            .collect();
        assert_eq!(places.len(), 2);
        for place in places {
            bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
        }
        fixture(&bytes).unpack("a.zip").unwrap_err()
    };
    for (from, to) in [("aa/bb", "../bb"), ("aa/bb", "/a/bb"), ("aa/bb", "a\0/bb")] {
        let error = renamed(from, to);
        let FilesError::Archive { source, .. } = &error else {
            panic!("{error}")
        };
        assert!(
            matches!(
                **source,
                ArchiveError::Member {
                    reason: Reason::Name(_) | Reason::Absolute,
                    ..
                }
            ),
            "{to:?}: {source}"
        );
    }
    assert!(matches!(renamed("aa/wwwbb", "aa/.wh.b"), FilesError::Whiteout { .. }));
}

#[test]
fn encrypted_members_and_other_compressions_are_refused() {
    let mut encrypted = stored(&[("secret", 0o644, "text")]);
    patch(&mut encrypted, LOCAL, 6, &[1]);
    patch(&mut encrypted, CENTRAL, 8, &[1]);
    let (member, reason) = fixture(&encrypted).member_error("a.zip");
    assert_eq!(
        (member.as_str(), reason.to_string().as_str()),
        ("secret", "is encrypted")
    );
    let mut bzip2 = stored(&[("a", 0o644, "text")]);
    patch(&mut bzip2, LOCAL, 8, &[12, 0]);
    patch(&mut bzip2, CENTRAL, 10, &[12, 0]);
    assert!(matches!(fixture(&bzip2).member_error("a.zip").1, Reason::Method(_)));
}

#[test]
fn special_files_are_refused() {
    let mut archive = stored(&[("dev", 0o644, "")]);
    patch(&mut archive, CENTRAL, 40, &(0o060_644u16).to_le_bytes());
    assert!(matches!(
        fixture(&archive).unpack("a.zip"),
        Err(FilesError::Refused { .. })
    ));
}

#[test]
fn content_that_is_not_what_the_archive_says_is_an_error() {
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let archive = zip(&[("a", 0o644, "some text that is long enough")], &[], method);
        let mut checksum = archive.clone();
        patch(&mut checksum, CENTRAL, 16, &[1, 2, 3, 4]);
        let mut shorter = archive.clone();
        patch(&mut shorter, CENTRAL, 24, &[20]);
        let mut longer = archive.clone();
        patch(&mut longer, CENTRAL, 24, &[200]);
        for archive in [checksum, shorter, longer] {
            let fixture = fixture(&archive);
            let listing = fixture.unpack("a.zip").unwrap();
            let error = fixture.read(&listing.items[0]).unwrap_err();
            let inner = error.get_ref().unwrap().downcast_ref::<FilesError>().unwrap();
            assert!(
                matches!(inner, FilesError::Member { source, .. } if matches!(**source, ArchiveError::Content { .. })),
                "{inner}"
            );
            assert_eq!(inner.error_kind(), ErrorKind::Input);
        }
    }
}

#[test]
fn an_archive_that_is_cut_short_is_an_error() {
    let archive = stored(&[("a", 0o644, "text"), ("b", 0o644, "more")]);
    for length in 4..archive.len() {
        let error = fixture(&archive[..length]).archive_error("a.zip");
        assert_eq!(error.error_kind(), ErrorKind::Input, "{length}: {error}");
    }
    let mut beyond = archive;
    patch(&mut beyond, CENTRAL, 20, &[0, 0, 1, 0]);
    assert!(matches!(
        fixture(&beyond).archive_error("a.zip"),
        ArchiveError::CutShort { .. }
    ));
}

/// Returns a zip archive with one member of this name, inserted after writing, from this system (APPNOTE 4.4.2.2).
fn named(name: &str, system: u8) -> Vec<u8> {
    let placeholder = "n".repeat(name.len());
    let mut bytes = stored(&[(&placeholder, 0o644, "x")]);
    for place in 0..bytes.len() - name.len() {
        if bytes[place..].starts_with(placeholder.as_bytes()) {
            bytes[place..place + name.len()].copy_from_slice(name.as_bytes());
        }
    }
    patch(&mut bytes, CENTRAL, 5, &[system]);
    bytes
}

const FAT: u8 = 0;
const UNIX: u8 = 3;
const NTFS: u8 = 10;
const VFAT: u8 = 14;

#[test]
fn backslashes_part_names_where_they_cannot_be_in_one() {
    for system in [FAT, NTFS, VFAT] {
        assert_eq!(
            shown(&fixture(&named("bin\\sub\\tool", system)).unpack("a.zip").unwrap()),
            ["bin/sub/tool"]
        );
        assert_eq!(
            shown(&fixture(&named("bin/sub\\tool", system)).unpack("a.zip").unwrap()),
            ["bin/sub/tool"]
        );
    }
    assert_eq!(
        shown(&fixture(&named("bin\\tool", UNIX)).unpack("a.zip").unwrap()),
        ["bin\\\\tool"]
    );
}

#[test]
fn names_of_other_systems_that_leave_the_tree_are_refused() {
    for (name, system) in [
        ("\\etc\\x", FAT),
        ("\\\\host\\share", NTFS),
        ("/etc/x", FAT),
        ("/etc/x", UNIX),
    ] {
        assert!(
            matches!(fixture(&named(name, system)).member_error("a.zip").1, Reason::Absolute),
            "{name}"
        );
    }
    for (name, system) in [("..\\x", FAT), ("a\\..\\..\\x", VFAT), ("a/../x", UNIX)] {
        assert!(
            matches!(fixture(&named(name, system)).member_error("a.zip").1, Reason::Name(_)),
            "{name}"
        );
    }
    for (name, system) in [("C:\\x", FAT), ("c:/x", UNIX), ("C:x", NTFS), ("C:\\x", UNIX)] {
        let (_, reason) = fixture(&named(name, system)).member_error("a.zip");
        assert!(matches!(reason, Reason::Drive), "{name}: {reason}");
    }
    assert_eq!(shown(&fixture(&named("c:x", UNIX)).unpack("a.zip").unwrap()), ["c:x"]);
}

#[test]
fn members_that_share_bytes_are_refused() {
    let archive = stored(&[("a", 0o644, "text"), ("b", 0o644, "more"), ("c", 0o644, "")]);
    let starts: Vec<usize> = (0..archive.len() - 4)
        .filter(|at| archive[*at..].starts_with(CENTRAL))
        .collect();
    for (from, to) in [(1, 0), (2, 0), (0, 1)] {
        // Two members have the same header position, so that one content is in the archive twice.
        let mut shared = archive.clone();
        let offset = shared[starts[to] + 42..starts[to] + 46].to_vec();
        shared[starts[from] + 42..starts[from] + 46].copy_from_slice(&offset);
        let (_, reason) = fixture(&shared).member_error("a.zip");
        assert!(matches!(reason, Reason::Overlaps { .. }), "{reason}");
        assert!(reason.help().unwrap().contains("unpack it yourself"));
    }
    // Its content overlaps the next member.
    let mut longer = archive.clone();
    longer[starts[0] + 20..starts[0] + 28].copy_from_slice(&[10, 0, 0, 0, 10, 0, 0, 0]);
    assert!(matches!(
        fixture(&longer).member_error("a.zip").1,
        Reason::Overlaps { .. }
    ));
}

#[test]
fn an_archive_that_says_it_grows_without_bound_is_refused() {
    let mut archive = zip(
        &[("a", 0o644, "text"), ("b", 0o644, "text")],
        &[],
        CompressionMethod::Deflated,
    );
    patch(&mut archive, CENTRAL, 24, &(3u32 << 30).to_le_bytes());
    let error = fixture(&archive).archive_error("a.zip");
    assert!(matches!(error, ArchiveError::Expansion { .. }), "{error}");
    assert_eq!((error.error_kind(), error.help().is_some()), (ErrorKind::Input, true));
}
