//! The bytes of layers: tar headers, gzip's header, zstd's frames.

use std::fs;

use crate::reproducibility::fixture::{Built, COMPRESSIONS, Checkout, noise};
use crate::reproducibility::listing;
use crate::reproducibility::tar::{Entry, entries, field_text};
use crate::support::{Sandbox, tool};

/// A deflate stream ends where gzip's trailer begins: zlib returns the end of the member, and the data after it.
const MEMBERS: &str = "
import sys, zlib
stream = zlib.decompressobj(31)
stream.decompress(open(sys.argv[1], 'rb').read())
print(stream.eof, len(stream.unused_data))
";

/// The layers of the first platform.
fn layers(built: &Built) -> Vec<std::path::PathBuf> {
    let manifest = built.layout.manifest("golden", "linux/amd64");
    let count = manifest["layers"].as_array().unwrap().len();
    (0..count).map(|at| built.layout.layer_path(&manifest, at)).collect()
}

#[test]
fn a_gzip_layer_is_one_member_with_a_header_that_says_nothing() {
    let sandbox = Sandbox::new();
    let built = Checkout::write(sandbox.path("checkout")).build(&sandbox, "gzip");
    for layer in layers(&built) {
        assert_eq!(fs::read(&layer).unwrap()[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
        let layer = layer.to_str().unwrap();
        assert_eq!(tool("python3", &["-c", MEMBERS, layer]), "True 0\n");
        tool("sh", &["-c", "gzip -t < \"$0\"", layer]);
    }
}

#[test]
fn a_zstd_layer_is_frames_of_four_to_eight_mebibytes() {
    let sandbox = Sandbox::new();
    let built = Checkout::write(sandbox.path("checkout")).build(&sandbox, "zstd");
    let mut frames = Vec::new();
    for layer in layers(&built) {
        tool("sh", &["-c", "zstd -tq < \"$0\"", layer.to_str().unwrap()]);
        let described = tool("zstd", &["-lv".as_ref(), layer.as_os_str()]);
        let count = described
            .lines()
            .find_map(|line| line.strip_prefix("# Zstandard Frames: "));
        frames.push(count.unwrap_or_else(|| panic!("{described}")).trim().to_owned());
    }
    // A file of 9 MiB is split once, after 4 MiB from its start; a run of small entries is before it and after it.
    assert_eq!(frames[..2], ["1", "4"], "{frames:?}");
}

#[test]
fn a_layer_names_its_compression() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::write(sandbox.path("checkout"));
    let suffixes = ["+gzip", "+zstd", ""];
    for (compression, suffix) in COMPRESSIONS.iter().zip(suffixes) {
        let manifest = checkout
            .build(&sandbox, compression)
            .layout
            .manifest("golden", "linux/arm64");
        let expected = format!("application/vnd.oci.image.layer.v1.tar{suffix}");
        for layer in manifest["layers"].as_array().unwrap() {
            assert_eq!(layer["mediaType"], expected);
        }
    }
}

#[test]
fn a_header_holds_nothing_of_the_machine_and_pax_only_what_does_not_fit() {
    let sandbox = Sandbox::new();
    let built = Checkout::write(sandbox.path("checkout")).build(&sandbox, "none");
    let mut extended = 0;
    for layer in layers(&built) {
        let tar = listing::plain(&layer, "none");
        let entries = entries(&tar);
        for entry in &entries {
            assert_ustar(entry.header);
            if let Some(header) = entry.extended {
                extended += 1;
                assert_ustar(header);
                assert_extended(entry, header);
            }
            assert_fitting(entry);
        }
        let sorted = |entry: &Entry<'_>| {
            entry
                .path()
                .strip_suffix(b"/")
                .map(<[u8]>::to_vec)
                .unwrap_or(entry.path())
        };
        let paths: Vec<_> = entries.iter().map(sorted).collect();
        assert!(
            paths.is_sorted_by(|first, second| first < second),
            "sorted, and each path once"
        );
        assert!(
            paths
                .iter()
                .all(|path| !path.is_empty() && !path.starts_with(b"/") && !path.starts_with(b"./"))
        );
    }
    assert!(extended > 20, "the fixture wants extended headers, and has {extended}");
}

