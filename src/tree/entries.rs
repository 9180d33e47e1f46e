//! The entries of one tar stream, one after the other (POSIX.1-2024 pax, "ustar Interchange Format"; GNU tar manual,
//! "Basic Tar Format").
//!
//! The crate tar decodes the headers. The frame around them is read here, since its reader takes a stream that was cut
//! short at a header for complete, holds extended headers of any size in memory, and counts the size of entries that
//! have no content otherwise than the runtimes do, which read with Go's archive/tar: where readers differ, an image
//! could show one tree here and another one there.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::error::LayerError;
use super::node::Xattrs;
use super::pax::PaxRecords;
use crate::model::MAX_PATH_BYTES;

/// Greatest size of an extended header or a GNU long name: what Go's archive/tar grants too. The largest real ones are
/// a few KiB.
pub const MAX_EXTENDED_HEADER_BYTES: u64 = 1024 * 1024;

const BLOCK_BYTES: u64 = 512;

/// One entry, its extended headers taken into account.
#[derive(Debug)]
pub(super) struct RawEntry {
    pub(super) name: Vec<u8>,
    pub(super) kind: RawKind,
    pub(super) mode: u32,
    pub(super) uid: u64,
    pub(super) gid: u64,
    /// Size of the content; 0 of anything but a regular file.
    pub(super) size_bytes: u64,
    /// Target of a link; empty of anything else.
    pub(super) link: Vec<u8>,
    pub(super) xattrs: Xattrs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RawKind {
    Directory,
    File,
    HardLink,
    Symlink,
    Special,
}

/// What comes before an entry and describes it.
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
}

/// Reads entries. After an error nothing more may be read.
pub(super) struct Entries<R> {
    reader: R,
    position_bytes: u64,
    /// Content of the current entry that was not read yet.
    content_left_bytes: u64,
    padding_bytes: u64,
}

impl<R: Read> Entries<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, position_bytes: 0, content_left_bytes: 0, padding_bytes: 0 }
    }

    /// The next entry; what is left of the content of the one before is passed over. `None` at the end marker. What
    /// follows the end marker is not looked at.
    pub(super) fn next(&mut self) -> Result<Option<RawEntry>, LayerError> {
        let mut prelude = Prelude::default();
        loop {
            self.skip_content()?;
            let Some(header) = self.header()? else {
                if prelude.is_empty() {
                    return Ok(None);
                }
                return Err(malformed("an extended header", "it describes an entry that is not there"));
            };
            let stored_bytes = number(&header.as_old().size).ok_or_else(|| bad_header("its size is no number"))?;
            let repeated = match header.entry_type() {
                EntryType::XHeader => {
                    let records = PaxRecords::parse(&self.extension(stored_bytes)?)?;
                    prelude.pax.replace(records).is_some()
                }
                // Describes all entries that follow; the runtimes pass it over.
                EntryType::XGlobalHeader => {
                    self.extension(stored_bytes)?;
                    false
                }
                EntryType::GNULongName => prelude.long_name.replace(until_nul(self.extension(stored_bytes)?)).is_some(),
                EntryType::GNULongLink => prelude.long_link.replace(until_nul(self.extension(stored_bytes)?)).is_some(),
                _ => return self.entry(&header, stored_bytes, prelude).map(Some),
            };
            if repeated {
                return Err(malformed("an extended header", "one entry has two of a kind"));
            }
        }
    }

    /// The content of the entry that [`Entries::next`] gave last.
    pub(super) fn content(&mut self) -> impl Read + '_ {
        Content { entries: self }
    }

    fn entry(&mut self, header: &Header, stored_bytes: u64, prelude: Prelude) -> Result<RawEntry, LayerError> {
        let pax = prelude.pax.unwrap_or_default();
        let name = prelude.long_name.or(pax.path).unwrap_or_else(|| header.path_bytes().into_owned());
        let link = prelude.long_link.or(pax.link_path);
        let link = link.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned());
        if name.len() > MAX_PATH_BYTES || link.len() > MAX_PATH_BYTES {
            let limit = MAX_PATH_BYTES as u64;
            return Err(LayerError::OverLimit { what: "the name or the link target of an entry, in bytes", limit });
        }
        let kind = kind(header.entry_type(), &name)?;
        if pax.is_sparse || header.entry_type() == EntryType::GNUSparse {
            return Err(LayerError::Entry { name, reason: "it is a sparse file, which image-spec advises against" });
        }
        if kind == RawKind::File {
            self.content_left_bytes = pax.size_bytes.unwrap_or(stored_bytes);
            self.padding_bytes = self.content_left_bytes.wrapping_neg() % BLOCK_BYTES;
        }
        let fields = header.as_old();
        let id = |field: &[u8]| number(field).ok_or_else(|| bad_header("its owner or its group is no number"));
        Ok(RawEntry {
            kind,
            mode: number(&fields.mode).ok_or_else(|| bad_header("its mode is no number"))? as u32 & 0o7777,
            uid: pax.uid.map_or_else(|| id(&fields.uid), Ok)?,
            gid: pax.gid.map_or_else(|| id(&fields.gid), Ok)?,
            size_bytes: self.content_left_bytes,
            link: if matches!(kind, RawKind::HardLink | RawKind::Symlink) { link } else { Vec::new() },
            xattrs: pax.xattrs,
            name,
        })
    }

    /// The next header, whose checksum is right; `None` at the end marker, two blocks of zeros. One alone at the very
    /// end of the stream is taken for it, as the runtimes do.
    fn header(&mut self) -> Result<Option<Header>, LayerError> {
        let mut header = Header::new_old();
        if !self.block(header.as_mut_bytes())? {
            return Err(self.truncated());
        }
        if is_zero(header.as_bytes()) {
            let mut second = [0; BLOCK_BYTES as usize];
            if self.block(&mut second)? && !is_zero(&second) {
                return Err(malformed("the end marker", "an entry stands where its second block should be"));
            }
            return Ok(None);
        }
        let bytes = header.as_bytes();
        let sum = bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        // The checksum counts its own eight bytes as blanks.
        let own = header.as_old().cksum.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        if number(&header.as_old().cksum) != Some(sum - own + 8 * u64::from(b' ')) {
            return Err(bad_header("its checksum is wrong"));
        }
        Ok(Some(header))
    }

    /// Fills a block; false at the end of the stream.
    fn block(&mut self, block: &mut [u8; BLOCK_BYTES as usize]) -> Result<bool, LayerError> {
        let mut filled = 0;
        while filled < block.len() {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(self.truncated()),
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

    fn extension(&mut self, size_bytes: u64) -> Result<Vec<u8>, LayerError> {
        if size_bytes > MAX_EXTENDED_HEADER_BYTES {
            let limit = MAX_EXTENDED_HEADER_BYTES;
            return Err(LayerError::OverLimit { what: "an extended header, in bytes", limit });
        }
        self.content_left_bytes = size_bytes;
        self.padding_bytes = size_bytes.wrapping_neg() % BLOCK_BYTES;
        let mut bytes = Vec::new();
        self.content().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn skip_content(&mut self) -> Result<(), LayerError> {
        io::copy(&mut self.content(), &mut io::sink())?;
        self.content_left_bytes = std::mem::take(&mut self.padding_bytes);
        io::copy(&mut self.content(), &mut io::sink())?;
        Ok(())
    }

    fn truncated(&self) -> LayerError {
        LayerError::Truncated { position_bytes: self.position_bytes }
    }
}

struct Content<'a, R> {
    entries: &'a mut Entries<R>,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let entries = &mut *self.entries;
        let wanted = usize::try_from(entries.content_left_bytes).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = entries.reader.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(entries.truncated().into());
        }
        entries.content_left_bytes -= count as u64;
        entries.position_bytes += count as u64;
        Ok(count)
    }
}

