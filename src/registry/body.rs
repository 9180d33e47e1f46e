//! The pace of bodies: of replies, whose silences are bounded, and of requests, which are watched while they are sent.

use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use crate::model::locked;

/// Size of the pieces of an upload, in bytes: large enough for few calls, small compared to a connection's window.
pub(super) const PIECE_BYTES: usize = 64 * 1024;

/// Error of a reply's body that timed out: nothing, or almost nothing, arrived for so long.
#[derive(Debug)]
struct Silence {
    waited: Duration,
    bytes: u64,
}

impl fmt::Display for Silence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { waited, bytes } = self;
        match bytes {
            0 => write!(formatter, "the server sent nothing for {} seconds", waited.as_secs()),
            bytes => {
                write!(
                    formatter,
                    "the server sent only {bytes} bytes in {} seconds",
                    waited.as_secs()
                )
            }
        }
    }
}

impl std::error::Error for Silence {}

/// Returns how long a body was waited for, if it failed by a timeout.
pub(super) fn silence(error: &io::Error) -> Option<Duration> {
    error.get_ref()?.downcast_ref::<Silence>().map(|silence| silence.waited)
}

/// Measures the pace of a body. It times out after a silence, and if it arrives too slowly. Time counts only while a
/// piece is awaited, so that a slow reader is not mistaken for a slow registry.
pub(super) struct Pace {
    idle: Duration,
    waited: Duration,
    bytes: u64,
}

/// Fewest bytes that must arrive within twice the idle timeout, which is two minutes: 34 bytes a second. At that pace a
/// blob of a megabyte takes eight hours.
const MIN_PACE_BYTES: u64 = 4 * 1024;

impl Pace {
    pub(super) fn new(idle: Duration) -> Self {
        Self {
            idle,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Waits for the next piece, within the limit.
    pub(super) async fn next<E>(
        &mut self,
        piece: impl Future<Output = Result<Option<Bytes>, E>>,
    ) -> io::Result<Result<Option<Bytes>, E>> {
        let began = Instant::now();
        let Ok(piece) = timeout(self.idle, piece).await else {
            return Err(silent(self.idle, 0));
        };
        self.waited += began.elapsed();
        self.bytes += piece.as_ref().ok().and_then(Option::as_ref).map_or(0, Bytes::len) as u64;
        if self.waited > self.idle * 2 {
            if self.bytes < MIN_PACE_BYTES && matches!(piece, Ok(Some(_))) {
                return Err(silent(self.waited, self.bytes));
            }
            *self = Self::new(self.idle);
        }
        Ok(piece)
    }
}

/// Returns the error of a body that was waited for so long while only so many bytes arrived.
pub(super) fn silent(waited: Duration, bytes: u64) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, Silence { waited, bytes })
}

/// The party that an outgoing body waits for.
pub(super) struct Progress(Mutex<State>);

struct State {
    phase: Phase,
    since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The network has to take the next piece.
    Sending,
    /// The source has to return the next piece; it has its own limits.
    Reading,
    /// The whole body was sent; the registry has to reply.
    Sent,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            phase: Phase::Sending,
            since: Instant::now(),
        }))
    }

    /// Returns when to give up, and the length of that silence.
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

    /// A poisoned lock holds no partial change.
    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.0)
    }
}
