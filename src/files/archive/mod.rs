//! Archives on the disk: their members listed, and read again in any order.
//!
//! tar (POSIX.1-1988 and -2001, and GNU's long names), plain or compressed by gzip or zstd, and zip (APPNOTE 6.3.10),
//! told by their content. A compressed tar is spooled once to an unlinked temporary file. An archive that ends early,
//! breaks its format, or changes while it is used is an error; no member is read short.

mod error;
mod member;
mod reader;
mod tar;
mod unpack;
mod zip;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use error::{ArchiveError, Reason};
pub(super) use unpack::unpack;

use super::FilesError;
use crate::compress::{self, CompressError};
use crate::model::{Content, ContentOpener, FileStamp, MAX_EXPANSION, is_overexpanded, open_regular};
use crate::tar::{BLOCK_BYTES, is_start};
use member::{Member, Span};

/// Greatest number of members of an archive: ten times the largest trees that were seen, and few enough to hold.
pub const MAX_MEMBERS: usize = 1_000_000;

/// Greatest size of a decompressed archive, in bytes: 64 GiB, over any real artifact; what grows beyond is a bomb, and
/// would fill the disk that it is spooled to.
pub const MAX_SPOOL_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// Writes to the spool go through a buffer of this size, in bytes.
const SPOOL_BUFFER_BYTES: usize = 256 * 1024;

/// Bytes that tell the format of an archive: a tar's first header.
const HEAD_BYTES: usize = BLOCK_BYTES;

/// The archives that a build reads. Each is opened (and decompressed) once; members may be read by several threads.
#[derive(Debug)]
pub struct Archives {
    spool_directory: PathBuf,
    opened: Mutex<BTreeMap<PathBuf, Arc<Opened>>>,
}

/// An archive whose members are known.
#[derive(Debug)]
struct Opened {
    /// Of the archive, when it was opened.
    stamp: FileStamp,
    format: Format,
    /// What members are read from: the archive, or its decompressed copy.
    file: Arc<File>,
    /// True where `file` is a copy, which nobody else can write to.
    spooled: bool,
    /// Where each member's content lies.
    spans: Vec<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Tar,
    Zip,
}

impl Archives {
    /// Archives that are spooled to unlinked files in `spool_directory`, which must exist when one is opened.
    pub fn new(spool_directory: PathBuf) -> Self {
        Self { spool_directory, opened: Mutex::default() }
    }

    /// The archive at `path` as it is now, and its members in their order.
    fn list(&self, path: &Path) -> Result<(Arc<Opened>, Vec<Member>), ArchiveError> {
        let mut all = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = all.get(path).filter(|opened| is_unchanged(path, &opened.stamp)) {
            let members = scan(&opened.file, opened.format)?;
            return Ok((Arc::clone(opened), members));
        }
        let (opened, members) = self.read(path)?;
        let opened = Arc::new(opened);
        all.insert(path.to_owned(), Arc::clone(&opened));
        Ok((opened, members))
    }

    fn read(&self, path: &Path) -> Result<(Opened, Vec<Member>), ArchiveError> {
        let failed = |source| ArchiveError::Io { action: "open", source };
        let source = open_regular(path).map_err(failed)?;
        let stamp = FileStamp::of(&source.metadata().map_err(failed)?);
        let (file, spooled) = match open_decoded(source.try_clone().map_err(failed)?)? {
            Some(decoded) => (self.spool(decoded, stamp.size_bytes)?, true),
            None => (source, false),
        };
        let format = tell(&file, spooled)?;
        let members = scan(&file, format)?;
        if !is_unchanged(path, &stamp) {
            return Err(ArchiveError::Changed);
        }
        let spans = members.iter().map(|member| member.span).collect();
        Ok((Opened { stamp, format, file: Arc::new(file), spooled, spans }, members))
    }

    fn spool(&self, decoded: Box<dyn Read + Send>, stored_bytes: u64) -> Result<File, ArchiveError> {
        let failed = |source| ArchiveError::Spool { directory: self.spool_directory.clone(), source };
        let file = tempfile::tempfile_in(&self.spool_directory).map_err(failed)?;
        let mut target = BufWriter::with_capacity(SPOOL_BUFFER_BYTES, file);
        let mut limited = decoded.take(MAX_SPOOL_BYTES + 1);
        let mut buffer = vec![0; SPOOL_BUFFER_BYTES];
        let mut size_bytes = 0;
        loop {
            match limited.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    size_bytes += length as u64;
                    if is_overexpanded(size_bytes, stored_bytes) {
                        return Err(ArchiveError::Expansion { limit: MAX_EXPANSION });
                    }
                    target.write_all(&buffer[..length]).map_err(failed)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ArchiveError::reading(error)),
            }
        }
        if limited.limit() == 0 {
            return Err(ArchiveError::TooLarge { limit_bytes: MAX_SPOOL_BYTES });
        }
        target.into_inner().map_err(|error| failed(error.into_error()))
    }

    /// A reader over a member that was listed.
    fn member(&self, path: &Path, stamp: &FileStamp, index: u64) -> Result<Box<dyn Read + Send>, ArchiveError> {
        if !is_unchanged(path, stamp) {
            return Err(ArchiveError::Changed);
        }
        let known = self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        let opened = match known.filter(|opened| opened.stamp.is_same_content(stamp)) {
            Some(opened) => opened,
            None => self.list(path)?.0,
        };
        if !opened.stamp.is_same_content(stamp) {
            return Err(ArchiveError::Changed);
        }
        let position = usize::try_from(index).map_err(|_| ArchiveError::NoMember { index })?;
        let span = *opened.spans.get(position).ok_or(ArchiveError::NoMember { index })?;
        let watched = (!opened.spooled).then_some(opened.stamp);
        Ok(reader::open(Arc::clone(&opened.file), span, watched))
    }
}

