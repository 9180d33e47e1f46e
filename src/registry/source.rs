//! Reading of images (distribution-spec, "Pull").

use bytes::Bytes;
use reqwest::header::HeaderMap;

use super::RegistryRepository;
use super::manifests::{ACCEPTED, READING_MANIFEST, declared_digest, declared_type};
use super::pull::Fetched;
use crate::model::{Digest, Root, Selector, Tag};
use crate::store::{Side, StoreError};

impl RegistryRepository {
    /// Resolves a name, as [`crate::store::Source::resolve`] does. [`Selector::Only`] is the tag `latest`, as in references.
    pub(super) async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        let reference = match selector {
            Selector::Digest(digest) => digest.to_string(),
            Selector::Tag(tag) => tag.parse::<Tag>()?.to_string(),
            Selector::Only => "latest".to_owned(),
        };
        let (headers, bytes) = match self.fetch(READING_MANIFEST, &reference, ACCEPTED).await? {
            Fetched::Whole { headers, bytes } => (headers, bytes),
            Fetched::Refused(reply) => {
                return Err(self.failure(reply, Some(selector.to_string())).await);
            }
        };
        self.check_digest(selector, &headers, &bytes)?;
        let declared = declared_type(&headers);
        Root::parse(declared.as_ref(), bytes).map_err(|cause| StoreError::Document {
            place: self.repository.to_string(),
            side: Side::Remote,
            cause,
        })
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
                place: self.repository.to_string(),
                expected: expected.to_string(),
                actual: actual.to_string(),
                side: Side::Remote,
            });
        }
        if declared_digest(headers).is_some_and(|declared| declared != actual) {
            tracing::warn!(place = self.repository.to_string(), %actual, "the registry reports another digest than the manifest has");
        }
        Ok(())
    }
}
