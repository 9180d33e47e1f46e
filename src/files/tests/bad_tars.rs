//! tar archives that are refused: by their members, damaged, cut short, changed during the run, or over a limit.

use std::io::Write as _;

use tar::EntryType;

use super::tars::{Tar, fixture, gzip, listed, refused, sample};
use super::*;
use crate::compress::{Algorithm, Compression, Encoder};

#[test]
fn names_that_leave_the_archive_are_refused() {
    assert!(
        matches!(refused(Tar::default().file("/etc/passwd", "")), (name, Reason::Absolute) if name == "/etc/passwd")
    );
    assert!(matches!(
        refused(Tar::default().file("a/../../b", "")).1,
        Reason::Name(_)
    ));
    assert!(matches!(
        refused(Tar::default().file("a", "").hardlink("b", "/a")).1,
        Reason::LinkOutside { .. }
    ));
    assert!(matches!(
        refused(Tar::default().hardlink("b", "../a")).1,
        Reason::LinkOutside { .. }
    ));
    assert!(matches!(refused(Tar::default().symlink("./", "x")).1, Reason::Unnamed));
    let through = refused(Tar::default().symlink("a", "/etc").file("a/passwd", "")).1;
    assert_eq!(
        through.to_string(),
        "is inside \"a\", which is a symbolic link in the archive"
    );
    assert!(matches!(
        refused(Tar::default().file("a/b", "").symlink("a", "/etc")).1,
        Reason::Below { .. }
    ));
    assert!(matches!(
        refused(Tar::default().file("a", "").file("a/b", "")).1,
        Reason::Below { what: "a file", .. }
    ));
    let too_long = "d/".repeat(2100);
    assert!(matches!(
        refused(Tar::default().pax(&[("path", too_long.as_bytes())]).file("x", "")).1,
        Reason::Name(_)
    ));
    assert_eq!(
        listed(Tar::default().symlink("out", "../../etc").symlink("abs", "/etc")).len(),
        2
    );
}

#[test]
fn hard_links_need_a_file_that_stands_before_them() {
    for tar in [
        Tar::default().hardlink("b", "a"),
        Tar::default().hardlink("b", "a").file("a", ""),
        Tar::default().directory("a/").hardlink("b", "a"),
    ] {
        assert!(matches!(refused(tar).1, Reason::LinkTarget { .. }));
    }
    let tar = Tar::default().symlink("a", "x").hardlink("b", "./a");
    assert_eq!(listed(tar), ["a -> x", "b -> x"]);
}

#[test]
fn devices_fifos_and_whiteouts_are_refused_unless_they_are_left_out() {
    for (kind, what) in [
        (EntryType::Char, "a character device"),
        (EntryType::Block, "a block device"),
        (EntryType::Fifo, "a fifo"),
    ] {
        let fixture = fixture(&Tar::default().raw(b"dev/x", kind, 0o600, b"", b"").file("a", "").end());
        let error = fixture.unpack("a.tar").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with(&format!("a.tar: dev/x is {what}, which cannot be packed")),
            "{error}"
        );
        let entry = FilesEntry {
            unpack: true,
            exclude: strings(&["dev"]),
            ..fixture.entry("a.tar")
        };
        assert_eq!(shown(&fixture.list(&entry).unwrap()), ["a"]);
    }
    let fixture = fixture(&Tar::default().file("a/.wh.b", "").end());
    assert!(matches!(fixture.unpack("a.tar"), Err(FilesError::Whiteout { .. })));
}

#[test]
fn sparse_files_and_unknown_types_are_refused() {
    assert!(matches!(
        refused(Tar::default().raw(b"a", EntryType::GNUSparse, 0o644, b"", b"")).1,
        Reason::Sparse
    ));
    assert!(matches!(
        refused(Tar::default().pax(&[("GNU.sparse.major", b"1")]).file("a", "")).1,
        Reason::Sparse
    ));
    assert!(matches!(
        refused(Tar::default().raw(b"a", EntryType::new(b'D'), 0o644, b"", b"")).1,
        Reason::Type(b'D')
    ));
}

