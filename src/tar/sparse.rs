//! Sparse files in the four formats of GNU tar (GNU tar manual, "Storing Sparse Files"), read as Go's archive/tar reads them:
//! the old one of a header of type `S`, and 0.0, 0.1 and 1.0 of PAX.

use std::ops::Range;

use super::header::{Block, number};

/// Where the header of an old sparse file has its map, whether the map goes on, and the size of the file.
const OLD_MAP: Range<usize> = 386..482;
const OLD_GOES_ON: usize = 482;
const OLD_SIZE: Range<usize> = 483..495;

/// The same for the blocks with which a map goes on.
const MORE_MAP: Range<usize> = 0..504;
const MORE_GOES_ON: usize = 504;

/// An entry of an old map: offset and length, each of this many bytes.
const OLD_FIELD_BYTES: usize = 12;

/// What the headers of GNU tar have where others have `ustar\0` and a version: only theirs have such a map.
const GNU_MAGIC: (Range<usize>, &[u8]) = (257..265, b"ustar  \0");

/// Data that is stored: offset in the file, and length.
type Segment = (u64, u64);

/// Where the stored data of a sparse file lies in the file.
#[derive(Debug)]
pub(super) struct SparseMap {
    segments: Vec<Segment>,
    /// The first segment that does not end before `position_bytes`.
    next: usize,
    position_bytes: u64,
    size_bytes: u64,
}

/// What comes next of a sparse file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// So many bytes of stored data.
    Data(u64),
    /// So many zeros.
    Hole(u64),
    /// Nothing.
    End,
}

impl SparseMap {
    /// A map of a file of `size_bytes`. `None` where data overlaps, is out of order, or lies beyond the end.
    fn new(segments: Vec<Segment>, size_bytes: u64) -> Option<Self> {
        let mut end = 0u64;
        for (offset, length) in &segments {
            if *offset < end {
                return None;
            }
            end = offset.checked_add(*length).filter(|end| *end <= size_bytes)?;
        }
        Some(Self { segments, next: 0, position_bytes: 0, size_bytes })
    }

    /// Of numbers that are offset and length by turns.
    pub(super) fn of_numbers(numbers: &[u64], size_bytes: u64) -> Option<Self> {
        let (pairs, rest) = numbers.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        Self::new(pairs.iter().map(|[offset, length]| (*offset, *length)).collect(), size_bytes)
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn piece(&mut self) -> Piece {
        let end = |segment: &Segment| segment.0 + segment.1;
        while self.segments.get(self.next).is_some_and(|segment| end(segment) <= self.position_bytes) {
            self.next += 1;
        }
        match self.segments.get(self.next) {
            _ if self.position_bytes == self.size_bytes => Piece::End,
            Some(segment) if segment.0 <= self.position_bytes => Piece::Data(end(segment) - self.position_bytes),
            Some(segment) => Piece::Hole(segment.0 - self.position_bytes),
            None => Piece::Hole(self.size_bytes - self.position_bytes),
        }
    }

    /// Goes on by so many bytes of the piece that comes next.
    pub(super) fn advance(&mut self, count: u64) {
        self.position_bytes += count;
    }
}

/// The map of a header of type `S`, while it is read.
pub(super) struct OldMap {
    numbers: Vec<u64>,
    size_bytes: u64,
    goes_on: bool,
}

impl OldMap {
    /// `None` for a header of another tool than GNU tar, and for what is not a number.
    pub(super) fn begin(header: &Block) -> Option<Self> {
        let (range, magic) = GNU_MAGIC;
        let size_bytes = number(&header[OLD_SIZE]).filter(|_| &header[range] == magic)?;
        let mut map = Self { numbers: Vec::new(), size_bytes, goes_on: false };
        map.take(&header[OLD_MAP], header[OLD_GOES_ON])?;
        Some(map)
    }

    /// Returns `true` if a block of the map follows.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Takes the next block. `None` for what is not a number.
    pub(super) fn go_on(&mut self, block: &Block) -> Option<()> {
        self.take(&block[MORE_MAP], block[MORE_GOES_ON])
    }

    fn take(&mut self, map: &[u8], goes_on: u8) -> Option<()> {
        for entry in map.chunks_exact(2 * OLD_FIELD_BYTES).take_while(|entry| entry[0] != 0) {
            let (offset, length) = entry.split_at(OLD_FIELD_BYTES);
            self.numbers.extend([number(offset)?, number(length)?]);
        }
        self.goes_on = goes_on != 0;
        Some(())
    }

    pub(super) fn finish(self) -> Option<SparseMap> {
        SparseMap::of_numbers(&self.numbers, self.size_bytes)
    }
}

/// The records `GNU.sparse.…` of an extended header.
#[derive(Debug, Default)]
pub(super) struct SparseRecords {
    major: Option<u64>,
    minor: Option<u64>,
    /// The name of the file: the header has another, for readers that know no sparse files.
    pub(super) name: Option<Vec<u8>>,
    size_bytes: Option<u64>,
    real_size_bytes: Option<u64>,
    count: Option<u64>,
    /// Offset and length by turns: the map of 0.1, or the records of 0.0.
    numbers: Vec<u64>,
}

/// How the map of a sparse file is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SparseFormat {
    /// In records, by 0.0 and 0.1.
    Records,
    /// Before the data, by 1.0.
    Content,
}