impl ContentOpener for Archives {
    /// A reader over a [`Content::Member`] that [`super::list`] gave.
    ///
    /// # Errors
    /// A [`FilesError::Member`] is inside, and so it is of the reader's own. The reader fails where content is not of the size (of a zip also: the
    /// checksum) that the archive says, and where the archive changed by its end.
    fn open(&self, content: &Content) -> io::Result<Box<dyn Read + Send + '_>> {
        let Content::Member { archive, stamp, index } = content else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the content is not a member of an archive"));
        };
        match self.member(archive, stamp, *index) {
            Ok(reader) => Ok(Box::new(Named { reader, path: archive.to_path_buf() })),
            Err(error) => Err(named(archive, io::ErrorKind::Other, error)),
        }
    }
}

/// A reader over a member whose errors name the archive.
struct Named {
    reader: Box<dyn Read + Send>,
    path: PathBuf,
}

impl Read for Named {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            kind => named(&self.path, kind, ArchiveError::of_member(error)),
        })
    }
}

fn named(path: &Path, kind: io::ErrorKind, error: ArchiveError) -> io::Error {
    io::Error::new(kind, FilesError::Member { path: path.to_owned(), source: Box::new(error) })
}

/// What `file` holds in compressed form; `None` where it is not compressed.
fn open_decoded(file: File) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
    let head = head(&file)?;
    match compress::sniff(&head) {
        Ok(compress::Algorithm::None) => Ok(None),
        Ok(_) => compress::decoder(file).map(Some).map_err(ArchiveError::reading),
        Err(CompressError::Unsupported { format }) => Err(ArchiveError::NotAnArchive { found: compressed_by(format) }),
        Err(error) => Err(ArchiveError::Compression { source: error.into() }),
    }
}

fn compressed_by(format: &str) -> &'static str {
    match format {
        "xz" => "xz-compressed data",
        "bzip2" => "bzip2-compressed data",
        _ => "data in an unknown compression",
    }
}

/// The first bytes of a file: [`HEAD_BYTES`], or all where it is shorter.
fn head(file: &File) -> Result<Vec<u8>, ArchiveError> {
    let mut head = vec![0; HEAD_BYTES];
    let mut length = 0;
    while length < head.len() {
        match file.read_at(&mut head[length..], length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ArchiveError::Io { action: "read", source: error }),
        }
    }
    head.truncate(length);
    Ok(head)
}

/// The format of an archive that is not, or no longer, compressed.
fn tell(file: &File, decompressed: bool) -> Result<Format, ArchiveError> {
    let head = head(file)?;
    if !decompressed && (head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")) {
        return Ok(Format::Zip);
    }
    if is_start(&head) {
        return Ok(Format::Tar);
    }
    let found = match &head[..] {
        [] if decompressed => "compressed data without content",
        _ if decompressed => "compressed data that is not a tar archive",
        [] => "an empty file",
        [0x7f, b'E', b'L', b'F', ..] => "an ELF file",
        [b'7', b'z', 0xbc, 0xaf, ..] => "a 7z archive",
        [b'R', b'a', b'r', b'!', ..] => "a RAR archive",
        [b'!', b'<', b'a', b'r', b'c', b'h', b'>', ..] => "an ar archive, such as a .deb",
        [0xed, 0xab, 0xee, 0xdb, ..] => "an RPM package",
        [b'#', b'!', ..] => "a script",
        _ => "a file of an unknown kind",
    };
    Err(ArchiveError::NotAnArchive { found })
}

fn scan(file: &File, format: Format) -> Result<Vec<Member>, ArchiveError> {
    match format {
        Format::Tar => tar::scan(file),
        Format::Zip => zip::scan(file),
    }
}

fn is_unchanged(path: &Path, stamp: &FileStamp) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| stamp.is_same_content(&FileStamp::of(&metadata)))
}
