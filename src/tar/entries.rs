//! Reads headers, combines those that describe one member, and tracks the position in the stream.

use std::io::{self, Read};

use ::tar::Header;

use super::entry::{Entry, EntryKind};
use super::error::{Bound, TarError};
use super::header::{BLOCK_BYTES, Block, has_checksum, is_zero, kind, number, type_of};
use super::input::Input;
use super::pax::PaxRecords;
use super::rules::{EndRule, Rules};
use super::sparse::{OldMap, Piece, SparseFormat, SparseMap, SparseRecords, numbers_of_content};
use crate::model::FREE_EXPANSION_BYTES;

/// Greatest position in a stream, in bytes. No file can be larger, since offsets are signed (POSIX `off_t`).
const MAX_POSITION_BYTES: u64 = i64::MAX as u64;

/// Greatest number of zeros that are read for the holes of all sparse files of a stream, in bytes: the expansion that
/// is always allowed. Skipped holes do not count.
pub(super) const MAX_HOLE_BYTES: u64 = FREE_EXPANSION_BYTES;

/// The headers before a member that describe it.
#[derive(Default)]
struct Prelude {
    pax: Option<PaxRecords>,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl Prelude {
    fn is_empty(&self) -> bool {
        self.pax.is_none() && self.long_name.is_none() && self.long_link.is_none()
    }

    /// Returns name, link target, and the other records. As in Go, a GNU long name takes precedence over PAX, and an
    /// empty one is ignored.
    fn resolve(self, header: &Header) -> (Vec<u8>, Vec<u8>, PaxRecords) {
        let mut pax = self.pax.unwrap_or_default();
        let given = |long: Option<Vec<u8>>| long.filter(|name| !name.is_empty());
        let of_sparse = pax.sparse.as_mut().and_then(|sparse| sparse.name.take());
        let name = of_sparse.or(given(self.long_name)).or(pax.path.take());
        let link = given(self.long_link).or(pax.link_path.take());
        (
            name.unwrap_or_else(|| header.path_bytes().into_owned()),
            link.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned()),
            pax,
        )
    }
}

/// Reads the members of a tar archive. Must not be used after an error.
#[derive(Debug)]
pub struct Entries<I> {
    input: I,
    rules: Rules,
    /// Position of the input.
    position_bytes: u64,
    /// Position of the last header, for errors.
    header_bytes: u64,
    /// Unread content of the current member or extended header, in bytes.
    content_left_bytes: u64,
    padding_bytes: u64,
    /// What the content belongs to, for messages.
    inside: &'static str,
    /// The map of the current member if it is a sparse file.
    sparse: Option<SparseMap>,
    /// Number of zeros returned for holes.
    pub(super) hole_bytes: u64,
}

impl<I: Input> Entries<I> {
    /// Creates a reader of the members of a tar archive at the current position of `input`.
    pub fn new(input: I, rules: Rules) -> Self {
        Self {
            input,
            rules,
            position_bytes: 0,
            header_bytes: 0,
            content_left_bytes: 0,
            padding_bytes: 0,
            inside: "a member",
            sparse: None,
            hole_bytes: 0,
        }
    }

