//! The content of an upload, as pieces that can be sent again: a verified reader, and a window of its last bytes.
//!
//! The last piece is never returned before the reader has verified size and digest: HTTP does not wait for an end after
//! the last byte, so a registry could otherwise commit damaged content.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::poll_fn as stream_of;
use tokio_util::io::ReaderStream;

use crate::model::{Descriptor, locked};
use crate::registry::body::{PIECE_BYTES, Phase, Progress};
use crate::registry::transport::PayloadStream;
use crate::store::{Source, StoreError, VerifiedReader, open};

/// Bytes that are kept after they were returned. A registry that confirms less than it was sent has usually lost the
/// connection's buffers, which are smaller. Four concurrent uploads keep 16 MiB.
pub(super) const REPLAY_WINDOW_BYTES: u64 = 4 * 1024 * 1024;

/// A blob as it is sent by one request after another.
pub(super) struct ReplayBuffer<'a> {
    source: &'a dyn Source,
    descriptor: &'a Descriptor,
    shared: Arc<Mutex<Shared>>,
}

/// State shared by the buffer and the body of the current request.
#[derive(Default)]
struct Shared {
    /// Counts the bodies: one that HTTP still holds after its request failed takes nothing from the next.
    generation: u64,
    size_bytes: u64,
    /// `None` before it was opened, and after it ended or failed.
    reader: Option<ReaderStream<VerifiedReader>>,
    /// The reader has ended, and the content is verified.
    is_whole: bool,
    /// Read but not to be returned yet: it may be the last piece.
    held: Option<Bytes>,
    /// Pieces that can be returned again, up to `end`, without gaps.
    window: VecDeque<Bytes>,
    window_bytes: u64,
    limit_bytes: u64,
    /// Offset of the end of the window.
    end: u64,
    /// Offset of the next byte to return.
    next: u64,
    failure: Option<StoreError>,
}

