//! Bodies: of replies, read within bounds and never waited for without end; of requests, watched while they go out.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout};

use super::transport::Reply;

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

/// Longest time that a small body may take: the largest has 4 MiB, which a line of 14 KiB a second brings in this time. One
/// that comes byte by byte would never be silent, and never end.
const SMALL_BODY_TIMEOUT: Duration = Duration::from_secs(300);

/// Reads a body into memory. It grows by what arrives and not by what a header says.
pub(super) async fn read_small(reply: Reply, limit_bytes: u64) -> Result<Bytes, Unread> {
    timeout(SMALL_BODY_TIMEOUT, read_pieces(reply, limit_bytes)).await.unwrap_or_else(|_| {
        let text = format!("it took more than {} seconds", SMALL_BODY_TIMEOUT.as_secs());
        Err(Unread::Broken(io::Error::new(io::ErrorKind::TimedOut, text)))
    })
}

async fn read_pieces(mut reply: Reply, limit_bytes: u64) -> Result<Bytes, Unread> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = reply.piece().await.map_err(Unread::Broken)? {
        if (bytes.len() + piece.len()) as u64 > limit_bytes {
            return Err(Unread::TooLarge);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

/// Whom a body that goes out waits for.
pub(super) struct Progress(Mutex<State>);

struct State {
    phase: Phase,
    since: Instant,
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
        Self(Mutex::new(State { phase: Phase::Sending, since: Instant::now() }))
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
