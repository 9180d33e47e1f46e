//! Records of PAX extended headers (POSIX.1-2024, pax, "pax Extended Header").
//!
//! The crate `tar` splits records at line feeds. It loses values that contain one, as the bytes of a capability may.

use super::entry::Xattrs;
use super::error::{Bound, TarError};
use super::sparse::{SparseRecords, decimal};

/// Greatest length of an extended attribute's name, in bytes: Linux's XATTR_NAME_MAX.
const MAX_XATTR_NAME_BYTES: usize = 255;

/// Greatest size of an extended attribute's value, in bytes: Linux's XATTR_SIZE_MAX.
const MAX_XATTR_VALUE_BYTES: usize = 64 * 1024;

/// The prefix that all image tools use for extended attributes.
const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

/// The prefix of GNU tar's sparse files, in each of their three PAX formats.
const SPARSE_PREFIX: &[u8] = b"GNU.sparse.";

/// The records of one extended header, which describe the following entry.
#[derive(Debug, Default)]
pub(super) struct PaxRecords {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_path: Option<Vec<u8>>,
    pub(super) size_bytes: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) xattrs: Xattrs,
    pub(super) sparse: Option<Box<SparseRecords>>,
}

impl PaxRecords {
    /// Reads all records of the extended header at `position_bytes`. If a keyword occurs twice, the last value counts;
    /// an empty value removes the record.
    pub(super) fn parse(mut rest: &[u8], reads_xattrs: bool, position_bytes: u64) -> Result<Self, TarError> {
        let mut reader = Reader {
            records: Self::default(),
            reads_xattrs,
            position_bytes,
        };
        while !rest.is_empty() {
            let record = split_record(rest);
            let (keyword, value, after) =
                record.ok_or_else(|| reader.malformed("a record does not have its declared length"))?;
            reader.take(keyword, value)?;
            rest = after;
        }
        Ok(reader.records)
    }

    /// Returns whether the records set a member's name, link target or content.
    pub(super) fn act(&self) -> bool {
        self.path.is_some() || self.link_path.is_some() || self.size_bytes.is_some() || self.sparse.is_some()
    }
}

struct Reader {
    records: PaxRecords,
    reads_xattrs: bool,
    position_bytes: u64,
}

impl Reader {
    fn take(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), TarError> {
        match keyword {
            b"path" => self.records.path = self.text(value)?,
            b"linkpath" => self.records.link_path = self.text(value)?,
            b"size" => self.records.size_bytes = self.number(value)?,
            b"uid" => self.records.uid = self.number(value)?,
            b"gid" => self.records.gid = self.number(value)?,
            _ => {
                if let Some(name) = keyword.strip_prefix(SPARSE_PREFIX) {
                    self.take_sparse(name, value)?;
                } else if let Some(name) = keyword.strip_prefix(XATTR_PREFIX).filter(|_| self.reads_xattrs) {
                    self.take_xattr(name, value)?;
                }
            }
        }
        Ok(())
    }

    fn take_sparse(&mut self, name: &[u8], value: &[u8]) -> Result<(), TarError> {
        if name == b"name" && value.contains(&0) {
            return Err(self.malformed("a path contains a NUL byte"));
        }
        let taken = self.records.sparse.get_or_insert_default().take(name, value);
        taken.ok_or_else(|| self.malformed("its description of a sparse file is not in a GNU tar format"))
    }

    fn take_xattr(&mut self, name: &[u8], value: &[u8]) -> Result<(), TarError> {
        if name.is_empty() || name.contains(&0) {
            return Err(self.malformed("an extended attribute has no valid name"));
        }
        if name.len() > MAX_XATTR_NAME_BYTES {
            return Err(self.over_limit(Bound::XattrName, MAX_XATTR_NAME_BYTES));
        }
        if value.len() > MAX_XATTR_VALUE_BYTES {
            return Err(self.over_limit(Bound::XattrValue, MAX_XATTR_VALUE_BYTES));
        }
        self.records.xattrs.insert(name.to_vec(), value.to_vec());
        Ok(())
    }

    fn text(&self, value: &[u8]) -> Result<Option<Vec<u8>>, TarError> {
        if value.contains(&0) {
            return Err(self.malformed("a path contains a NUL byte"));
        }
        Ok((!value.is_empty()).then(|| value.to_vec()))
    }

    fn number(&self, value: &[u8]) -> Result<Option<u64>, TarError> {
        if value.is_empty() {
            return Ok(None);
        }
        decimal(value)
            .map(Some)
            .ok_or_else(|| self.malformed("a size or an id is not a number"))
    }

    fn malformed(&self, reason: &'static str) -> TarError {
        TarError::Malformed {
            what: "an extended header",
            reason,
            position_bytes: self.position_bytes,
        }
    }

    fn over_limit(&self, bound: Bound, limit: usize) -> TarError {
        TarError::OverLimit {
            bound,
            limit_bytes: limit as u64,
            position_bytes: self.position_bytes,
        }
    }
}

/// Splits `LENGTH KEYWORD=VALUE
/// ` off the front; the length includes all of it.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_line_feeds_and_equal_signs() {
        let records = PaxRecords::parse(b"13 path=a\nb=\n28 SCHILY.xattr.user.x=\n\0=\n\n9 size=7\n", true, 0);
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
            assert!(PaxRecords::parse(bad, true, 0).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn attributes_over_the_limits_of_linux_are_refused() {
        let value = vec![b'v'; MAX_XATTR_VALUE_BYTES + 1];
        let mut reader = Reader {
            records: PaxRecords::default(),
            reads_xattrs: true,
            position_bytes: 0,
        };
        assert!(reader.take(b"SCHILY.xattr.user.x", &value).is_err());
        assert!(reader.take(b"SCHILY.xattr.user.x", &value[1..]).is_ok());
        assert!(reader.take(&[XATTR_PREFIX, &[b'n'; 256]].concat(), b"").is_err());
        assert!(reader.take(XATTR_PREFIX, b"").is_err());
        reader.reads_xattrs = false;
        assert!(reader.take(b"SCHILY.xattr.user.x", &value).is_ok(), "nobody holds it");
    }
}
