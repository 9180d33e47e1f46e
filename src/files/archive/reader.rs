//! Reads the content of one member from a file that several threads share.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use flate2::read::DeflateDecoder;

use super::error::ArchiveError;
use super::member::{Packing, Span};
use crate::model::FileStamp;

/// Returns a reader over the content at `span`. It fails if the length or the checksum of the content differs from
/// `span`, and, with a stamp, if the file changed before the reader's end.
pub(super) fn open(file: Arc<File>, span: Span, watched: Option<FileStamp>) -> Box<dyn Read + Send> {
    let stored = Stored {
        file: Arc::clone(&file),
        offset: span.offset,
        remaining: span.stored_bytes,
    };
    let (inner, checksum): (Box<dyn Read + Send>, _) = match span.packing {
        Packing::Plain => (Box::new(stored), None),
        Packing::Stored(checksum) => (Box::new(stored), Some(checksum)),
        Packing::Deflated(checksum) => (Box::new(DeflateDecoder::new(stored)), Some(checksum)),
    };
    Box::new(Checked {
        inner,
        remaining: span.size_bytes,
        checksum: checksum.map(|expected| (crc32fast::Hasher::new(), expected)),
        watched: watched.map(|stamp| (file, stamp)),
        ended: false,
    })
}

/// The stored bytes of a member.
struct Stored {
    file: Arc<File>,
    offset: u64,
    remaining: u64,
}

impl Read for Stored {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        let length = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += length as u64;
        self.remaining -= length as u64;
        Ok(length)
    }
}

/// A reader that returns its last byte only after the whole content was verified.
struct Checked {
    inner: Box<dyn Read + Send>,
    remaining: u64,
    checksum: Option<(crc32fast::Hasher, u32)>,
    watched: Option<(Arc<File>, FileStamp)>,
    ended: bool,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        let wanted = buffer.len().min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
        let length = match wanted {
            0 => 0,
            wanted => self.inner.read(&mut buffer[..wanted]).map_err(decoding)?,
        };
        if length == 0 && self.remaining > 0 {
            self.unchanged()?;
            return Err(damaged("size"));
        }
        if let Some((hasher, _)) = &mut self.checksum {
            hasher.update(&buffer[..length]);
        }
        self.remaining -= length as u64;
        if self.remaining == 0 {
            self.finish()?;
        }
        Ok(length)
    }
}

impl Checked {
    fn finish(&mut self) -> io::Result<()> {
        self.unchanged()?;
        if let Some((hasher, expected)) = self.checksum.take() {
            if self.inner.read(&mut [0]).map_err(decoding)? != 0 {
                return Err(damaged("size"));
            }
            if hasher.finalize() != expected {
                return Err(damaged("checksum"));
            }
        }
        self.ended = true;
        Ok(())
    }

    fn unchanged(&self) -> io::Result<()> {
        match &self.watched {
            Some((file, stamp)) if !stamp.is_same_content(&FileStamp::of(&file.metadata()?)) => {
                Err(io::Error::other(ArchiveError::Changed))
            }
            _ => Ok(()),
        }
    }
}

/// Distinguishes errors of reading the stored bytes, which come from the system, from errors of the decoder, which mean
/// damaged data.
fn decoding(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => damaged("content"),
        _ => error,
    }
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, ArchiveError::Content { what })
}