    /// Returns the next member, and skips unread content of the previous one. Returns `None` at the end marker. Data
    /// after the end marker is ignored.
    ///
    /// # Errors
    /// Returns any [`TarError`]. Truncated content is detected at the latest when the next member is requested.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, TarError> {
        let mut prelude = Prelude::default();
        loop {
            self.skip_content()?;
            let Some(header) = self.header()? else {
                return if prelude.is_empty() {
                    Ok(None)
                } else {
                    Err(self.malformed("an extended header", "it has no member"))
                };
            };
            let stored_bytes = self.field(&header.as_old().size, "its size is not a number")?;
            let repeated = match type_of(&header) {
                b'x' => {
                    let records = self.pax(stored_bytes, self.rules.reads_xattrs)?;
                    prelude.pax.replace(records).is_some()
                }
                b'L' => prelude.long_name.replace(self.long_name(stored_bytes)?).is_some(),
                b'K' => prelude.long_link.replace(self.long_name(stored_bytes)?).is_some(),
                b'g' => {
                    self.global(stored_bytes)?;
                    // Go forgets what came before it, others do not.
                    !prelude.is_empty()
                }
                _ => return self.entry(&header, stored_bytes, prelude).map(Some),
            };
            if repeated {
                return Err(self.malformed("an extended header", "an earlier header describes the same member"));
            }
        }
    }

    /// Returns the content of the last member that [`Entries::next_entry`] returned. If it is truncated, the error
    /// contains a [`TarError`].
    pub fn content(&mut self) -> impl Read + '_ {
        Content { entries: self }
    }

    fn entry(&mut self, header: &Header, stored_bytes: u64, prelude: Prelude) -> Result<Entry, TarError> {
        let (name, link, pax) = prelude.resolve(header);
        let kind = kind(type_of(header), &name);
        let said_bytes = pax.size_bytes.unwrap_or(stored_bytes);
        if kind == EntryKind::Directory && type_of(header) != b'5' && said_bytes > 0 {
            return Err(self.malformed(
                "a header",
                "its name is a directory's, but its type and size are a file's",
            ));
        }
        let mut size_bytes = if kind.has_content() { said_bytes } else { 0 };
        if type_of(header) == b'S' || pax.sparse.is_some() {
            let map = self.sparse_map(header, &name, kind, said_bytes, pax.sparse.as_deref())?;
            size_bytes = map.size_bytes();
            self.sparse = Some(map);
        } else {
            self.begin_content(size_bytes, "a member")?;
        }
        let fields = header.as_old();
        let id = |field: &[u8]| self.field(field, "its owner or group is not a number");
        Ok(Entry {
            kind,
            mode: (self.field(&fields.mode, "its mode is not a number")? & 0o7777) as u32,
            uid: pax.uid.map_or_else(|| id(&fields.uid), Ok)?,
            gid: pax.gid.map_or_else(|| id(&fields.gid), Ok)?,
            size_bytes,
            content_offset: self.position_bytes,
            link: if matches!(kind, EntryKind::HardLink | EntryKind::Symlink) {
                link
            } else {
                Vec::new()
            },
            xattrs: pax.xattrs,
            name,
        })
    }

    /// Starts a sparse file of `stored_bytes`: reads its map, and leaves the stored data as its content.
    fn sparse_map(
        &mut self,
        header: &Header,
        name: &[u8],
        kind: EntryKind,
        stored_bytes: u64,
        records: Option<&SparseRecords>,
    ) -> Result<SparseMap, TarError> {
        let unknown = || TarError::Sparse { name: name.to_vec() };
        if !self.rules.reads_sparse || kind != EntryKind::File {
            return Err(unknown());
        }
        let map = if type_of(header) == b'S' {
            let map = self.old_map(OldMap::begin(header.as_bytes()).ok_or_else(unknown)?)?;
            self.begin_content(stored_bytes, "a member")?;
            map
        } else {
            let records = records.ok_or_else(unknown)?;
            let format = records.format().ok_or_else(unknown)?;
            self.begin_content(stored_bytes, "a member")?;
            match format {
                SparseFormat::Records => records.map(stored_bytes),
                SparseFormat::Content => SparseMap::of_numbers(&self.content_map()?, records.size_bytes(stored_bytes)),
            }
        };
        map.ok_or_else(|| self.malformed_map())
    }

    /// Reads the blocks after the header that continue an old map.
    fn old_map(&mut self, mut map: OldMap) -> Result<Option<SparseMap>, TarError> {
        let mut map_bytes = 0;
        while map.goes_on() {
            map_bytes = self.count_map(map_bytes)?;
            let mut block = [0; BLOCK_BYTES];
            if !self.block(&mut block)? {
                return Err(self.truncated("the map of a sparse file", BLOCK_BYTES as u64));
            }
            map.go_on(&block).ok_or_else(|| self.malformed_map())?;
        }
        Ok(map.finish())
    }

    /// Reads the map that precedes the data.
    fn content_map(&mut self) -> Result<Vec<u64>, TarError> {
        let mut text = Vec::new();
        loop {
            self.count_map(text.len() as u64)?;
            let begin = text.len();
            text.resize(begin + BLOCK_BYTES, 0);
            if self.content_left_bytes < BLOCK_BYTES as u64 {
                return Err(self.malformed_map());
            }
            Content { entries: self }.read_exact(&mut text[begin..])?;
            if let Some(numbers) = numbers_of_content(&text).map_err(|()| self.malformed_map())? {
                return Ok(numbers);
            }
        }
    }

    /// Counts one more block of a map, which is held in memory.
    fn count_map(&self, map_bytes: u64) -> Result<u64, TarError> {
        let limit_bytes = self.rules.max_extended_header_bytes;
        let counted = map_bytes + BLOCK_BYTES as u64;
        if counted > limit_bytes {
            return Err(TarError::OverLimit {
                bound: Bound::SparseMap,
                limit_bytes,
                position_bytes: self.header_bytes,
            });
        }
        Ok(counted)
    }

    fn malformed_map(&self) -> TarError {
        self.malformed(
            "the map of a sparse file",
            "it is not in its declared format, or does not fit the file",
        )
    }

    /// Returns the next header after verifying its checksum; `None` at the end, by the [`EndRule`].
    fn header(&mut self) -> Result<Option<Header>, TarError> {
        self.header_bytes = self.position_bytes;
        let mut header = Header::new_old();
        if !self.block(header.as_mut_bytes())? {
            return match self.rules.end {
                EndRule::None => Ok(None),
                EndRule::Whole | EndRule::Half => Err(self.truncated("the end marker", BLOCK_BYTES as u64)),
            };
        }
        if is_zero(header.as_bytes()) {
            return self.end().map(|()| None);
        }
        if has_checksum(header.as_bytes()) {
            Ok(Some(header))
        } else {
            Err(TarError::Checksum {
                position_bytes: self.header_bytes,
            })
        }
    }

    /// Reads the second block of the end marker.
    fn end(&mut self) -> Result<(), TarError> {
        let position_bytes = self.position_bytes;
        let mut second = [0; BLOCK_BYTES];
        if !self.block(&mut second)? {
            return match self.rules.end {
                EndRule::Half | EndRule::None => Ok(()),
                EndRule::Whole => Err(self.truncated("the end marker", BLOCK_BYTES as u64)),
            };
        }
        if !is_zero(&second) {
            let reason = "its second block is missing";
            return Err(TarError::Malformed {
                what: "the end marker",
                reason,
                position_bytes,
            });
        }
        Ok(())
    }

    /// Fills a block; returns `false` at the end of the stream.
    fn block(&mut self, block: &mut Block) -> Result<bool, TarError> {
        let mut filled = 0;
        while filled < block.len() {
            match self.input.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(self.truncated("a header", (BLOCK_BYTES - filled) as u64)),
                Ok(count) => {
                    filled += count;
                    self.position_bytes += count as u64;
                }
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(cause.into()),
            }
        }
        Ok(true)
    }

    fn pax(&mut self, size_bytes: u64, reads_xattrs: bool) -> Result<PaxRecords, TarError> {
        let records = self.extension(size_bytes, Bound::ExtendedHeader, self.rules.max_extended_header_bytes)?;
        PaxRecords::parse(&records, reads_xattrs, self.header_bytes)
    }

    /// Reads a header for all following members, as git writes one for a comment.
    fn global(&mut self, size_bytes: u64) -> Result<(), TarError> {
        let records = self.pax(size_bytes, false)?;
        if self.rules.refuses_global_values && records.act() {
            return Err(self.malformed("a global header", "it sets the name, target or size of all members"));
        }
        Ok(())
    }

    fn long_name(&mut self, size_bytes: u64) -> Result<Vec<u8>, TarError> {
        let mut name = self.extension(size_bytes, Bound::LongName, self.rules.max_long_name_bytes)?;
        name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
        Ok(name)
    }

    fn extension(&mut self, size_bytes: u64, bound: Bound, limit_bytes: u64) -> Result<Vec<u8>, TarError> {
        if size_bytes > limit_bytes {
            return Err(TarError::OverLimit {
                bound,
                limit_bytes,
                position_bytes: self.header_bytes,
            });
        }
        self.begin_content(size_bytes, "an extended header")?;
        let mut bytes = Vec::new();
        self.content().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn begin_content(&mut self, size_bytes: u64, inside: &'static str) -> Result<(), TarError> {
        let padding_bytes = size_bytes.wrapping_neg() % BLOCK_BYTES as u64;
        let end = size_bytes
            .checked_add(padding_bytes)
            .and_then(|padded| padded.checked_add(self.position_bytes));
        if end.is_none_or(|end| end > MAX_POSITION_BYTES) {
            return Err(self.malformed("a header", "its size is too large"));
        }
        (self.content_left_bytes, self.padding_bytes, self.inside) = (size_bytes, padding_bytes, inside);
        Ok(())
    }

    fn skip_content(&mut self) -> Result<(), TarError> {
        self.sparse = None;
        let content_bytes = std::mem::take(&mut self.content_left_bytes);
        let left_bytes = content_bytes + std::mem::take(&mut self.padding_bytes);
        let skipped = self.input.skip(left_bytes)?;
        self.position_bytes += skipped;
        let lacks_padding_alone = skipped >= content_bytes && self.rules.end == EndRule::None;
        if skipped == left_bytes || lacks_padding_alone {
            Ok(())
        } else {
            Err(self.truncated(self.inside, left_bytes - skipped))
        }
    }

    fn field(&self, field: &[u8], reason: &'static str) -> Result<u64, TarError> {
        number(field).ok_or_else(|| self.malformed("a header", reason))
    }

    fn malformed(&self, what: &'static str, reason: &'static str) -> TarError {
        TarError::Malformed {
            what,
            reason,
            position_bytes: self.header_bytes,
        }
    }

    /// Returns the error for a stream that ends here, `lacking_bytes` too early.
    fn truncated(&self, inside: &'static str, lacking_bytes: u64) -> TarError {
        let expected_bytes = self.position_bytes.saturating_add(lacking_bytes);
        TarError::Truncated {
            inside,
            expected_bytes,
            actual_bytes: self.position_bytes,
        }
    }
}

