//! The input of a tar reader: a stream, or a file, in which contents are skipped without reading them.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

/// A reader that can skip bytes.
pub trait Input: Read {
    /// Skips `count` bytes, and returns how many were skipped: fewer only at the end.
    ///
    /// # Errors
    /// Those of reading.
    fn skip(&mut self, count: u64) -> io::Result<u64>;
}

/// Wraps any reader; skips bytes by reading them.
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

/// Reads a file from its start, without moving the file's own position.
#[derive(Debug)]
pub struct FileInput<'a> {
    file: &'a File,
    offset: u64,
    size_bytes: u64,
}

impl<'a> FileInput<'a> {
    /// Wraps the file, with its current size.
    ///
    /// # Errors
    /// Those of the system for the query of the size.
    pub fn new(file: &'a File) -> io::Result<Self> {
        Ok(Self {
            file,
            offset: 0,
            size_bytes: file.metadata()?.len(),
        })
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
