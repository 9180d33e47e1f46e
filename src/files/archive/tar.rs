//! The members of a tar archive (POSIX.1-2001 pax, "ustar Interchange Format"; GNU's `L` and `K` entries).
//!
//! Headers are read here one by one, and not through the iterator of the crate tar, which takes the end of the file for
//! the end of the archive.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use ::tar::Header;

use super::error::{ArchiveError, Reason};
use super::member::{Member, MemberKind, Packing, Span};
use super::{MAX_MEMBERS, MAX_PAX_BYTES};
use crate::model::MAX_PATH_BYTES;

/// Size of a block of tar, in bytes.
pub(super) const BLOCK_BYTES: usize = 512;

/// Where the checksum stands in a header; it counts as spaces.
const CHECKSUM_FIELD: std::ops::Range<usize> = 148..156;

/// The bits of a stored mode that mean something.
const MODE_BITS: u32 = 0o7777;

/// True for the first block of a tar archive: a header, or the end marker of an empty one.
pub(super) fn is_header(head: &[u8]) -> bool {
    match <&[u8; BLOCK_BYTES]>::try_from(head) {
        Ok(block) => is_zero(block) || has_checksum(block),
        Err(_) => false,
    }
}

/// The members of the archive in `file`, in their order.
///
/// # Errors
/// [`ArchiveError::CutShort`] where it ends inside of a header or a member, or without the two zero blocks;
/// [`ArchiveError::Damaged`] where it breaks the format; [`ArchiveError::Member`] for what is not supported.
pub(super) fn scan(file: &File) -> Result<Vec<Member>, ArchiveError> {
    let size_bytes = file.metadata().map_err(|source| ArchiveError::Io { action: "look at", source })?.len();
    let mut scanner = Scanner { file, size_bytes, offset: 0, extended: Extended::default() };
    let mut members = Vec::new();
    while let Some(member) = scanner.next()? {
        if members.len() == MAX_MEMBERS {
            return Err(ArchiveError::TooManyMembers { limit: MAX_MEMBERS });
        }
        members.push(member);
    }
    Ok(members)
}

struct Scanner<'a> {
    file: &'a File,
    size_bytes: u64,
    /// Of the next header.
    offset: u64,
    extended: Extended,
}

/// What extended headers say of the member that follows them. PAX goes before GNU.
#[derive(Default)]
struct Extended {
    gnu_name: Option<Vec<u8>>,
    gnu_target: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size_bytes: Option<u64>,
    sparse: bool,
    /// There was one at all.
    present: bool,
}

