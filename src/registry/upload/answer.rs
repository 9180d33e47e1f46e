//! Replies to an upload's requests: what is stored, what is transient, what is refused.

use reqwest::{Method, StatusCode};

use super::mode::UploadMode;
use crate::registry::request_error::RequestError;
use crate::registry::retry::is_temporary;
use crate::store::StoreError;

/// A request of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// PUT of the whole blob.
    Whole,
    /// PATCH of the whole blob, without a range.
    Streamed,
    /// PATCH of the rest after a resume, with its range.
    Rest,
    /// PATCH of a chunk, with its range.
    Chunk,
    /// PUT of the last chunk, with its range.
    LastChunk,
    /// PUT without content.
    Close,
}

impl Step {
    pub(super) fn method(self) -> Method {
        if self.closes() { Method::PUT } else { Method::PATCH }
    }

    /// Returns `true` if the request stores the blob.
    pub(super) fn closes(self) -> bool {
        matches!(self, Self::Whole | Self::LastChunk | Self::Close)
    }

    pub(super) fn is_ranged(self) -> bool {
        matches!(self, Self::Rest | Self::Chunk | Self::LastChunk)
    }

    pub(super) fn is_chunk(self) -> bool {
        matches!(self, Self::Chunk | Self::LastChunk)
    }

    /// Returns the upload mode that a registry does not support if it refuses the request; `None` for a resume.
    pub(super) fn mode(self) -> Option<UploadMode> {
        match self {
            Self::Whole => Some(UploadMode::Whole),
            Self::Streamed => Some(UploadMode::Streamed),
            Self::Chunk | Self::LastChunk => Some(UploadMode::Chunks),
            Self::Rest | Self::Close => None,
        }
    }
}

/// A failed request of an upload.
pub(super) struct UploadError {
    pub(super) verdict: Verdict,
    pub(super) request_error: RequestError,
}

impl From<StoreError> for UploadError {
    /// Converts an error that ends the upload, such as one of the source.
    fn from(error: StoreError) -> Self {
        Self {
            verdict: Verdict::Final,
            request_error: error.into(),
        }
    }
}

/// The meaning of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No reply, or a transient one. `is_loss` if the connection, or a proxy, failed to transfer the body.
    Interrupted { is_loss: bool },
    /// 401: the token expired in transit, and was renewed.
    TokenEnded,
    /// The registry does not support such a request.
    Refused { step: Step, status: StatusCode },
    /// The registry has other content than it was sent, or lost it: another session is tried once.
    Doubtful,
    /// A permanent refusal.
    Final,
}

/// Returns the meaning of `status` as the reply to `step`, after `offset` bytes were confirmed in the session.
pub(super) fn verdict(status: StatusCode, step: Step, offset: u64) -> Verdict {
    let refuses = status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED;
    match status.as_u16() {
        401 => Verdict::TokenEnded,
        // Overload and rate limits do not depend on how the body is sent.
        429 | 503 => Verdict::Interrupted { is_loss: false },
        _ if is_temporary(status) => Verdict::Interrupted { is_loss: true },
        // The session accepted chunks and is gone: some servers behind one address do not share sessions.
        404 if step.is_chunk() && offset > 0 => Verdict::Doubtful,
        400 | 404 | 416 if step == Step::Close => Verdict::Doubtful,
        400 if step.closes() => Verdict::Doubtful,
        404 | 405 | 411 | 413 | 415 | 416 | 501 if step != Step::Close => Verdict::Refused { step, status },
        _ if refuses && !step.closes() => Verdict::Refused { step, status },
        _ => Verdict::Final,
    }
}

/// Returns `true` if a status means success.
pub(super) fn is_done(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::OK | StatusCode::NO_CONTENT
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict_of(status: u16, step: Step, offset: u64) -> Verdict {
        verdict(StatusCode::from_u16(status).unwrap(), step, offset)
    }

    fn refused(status: u16, step: Step) -> Verdict {
        Verdict::Refused {
            step,
            status: StatusCode::from_u16(status).unwrap(),
        }
    }

    #[test]
    fn what_may_pass_is_told_from_what_stays() {
        use Step::{Chunk, Close, LastChunk, Rest, Streamed, Whole};
        for step in [Whole, Streamed, Rest, Chunk, LastChunk, Close] {
            assert_eq!(verdict_of(401, step, 0), Verdict::TokenEnded);
            for status in [408, 499, 500, 502, 504, 522] {
                assert_eq!(
                    verdict_of(status, step, 0),
                    Verdict::Interrupted { is_loss: true },
                    "{status}"
                );
            }
            for status in [429, 503] {
                assert_eq!(
                    verdict_of(status, step, 0),
                    Verdict::Interrupted { is_loss: false },
                    "{status}"
                );
            }
            let expected = if step.closes() {
                Verdict::Final
            } else {
                refused(403, step)
            };
            assert_eq!(verdict_of(403, step, 0), expected, "{step:?}");
            let expected = if step.closes() {
                Verdict::Doubtful
            } else {
                refused(400, step)
            };
            assert_eq!(verdict_of(400, step, 0), expected, "{step:?}");
            assert_eq!(verdict_of(307, step, 0), Verdict::Final, "{step:?}");
            for status in [405, 413, 501] {
                let expected = if step == Close {
                    Verdict::Final
                } else {
                    refused(status, step)
                };
                assert_eq!(verdict_of(status, step, 0), expected, "{status} {step:?}");
            }
        }
    }

    #[test]
    fn a_session_that_is_gone_is_told_from_one_that_never_took_anything() {
        use Step::{Chunk, Close, LastChunk, Rest, Whole};
        for (step, offset, expected) in [
            (Whole, 0, refused(404, Whole)),
            (Chunk, 0, refused(404, Chunk)),
            (LastChunk, 0, refused(404, LastChunk)),
            (Rest, 7, refused(404, Rest)),
            (Chunk, 7, Verdict::Doubtful),
            (LastChunk, 7, Verdict::Doubtful),
            (Close, 7, Verdict::Doubtful),
        ] {
            assert_eq!(verdict_of(404, step, offset), expected, "{step:?} {offset}");
        }
    }
}