#[test]
fn an_archive_that_is_cut_short_is_an_error_wherever_it_is_cut() {
    let whole = Tar::default()
        .directory("d/")
        .file("d/a", "0123456789")
        .file("b", "")
        .end();
    for length in 512..whole.len() {
        let error = fixture(&whole[..length]).archive_error("a.tar");
        assert!(matches!(error, ArchiveError::CutShort { .. }), "{length}: {error}");
        assert_eq!(error.error_kind(), ErrorKind::Input);
    }
    let packed = gzip(&whole);
    for length in 30..packed.len() {
        let error = fixture(&packed[..length]).archive_error("a.tar");
        assert!(matches!(error, ArchiveError::Compression { .. }), "{length}: {error}");
    }
    let cut_inside = fixture(&gzip(&whole[..1600])).archive_error("a.tar");
    assert!(matches!(cut_inside, ArchiveError::CutShort { .. }), "{cut_inside}");
}

#[test]
fn a_damaged_archive_is_an_error() {
    let damaged = |bytes: &[u8]| match fixture(bytes).archive_error("a.tar") {
        ArchiveError::Damaged { offset, reason } => (offset, reason),
        other => panic!("{other}"),
    };
    let mut bad_checksum = Tar::default().file("a", "").file("b", "").end();
    bad_checksum[512] = b'c';
    assert_eq!(
        damaged(&bad_checksum),
        (512, "the checksum of a header is wrong".to_owned())
    );
    let mut lone_zero = Tar::default().file("a", "");
    lone_zero.bytes.resize(1024, 0);
    assert_eq!(damaged(&lone_zero.file("b", "").end()).0, 1024);
    assert!(
        damaged(&Tar::default().pax(&[("path", b"x")]).end())
            .1
            .contains("no member")
    );
    assert!(
        damaged(&Tar::default().pax(&[("size", b"-1")]).file("a", "").end())
            .1
            .contains("size")
    );
    let global = Tar::default()
        .extended(EntryType::XGlobalHeader, &[("path", b"x")])
        .file("a", "");
    assert!(damaged(&global.end()).1.contains("global"));
    for records in [&b"5 a=b\n"[..], b"x", b"99 a=b\n", b"1 a=b\n", b"6 ab=\n7"] {
        let tar = Tar::default()
            .raw(b"x", EntryType::XHeader, 0o644, b"", records)
            .file("a", "");
        let found = damaged(&tar.end()).1;
        assert!(found.contains("malformed"), "{found}");
    }
    let large = vec![b'n'; 1024 * 1024 + 1];
    assert!(
        damaged(&Tar::default().pax(&[("comment", &large)]).file("a", "").end())
            .1
            .contains("too large")
    );
    let name = vec![b'n'; 5000];
    let long = Tar::default()
        .raw(b"x", EntryType::GNULongName, 0o644, b"", &name)
        .file("a", "");
    assert!(damaged(&long.end()).1.contains("too long"));
    let overflow = Tar::default().pax(&[("size", b"18446744073709551615")]).file("a", "");
    assert!(damaged(&overflow.end()).1.contains("size"));
}

