//! Writing of images (distribution-spec, "Push").

use std::collections::{BTreeMap, BTreeSet};
use std::sync::MutexGuard;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use url::Url;

use super::RegistryRepository;
use super::manifests::{ACCEPTED, declared_digest, is_manifest};
use super::origin::{canonical, query_value};
use super::reply;
use super::request_error::RequestError;
use super::scope::Scopes;
use super::transport::{Payload, Reply};
use crate::model::{Descriptor, Digest, MediaType, Repository, Root, Tag, locked};
use crate::store::{Ensured, ErrorCode, Source, StoreError, read_root};

/// Limit on blobs that are checked, mounted or uploaded concurrently. Checks and mounts wait only for network latency;
/// the limit on uploads is lower ([`super::repository::CONCURRENT_UPLOADS`]).
pub(super) const CONCURRENT_BLOBS: usize = 16;

/// Limit on tags that are checked concurrently.
const TAGS_ASKED_AT_ONCE: usize = 8;

/// Tag to check if no tag is to be written. It need not exist.
const ANY_TAG: &str = "latest";

/// The action, for messages.
const LOOKING: &str = "checking for content";
const WRITING_MANIFEST: &str = "pushing a manifest";
const MOUNTING: &str = "mounting a blob";

/// What the repository does as a [`crate::store::Sink`].
impl RegistryRepository {
    /// Sends a HEAD for a tag, with a token for pushing. A token service rejects an unknown account, a registry without
    /// tokens rejects unknown users, and a token may say that it does not allow pushing. It does not matter which of
    /// the tags exist.
    pub(super) async fn check_access(&self, tags: &[Tag]) -> Result<(), StoreError> {
        let reference = tags.first().map_or_else(|| ANY_TAG.to_owned(), ToString::to_string);
        let named = self.named_by(&reference).await?;
        self.client.keep_named(&self.repository, &reference, named);
        let place = self.repository.to_string();
        if !self
            .client
            .token_forbids_push(self.context(&place), &self.push_scopes())
            .await?
        {
            return Ok(());
        }
        let detail = "the token service returned a token without push permission".to_owned();
        if self.client.has_credentials(&self.repository).await {
            let help = Some("use an account with push permission".to_owned());
            return Err(StoreError::Denied { place, detail, help });
        }
        Err(reply::authentication_required(
            place,
            detail,
            self.repository.registry(),
        ))
    }

    /// Returns `false` if it is not known: the content is sent, and the registry reports what is wrong.
    pub(super) async fn contains(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        let kind = if is_manifest(descriptor) { "manifests" } else { "blobs" };
        let path = format!("{kind}/{}", descriptor.digest);
        let mut reply = self.ask(Method::HEAD, &path).await?;
        if reply.status() == StatusCode::METHOD_NOT_ALLOWED {
            reply = self.ask(Method::GET, &path).await?;
        }
        match reply.status() {
            StatusCode::OK => Ok(is_whole(&reply, descriptor)),
            status if is_no_answer(status) => Err(self.failure(reply, None).await),
            _ => Ok(false),
        }
    }

    pub(super) async fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<(), StoreError> {
        if !is_manifest(descriptor) {
            return self.upload(descriptor, source, None).await;
        }
        let root = read_root(source, descriptor).await.map_err(StoreError::of_source)?;
        self.put_manifest(&descriptor.digest.to_string(), &root).await
    }

