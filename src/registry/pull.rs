//! Content as one continuous stream over as many connections as it takes (RFC 9110, section 14; distribution-spec,
//! "Pulling blobs"), and small documents, read whole.
//!
//! Nothing is verified here: the caller hashes the whole stream. If a connection ends early, the request goes to the
//! registry again, never to the address that it redirected to: such addresses are signed for minutes.

use std::io;

use bytes::{Buf as _, Bytes};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderValue, RANGE,
};
use reqwest::{Method, StatusCode};

use super::RegistryRepository;
use super::body::silence;
use super::client::Request;
use super::manifests::{ACCEPTED, READING_BLOB, READING_MANIFEST, is_manifest};
use super::origin::origin;
use super::redact;
use super::request_error::RequestError;
use super::retry::Backoff;
use super::scope::Scopes;
use super::small_body::{Unread, read_small};
use super::transport::Reply;
use crate::model::{Descriptor, MAX_MANIFEST_BYTES};
use crate::store::{Side, StoreError};

/// New bytes after which earlier interruptions are forgotten: a connection that carries as much between two of them
/// completes in the end (containers/image uses the same measure).
const PROGRESS_BYTES: u64 = 1024 * 1024;

/// Refusals in a row, without such progress, by storage that a registry redirects to. A new signed address replaces one
/// that has expired; a registry that keeps returning bad ones is given up.
const MAX_STORAGE_REFUSALS: u32 = 3;

/// A blob or manifest in transit.
pub(super) struct Pull {
    repository: RegistryRepository,
    descriptor: Descriptor,
    reply: Option<Reply>,
    /// Bytes that were returned.
    at_bytes: u64,
    /// Bytes of this reply that an earlier reply has already returned.
    skip_bytes: u64,
    /// Bytes that were returned since interruptions were last forgotten.
    fresh_bytes: u64,
    /// `false` if no range is requested: for documents, and after the registry returned another range.
    asks_for_parts: bool,
    storage_refusals: u32,
    backoff: Backoff,
}

impl Pull {
    pub(super) fn new(repository: RegistryRepository, descriptor: Descriptor) -> Self {
        Self {
            reply: None,
            at_bytes: 0,
            skip_bytes: 0,
            fresh_bytes: 0,
            asks_for_parts: !is_manifest(&descriptor),
            storage_refusals: 0,
            backoff: repository.backoff(),
            repository,
            descriptor,
        }
    }

    /// Returns the repository that it is read from.
    pub(super) fn repository(&self) -> &RegistryRepository {
        &self.repository
    }

    /// Returns the same content at another host, from the current offset.
    pub(super) fn moved_to(self, repository: RegistryRepository) -> Self {
        Self {
            at_bytes: self.at_bytes,
            ..Self::new(repository, self.descriptor)
        }
    }

