//! Writing images (distribution-spec, "Push").

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};

use super::RegistryRepository;
use super::client::{Call, Destination};
use super::origin::canonical;
use super::scope::Scopes;
use super::source::{declared_digest, is_manifest};
use super::transport::{Connection, Payload, Reply};
use crate::model::{Descriptor, Digest, MediaType, Repository, Root, Tag};
use crate::store::{Sink, StoreError, read_root};

/// Blobs that are uploaded at the same time: what other clients do, and registries are used to.
pub(super) const CONCURRENT_UPLOADS: usize = 4;

/// What is being done, for messages.
const LOOKING: &str = "looking for content";
const WRITING_MANIFEST: &str = "pushing a manifest";
const MOUNTING: &str = "mounting a blob";

#[async_trait]
impl Sink for RegistryRepository {
    fn describe(&self) -> String {
        self.repository.to_string()
    }

    fn concurrency_limit(&self) -> usize {
        CONCURRENT_UPLOADS
    }

    /// What is not known for sure is not there: it is sent, and the registry then says what is wrong.
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        let kind = if is_manifest(descriptor) { "manifests" } else { "blobs" };
        let path = format!("{kind}/{}", descriptor.digest);
        let mut method = Method::HEAD;
        let mut reply = self.ask(method.clone(), path.clone(), LOOKING, self.push_scopes()).await?;
        if reply.status() == StatusCode::METHOD_NOT_ALLOWED {
            method = Method::GET;
            reply = self.ask(method.clone(), path, LOOKING, self.push_scopes()).await?;
        }
        match reply.status() {
            StatusCode::OK => Ok(is_whole(&reply, descriptor)),
            StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => {
                Err(self.failure(reply, &method, LOOKING, None).await)
            }
            status if status.is_server_error() => Err(self.failure(reply, &method, LOOKING, None).await),
            _ => Ok(false),
        }
    }

    async fn put(&self, descriptor: &Descriptor, source: &dyn crate::store::Source) -> Result<(), StoreError> {
        if !is_manifest(descriptor) {
            return self.upload(descriptor, source).await;
        }
        let root = read_root(source, descriptor).await.map_err(StoreError::of_source)?;
        self.put_manifest(&descriptor.digest.to_string(), &root).await
    }

    /// Only within one registry. Whatever the reply, short of a failure to get one, the blob can still be put.
    async fn mount(&self, descriptor: &Descriptor, origin: &Repository) -> Result<bool, StoreError> {
        if canonical(origin.registry()) != canonical(self.repository.registry()) || is_manifest(descriptor) {
            return Ok(false);
        }
        let query =
            format!("mount={}&from={}", query_value(&descriptor.digest.to_string()), query_value(origin.path()));
        let call = Call {
            action: MOUNTING,
            method: Method::POST,
            to: Destination::Path(format!("{}/blobs/uploads/?{query}", self.repository.path())),
            headers: HeaderMap::new(),
            payload: Payload::Bytes(Bytes::new()),
            scopes: self.push_scopes().merged(&Scopes::pull(origin.path())),
            connection: Connection::Shared,
        };
        let reply = match self.send(call).await {
            // A token service may refuse the scopes together that it grants apart.
            Err(StoreError::Unauthorized { .. } | StoreError::Denied { .. }) => return Ok(false),
            other => other?,
        };
        if reply.status().is_server_error() {
            return Err(self.failure(reply, &Method::POST, MOUNTING, None).await);
        }
        Ok(reply.status() == StatusCode::CREATED)
    }

    async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), StoreError> {
        let by_digest = root.descriptor().digest.to_string();
        let references =
            if tags.is_empty() { vec![by_digest.as_str()] } else { tags.iter().map(Tag::as_str).collect() };
        for reference in references {
            if !self.already_names(reference, root.descriptor()).await? {
                self.put_manifest(reference, root).await?;
            }
        }
        Ok(())
    }
}

impl RegistryRepository {
    pub(super) fn push_scopes(&self) -> Scopes {
        Scopes::push(self.repository.path())
    }

    /// True where a tag or a digest names this manifest already, by the registry's own word: to write it again would
    /// change nothing but the time that a registry shows, and set off whatever waits for a push.
    async fn already_names(&self, reference: &str, root: &Descriptor) -> Result<bool, StoreError> {
        let reply = self.ask(Method::HEAD, format!("manifests/{reference}"), LOOKING, self.push_scopes()).await?;
        Ok(reply.status() == StatusCode::OK && declared_digest(reply.headers()) == Some(root.digest))
    }

    async fn put_manifest(&self, reference: &str, root: &Root) -> Result<(), StoreError> {
        let headers = self.put_document(reference, root).await?;
        self.link_subject(root, &headers).await
    }

    /// Puts a manifest or an index, and gives the headers of the reply.
    pub(super) async fn put_document(&self, reference: &str, root: &Root) -> Result<HeaderMap, StoreError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, self.content_type(&root.descriptor().media_type)?);
        let call = Call {
            action: WRITING_MANIFEST,
            method: Method::PUT,
            to: Destination::Path(format!("{}/manifests/{reference}", self.repository.path())),
            headers,
            payload: Payload::Bytes(root.bytes().clone()),
            scopes: self.push_scopes(),
            connection: Connection::Shared,
        };
        let reply = self.send(call).await?;
        if !matches!(reply.status(), StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED) {
            let what = Some(format!("the repository, for the manifest {}", root.descriptor().digest));
            return Err(self.failure(reply, &Method::PUT, WRITING_MANIFEST, what).await);
        }
        self.check_stored(root.descriptor().digest, reply.headers())?;
        Ok(reply.headers().clone())
    }

    fn check_stored(&self, sent: Digest, headers: &HeaderMap) -> Result<(), StoreError> {
        match declared_digest(headers) {
            Some(stored) if stored != sent => {
                let detail = format!("the registry stored {stored} in place of {sent}");
                Err(self.protocol_error(WRITING_MANIFEST, detail))
            }
            _ => Ok(()),
        }
    }

    fn content_type(&self, media_type: &MediaType) -> Result<HeaderValue, StoreError> {
        HeaderValue::from_str(media_type.as_str())
            .map_err(|_| self.protocol_error(WRITING_MANIFEST, "the media type cannot stand in a header".to_owned()))
    }
}

/// A size or a digest that the registry gives and that is another is damage there: the content is sent again.
fn is_whole(reply: &Reply, descriptor: &Descriptor) -> bool {
    let headers = reply.headers();
    let size_bytes = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let digest = declared_digest(headers);
    size_bytes.is_none_or(|size_bytes| size_bytes == descriptor.size_bytes)
        && digest.is_none_or(|digest| digest == descriptor.digest)
}

/// A value of a query, escaped.
pub(super) fn query_value(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
