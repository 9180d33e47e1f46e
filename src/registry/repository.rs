//! A repository at one host: what every request to it has in common. Reading, writing, listing and deleting are other
//! modules' parts of the same type.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use reqwest::{Method, StatusCode};
use tokio::sync::Semaphore;
use url::Url;

use super::RegistryOptions;
use super::client::{At, Call, Client, Destination};
use super::config::Route;
use super::reply::{self, Request};
use super::retry::{Backoff, Interruption, Trouble};
use super::sink::query_value;
use super::transport::Reply;
use super::upload::Refusals;
use crate::model::{Digest, Repository};
use crate::store::StoreError;

/// Blobs that are uploaded at the same time: what other clients do, and registries are used to.
pub(super) const CONCURRENT_UPLOADS: usize = 4;

/// A repository at one host: a source and a sink of images.
#[derive(Clone)]
pub(super) struct RegistryRepository {
    pub(super) client: Client,
    /// By its name there.
    pub(super) repository: Repository,
    pub(super) way: Arc<Route>,
    pub(super) target: Arc<Target>,
}

/// What is known of a repository that is written to.
pub(super) struct Target {
    /// What the tags that were asked for name; `None` for one that is not there.
    pub(super) known_tags: Mutex<BTreeMap<String, Option<Digest>>>,
    /// Repositories that nothing could be mounted from.
    pub(super) refused_mounts: Mutex<BTreeSet<String>>,
    /// One for each upload that may be under way.
    pub(super) uploads: Semaphore,
}

impl Default for Target {
    fn default() -> Self {
        let (known_tags, refused_mounts) = (Mutex::default(), Mutex::default());
        Self { known_tags, refused_mounts, uploads: Semaphore::new(CONCURRENT_UPLOADS) }
    }
}

impl RegistryRepository {
    /// Sends a request of this repository whose body can be sent again, for as long as its failures may pass.
    pub(super) async fn send(&self, call: Call) -> Result<Reply, StoreError> {
        self.send_within(&mut self.backoff(), call).await
    }

    /// The same as a part of an operation, with the tries that are left of it.
    pub(super) async fn send_within(&self, backoff: &mut Backoff, call: Call) -> Result<Reply, StoreError> {
        if self.way.is_mirror {
            // Another host is asked sooner than the same again.
            return self.send_once(call).await.map_err(|interruption| interruption.error);
        }
        let place = self.repository.to_string();
        self.client.send(self.place(&place), self.named(call), backoff).await
    }

    /// Sends a request of this repository once. Any reply is success here.
    pub(super) async fn send_once(&self, call: Call) -> Result<Reply, Interruption> {
        let (place, call) = (self.repository.to_string(), self.named(call));
        self.client.send_once(self.place(&place), call).await
    }

    pub(super) fn place<'a>(&'a self, place: &'a str) -> At<'a> {
        let mirror = self.way.is_mirror.then_some(&*self.way);
        At { endpoint: &self.way.endpoint, path: self.repository.path(), place, mirror }
    }

    /// The request with the upstream's name, where this is another host (distribution-spec, "Registry Proxying").
    fn named(&self, call: Call) -> Call {
        let Some(namespace) = &self.way.namespace else { return call };
        let with_name = |path: &str| {
            let mark = if path.contains('?') { '&' } else { '?' };
            format!("{path}{mark}ns={}", query_value(namespace))
        };
        let to = match &call.to {
            Destination::Path(path) => Destination::Path(with_name(path)),
            Destination::Own(path) => Destination::Own(with_name(path)),
            Destination::Address(_) => return call,
        };
        Call { to, ..call }
    }

    /// In what manners registries have refused to take blobs.
    pub(super) fn refusals(&self) -> &Refusals {
        self.client.refusals()
    }

    /// The waits of a new operation.
    pub(super) fn backoff(&self) -> Backoff {
        self.client.transport().backoff(self.way.is_mirror)
    }

    /// Waits before the next try, and tells of it; false where there is to be none.
    pub(super) async fn pause(&self, backoff: &mut Backoff, action: &'static str, interruption: &Interruption) -> bool {
        let (place, why) = (self.repository.to_string(), interruption.why());
        self.client.transport().pause(backoff, interruption.trouble, action, &place, &why).await
    }

    /// A reply that is no success, as an interruption.
    pub(super) async fn interrupted(
        &self,
        reply: Reply,
        method: &Method,
        action: &'static str,
        what: Option<String>,
    ) -> Interruption {
        let trouble = Trouble::of(reply.status(), reply.headers());
        let error = self.failure(reply, method, action, what).await;
        Interruption { trouble, ..Interruption::from(error) }
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        self.client.options()
    }

    /// Tells whoever looks on of something rare, in one line.
    pub(super) fn notice(&self, text: &str) {
        self.options().notice.tell(text);
    }

    /// The registry's root, with the scheme that it is known to speak.
    pub(super) fn base(&self) -> Result<Url, StoreError> {
        Ok(self.client.session(&self.way.endpoint)?.base())
    }

    /// Turns a reply that is no success into an error. `what` is what a 404 says is missing.
    pub(super) async fn failure(
        &self,
        reply: Reply,
        method: &Method,
        action: &'static str,
        what: Option<String>,
    ) -> StoreError {
        let is_unauthorized = reply.status() == StatusCode::UNAUTHORIZED;
        let request = Request {
            action,
            what,
            place: self.repository.to_string(),
            registry: self.repository.registry(),
            had_credentials: is_unauthorized && self.client.has_credentials(&self.repository).await,
        };
        reply::failure(reply, method.as_str(), request).await
    }

    /// An error of the protocol.
    pub(super) fn protocol_error(&self, action: &str, detail: String) -> StoreError {
        let place = self.repository.to_string();
        StoreError::Remote { action: action.to_owned(), place, detail, help: None, cause: None }
    }
}
