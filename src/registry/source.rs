//! Reading of images (distribution-spec, "Pull").

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};

use super::RegistryRepository;
use super::client::{Destination, Request};
use super::manifests::{ACCEPTED, READING_MANIFEST, declared_digest, declared_type};
use super::pull::{Fetched, Small};
use super::request_error::RequestError;
use super::scope::Scopes;
use super::transport::{Connection, Payload, Reply};
use crate::model::{Descriptor, Digest, MAX_MANIFEST_BYTES, Repository, Root, Selector, Tag};
use crate::store::{BlobReader, Side, Source, StoreError};

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
