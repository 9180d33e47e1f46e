//! Reads the rows of a table from an SQLite file ("SQLite Database File Format", version 3). Indexes are not used. The
//! write-ahead log is ignored, since it is empty in an image whose database was closed. The file is untrusted input: a
//! violation of the format is an error.

use std::io::{self, Read, Seek, SeekFrom};

use SqliteError::Damaged;

const MAGIC: &[u8] = b"SQLite format 3\0";

/// Length of the file's header, which precedes the header of the first page.
const HEADER_BYTES: usize = 100;

/// Least usable size of a page that the format allows (section 1.3.4).
const MIN_USABLE_BYTES: usize = 480;

/// Greatest size of one row, in bytes. rpm does not accept headers over 256 MiB; the largest known have a few.
const MAX_ROW_BYTES: usize = 16 * 1024 * 1024;

/// Greatest number of columns that are read of one row: the tables have at most five.
const MAX_COLUMNS: usize = 16;

/// Size of a leaf's cell in addition to its row: a pointer to it, the row's length and its number.
const MIN_CELL_BYTES: u64 = 4;

const INTERIOR_TABLE: u8 = 5;
const LEAF_TABLE: u8 = 13;

/// An error of reading a database.
#[derive(Debug, thiserror::Error)]
pub(super) enum SqliteError {
    /// The file could not be read.
    #[error("cannot read an SQLite file")]
    Io(#[source] io::Error),
    /// The file violates the format.
    #[error("not an SQLite file, or damaged: {0}")]
    Damaged(&'static str),
}

impl From<io::Error> for SqliteError {
    fn from(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it is truncated"),
            _ => Self::Io(cause),
        }
    }
}

/// A value of a row. Values other than integers, texts and blobs are not distinguished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Other,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

/// The encoding of text.
#[derive(Debug, Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16Little,
    Utf16Big,
}

/// A database file.
pub(super) struct Database<R> {
    source: R,
    page_bytes: usize,
    /// Bytes of a page without the reserved part at its end.
    usable_bytes: usize,
    page_count: u64,
    /// Pages that may still be read. Each page of a valid file is read once, except the few for looking up tables.
    budget: u64,
    /// Bytes of rows that may still be returned. The rows of a valid file do not overlap.
    row_budget_bytes: u64,
    encoding: Encoding,
}

impl<R: Read + Seek> Database<R> {
    /// Reads the file's header.
    ///
    /// # Errors
    /// Returns [`SqliteError`] for errors of `source`, and if the header violates the format.
    pub(super) fn open(mut source: R) -> Result<Self, SqliteError> {
        let mut header = [0; HEADER_BYTES];
        source.rewind()?;
        source.read_exact(&mut header)?;
        if !header.starts_with(MAGIC) {
            return Err(Damaged("it is not an SQLite file"));
        }
        let page_bytes = match number(&header[16..18]) {
            1 => 65536,
            size => size as usize,
        };
        let usable_bytes = page_bytes.saturating_sub(header[20].into());
        if !page_bytes.is_power_of_two() || page_bytes < 512 || usable_bytes < MIN_USABLE_BYTES {
            return Err(Damaged("it has an invalid page size"));
        }
        let encoding = match number(&header[56..60]) {
            // The value is 0 in a file without any table.
            0 | 1 => Encoding::Utf8,
            2 => Encoding::Utf16Little,
            3 => Encoding::Utf16Big,
            _ => return Err(Damaged("it has an unknown text encoding")),
        };
        let file_bytes = source.seek(SeekFrom::End(0))?;
        let page_count = file_bytes / page_bytes as u64;
        let budget = page_count.saturating_mul(2);
        let row_budget_bytes = file_bytes.saturating_mul(2);
        Ok(Self {
            source,
            page_bytes,
            usable_bytes,
            page_count,
            budget,
            row_budget_bytes,
            encoding,
        })
    }