    /// Returns the next bytes, or `None` at the end, once all have arrived, however the connection ends. Bytes over the
    /// size are returned once, for the verifier to detect.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        while self.at_bytes <= self.descriptor.size_bytes {
            let Some(reply) = &mut self.reply else {
                self.connect().await?;
                continue;
            };
            match reply.piece().await {
                Ok(Some(piece)) => {
                    if let Some(piece) = self.take(piece) {
                        return Ok(Some(piece));
                    }
                }
                _ if self.at_bytes == self.descriptor.size_bytes => break,
                end => {
                    self.reply = None;
                    let request_error = self.broken_off(end.err());
                    self.wait(request_error).await?;
                }
            }
        }
        self.reply = None;
        Ok(None)
    }

    /// Returns the new bytes of a piece.
    fn take(&mut self, mut piece: Bytes) -> Option<Bytes> {
        let passed_over = self.skip_bytes.min(piece.len() as u64);
        self.skip_bytes -= passed_over;
        piece.advance(passed_over as usize);
        self.at_bytes += piece.len() as u64;
        self.fresh_bytes += piece.len() as u64;
        (!piece.is_empty()).then_some(piece)
    }

    /// Sends requests until there is a reply to read from.
    pub(super) async fn connect(&mut self) -> Result<(), StoreError> {
        loop {
            match self.request_once().await {
                Ok(reply) => {
                    self.reply = Some(reply);
                    return Ok(());
                }
                Err(request_error) => self.wait(request_error).await?,
            }
        }
    }

    async fn request_once(&mut self) -> Result<Reply, RequestError> {
        let reply = self.repository.send_once(self.request()).await?;
        self.begin(reply).await
    }

    fn request(&self) -> Request {
        let path = format!("{}s/{}", self.kind(), self.descriptor.digest);
        let scopes = Scopes::pull(self.repository.repository.path());
        let mut request = self.repository.request(self.action(), Method::GET, &path, scopes);
        let headers = &mut request.headers;
        // The digest is that of the bytes as they are stored.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if is_manifest(&self.descriptor) {
            headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        }
        if let Some(range) = self.wanted_part().and_then(|part| HeaderValue::try_from(part).ok()) {
            headers.insert(RANGE, range);
        }
        request
    }

    fn wanted_part(&self) -> Option<String> {
        (self.asks_for_parts && self.at_bytes > 0).then(|| format!("bytes={}-", self.at_bytes))
    }

    /// Checks whether a reply has the requested content, and where it begins.
    async fn begin(&mut self, reply: Reply) -> Result<Reply, RequestError> {
        match reply.status() {
            StatusCode::OK => {
                self.check_encoding(&reply)?;
                self.check_length(&reply)?;
                self.skip_bytes = self.at_bytes;
                Ok(reply)
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                self.check_encoding(&reply)?;
                if self.wanted_part().is_some() && self.is_wanted_part(&reply) {
                    self.skip_bytes = 0;
                    return Ok(reply);
                }
                Err(self.wrong_part(&reply))
            }
            _ => Err(self.refused(reply).await),
        }
    }

    fn check_encoding(&self, reply: &Reply) -> Result<(), StoreError> {
        match reply.headers().get(CONTENT_ENCODING) {
            Some(encoding) if !is_identity(encoding) => {
                let encoding = redact::text(&String::from_utf8_lossy(encoding.as_bytes()));
                let digest = self.descriptor.digest;
                let detail = format!("the reply for {digest} has the encoding \"{encoding}\", which was not requested");
                Err(self.repository.protocol_error(self.action(), detail))
            }
            _ => Ok(()),
        }
    }

    /// Rejects a wrong length at once.
    fn check_length(&self, reply: &Reply) -> Result<(), StoreError> {
        let declared = reply
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|length| number(length.to_str().ok()?));
        match declared {
            Some(declared) if declared != self.descriptor.size_bytes => Err(StoreError::Damaged {
                digest: self.descriptor.digest,
                place: self.repository.repository.to_string(),
                expected: format!("{} bytes", self.descriptor.size_bytes),
                actual: format!("{declared} bytes"),
                side: Side::Remote,
            }),
            _ => Ok(()),
        }
    }

    fn is_wanted_part(&self, reply: &Reply) -> bool {
        let mut ranges = reply.headers().get_all(CONTENT_RANGE).iter();
        let (Some(range), None) = (ranges.next(), ranges.next()) else {
            return false;
        };
        let range = range.to_str().ok().and_then(ContentRange::parse);
        reply.status() == StatusCode::PARTIAL_CONTENT
            && range.is_some_and(|range| {
                range.first == self.at_bytes
                    && range.last < self.descriptor.size_bytes
                    && range.total.is_none_or(|total| total == self.descriptor.size_bytes)
            })
    }

    /// Handles a range that was not requested: from now on the whole content is requested, and its known bytes are
    /// skipped.
    fn wrong_part(&mut self, reply: &Reply) -> RequestError {
        let wanted = self.wanted_part();
        let digest = self.descriptor.digest;
        let status = reply.status().as_u16();
        let given = reply.headers().get(CONTENT_RANGE);
        let given = given.map_or("none".to_owned(), |range| {
            redact::text(&String::from_utf8_lossy(range.as_bytes()))
        });
        let asked = wanted.as_deref().unwrap_or("all");
        let detail = format!("expected {asked} of {digest}, found status {status} with the range {given}");
        let error = self.repository.protocol_error(self.action(), detail);
        self.asks_for_parts = false;
        RequestError::new(error, wanted.is_some())
    }

    /// Handles a refusal of a signed address by storage: the registry is asked for another address.
    async fn refused(&mut self, reply: Reply) -> RequestError {
        let base = match self.repository.base() {
            Ok(base) => base,
            Err(error) => return error.into(),
        };
        let is_of_storage = origin(reply.url()) != origin(&base);
        let may_have_expired = matches!(reply.status().as_u16(), 400 | 401 | 403 | 410);
        let what = format!("{} {}", self.kind(), self.descriptor.digest);
        let mut request_error = self.repository.request_error(reply, Some(what)).await;
        if is_of_storage && may_have_expired {
            self.storage_refusals += 1;
            request_error.retry.is_passing = self.storage_refusals <= MAX_STORAGE_REFUSALS;
        }
        request_error
    }

    fn broken_off(&self, cause: Option<io::Error>) -> RequestError {
        let Descriptor { digest, size_bytes, .. } = &self.descriptor;
        let detail = format!("{digest} ended after {} of {size_bytes} bytes", self.at_bytes);
        self.repository.broken_off(self.action(), detail, cause)
    }

    async fn wait(&mut self, request_error: RequestError) -> Result<(), StoreError> {
        if self.fresh_bytes >= PROGRESS_BYTES {
            self.backoff.progressed();
            self.storage_refusals = 0;
            self.fresh_bytes = 0;
        }
        let action = self.action();
        self.repository.wait(&mut self.backoff, action, request_error).await
    }

    fn kind(&self) -> &'static str {
        if is_manifest(&self.descriptor) {
            "manifest"
        } else {
            "blob"
        }
    }

    fn action(&self) -> &'static str {
        if is_manifest(&self.descriptor) {
            READING_MANIFEST
        } else {
            READING_BLOB
        }
    }
}