impl SparseRecords {
    /// Takes a record; `keyword` is what follows `GNU.sparse.`. `None` where it is not what the formats say.
    pub(super) fn take(&mut self, keyword: &[u8], value: &[u8]) -> Option<()> {
        match keyword {
            b"major" => self.major = Some(decimal(value)?),
            b"minor" => self.minor = Some(decimal(value)?),
            b"name" => self.name = Some(value.to_vec()).filter(|name| !name.is_empty()),
            b"size" => self.size_bytes = Some(decimal(value)?),
            b"realsize" => self.real_size_bytes = Some(decimal(value)?),
            b"numblocks" => self.count = Some(decimal(value)?),
            b"map" => self.numbers = value.split(|byte| *byte == b',').map(decimal).collect::<Option<_>>()?,
            b"offset" if self.numbers.len().is_multiple_of(2) => self.numbers.push(decimal(value)?),
            b"numbytes" if self.numbers.len() % 2 == 1 => self.numbers.push(decimal(value)?),
            b"offset" | b"numbytes" => return None,
            _ => {}
        }
        Some(())
    }

    /// `None` for a format that is not known.
    pub(super) fn format(&self) -> Option<SparseFormat> {
        match (self.major, self.minor) {
            (Some(0), Some(0 | 1)) => Some(SparseFormat::Records),
            (Some(1), Some(0)) => Some(SparseFormat::Content),
            (None, None) if !self.numbers.is_empty() => Some(SparseFormat::Records),
            _ => None,
        }
    }

    /// The size of the file; that of what is stored where nothing else is said.
    pub(super) fn size_bytes(&self, stored_bytes: u64) -> u64 {
        self.size_bytes.or(self.real_size_bytes).unwrap_or(stored_bytes)
    }

    /// The map of 0.0 and 0.1.
    pub(super) fn map(&self, stored_bytes: u64) -> Option<SparseMap> {
        let is_whole = self.count.and_then(|count| count.checked_mul(2)) == Some(self.numbers.len() as u64);
        is_whole.then(|| SparseMap::of_numbers(&self.numbers, self.size_bytes(stored_bytes)))?
    }
}

/// The numbers of a map of 1.0, as far as the blocks of it are read: how many entries there are, then offset and length of
/// each. `Ok(None)` where more blocks follow.
pub(super) fn numbers_of_content(text: &[u8]) -> Result<Option<Vec<u64>>, ()> {
    let mut lines = text.split(|byte| *byte == b'\n');
    // What follows the last line feed is padding, or half of a number.
    let whole = text.iter().filter(|byte| **byte == b'\n').count();
    if whole == 0 {
        return Ok(None);
    }
    let count =
        lines.next().and_then(decimal).and_then(|count| usize::try_from(count).ok()?.checked_mul(2)).ok_or(())?;
    if whole <= count {
        return Ok(None);
    }
    lines.take(count).map(decimal).collect::<Option<_>>().map(Some).ok_or(())
}

/// A number in decimal digits, as far as a file can be large.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_lies_in_order_and_within_the_file() {
        let is_map = |numbers: &[u64]| SparseMap::of_numbers(numbers, 10).is_some();
        for good in [&[][..], &[0, 10], &[0, 3, 3, 2, 10, 0], &[10, 0], &[5, 0, 5, 1]] {
            assert!(is_map(good), "{good:?}");
        }
        for bad in [&[0][..], &[0, 11], &[5, 2, 6, 1], &[5, 1, 0, 1], &[u64::MAX, 1], &[1, u64::MAX], &[11, 0]] {
            assert!(!is_map(bad), "{bad:?}");
        }
    }

    #[test]
    fn pieces_cover_the_file() {
        let mut map = SparseMap::of_numbers(&[2, 3, 5, 0, 5, 1, 8, 0], 10).unwrap();
        for piece in [Piece::Hole(2), Piece::Data(3), Piece::Data(1), Piece::Hole(2), Piece::Hole(2), Piece::End] {
            assert_eq!(map.piece(), piece);
            if let Piece::Data(count) | Piece::Hole(count) = piece {
                map.advance(count);
            }
        }
    }

    #[test]
    fn a_map_before_the_data_is_read_as_far_as_it_goes() {
        for part in ["", "2", "2\n0\n5\n7\n", "2\n0\n5\n7\n3"] {
            assert_eq!(numbers_of_content(part.as_bytes()), Ok(None), "{part}");
        }
        assert_eq!(numbers_of_content(b"2\n0\n5\n7\n3\n\0\0"), Ok(Some(vec![0, 5, 7, 3])));
        assert_eq!(numbers_of_content(b"0\n\0"), Ok(Some(vec![])));
        for bad in ["\n", "-1\n", "x\n", "1\n\n1\n", "18446744073709551615\n", "99999999999999999999\n"] {
            assert_eq!(numbers_of_content(bad.as_bytes()), Err(()), "{bad}");
        }
    }

    #[test]
    fn records_are_held_to_their_format() {
        let format_of = |records: &[(&str, &str)]| {
            let mut all = SparseRecords::default();
            let taken: Option<Vec<()>> =
                records.iter().map(|(keyword, value)| all.take(keyword.as_bytes(), value.as_bytes())).collect();
            taken.map(|_| all.format())
        };
        assert_eq!(format_of(&[("major", "1"), ("minor", "0")]), Some(Some(SparseFormat::Content)));
        assert_eq!(format_of(&[("map", "0,1")]), Some(Some(SparseFormat::Records)));
        for unknown in [&[("major", "1")][..], &[("major", "2"), ("minor", "0")], &[("name", "x")], &[("other", "")]] {
            assert_eq!(format_of(unknown), Some(None), "{unknown:?}");
        }
        for bad in [("major", ""), ("size", "-1"), ("map", "0,,1"), ("numbytes", "1"), ("numblocks", "x")] {
            assert_eq!(format_of(&[bad]), None, "{bad:?}");
        }
        assert_eq!(format_of(&[("offset", "1"), ("offset", "1")]), None);
    }
}
