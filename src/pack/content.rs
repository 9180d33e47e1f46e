//! Contents of files, read straight into the blocks of the tar, and held to what was listed.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt as _;

use super::blocks::Blocks;
use super::error::{Change, EntryProblem, Origin, PackError, Stop};
use super::layer::PackObserver;
use crate::model::{Content, ContentOpener, DiskFile, EntryPath, FileStamp};

/// Writes exactly `size_bytes` bytes of `content` into `blocks`.
pub(super) fn write(
    path: &EntryPath,
    content: &Content,
    size_bytes: u64,
    opener: &dyn ContentOpener,
    observer: &dyn PackObserver,
    blocks: &mut Blocks<'_>,
) -> Result<(), Stop> {
    match content {
        Content::Bytes(bytes) => {
            check_size(path, size_bytes, bytes.len() as u64)?;
            blocks.write(bytes)?;
            observer.content_read(size_bytes);
            Ok(())
        }
        Content::Disk(file) => {
            check_size(path, size_bytes, file.stamp.size_bytes)?;
            write_disk_file(file, observer, blocks)
        }
        Content::Member { .. } => {
            let opened = Opened { path, origin: Origin::Archive, size_bytes };
            opened.write(content, opener, observer, blocks)
        }
        Content::Image { .. } => {
            let opened = Opened { path, origin: Origin::Image, size_bytes };
            opened.write(content, opener, observer, blocks)
        }
    }
}

/// The header is written before the content is read, so that both sizes in a plan must agree.
fn check_size(path: &EntryPath, size_bytes: u64, content_bytes: u64) -> Result<(), PackError> {
    if size_bytes == content_bytes {
        return Ok(());
    }
    Err(PackError::Entry { path: path.clone(), problem: EntryProblem::Size { size_bytes, content_bytes } })
}

/// A file of the disk, with its state compared before and after it is read: a change in between shows in the second
/// comparison, since a write moves the times of the file that is open.
fn write_disk_file(listed: &DiskFile, observer: &dyn PackObserver, blocks: &mut Blocks<'_>) -> Result<(), Stop> {
    let mut file = open_disk_file(listed)?;
    check_stamp(listed, &file)?;
    let fail = |source| PackError::Read { path: listed.path.clone(), source };
    let missing_bytes = copy(&mut file, listed.stamp.size_bytes, fail, observer, blocks)?;
    check_stamp(listed, &file)?;
    if missing_bytes > 0 {
        let actual_bytes = listed.stamp.size_bytes - missing_bytes;
        return Err(changed(listed, Change::Resized { expected_bytes: listed.stamp.size_bytes, actual_bytes }).into());
    }
    Ok(())
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
    let change = if actual == expected {
        return Ok(());
    } else if actual.identity != expected.identity || !metadata.is_file() {
        Change::Replaced
    } else if actual.size_bytes != expected.size_bytes {
        Change::Resized { expected_bytes: expected.size_bytes, actual_bytes: actual.size_bytes }
    } else if actual.modified != expected.modified {
        Change::Written
    } else {
        Change::Touched
    };
    Err(changed(listed, change))
}

fn changed(listed: &DiskFile, what: Change) -> PackError {
    PackError::Changed { path: listed.path.clone(), what }
}

/// Content that the caller opens.
struct Opened<'a> {
    path: &'a EntryPath,
    origin: Origin,
    size_bytes: u64,
}

impl Opened<'_> {
    fn write(
        &self,
        content: &Content,
        opener: &dyn ContentOpener,
        observer: &dyn PackObserver,
        blocks: &mut Blocks<'_>,
    ) -> Result<(), Stop> {
        let fail = |source| PackError::Content { path: self.path.clone(), origin: self.origin, source };
        let mut reader = opener.open(content).map_err(fail)?;
        let missing_bytes = copy(&mut reader, self.size_bytes, fail, observer, blocks)?;
        if missing_bytes > 0 {
            let actual_bytes = self.size_bytes - missing_bytes;
            return Err(PackError::ContentShort {
                path: self.path.clone(),
                origin: self.origin,
                expected_bytes: self.size_bytes,
                actual_bytes,
            }
            .into());
        }
        // The end is read too: there a verifying reader says whether what it gave was right.
        if read(&mut reader, &mut [0]).map_err(fail)? > 0 {
            return Err(PackError::ContentLong {
                path: self.path.clone(),
                origin: self.origin,
                expected_bytes: self.size_bytes,
            }
            .into());
        }
        Ok(())
    }
}

/// Copies up to `size_bytes` bytes into `blocks`, and says how many are missing.
fn copy(
    reader: &mut dyn Read,
    size_bytes: u64,
    fail: impl Fn(io::Error) -> PackError,
    observer: &dyn PackObserver,
    blocks: &mut Blocks<'_>,
) -> Result<u64, Stop> {
    let mut left_bytes = size_bytes;
    while left_bytes > 0 {
        let room = blocks.room();
        let wanted = room.len().min(usize::try_from(left_bytes).unwrap_or(usize::MAX));
        let size = read(reader, &mut room[..wanted]).map_err(&fail)?;
        if size == 0 {
            break;
        }
        blocks.advance(size)?;
        left_bytes -= size as u64;
        observer.content_read(size as u64);
    }
    Ok(left_bytes)
}

/// One read, begun again where a signal interrupts it. A reader that claims more than it was given room for is not
/// believed.
fn read(reader: &mut dyn Read, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(room) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(size) if size > room.len() => return Err(ErrorKind::InvalidData.into()),
            other => return other,
        }
    }
}