struct Content<'a, I> {
    entries: &'a mut Entries<I>,
}

impl<I: Input> Read for Content<'_, I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.entries.sparse.take() {
            Some(mut map) => {
                let outcome = self.entries.read_sparse(&mut map, buffer);
                self.entries.sparse = Some(map);
                outcome
            }
            None => self.entries.read_stored(buffer),
        }
    }
}

impl<I: Input> Entries<I> {
    fn read_stored(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = at_most(self.content_left_bytes, buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.input.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(self.truncated(self.inside, self.content_left_bytes).into());
        }
        self.content_left_bytes -= count as u64;
        self.position_bytes += count as u64;
        Ok(count)
    }

    /// Reads stored data, or zeros for a hole.
    fn read_sparse(&mut self, map: &mut SparseMap, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = match map.piece() {
            Piece::End if self.content_left_bytes > 0 => return Err(self.malformed_map().into()),
            Piece::End => return Ok(0),
            Piece::Data(_) if self.content_left_bytes == 0 => return Err(self.malformed_map().into()),
            Piece::Data(length) => {
                let wanted = at_most(length, buffer.len());
                self.read_stored(&mut buffer[..wanted])?
            }
            Piece::Hole(length) => {
                let count = at_most(length, buffer.len());
                self.count_hole(count as u64)?;
                buffer[..count].fill(0);
                count
            }
        };
        map.advance(count as u64);
        Ok(count)
    }

    fn count_hole(&mut self, count: u64) -> Result<(), TarError> {
        self.hole_bytes = self.hole_bytes.saturating_add(count);
        if self.hole_bytes > MAX_HOLE_BYTES {
            let bound = Bound::Holes;
            return Err(TarError::OverLimit {
                bound,
                limit_bytes: MAX_HOLE_BYTES,
                position_bytes: self.header_bytes,
            });
        }
        Ok(())
    }
}

fn at_most(bytes: u64, room: usize) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX).min(room)
}
