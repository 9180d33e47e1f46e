//! One upload session of a registry: where it goes on, how it is begun, asked and given up (distribution-spec, "Pushing
//! blobs").
//!
//! A location is used for one request and no more: the reply names the next. To ask how far a session is destroys it on
//! distribution 2.8 where the answer to the last request was lost, so that this is done once after a failure and never
//! otherwise.

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderName, LOCATION, RANGE};
use reqwest::{Method, StatusCode};
use url::Url;

use super::manner::Manner;
use crate::model::Digest;
use crate::registry::RegistryRepository;
use crate::registry::client::{Call, Destination};
use crate::registry::origin::upload_location;
use crate::registry::redact;
use crate::registry::retry::Backoff;
use crate::registry::sink::query_value;
use crate::registry::transport::{Connection, Payload, Reply};
use crate::store::StoreError;

/// The least size of a chunk that a registry takes (distribution-spec, "Pushing a blob in chunks").
const CHUNK_MIN_LENGTH: HeaderName = HeaderName::from_static("oci-chunk-min-length");

/// What is being done, for messages.
const STARTING: &str = "starting an upload";
const ASKING: &str = "querying an upload";
const ABORTING: &str = "canceling an upload";

/// A session, and how far it is.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) location: Url,
    pub(super) manner: Manner,
    /// Bytes that the registry has confirmed: where the next request begins.
    pub(super) offset: u64,
    /// Offset up to which bytes were handed to requests of this session. The registry cannot hold more.
    pub(super) sent: u64,
    /// A request was made that would have stored the blob.
    pub(super) was_closed: bool,
    /// Least bytes of a chunk, where the registry says so.
    pub(super) chunk_min_bytes: Option<u64>,
}

impl Session {
    /// A session that holds nothing yet.
    pub(super) fn new(location: Url, manner: Manner) -> Self {
        Self { location, manner, offset: 0, sent: 0, was_closed: false, chunk_min_bytes: None }
    }

    /// The address that stores the blob. The location's own query stays as it is.
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
    /// Begins a session, with the tries that the upload has left.
    pub(super) async fn start_session(&self, manner: Manner, backoff: &mut Backoff) -> Result<Session, StoreError> {
        let call = Call {
            action: STARTING,
            method: Method::POST,
            to: Destination::Path(format!("{}/blobs/uploads/", self.repository.path())),
            headers: HeaderMap::new(),
            payload: Payload::Bytes(Bytes::new()),
            scopes: self.push_scopes(),
            connection: Connection::Shared,
        };
        let reply = self.send_within(backoff, call).await?;
        if reply.status() != StatusCode::ACCEPTED {
            let what = Some("the repository".to_owned());
            return Err(self.failure(reply, &Method::POST, STARTING, what).await);
        }
        let location = self.location(&reply)?;
        let chunk_min_bytes = text(reply.headers(), &CHUNK_MIN_LENGTH).and_then(|text| text.trim().parse().ok());
        Ok(Session { chunk_min_bytes, ..Session::new(location, manner) })
    }

    /// Asks how far a session is, with the tries that the upload has left. `None` where the registry has lost it, or says what cannot be true; then nothing
    /// is known of it, and it is not to be used again.
    pub(super) async fn resume_session(
        &self,
        session: &Session,
        backoff: &mut Backoff,
    ) -> Result<Option<Session>, StoreError> {
        let call = Call {
            action: ASKING,
            method: Method::GET,
            to: Destination::Address(session.location.clone()),
            headers: HeaderMap::new(),
            payload: Payload::Empty,
            scopes: self.push_scopes(),
            connection: Connection::Shared,
        };
        let reply = self.send_within(backoff, call).await?;
        let range = text(reply.headers(), &RANGE);
        let Some(offset) = range.filter(|_| is_told(reply.status())).and_then(|range| held_bytes(&range)) else {
            return Ok(None);
        };
        if !(session.offset..=session.sent).contains(&offset) {
            return Ok(None);
        }
        let Ok(Some(location)) = self.next_location(&reply, ASKING) else { return Ok(None) };
        let (manner, chunk_min_bytes) = (session.manner, session.chunk_min_bytes);
        Ok(Some(Session { offset, sent: offset, chunk_min_bytes, ..Session::new(location, manner) }))
    }

    /// Tells the registry that a session is not needed any more. What it answers does not matter.
    pub(super) async fn abort_session(&self, location: Url) {
        let call = Call {
            action: ABORTING,
            method: Method::DELETE,
            to: Destination::Address(location),
            headers: HeaderMap::new(),
            payload: Payload::Empty,
            scopes: self.push_scopes(),
            connection: Connection::Shared,
        };
        if let Err(interruption) = self.send_once(call).await {
            tracing::debug!(error = %interruption.error, "the upload session was not canceled");
        }
    }

    /// Where a session begins, by the reply that opened it.
    pub(in crate::registry) fn location(&self, reply: &Reply) -> Result<Url, StoreError> {
        let location = self.next_location(reply, STARTING)?;
        location.ok_or_else(|| self.protocol_error(STARTING, "the reply has no Location".to_owned()))
    }

    /// Where the session goes on after `reply`; `None` where that names no place.
    pub(super) fn next_location(&self, reply: &Reply, action: &'static str) -> Result<Option<Url>, StoreError> {
        let Some(location) = text(reply.headers(), &LOCATION) else { return Ok(None) };
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

/// 204 is the standard's; others say 200 or 202 with the same headers.
fn is_told(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::OK | StatusCode::ACCEPTED)
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// The bytes that a session holds by its `Range`, `0-LAST`. `0-0` is said of one byte and of none, and `0--1` of none:
/// neither is worth going on with.
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
            ("https://r.example/up?_state=a%2Bb%3D&x", format!("https://r.example/up?_state=a%2Bb%3D&x&{shown}")),
        ] {
            let session = Session::new(location.parse().unwrap(), Manner::Whole);
            assert_eq!(session.closing_address(digest).as_str(), expected);
        }
    }
}