impl Scanner<'_> {
    fn next(&mut self) -> Result<Option<Member>, ArchiveError> {
        loop {
            let block = self.block("the end marker")?;
            if is_zero(&block) {
                return self.end().map(|()| None);
            }
            if !has_checksum(&block) {
                return Err(self.damaged("the checksum of a header is wrong"));
            }
            let header = Header::from_byte_slice(&block);
            self.offset += BLOCK_BYTES as u64;
            match header.entry_type().as_byte() {
                b'x' => self.pax(header)?,
                b'g' => self.global(header)?,
                b'L' => self.extended.gnu_name = Some(self.gnu_long(header)?),
                b'K' => self.extended.gnu_target = Some(self.gnu_long(header)?),
                kind => return self.member(header, kind).map(Some),
            }
        }
    }

    /// The second block of the end marker.
    fn end(&mut self) -> Result<(), ArchiveError> {
        self.offset += BLOCK_BYTES as u64;
        if !is_zero(&self.block("the end marker")?) {
            return Err(self.damaged("a single zero block stands between members"));
        }
        match self.extended.present {
            true => Err(self.damaged("an extended header has no member")),
            false => Ok(()),
        }
    }

    fn member(&mut self, header: &Header, kind: u8) -> Result<Member, ArchiveError> {
        let extended = std::mem::take(&mut self.extended);
        let name = extended.name.or(extended.gnu_name).unwrap_or_else(|| header.path_bytes().into_owned());
        let target = extended.target.or(extended.gnu_target);
        let target = || target.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned());
        if extended.sparse || kind == b'S' {
            return Err(ArchiveError::member(&name, Reason::Sparse));
        }
        let kind = match kind {
            // Before POSIX a directory was told by the slash behind its name.
            b'0' | 0 | b'7' if name.ends_with(b"/") => MemberKind::Directory,
            b'0' | 0 | b'7' => MemberKind::File,
            b'1' => MemberKind::Hardlink(target()),
            b'2' => MemberKind::Symlink(target()),
            b'3' => MemberKind::Refused("a character device"),
            b'4' => MemberKind::Refused("a block device"),
            b'5' => MemberKind::Directory,
            b'6' => MemberKind::Refused("a fifo"),
            other => return Err(ArchiveError::member(&name, Reason::Type(other))),
        };
        let mode = header.mode().map_err(|_| self.damaged("a mode is not a number"))? & MODE_BITS;
        let mut span = Span { offset: self.offset, packing: Packing::Plain, ..Span::default() };
        // Only files have content: writers are known that store a size with links and directories all the same.
        if kind == MemberKind::File {
            let size_bytes = self.size(header, extended.size_bytes)?;
            span = Span { stored_bytes: size_bytes, size_bytes, ..span };
            self.skip(size_bytes, "a member")?;
        }
        Ok(Member { name, kind, mode: Some(mode), span })
    }

    fn pax(&mut self, header: &Header) -> Result<(), ArchiveError> {
        let records = self.content(header, MAX_PAX_BYTES, "an extended header is too large")?;
        self.extended.present = true;
        for (key, value) in pax_records(&records).ok_or_else(|| self.damaged("an extended header is malformed"))? {
            // An empty value takes back what the header says more generally: its own fields stand.
            let given = (!value.is_empty()).then(|| value.to_vec());
            match key {
                b"path" => self.extended.name = given,
                b"linkpath" => self.extended.target = given,
                b"size" => self.extended.size_bytes = self.decimal(value)?,
                key if key.starts_with(b"GNU.sparse.") => self.extended.sparse = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// A global header, which git writes for a comment: one that would rename every member is refused.
    fn global(&mut self, header: &Header) -> Result<(), ArchiveError> {
        let records = self.content(header, MAX_PAX_BYTES, "an extended header is too large")?;
        let records = pax_records(&records).ok_or_else(|| self.damaged("an extended header is malformed"))?;
        let acts = |key: &[u8]| matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.");
        match records.iter().any(|(key, _)| acts(key)) {
            true => Err(self.damaged("a global header sets the name or size of every member")),
            false => Ok(()),
        }
    }

    fn gnu_long(&mut self, header: &Header) -> Result<Vec<u8>, ArchiveError> {
        // With the NUL that ends it.
        let mut name = self.content(header, MAX_PATH_BYTES as u64 + 1, "a name is too long")?;
        self.extended.present = true;
        if let Some(end) = name.iter().position(|byte| *byte == 0) {
            name.truncate(end);
        }
        Ok(name)
    }

    /// The content of an extended header.
    fn content(&mut self, header: &Header, limit_bytes: u64, too_large: &str) -> Result<Vec<u8>, ArchiveError> {
        let size_bytes = self.size(header, None)?;
        if size_bytes > limit_bytes {
            return Err(self.damaged(too_large));
        }
        let start = self.offset;
        self.skip(size_bytes, "an extended header")?;
        let mut content = vec![0; usize::try_from(size_bytes).unwrap_or_default()];
        self.file.read_exact_at(&mut content, start).map_err(ArchiveError::reading)?;
        Ok(content)
    }

    fn size(&self, header: &Header, extended: Option<u64>) -> Result<u64, ArchiveError> {
        match extended {
            Some(size_bytes) => Ok(size_bytes),
            None => header.entry_size().map_err(|_| self.damaged("a size is not a number")),
        }
    }

    fn decimal(&self, text: &[u8]) -> Result<Option<u64>, ArchiveError> {
        if text.is_empty() {
            return Ok(None);
        }
        let digits = text.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(text).ok()).flatten();
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(number) => Ok(Some(number)),
            None => Err(self.damaged("a size is not a number")),
        }
    }

    /// Goes on by `size_bytes`, which must all be there, and to the end of the block.
    fn skip(&mut self, size_bytes: u64, inside: &'static str) -> Result<(), ArchiveError> {
        let end = self.offset.checked_add(size_bytes).ok_or_else(|| self.damaged("a size is not a number"))?;
        self.require(end, inside)?;
        self.offset = end.next_multiple_of(BLOCK_BYTES as u64);
        Ok(())
    }

    fn block(&self, inside: &'static str) -> Result<[u8; BLOCK_BYTES], ArchiveError> {
        self.require(self.offset + BLOCK_BYTES as u64, inside)?;
        let mut block = [0; BLOCK_BYTES];
        self.file.read_exact_at(&mut block, self.offset).map_err(ArchiveError::reading)?;
        Ok(block)
    }

    fn require(&self, expected_bytes: u64, inside: &'static str) -> Result<(), ArchiveError> {
        match expected_bytes <= self.size_bytes {
            true => Ok(()),
            false => Err(ArchiveError::CutShort { inside, expected_bytes, actual_bytes: self.size_bytes }),
        }
    }

    fn damaged(&self, reason: &str) -> ArchiveError {
        ArchiveError::Damaged { offset: self.offset, reason: reason.to_owned() }
    }
}

/// The records `LENGTH KEY=VALUE\n` of an extended header; `None` where they are malformed.
fn pax_records(mut rest: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut records = Vec::new();
    while !rest.is_empty() {
        let space = rest.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
        let record = rest.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        records.push((&record[..equals], &record[equals + 1..]));
        rest = &rest[length..];
    }
    Some(records)
}

fn is_zero(block: &[u8; BLOCK_BYTES]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// True where a header has its checksum, by unsigned bytes or, as some old writers took them, by signed ones.
fn has_checksum(block: &[u8; BLOCK_BYTES]) -> bool {
    let Ok(expected) = Header::from_byte_slice(block).cksum() else { return false };
    let counted = |position: usize| if CHECKSUM_FIELD.contains(&position) { b' ' } else { block[position] };
    let unsigned: u32 = (0..BLOCK_BYTES).map(|position| u32::from(counted(position))).sum();
    let signed: i32 = (0..BLOCK_BYTES).map(|position| i32::from(counted(position).cast_signed())).sum();
    expected == unsigned || i64::from(expected) == i64::from(signed)
}
