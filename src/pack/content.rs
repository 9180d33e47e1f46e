//! Contents of files, read straight into the blocks of the tar, and held to what was listed.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};

use super::error::{Change, EntryProblem, Origin, PackError};
use super::layer::PackObserver;
use super::scanning::LayerScan;
use crate::model::{Content, ContentOpener, DiskFile, Entry, EntryKind, EntryPath, FileStamp};

/// Opens contents, and is told of what was read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) opener: &'a dyn ContentOpener,
    pub(super) observer: &'a dyn PackObserver,
    /// Looks through what is read, where that is wanted.
    pub(super) scan: Option<&'a LayerScan>,
}

impl Reading<'_> {
    /// Fills `room` with the whole content of `entry`, which has its size.
    pub(super) fn whole(&self, entry: &Entry, room: &mut [u8]) -> Result<(), PackError> {
        let EntryKind::File { size_bytes, content } = &entry.kind else { return Ok(()) };
        match content {
            Content::Bytes(_) | Content::Disk(_) => self.slice(entry, 0..*size_bytes, room),
            Content::Member { .. } | Content::Image { .. } => {
                let mut opened = OpenContent::new(entry, content, self.opener)?;
                opened.read(room)?;
                self.observer.content_read(*size_bytes);
                opened.finish()
            }
        }
    }

    /// Fills `room` with a slice of a content that can be read anywhere.
    pub(super) fn slice(&self, entry: &Entry, slice: Range<u64>, room: &mut [u8]) -> Result<(), PackError> {
        let EntryKind::File { size_bytes, content } = &entry.kind else { return Ok(()) };
        match content {
            Content::Bytes(bytes) => {
                check_size(&entry.path, *size_bytes, bytes.len() as u64)?;
                room.copy_from_slice(&bytes[slice.start as usize..slice.end as usize]);
            }
            Content::Disk(file) => {
                check_size(&entry.path, *size_bytes, file.stamp.size_bytes)?;
                read_disk_file(file, slice.start, room)?;
            }
            // Opened ones are read in order, by whoever keeps them open.
            Content::Member { .. } | Content::Image { .. } => {
                return Err(PackError::Panicked { stage: "reading content for" });
            }
        }
        self.observer.content_read(room.len() as u64);
        Ok(())
    }
}

/// The header is written before the content is read, so that both sizes in a plan must agree.
fn check_size(path: &EntryPath, size_bytes: u64, content_bytes: u64) -> Result<(), PackError> {
    if size_bytes == content_bytes {
        return Ok(());
    }
    Err(PackError::Entry { path: path.clone(), problem: EntryProblem::Size { size_bytes, content_bytes } })
}

/// Reads a slice of a file of the disk. Its state is compared with what was listed after it was read: a write moves the
/// times of the file that is open, before or while it is read. What is wrong with a file says more than what reading it
/// said.
fn read_disk_file(listed: &DiskFile, from: u64, room: &mut [u8]) -> Result<(), PackError> {
    let file = open_disk_file(listed)?;
    let outcome = file.read_exact_at(room, from);
    check_stamp(listed, &file)?;
    match outcome {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(PackError::Unsized { path: listed.path.clone() }),
        Ok(()) if listed.stamp.size_bytes == 0 => check_empty(listed, &file),
        outcome => outcome.map_err(|source| PackError::Read { path: listed.path.clone(), source }),
    }
}

/// Files that the kernel makes up as they are read are said to be empty, and are not.
fn check_empty(listed: &DiskFile, file: &File) -> Result<(), PackError> {
    match file.read_at(&mut [0], 0) {
        Ok(0) => Ok(()),
        Ok(_) => Err(PackError::Unsized { path: listed.path.clone() }),
        Err(source) => Err(PackError::Read { path: listed.path.clone(), source }),
    }
}

/// Never follows a link that took the file's place, and never waits for the writer of a pipe that did.
fn open_disk_file(listed: &DiskFile) -> Result<File, PackError> {
    let opened = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&listed.path);
    opened.map_err(|source| match (source.kind(), source.raw_os_error()) {
        (ErrorKind::NotFound | ErrorKind::NotADirectory, _) => changed(listed, Change::Vanished),
        // What O_NOFOLLOW says of a symbolic link; ENXIO is said of a socket.
        (_, Some(libc::ELOOP | libc::ENXIO)) => changed(listed, Change::Replaced),
        _ => PackError::Open { path: listed.path.clone(), source },
    })
}

fn check_stamp(listed: &DiskFile, file: &File) -> Result<(), PackError> {
    let metadata = file.metadata().map_err(|source| PackError::Read { path: listed.path.clone(), source })?;
    let (expected, actual) = (listed.stamp, FileStamp::of(&metadata));
    let change = if expected.is_same_content(&actual) {
        return Ok(());
    } else if actual.identity != expected.identity || !metadata.is_file() {
        Change::Replaced
    } else if actual.size_bytes != expected.size_bytes {
        Change::Resized { expected_bytes: expected.size_bytes, actual_bytes: actual.size_bytes }
    } else if actual.modified != expected.modified {
        Change::Written
    } else {
        Change::Mode
    };
    Err(changed(listed, change))
}

fn changed(listed: &DiskFile, what: Change) -> PackError {
    PackError::Changed { path: listed.path.clone(), what }
}

/// Content that the caller opened, and that is read from its start to its end.
pub(super) struct OpenContent<'a> {
    path: &'a EntryPath,
    origin: Origin,
    size_bytes: u64,
    read_bytes: u64,
    reader: Box<dyn Read + Send + 'a>,
}

impl<'a> OpenContent<'a> {
    /// Opens the content of `entry`, a member of an archive or a file of an image.
    pub(super) fn new(
        entry: &'a Entry,
        content: &'a Content,
        opener: &'a dyn ContentOpener,
    ) -> Result<Self, PackError> {
        let origin = if matches!(content, Content::Image { .. }) { Origin::Image } else { Origin::Archive };
        let opened = opener.open(content);
        let reader = opened.map_err(|source| PackError::Content { path: entry.path.clone(), origin, source })?;
        Ok(Self { path: &entry.path, origin, size_bytes: entry.kind.size_bytes(), read_bytes: 0, reader })
    }

    /// Fills `room` with what comes next.
    pub(super) fn read(&mut self, room: &mut [u8]) -> Result<(), PackError> {
        let mut filled = 0;
        while filled < room.len() {
            let size = self.read_some(&mut room[filled..])?;
            if size == 0 {
                return Err(PackError::ContentShort {
                    path: self.path.clone(),
                    origin: self.origin,
                    expected_bytes: self.size_bytes,
                    actual_bytes: self.read_bytes,
                });
            }
            filled += size;
            self.read_bytes += size as u64;
        }
        Ok(())
    }

    /// The end is read too: there a verifying reader says whether what it gave was right.
    pub(super) fn finish(mut self) -> Result<(), PackError> {
        if self.read_some(&mut [0])? == 0 {
            return Ok(());
        }
        let (path, origin, expected_bytes) = (self.path.clone(), self.origin, self.size_bytes);
        Err(PackError::ContentLong { path, origin, expected_bytes })
    }

    /// One read, begun again where a signal interrupts it. A reader that claims more than it was given room for is not
    /// believed.
    fn read_some(&mut self, room: &mut [u8]) -> Result<usize, PackError> {
        let outcome = loop {
            match self.reader.read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(size) if size > room.len() => break Err(io::Error::from(ErrorKind::InvalidData)),
                other => break other,
            }
        };
        outcome.map_err(|source| PackError::Content { path: self.path.clone(), origin: self.origin, source })
    }
}
