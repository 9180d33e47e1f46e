//! Writes the headers of one entry: an extended header if a field cannot hold its value, and the USTAR header.

use std::collections::BTreeMap;

use super::error::EntryProblem;
use super::header::{
    Header, LINK_NAME_BYTES, MAX_ID, MAX_LONG_NUMBER, NAME_BYTES, PREFIX_BYTES, RECORD_BYTES, TypeFlag,
};
use crate::model::capability;
use crate::model::{Entry, EntryKind, MAX_PATH_BYTES};

/// Directory in the name of every extended header, before the entry's last path component. (Other programs write their
/// process ID instead of the zero, which is not reproducible.)
const EXTENDED_HEADER_DIRECTORY: &[u8] = b"PaxHeaders.0/";
/// Mode of every extended header.
const EXTENDED_HEADER_MODE: u32 = 0o644;
/// Mode of every symbolic link, as shown by Linux.
const SYMLINK_MODE: u32 = 0o777;
/// The bits of a mode that an entry stores: permissions, setuid, setgid, sticky.
const MODE_MASK: u32 = 0o7777;
/// Prefix of an extended attribute's name in the keyword of its record.
const XATTR_KEYWORD_PREFIX: &[u8] = b"SCHILY.xattr.";

/// Keywords and values of an extended header, sorted by the keywords' bytes.
type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// Appends the headers of `entry` to `headers`: a multiple of 512 bytes, to be followed by the content.
///
/// # Errors
/// Returns an error for what a header cannot hold: the root, an attribute name that contains `=`, and so on.
pub(super) fn append_headers(entry: &Entry, mtime_s: i64, headers: &mut Vec<u8>) -> Result<(), EntryProblem> {
    if entry.path.is_root() {
        return Err(EntryProblem::Root);
    }
    let (type_flag, mode, size_bytes, target) = match &entry.kind {
        EntryKind::Directory => (TypeFlag::Directory, entry.mode & MODE_MASK, 0, &[][..]),
        EntryKind::File { size_bytes, .. } => (TypeFlag::File, entry.mode & MODE_MASK, *size_bytes, &[][..]),
        EntryKind::Symlink { target } => (TypeFlag::Symlink, SYMLINK_MODE, 0, check_target(target)?),
    };
    let mut path = entry.path.as_bytes().to_vec();
    if type_flag == TypeFlag::Directory {
        path.push(b'/');
    }

    let mut records = Records::new();
    let (prefix, name) = place_path(&path, &mut records);
    let header = Header {
        type_flag,
        prefix,
        name,
        link_name: place_target(target, &mut records),
        mode,
        uid: place_number(b"uid", entry.uid, MAX_ID, &mut records),
        gid: place_number(b"gid", entry.gid, MAX_ID, &mut records),
        size_bytes: place_number(b"size", size_bytes, MAX_LONG_NUMBER, &mut records),
        mtime_s: place_mtime(mtime_s, &mut records),
    };
    mark_binary_names(&mut records);
    place_xattrs(entry, &mut records)?;
    if !records.is_empty() {
        append_extended_header(entry.path.file_name(), &records, headers);
    }
    headers.extend_from_slice(&header.to_bytes());
    Ok(())
}

/// Checks that a symbolic link of Linux can have the target.
fn check_target(target: &[u8]) -> Result<&[u8], EntryProblem> {
    if target.is_empty() {
        Err(EntryProblem::EmptyTarget)
    } else if target.contains(&0) {
        Err(EntryProblem::NulInTarget)
    } else if target.len() > MAX_PATH_BYTES {
        Err(EntryProblem::TargetTooLong(target.len()))
    } else {
        Ok(target)
    }
}

/// Returns the fields `prefix` and `name`; a path that does not fit becomes a record.
fn place_path<'a>(path: &'a [u8], records: &mut Records) -> (&'a [u8], &'a [u8]) {
    match split(path) {
        Some(fields) if !needs_utf8_record(path) => fields,
        _ => {
            records.insert(b"path".to_vec(), path.to_vec());
            (b"", cut(path, NAME_BYTES))
        }
    }
}

/// Splits the path at a `/` into two parts, or leaves it whole; `None` if it does not fit either way.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.len() <= NAME_BYTES {
        return Some((b"", path));
    }
    // The last slash leaves the shortest name; if that is too long, so are all others. The slash at the end of a
    // directory's path would leave an empty name.
    let searched = path.len().saturating_sub(1).min(PREFIX_BYTES + 1);
    let slash = path[..searched].iter().rposition(|byte| *byte == b'/')?;
    let prefix = &path[..slash];
    let name = &path[slash + 1..];
    (name.len() <= NAME_BYTES).then_some((prefix, name))
}

