//! A repository at one host: the code that all of its requests share. Reading and writing are in other
//! modules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use reqwest::{Method, StatusCode};
use tokio::sync::Semaphore;
use url::Url;

use super::RegistryOptions;
use super::client::{Client, Destination, Request, RequestContext};
use super::config::RepositoryEndpoint;
use super::origin::query_value;
use super::reply::{self, FailedRequest};
use super::request_error::RequestError;
use super::retry::{Backoff, RetryInfo};
use super::scope::Scopes;
use super::transport::Reply;
use crate::events::Event;
use crate::model::{Digest, Repository};
use crate::store::StoreError;

/// Concurrent uploads. Other clients use the same number, and registries are used to it.
pub(super) const CONCURRENT_UPLOADS: usize = 4;

/// A repository at one host: a source and a sink of images.
#[derive(Clone)]
pub(super) struct RegistryRepository {
    pub(super) client: Client,
    /// The repository's name at the host.
    pub(super) repository: Repository,
    pub(super) endpoint: Arc<RepositoryEndpoint>,
    pub(super) write_state: Arc<WriteState>,
}

/// The state of a repository that is written to.
pub(super) struct WriteState {
    /// Digests of the requested tags; `None` for a tag that does not exist.
    pub(super) known_tags: Mutex<BTreeMap<String, Option<Digest>>>,
    /// Repositories that mounting has failed from.
    pub(super) refused_mounts: Mutex<BTreeSet<String>>,
    /// One permit for each concurrent upload.
    pub(super) uploads: Semaphore,
}

impl Default for WriteState {
    fn default() -> Self {
        Self {
            known_tags: Mutex::default(),
            refused_mounts: Mutex::default(),
            uploads: Semaphore::new(CONCURRENT_UPLOADS),
        }
    }
}

impl RegistryRepository {
    /// Returns a repository at one host.
    pub(super) fn new(client: &Client, endpoint: RepositoryEndpoint) -> Self {
        Self {
            client: client.clone(),
            repository: endpoint.repository.clone(),
            endpoint: Arc::new(endpoint),
            write_state: Arc::default(),
        }
    }

    /// Sends a request of this repository whose body can be sent again, and retries transient failures.
    pub(super) async fn send(&self, request: Request) -> Result<Reply, RequestError> {
        self.send_within(&mut self.backoff(), request).await
    }

    /// Sends a request as a part of an operation, with the remaining tries of that operation.
    pub(super) async fn send_within(&self, backoff: &mut Backoff, request: Request) -> Result<Reply, RequestError> {
        if self.endpoint.is_mirror {
            // The next host is tried before this mirror is retried.
            return self.send_once(request).await;
        }
        let place = self.repository.to_string();
        self.client
            .send(self.context(&place), self.named(request), backoff)
            .await
    }

    /// Sends a request of this repository once. Any reply is `Ok`.
    pub(super) async fn send_once(&self, request: Request) -> Result<Reply, RequestError> {
        let place = self.repository.to_string();
        let request = self.named(request);
        self.client.send_once(self.context(&place), request).await
    }

    pub(super) fn context<'a>(&'a self, place: &'a str) -> RequestContext<'a> {
        let mirror = self.endpoint.is_mirror.then_some(&*self.endpoint);
        RequestContext {
            endpoint: &self.endpoint.host,
            path: self.repository.path(),
            place,
            mirror,
        }
    }

    /// Returns a request without body for a path below the repository's name.
    pub(super) fn request(&self, action: &'static str, method: Method, path: &str, scopes: Scopes) -> Request {
        let to = Destination::Path(format!("{}/{path}", self.repository.path()));
        Request::new(action, method, to, scopes)
    }

    /// Adds the upstream's name to the request if this is another host (distribution-spec, "Registry Proxying").
    fn named(&self, request: Request) -> Request {
        let Some(namespace) = &self.endpoint.namespace else {
            return request;
        };
        let with_name = |path: &str| {
            let mark = if path.contains('?') { '&' } else { '?' };
            format!("{path}{mark}ns={}", query_value(namespace))
        };
        let to = match &request.to {
            Destination::Path(path) => Destination::Path(with_name(path)),
            Destination::Address(_) => return request,
        };
        Request { to, ..request }
    }

    /// Returns the backoff of a new operation.
    pub(super) fn backoff(&self) -> Backoff {
        self.client.transport().backoff(self.endpoint.is_mirror)
    }

    /// Waits before another try of a failed request and reports the wait. Returns its error if there is none.
    pub(super) async fn wait(
        &self,
        backoff: &mut Backoff,
        action: &'static str,
        request_error: RequestError,
    ) -> Result<(), StoreError> {
        let place = self.repository.to_string();
        let transport = self.client.transport();
        Ok(transport.wait(backoff, action, &place, request_error).await?)
    }

    /// Turns an error reply into the error of the request.
    pub(super) async fn request_error(&self, reply: Reply, what: Option<String>) -> RequestError {
        RequestError {
            retry: RetryInfo::of(reply.status(), reply.headers()),
            ..self.failure(reply, what).await.into()
        }
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        self.client.options()
    }

    /// Reports a rare event to the user, in one line.
    pub(super) fn note(&self, text: String) {
        self.options().observer.event(Event::Note(text));
    }

    /// Returns the registry's root, with the scheme that it is known to support.
    pub(super) fn base(&self) -> Result<Url, StoreError> {
        Ok(self.client.session(&self.endpoint.host)?.base())
    }

    /// Turns an error reply into an error. `what` names what a 404 did not find.
    pub(super) async fn failure(&self, reply: Reply, what: Option<String>) -> StoreError {
        let is_unauthorized = reply.status() == StatusCode::UNAUTHORIZED;
        let had_credentials = is_unauthorized && self.client.has_credentials(&self.repository).await;
        let registry = self.repository.registry();
        let login_help = had_credentials.then(|| self.client.options().credentials.login_help(registry));
        let method = reply.method.clone();
        let failed = FailedRequest {
            what,
            place: self.repository.to_string(),
            registry,
            login_help,
        };
        reply::failure(reply, method.as_str(), failed).await
    }

    /// Returns a protocol error.
    pub(super) fn protocol_error(&self, action: &str, detail: impl Into<String>) -> StoreError {
        StoreError::remote(action, &self.repository.to_string(), detail)
    }
}