    /// In a repository without any of the tags, blobs that can be mounted are mounted without a check: mounting an
    /// existing blob changes nothing. A config is sent there without a check, which would cost as much. Manifests are
    /// checked before the blobs below them, and written when those exist.
    pub(super) async fn ensure(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<Ensured, StoreError> {
        if is_manifest(descriptor) {
            return self.put(descriptor, source).await.map(|()| Ensured::Uploaded);
        }
        let is_new = self.is_new();
        let origin = source
            .origin(descriptor)
            .and_then(|origin| self.client.written_at(&origin, &self.endpoint.host));
        let origin = origin.filter(|origin| self.may_mount(descriptor, origin));
        let mut is_asked_for = false;
        let mut session = None;
        if !(is_new && (origin.is_some() || is_config(descriptor))) {
            if self.contains(descriptor).await? {
                return Ok(Ensured::Existing);
            }
            is_asked_for = true;
        }
        if let Some(origin) = origin {
            match self.mount(descriptor, &origin).await? {
                Mount::Done => return Ok(Ensured::Mounted),
                Mount::Session(location) => session = Some(location),
                Mount::Refused => drop(self.refused_mounts().insert(origin.path().to_owned())),
            }
            if !is_asked_for && self.contains(descriptor).await? {
                return Ok(Ensured::Existing);
            }
        }
        self.upload(descriptor, source, session).await?;
        Ok(Ensured::Uploaded)
    }

    /// Relies on the registry's reply: writing a tag again would change nothing but the time that a registry shows, and
    /// would trigger webhooks.
    pub(super) async fn is_published(&self, root: &Root, tags: &[Tag]) -> Result<bool, StoreError> {
        let references = references(root, tags);
        // A tag that named the image when the build began is published already.
        let ask = |reference: String| async move {
            match self.client.take_named(&self.repository, &reference) {
                Some(named) => Ok(named),
                None => self.named_by(&reference).await,
            }
        };
        let named = stream::iter(references.clone())
            .map(ask)
            .buffered(TAGS_ASKED_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        let digest = root.descriptor().digest;
        let is_published = named.iter().all(|named| *named == Some(digest));
        self.known_tags().extend(references.into_iter().zip(named));
        Ok(is_published)
    }

    pub(super) async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), StoreError> {
        for reference in references(root, tags) {
            let known = self.known_tags().get(&reference).copied();
            let named = match known {
                Some(named) => named,
                None => self.named_by(&reference).await?,
            };
            if named != Some(root.descriptor().digest) {
                self.put_manifest(&reference, root).await?;
            }
        }
        Ok(())
    }
}

/// Result of a mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mount {
    /// The blob exists in the repository.
    Done,
    /// The registry opened an upload instead.
    Session(Url),
    /// The mount failed without an upload.
    Refused,
}

/// Returns the references of a root: its tags, or its digest without tags.
fn references(root: &Root, tags: &[Tag]) -> Vec<String> {
    match tags {
        [] => vec![root.descriptor().digest.to_string()],
        tags => tags.iter().map(ToString::to_string).collect(),
    }
}

fn is_config(descriptor: &Descriptor) -> bool {
    matches!(descriptor.media_type, MediaType::OciConfig | MediaType::DockerConfig)
}

impl RegistryRepository {
    pub(super) fn push_scopes(&self) -> Scopes {
        Scopes::push(self.repository.path())
    }

