//! tar archives: what is listed and read.

use std::io::Write as _;

use tar::{EntryType, Header};

use super::*;
use crate::compress::{Algorithm, Compression};
use crate::model::ListedRoot;

/// A tar archive that is being written.
#[derive(Default)]
pub(super) struct Tar {
    pub(super) bytes: Vec<u8>,
}

impl Tar {
    pub(super) fn raw(mut self, name: &[u8], kind: EntryType, mode: u32, link: &[u8], content: &[u8]) -> Self {
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

    pub(super) fn file(self, name: &str, content: &str) -> Self {
        self.raw(name.as_bytes(), EntryType::Regular, 0o644, b"", content.as_bytes())
    }

    pub(super) fn directory(self, name: &str) -> Self {
        self.raw(name.as_bytes(), EntryType::Directory, 0o750, b"", b"")
    }

    pub(super) fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), EntryType::Symlink, 0o777, target.as_bytes(), b"")
    }

    pub(super) fn hardlink(self, name: &str, target: &str) -> Self {
        self.raw(name.as_bytes(), EntryType::Link, 0o644, target.as_bytes(), b"")
    }

    pub(super) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        self.extended(EntryType::XHeader, records)
    }

    pub(super) fn extended(self, kind: EntryType, records: &[(&str, &[u8])]) -> Self {
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

    pub(super) fn end(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        self.bytes
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
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

pub(super) fn fixture(archive: &[u8]) -> Fixture {
    let fixture = Fixture::new();
    fixture.write("a.tar", archive);
    fixture
}

pub(super) fn listed(archive: Tar) -> Vec<String> {
    shown(&fixture(&archive.end()).unpack("a.tar").unwrap())
}

pub(super) fn refused(archive: Tar) -> (String, Reason) {
    fixture(&archive.end()).member_error("a.tar")
}

pub(super) fn sample() -> Tar {
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
    let gnu_link = format!("gnu-link -> {long}");
    let pax_link = format!("pax-link -> {long}");
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
