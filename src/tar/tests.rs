//! Tests of the headers and the stream. Those of PAX records are beside them, and each reader tests its own rules.

use std::io::{Read as _, Write as _};

use ::tar::{EntryType, Header};

use super::entries::MAX_HOLE_BYTES;
use super::header::{has_checksum, number};
use super::input::Input;
use super::*;

const RULES: Rules = Rules {
    max_extended_header_bytes: 2000,
    max_long_name_bytes: 1000,
    end: EndRule::Half,
    refuses_global_values: false,
    reads_sparse: true,
    reads_xattrs: true,
};

fn member(kind: u8, name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(EntryType::new(kind));
    header.set_mode(0o100_644);
    header.set_uid(1);
    header.set_gid(2);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = [header.as_bytes(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    bytes
}

fn tar(members: &[Vec<u8>]) -> Vec<u8> {
    [members.concat(), vec![0; 2 * BLOCK_BYTES]].concat()
}

/// Returns all members with their contents; both inputs must agree.
fn read_by(rules: Rules, bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    let mut file = tempfile::tempfile_in(std::env::temp_dir()).unwrap();
    file.write_all(bytes).unwrap();
    let from_file = read_all(FileInput::new(&file).unwrap(), rules);
    let from_stream = read_all(Stream(bytes), rules);
    assert_eq!(format!("{from_file:?}"), format!("{from_stream:?}"));
    let skipped = names(FileInput::new(&file).unwrap(), rules);
    assert_eq!(format!("{skipped:?}"), format!("{:?}", names(Stream(bytes), rules)));
    if let Ok(members) = &from_stream {
        let read: Vec<_> = members.iter().map(|(entry, _)| entry.name.clone()).collect();
        assert_eq!(skipped.unwrap(), read);
    }
    from_stream
}

fn read_all(input: impl Input, rules: Rules) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    let mut entries = Entries::new(input, rules);
    let mut members = Vec::new();
    while let Some(entry) = entries.next_entry()? {
        let mut content = Vec::new();
        entries.content().read_to_end(&mut content)?;
        members.push((entry, content));
    }
    Ok(members)
}

fn names(input: impl Input, rules: Rules) -> Result<Vec<Vec<u8>>, TarError> {
    let mut entries = Entries::new(input, rules);
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry()? {
        names.push(entry.name);
    }
    Ok(names)
}

fn read(members: &[Vec<u8>]) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
    read_by(RULES, &tar(members))
}

#[test]
fn numbers_are_octal_or_base_256() {
    assert_eq!(number(b"0000755\0"), Some(0o755));
    assert_eq!(number(b" 755 \0\0\0"), Some(0o755));
    assert_eq!(number(b"755\0junk"), Some(0o755));
    assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
    assert_eq!(number(b"\x80\0\0\0\0\0\x01\x00"), Some(256));
    assert_eq!(number(b"0000789\0"), None);
    assert_eq!(number(b"7 5    \0"), None);
    assert_eq!(number(b"-000755\0"), None);
    assert_eq!(number(&[0xff; 8]), None, "negative");
    assert_eq!(number(b"\x80\0\0\x01\0\0\0\0\0\0\0\0"), None, "over 64 bits");
}

#[test]
fn checksums_of_signed_bytes_are_accepted() {
    let mut block: [u8; BLOCK_BYTES] = member(b'0', "\u{e4}", b"").try_into().unwrap();
    assert!(has_checksum(&block) && is_start(&block));
    let sum = number(&block[148..156]).unwrap() - 2 * 256;
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert!(has_checksum(&block));
    block[148..156].copy_from_slice(format!("{:06o}\0 ", sum + 1).as_bytes());
    assert!(!has_checksum(&block) && !is_start(&block));
    assert!(is_start(&[0; BLOCK_BYTES]) && !is_start(b"short"));
    assert!(matches!(
        read_by(RULES, &tar(&[block.to_vec()])),
        Err(TarError::Checksum { position_bytes: 0 })
    ));
}

