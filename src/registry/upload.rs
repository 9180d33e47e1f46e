//! One blob up: POST for a session, then one PUT of all bytes. No size of chunks suits all registries, and one PUT suits
//! nearly all (distribution-spec, "POST then PUT").

use std::sync::Arc;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use tokio::io::AsyncReadExt as _;
use url::Url;

use super::RegistryRepository;
use super::body::{Progress, UploadBody};
use super::client::{Call, Destination};
use super::origin::upload_location;
use super::redact;
use super::sink::query_value;
use super::transport::{Connection, Payload, PayloadStream, Reply};
use crate::model::Descriptor;
use crate::store::{Sink as _, Source, StoreError, open};

/// What is being done, for messages.
const STARTING: &str = "starting an upload";
const UPLOADING: &str = "uploading a blob";

impl RegistryRepository {
    /// Uploads a blob. Where the token was refused after the body, it is done once more in a session of its own.
    pub(super) async fn upload(
        &self,
        descriptor: &Descriptor,
        source: &dyn Source,
        session: Option<Url>,
    ) -> Result<(), StoreError> {
        let mut reply = self.send_blob(descriptor, source, session).await?;
        if reply.status() == StatusCode::UNAUTHORIZED {
            reply = self.send_blob(descriptor, source, None).await?;
        }
        match reply.status() {
            StatusCode::CREATED => Ok(()),
            StatusCode::OK | StatusCode::NO_CONTENT => {
                if self.contains(descriptor).await? {
                    return Ok(());
                }
                let detail = format!("{} was taken and is not there", descriptor.digest);
                Err(self.protocol_error(UPLOADING, detail))
            }
            _ => {
                let what = Some(format!("the upload of {}", descriptor.digest));
                Err(self.failure(reply, &Method::PUT, UPLOADING, what).await)
            }
        }
    }

    async fn send_blob(
        &self,
        descriptor: &Descriptor,
        source: &dyn Source,
        session: Option<Url>,
    ) -> Result<Reply, StoreError> {
        let mut location = match session {
            Some(location) => location,
            None => self.start_upload().await?,
        };
        let digest = format!("digest={}", query_value(&descriptor.digest.to_string()));
        let query = match location.query().filter(|query| !query.is_empty()) {
            Some(query) => format!("{query}&{digest}"),
            None => digest,
        };
        location.set_query(Some(&query));
        let (payload, progress) = payload(descriptor, source).await.map_err(StoreError::of_source)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let call = Call {
            action: UPLOADING,
            method: Method::PUT,
            to: Destination::Address(location),
            headers,
            payload,
            scopes: self.push_scopes(),
            connection: Connection::Shared,
        };
        let reply = self.send_once(call).await.map_err(|interruption| interruption.error);
        match progress.and_then(|progress| progress.take_failure()) {
            Some(failure) => Err(failure),
            None => reply,
        }
    }

    async fn start_upload(&self) -> Result<Url, StoreError> {
        let call = Call {
            action: STARTING,
            method: Method::POST,
            to: Destination::Path(format!("{}/blobs/uploads/", self.repository.path())),
            headers: HeaderMap::new(),
            payload: Payload::Bytes(Bytes::new()),
            scopes: self.push_scopes(),
            connection: Connection::Shared,
        };
        let reply = self.send(call).await?;
        if reply.status() != StatusCode::ACCEPTED {
            let what = Some("the repository".to_owned());
            return Err(self.failure(reply, &Method::POST, STARTING, what).await);
        }
        self.location(&reply)
    }

    /// Where an upload goes on, by the reply that began it or took a part of it.
    pub(super) fn location(&self, reply: &Reply) -> Result<Url, StoreError> {
        let base = self.base()?;
        let location =
            reply.headers().get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let location = location.ok_or_else(|| self.protocol_error(STARTING, "the reply has no Location".to_owned()))?;
        upload_location(&base, reply.url(), &location).map_err(|reason| {
            let shown = match reply.url().join(&location) {
                Ok(url) => redact::address(&url),
                Err(_) => redact::text(&location),
            };
            self.protocol_error(STARTING, format!("its Location {shown} is not used: {reason}"))
        })
    }
}

/// The body: a stream of the verified content. An empty blob is read first, since its stream would never be asked.
async fn payload(descriptor: &Descriptor, source: &dyn Source) -> Result<(Payload, Option<Arc<Progress>>), StoreError> {
    let mut reader = open(source, descriptor).await?;
    let (digest, place, side) = (descriptor.digest, source.describe(), source.side());
    if descriptor.size_bytes == 0 {
        let read = reader.read_to_end(&mut Vec::new()).await;
        read.map_err(|cause| {
            let read = |cause| StoreError::Read { digest, place, side, cause };
            StoreError::from_reader(cause).unwrap_or_else(read)
        })?;
        return Ok((Payload::Bytes(Bytes::new()), None));
    }
    let (body, progress) = UploadBody::new(reader, descriptor, place, side);
    let stream =
        PayloadStream { pieces: Box::pin(body), size_bytes: descriptor.size_bytes, progress: Arc::clone(&progress) };
    Ok((Payload::Stream(stream), Some(progress)))
}
