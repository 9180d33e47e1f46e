//! A tar, written sequentially: to a temporary file that is renamed when it is complete, or to a stream.

use std::io::{self, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::store::StoreError;
use crate::store::local::{TemporaryFile, open_regular};
use crate::store::output::{Access, OutputKind, open_stream, temporary_beside};
use crate::tar::BLOCK_BYTES;

/// The place that an archive is written to.
pub enum Output {
    /// A file. It is replaced atomically when the archive is complete, and not touched if it has these bytes already. A
    /// device or a pipe is written to directly.
    File(PathBuf),
    /// A stream, such as standard output. Written bytes cannot be taken back: after an error its end is missing.
    Stream(Box<dyn Write + Send>),
}

/// Largest size in the size field of a header: eleven octal digits.
const MAX_USTAR_SIZE_BYTES: u64 = 0o777_7777_7777;

/// Mode of files and of directories in an archive.
const FILE_MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;

/// Name of a stream in messages. The command line has one, its standard output.
const STREAM_NAME: &str = "standard output";

/// The writer of one archive. Each member is begun, written, and ended. A member that is not ended is removed by the
/// next call.
pub(super) struct Writer {
    place: String,
    /// The file's name in messages.
    path: PathBuf,
    target: Target,
    /// End offset of the last complete member.
    whole_bytes: u64,
    /// Number of bytes that were written.
    written_bytes: u64,
}

enum Target {
    /// Nothing was opened or written yet.
    Unopened(Output),
    File(TemporaryFile),
    Stream(Box<dyn Write + Send>),
    Finished,
}

impl Writer {
    /// Returns a writer that opens its output with the first member.
    pub(super) fn new(kind: &str, output: Output) -> Self {
        let path = match &output {
            Output::File(path) => path.clone(),
            Output::Stream(_) => PathBuf::from(STREAM_NAME),
        };
        let place = match &output {
            Output::File(path) => format!("{kind}:{}", crate::model::escape_path(path)),
            Output::Stream(_) => STREAM_NAME.to_owned(),
        };
        Self {
            place,
            path,
            target: Target::Unopened(output),
            whole_bytes: 0,
            written_bytes: 0,
        }
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Returns `true` before the first member.
    pub(super) fn is_empty(&self) -> bool {
        self.whole_bytes == 0
    }

    /// Adds a directory.
    pub(super) fn directory(&mut self, name: &str) -> Result<(), StoreError> {
        self.start()?;
        self.write_all(&header(name, b'5', DIRECTORY_MODE, 0))
            .map_err(|cause| self.failed(cause))?;
        self.whole_bytes = self.written_bytes;
        Ok(())
    }

    /// Adds a file from memory.
    pub(super) fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.begin(name, bytes.len() as u64)?;
        self.write_all(bytes).map_err(|cause| self.failed(cause))?;
        self.end()
    }

    /// Begins a file, for which exactly `size_bytes` must be written.
    pub(super) fn begin(&mut self, name: &str, size_bytes: u64) -> Result<(), StoreError> {
        self.start()?;
        let mut head = Vec::new();
        if size_bytes > MAX_USTAR_SIZE_BYTES {
            let record = pax_record("size", &size_bytes.to_string());
            let short = name.rsplit('/').next().unwrap_or(name);
            head.extend_from_slice(&header(
                &format!("PaxHeaders.0/{short}"),
                b'x',
                FILE_MODE,
                record.len() as u64,
            ));
            head.extend_from_slice(&record);
            head.resize(head.len().next_multiple_of(BLOCK_BYTES), 0);
        }
        head.extend_from_slice(&header(name, b'0', FILE_MODE, size_bytes));
        self.write_all(&head).map_err(|cause| self.failed(cause))
    }

    /// Ends a file that was written completely.
    pub(super) fn end(&mut self) -> Result<(), StoreError> {
        let padding = self.written_bytes.next_multiple_of(BLOCK_BYTES as u64) - self.written_bytes;
        self.write_all(&vec![0; padding as usize])
            .map_err(|cause| self.failed(cause))?;
        self.whole_bytes = self.written_bytes;
        Ok(())
    }

    /// Completes the archive, makes it durable, and moves it into place.
    pub(super) fn finish(&mut self) -> Result<(), StoreError> {
        self.start()?;
        self.write_all(&[0; 2 * BLOCK_BYTES])
            .map_err(|cause| self.failed(cause))?;
        self.flush().map_err(|cause| self.failed(cause))?;
        let Target::File(file) = std::mem::replace(&mut self.target, Target::Finished) else {
            return Ok(());
        };
        let existing = open_regular(&self.path, &self.place).ok().flatten();
        if existing.is_some_and(|existing| file.is_same_as(&existing).unwrap_or(false)) {
            return Ok(());
        }
        file.persist(&self.path)
    }

    /// Returns the error for an I/O error of the output.
    pub(super) fn failed(&self, cause: io::Error) -> StoreError {
        StoreError::io("write", &self.path, cause)
    }

    /// Opens the output if it is not open yet, and removes a member that was not ended.
    fn start(&mut self) -> Result<(), StoreError> {
        if matches!(self.target, Target::Unopened(_))
            && let Target::Unopened(output) = std::mem::replace(&mut self.target, Target::Finished)
        {
            self.target = match output {
                Output::Stream(stream) => Target::Stream(stream),
                Output::File(path) => self.open(&path)?,
            };
        }
        if self.written_bytes == self.whole_bytes {
            return Ok(());
        }
        let Target::File(file) = &mut self.target else {
            return Err(self.failed(io::Error::other("an earlier write failed")));
        };
        let mut file = file.as_file();
        let back = file
            .set_len(self.whole_bytes)
            .and_then(|()| file.seek(SeekFrom::Start(self.whole_bytes)));
        back.map_err(|cause| self.failed(cause))?;
        self.written_bytes = self.whole_bytes;
        Ok(())
    }

    /// Opens the output: an existing file is replaced at its real path and links to it are kept; a device or a pipe is
    /// written to.
    fn open(&mut self, path: &Path) -> Result<Target, StoreError> {
        match OutputKind::of(path)? {
            OutputKind::Stream => Ok(Target::Stream(Box::new(open_stream(path)?))),
            OutputKind::Replaced(real) => {
                self.path = real;
                temporary_beside(&self.path, Access::Umask).map(Target::File)
            }
        }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match &mut self.target {
            Target::File(file) => file.write(bytes)?,
            Target::Stream(stream) => stream.write(bytes)?,
            Target::Unopened(_) | Target::Finished => return Err(io::Error::other("the archive is closed")),
        };
        self.written_bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Stream(stream) => stream.flush(),
            Target::File(_) | Target::Unopened(_) | Target::Finished => Ok(()),
        }
    }
}

/// Returns a ustar header with ids 0 and time 0. The names of an archive have at most 100 bytes. A size that does not
/// fit is in the preceding pax header.
fn header(name: &str, kind: u8, mode: u32, size_bytes: u64) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let mut put = |offset: usize, bytes: &[u8]| block[offset..offset + bytes.len()].copy_from_slice(bytes);
    let name = &name.as_bytes()[..name.len().min(100)];
    let size_bytes = if size_bytes > MAX_USTAR_SIZE_BYTES {
        0
    } else {
        size_bytes
    };
    put(0, name);
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, b"0000000\x000000000\0");
    put(124, format!("{size_bytes:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    put(329, b"0000000\x000000000\0");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Returns `LENGTH KEY=VALUE\n`, where the length counts itself.
fn pax_record(key: &str, value: &str) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n").into_bytes()
}
