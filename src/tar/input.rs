//! What a tar is read from: a stream, or a file, where contents need not be read to be passed over.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

/// A reader that can pass bytes over.
pub trait Input: Read {
    /// Passes over `count` bytes, and says how many there were: fewer only at the end.
    ///
    /// # Errors
    /// Those of reading.
    fn skip(&mut self, count: u64) -> io::Result<u64>;
}

/// Any reader, which is read on where bytes are passed over.
#[derive(Debug)]
pub struct Stream<R>(
    /// The reader.
    pub R,
);

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Input for Stream<R> {
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        io::copy(&mut (&mut self.0).take(count), &mut io::sink())
    }
}

/// A file from its beginning, whose own position is not moved.
#[derive(Debug)]
pub struct FileInput<'a> {
    file: &'a File,
    offset: u64,
    size_bytes: u64,
}

impl<'a> FileInput<'a> {
    /// The file with the size that it has now.
    ///
    /// # Errors
    /// What the system says where it is asked for the size.
    pub fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self { file, offset: 0, size_bytes: file.metadata()?.len() })
    }
}

impl Read for FileInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

impl Input for FileInput<'_> {
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        let skipped = count.min(self.size_bytes.saturating_sub(self.offset));
        self.offset += skipped;
        Ok(skipped)
    }
}
