//! tar archives.

use std::io::Write as _;

use tar::{EntryType, Header};

use super::*;
use crate::compress::{Algorithm, Compression, Encoder};
use crate::model::ListedRoot;

/// A tar archive that is being written.
#[derive(Default)]
struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    fn raw(mut self, name: &[u8], kind: EntryType, mode: u32, link: &[u8], content: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.bytes.extend_from_slice(header.as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.raw(name.as_bytes(), EntryType::Regular, 0o644, b"", content.as_bytes())
    }

    fn directory(self, name: &str) -> Self {
        self.raw(name.as_bytes(), EntryType::Directory, 0o750, b"", b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), EntryType::Symlink, 0o777, target.as_bytes(), b"")
    }

    fn hardlink(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), EntryType::Link, 0o644, target.as_bytes(), b"")
    }

    fn pax(self, records: &[(&str, &[u8])]) -> Self {
        self.extended(EntryType::XHeader, records)
    }

    fn extended(self, kind: EntryType, records: &[(&str, &[u8])]) -> Self {
        let mut content = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let digits = (rest + rest.to_string().len()).to_string().len();
            content.extend_from_slice(format!("{} {key}=", rest + digits).as_bytes());
            content.extend_from_slice(value);
            content.push(b'\n');
        }
        self.raw(b"PaxHeaders/x", kind, 0o644, b"", &content)
    }

    fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    Compression::new(Algorithm::Zstd, None)
        .unwrap()
        .block_encoder()
        .encode(bytes)
        .unwrap()
}

fn fixture(archive: &[u8]) -> Fixture {
    let fixture = Fixture::new();
    fixture.write("a.tar", archive);
    fixture
}

fn listed(archive: Tar) -> Vec<String> {
    shown(&fixture(&archive.end()).unpack("a.tar").unwrap())
}

fn refused(archive: Tar) -> (String, Reason) {
    fixture(&archive.end()).member_error("a.tar")
}

fn sample() -> Tar {
    Tar::default()
        .directory("./")
        .directory("./bin/")
        .raw(b"./bin/tool", EntryType::Regular, 0o4755, b"", b"run")
        .symlink("./bin/alias", "/bin/tool")
        .hardlink("./other", "bin/tool")
        .file("read.me", "text")
}

#[test]
fn members_are_listed_and_read_whatever_the_compression() {
    let tar = sample().end();
    for archive in [tar.clone(), gzip(&tar), zstd(&tar)] {
        let fixture = fixture(&archive);
        let listing = fixture.unpack("a.tar").unwrap();
        assert_eq!(listing.root, ListedRoot::Directory);
        assert_eq!(
            shown(&listing),
            ["bin/", "bin/alias -> /bin/tool", "bin/tool*", "other*", "read.me"]
        );
        assert_eq!(fixture.read(item(&listing, "read.me")).unwrap(), b"text");
        assert_eq!(fixture.read(item(&listing, "bin/tool")).unwrap(), b"run");
        assert_eq!(content(item(&listing, "other")), content(item(&listing, "bin/tool")));
        assert!(item(&listing, "bin/tool").origin_text().ends_with("a.tar: bin/tool"));
        assert!(listing.items.iter().all(|item| item.kept_mode.is_none()));
        assert_eq!(fixture.unpack("a.tar").unwrap(), listing);
        let fresh = Fixture {
            archives: Archives::new(std::env::temp_dir()),
            ..fixture
        };
        assert_eq!(fresh.read(item(&listing, "other")).unwrap(), b"run");
    }
}

#[test]
fn several_threads_read_at_once() {
    let fixture = fixture(&gzip(&sample().end()));
    let listing = fixture.unpack("a.tar").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut bytes = Vec::new();
                let content = content(item(&listing, "read.me"));
                fixture.archives.open(content).unwrap().read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes, b"text");
            });
        }
    });
}

#[test]
fn modes_are_kept_on_request() {
    let fixture = fixture(&sample().end());
    let entry = FilesEntry {
        unpack: true,
        keep_modes: true,
        ..fixture.entry("a.tar")
    };
    let listing = fixture.list(&entry).unwrap();
    assert_eq!(item(&listing, "bin").kept_mode, Some(0o750));
    assert_eq!(item(&listing, "bin/tool").kept_mode, Some(0o4755));
    assert_eq!(item(&listing, "other").kept_mode, Some(0o4755));
    assert_eq!(item(&listing, "bin/alias").kept_mode, None);
}

#[test]
fn strip_and_patterns_apply_to_the_unpacked_tree() {
    let tar = Tar::default()
        .file("top.txt", "")
        .directory("pkg-1.0/")
        .file("pkg-1.0/lib/a.so", "lib")
        .file("pkg-1.0/doc/x.md", "")
        .hardlink("pkg-1.0/b.so", "pkg-1.0/lib/a.so");
    let fixture = fixture(&tar.end());
    let entry = FilesEntry {
        unpack: true,
        strip: 1,
        ..fixture.entry("a.tar")
    };
    assert_eq!(shown(&fixture.list(&entry).unwrap()), ["b.so", "doc/x.md", "lib/a.so"]);
    let patterns = FilesEntry {
        exclude: strings(&["/doc"]),
        executable: strings(&["/lib/*"]),
        ..entry.clone()
    };
    assert_eq!(shown(&fixture.list(&patterns).unwrap()), ["b.so", "lib/a.so*"]);
    let include = FilesEntry {
        include: strings(&["b.so"]),
        ..entry.clone()
    };
    let listing = fixture.list(&include).unwrap();
    assert_eq!(fixture.read(&listing.items[0]).unwrap(), b"lib");
    let error = fixture.list(&FilesEntry { strip: 9, ..entry }).unwrap_err();
    assert!(matches!(error, FilesError::NothingLeft { .. }), "{error}");
}

