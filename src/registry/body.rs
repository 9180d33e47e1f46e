//! Bodies: of replies, read within bounds and never waited for without end; of uploads, verified before their last bytes
//! leave.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::time::Instant;
use tokio_util::io::ReaderStream;

use super::transport::Reply;
use crate::model::{Descriptor, Digest};
use crate::store::{Side, StoreError, VerifiedReader};

/// Bytes of an upload that are handed on at a time: large enough to cost few calls, small beside a connection's window.
pub(super) const PIECE_BYTES: usize = 64 * 1024;

/// Why a small body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It has more bytes than the limit.
    TooLarge,
    /// It broke off.
    Broken(io::Error),
}

/// Reads a body into memory. It grows by what arrives and not by what a header says.
pub(super) async fn read_small(mut reply: Reply, limit_bytes: u64) -> Result<Bytes, Unread> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = reply.piece().await.map_err(Unread::Broken)? {
        if (bytes.len() + piece.len()) as u64 > limit_bytes {
            return Err(Unread::TooLarge);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// How far an upload is, and the error of what it is read from.
pub(super) struct Progress(Mutex<State>);

struct State {
    phase: Phase,
    since: Instant,
    failure: Option<StoreError>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The network has to take the next piece.
    Sending,
    /// The source has to give the next piece; it has limits of its own.
    Reading,
    /// All was handed over; the registry has to answer.
    Sent,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { phase: Phase::Sending, since: Instant::now(), failure: None }))
    }

    /// When to give up, and after how long a silence that is.
    pub(super) fn deadline(&self, idle: Duration, reply: Duration) -> (Instant, Duration) {
        let state = self.state();
        match state.phase {
            Phase::Sending => (state.since + idle, idle),
            Phase::Reading => (Instant::now() + idle, idle),
            Phase::Sent => (state.since + reply, reply),
        }
    }

    /// Takes the error of the source, where there was one: it explains whatever HTTP says.
    pub(super) fn take_failure(&self) -> Option<StoreError> {
        self.state().failure.take()
    }

    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.state();
        if state.phase != phase || phase == Phase::Sending {
            (state.phase, state.since) = (phase, Instant::now());
        }
    }

    /// A poisoned lock holds no half-made change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of an upload. The last piece is held back until the reader has said that all is verified, since HTTP does
/// not look for an end after the last byte.
pub(super) struct UploadBody {
    pieces: ReaderStream<VerifiedReader>,
    held: Option<Bytes>,
    is_read: bool,
    progress: Arc<Progress>,
    digest: Digest,
    place: String,
    side: Side,
}

impl UploadBody {
    pub(super) fn new(
        reader: VerifiedReader,
        descriptor: &Descriptor,
        place: String,
        side: Side,
    ) -> (Self, Arc<Progress>) {
        let progress = Arc::new(Progress::new());
        let body = Self {
            pieces: ReaderStream::with_capacity(reader, PIECE_BYTES),
            held: None,
            is_read: false,
            progress: Arc::clone(&progress),
            digest: descriptor.digest,
            place,
            side,
        };
        (body, progress)
    }

    fn fail(&mut self, cause: io::Error) -> io::Error {
        (self.held, self.is_read) = (None, true);
        let failure = StoreError::from_reader(cause).unwrap_or_else(|cause| StoreError::Read {
            digest: self.digest,
            place: self.place.clone(),
            side: self.side,
            cause,
        });
        self.progress.state().failure = Some(failure.of_source());
        io::Error::other("the source failed")
    }
}

impl Stream for UploadBody {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while !this.is_read {
            this.progress.enter(Phase::Reading);
            match ready!(Pin::new(&mut this.pieces).poll_next(context)) {
                Some(Ok(piece)) => {
                    if let Some(before) = this.held.replace(piece) {
                        this.progress.enter(Phase::Sending);
                        return Poll::Ready(Some(Ok(before)));
                    }
                }
                Some(Err(cause)) => return Poll::Ready(Some(Err(this.fail(cause)))),
                None => this.is_read = true,
            }
        }
        this.progress.enter(Phase::Sent);
        Poll::Ready(this.held.take().map(Ok))
    }
}
