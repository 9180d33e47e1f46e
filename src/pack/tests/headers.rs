//! Tests of headers, byte by byte.

use std::collections::BTreeMap;

use super::reader::{parse_records, read_tar};
use super::{directory, entry, file, plan, symlink, tar_bytes, with_xattr};
use crate::model::{Content, Entry, EntryKind};
use crate::pack::EntryProblem;
use crate::pack::entry::append_headers;

fn headers_at(entry: &Entry, mtime_s: i64) -> Vec<u8> {
    let mut headers = Vec::new();
    append_headers(entry, mtime_s, &mut headers).unwrap();
    headers
}

fn headers(entry: &Entry) -> Vec<u8> {
    headers_at(entry, 0)
}

/// Returns the only header of an entry without extended header.
fn lone_header(entry: &Entry) -> [u8; 512] {
    headers(entry).try_into().expect("no extended header")
}

/// Returns the records of the extended header, and the header after it.
fn extended(entry: &Entry, mtime_s: i64) -> (BTreeMap<String, Vec<u8>>, [u8; 512]) {
    let bytes = headers_at(entry, mtime_s);
    assert!(bytes.len() > 1024, "an extended header");
    assert_eq!(bytes[156], b'x');
    let size = usize::from_str_radix(std::str::from_utf8(&bytes[124..135]).unwrap(), 8).unwrap();
    let main = bytes.last_chunk::<512>().unwrap();
    (parse_records(&bytes[512..512 + size]), *main)
}

fn keywords(entry: &Entry) -> Vec<String> {
    extended(entry, 0).0.into_keys().collect()
}

/// Pads `field` with NUL to `size`.
fn padded(field: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = field.to_vec();
    bytes.resize(size, 0);
    bytes
}

/// Returns a relative path of `size` bytes whose components have `component` bytes.
fn long_path(component: usize, size: usize) -> Vec<u8> {
    (1..=size)
        .map(|place| {
            if place % (component + 1) == 0 && place < size {
                b'/'
            } else {
                b'n'
            }
        })
        .collect()
}