#[test]
fn strip_that_makes_two_members_one_is_an_error() {
    let fixture = fixture(&Tar::default().file("a/x", "1").file("b/x", "2").end());
    let entry = FilesEntry {
        unpack: true,
        strip: 1,
        ..fixture.entry("a.tar")
    };
    let error = fixture.list(&entry).unwrap_err();
    let FilesError::Archive { source, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        matches!(
            **source,
            ArchiveError::Member {
                reason: Reason::Collision { .. },
                ..
            }
        ),
        "{source}"
    );
}

#[test]
fn the_last_of_two_members_of_one_name_wins() {
    let tar = Tar::default()
        .file("a", "old")
        .hardlink("link", "a")
        .file("./a", "new")
        .symlink("b", "x")
        .directory("b/");
    let fixture = fixture(&tar.end());
    let listing = fixture.unpack("a.tar").unwrap();
    assert_eq!(shown(&listing), ["a", "b/", "link"]);
    assert_eq!(fixture.read(item(&listing, "a")).unwrap(), b"new");
    assert_eq!(fixture.read(item(&listing, "link")).unwrap(), b"old");
}

#[test]
fn long_names_and_sizes_of_gnu_and_pax_are_read() {
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(200));
    let gnu = |kind: u8, text: &str| (EntryType::new(kind), format!("{text}\0"));
    let (name, name_text) = gnu(b'L', &long);
    let (target, target_text) = gnu(b'K', &long);
    let tar = Tar::default()
        .raw(b"././@LongLink", name, 0o644, b"", name_text.as_bytes())
        .file("cut", "gnu")
        .raw(b"././@LongLink", target, 0o644, b"", target_text.as_bytes())
        .symlink("gnu-link", "cut")
        .extended(EntryType::XGlobalHeader, &[("comment", b"0123456789abcdef")])
        .pax(&[
            ("mtime", b"1.5"),
            ("path", b"pax\xff\nname"),
            ("SCHILY.xattr.user.x", b"a\nb=c"),
        ])
        .file("cut", "pax")
        .pax(&[("linkpath", long.as_bytes())])
        .symlink("pax-link", "cut")
        .pax(&[("path", b"")])
        .file("own", "");
    let fixture = fixture(&tar.end());
    let listing = fixture.unpack("a.tar").unwrap();
    let (gnu_link, pax_link) = (format!("gnu-link -> {long}"), format!("pax-link -> {long}"));
    assert_eq!(shown(&listing), [&long, &gnu_link, "own", &pax_link, "pax\\xff\\nname"]);
    assert_eq!(fixture.read(item(&listing, &long)).unwrap(), b"gnu");
}

#[test]
fn the_size_of_pax_goes_before_that_of_the_header() {
    let mut tar = Tar::default().pax(&[("size", b"4")]).file("a", "");
    tar.bytes.extend_from_slice(b"text");
    tar.bytes.resize(tar.bytes.len().next_multiple_of(512), 0);
    let fixture = fixture(&tar.file("b", "").end());
    let listing = fixture.unpack("a.tar").unwrap();
    assert_eq!(fixture.read(item(&listing, "a")).unwrap(), b"text");
    assert_eq!(fixture.read(item(&listing, "b")).unwrap(), b"");
}

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
fn a_glob_unpacks_each_into_one_tree() {
    let fixture = Fixture::new();
    fixture.write(
        "dist/a.tar",
        &Tar::default()
            .directory("lib/")
            .file("lib/a", "a")
            .symlink("l", "lib")
            .end(),
    );
    fixture.write(
        "dist/b.tgz",
        &gzip(
            &Tar::default()
                .directory("lib")
                .file("lib/b", "b")
                .symlink("l", "lib")
                .end(),
        ),
    );
    let listing = fixture.unpack("dist/*").unwrap();
    assert_eq!(listing.root, ListedRoot::Directory);
    assert_eq!(shown(&listing), ["l -> lib", "lib/", "lib/a", "lib/b"]);
    assert_eq!(fixture.read(item(&listing, "lib/b")).unwrap(), b"b");
    assert!(matches!(
        fixture.unpack("dist/*.zip"),
        Err(FilesError::NothingMatches { .. })
    ));
    fixture.write("dist/c.tar", &Tar::default().file("lib/a", "other").end());
    let error = fixture.unpack("dist/*").unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("c.tar: lib/a are unpacked to the same path with different content"),
        "{error}"
    );
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
fn archives_of_gnu_tar_are_read_in_all_its_formats() {
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    for format in ["v7", "ustar", "gnu", "pax"] {
        let name = if format == "v7" { "deep/file" } else { &long };
        let fixture = Fixture::with(&["tree/empty/"]);
        fixture.write(&format!("tree/{name}"), &[b'x'; 70_000]);
        set_mode(&fixture.path(&format!("tree/{name}")), 0o755);
        fs::hard_link(fixture.path(&format!("tree/{name}")), fixture.path("tree/other")).unwrap();
        std::os::unix::fs::symlink("/absolute", fixture.path("tree/link")).unwrap();
        let mut tar = std::process::Command::new("tar");
        tar.arg(format!("--format={format}"))
            .arg("-czf")
            .arg(fixture.path("a.tar"))
            .arg("-C");
        assert!(tar.arg(fixture.path("tree")).arg(".").status().unwrap().success());
        let listing = fixture.unpack("a.tar").unwrap();
        let from_disk = fixture.list(&fixture.entry("tree")).unwrap();
        assert_eq!(shown(&listing), shown(&from_disk), "{format}");
        for path in [name, "other"] {
            assert_eq!(fixture.read(item(&listing, path)).unwrap(), [b'x'; 70_000], "{format}");
        }
    }
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
