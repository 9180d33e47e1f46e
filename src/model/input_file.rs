//! Opens input files that the user names without waiting forever: for a pipe that no process writes to, a device, or a
//! socket.
//!
//! This is the only place in the model that accesses the disk. It is here because all modules that read files share it.

use std::fmt;
use std::fs::{File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long the writer of a pipe may be silent before the reader gives up. Some writers ask for a password or download
/// something first.
pub const SILENT_PIPE_PATIENCE: Duration = Duration::from_secs(60);

/// How long a pipe may be without a writer. Its writer was started with it (`<(…)`), or waits for a reader already.
pub const LONELY_PIPE_PATIENCE: Duration = Duration::from_secs(2);

/// Interval at which a silent pipe is polled.
const PIPE_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Device number of `/dev/null` on Linux (Documentation/admin-guide/devices.txt): major 1, minor 3.
const NULL_DEVICE: u64 = 0x103;

/// Whether pipes are accepted, such as a shell's `<(…)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pipes {
    /// Pipes are refused: the file is read more than once, or the files beside it matter.
    Refused,
    /// A pipe is read to its end.
    Read,
}

/// The file is not a regular file; wrapped in an [`io::Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Irregular(&'static str);

impl fmt::Display for Irregular {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "expected a regular file, found {}", self.0)
    }
}

impl std::error::Error for Irregular {}

/// Returns `true` if [`open_regular`] or [`InputFile::open`] refused a file because of its type.
pub fn is_irregular(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Irregular>())
}

/// Opens a regular file; links are followed.
///
/// # Errors
/// Those of the system. If the file is not regular, the error names its type: see [`is_irregular`].
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    let file_type = file.metadata()?.file_type();
    if file_type.is_file() {
        Ok(file)
    } else {
        Err(irregular(file_type))
    }
}

/// A small file that is read once, from its start to its end.
#[derive(Debug)]
pub struct InputFile {
    file: File,
    is_pipe: bool,
    /// Whether anything was read.
    has_begun: bool,
}

impl InputFile {
    /// Opens a file; links are followed. `/dev/null` is an empty file.
    ///
    /// # Errors
    /// Those of [`open_regular`]; [`Pipes::Read`] accepts pipes.
    pub fn open(path: &Path, pipes: Pipes) -> io::Result<Self> {
        let file = open(path)?;
        let metadata = file.metadata()?;
        let file_type = metadata.file_type();
        let is_null = file_type.is_char_device() && metadata.rdev() == NULL_DEVICE;
        let is_pipe = file_type.is_fifo() && pipes == Pipes::Read;
        if !(file_type.is_file() || is_null || is_pipe) {
            return Err(irregular(file_type));
        }
        Ok(Self {
            file,
            is_pipe,
            has_begun: false,
        })
    }
}

/// Reads a whole file. A file of more than `limit_bytes` is an error of the kind [`io::ErrorKind::FileTooLarge`].
pub fn read_input(path: &Path, pipes: Pipes, limit_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    InputFile::open(path, pipes)?
        .take(limit_bytes + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes {
        let reason = format!("it has more than {limit_bytes} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes)
}

impl Read for InputFile {
    /// Waits for the writer of a pipe; if nothing was written yet, waits for the first writer.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.is_pipe || buffer.is_empty() {
            return self.file.read(buffer);
        }
        let begun = Instant::now();
        loop {
            let patience = match self.file.read(buffer) {
                Ok(0) if !self.has_begun => LONELY_PIPE_PATIENCE,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => SILENT_PIPE_PATIENCE,
                outcome => {
                    self.has_begun |= outcome.is_ok();
                    return outcome;
                }
            };
            if begun.elapsed() >= patience {
                let reason = format!("nothing was written to the pipe for {} seconds", patience.as_secs());
                return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
            }
            thread::sleep(PIPE_POLL_INTERVAL);
        }
    }
}

/// Opens a path without waiting for the writer of a pipe or for a device.
fn open(path: &Path) -> io::Result<File> {
    match File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        // The error of opening a socket.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Err(path
            .metadata()
            .map_or(error, |metadata| irregular(metadata.file_type()))),
        outcome => outcome,
    }
}

fn irregular(file_type: FileType) -> io::Error {
    let what = if file_type.is_fifo() {
        "a fifo (named pipe)"
    } else {
        file_type_name(file_type)
    };
    io::Error::new(io::ErrorKind::InvalidInput, Irregular(what))
}

/// Returns the name of a file type, with its article.
pub fn file_type_name(file_type: FileType) -> &'static str {
    match () {
        () if file_type.is_file() => "a regular file",
        () if file_type.is_dir() => "a directory",
        () if file_type.is_symlink() => "a symbolic link",
        () if file_type.is_fifo() => "a fifo",
        () if file_type.is_socket() => "a socket",
        () if file_type.is_block_device() => "a block device",
        () if file_type.is_char_device() => "a character device",
        () => "a file of an unknown kind",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn fifo(directory: &Path) -> std::path::PathBuf {
        let path = directory.join("fifo");
        let owner_only = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, owner_only).unwrap();
        path
    }

    fn read(path: &Path, pipes: Pipes) -> io::Result<String> {
        let mut text = String::new();
        InputFile::open(path, pipes)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn regular_files_are_read_and_others_refused_by_what_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        std::os::unix::fs::symlink("file", at("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        let pipe = fifo(directory.path());
        for name in ["file", "link"] {
            assert_eq!(read(&at(name), Pipes::Refused).unwrap(), "text");
            assert!(open_regular(&at(name)).is_ok());
        }
        assert_eq!(read(Path::new("/dev/null"), Pipes::Refused).unwrap(), "");
        for (path, what) in [
            (pipe.as_path(), "expected a regular file, found a fifo (named pipe)"),
            (&at("socket"), "expected a regular file, found a socket"),
            (directory.path(), "expected a regular file, found a directory"),
            (
                Path::new("/dev/zero"),
                "expected a regular file, found a character device",
            ),
        ] {
            for error in [read(path, Pipes::Refused).unwrap_err(), open_regular(path).unwrap_err()] {
                assert_eq!(error.to_string(), what);
                assert!(is_irregular(&error));
            }
        }
        let absent = open_regular(&at("absent")).unwrap_err();
        assert!(absent.kind() == io::ErrorKind::NotFound && !is_irregular(&absent));
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "text").unwrap();
        assert_eq!(read_input(&path, Pipes::Refused, 4).unwrap(), b"text");
        let error = read_input(&path, Pipes::Refused, 3).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(error.to_string(), "it has more than 3 bytes");
    }

    #[test]
    fn a_pipe_is_read_to_the_end_of_its_writer() {
        let directory = tempfile::tempdir().unwrap();
        let path = fifo(directory.path());
        let writer = path.clone();
        let thread = thread::spawn(move || {
            let mut pipe = File::options().write(true).open(writer).unwrap();
            pipe.write_all(b"one, ").unwrap();
            thread::sleep(Duration::from_millis(50));
            pipe.write_all(b"two").unwrap();
        });
        assert_eq!(read(&path, Pipes::Read).unwrap(), "one, two");
        thread.join().unwrap();
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let mut input = InputFile::open(&fifo(directory.path()), Pipes::Read).unwrap();
        let error = input.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
