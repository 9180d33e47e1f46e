//! Reads rpm's database: an SQLite file whose table `Packages` has one header for each package (rpm, "RPM V4 header
//! format", and its file `lib/backend/sqlite.c`). Older databases, in Berkeley DB format, are not supported.

use std::io::{Read, Seek};

use super::error::LayerError;
use super::packages::{MAX_PACKAGES, Package, PackageSystem};
use super::sqlite::{Database, SqliteError, Value};

/// Greatest size of the database, in bytes. Every header contains all file names of its package; the database of a full
/// workstation has about 100 MB.
pub const MAX_RPM_DATABASE_BYTES: u64 = 256 * 1024 * 1024;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const ARCHITECTURE: u32 = 1022;

/// Types of values (rpm, `rpmtag.h`).
const INT32: u32 = 4;
const STRING: u32 = 6;

/// An entry of a header's index: tag, type, offset, count.
const INDEX_ENTRY_BYTES: usize = 16;

/// Longest name, version, release or architecture, in bytes: the limit of file systems for names.
const MAX_TEXT_BYTES: usize = 255;

/// Reads a database, and returns the installed packages in its order. A damaged database, or one of another kind, gives
/// no packages: no build depends on it.
///
/// # Errors
/// Returns [`LayerError`] for errors of reading `database`, which is a temporary file, and for more packages than
/// [`MAX_PACKAGES`].
pub(super) fn read_rpm(database: impl Read + Seek) -> Result<Vec<Package>, LayerError> {
    let mut packages = Vec::new();
    let take = |row: Vec<Value>| {
        packages.extend(row.iter().find_map(package));
        if packages.len() > MAX_PACKAGES {
            return Err(Failure::Limit);
        }
        Ok(())
    };
    let outcome = Database::open(database)
        .map_err(Failure::Sqlite)
        .and_then(|mut opened| opened.rows("Packages", take));
    match outcome {
        Ok(()) => Ok(packages),
        Err(Failure::Sqlite(SqliteError::Damaged(_))) => Ok(Vec::new()),
        Err(Failure::Sqlite(SqliteError::Io(cause))) => Err(LayerError::Scratch { action: "read", cause }),
        Err(Failure::Limit) => Err(LayerError::OverLimit {
            what: "packages of a database",
            limit: MAX_PACKAGES as u64,
        }),
    }
}

enum Failure {
    Sqlite(SqliteError),
    Limit,
}

impl From<SqliteError> for Failure {
    fn from(error: SqliteError) -> Self {
        Self::Sqlite(error)
    }
}

/// Returns the package of a row. Its version is `[EPOCH:]VERSION-RELEASE[.ARCHITECTURE]`.
fn package(value: &Value) -> Option<Package> {
    let Value::Blob(blob) = value else { return None };
    let header = Header::of(blob)?;
    let name = header.text(NAME)?;
    let epoch = header
        .number(EPOCH)
        .map(|epoch| format!("{epoch}:"))
        .unwrap_or_default();
    // Imported keys are listed as packages without an architecture.
    let architecture = header
        .text(ARCHITECTURE)
        .map(|name| format!(".{name}"))
        .unwrap_or_default();
    let version = format!(
        "{epoch}{}-{}{architecture}",
        header.text(VERSION)?,
        header.text(RELEASE)?
    );
    Some(Package {
        system: PackageSystem::Rpm,
        name,
        version,
    })
}

/// A header: number of index entries, size of the data, the index, the data.
struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

impl<'a> Header<'a> {
    fn of(blob: &'a [u8]) -> Option<Self> {
        let entries = usize::try_from(number(blob, 0)?).ok()?;
        let data_bytes = usize::try_from(number(blob, 4)?).ok()?;
        let (index, rest) = blob
            .get(8..)?
            .split_at_checked(entries.checked_mul(INDEX_ENTRY_BYTES)?)?;
        Some(Self {
            index,
            data: rest.get(..data_bytes)?,
        })
    }

    /// Returns the data from the start of a value.
    fn value(&self, tag: u32, kind: u32) -> Option<&'a [u8]> {
        let mut entries = self.index.chunks_exact(INDEX_ENTRY_BYTES);
        let entry = entries.find(|entry| number(entry, 0) == Some(tag) && number(entry, 4) == Some(kind))?;
        self.data.get(usize::try_from(number(entry, 8)?).ok()?..)
    }

    fn number(&self, tag: u32) -> Option<u32> {
        number(self.value(tag, INT32)?, 0)
    }

    fn text(&self, tag: u32) -> Option<String> {
        let value = self.value(tag, STRING)?;
        let end = value.iter().take(MAX_TEXT_BYTES + 1).position(|byte| *byte == 0)?;
        (end > 0).then(|| String::from_utf8_lossy(&value[..end]).into_owned())
    }
}

/// Returns a number of four bytes, the highest first.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at.checked_add(4)?)?
        .try_into()
        .ok()
        .map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// See `testdata/rpmdb/make.py`.
    const FIXTURE: &[u8] = include_bytes!("../../testdata/rpmdb/rpmdb.sqlite");

    fn shown(bytes: &[u8]) -> Vec<String> {
        let packages = read_rpm(Cursor::new(bytes)).unwrap();
        assert!(packages.iter().all(|package| package.system == PackageSystem::Rpm));
        packages
            .into_iter()
            .map(|package| format!("{} {}", package.name, package.version))
            .collect()
    }

    #[test]
    fn packages_of_rpm_are_listed() {
        let packages = shown(FIXTURE);
        assert_eq!(packages.len(), 42, "the row that is no header has none");
        assert_eq!(packages[0], "package-00 1.0-1.el9.x86_64");
        assert_eq!(packages[40], "large 2:1.2-1.el9.noarch");
        assert_eq!(packages[41], "gpg-pubkey fd431d51-4ae0493b");
    }

    #[test]
    fn what_is_no_database_has_no_packages() {
        assert_eq!(shown(b""), [""; 0]);
        assert_eq!(shown(b"Berkeley"), [""; 0]);
        assert_eq!(shown(&FIXTURE[..FIXTURE.len() / 2]), [""; 0]);
    }

    #[test]
    fn headers_that_are_cut_short_or_lie_are_passed_over() {
        let text = |at: u32| [1000, 6, at, 1].map(u32::to_be_bytes).concat();
        let header = |entries: u32, data_bytes: u32, rest: &[u8]| {
            [&entries.to_be_bytes()[..], &data_bytes.to_be_bytes(), rest].concat()
        };
        let name = |blob: &[u8]| Header::of(blob).and_then(|header| header.text(NAME));
        assert_eq!(
            name(&header(1, 3, &[&text(0)[..], b"ab\0"].concat())),
            Some("ab".to_owned())
        );
        for blob in [
            header(1, 2, &[&text(0)[..], b"ab\0"].concat()),
            header(1, 3, &[&text(9)[..], b"ab\0"].concat()),
            header(1, 3, &[&text(u32::MAX)[..], b"ab\0"].concat()),
            header(1, 9, &[&text(0)[..], b"ab\0"].concat()),
            header(u32::MAX, 3, &[&text(0)[..], b"ab\0"].concat()),
            header(1, u32::MAX, &[&text(0)[..], b"ab\0"].concat()),
            header(1, 1, &[&text(0)[..], b"\0"].concat()),
            header(1, 300, &[&text(0)[..], &[b'a'; 300]].concat()),
            b"\0\0".to_vec(),
        ] {
            assert_eq!(name(&blob), None);
        }
    }
}