/// Returns the field `linkname`; a target that does not fit becomes a record.
fn place_target<'a>(target: &'a [u8], records: &mut Records) -> &'a [u8] {
    if target.len() > LINK_NAME_BYTES || needs_utf8_record(target) {
        records.insert(b"linkpath".to_vec(), target.to_vec());
    }
    cut(target, LINK_NAME_BYTES)
}

/// Returns `true` for text that is not ASCII: fields have no charset, but records are UTF-8. Bytes that are not UTF-8
/// are written to the fields, which can hold any bytes.
fn needs_utf8_record(text: &[u8]) -> bool {
    !text.is_ascii() && std::str::from_utf8(text).is_ok()
}

/// Returns the number, or zero if it is over `max` and becomes a record.
fn place_number(keyword: &[u8], number: u64, max: u64, records: &mut Records) -> u64 {
    if number <= max {
        return number;
    }
    records.insert(keyword.to_vec(), number.to_string().into_bytes());
    0
}

/// Returns the field `mtime`: like other numbers, and never negative.
fn place_mtime(mtime_s: i64, records: &mut Records) -> u64 {
    match u64::try_from(mtime_s) {
        Ok(seconds) => place_number(b"mtime", seconds, MAX_LONG_NUMBER, records),
        Err(_) => {
            records.insert(b"mtime".to_vec(), mtime_s.to_string().into_bytes());
            0
        }
    }
}

/// Declares names in records as binary if one of them is not UTF-8.
fn mark_binary_names(records: &mut Records) {
    let is_binary = |keyword: &[u8]| {
        records
            .get(keyword)
            .is_some_and(|value: &Vec<u8>| std::str::from_utf8(value).is_err())
    };
    if is_binary(b"path") || is_binary(b"linkpath") {
        records.insert(b"hdrcharset".to_vec(), b"BINARY".to_vec());
    }
}

/// Adds a record with the unchanged value for each extended attribute.
fn place_xattrs(entry: &Entry, records: &mut Records) -> Result<(), EntryProblem> {
    for (name, value) in &entry.xattrs {
        // The keyword of a record ends at its first `=`, which cannot be escaped.
        if name.is_empty() || name.contains(&b'=') || name.contains(&0) {
            return Err(EntryProblem::XattrName(name.clone()));
        }
        let value = if name == capability::ATTRIBUTE {
            capability::to_version_2(value)
                .ok_or(EntryProblem::Capability)?
                .into_owned()
        } else {
            value.clone()
        };
        records.insert([XATTR_KEYWORD_PREFIX, name].concat(), value);
    }
    Ok(())
}

/// Appends the extended header of the entry whose last path component is `file_name`: a header, the records, padding.
fn append_extended_header(file_name: &[u8], records: &Records, headers: &mut Vec<u8>) {
    let mut content = Vec::new();
    for (keyword, value) in records {
        append_record(keyword, value, &mut content);
    }
    let name = [EXTENDED_HEADER_DIRECTORY, file_name].concat();
    let header = Header {
        type_flag: TypeFlag::ExtendedHeader,
        prefix: b"",
        name: cut(&name, NAME_BYTES),
        link_name: b"",
        mode: EXTENDED_HEADER_MODE,
        uid: 0,
        gid: 0,
        size_bytes: content.len() as u64,
        mtime_s: 0,
    };
    headers.extend_from_slice(&header.to_bytes());
    headers.extend_from_slice(&content);
    headers.resize(headers.len().next_multiple_of(RECORD_BYTES), 0);
}

/// Appends `LENGTH KEYWORD=VALUE
/// `, in which the length includes itself.
fn append_record(keyword: &[u8], value: &[u8], content: &mut Vec<u8>) {
    let rest = b" =\n".len() + keyword.len() + value.len();
    let mut length = rest + decimal_digits(rest);
    // The digits of the length may have increased it beyond a power of ten, which can happen only once.
    length = rest + decimal_digits(length);
    content.extend_from_slice(length.to_string().as_bytes());
    for part in [b" ", keyword, b"=", value, b"\n"] {
        content.extend_from_slice(part);
    }
}

fn decimal_digits(number: usize) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}

/// Returns the first bytes of `text`, at most `max`.
fn cut(text: &[u8], max: usize) -> &[u8] {
    &text[..text.len().min(max)]
}