    /// Calls `each` with the rows of a table, in the order of their row numbers; a table that does not exist has no
    /// rows. Values are in the order of the columns; an `INTEGER PRIMARY KEY` is [`Value::Other`].
    ///
    /// # Errors
    /// Those of `each`, and [`SqliteError`].
    pub(super) fn rows<E: From<SqliteError>>(
        &mut self,
        table: &str,
        each: impl FnMut(Vec<Value>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut root = None;
        self.walk::<SqliteError>(1, |row| {
            // The schema: type, name, table, root page, SQL (section 2.6).
            if let [Value::Text(kind), Value::Text(name), _, Value::Integer(page), ..] = &row[..]
                && kind == "table"
                && name == table
            {
                root = Some(*page);
            }
            Ok(())
        })?;
        let Some(root) = root else { return Ok(()) };
        let root = u64::try_from(root).map_err(|_| Damaged("a table has no valid page"))?;
        self.walk(root, each)
    }

    /// Walks a table's tree from its root page, in the order of the row numbers.
    fn walk<E: From<SqliteError>>(
        &mut self,
        root: u64,
        mut each: impl FnMut(Vec<Value>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut pending = vec![root];
        while let Some(number) = pending.pop() {
            let page = self.page(number)?;
            match page.kind()? {
                INTERIOR_TABLE => {
                    pending.push(page.right_child()?);
                    for index in (0..page.cell_count()?).rev() {
                        pending.push(page.left_child(index)?);
                    }
                    if pending.len() as u64 > self.page_count {
                        return Err(Damaged("a tree has more pages than the file").into());
                    }
                }
                LEAF_TABLE => {
                    for index in 0..page.cell_count()? {
                        let payload = self.payload(&page, index)?;
                        each(record(&payload, self.encoding)?)?;
                    }
                }
                _ => return Err(Damaged("a page of a table has another kind").into()),
            }
        }
        Ok(())
    }

    /// Reads a page, by its number from 1.
    fn page(&mut self, number: u64) -> Result<Page, SqliteError> {
        if number == 0 || number > self.page_count {
            return Err(Damaged("a page does not exist"));
        }
        self.budget = self.budget.checked_sub(1).ok_or(Damaged("its pages form a cycle"))?;
        let mut bytes = vec![0; self.page_bytes];
        self.source
            .seek(SeekFrom::Start((number - 1) * self.page_bytes as u64))?;
        self.source.read_exact(&mut bytes)?;
        Ok(Page {
            bytes,
            start: if number == 1 { HEADER_BYTES } else { 0 },
        })
    }

    /// Returns the payload of a leaf's cell, including its overflow pages (section 1.6).
    fn payload(&mut self, page: &Page, index: usize) -> Result<Vec<u8>, SqliteError> {
        let mut cell = page.cell(index)?;
        let length = varint(&mut cell)?;
        varint(&mut cell)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_ROW_BYTES);
        let length = length.ok_or(Damaged("a row is too large"))?;
        let charged = length as u64 + MIN_CELL_BYTES;
        self.row_budget_bytes = self
            .row_budget_bytes
            .checked_sub(charged)
            .ok_or(Damaged("its rows overlap"))?;
        let inline = self.inline_bytes(length);
        let mut payload = cell.get(..inline).ok_or(Damaged("a cell is truncated"))?.to_vec();
        if inline == length {
            return Ok(payload);
        }
        let mut next = number(cell.get(inline..inline + 4).ok_or(Damaged("a cell is truncated"))?);
        while payload.len() < length {
            let page = self.page(next)?;
            let wanted = (length - payload.len()).min(self.usable_bytes - 4);
            payload.extend_from_slice(&page.bytes[4..4 + wanted]);
            next = number(&page.bytes[..4]);
        }
        Ok(payload)
    }

    /// Returns how many bytes of a payload are in the leaf itself.
    fn inline_bytes(&self, length: usize) -> usize {
        let usable = self.usable_bytes;
        if length <= usable - 35 {
            return length;
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let fitting = least + (length - least) % (usable - 4);
        if fitting <= usable - 35 { fitting } else { least }
    }
}

/// A page of a tree (section 1.6).
struct Page {
    bytes: Vec<u8>,
    /// Start of the page's own header.
    start: usize,
}

impl Page {
    fn kind(&self) -> Result<u8, SqliteError> {
        Ok(self.header(0, 1)?[0])
    }

    fn header(&self, offset: usize, length: usize) -> Result<&[u8], SqliteError> {
        let start = self.start + offset;
        self.bytes
            .get(start..start + length)
            .ok_or(Damaged("a page is truncated"))
    }

    fn cell_count(&self) -> Result<usize, SqliteError> {
        Ok(number(self.header(3, 2)?) as usize)
    }

    fn right_child(&self) -> Result<u64, SqliteError> {
        Ok(number(self.header(8, 4)?))
    }

    fn left_child(&self, index: usize) -> Result<u64, SqliteError> {
        Ok(number(
            self.cell(index)?.get(..4).ok_or(Damaged("a cell is truncated"))?,
        ))
    }

    /// Returns a cell, with everything after it in the page.
    fn cell(&self, index: usize) -> Result<&[u8], SqliteError> {
        let header_bytes = if self.kind()? == INTERIOR_TABLE { 12 } else { 8 };
        let offset = number(self.header(header_bytes + 2 * index, 2)?) as usize;
        self.bytes.get(offset..).ok_or(Damaged("a cell is outside of its page"))
    }
}

/// Returns a number of up to eight bytes, the highest first.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Reads a number of one to nine bytes, with seven bits in each except the ninth.
fn varint(bytes: &mut &[u8]) -> Result<u64, SqliteError> {
    let mut value = 0u64;
    for index in 0..9 {
        let (byte, rest) = bytes.split_first().ok_or(Damaged("a number is truncated"))?;
        *bytes = rest;
        if index == 8 {
            return Ok(value << 8 | u64::from(*byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Ok(value)
}

/// Returns the values of a row (section 2.1).
fn record(payload: &[u8], encoding: Encoding) -> Result<Vec<Value>, SqliteError> {
    let mut header = payload;
    let header_bytes = varint(&mut header)?;
    let header_bytes = usize::try_from(header_bytes)
        .ok()
        .filter(|length| *length <= payload.len());
    let header_bytes = header_bytes.ok_or(Damaged("a row's header is truncated"))?;
    let consumed = payload.len() - header.len();
    let mut kinds = payload
        .get(consumed..header_bytes)
        .ok_or(Damaged("a row's header is truncated"))?;
    let mut body = &payload[header_bytes..];
    let mut values = Vec::new();
    while !kinds.is_empty() && values.len() < MAX_COLUMNS {
        let kind = varint(&mut kinds)?;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err(Damaged("a value has an unknown kind")),
            kind => (kind - 12) / 2,
        };
        let length = usize::try_from(length).map_err(|_| Damaged("a value is truncated"))?;
        let (bytes, rest) = body.split_at_checked(length).ok_or(Damaged("a value is truncated"))?;
        body = rest;
        values.push(match kind {
            1..=6 => Value::Integer(signed(bytes)),
            8 | 9 => Value::Integer(kind as i64 - 8),
            12.. if kind % 2 == 0 => Value::Blob(bytes.to_vec()),
            12.. => Value::Text(text(bytes, encoding)),
            _ => Value::Other,
        });
    }
    Ok(values)
}

/// Returns a number in two's complement, of one to eight bytes.
fn signed(bytes: &[u8]) -> i64 {
    let unused_bits = 64 - 8 * bytes.len() as u32;
    (number(bytes) << unused_bits) as i64 >> unused_bits
}

fn text(bytes: &[u8], encoding: Encoding) -> String {
    let units =
        |unit: fn([u8; 2]) -> u16| -> Vec<u16> { bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect() };
    match encoding {
        Encoding::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
        Encoding::Utf16Little => String::from_utf16_lossy(&units(u16::from_le_bytes)),
        Encoding::Utf16Big => String::from_utf16_lossy(&units(u16::from_be_bytes)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// See `testdata/rpmdb/make.py`.
    const FIXTURE: &[u8] = include_bytes!("../../testdata/rpmdb/rpmdb.sqlite");

    fn rows(bytes: &[u8], table: &str) -> Result<Vec<Vec<Value>>, SqliteError> {
        let mut rows = Vec::new();
        Database::open(Cursor::new(bytes))?.rows::<SqliteError>(table, |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn rows_of_interior_leaf_and_overflow_pages_are_read_in_order() {
        let rows = rows(FIXTURE, "Packages").unwrap();
        assert_eq!(rows.len(), 43);
        let sizes: Vec<usize> = rows
            .iter()
            .map(|row| match &row[..] {
                [Value::Other, Value::Blob(blob)] => blob.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(sizes[..40].iter().all(|size| *size < 300), "{sizes:?}");
        assert!(sizes.contains(&20_164), "{sizes:?}");
    }

    #[test]
    fn values_of_every_kind_are_read() {
        let text = |text: &str| Value::Text(text.to_owned());
        let numbers = [
            0,
            1,
            -1,
            127,
            -129,
            40_000,
            -9_000_000,
            5_000_000_000,
            i64::MIN,
            i64::MAX,
        ];
        let mut expected: Vec<Vec<Value>> = numbers
            .iter()
            .map(|number| vec![Value::Integer(*number), text("n\u{e4}")])
            .collect();
        expected.push(vec![Value::Other, text("")]);
        expected.push(vec![Value::Other, Value::Other]);
        assert_eq!(rows(FIXTURE, "Values").unwrap(), expected);
        assert_eq!(rows(FIXTURE, "None").unwrap(), [[]; 0]);
    }

    #[test]
    fn text_is_read_in_every_encoding() {
        assert_eq!(text("n\u{e4}".as_bytes(), Encoding::Utf8), "n\u{e4}");
        assert_eq!(text(b"n\0\xe4\0", Encoding::Utf16Little), "n\u{e4}");
        assert_eq!(text(b"\0n\0\xe4", Encoding::Utf16Big), "n\u{e4}");
    }

    #[test]
    fn what_is_no_database_is_refused() {
        for (bytes, expected) in [
            (&b""[..], "it is truncated"),
            (&FIXTURE[..99], "it is truncated"),
            (&[0; 200][..], "it is not an SQLite file"),
            (&FIXTURE[..100], "a page does not exist"),
        ] {
            assert!(
                matches!(rows(bytes, "Packages"), Err(Damaged(reason)) if reason == expected),
                "{expected}"
            );
        }
        for (at, value) in [(16, 0), (17, 1), (20, 255), (59, 9)] {
            let mut bytes = FIXTURE.to_vec();
            bytes[at] = value;
            assert!(rows(&bytes, "Packages").is_err(), "{at}");
        }
    }

    #[test]
    fn pages_that_refer_to_one_another_end() {
        // The root of Packages is an interior page: its first child becomes the root itself.
        let mut root = None;
        let mut database = Database::open(Cursor::new(FIXTURE)).unwrap();
        for number in 2..=database.page_count {
            let page = database.page(number).unwrap();
            if root.is_none() && page.kind().unwrap() == INTERIOR_TABLE {
                root = Some((number, number_of_cell(&page)));
            }
        }
        let (number, cell) = root.unwrap();
        let mut bytes = FIXTURE.to_vec();
        let at = (number as usize - 1) * database.page_bytes + cell;
        bytes[at..at + 4].copy_from_slice(&(number as u32).to_be_bytes());
        assert!(matches!(rows(&bytes, "Packages"), Err(Damaged(_))));
    }

    fn number_of_cell(page: &Page) -> usize {
        number(page.header(12, 2).unwrap()) as usize
    }

    #[test]
    fn damaged_bytes_end_in_time_and_never_panic() {
        // Every byte of the headers and the first pages, and a sample of the rest.
        for at in (0..FIXTURE.len()).filter(|at| *at < 1024 || at % 37 == 0) {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = FIXTURE.to_vec();
                bytes[at] = value;
                let _ = rows(&bytes, "Packages");
                let _ = rows(&bytes, "Values");
            }
        }
        for length in (0..FIXTURE.len()).step_by(61) {
            let _ = rows(&FIXTURE[..length], "Packages");
        }
    }
}
