//! A part of a file, as a synchronous and as an asynchronous reader. Neither moves the file's own position, so that any
//! number of them can read one file at the same time.

use std::fs::File;
use std::future::Future as _;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::JoinHandle;

/// Size of the read buffer, in bytes. It limits the memory of each open blob.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Bytes of a file, from `offset` on.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) file: Arc<File>,
    pub(super) offset: u64,
    pub(super) size_bytes: u64,
}

impl Section {
    /// Skips the first `count` bytes of the section.
    fn advance(&mut self, count: usize) {
        self.offset += count as u64;
        self.size_bytes -= count as u64;
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.size_bytes).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.advance(count);
        Ok(count)
    }
}

/// Result of a read: the rest of the section, the buffer, and the I/O result.
type Done = (Section, Vec<u8>, io::Result<()>);

/// Reads a section on blocking threads, a buffer at a time.
pub(super) struct SectionReader {
    /// The unread part; `None` during a read.
    section: Option<Section>,
    buffer: Vec<u8>,
    /// Bytes of the buffer that were returned already.
    taken: usize,
    pending: Option<JoinHandle<Done>>,
}

impl SectionReader {
    pub(super) fn new(section: Section) -> Self {
        Self {
            section: Some(section),
            buffer: Vec::new(),
            taken: 0,
            pending: None,
        }
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(mut section) = self.section.take() {
            let mut buffer = std::mem::take(&mut self.buffer);
            self.taken = 0;
            self.pending = Some(tokio::task::spawn_blocking(move || {
                let size_bytes = section.size_bytes.min(READ_BUFFER_BYTES as u64) as usize;
                buffer.resize(size_bytes, 0);
                let outcome = section.read(&mut buffer).map(|count| buffer.truncate(count));
                (section, buffer, outcome)
            }));
        }
        let Some(pending) = &mut self.pending else {
            return Poll::Ready(Err(io::Error::other("the archive was read again after a failed read")));
        };
        let done = ready!(Pin::new(pending).poll(context));
        self.pending = None;
        let (section, buffer, outcome) = done.map_err(io::Error::other)?;
        outcome?;
        (self.section, self.buffer) = (Some(section), buffer);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for SectionReader {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, target: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.taken == this.buffer.len() {
            ready!(this.poll_fill(context))?;
        }
        let count = target.remaining().min(this.buffer.len() - this.taken);
        target.put_slice(&this.buffer[this.taken..this.taken + count]);
        this.taken += count;
        Poll::Ready(Ok(()))
    }
}