#[test]
fn a_plain_file_has_these_bytes() {
    let mut entry = file("usr/bin/tool", b"content");
    (entry.mode, entry.uid, entry.gid) = (0o104_755, 1000, 2_097_151);
    let bytes = headers_at(&entry, 1_700_000_000);
    let mut expected = padded(b"usr/bin/tool", 100);
    expected.extend(b"0004755\x000001750\x007777777\x0000000000007\x0014524770400\x00");
    expected.extend(b"000000\x00 0");
    expected.extend([0; 100]);
    expected.extend(b"ustar\x0000");
    expected.extend([0; 64]);
    expected.extend(b"0000000\x000000000\x00");
    expected.extend([0; 167]);
    let sum: u32 = expected.iter().map(|byte| u32::from(*byte)).sum::<u32>() - 6 * 48 + 7 * 32;
    expected[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    assert_eq!(bytes, expected);
}

#[test]
fn directories_end_in_a_slash_and_links_have_all_bits() {
    let header = lone_header(&directory("etc"));
    assert_eq!((&header[..5], header[156]), (&b"etc/\0"[..], b'5'));
    let mut link = symlink("sh", "bash");
    link.mode = 0o600;
    let header = lone_header(&link);
    assert_eq!(
        (&header[100..108], header[156], &header[157..162]),
        (&b"0000777\0"[..], b'2', &b"bash\0"[..])
    );
}

#[test]
fn a_path_of_100_bytes_stands_in_the_name_alone() {
    for path in [long_path(20, 100), vec![b'n'; 100]] {
        let header = lone_header(&file(&path, b""));
        assert_eq!((&header[..100], &header[345..500]), (&path[..], &[0; 155][..]));
    }
    let header = lone_header(&directory(long_path(20, 99)));
    assert_eq!((header[99], header[345]), (b'/', 0));
}

#[test]
fn a_longer_path_is_split_at_the_last_slash_that_fits() {
    // Slashes are at 20, 41, 62, 83: the last one is used, although others would fit.
    let header = lone_header(&file(long_path(20, 101), b""));
    assert_eq!(header[345..500], padded(&long_path(20, 83), 155));
    assert_eq!(header[..100], padded(&[b'n'; 17], 100));
    // The path cannot be split at the final slash that makes it 101 bytes long.
    let header = lone_header(&directory(long_path(20, 100)));
    assert_eq!(header[345..500], padded(&long_path(20, 83), 155));
    assert_eq!(header[..100], padded(&[&[b'n'; 16][..], b"/"].concat(), 100));
    // Without another slash it cannot be split: 100 bytes and the slash of a directory.
    assert_eq!(keywords(&directory([b'n'; 100])), ["path"]);
}

#[test]
fn the_prefix_has_155_bytes_and_the_name_100() {
    let split = |prefix: usize, name: usize| [&vec![b'p'; prefix][..], b"/", &vec![b'n'; name]].concat();
    let header = lone_header(&file(split(155, 100), b""));
    assert_eq!(
        (&header[..100], &header[345..500]),
        (&[b'n'; 100][..], &[b'p'; 155][..])
    );
    let header = lone_header(&directory(split(155, 99)));
    assert_eq!((&header[98..100], &header[345..500]), (&b"n/"[..], &[b'p'; 155][..]));
    lone_header(&file(split(1, 100), b""));
    for (prefix, name) in [(156, 1), (156, 99), (155, 101), (1, 101), (200, 55)] {
        assert_eq!(keywords(&file(split(prefix, name), b"")), ["path"], "{prefix} {name}");
    }
    assert_eq!(keywords(&directory(split(155, 100))), ["path"]);
    assert_eq!(keywords(&file([b'n'; 101], b"")), ["path"]);
}

#[test]
fn a_record_overrules_the_first_bytes_of_the_path() {
    let path = [b'n'; 300];
    let (records, header) = extended(&directory(path), 0);
    assert_eq!(records["path"], [&path[..], b"/"].concat());
    assert_eq!((&header[..100], &header[345..500]), (&path[..100], &[0; 155][..]));
}

#[test]
fn the_extended_header_has_a_fixed_name_and_no_owner_or_time() {
    let mut entry = file([&b"d/"[..], &[b'n'; 120]].concat(), b"");
    (entry.uid, entry.gid, entry.mode) = (7, 7, 0o600);
    let bytes = headers_at(&entry, 1_700_000_000);
    assert_eq!(bytes[..100], [&b"PaxHeaders.0/"[..], &[b'n'; 87]].concat());
    assert_eq!(&bytes[100..124], b"0000644\x000000000\x000000000\x00");
    assert_eq!(&bytes[124..148], b"00000000204\x0000000000000\x00");
    assert_eq!(bytes[512..522], *b"132 path=d");
    assert_eq!(bytes.len(), 1536);
    let bytes = headers(&directory("d\u{e4}/\u{e9}"));
    assert_eq!(bytes[..100], padded("PaxHeaders.0/\u{e9}".as_bytes(), 100));
}

#[test]
fn text_that_is_not_ascii_becomes_a_record() {
    let (records, header) = extended(&file("caf\u{e9}", b""), 0);
    assert_eq!(records, BTreeMap::from([("path".to_owned(), b"caf\xc3\xa9".to_vec())]));
    assert_eq!(header[..100], padded(b"caf\xc3\xa9", 100));
    let (records, header) = extended(&symlink("a", "caf\u{e9}"), 0);
    assert_eq!(
        records,
        BTreeMap::from([("linkpath".to_owned(), b"caf\xc3\xa9".to_vec())])
    );
    assert_eq!(header[157..257], padded(b"caf\xc3\xa9", 100));
}

#[test]
fn bytes_that_are_not_utf8_stand_in_the_fields_or_are_marked_binary() {
    let header = lone_header(&file(b"a\xff\nb", b""));
    assert_eq!(header[..100], padded(b"a\xff\nb", 100));
    let split = [&[0xff; 120][..], b"/", &[0xfe; 60]].concat();
    let header = lone_header(&file(&split, b""));
    assert_eq!((&header[..60], &header[345..465]), (&[0xfe; 60][..], &[0xff; 120][..]));
    lone_header(&symlink("a", [0xff; 100]));

    let (records, header) = extended(&file([0xff; 101], b""), 0);
    assert_eq!(records["hdrcharset"], b"BINARY");
    assert_eq!(
        (&records["path"][..], &header[..100]),
        (&[0xff; 101][..], &[0xff; 100][..])
    );
    assert_eq!(keywords(&symlink("a", [0xff; 101])), ["hdrcharset", "linkpath"]);
    // A raw name needs no mark if only the UTF-8 target is in a record, and vice versa.
    assert_eq!(keywords(&symlink(b"\xff", "\u{e9}")), ["linkpath"]);
    assert_eq!(keywords(&symlink("\u{e9}", b"\xff")), ["path"]);
    assert_eq!(
        keywords(&symlink([0xff; 101], "\u{e9}")),
        ["hdrcharset", "linkpath", "path"]
    );
}

#[test]
fn targets_of_100_bytes_fit() {
    let header = lone_header(&symlink("a", [b't'; 100]));
    assert_eq!(header[157..257], [b't'; 100]);
    let (records, header) = extended(&symlink("a", [b't'; 101]), 0);
    assert_eq!(
        (&records["linkpath"][..], &header[157..257]),
        (&[b't'; 101][..], &[b't'; 100][..])
    );
}

#[test]
fn numbers_that_a_field_cannot_hold_become_records() {
    let content = || Content::Bytes(b"".as_slice().into());
    let sized = |size_bytes| {
        entry(
            "a",
            EntryKind::File {
                size_bytes,
                content: content(),
            },
            0,
        )
    };
    assert_eq!(lone_header(&sized((1 << 33) - 1))[124..136], *b"77777777777\0");
    let mut large = sized(1 << 33);
    (large.uid, large.gid) = (2_097_152, u64::MAX);
    let (records, header) = extended(&large, 1 << 33);
    let expected = [
        ("gid", "18446744073709551615"),
        ("mtime", "8589934592"),
        ("size", "8589934592"),
        ("uid", "2097152"),
    ];
    assert_eq!(
        records,
        expected
            .map(|(keyword, value)| (keyword.to_owned(), value.into()))
            .into()
    );
    assert_eq!(
        header[100..148],
        *b"0000000\x000000000\x000000000\x0000000000000\x0000000000000\x00"
    );

    assert_eq!(headers_at(&sized(0), (1 << 33) - 1)[136..148], *b"77777777777\0");
    let (records, header) = extended(&sized(0), -1);
    assert_eq!(
        (&records["mtime"][..], &header[136..148]),
        (&b"-1"[..], &b"00000000000\0"[..])
    );
}

#[test]
fn a_record_counts_its_own_length() {
    // 4 bytes of framing with one digit, and the keyword: lengths that cross 10, 100 and 1000.
    for value_bytes in (0..200).chain(960..1100).chain(9950..10050) {
        let entry = with_xattr(file("a", b""), "user.a", &vec![b'\n'; value_bytes]);
        let (records, _) = extended(&entry, 0);
        assert_eq!(records["SCHILY.xattr.user.a"].len(), value_bytes);
    }
}

#[test]
fn attributes_are_sorted_raw_and_in_their_version_2_form() {
    let capability = [1, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 0, 0];
    let entry = with_xattr(file("\u{e9}", b""), "user.z", b"\xff=\n\0");
    let entry = with_xattr(entry, "security.capability", &capability);
    let (records, _) = extended(&entry, 0);
    let keywords: Vec<_> = records.keys().collect();
    assert_eq!(
        keywords,
        ["SCHILY.xattr.security.capability", "SCHILY.xattr.user.z", "path"]
    );
    assert_eq!(records["SCHILY.xattr.user.z"], b"\xff=\n\0");
    assert_eq!(records["SCHILY.xattr.security.capability"][..6], [1, 0, 0, 2, 0, 4]);
    assert_eq!(records["SCHILY.xattr.security.capability"].len(), 20);
}

#[test]
fn what_no_header_holds_is_refused() {
    let problem = |entry: &Entry| append_headers(entry, 0, &mut Vec::new()).unwrap_err();
    assert_eq!(problem(&directory("/")), EntryProblem::Root);
    assert_eq!(problem(&symlink("a", "")), EntryProblem::EmptyTarget);
    assert_eq!(problem(&symlink("a", "b\0c")), EntryProblem::NulInTarget);
    assert_eq!(problem(&symlink("a", [b't'; 4096])), EntryProblem::TargetTooLong(4096));
    for name in ["", "user.a=b", "user.\0"] {
        let entry = with_xattr(file("a", b""), name, b"");
        assert_eq!(problem(&entry), EntryProblem::XattrName(name.into()));
    }
    let entry = with_xattr(file("a", b""), "security.capability", b"\x01");
    assert_eq!(problem(&entry), EntryProblem::Capability);
}

#[test]
fn contents_are_padded_and_two_zero_blocks_end_the_tar() {
    assert_eq!(tar_bytes(&plan(vec![])), [0; 1024]);
    for (size, padded) in [(0, 0), (1, 512), (511, 512), (512, 512), (513, 1024)] {
        let tar = tar_bytes(&plan(vec![file("a", vec![1; size]), file("b", b"")]));
        assert_eq!(tar.len(), 512 + padded + 512 + 1024);
        assert_eq!(read_tar(&tar)[0].content, vec![1; size]);
    }
}
