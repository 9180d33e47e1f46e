//! A reader of tar that is independent of the writer: headers by the crate `tar`, records of extended headers by their
//! lengths as in POSIX (the crate splits records at lines, which a value may contain).

use std::collections::BTreeMap;
use std::io::Read as _;

use tar::{Archive, EntryType, Header};

/// An entry as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReadEntry {
    pub(super) path: Vec<u8>,
    pub(super) kind: EntryType,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    pub(super) mtime_s: i64,
    pub(super) target: Vec<u8>,
    pub(super) records: BTreeMap<String, Vec<u8>>,
    pub(super) content: Vec<u8>,
}

/// Reads a whole tar archive, and checks its end.
pub(super) fn read_tar(tar: &[u8]) -> Vec<ReadEntry> {
    assert_eq!(tar.len() % 512, 0);
    assert!(tar.ends_with(&[0; 1024]));
    let mut archive = Archive::new(tar);
    let mut entries = Vec::new();
    let mut records = BTreeMap::new();
    let mut end = 0;
    for entry in archive.entries().unwrap().raw(true) {
        let mut entry = entry.unwrap();
        let header = entry.header().clone();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert_eq!(content.len() as u64, header.size().unwrap());
        end = entry.raw_file_position() as usize + content.len().next_multiple_of(512);
        assert!(
            tar[entry.raw_file_position() as usize..end][content.len()..]
                .iter()
                .all(|byte| *byte == 0)
        );
        check_constants(&header);
        if header.entry_type() == EntryType::XHeader {
            assert!(records.is_empty(), "two extended headers in a row");
            records = parse_records(&content);
        } else {
            entries.push(resolve(&header, std::mem::take(&mut records), content));
        }
    }
    assert!(records.is_empty());
    assert_eq!(tar.len(), end + 1024, "nothing but two zero blocks ends the tar");
    entries
}

/// Checks the fields that are the same in every header.
fn check_constants(header: &Header) {
    let bytes = header.as_bytes();
    assert_eq!(&bytes[257..265], b"ustar\x0000");
    assert!(bytes[265..329].iter().all(|byte| *byte == 0), "uname and gname");
    assert_eq!(&bytes[329..345], b"0000000\x000000000\x00");
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    let field: u32 = bytes[148..156].iter().map(|byte| u32::from(*byte)).sum();
    assert_eq!(header.cksum().unwrap(), sum - field + 8 * 32);
}

fn resolve(header: &Header, records: BTreeMap<String, Vec<u8>>, content: Vec<u8>) -> ReadEntry {
    let number = |keyword: &str, field: u64| {
        records.get(keyword).map_or(field as i64, |value| {
            std::str::from_utf8(value).unwrap().parse().unwrap()
        })
    };
    let field_target = header
        .link_name_bytes()
        .map(|target| target.into_owned())
        .unwrap_or_default();
    ReadEntry {
        path: records
            .get("path")
            .cloned()
            .unwrap_or_else(|| header.path_bytes().into_owned()),
        kind: header.entry_type(),
        mode: header.mode().unwrap(),
        uid: number("uid", header.uid().unwrap()) as u64,
        gid: number("gid", header.gid().unwrap()) as u64,
        mtime_s: number("mtime", header.mtime().unwrap()),
        target: records.get("linkpath").cloned().unwrap_or(field_target),
        records,
        content,
    }
}

/// Parses the records of an extended header, which must be sorted and unique.
pub(super) fn parse_records(mut content: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut records = BTreeMap::new();
    while !content.is_empty() {
        let space = content.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&content[..space]).unwrap().parse().unwrap();
        let (record, rest) = content.split_at(length);
        let record = record[space + 1..].strip_suffix(b"\n").unwrap();
        let equals = record.iter().position(|byte| *byte == b'=').unwrap();
        let keyword = String::from_utf8(record[..equals].to_vec()).unwrap();
        assert!(
            records.last_key_value().is_none_or(|(last, _)| *last < keyword),
            "records are sorted"
        );
        records.insert(keyword, record[equals + 1..].to_vec());
        content = rest;
    }
    records
}