fn is_identity(encoding: &HeaderValue) -> bool {
    encoding
        .to_str()
        .is_ok_and(|text| text.trim().is_empty() || text.trim().eq_ignore_ascii_case("identity"))
}

/// The reply to a request for a small document.
pub(super) enum Fetched {
    /// Status 200.
    Whole { headers: HeaderMap, bytes: Bytes },
    /// Any other status, with the body unread.
    Refused(Reply),
}

impl RegistryRepository {
    /// Reads a manifest of this repository into memory. An interrupted one is requested again, whole.
    pub(super) async fn fetch(
        &self,
        action: &'static str,
        reference: &str,
        accepted: &'static str,
    ) -> Result<Fetched, StoreError> {
        let mut backoff = self.backoff();
        loop {
            let scopes = Scopes::pull(self.repository.path());
            let mut request = self.request(action, Method::GET, &format!("manifests/{reference}"), scopes);
            request.headers.insert(ACCEPT, HeaderValue::from_static(accepted));
            let reply = self.send_within(&mut backoff, request).await?;
            if reply.status() != StatusCode::OK {
                return Ok(Fetched::Refused(reply));
            }
            let headers = reply.headers().clone();
            match read_small(reply, MAX_MANIFEST_BYTES).await {
                Ok(bytes) => return Ok(Fetched::Whole { headers, bytes }),
                Err(Unread::TooLarge) => {
                    let detail = format!("the reply has more than {MAX_MANIFEST_BYTES} bytes");
                    return Err(self.protocol_error(action, detail));
                }
                Err(Unread::Broken(cause)) => {
                    let request_error = self.broken_off(action, "the reply is incomplete".to_owned(), Some(cause));
                    self.wait(&mut backoff, action, request_error).await?;
                }
            }
        }
    }

    fn broken_off(&self, action: &str, detail: String, cause: Option<io::Error>) -> RequestError {
        let silence = cause.as_ref().and_then(silence).unwrap_or_default();
        let error = StoreError::Remote {
            action: action.to_owned(),
            place: self.repository.to_string(),
            detail,
            code: None,
            help: None,
            cause: cause.map(Into::into),
        };
        let mut request_error = RequestError::new(error, true);
        request_error.retry.silence = silence;
        request_error
    }
}

/// The range of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) total: Option<u64>,
}

impl ContentRange {
    /// Parses `bytes FIRST-LAST/TOTAL`, where the total may be `*` (RFC 9110, section 14.4).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (unit, range) = text.trim().split_once(' ')?;
        let (range, total) = range.trim().split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(number(total)?) };
        let first = number(first)?;
        let last = number(last)?;
        let is_sound = unit.eq_ignore_ascii_case("bytes") && first <= last && total.is_none_or(|total| last < total);
        is_sound.then_some(Self { first, last, total })
    }
}

/// Parses a number of digits only.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_strictly() {
        let range = |first, last, total| Some(ContentRange { first, last, total });
        assert_eq!(ContentRange::parse("bytes 3-6/7"), range(3, 6, Some(7)));
        assert_eq!(ContentRange::parse("Bytes 0-0/*"), range(0, 0, None));
        for bad in [
            "",
            "bytes",
            "bytes 3-6",
            "bytes=3-6/7",
            "3-6/7",
            "items 3-6/7",
            "bytes 6-3/7",
            "bytes 3-7/7",
            "bytes */7",
            "bytes -6/7",
            "bytes +3-6/7",
            "bytes 3-6/-7",
            "bytes 3-6/7, 8-9/10",
            "bytes 3-18446744073709551616/*",
            "bytes 3 - 6/7",
        ] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }
}