fn kind(entry_type: EntryType, name: &[u8]) -> Result<RawKind, LayerError> {
    Ok(match entry_type {
        // Before there was a type for directories, a trailing slash marked one.
        EntryType::Regular if name.ends_with(b"/") => RawKind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => RawKind::File,
        EntryType::Directory => RawKind::Directory,
        EntryType::Link => RawKind::HardLink,
        EntryType::Symlink => RawKind::Symlink,
        EntryType::Char | EntryType::Block | EntryType::Fifo => RawKind::Special,
        _ => return Err(LayerError::Entry { name: name.to_vec(), reason: "its type is not known" }),
    })
}

/// A numeric field: octal digits between blanks or NULs, or GNU's base-256, where the first bit is set.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        if field[0] & 0x40 != 0 {
            return None; // negative
        }
        let mut value = u64::from(field[0] & 0x3f);
        for byte in &field[1..] {
            value = value.checked_mul(256)? | u64::from(*byte);
        }
        return Some(value);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = field.iter().position(|byte| !is_blank(byte)).unwrap_or(field.len());
    let digits = &field[start..];
    let digits = &digits[..digits.iter().position(is_blank).unwrap_or(digits.len())];
    digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'7' => Some(value.checked_mul(8)? + u64::from(digit - b'0')),
        _ => None,
    })
}

fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    bytes
}

fn malformed(what: &'static str, reason: &'static str) -> LayerError {
    LayerError::Malformed { what, reason }
}

fn bad_header(reason: &'static str) -> LayerError {
    malformed("a header", reason)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"0000755\0"), Some(0o755));
        assert_eq!(number(b" 755 \0\0\0"), Some(0o755));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"\x80\0\0\0\0\0\x01\x00"), Some(256));
        assert_eq!(number(b"0000789\0"), None);
        assert_eq!(number(b"-000755\0"), None);
        assert_eq!(number(&[0xff; 8]), None, "negative");
        assert_eq!(number(b"\x80\0\0\x01\0\0\0\0\0\0\0\0"), None, "over 64 bits");
    }
}
