//! One upload session of a registry: its location and offset, and the requests that start, query and cancel it
//! (distribution-spec, "Pushing blobs").
//!
//! A location is used for one request only: the reply names the next. On distribution 2.8, querying the offset destroys
//! a session whose last reply was lost. So it is queried once after a failure and never otherwise.

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, LOCATION, RANGE};
use reqwest::{Method, StatusCode};
use url::Url;

use super::mode::UploadMode;
use crate::model::Digest;
use crate::registry::RegistryRepository;
use crate::registry::client::{Destination, Request};
use crate::registry::origin::{query_value, upload_location};
use crate::registry::redact;
use crate::registry::retry::Backoff;
use crate::registry::transport::{Payload, Reply};
use crate::store::StoreError;

/// The smallest chunk that a registry accepts (distribution-spec, "Pushing a blob in chunks").
const CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// The action, for messages.
const STARTING: &str = "starting an upload";
const ASKING: &str = "querying an upload";
const ABORTING: &str = "canceling an upload";

/// A session and its offset.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) location: Url,
    pub(super) mode: UploadMode,
    /// Bytes that the registry has confirmed. The next request begins there.
    pub(super) offset: u64,
    /// Offset up to which bytes were passed to requests of this session. The registry cannot have more.
    pub(super) sent: u64,
    /// A request was sent that would have stored the blob.
    pub(super) was_closed: bool,
    /// Smallest chunk in bytes, if the registry requires one.
    pub(super) chunk_min_bytes: Option<u64>,
}

impl Session {
    /// Returns a session without content.
    pub(super) fn new(location: Url, mode: UploadMode) -> Self {
        Self {
            location,
            mode,
            offset: 0,
            sent: 0,
            was_closed: false,
            chunk_min_bytes: None,
        }
    }

    /// Returns the address that stores the blob. The location's own query is kept.
    pub(super) fn closing_address(&self, digest: Digest) -> Url {
        let mut address = self.location.clone();
        let digest = format!("digest={}", query_value(&digest.to_string()));
        let query = match address.query().filter(|query| !query.is_empty()) {
            Some(query) => format!("{query}&{digest}"),
            None => digest,
        };
        address.set_query(Some(&query));
        address
    }
}

impl RegistryRepository {
    /// Starts a session, with the remaining tries of the upload.
    pub(super) async fn start_session(&self, mode: UploadMode, backoff: &mut Backoff) -> Result<Session, StoreError> {
        let mut request = self.request(STARTING, Method::POST, "blobs/uploads/", self.push_scopes());
        request.payload = Payload::Bytes(Bytes::new());
        let reply = self.send_within(backoff, request).await?;
        if reply.status() != StatusCode::ACCEPTED {
            let what = Some("the repository".to_owned());
            return Err(self.failure(reply, what).await);
        }
        let location = self.location(&reply)?;
        let chunk_min_bytes = text(reply.headers(), &CHUNK_MIN_LENGTH).and_then(|text| text.trim().parse().ok());
        Ok(Session {
            chunk_min_bytes,
            ..Session::new(location, mode)
        })
    }

    /// Queries a session's offset, with the remaining tries of the upload. Returns `None` if the registry has lost the
    /// session or reports an impossible offset; the session must not be used again.
    pub(super) async fn resume_session(
        &self,
        session: &Session,
        backoff: &mut Backoff,
    ) -> Result<Option<Session>, StoreError> {
        let to = Destination::Address(session.location.clone());
        let request = Request::new(ASKING, Method::GET, to, self.push_scopes());
        let reply = self.send_within(backoff, request).await?;
        let range = text(reply.headers(), &RANGE);
        let Some(offset) = range
            .filter(|_| reports_offset(reply.status()))
            .and_then(|range| held_bytes(&range))
        else {
            return Ok(None);
        };
        if !(session.offset..=session.sent).contains(&offset) {
            return Ok(None);
        }
        let Ok(Some(location)) = self.next_location(&reply, ASKING) else {
            return Ok(None);
        };
        Ok(Some(Session {
            offset,
            sent: offset,
            chunk_min_bytes: session.chunk_min_bytes,
            ..Session::new(location, session.mode)
        }))
    }

    /// Cancels a session. The registry's reply is ignored.
    pub(super) async fn abort_session(&self, location: Url) {
        let to = Destination::Address(location);
        let request = Request::new(ABORTING, Method::DELETE, to, self.push_scopes());
        if let Err(request_error) = self.send_once(request).await {
            tracing::debug!(error = %request_error.error, "the upload session was not canceled");
        }
    }

    /// Returns a session's location, from the reply that opened it.
    pub(in crate::registry) fn location(&self, reply: &Reply) -> Result<Url, StoreError> {
        let location = self.next_location(reply, STARTING)?;
        location.ok_or_else(|| self.protocol_error(STARTING, "the reply has no Location"))
    }

    /// Returns the session's next location from `reply`, or `None` if it names none.
    pub(super) fn next_location(&self, reply: &Reply, action: &'static str) -> Result<Option<Url>, StoreError> {
        let Some(location) = text(reply.headers(), &LOCATION) else {
            return Ok(None);
        };
        let base = self.base()?;
        let used = upload_location(&base, reply.url(), &location);
        used.map(Some).map_err(|reason| {
            let shown = match reply.url().join(&location) {
                Ok(url) => redact::address(&url),
                Err(_) => redact::text(&location),
            };
            self.protocol_error(action, format!("its Location {shown} is not allowed: {reason}"))
        })
    }
}

/// Returns `true` for a status that reports an offset: 204 by the standard; some registries send 200 or 202 with the
/// same headers.
fn reports_offset(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::ACCEPTED)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Returns the bytes that a session has by its `Range`, `0-LAST`. `0-0` is sent for one byte and for none, and `0--1`
/// for none: neither is worth resuming.
pub(in crate::registry) fn held_bytes(range: &str) -> Option<u64> {
    let range = range.trim();
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    let last = range.strip_prefix("0-")?;
    if !last.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let last: u64 = last.parse().ok()?;
    last.checked_add(1).filter(|_| last > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_tell_something() {
        for (range, expected) in [
            ("0-1", Some(2)),
            ("bytes=0-1048575", Some(1_048_576)),
            (" 0-7 ", Some(8)),
            ("0-0", None),
            ("0--1", None),
            ("0-+5", None),
            ("0-", None),
            ("", None),
            ("1-5", None),
            ("00-5", None),
            ("5", None),
            ("0-18446744073709551614", Some(u64::MAX)),
            ("0-18446744073709551615", None),
            ("0-99999999999999999999999", None),
            ("0-5,7-9", None),
            ("0-5/10", None),
        ] {
            assert_eq!(held_bytes(range), expected, "{range:?}");
        }
    }

    #[test]
    fn the_query_of_a_location_is_kept_as_it_is() {
        let digest = Digest::of(b"x");
        let shown = format!("digest={}", digest.to_string().replace(':', "%3A"));
        for (location, expected) in [
            ("https://r.example/up", format!("https://r.example/up?{shown}")),
            ("https://r.example/up?", format!("https://r.example/up?{shown}")),
            (
                "https://r.example/up?_state=a%2Bb%3D&x",
                format!("https://r.example/up?_state=a%2Bb%3D&x&{shown}"),
            ),
        ] {
            let session = Session::new(location.parse().unwrap(), UploadMode::Whole);
            assert_eq!(session.closing_address(digest).as_str(), expected);
        }
    }
}
