//! Reads sparse files in the four formats of GNU tar (GNU tar manual, "Storing Sparse Files") like Go's archive/tar:
//! the old format with a header of type `S`, and the PAX formats 0.0, 0.1 and 1.0.

use std::ops::Range;

use super::header::{Block, number};

/// Positions in the header of an old sparse file: its map, whether the map continues, and the size of the file.
const OLD_MAP: Range<usize> = 386..482;
const OLD_GOES_ON: usize = 482;
const OLD_SIZE: Range<usize> = 483..495;

/// The same positions in the blocks that continue a map.
const MORE_MAP: Range<usize> = 0..504;
const MORE_GOES_ON: usize = 504;

/// Size of each number in an entry of an old map, which consists of offset and length, in bytes.
const OLD_FIELD_BYTES: usize = 12;

/// The magic of GNU tar, where others have `ustar\0` and a version. Only GNU tar's headers have such a map.
const GNU_MAGIC: (Range<usize>, &[u8]) = (257..265, b"ustar  \0");

/// A stored piece of data: offset in the file, and length.
type Segment = (u64, u64);

/// The positions in the file of a sparse file's stored data.
#[derive(Debug)]
pub(super) struct SparseMap {
    segments: Vec<Segment>,
    /// The first segment that does not end before `position_bytes`.
    next: usize,
    position_bytes: u64,
    size_bytes: u64,
}

/// The next piece of a sparse file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// This many bytes of stored data.
    Data(u64),
    /// This many zeros.
    Hole(u64),
    /// The end of the file.
    End,
}

impl SparseMap {
    /// Creates the map of a file of `size_bytes`. Returns `None` if data overlaps, is out of order, or is beyond the
    /// end.
    fn new(segments: Vec<Segment>, size_bytes: u64) -> Option<Self> {
        let mut end = 0u64;
        for (offset, length) in &segments {
            if *offset < end {
                return None;
            }
            end = offset.checked_add(*length).filter(|end| *end <= size_bytes)?;
        }
        Some(Self {
            segments,
            next: 0,
            position_bytes: 0,
            size_bytes,
        })
    }

    /// Creates a map from alternating offsets and lengths.
    pub(super) fn of_numbers(numbers: &[u64], size_bytes: u64) -> Option<Self> {
        let (pairs, rest) = numbers.as_chunks::<2>();
        if !rest.is_empty() {
            return None;
        }
        Self::new(
            pairs.iter().map(|[offset, length]| (*offset, *length)).collect(),
            size_bytes,
        )
    }

    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    pub(super) fn piece(&mut self) -> Piece {
        let end = |segment: &Segment| segment.0 + segment.1;
        while self
            .segments
            .get(self.next)
            .is_some_and(|segment| end(segment) <= self.position_bytes)
        {
            self.next += 1;
        }
        match self.segments.get(self.next) {
            _ if self.position_bytes == self.size_bytes => Piece::End,
            Some(segment) if segment.0 <= self.position_bytes => Piece::Data(end(segment) - self.position_bytes),
            Some(segment) => Piece::Hole(segment.0 - self.position_bytes),
            None => Piece::Hole(self.size_bytes - self.position_bytes),
        }
    }

    /// Advances by this many bytes of the next piece.
    pub(super) fn advance(&mut self, count: u64) {
        self.position_bytes += count;
    }
}

/// The map of a header of type `S`, while it is being read.
pub(super) struct OldMap {
    numbers: Vec<u64>,
    size_bytes: u64,
    goes_on: bool,
}

impl OldMap {
    /// Returns `None` for a header of another tool than GNU tar, and for an invalid number.
    pub(super) fn begin(header: &Block) -> Option<Self> {
        let (range, magic) = GNU_MAGIC;
        let size_bytes = number(&header[OLD_SIZE]).filter(|_| &header[range] == magic)?;
        let mut map = Self {
            numbers: Vec::new(),
            size_bytes,
            goes_on: false,
        };
        map.take(&header[OLD_MAP], header[OLD_GOES_ON])?;
        Some(map)
    }

    /// Returns `true` if a block of the map follows.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Reads the next block. Returns `None` for an invalid number.
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
    /// The name of the file. The header has another name, for readers without support for sparse files.
    pub(super) name: Option<Vec<u8>>,
    size_bytes: Option<u64>,
    real_size_bytes: Option<u64>,
    count: Option<u64>,
    /// Alternating offsets and lengths: the map of 0.1, or the records of 0.0.
    numbers: Vec<u64>,
}