/// Checks magic and version, empty user names, no device; a checksum of six octal digits.
fn assert_ustar(header: &[u8]) {
    assert_eq!(&header[257..265], b"ustar\x0000");
    assert_eq!(header[265..329], [0; 64], "uname and gname");
    assert_eq!(&header[329..345], b"0000000\x000000000\0");
    assert_eq!(header[500..], [0; 12]);
    let sum: u32 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    assert_eq!(header[148..156], *format!("{sum:06o}\0 ").as_bytes());
}

/// Checks `PaxHeaders.0/` and the last component, mode 0644, 0:0, time 0.
fn assert_extended(entry: &Entry<'_>, header: &[u8]) {
    let path = entry.path();
    let path = path.strip_suffix(b"/").unwrap_or(&path);
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap();
    let name = field_text(header, 0..100);
    assert!(
        name.len() == 100 || name.len() == 13 + last.len(),
        "{}",
        name.escape_ascii()
    );
    let cut = name
        .strip_prefix(b"PaxHeaders.0/")
        .expect("an extended header has its name");
    assert!(last.starts_with(cut), "{}", name.escape_ascii());
    assert_eq!(&header[100..124], b"0000644\x000000000\x000000000\0");
    assert_eq!(&header[136..148], b"00000000000\0");
}

/// Checks that records are used for values that do not fit into a field, and for no others.
fn assert_fitting(entry: &Entry<'_>) {
    let path = entry.path();
    let shown = path.escape_ascii().to_string();
    let target = entry
        .records
        .get("linkpath")
        .map_or(entry.text(157..257), Vec::as_slice);
    let foreign = |text: &[u8]| !text.is_ascii() && std::str::from_utf8(text).is_ok();
    let records = &entry.records;
    assert_eq!(
        records.contains_key("path"),
        foreign(&path) || !fits(&path),
        "path of {shown}"
    );
    assert_eq!(
        records.contains_key("linkpath"),
        foreign(target) || target.len() > 100,
        "target of {shown}"
    );
    for (key, field) in [("uid", 108..116), ("gid", 116..124)] {
        assert_eq!(
            records.contains_key(key),
            entry.number(key, field) > 0o7_777_777,
            "{key} of {shown}"
        );
    }
    let binary = |key: &str| {
        records
            .get(key)
            .is_some_and(|value| std::str::from_utf8(value).is_err())
    };
    let charset = (binary("path") || binary("linkpath")).then(|| b"BINARY".to_vec());
    assert_eq!(records.get("hdrcharset"), charset.as_ref(), "character set of {shown}");
    let known = ["path", "linkpath", "uid", "gid", "hdrcharset"];
    let known = |key: &String| known.contains(&key.as_str()) || key.starts_with("SCHILY.xattr.");
    assert!(records.keys().all(known), "{shown}");
}

/// Returns `true` if the name alone, or prefix and name, can hold a path.
fn fits(path: &[u8]) -> bool {
    let slashes = path
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/')
        .map(|(at, _)| at);
    let names = slashes.filter(|at| *at <= 155).map(|at| path.len() - at - 1);
    path.len() <= 100 || names.into_iter().any(|length| (1..=100).contains(&length))
}

#[test]
fn every_block_size_of_a_file_reads_back() {
    let sandbox = Sandbox::new();
    let built = Checkout::write(sandbox.path("checkout")).build(&sandbox, "none");
    let tar = listing::plain(&layers(&built)[1], "none");
    for size in [1, 511, 512, 513] {
        let path = format!("data/sizes/{size:03}");
        let entries = entries(&tar);
        let entry = entries.iter().find(|entry| entry.path() == path.as_bytes()).unwrap();
        assert_eq!(entry.content, noise(size));
    }
}
