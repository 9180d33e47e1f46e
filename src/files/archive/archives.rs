//! The archives of a build: each is opened once, and its members are read in any order.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::bounds::MAX_SPOOL_BYTES;
use super::error::ArchiveError;
use super::format::{Format, open_decoded, recognize, scan};
use super::member::{Member, Span};
use super::reader;
use crate::files::FilesError;
use crate::model::{Content, ContentOpener, FileStamp, MAX_EXPANSION, is_overexpanded, open_regular};

/// Size of the buffer for writes to the spool, in bytes.
const SPOOL_BUFFER_BYTES: usize = 256 * 1024;

/// The archives that a build reads. Each is opened (and decompressed) once. Several threads may read members.
#[derive(Debug)]
pub struct Archives {
    spool_directory: PathBuf,
    opened: Mutex<BTreeMap<PathBuf, Arc<Opened>>>,
}

/// An archive whose members are known.
#[derive(Debug)]
pub(super) struct Opened {
    /// Stamp of the archive when it was opened.
    pub stamp: FileStamp,
    pub format: Format,
    /// The file that members are read from: the archive, or its decompressed copy.
    file: Arc<File>,
    /// `true` if `file` is a decompressed copy, which no other process can write to.
    spooled: bool,
    /// The position of each member's content.
    spans: Vec<Span>,
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
    pub(super) fn list(&self, path: &Path) -> Result<(Arc<Opened>, Vec<Member>), ArchiveError> {
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
    /// Returns a reader over a [`Content::Member`] from [`crate::files::list`].
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

fn is_unchanged(path: &Path, stamp: &FileStamp) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| stamp.is_same_content(&FileStamp::of(&metadata)))
}
