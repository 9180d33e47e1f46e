//! The columns of encoded facts, with their numbers, texts and dictionaries.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// A column of similar values.
#[derive(Debug, Clone, Copy)]
pub(super) enum Column {
    /// Lengths of lists, and variants.
    Counts,
    /// Length of the prefix that a path shares with the previous path, in bytes.
    Shared,
    /// Lengths of path suffixes.
    PathLengths,
    /// Path suffixes.
    Paths,
    /// Nodes, by their numbers in the dictionary of attributes.
    Nodes,
    /// Sizes of files.
    Sizes,
    /// Lengths of link targets, and of the paths that content is stored under.
    TargetLengths,
    /// Link targets, and these paths.
    Targets,
    /// Which paths of the tree have a script line, an ELF file and so on.
    References,
    /// Names, by their numbers in the dictionary of names.
    Names,
    /// Lengths of other texts.
    TextLengths,
    /// Other texts; entries of a dictionary are here, at their first use.
    Texts,
}

/// Number of columns.
pub(super) const COLUMNS: usize = Column::Texts as usize + 1;

/// The columns of one kind of text: that of the lengths, and that of the texts.
pub(super) type TextColumn = (Column, Column);
pub(super) const PATHS: TextColumn = (Column::PathLengths, Column::Paths);
pub(super) const TARGETS: TextColumn = (Column::TargetLengths, Column::Targets);
pub(super) const TEXTS: TextColumn = (Column::TextLengths, Column::Texts);

/// Columns for writing.
#[derive(Default)]
pub(super) struct Writer {
    columns: [Vec<u8>; COLUMNS],
}

impl Writer {
    pub fn number(&mut self, column: Column, value: u64) {
        put_number(&mut self.columns[column as usize], value);
    }

    pub fn text(&mut self, (lengths, texts): TextColumn, bytes: &[u8]) {
        self.number(lengths, bytes.len() as u64);
        self.columns[texts as usize].extend_from_slice(bytes);
    }

    /// Writes only the length of a text; [`Writer::write_to`] writes the text itself.
    pub fn length(&mut self, (lengths, _): TextColumn, bytes: &[u8]) {
        self.number(lengths, bytes.len() as u64);
    }

    /// Writes each column after its length. The content of [`Column::Targets`] is passed in: it may be large, and the
    /// tree holds it already.
    pub fn write_to<'a, I: Iterator<Item = &'a [u8]>>(
        &self,
        target: &mut impl Write,
        targets: impl Fn() -> I,
    ) -> io::Result<()> {
        for (at, column) in self.columns.iter().enumerate() {
            let is_targets = at == Column::Targets as usize;
            let length = if is_targets {
                targets().map(<[u8]>::len).sum()
            } else {
                column.len()
            };
            let mut number = Vec::new();
            put_number(&mut number, length as u64);
            target.write_all(&number)?;
            if is_targets {
                targets().try_for_each(|text| target.write_all(text))?;
            } else {
                target.write_all(column)?;
            }
        }
        Ok(())
    }
}

/// Assigns numbers to texts: a new text is written out.
#[derive(Default)]
pub(super) struct DictionaryWriter {
    known: BTreeMap<Vec<u8>, u64>,
}

impl DictionaryWriter {
    pub fn write(&mut self, writer: &mut Writer, column: Column, bytes: &[u8]) {
        if let Some(number) = self.known.get(bytes) {
            return writer.number(column, *number);
        }
        let number = self.known.len() as u64;
        writer.number(column, number);
        writer.text(TEXTS, bytes);
        self.known.insert(bytes.to_vec(), number);
    }
}

/// Appends a number to `target`.
pub(super) fn put_number(target: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        target.push(value as u8 | 0x80);
        value >>= 7;
    }
    target.push(value as u8);
}

/// Appends a text after its length to `target`.
pub(super) fn put_text(target: &mut Vec<u8>, bytes: &[u8]) {
    put_number(target, bytes.len() as u64);
    target.extend_from_slice(bytes);
}

