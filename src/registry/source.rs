//! Reading of images (distribution-spec, "Pull").

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::RegistryRepository;
use super::client::{Destination, Request};
use super::pull::{Fetched, Small};
use super::retry::RequestError;
use super::scope::Scopes;
use super::transport::{Connection, Payload, Reply};
use crate::model::{Descriptor, Digest, MAX_MANIFEST_BYTES, MediaType, Repository, Root, Selector, Tag};
use crate::store::{BlobReader, Side, Source, StoreError};

/// Accepted media types. Schema 1 is last; it is accepted only to name it in the error.
pub(super) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.1";

/// Digest of a manifest, as the registry computes it.
pub(super) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Media types that servers use for unknown content.
const GENERIC_TYPES: [&str; 4] = [
    "text/plain",
    "application/octet-stream",
    "binary/octet-stream",
    "application/json",
];

/// The action, for messages.
pub(super) const READING_MANIFEST: &str = "pulling a manifest";
pub(super) const READING_BLOB: &str = "pulling a blob";

#[async_trait]
impl Source for RegistryRepository {
    fn describe(&self) -> String {
        self.repository.to_string()
    }

    fn side(&self) -> Side {
        Side::Remote
    }

    /// [`Selector::Only`] is the tag `latest`, as in references.
    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        let reference = match selector {
            Selector::Digest(digest) => digest.to_string(),
            Selector::Tag(tag) => tag.parse::<Tag>()?.to_string(),
            Selector::Only => "latest".to_owned(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        let to = Destination::Path(format!("{}/manifests/{reference}", self.repository.path()));
        let small = Small {
            action: READING_MANIFEST,
            to,
            headers,
            limit_bytes: MAX_MANIFEST_BYTES,
        };
        let (headers, bytes) = match self.fetch(small).await? {
            Fetched::Whole { headers, bytes } => (headers, bytes),
            Fetched::Refused(reply) => {
                let what = Some(selector.to_string());
                return Err(self.failure(reply, &Method::GET, READING_MANIFEST, what).await);
            }
        };
        self.check_digest(selector, &headers, &bytes)?;
        let declared = declared_type(&headers);
        let place = self.describe();
        let side = self.side();
        Root::parse(declared.as_ref(), bytes).map_err(|cause| StoreError::Document { place, side, cause })
    }

    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        self.pull(descriptor).await
    }

    fn origin(&self, _descriptor: &Descriptor) -> Option<Repository> {
        Some(self.repository.clone())
    }
}

impl RegistryRepository {
    /// Sends a request without a body, with the accepted media types.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: String,
        action: &'static str,
        scopes: Scopes,
    ) -> Result<Reply, RequestError> {
        let mut headers = HeaderMap::new();
        if path.starts_with("manifests/") {
            headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        }
        let to = Destination::Path(format!("{}/{path}", self.repository.path()));
        let payload = Payload::Empty;
        let connection = Connection::Shared;
        self.send(Request {
            action,
            method,
            to,
            headers,
            payload,
            scopes,
            connection,
        })
        .await
    }

    /// Checks the digest. For a digest, the bytes must match it. For a tag, they are compared with the registry's
    /// header, and a mismatch is only logged: many registries send a wrong header.
    fn check_digest(&self, selector: &Selector, headers: &HeaderMap, bytes: &Bytes) -> Result<(), StoreError> {
        let actual = Digest::of(bytes);
        if let Selector::Digest(expected) = selector {
            if *expected == actual {
                return Ok(());
            }
            return Err(StoreError::Damaged {
                digest: *expected,
                place: self.describe(),
                expected: expected.to_string(),
                actual: actual.to_string(),
                side: self.side(),
            });
        }
        if declared_digest(headers).is_some_and(|declared| declared != actual) {
            tracing::warn!(place = self.describe(), %actual, "the registry reports another digest than the manifest has");
        }
        Ok(())
    }
}

/// Returns `true` if the descriptor's content is stored as a manifest.
pub(super) fn is_manifest(descriptor: &Descriptor) -> bool {
    descriptor.media_type.is_manifest() || descriptor.media_type.is_index()
}

/// Returns the registry's digest, or `None` if it sends none or one of an unknown algorithm.
pub(super) fn declared_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get(DOCKER_CONTENT_DIGEST)?.to_str().ok()?.trim().parse().ok()
}

pub(super) fn declared_type(headers: &HeaderMap) -> Option<MediaType> {
    let media_type = MediaType::from(headers.get(CONTENT_TYPE)?.to_str().ok()?);
    let is_known = !media_type.as_str().is_empty() && !GENERIC_TYPES.contains(&media_type.as_str());
    is_known.then_some(media_type)
}
