//! The compressed source of a decoder.

use std::io::{self, Read};

use super::algorithm::Algorithm;
use super::error::CompressError;

/// Size of the buffer for compressed input, in bytes.
pub(super) const INPUT_BUFFER_BYTES: usize = 64 * 1024;

/// The compressed source. It remembers how it ended, to distinguish its errors from those of the format.
pub(super) struct Source<'a> {
    reader: Box<dyn Read + Send + 'a>,
    /// The error of the reader. A decoder gets one of the same kind, since it would wrap this one.
    pub(super) failure: Option<io::Error>,
    pub(super) ended: bool,
}

impl<'a> Source<'a> {
    pub(super) fn new(reader: impl Read + Send + 'a) -> Self {
        Self {
            reader: Box::new(reader),
            failure: None,
            ended: false,
        }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buffer) {
                // Retried here: a decoder that is interrupted inside a header would lose its position.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    self.failure = Some(error);
                    return Err(kind.into());
                }
                Ok(length) => {
                    self.ended |= !buffer.is_empty() && length == 0;
                    return Ok(length);
                }
            }
        }
    }
}

/// Returns the error of a damaged stream.
pub(super) fn damaged(algorithm: Algorithm, source: io::Error) -> io::Error {
    CompressError::Damaged { algorithm, source }.into()
}