    /// Returns the digests of the requested tags.
    fn known_tags(&self) -> MutexGuard<'_, BTreeMap<String, Option<Digest>>> {
        locked(&self.write_state.known_tags)
    }

    /// Returns the repositories that mounting has failed from.
    fn refused_mounts(&self) -> MutexGuard<'_, BTreeSet<String>> {
        locked(&self.write_state.refused_mounts)
    }

    /// Returns `true` if the tags were requested and none of them exists.
    fn is_new(&self) -> bool {
        let tags = self.known_tags();
        !tags.is_empty() && tags.values().all(Option::is_none)
    }

    /// Sends a request without a body, with the accepted media types.
    async fn ask(&self, method: Method, path: &str) -> Result<Reply, RequestError> {
        let mut request = self.request(LOOKING, method, path, self.push_scopes());
        if path.starts_with("manifests/") {
            request.headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        }
        self.send(request).await
    }

    /// Returns the digest that a tag or a digest names here, as the registry reports it, or `None` if it does not. An
    /// unexpected status (Artifactory: 403 for a missing tag) is not an error.
    async fn named_by(&self, reference: &str) -> Result<Option<Digest>, StoreError> {
        let reply = self.ask(Method::HEAD, &format!("manifests/{reference}")).await?;
        match reply.status() {
            StatusCode::OK => Ok(declared_digest(reply.headers())),
            status if is_no_answer(status) => Err(self.failure(reply, None).await),
            _ => Ok(None),
        }
    }

    /// Returns `true` if the blob is in the same registry, and mounting from its repository has not failed before.
    fn may_mount(&self, descriptor: &Descriptor, origin: &Repository) -> bool {
        let is_same = canonical(origin.registry()) == canonical(self.repository.registry());
        let is_refused = self.refused_mounts().contains(origin.path());
        is_same && origin.path() != self.repository.path() && !is_manifest(descriptor) && !is_refused
    }

    /// Asks the registry to mount a blob from another of its repositories (distribution-spec, "Mounting a blob").
    /// Unless this returns an error, the blob can still be uploaded.
    pub(super) async fn mount(&self, descriptor: &Descriptor, origin: &Repository) -> Result<Mount, StoreError> {
        let query = format!(
            "mount={}&from={}",
            query_value(&descriptor.digest.to_string()),
            query_value(origin.path())
        );
        let scopes = self.push_scopes().merged(&Scopes::pull(origin.path()));
        let mut request = self.request(MOUNTING, Method::POST, &format!("blobs/uploads/?{query}"), scopes);
        request.payload = Payload::Bytes(Bytes::new());
        let reply = match self.send(request).await {
            // A token service may refuse scopes together that it grants separately.
            Err(request_error) if request_error.is_refused_token() => return Ok(Mount::Refused),
            sent => sent?,
        };
        match reply.status() {
            StatusCode::CREATED => Ok(Mount::Done),
            // An upload whose address is invalid is not used.
            StatusCode::ACCEPTED => Ok(self.location(&reply).map_or(Mount::Refused, Mount::Session)),
            // Harbor replies 401 if the source project does not exist.
            StatusCode::UNAUTHORIZED => Ok(Mount::Refused),
            status if is_no_answer(status) => Err(self.failure(reply, None).await),
            _ => Ok(Mount::Refused),
        }
    }

    async fn put_manifest(&self, reference: &str, root: &Root) -> Result<(), StoreError> {
        let headers = self.put_document(reference, root).await?;
        self.link_subject(root, &headers).await
    }

    /// Puts a manifest or an index, and returns the headers of the reply.
    pub(super) async fn put_document(&self, reference: &str, root: &Root) -> Result<HeaderMap, StoreError> {
        let path = format!("manifests/{reference}");
        let mut request = self.request(WRITING_MANIFEST, Method::PUT, &path, self.push_scopes());
        let content_type = self.content_type(&root.descriptor().media_type)?;
        request.headers.insert(CONTENT_TYPE, content_type);
        request.payload = Payload::Bytes(root.bytes().clone());
        let reply = self.send(request).await?;
        if !matches!(
            reply.status(),
            StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED
        ) {
            let what = Some(format!("the repository, for the manifest {}", root.descriptor().digest));
            let is_incomplete = reply.status().is_client_error();
            let error = self.failure(reply, what).await;
            return Err(if is_incomplete {
                incomplete(error, root.descriptor().digest)
            } else {
                error
            });
        }
        self.check_stored(root.descriptor().digest, reply.headers())?;
        Ok(reply.headers().clone())
    }

    fn check_stored(&self, sent: Digest, headers: &HeaderMap) -> Result<(), StoreError> {
        match declared_digest(headers) {
            Some(stored) if stored != sent => {
                let detail = format!("the registry stored {stored} instead of {sent}");
                Err(self.protocol_error(WRITING_MANIFEST, detail))
            }
            _ => Ok(()),
        }
    }

    fn content_type(&self, media_type: &MediaType) -> Result<HeaderValue, StoreError> {
        HeaderValue::from_str(media_type.as_str())
            .map_err(|_| self.protocol_error(WRITING_MANIFEST, "the media type is not valid in a header"))
    }
}

/// Distinguishes a manifest that was refused for missing content from one that is invalid itself. distribution uses
/// [`ErrorCode::ManifestBlobUnknown`] for children of an index too.
fn incomplete(error: StoreError, manifest: Digest) -> StoreError {
    match error {
        StoreError::Remote {
            place,
            detail,
            code: Some(ErrorCode::ManifestBlobUnknown | ErrorCode::BlobUnknown | ErrorCode::ManifestUnknown),
            ..
        } => StoreError::Incomplete {
            place,
            manifest,
            detail,
        },
        other => other,
    }
}

/// Returns `true` for a status that does not say whether something exists, and that the next request would get too.
fn is_no_answer(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS) || status.is_server_error()
}

/// Returns `false` if the registry reports another size or digest: its content is damaged, and is sent again.
fn is_whole(reply: &Reply, descriptor: &Descriptor) -> bool {
    let headers = reply.headers();
    let size_bytes = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let digest = declared_digest(headers);
    size_bytes.is_none_or(|size_bytes| size_bytes == descriptor.size_bytes)
        && digest.is_none_or(|digest| digest == descriptor.digest)
}
