//! `unpack` of archives that would write elsewhere, have entries that no layer can hold, or are damaged.

use std::io::Write as _;

use zip::write::{SimpleFileOptions, ZipWriter};

use crate::support::Sandbox;
use crate::support::refusal::{refused, spec};

const UNPACK: &str = "[[layers]]\nname = \"app\"\nfiles = [{ from = \"app.archive\", to = \"/app\", unpack = true }]\n";

/// Returns a member of a tar, written byte by byte: libraries refuse to write these.
fn member(name: &[u8], kind: u8, target: &[u8], content: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    let mut field = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    field(0, name);
    field(100, b"0000644\0");
    field(108, b"0000000\0");
    field(116, b"0000000\0");
    field(124, format!("{:011o}\0", content.len()).as_bytes());
    field(136, b"00000000000\0");
    field(148, b"        ");
    field(156, &[kind]);
    field(157, target);
    field(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn file(name: &[u8], content: &[u8]) -> Vec<u8> {
    member(name, b'0', b"", content)
}

/// Returns an archive of one valid file and `members`.
fn tar(members: &[Vec<u8>]) -> Vec<u8> {
    [file(b"sound", b"1"), members.concat(), vec![0; 1024]].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[track_caller]
fn refused_archive(archive: &[u8], words: &[&str]) {
    let sandbox = Sandbox::new();
    sandbox.write("app.archive", archive);
    spec(&sandbox, &[UNPACK]);
    refused(
        &sandbox,
        &["build"],
        2,
        &["./ocitect.toml:6:19: ", "./app.archive", "\nhelp: "],
    )
    .says(words);
}

#[test]
fn names_that_leave_the_archive_are_refused() {
    let help = "create the archive with relative names, without `..`";
    refused_archive(
        &tar(&[file(b"/etc/passwd", b"x")]),
        &["member \"/etc/passwd\" has an absolute name", help],
    );
    refused_archive(
        &gzip(&tar(&[file(b"/etc/passwd", b"x")])),
        &["member \"/etc/passwd\" has an absolute name", help],
    );
    for name in [&b"../evil"[..], b"a/../../evil", b"./../evil", b"a/.."] {
        let shown = format!("member \"{}\"", String::from_utf8_lossy(name));
        refused_archive(
            &tar(&[file(name, b"x")]),
            &[&shown, "has a name that is not allowed: ", help],
        );
    }
}

#[test]
fn devices_and_fifos_are_refused() {
    for (kind, what) in [(b'3', "a character device"), (b'4', "a block device"), (b'6', "a fifo")] {
        let words = format!("./app.archive: dev/x is {what}, which cannot be packed");
        refused_archive(
            &tar(&[member(b"dev/x", kind, b"", b"")]),
            &[&words, "help: exclude it with `exclude`"],
        );
    }
}

#[test]
fn hard_links_lead_to_files_of_the_archive_alone() {
    let words = ["member \"shadow\" is a hard link to \"../../etc/shadow\", which is outside of the archive"];
    refused_archive(&tar(&[member(b"shadow", b'1', b"../../etc/shadow", b"")]), &words);
    let words = ["member \"shadow\" is a hard link to \"later\", which is not an earlier file of the archive"];
    refused_archive(
        &tar(&[member(b"shadow", b'1', b"later", b""), file(b"later", b"x")]),
        &words,
    );
}

#[test]
fn names_that_would_delete_are_refused_in_archives_too() {
    refused_archive(
        &tar(&[file(b"deep/.wh.app", b"")]),
        &["cannot pack ./app.archive: deep/.wh.app"],
    );
}

#[test]
fn nothing_is_unpacked_through_a_link_of_the_archive() {
    let through = [member(b"out", b'2', b"/etc", b""), file(b"out/passwd", b"x")];
    refused_archive(
        &tar(&through),
        &["member \"out/passwd\" is inside \"out\", which is a symbolic link in the archive"],
    );
}

#[test]
fn tars_that_are_cut_short_are_refused_wherever_the_cut_is() {
    let whole = tar(&[file(b"large", &[b'x'; 4096])]);
    let help = "help: create or download the archive again";
    // Within a header, within content, and in place of the next header: tars end with zero blocks.
    refused_archive(&whole[..1024 + 300], &["truncated", help]);
    refused_archive(&whole[..1024 + 512 + 2000], &["truncated", "expected ", "found ", help]);
    let packed = gzip(&whole);
    refused_archive(
        &packed[..packed.len() / 2],
        &[
            "cannot decompress the archive",
            "gzip stream is truncated",
            "download or create it again",
        ],
    );
    refused_archive(
        &packed[..packed.len() - 4],
        &["cannot decompress the archive", "download or create it again"],
    );
}

#[test]
fn a_tar_whose_checksum_is_wrong_is_refused() {
    let mut archive = tar(&[file(b"app", b"x")]);
    archive[1024] ^= 1;
    refused_archive(&archive, &["the archive is damaged at byte 1024", "checksum"]);
}

#[test]
fn what_is_no_archive_is_told_by_its_content() {
    refused_archive(
        b"#!/bin/sh\n",
        &[
            "expected a supported archive",
            "use a tar, tar.gz, tar.zst or zip archive",
        ],
    );
    refused_archive(
        b"",
        &["found an empty file", "use a tar, tar.gz, tar.zst or zip archive"],
    );
}

fn zip(write: impl FnOnce(&mut ZipWriter<std::io::Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file("sound", SimpleFileOptions::default()).unwrap();
    writer.write_all(b"1").unwrap();
    write(&mut writer);
    writer.finish().unwrap().into_inner()
}

#[test]
fn links_of_a_zip_that_leave_it_are_refused() {
    let help = "unpack it yourself and use the directory as `from`";
    for (name, target) in [("evil", "../../etc/passwd"), ("a/b/evil", "../../../x")] {
        let archive = zip(|writer| writer.add_symlink(name, target, SimpleFileOptions::default()).unwrap());
        let words = format!("member \"{name}\" is a symbolic link that points outside of the archive: \"{target}\"");
        refused_archive(&archive, &[&words, help]);
    }
}

#[test]
fn links_of_a_zip_that_stay_in_it_are_kept() {
    let sandbox = Sandbox::new();
    let options = SimpleFileOptions::default();
    sandbox.write(
        "app.archive",
        zip(|writer| writer.add_symlink("a/b/link", "../../sound", options).unwrap()),
    );
    spec(&sandbox, &[UNPACK]);
    sandbox.ok(&["build"]);
    let listed = sandbox.ok(&["ls", "oci:build/oci"]).stdout;
    assert!(listed.contains(" /app/a/b/link -> ../../sound\n"), "{listed}");
}

#[test]
fn names_of_a_zip_that_leave_it_are_refused() {
    for (name, shown) in [
        ("../evil", "has a name that is not allowed"),
        ("/evil", "has an absolute name"),
    ] {
        let archive = zip(|writer| writer.start_file(name, SimpleFileOptions::default()).unwrap());
        refused_archive(&archive, &[&format!("member \"{name}\" {shown}")]);
    }
}

#[test]
fn a_zip_that_is_cut_short_or_damaged_is_refused() {
    let whole = zip(|writer| {
        writer.start_file("large", SimpleFileOptions::default()).unwrap();
        writer.write_all(&[b'x'; 4096]).unwrap();
    });
    refused_archive(
        &whole[..whole.len() - 30],
        &[
            "the zip archive is damaged",
            "help: create or download the archive again",
        ],
    );
}

#[test]
fn a_member_that_is_damaged_shows_when_it_is_packed() {
    let sandbox = Sandbox::new();
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut archive = zip(|writer| {
        writer.start_file("large", stored).unwrap();
        writer.write_all(&[b'x'; 4096]).unwrap();
    });
    let at = archive.windows(8).position(|window| window == [b'x'; 8]).unwrap();
    archive[at + 2000] = b'y';
    sandbox.write("app.archive", archive);
    spec(&sandbox, &[UNPACK]);
    refused(
        &sandbox,
        &["build"],
        2,
        &[
            "cannot read the content of /app/large",
            "./app.archive",
            "a member of the archive is damaged: its checksum",
            "help: create or download the archive again",
        ],
    );
}
