//! Lists the members of archives on the disk, and reads them in any order.
//!
//! Supports tar (POSIX.1-1988 and -2001, and GNU's long names), plain or compressed by gzip or zstd, and zip (APPNOTE
//! 6.3.10). The format is detected from the content. A compressed tar is spooled once to an unlinked temporary file. An
//! archive that ends early, violates its format, or changes while it is used is an error; members are never truncated
//! silently.

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

/// Greatest number of members of an archive: ten times the largest trees that were seen, and few enough to hold in
/// memory.
pub const MAX_MEMBERS: usize = 1_000_000;

/// Greatest size of a decompressed archive, in bytes: 64 GiB, more than any real artifact. A larger one is a
/// decompression bomb that would fill the disk.
pub const MAX_SPOOL_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// Size of the buffer for writes to the spool, in bytes.
const SPOOL_BUFFER_BYTES: usize = 256 * 1024;

/// Bytes that are read to detect the format: the first header of a tar archive.
const HEAD_BYTES: usize = BLOCK_BYTES;

/// The archives that a build reads. Each is opened (and decompressed) once. Several threads may read members.
#[derive(Debug)]
pub struct Archives {
    spool_directory: PathBuf,
    opened: Mutex<BTreeMap<PathBuf, Arc<Opened>>>,
}

/// An archive whose members are known.
#[derive(Debug)]
struct Opened {
    /// Stamp of the archive when it was opened.
    stamp: FileStamp,
    format: Format,
    /// The file that members are read from: the archive, or its decompressed copy.
    file: Arc<File>,
    /// `true` if `file` is a decompressed copy, which no other process can write to.
    spooled: bool,
    /// The position of each member's content.
    spans: Vec<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Tar,
    Zip,
}

impl Archives {
    /// Creates a value that spools archives to unlinked files in `spool_directory`. The directory must exist when an
    /// archive is opened.
    pub fn new(spool_directory: PathBuf) -> Self {
        Self {
            spool_directory,
            opened: Mutex::default(),
        }
    }

    /// Returns the archive at `path` in its current state, and its members in their order.
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
        let format = recognize(&file, spooled)?;
        let members = scan(&file, format)?;
        if !is_unchanged(path, &stamp) {
            return Err(ArchiveError::Changed);
        }
        let spans = members.iter().map(|member| member.span).collect();
        Ok((
            Opened {
                stamp,
                format,
                file: Arc::new(file),
                spooled,
                spans,
            },
            members,
        ))
    }

    fn spool(&self, decoded: Box<dyn Read + Send>, stored_bytes: u64) -> Result<File, ArchiveError> {
        let failed = |source| ArchiveError::Spool {
            directory: self.spool_directory.clone(),
            source,
        };
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
            return Err(ArchiveError::TooLarge {
                limit_bytes: MAX_SPOOL_BYTES,
            });
        }
        target.into_inner().map_err(|error| failed(error.into_error()))
    }

    /// Returns a reader over a member that was listed.
    fn member(&self, path: &Path, stamp: &FileStamp, index: u64) -> Result<Box<dyn Read + Send>, ArchiveError> {
        if !is_unchanged(path, stamp) {
            return Err(ArchiveError::Changed);
        }
        let known = self
            .opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(path)
            .cloned();
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
    /// Returns a reader over a [`Content::Member`] from [`super::list`].
    ///
    /// # Errors
    /// Errors of this function and of the reader contain a [`FilesError::Member`]. The reader fails if the content does
    /// not have the size (for zip also the checksum) that the archive states, or if the archive changed before the
    /// reader's end.
    fn open(&self, content: &Content) -> io::Result<Box<dyn Read + Send + '_>> {
        let Content::Member { archive, stamp, index } = content else {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the content is not a member of an archive",
            ));
        };
        match self.member(archive, stamp, *index) {
            Ok(reader) => Ok(Box::new(Named {
                reader,
                path: archive.to_path_buf(),
            })),
            Err(error) => Err(named(archive, io::ErrorKind::Other, error)),
        }
    }
}

/// A reader over a member whose errors include the archive's path.
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
    io::Error::new(
        kind,
        FilesError::Member {
            path: path.to_owned(),
            source: Box::new(error),
        },
    )
}

/// Returns a decoder over `file`, or `None` if it is not compressed.
fn open_decoded(file: File) -> Result<Option<Box<dyn Read + Send>>, ArchiveError> {
    let head = head(&file)?;
    match compress::sniff(&head) {
        Ok(compress::Algorithm::None) => Ok(None),
        Ok(_) => compress::decoder(file).map(Some).map_err(ArchiveError::reading),
        Err(CompressError::Unsupported { format }) => Err(ArchiveError::NotAnArchive {
            found: compressed_by(format),
        }),
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

/// Returns the first bytes of a file: [`HEAD_BYTES`], or all if it is shorter.
fn head(file: &File) -> Result<Vec<u8>, ArchiveError> {
    let mut head = vec![0; HEAD_BYTES];
    let mut length = 0;
    while length < head.len() {
        match file.read_at(&mut head[length..], length as u64) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(ArchiveError::Io {
                    action: "read",
                    source: error,
                });
            }
        }
    }
    head.truncate(length);
    Ok(head)
}

/// Detects the format of an archive that is not compressed, or was decompressed.
fn recognize(file: &File, decompressed: bool) -> Result<Format, ArchiveError> {
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
