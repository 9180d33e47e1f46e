//! Records of PAX extended headers (POSIX.1-2024, pax, "pax Extended Header").
//!
//! The crate tar splits them at line feeds, and so loses values that hold one, as the bytes of a capability may.

use super::error::LayerError;
use super::node::Xattrs;

/// Greatest length of an extended attribute's name: Linux's XATTR_NAME_MAX.
pub const MAX_XATTR_NAME_BYTES: usize = 255;

/// Greatest size of an extended attribute's value: Linux's XATTR_SIZE_MAX.
pub const MAX_XATTR_VALUE_BYTES: usize = 64 * 1024;

/// The prefix under which every tool of images stores extended attributes.
const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

/// GNU tar's sparse files, in any of their three PAX formats.
const SPARSE_PREFIX: &[u8] = b"GNU.sparse.";

/// What the records of one extended header say about the entry that follows.
#[derive(Debug, Default)]
pub(super) struct PaxRecords {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_path: Option<Vec<u8>>,
    pub(super) size_bytes: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) xattrs: Xattrs,
    pub(super) is_sparse: bool,
}

impl PaxRecords {
    /// Reads all records. A keyword that comes twice has the last value; an empty value takes the record back.
    pub(super) fn parse(mut rest: &[u8]) -> Result<Self, LayerError> {
        let mut records = Self::default();
        while !rest.is_empty() {
            let (keyword, value, after) = split_record(rest).ok_or(LayerError::Malformed {
                what: "an extended header",
                reason: "a record does not have the length that it says",
            })?;
            records.take(keyword, value)?;
            rest = after;
        }
        Ok(records)
    }

    fn take(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), LayerError> {
        match keyword {
            b"path" => self.path = text(value)?,
            b"linkpath" => self.link_path = text(value)?,
            b"size" => self.size_bytes = number(value)?,
            b"uid" => self.uid = number(value)?,
            b"gid" => self.gid = number(value)?,
            _ if keyword.starts_with(SPARSE_PREFIX) => self.is_sparse = true,
            _ => {
                if let Some(name) = keyword.strip_prefix(XATTR_PREFIX) {
                    self.take_xattr(name, value)?;
                }
            }
        }
        Ok(())
    }

    fn take_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), LayerError> {
        if name.is_empty() || name.contains(&0) {
            return Err(LayerError::Malformed {
                what: "an extended header",
                reason: "an extended attribute has no proper name",
            });
        }
        if name.len() > MAX_XATTR_NAME_BYTES {
            let limit = MAX_XATTR_NAME_BYTES as u64;
            return Err(LayerError::OverLimit { what: "the name of an extended attribute, in bytes", limit });
        }
        if value.len() > MAX_XATTR_VALUE_BYTES {
            let limit = MAX_XATTR_VALUE_BYTES as u64;
            return Err(LayerError::OverLimit { what: "the value of an extended attribute, in bytes", limit });
        }
        self.xattrs.insert(name.to_vec(), value.to_vec());
        Ok(())
    }
}

/// Takes `LENGTH KEYWORD=VALUE\n` off the front; the length counts all of it.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(&bytes[..space])?).ok()?;
    if length < space + 3 || length > bytes.len() || bytes[length - 1] != b'\n' {
        return None;
    }
    let record = &bytes[space + 1..length - 1];
    let equals = record.iter().position(|byte| *byte == b'=')?;
    (equals > 0).then(|| (&record[..equals], &record[equals + 1..], &bytes[length..]))
}

fn text(value: &[u8]) -> Result<Option<Vec<u8>>, LayerError> {
    if value.contains(&0) {
        return Err(LayerError::Malformed { what: "an extended header", reason: "a path has a NUL byte" });
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn number(value: &[u8]) -> Result<Option<u64>, LayerError> {
    if value.is_empty() {
        return Ok(None);
    }
    let malformed = LayerError::Malformed { what: "an extended header", reason: "a size or an id is not a number" };
    decimal(value).map(Some).ok_or(malformed)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_line_feeds_and_equal_signs() {
        let records = PaxRecords::parse(b"13 path=a\nb=\n28 SCHILY.xattr.user.x=\n\0=\n\n9 size=7\n");
        let Ok(records) = records else { panic!("{records:?}") };
        assert_eq!(records.path.as_deref(), Some(&b"a\nb="[..]));
        assert_eq!(records.size_bytes, Some(7));
        assert_eq!(records.xattrs[&b"user.x"[..]], b"\n\0=\n");
    }

    #[test]
    fn malformed_records_are_refused() {
        for bad in [
            &b"path=a\n"[..],
            b"99 path=a\n",
            b"8 path=a\n",
            b"0 \n",
            b"5 a=b",
            b"5 =b\n",
            b"+9 size=1\n",
            b"10 size=-1\n",
            b"11 path=a\0\n",
            b"10 size=1x\n",
            b"27 size=18446744073709551616\n",
            b"18446744073709551616 path=a\n",
        ] {
            assert!(PaxRecords::parse(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn attributes_over_the_limits_of_linux_are_refused() {
        let value = vec![b'v'; MAX_XATTR_VALUE_BYTES + 1];
        let mut records = PaxRecords::default();
        assert!(records.take(b"SCHILY.xattr.user.x", &value).is_err());
        assert!(records.take(b"SCHILY.xattr.user.x", &value[1..]).is_ok());
        assert!(records.take(&[XATTR_PREFIX, &[b'n'; 256]].concat(), b"").is_err());
        assert!(records.take(XATTR_PREFIX, b"").is_err());
    }
}