/// The storage of a sparse file's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SparseFormat {
    /// In records, by 0.0 and 0.1.
    Records,
    /// Before the data, by 1.0.
    Content,
}

impl SparseRecords {
    /// Adds a record; `keyword` is the part after `GNU.sparse.`. Returns `None` if it violates the formats.
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

    /// Returns the format; `None` if it is not known.
    pub(super) fn format(&self) -> Option<SparseFormat> {
        match (self.major, self.minor) {
            (Some(0), Some(0 | 1)) => Some(SparseFormat::Records),
            (Some(1), Some(0)) => Some(SparseFormat::Content),
            (None, None) if !self.numbers.is_empty() => Some(SparseFormat::Records),
            _ => None,
        }
    }

    /// Returns the size of the file; if it is not given, the size of the stored data.
    pub(super) fn size_bytes(&self, stored_bytes: u64) -> u64 {
        self.size_bytes.or(self.real_size_bytes).unwrap_or(stored_bytes)
    }

    /// Returns the map of 0.0 and 0.1.
    pub(super) fn map(&self, stored_bytes: u64) -> Option<SparseMap> {
        let is_whole = self.count.and_then(|count| count.checked_mul(2)) == Some(self.numbers.len() as u64);
        is_whole.then(|| SparseMap::of_numbers(&self.numbers, self.size_bytes(stored_bytes)))?
    }
}

/// Returns the numbers of a map of 1.0 from the blocks read so far: the number of entries, then offset and length of
/// each. Returns `Ok(None)` if more blocks follow.
pub(super) fn numbers_of_content(text: &[u8]) -> Result<Option<Vec<u64>>, ()> {
    let mut lines = text.split(|byte| *byte == b'\n');
    // The text after the last line feed is padding, or an incomplete number.
    let whole = text.iter().filter(|byte| **byte == b'\n').count();
    if whole == 0 {
        return Ok(None);
    }
    let count = lines
        .next()
        .and_then(decimal)
        .and_then(|count| usize::try_from(count).ok()?.checked_mul(2))
        .ok_or(())?;
    if whole <= count {
        return Ok(None);
    }
    lines
        .take(count)
        .map(decimal)
        .collect::<Option<_>>()
        .map(Some)
        .ok_or(())
}

/// Parses a decimal number, up to the greatest size of a file.
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
        for bad in [
            &[0][..],
            &[0, 11],
            &[5, 2, 6, 1],
            &[5, 1, 0, 1],
            &[u64::MAX, 1],
            &[1, u64::MAX],
            &[11, 0],
        ] {
            assert!(!is_map(bad), "{bad:?}");
        }
    }

    #[test]
    fn pieces_cover_the_file() {
        let mut map = SparseMap::of_numbers(&[2, 3, 5, 0, 5, 1, 8, 0], 10).unwrap();
        for piece in [
            Piece::Hole(2),
            Piece::Data(3),
            Piece::Data(1),
            Piece::Hole(2),
            Piece::Hole(2),
            Piece::End,
        ] {
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
        for bad in [
            "\n",
            "-1\n",
            "x\n",
            "1\n\n1\n",
            "18446744073709551615\n",
            "99999999999999999999\n",
        ] {
            assert_eq!(numbers_of_content(bad.as_bytes()), Err(()), "{bad}");
        }
    }

    #[test]
    fn records_are_held_to_their_format() {
        let format_of = |records: &[(&str, &str)]| {
            let mut all = SparseRecords::default();
            let taken: Option<Vec<()>> = records
                .iter()
                .map(|(keyword, value)| all.take(keyword.as_bytes(), value.as_bytes()))
                .collect();
            taken.map(|_| all.format())
        };
        assert_eq!(
            format_of(&[("major", "1"), ("minor", "0")]),
            Some(Some(SparseFormat::Content))
        );
        assert_eq!(format_of(&[("map", "0,1")]), Some(Some(SparseFormat::Records)));
        for unknown in [
            &[("major", "1")][..],
            &[("major", "2"), ("minor", "0")],
            &[("name", "x")],
            &[("other", "")],
        ] {
            assert_eq!(format_of(unknown), Some(None), "{unknown:?}");
        }
        for bad in [
            ("major", ""),
            ("size", "-1"),
            ("map", "0,,1"),
            ("numbytes", "1"),
            ("numblocks", "x"),
        ] {
            assert_eq!(format_of(&[bad]), None, "{bad:?}");
        }
        assert_eq!(format_of(&[("offset", "1"), ("offset", "1")]), None);
    }
}
