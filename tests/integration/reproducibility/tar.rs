//! The headers of a tar as stored, POSIX.1-2017 pax: parsed here, since a library would accept too much.

use std::collections::BTreeMap;
use std::ops::Range;

pub const BLOCK_BYTES: usize = 512;

/// An entry, with the extended header before it.
pub struct Entry<'a> {
    pub header: &'a [u8],
    /// The header of the entry with the records, if there is one.
    pub extended: Option<&'a [u8]>,
    pub records: BTreeMap<String, Vec<u8>>,
    pub content: &'a [u8],
}

/// Returns the entries of a whole tar, which must end in two blocks of zeros and nothing more.
pub fn entries(tar: &[u8]) -> Vec<Entry<'_>> {
    let mut found = Vec::new();
    let mut rest = tar;
    let mut extended: Option<(&[u8], &[u8])> = None;
    while rest[0] != 0 {
        let (header, after) = rest.split_at(BLOCK_BYTES);
        let own = Entry {
            header,
            extended: None,
            records: BTreeMap::new(),
            content: &[],
        };
        let (content, after) = after.split_at(usize::try_from(own.number("size", 124..136)).unwrap());
        rest = &after[content.len().next_multiple_of(BLOCK_BYTES) - content.len()..];
        if header[156] == b'x' {
            assert!(
                extended.replace((header, content)).is_none(),
                "two extended headers for one entry"
            );
            continue;
        }
        let (extended, records) = extended.take().unzip();
        found.push(Entry {
            extended,
            records: self::records(records.unwrap_or_default()),
            content,
            ..own
        });
    }
    assert_eq!(rest, [0; 2 * BLOCK_BYTES], "the end of the tar");
    found
}

/// Parses `LENGTH KEY=VALUE\n` records; a value may have any bytes.
fn records(mut rest: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut records = BTreeMap::new();
    let mut last = String::new();
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ').unwrap();
        let length: usize = std::str::from_utf8(&rest[..space]).unwrap().parse().unwrap();
        let record = rest[space + 1..length]
            .strip_suffix(b"\n")
            .expect("a record ends in a newline");
        let equals = record.iter().position(|byte| *byte == b'=').unwrap();
        let key = String::from_utf8(record[..equals].to_vec()).unwrap();
        assert!(last < key, "records are sorted: {last} before {key}");
        records.insert(key.clone(), record[equals + 1..].to_vec());
        last = key;
        rest = &rest[length..];
    }
    records
}

impl Entry<'_> {
    /// Returns a field, which NUL ends unless it is full.
    pub fn text(&self, field: Range<usize>) -> &[u8] {
        field_text(self.header, field)
    }

    /// Returns a PAX record, or else a field of octal digits and NUL.
    pub fn number(&self, key: &str, field: Range<usize>) -> u64 {
        if let Some(value) = self.records.get(key) {
            return std::str::from_utf8(value).unwrap().parse().unwrap();
        }
        let digits = self.header[field].strip_suffix(b"\0").expect("a number ends in NUL");
        u64::from_str_radix(std::str::from_utf8(digits).unwrap(), 8).expect("a number is octal")
    }

    /// Returns the path, with the slash at a directory's end.
    pub fn path(&self) -> Vec<u8> {
        if let Some(path) = self.records.get("path") {
            return path.clone();
        }
        let prefix = self.text(345..500);
        let name = self.text(0..100);
        if prefix.is_empty() {
            name.to_vec()
        } else {
            [prefix, b"/", name].concat()
        }
    }
}

/// Returns a field, which NUL ends unless it is full.
pub fn field_text(header: &[u8], field: Range<usize>) -> &[u8] {
    header[field].split(|byte| *byte == 0).next().unwrap()
}