/// Why bytes are not valid facts.
pub(super) struct Damaged(pub &'static str);

/// Removes a number from the front of `rest`, and returns it.
pub(super) fn take_number(rest: &mut &[u8]) -> Result<u64, Damaged> {
    let mut value = 0u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(Damaged("a number is truncated"))?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Err(Damaged("a number is too large"));
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            let is_shortest = *byte != 0 || shift == 0;
            return if is_shortest {
                Ok(value)
            } else {
                Err(Damaged("a number is not in its shortest form"))
            };
        }
    }
    Err(Damaged("a number is too long"))
}

/// Removes a text after its length from the front of `rest`, and returns it.
pub(super) fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Damaged> {
    let length = take_number(rest)?;
    take_bytes(rest, length)
}

fn take_bytes<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], Damaged> {
    let length = usize::try_from(length).map_err(|_| Damaged("a number is too large"))?;
    let (bytes, after) = rest.split_at_checked(length).ok_or(Damaged("a text is truncated"))?;
    *rest = after;
    Ok(bytes)
}

/// Memory for an item of a list in addition to its texts, in bytes: the least that most items need.
const ITEM_BYTES: u64 = 128;

/// Columns for reading. No memory is allocated by the value of a length. A number of one byte may refer to a long text,
/// so the size of the decoded data is limited.
pub(super) struct Reader<'a> {
    columns: [&'a [u8]; COLUMNS],
    left_bytes: u64,
}

impl<'a> Reader<'a> {
    /// Reads the result of [`Writer::write_to`], without any following bytes. The decoded data must not exceed
    /// `limit_bytes`.
    pub fn new(mut bytes: &'a [u8], limit_bytes: u64) -> Result<Self, Damaged> {
        let mut columns = [&b""[..]; COLUMNS];
        for column in &mut columns {
            *column = take_text(&mut bytes)?;
        }
        if !bytes.is_empty() {
            return Err(Damaged("unexpected data follows them"));
        }
        Ok(Self {
            columns,
            left_bytes: limit_bytes,
        })
    }

    /// Counts an item with this many bytes of text.
    pub fn spend(&mut self, text_bytes: usize) -> Result<(), Damaged> {
        let left_bytes = self.left_bytes.checked_sub(ITEM_BYTES + text_bytes as u64);
        self.left_bytes = left_bytes.ok_or(Damaged("they are too large"))?;
        Ok(())
    }

    pub fn number(&mut self, column: Column) -> Result<u64, Damaged> {
        take_number(&mut self.columns[column as usize])
    }

    pub fn flag(&mut self) -> Result<bool, Damaged> {
        match self.number(Column::Counts)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged("unknown choice")),
        }
    }

    pub fn text(&mut self, (lengths, texts): TextColumn) -> Result<&'a [u8], Damaged> {
        let length = self.number(lengths)?;
        let text = take_bytes(&mut self.columns[texts as usize], length)?;
        self.spend(text.len())?;
        Ok(text)
    }

    /// Checks that all columns were read to their ends.
    pub fn finish(self) -> Result<(), Damaged> {
        if self.columns.iter().all(|column| column.is_empty()) {
            Ok(())
        } else {
            Err(Damaged("a column is too long"))
        }
    }
}

/// Returns texts by the numbers that a [`DictionaryWriter`] assigned: each new text has the next number.
#[derive(Default)]
pub(super) struct DictionaryReader<'a> {
    known: Vec<&'a [u8]>,
    seen: BTreeSet<&'a [u8]>,
}

impl<'a> DictionaryReader<'a> {
    pub fn read(&mut self, reader: &mut Reader<'a>, column: Column) -> Result<&'a [u8], Damaged> {
        let number = usize::try_from(reader.number(column)?).map_err(|_| Damaged("a number is too large"))?;
        if let Some(text) = self.known.get(number) {
            reader.spend(text.len())?;
            return Ok(text);
        }
        if number > self.known.len() {
            return Err(Damaged("a dictionary is missing a number"));
        }
        let text = reader.text(TEXTS)?;
        if !self.seen.insert(text) {
            return Err(Damaged("a dictionary contains a duplicate"));
        }
        self.known.push(text);
        Ok(text)
    }
}