impl<'a> ReplayBuffer<'a> {
    /// Returns a buffer at the blob's first byte. The source is opened by [`ReplayBuffer::seek`].
    pub(super) fn new(source: &'a dyn Source, descriptor: &'a Descriptor) -> Self {
        let shared = Shared {
            size_bytes: descriptor.size_bytes,
            limit_bytes: REPLAY_WINDOW_BYTES,
            ..Shared::default()
        };
        Self {
            source,
            descriptor,
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// Keeps this many of the returned bytes, in place of [`REPLAY_WINDOW_BYTES`].
    pub(super) fn keep(&self, limit_bytes: u64) {
        self.shared().limit_bytes = limit_bytes;
    }

    /// Moves to an offset: within the window from memory, or else through the source, which is opened again if the
    /// offset is before the window. Earlier bodies return no more bytes. At the blob's end all of it is verified.
    ///
    /// Errors are the source's.
    pub(super) async fn seek(&self, offset: u64) -> Result<(), StoreError> {
        if self.shared().begin_seek(offset) {
            let reader = open(self.source, self.descriptor)
                .await
                .map_err(StoreError::of_source)?;
            self.shared().begin_reading(reader);
        }
        // Skipped bytes go through the window, which is bounded.
        while poll_fn(|context| self.shared().poll_piece(context, offset))
            .await
            .is_some_and(|piece| piece.is_ok())
        {}
        match self.take_failure() {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    /// Returns the bytes from the current offset to `until`, as the body of one request.
    pub(super) fn body(&self, until: u64) -> PayloadStream {
        let progress = Arc::new(Progress::new());
        let (generation, size_bytes) = {
            let mut shared = self.shared();
            shared.generation += 1;
            (shared.generation, until.saturating_sub(shared.next))
        };
        let body = Body {
            shared: Arc::clone(&self.shared),
            generation,
            until,
            progress: Arc::clone(&progress),
        };
        PayloadStream {
            pieces: Box::pin(body.pieces()),
            size_bytes,
            progress,
        }
    }

    /// Returns the offset of the first byte that was not passed to HTTP. How many of the earlier bytes were sent is
    /// unknown.
    pub(super) fn handed(&self) -> u64 {
        self.shared().next
    }

    /// Takes the error of the source, if it failed: it explains any HTTP error.
    pub(super) fn take_failure(&self) -> Option<StoreError> {
        self.shared().failure.take()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        locked(&self.shared)
    }
}

/// The body of one request.
struct Body {
    shared: Arc<Mutex<Shared>>,
    generation: u64,
    until: u64,
    progress: Arc<Progress>,
}

impl Body {
    fn pieces(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream_of(move |context| {
            let mut shared = locked(&self.shared);
            if shared.generation != self.generation {
                return Poll::Ready(Some(Err(io::Error::other("the request was canceled"))));
            }
            self.progress.enter(Phase::Reading);
            let piece = ready!(shared.poll_piece(context, self.until));
            self.progress.enter(if shared.next < self.until {
                Phase::Sending
            } else {
                Phase::Sent
            });
            Poll::Ready(piece)
        })
    }
}

impl Shared {
    /// Prepares to continue at `offset`. Returns `true` if the source must be opened.
    fn begin_seek(&mut self, offset: u64) -> bool {
        self.generation += 1;
        self.failure = None;
        let can_read_on = self.reader.is_some() || self.is_whole;
        if can_read_on && offset >= self.end - self.window_bytes {
            self.next = offset.min(self.end);
            return false;
        }
        true
    }

    fn begin_reading(&mut self, reader: VerifiedReader) {
        self.reader = Some(ReaderStream::with_capacity(reader, PIECE_BYTES));
        (self.held, self.is_whole) = (None, false);
        self.window.clear();
        (self.window_bytes, self.end, self.next) = (0, 0, 0);
    }

    /// Returns the next piece before `until`, or `None` once all bytes up to there were returned, and verified if it is
    /// the blob's end.
    fn poll_piece(&mut self, context: &mut Context<'_>, until: u64) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            if self.next < self.end && self.next < until {
                return Poll::Ready(Some(Ok(self.hand_out(until))));
            }
            if self.next >= until && (until < self.size_bytes || self.is_whole) {
                return Poll::Ready(None);
            }
            let Some(reader) = &mut self.reader else {
                return Poll::Ready(Some(Err(io::Error::other("the source failed"))));
            };
            match ready!(std::pin::Pin::new(reader).poll_next(context)) {
                Some(Ok(piece)) => {
                    if let Some(before) = self.held.replace(piece) {
                        self.admit(before);
                    }
                }
                Some(Err(cause)) => self.fail(cause),
                None => {
                    (self.reader, self.is_whole) = (None, true);
                    if let Some(last) = self.held.take() {
                        self.admit(last);
                    }
                }
            }
        }
    }

    /// Adds a piece to the window, and drops the oldest pieces that it no longer needs.
    fn admit(&mut self, piece: Bytes) {
        self.end += piece.len() as u64;
        self.window_bytes += piece.len() as u64;
        self.window.push_back(piece);
        while let Some(oldest) = self.window.front().map(|piece| piece.len() as u64)
            && self.window_bytes - oldest >= self.limit_bytes
        {
            self.window.pop_front();
            self.window_bytes -= oldest;
        }
    }

    /// Returns bytes of the window from `next` on, at most up to `until` and to the end of one piece.
    fn hand_out(&mut self, until: u64) -> Bytes {
        let mut ends = self.end;
        // From the back: the next piece is nearly always the one read last.
        for piece in self.window.iter().rev() {
            let begins = ends - piece.len() as u64;
            if self.next >= begins {
                // Both lie within a piece of memory.
                let from = (self.next - begins) as usize;
                let to = (until.min(ends) - begins) as usize;
                self.next = until.min(ends);
                return piece.slice(from..to);
            }
            ends = begins;
        }
        Bytes::new()
    }

    /// Stores the error and ends the content.
    fn fail(&mut self, cause: io::Error) {
        (self.reader, self.held) = (None, None);
        // The verified reader fails with a store error, with digest and place.
        let failure = StoreError::from_reader(cause).unwrap_or_else(|cause| StoreError::Io {
            action: "read",
            path: "the source".to_owned(),
            cause,
        });
        self.failure = Some(failure.of_source());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use futures_util::StreamExt as _;

    use super::*;
    use crate::model::{Diagnostic as _, ErrorKind, MediaType, Root, Selector};
    use crate::store::{BlobReader, Side};

    /// Returns these contents, one for each opening, and the last one from then on.
    struct Changing {
        contents: Vec<Vec<u8>>,
        openings: AtomicUsize,
    }

    impl Changing {
        fn new(contents: impl IntoIterator<Item = Vec<u8>>) -> Self {
            Self {
                contents: contents.into_iter().collect(),
                openings: AtomicUsize::new(0),
            }
        }

        fn openings(&self) -> usize {
            self.openings.load(Ordering::SeqCst)
        }
    }

    #[async_trait]
    impl Source for Changing {
        fn describe(&self) -> String {
            "changing".to_owned()
        }
        fn side(&self) -> Side {
            Side::Local
        }
        async fn resolve(&self, _: &Selector) -> Result<Root, StoreError> {
            unreachable!()
        }
        async fn open_unverified(&self, _: &Descriptor) -> Result<BlobReader, StoreError> {
            let opening = self.openings.fetch_add(1, Ordering::SeqCst);
            let content = self.contents[opening.min(self.contents.len() - 1)].clone();
            Ok(Box::pin(io::Cursor::new(content)))
        }
    }

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|at| (at / 251 + at) as u8).collect()
    }

    fn descriptor(content: &[u8]) -> Descriptor {
        Descriptor::of(MediaType::OciLayer, content)
    }

    async fn read(body: PayloadStream) -> io::Result<Vec<u8>> {
        let mut pieces = body.pieces;
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece?);
        }
        assert_eq!(bytes.len() as u64, body.size_bytes);
        Ok(bytes)
    }

    #[tokio::test]
    async fn all_of_it_and_each_part_are_handed_out() {
        let content = content(1_000_000);
        let source = Changing::new([content.clone()]);
        let descriptor = descriptor(&content);
        let buffer = ReplayBuffer::new(&source, &descriptor);
        buffer.seek(0).await.unwrap();
        assert_eq!(read(buffer.body(1_000_000)).await.unwrap(), content);
        for (from, until) in [
            (0, 1),
            (1, 65_536),
            (65_535, 65_537),
            (700_000, 1_000_000),
            (1_000_000, 1_000_000),
        ] {
            buffer.seek(from).await.unwrap();
            assert_eq!(buffer.handed(), from);
            assert_eq!(
                read(buffer.body(until)).await.unwrap(),
                content[from as usize..until as usize]
            );
            assert_eq!(buffer.handed(), until);
        }
        assert_eq!(source.openings(), 1);
    }

    #[tokio::test]
    async fn what_the_window_lost_is_read_again() {
        let content = content(1_000_000);
        let source = Changing::new([content.clone()]);
        let descriptor = descriptor(&content);
        let buffer = ReplayBuffer::new(&source, &descriptor);
        buffer.keep(200_000);
        buffer.seek(900_000).await.unwrap();
        assert_eq!(source.openings(), 1);
        assert!(buffer.shared().window_bytes < 200_000 + PIECE_BYTES as u64);
        for (from, openings) in [
            (700_001, 1),
            (890_000, 1),
            (500_000, 2),
            (1_000_000, 2),
            (850_000, 2),
            (3, 3),
        ] {
            buffer.seek(from).await.unwrap();
            assert_eq!(source.openings(), openings, "{from}");
            assert_eq!(
                read(buffer.body(1_000_000)).await.unwrap(),
                content[from as usize..],
                "{from}"
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_was_given_up_takes_nothing_from_the_next() {
        let content = content(300_000);
        let source = Changing::new([content.clone()]);
        let descriptor = descriptor(&content);
        let buffer = ReplayBuffer::new(&source, &descriptor);
        buffer.seek(0).await.unwrap();
        let mut first = buffer.body(300_000);
        first.pieces.next().await.unwrap().unwrap();
        let at = buffer.handed();
        assert!(at > 0 && at < 300_000);
        buffer.seek(10).await.unwrap();
        assert!(first.pieces.next().await.unwrap().is_err());
        let second = buffer.body(300_000);
        assert!(first.pieces.next().await.unwrap().is_err());
        assert_eq!(read(second).await.unwrap(), content[10..]);
    }

    #[tokio::test]
    async fn the_end_is_held_back_until_all_is_verified() {
        let content = content(200_000);
        let descriptor = descriptor(&content);
        let mut damaged = content.clone();
        damaged[0] ^= 1;
        for bad in [
            damaged,
            content[..199_999].to_vec(),
            [content.clone(), vec![0]].concat(),
        ] {
            let source = Changing::new([bad]);
            let buffer = ReplayBuffer::new(&source, &descriptor);
            buffer.seek(0).await.unwrap();
            assert!(read(buffer.body(200_000)).await.is_err());
            assert!(buffer.handed() < 200_000, "{}", buffer.handed());
            let failure = buffer.take_failure().unwrap();
            assert!(
                failure.is_source() && failure.error_kind() == ErrorKind::Input,
                "{failure}"
            );
            assert!(buffer.take_failure().is_none());
        }
    }

    #[tokio::test]
    async fn a_source_that_changes_between_two_openings_is_found_out() {
        let content = content(200_000);
        let descriptor = descriptor(&content);
        let mut changed = content.clone();
        changed[5] ^= 1;
        for second in [changed, content[..100].to_vec(), Vec::new()] {
            let source = Changing::new([content.clone(), second]);
            let buffer = ReplayBuffer::new(&source, &descriptor);
            buffer.keep(1);
            buffer.seek(0).await.unwrap();
            assert_eq!(read(buffer.body(200_000)).await.unwrap(), content);
            let failure = match buffer.seek(150).await {
                Err(failure) => failure,
                Ok(()) => {
                    assert!(read(buffer.body(200_000)).await.is_err());
                    buffer.take_failure().unwrap()
                }
            };
            assert!(failure.is_source(), "{failure}");
            assert!(buffer.handed() < 200_000);
        }
    }

    #[tokio::test]
    async fn the_end_of_an_empty_blob_is_looked_for() {
        let descriptor = descriptor(b"");
        let empty = Changing::new([Vec::new()]);
        ReplayBuffer::new(&empty, &descriptor).seek(0).await.unwrap();
        let longer = Changing::new([b"x".to_vec()]);
        assert!(
            ReplayBuffer::new(&longer, &descriptor)
                .seek(0)
                .await
                .unwrap_err()
                .is_source()
        );
    }
}
