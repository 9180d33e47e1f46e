//! Tars of other tools: names in every form, links, and damage.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};

use super::super::members::Members;
use super::super::writer::{Output, Writer};
use super::{Stream, tar_of};
use crate::model::{Diagnostic as _, ErrorKind};
use crate::store::StoreError;

fn open(bytes: &[u8]) -> Result<Members, StoreError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tar");
    fs::write(&path, bytes).unwrap();
    Members::open(&path, directory.path(), "archive:x")
}

fn link(kind: tar::EntryType, name: &str, target: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(tar_of(&[]).split_off(1024));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    builder.append_link(&mut header, name, target).unwrap();
    let mut bytes = builder.into_inner().unwrap();
    bytes.truncate(bytes.len() - 1024);
    bytes
}

#[test]
fn long_names_and_leading_dots_are_understood() {
    let long = format!("{}/name", "d".repeat(200));
    let bytes = tar_of(&[("./plain", b"1"), (&long, b"22"), ("empty", b"")]);
    let members = open(&bytes).unwrap();
    assert_eq!(members.read("plain", 10).unwrap().unwrap(), b"1");
    assert_eq!(members.read(&long, 10).unwrap().unwrap(), b"22");
    assert_eq!(members.read("empty", 0).unwrap().unwrap(), b"");
    assert!(members.read("none", 10).unwrap().is_none());
    assert!(members.read(&long, 1).is_err());

    let mut builder = tar::Builder::new(Vec::new());
    builder
        .append_pax_extensions([("path", long.as_bytes()), ("size", b"3"), ("comment", b"x")])
        .unwrap();
    let mut header = tar::Header::new_ustar();
    // The size in the extended header takes precedence over the field.
    header.set_path("short").unwrap();
    header.set_size(0);
    header.set_cksum();
    builder.append(&header, &b""[..]).unwrap();
    let mut bytes = builder.into_inner().unwrap();
    let end = bytes.len() - 1024;
    bytes.splice(end..end, b"333".iter().copied().chain([0; 509]));
    assert_eq!(open(&bytes).unwrap().read(&long, 10).unwrap().unwrap(), b"333");
}

#[test]
fn archives_that_are_cut_anywhere_are_refused() {
    let bytes = tar_of(&[("a", &[7; 700]), (&"n".repeat(150), b"22")]);
    // The second block of the end marker may be missing.
    for len in 0..bytes.len() - 512 {
        if len % 512 < 2 || len % 97 == 0 {
            let error = open(&bytes[..len]).unwrap_err();
            assert_eq!(error.error_kind(), ErrorKind::Input, "{len}: {error}");
        }
    }
    open(&bytes[..bytes.len() - 512]).unwrap();
}

#[test]
fn damaged_headers_are_refused() {
    let good = tar_of(&[("a", b"1")]);
    for at in [0, 100, 124, 130, 150, 156, 300, 500] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(matches!(open(&bad), Err(StoreError::Malformed { .. })), "{at}");
    }
    assert!(open(b"this is text and no archive at all").is_err());
    assert!(open(&[b'x'; 2048]).is_err());
    assert!(open(&tar_of(&[("a", b"1"), ("./a", b"2")])).is_err());
}

#[test]
fn hostile_extensions_are_refused() {
    let with_pax = |records: &[(&str, &[u8])]| {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions(records.iter().copied()).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(1);
        builder.append_data(&mut header, "a", &b"1"[..]).unwrap();
        open(&builder.into_inner().unwrap())
    };
    assert!(with_pax(&[("comment", b"x")]).is_ok());
    assert!(
        with_pax(&[("SCHILY.xattr.user.x", b"line\n9 size=7\n")]).is_ok(),
        "values may hold line feeds"
    );
    for bad in [
        ("size", &b"18446744073709551615"[..]),
        ("size", b"-1"),
        ("size", b"+1"),
        ("GNU.sparse.major", b"1"),
    ] {
        assert!(
            matches!(with_pax(&[bad]), Err(StoreError::Malformed { .. })),
            "{}",
            bad.0
        );
    }
    assert!(with_pax(&[("comment", &[b'x'; 70_000])]).is_err());
}

#[test]
fn links_are_followed_inside_of_the_archive_alone() {
    use tar::EntryType::{Link, Symlink};
    let end = vec![0; 1024];
    let mut file = tar_of(&[("dir/file", b"content")]);
    file.truncate(file.len() - 1024);
    let members = open(
        &[
            file,
            link(Symlink, "a/soft", "../dir/file"),
            link(Link, "hard", "a/soft"),
            link(Symlink, "out", "../etc/passwd"),
            link(Symlink, "absolute", "/etc/passwd"),
            link(Symlink, "circle", "circle"),
            link(Symlink, "lost", "nowhere"),
            end,
        ]
        .concat(),
    )
    .unwrap();
    for good in ["dir/file", "a/soft", "hard"] {
        let section = members.linked_file(good).unwrap().unwrap();
        assert_eq!(members.read_section(good, section, 10).unwrap(), b"content");
    }
    assert!(matches!(members.file("a/soft"), Err(StoreError::Malformed { .. })));
    for bad in ["out", "absolute", "circle"] {
        assert!(
            matches!(members.linked_file(bad), Err(StoreError::Malformed { .. })),
            "{bad}"
        );
    }
    assert!(members.linked_file("lost").unwrap().is_none());
}

/// A member of 9 GiB, of which only the header is written: the rest of the file is a hole.
#[test]
fn sizes_over_eight_gib_are_written_and_read() {
    const SIZE_BYTES: u64 = 9 * 1024 * 1024 * 1024;
    let stream = Stream::new(usize::MAX);
    let mut writer = Writer::new("archive", Output::Stream(Box::new(stream.clone())));
    writer.begin("blobs/sha256/large", SIZE_BYTES).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tar");
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(&stream.bytes()).unwrap();
    file.seek(SeekFrom::Current(SIZE_BYTES as i64 + 1023)).unwrap();
    file.write_all(&[0]).unwrap();
    let members = Members::open(&path, directory.path(), "archive:x").unwrap();
    assert_eq!(
        members.file("blobs/sha256/large").unwrap().unwrap().size_bytes,
        SIZE_BYTES
    );
    let mut archive = tar::Archive::new(fs::File::open(&path).unwrap());
    let entry = archive.entries_with_seek().unwrap().next().unwrap().unwrap();
    assert_eq!(
        (entry.size(), entry.path_bytes().as_ref()),
        (SIZE_BYTES, &b"blobs/sha256/large"[..])
    );
}