#[test]
fn members_have_their_fields_and_contents() {
    let kinds = (b'1'..=b'6')
        .map(|kind| member(kind, "x", b""))
        .collect::<Vec<_>>()
        .concat();
    let members = read(&[
        member(0, "a", b"one"),
        kinds,
        member(b'7', "b", b"two"),
        member(b'V', "c", b"label"),
    ])
    .unwrap();
    use EntryKind::{BlockDevice, CharacterDevice, Directory, Fifo, File, HardLink, Other, Symlink};
    let expected = [
        File,
        HardLink,
        Symlink,
        CharacterDevice,
        BlockDevice,
        Directory,
        Fifo,
        File,
        Other(b'V'),
    ];
    assert_eq!(
        members.iter().map(|(entry, _)| entry.kind).collect::<Vec<_>>(),
        expected
    );
    let (first, content) = &members[0];
    assert_eq!((first.mode, first.uid, first.gid), (0o644, 1, 2));
    assert_eq!(
        (first.size_bytes, first.content_offset, &content[..]),
        (3, 512, &b"one"[..])
    );
    let (continuous, content) = &members[7];
    assert_eq!((continuous.content_offset, &content[..]), (512 * 9, &b"two"[..]));
    assert_eq!(members[8].1, b"label");
}

#[test]
fn a_long_name_goes_before_pax_and_an_empty_one_says_nothing() {
    let pax = |name: &str| member(b'x', "h", format!("{} path={name}\n", name.len() + 8 + 1).as_bytes());
    let named = |before: &[Vec<u8>]| {
        let members = read(&[before.concat(), member(b'0', "field", b"")]).unwrap();
        String::from_utf8(members[0].0.name.clone()).unwrap()
    };
    assert_eq!(named(&[]), "field");
    assert_eq!(named(&[pax("123")]), "123");
    for order in [
        [pax("123"), member(b'L', "h", b"gnu\0")],
        [member(b'L', "h", b"gnu\0"), pax("123")],
    ] {
        assert_eq!(named(&order), "gnu");
    }
    assert_eq!(named(&[pax("123"), member(b'L', "h", b"\0")]), "123");
    let link = [member(b'K', "h", b"target\0"), member(b'2', "l", b"")];
    assert_eq!(read(&link).unwrap()[0].0.link, b"target");
    let no_link = [member(b'K', "h", b"target\0"), member(b'0', "l", b"")];
    assert_eq!(read(&no_link).unwrap()[0].0.link, b"");
}