#[test]
fn what_is_no_archive_is_named() {
    for (bytes, what) in [
        (&b""[..], "an empty file"),
        (b"\x7fELF\x02\x01", "an ELF file"),
        (b"#!/bin/sh\n", "a script"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\xfd7zXZ\0\0\0\0\0\0\0", "xz-compressed data"),
        (&gzip(b"text"), "compressed data that is not a tar archive"),
        (&gzip(b""), "compressed data without content"),
        (&[b'x'; 600], "a file of an unknown kind"),
    ] {
        let error = fixture(bytes).archive_error("a.tar");
        assert_eq!(error.to_string(), format!("expected a supported archive, found {what}"));
        assert_eq!(
            error.help().as_deref(),
            Some("use a tar, tar.gz, tar.zst or zip archive")
        );
    }
}

#[test]
fn only_regular_files_are_unpacked() {
    let fixture = Fixture::with(&["dir/a"]);
    let error = fixture.unpack("dir").unwrap_err();
    assert!(error.to_string().ends_with("dir is a directory"), "{error}");
    assert!(matches!(fixture.unpack("di*"), Err(FilesError::UnpackOther { .. })));
    assert!(matches!(
        fixture.unpack("/dev/null"),
        Err(FilesError::UnpackOther { .. })
    ));
}

#[test]
fn an_archive_that_changes_after_it_was_listed_is_an_error() {
    let tar = sample().end();
    for archive in [tar.clone(), gzip(&tar)] {
        let fixture = fixture(&archive);
        let listing = fixture.unpack("a.tar").unwrap();
        fixture.write("a.tar", &Tar::default().file("read.me", "else").end());
        let error = fixture.read(item(&listing, "read.me")).unwrap_err();
        let inner = error.get_ref().unwrap().downcast_ref::<FilesError>().unwrap();
        assert!(
            matches!(inner, FilesError::Member { source, .. } if matches!(**source, ArchiveError::Changed)),
            "{inner}"
        );
        assert_eq!(inner.error_kind(), ErrorKind::Local);
        let again = fixture.unpack("a.tar").unwrap();
        assert_eq!(fixture.read(item(&again, "read.me")).unwrap(), b"else");
        fs::remove_file(fixture.path("a.tar")).unwrap();
        assert!(fixture.read(item(&again, "read.me")).is_err());
    }
}

#[test]
fn an_archive_that_changes_while_it_is_read_is_an_error() {
    let fixture = fixture(&sample().end());
    let listing = fixture.unpack("a.tar").unwrap();
    let mut reader = fixture.archives.open(content(item(&listing, "read.me"))).unwrap();
    fs::OpenOptions::new()
        .append(true)
        .open(fixture.path("a.tar"))
        .unwrap()
        .write_all(b"more")
        .unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    let inner = error.get_ref().unwrap().downcast_ref::<FilesError>().unwrap();
    assert!(
        matches!(inner, FilesError::Member { source, .. } if matches!(**source, ArchiveError::Changed)),
        "{inner}"
    );
}

#[test]
fn content_of_other_kinds_and_unknown_members_are_errors() {
    let fixture = fixture(&sample().end());
    assert!(fixture.archives.open(&Content::Bytes((*b"x").into())).is_err());
    let listing = fixture.unpack("a.tar").unwrap();
    let Content::Member { archive, stamp, .. } = content(item(&listing, "other")).clone() else {
        panic!()
    };
    let error = fixture
        .archives
        .open(&Content::Member {
            archive,
            stamp,
            index: 99,
        })
        .err()
        .unwrap();
    assert!(
        error
            .get_ref()
            .unwrap()
            .source()
            .unwrap()
            .to_string()
            .contains("no member 99")
    );
}

#[test]
fn a_spool_that_cannot_be_written_is_a_failure_here() {
    let mut fixture = fixture(&gzip(&sample().end()));
    fixture.archives = Archives::new(fixture.path("missing"));
    assert_eq!(fixture.archive_error("a.tar").error_kind(), ErrorKind::Local);
}

#[test]
fn a_compressed_archive_that_grows_without_bound_is_refused_while_it_is_spooled() {
    use std::io::Read as _;
    let mut encoder = Encoder::new(Compression::new(Algorithm::Zstd, Some(1)).unwrap(), Vec::new()).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(17 << 20), &mut encoder).unwrap();
    let bomb = encoder.finish().unwrap();
    let error = fixture(&bomb).archive_error("a.tar");
    assert!(matches!(error, ArchiveError::Expansion { .. }), "{error}");
}

#[test]
fn the_text_of_all_members_is_bounded() {
    use crate::model::MAX_LINK_TARGETS_BYTES;
    // Each target has a separate header, as GNU tar writes long ones.
    let target = [b'c'; 4000];
    let header = Tar::default().raw(
        b"long",
        EntryType::GNULongLink,
        0o644,
        b"",
        &[&target[..], b"\0"].concat(),
    );
    let one = header.raw(b"l", EntryType::Symlink, 0o777, b"", b"").bytes;
    let count = MAX_LINK_TARGETS_BYTES as usize / 4000 + 1;
    let archive = gzip(&[one.repeat(count), vec![0; 1024]].concat());
    let error = fixture(&archive).archive_error("a.tar");
    assert!(
        matches!(
            error,
            ArchiveError::TooMuchText {
                what: "link targets",
                ..
            }
        ),
        "{error}"
    );
}
