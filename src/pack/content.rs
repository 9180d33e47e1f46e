//! Reads contents of files directly into the blocks of the tar, and compares them with the listing.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};

use super::error::{Change, EntryProblem, Origin, PackError};
use super::scanning::LayerScan;
use crate::events::Task;
use crate::model::{Content, ContentOpener, DiskFile, Entry, EntryKind, EntryPath, FileStamp};

/// Opens contents, and reports what was read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) opener: &'a dyn ContentOpener,
    pub(super) task: &'a Task,
    /// Scans contents for secrets, if requested.
    pub(super) scan: Option<&'a LayerScan>,
}

impl Reading<'_> {
    /// Fills `room`, which has the size of `entry`, with the entry's whole content.
    pub(super) fn whole(&self, entry: &Entry, room: &mut [u8]) -> Result<(), PackError> {
        let EntryKind::File { size_bytes, content } = &entry.kind else {
            return Ok(());
        };
        match content {
            Content::Bytes(_) | Content::Disk(_) => self.slice(entry, 0..*size_bytes, room),
            Content::Member { .. } | Content::Image { .. } => {
                let mut opened = OpenContent::new(entry, content, self.opener)?;
                opened.read(room)?;
                self.task.advance(*size_bytes);
                opened.finish()
            }
        }
    }

    /// Fills `room` with a slice of a content that supports random access.
    pub(super) fn slice(&self, entry: &Entry, slice: Range<u64>, room: &mut [u8]) -> Result<(), PackError> {
        let EntryKind::File { size_bytes, content } = &entry.kind else {
            return Ok(());
        };
        match content {
            Content::Bytes(bytes) => {
                check_size(&entry.path, *size_bytes, bytes.len() as u64)?;
                room.copy_from_slice(&bytes[slice.start as usize..slice.end as usize]);
            }
            Content::Disk(file) => {
                check_size(&entry.path, *size_bytes, file.stamp.size_bytes)?;
                read_disk_file(file, slice.start, room)?;
            }
            // Opened contents are read in order, by the code that holds them open.
            Content::Member { .. } | Content::Image { .. } => {
                return Err(PackError::Panicked {
                    stage: "reading content for",
                });
            }
        }
        self.task.advance(room.len() as u64);
        Ok(())
    }
}

/// Checks that both sizes in a plan agree, since the header is written before the content is read.
fn check_size(path: &EntryPath, size_bytes: u64, content_bytes: u64) -> Result<(), PackError> {
    if size_bytes == content_bytes {
        return Ok(());
    }
    Err(PackError::Entry {
        path: path.clone(),
        problem: EntryProblem::Size {
            size_bytes,
            content_bytes,
        },
    })
}

/// Reads a slice of a file of the disk. Its state is compared with the listing after reading, since a write before or
/// during the read changes the times of the open file. A change of the file explains more than the error of reading it.
fn read_disk_file(listed: &DiskFile, from: u64, room: &mut [u8]) -> Result<(), PackError> {
    let file = open_disk_file(listed)?;
    let outcome = file.read_exact_at(room, from);
    check_stamp(listed, &file)?;
    match outcome {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(PackError::Unsized {
            path: listed.path.clone(),
        }),
        Ok(()) if listed.stamp.size_bytes == 0 => check_empty(listed, &file),
        outcome => outcome.map_err(|source| PackError::Read {
            path: listed.path.clone(),
            source,
        }),
    }
}

/// Checks that an empty file has no content: files that the kernel generates on reading report a size of 0.
fn check_empty(listed: &DiskFile, file: &File) -> Result<(), PackError> {
    match file.read_at(&mut [0], 0) {
        Ok(0) => Ok(()),
        Ok(_) => Err(PackError::Unsized {
            path: listed.path.clone(),
        }),
        Err(source) => Err(PackError::Read {
            path: listed.path.clone(),
            source,
        }),
    }
}

/// Opens a file. Does not follow a link that replaced it, or wait for the writer of a pipe that did.
fn open_disk_file(listed: &DiskFile) -> Result<File, PackError> {
    let opened = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(&listed.path);
    opened.map_err(|source| match (source.kind(), source.raw_os_error()) {
        (ErrorKind::NotFound | ErrorKind::NotADirectory, _) => changed(listed, Change::Vanished),
        // O_NOFOLLOW gives ELOOP for a symbolic link; a socket gives ENXIO.
        (_, Some(libc::ELOOP | libc::ENXIO)) => changed(listed, Change::Replaced),
        _ => PackError::Open {
            path: listed.path.clone(),
            source,
        },
    })
}

fn check_stamp(listed: &DiskFile, file: &File) -> Result<(), PackError> {
    let metadata = file.metadata().map_err(|source| PackError::Read {
        path: listed.path.clone(),
        source,
    })?;
    let expected = listed.stamp;
    let actual = FileStamp::of(&metadata);
    let change = if expected.is_same_content(&actual) {
        return Ok(());
    } else if actual.identity != expected.identity || !metadata.is_file() {
        Change::Replaced
    } else if actual.size_bytes != expected.size_bytes {
        Change::Resized {
            expected_bytes: expected.size_bytes,
            actual_bytes: actual.size_bytes,
        }
    } else if actual.modified != expected.modified {
        Change::Written
    } else {
        Change::Mode
    };
    Err(changed(listed, change))
}

fn changed(listed: &DiskFile, what: Change) -> PackError {
    PackError::Changed {
        path: listed.path.clone(),
        what,
    }
}

/// Content that the caller opened, and that is read from start to end.
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
        let origin = if matches!(content, Content::Image { .. }) {
            Origin::Image
        } else {
            Origin::Archive
        };
        let opened = opener.open(content);
        let reader = opened.map_err(|source| PackError::Content {
            path: entry.path.clone(),
            origin,
            source,
        })?;
        Ok(Self {
            path: &entry.path,
            origin,
            size_bytes: entry.kind.size_bytes(),
            read_bytes: 0,
            reader,
        })
    }

    /// Fills `room` with the next bytes.
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

    /// Reads to the end too, where a verifying reader reports whether the content was right.
    pub(super) fn finish(mut self) -> Result<(), PackError> {
        if self.read_some(&mut [0])? == 0 {
            return Ok(());
        }
        let path = self.path.clone();
        let origin = self.origin;
        let expected_bytes = self.size_bytes;
        Err(PackError::ContentLong {
            path,
            origin,
            expected_bytes,
        })
    }

    /// Reads once; repeats the read if a signal interrupts it. A reader that returns more than the size of the buffer
    /// is an error.
    fn read_some(&mut self, room: &mut [u8]) -> Result<usize, PackError> {
        let outcome = loop {
            match self.reader.read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(size) if size > room.len() => break Err(io::Error::from(ErrorKind::InvalidData)),
                other => break other,
            }
        };
        outcome.map_err(|source| PackError::Content {
            path: self.path.clone(),
            origin: self.origin,
            source,
        })
    }
}