#[test]
fn what_readers_understand_differently_is_refused() {
    let comment_of = |kind| member(kind, "h", b"13 comment=x\n");
    for members in [
        vec![comment_of(b'x'), comment_of(b'x'), member(b'0', "a", b"")],
        vec![
            member(b'L', "h", b"a\0"),
            member(b'L', "h", b"b\0"),
            member(b'0', "a", b""),
        ],
        vec![comment_of(b'x'), comment_of(b'g'), member(b'0', "a", b"")],
        vec![member(b'0', "a/", b"content")],
        vec![comment_of(b'x')],
    ] {
        assert!(matches!(read(&members), Err(TarError::Malformed { .. })));
    }
    assert_eq!(
        read(&[member(b'0', "a/", b"")]).unwrap()[0].0.kind,
        EntryKind::Directory
    );
    assert_eq!(
        read(&[comment_of(b'g'), comment_of(b'x'), member(b'0', "a", b"")])
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn callers_choose_about_global_headers_end_markers_and_attributes() {
    let global = tar(&[member(b'g', "h", b"9 path=b\n"), member(b'0', "a", b"")]);
    assert_eq!(read_by(RULES, &global).unwrap()[0].0.name, b"a");
    let refusing = Rules {
        refuses_global_values: true,
        ..RULES
    };
    assert!(matches!(
        read_by(refusing, &global),
        Err(TarError::Malformed {
            what: "a global header",
            ..
        })
    ));
    let half = &global[..global.len() - BLOCK_BYTES];
    assert!(read_by(RULES, half).is_ok());
    let strict = Rules {
        end: EndRule::Whole,
        ..RULES
    };
    assert!(matches!(
        read_by(strict, half),
        Err(TarError::Truncated {
            expected_bytes: 2560,
            actual_bytes: 2048,
            ..
        })
    ));
    let attribute = tar(&[member(b'x', "h", b"25 SCHILY.xattr.user.a=b\n"), member(b'0', "a", b"")]);
    assert_eq!(read_by(RULES, &attribute).unwrap()[0].0.xattrs[&b"user.a"[..]], b"b");
    let plain = Rules {
        reads_xattrs: false,
        ..RULES
    };
    assert!(read_by(plain, &attribute).unwrap()[0].0.xattrs.is_empty());
}

#[test]
fn every_cut_is_noticed_with_the_size_that_is_there() {
    let bytes = tar(&[
        member(b'L', "h", b"long\0"),
        member(b'0', "a", &[b'x'; 700]),
        member(b'0', "b", b""),
    ]);
    let strict = Rules {
        end: EndRule::Whole,
        ..RULES
    };
    for length in 0..bytes.len() {
        let cut = &bytes[..length];
        match read_by(strict, cut) {
            Err(TarError::Truncated {
                expected_bytes,
                actual_bytes,
                ..
            }) => {
                assert!(
                    actual_bytes == length as u64 && expected_bytes > actual_bytes,
                    "{length}"
                );
            }
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[test]
fn a_stream_that_is_vouched_for_may_end_between_two_members() {
    let lenient = Rules {
        end: EndRule::None,
        ..RULES
    };
    let members = [member(b'0', "a", b"x"), member(b'0', "b", &[b'y'; 700])].concat();
    let content_end = 2 * BLOCK_BYTES + BLOCK_BYTES + 700;
    for length in [0, 1024, content_end, content_end + 1, members.len()] {
        let count = read_by(lenient, &members[..length]).unwrap().len();
        assert_eq!(
            count,
            if length == 0 {
                0
            } else if length == 1024 {
                1
            } else {
                2
            },
            "{length}"
        );
        assert!(read_by(RULES, &members[..length]).is_err(), "{length}");
    }
    // Inside a header, a content or a describing header, the stream is truncated in any case.
    let long = member(b'L', "h", b"long\0");
    for cut in [
        &members[..100],
        &members[..1024 + 511],
        &members[..content_end - 1],
        &long,
    ] {
        assert!(read_by(lenient, cut).is_err());
    }
    let garbage = [&members[..], &[b'g'; BLOCK_BYTES]].concat();
    assert!(matches!(read_by(lenient, &garbage), Err(TarError::Checksum { .. })));
    let half = [&members[..], &[0; BLOCK_BYTES], &[b'g'; BLOCK_BYTES]].concat();
    assert!(matches!(
        read_by(lenient, &half),
        Err(TarError::Malformed {
            what: "the end marker",
            ..
        })
    ));
}

#[test]
fn sizes_are_bounded() {
    let bound_of = |kind, size: usize| match read(&[member(kind, "h", &vec![b'x'; size])]) {
        Err(TarError::OverLimit {
            bound,
            position_bytes: 0,
            ..
        }) => Some(bound),
        _ => None,
    };
    assert_eq!(bound_of(b'x', 2001), Some(Bound::ExtendedHeader));
    assert_eq!(bound_of(b'g', 2001), Some(Bound::ExtendedHeader));
    assert_eq!(bound_of(b'L', 1001), Some(Bound::LongName));
    assert_eq!(bound_of(b'K', 1001), Some(Bound::LongName));
    assert_eq!(bound_of(b'K', 1000), None);
    let huge = [
        member(b'x', "h", b"28 size=9223372036854775807\n"),
        member(b'0', "a", b""),
    ];
    assert!(matches!(
        read(&huge),
        Err(TarError::Malformed {
            position_bytes: 1024,
            ..
        })
    ));
}

/// Returns a file with so much data and so many holes that its map does not fit into a header, and its tar archive by
/// GNU tar.
fn sparse_tar(options: &[&str]) -> (Vec<u8>, Vec<u8>) {
    use std::os::unix::fs::FileExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("holes");
    let file = std::fs::File::create(&path).unwrap();
    for number in 0..40u64 {
        file.write_all_at(&[number as u8 + 1; 5000], 4096 * 4 * number).unwrap();
    }
    file.set_len(4096 * 4 * 41).unwrap();
    std::fs::write(directory.path().join("next"), "next").unwrap();
    let mut command = std::process::Command::new("tar");
    command
        .args(["--sparse", "-cf", "-", "-C"])
        .arg(directory.path())
        .args(options)
        .args(["holes", "next"]);
    let output = command.output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.len() < 500_000, "the file system has no holes");
    (output.stdout, std::fs::read(path).unwrap())
}

#[test]
fn sparse_files_of_gnu_tar_are_read_in_all_its_formats() {
    let lenient = Rules {
        max_extended_header_bytes: 10_000,
        ..RULES
    };
    for options in [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let (tar, expected) = sparse_tar(options);
        let members = read_by(lenient, &tar).unwrap();
        let (holes, content) = &members[0];
        assert_eq!(
            (&holes.name[..], holes.kind),
            (&b"holes"[..], EntryKind::File),
            "{options:?}"
        );
        assert_eq!(holes.size_bytes, expected.len() as u64);
        assert!(*content == expected, "{options:?}");
        assert_eq!(
            (&members[1].0.name[..], &members[1].1[..]),
            (&b"next"[..], &b"next"[..])
        );
        let refusing = Rules {
            reads_sparse: false,
            ..lenient
        };
        assert!(
            matches!(read_by(refusing, &tar), Err(TarError::Sparse { name }) if name == b"holes"),
            "{options:?}"
        );
        let short = Rules {
            max_extended_header_bytes: 500,
            ..RULES
        };
        assert!(
            matches!(read_by(short, &tar), Err(TarError::OverLimit { .. })),
            "{options:?}"
        );
        for cut in 0..600 {
            assert!(read_by(lenient, &tar[..cut * 10]).is_err(), "{options:?}");
        }
    }
}

#[test]
fn sparse_files_that_do_not_fit_their_map_are_refused() {
    let records = |records: &[(&str, &str)]| {
        let lines = records.iter().map(|(keyword, value)| {
            let rest = format!(" GNU.sparse.{keyword}={value}\n");
            let length = if rest.len() + 2 < 100 {
                rest.len() + 2
            } else {
                rest.len() + 3
            };
            format!("{length:02}{rest}")
        });
        member(b'x', "h", lines.collect::<String>().as_bytes())
    };
    let sparse = |map: &str, count: &str, size: &str, stored: &[u8]| {
        read(&[
            records(&[("map", map), ("numblocks", count), ("size", size)]),
            member(b'0', "a", stored),
        ])
    };
    assert_eq!(sparse("1,2", "1", "4", b"xy").unwrap()[0].1, b"\0xy\0");
    assert_eq!(sparse("1,2,3,0", "2", "3", b"xy").unwrap()[0].1, b"\0xy");
    for (map, count, size, stored) in [
        ("1,2", "2", "4", "xy"),
        ("1,2", "1", "2", "xy"),
        ("1,2,0,1", "2", "4", "xyz"),
        ("1,2", "1", "4", "x"),
        ("1,2", "1", "4", "xyz"),
        ("1,2,3", "1", "4", "xy"),
        ("1,x", "1", "4", "xy"),
    ] {
        let refused = sparse(map, count, size, stored.as_bytes());
        assert!(
            matches!(refused, Err(TarError::Malformed { .. })),
            "{map} {count} {size} {stored}: {refused:?}"
        );
    }
    let of_directory = read(&[records(&[("map", "0,0"), ("numblocks", "1")]), member(b'5', "a", b"")]);
    assert!(matches!(of_directory, Err(TarError::Sparse { .. })));
    assert!(
        matches!(read(&[member(b'S', "a", b"")]), Err(TarError::Sparse { .. })),
        "a header of another tool"
    );
    let unknown = read(&[records(&[("major", "2"), ("minor", "0")]), member(b'0', "a", b"")]);
    assert!(matches!(unknown, Err(TarError::Sparse { .. })));
}

#[test]
fn holes_are_skipped_without_end_and_read_with_one() {
    let records = member(
        b'x',
        "h",
        b"22 GNU.sparse.major=0\n22 GNU.sparse.minor=1\n26 GNU.sparse.numblocks=1\n\
        22 GNU.sparse.map=0,1\n36 GNU.sparse.size=9000000000000000\n",
    );
    let bytes = tar(&[records, member(b'0', "a", b"x"), member(b'0', "b", b"")]);
    assert_eq!(names(Stream(&bytes[..]), RULES).unwrap(), [b"a", b"b"]);
    let mut entries = Entries::new(Stream(&bytes[..]), RULES);
    assert_eq!(entries.next_entry().unwrap().unwrap().size_bytes, 9_000_000_000_000_000);
    entries.hole_bytes = MAX_HOLE_BYTES - 10;
    let error = entries.content().read_exact(&mut [0; 12]).unwrap_err();
    assert!(matches!(
        TarError::from(error),
        TarError::OverLimit {
            bound: Bound::Holes,
            ..
        }
    ));
}
