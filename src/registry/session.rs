//! What is known of one registry: where it is, whether it speaks TLS, which challenge it gave last, and which scopes a run
//! will need there. It sends nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::header::{HeaderMap, HeaderValue};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard, Semaphore, SemaphorePermit};
use url::Url;

use super::Secret;
use super::challenge::{Challenge, preferred};
use super::config::{Endpoint, Scheme};
use super::origin::endpoint as address;
use super::scope::Scopes;
use crate::store::StoreError;

/// Requests that may wait for a reply from one registry at a time. Transfers bound what they move; this bounds what a
/// mistake elsewhere could send.
const MAX_PENDING_REQUESTS: usize = 32;

/// A registry as this run knows it.
pub(super) struct Session {
    endpoint: Arc<Endpoint>,
    state: Mutex<State>,
    /// Something was answered: whether it speaks TLS and what it challenges with is known.
    is_met: AtomicBool,
    /// Held by the first request, so that the others need not be refused as well.
    greeting: AsyncMutex<()>,
    permits: Semaphore,
}

struct State {
    /// Its root, with the scheme that it speaks.
    base: Url,
    /// It may turn out to speak no TLS: where the configuration or its place on this machine allows that, and before it
    /// has answered.
    may_be_plain: bool,
    /// The last challenge. gcr.io was seen to say 401 without one, so that an earlier one is kept.
    challenge: Option<Challenge>,
    /// What the run is known to need.
    expected: Scopes,
    /// Scopes that are granted one by one are refused together.
    asks_apart: bool,
}

/// What a request is sent with.
pub(super) struct Authorization {
    pub(super) header: HeaderValue,
    /// The token in it, where it can be renewed.
    pub(super) token: Option<Secret>,
    /// Made for this very request: asking again would give the same.
    pub(super) is_fresh: bool,
}

impl Session {
    pub(super) fn new(endpoint: Endpoint) -> Result<Self, StoreError> {
        let base = address(&endpoint.registry, if endpoint.scheme == Scheme::Http { "http" } else { "https" })?;
        let may_be_plain = endpoint.scheme == Scheme::HttpsOrHttp;
        let (challenge, expected, asks_apart) = (None, Scopes::default(), false);
        Ok(Self {
            endpoint: Arc::new(endpoint),
            state: Mutex::new(State { base, may_be_plain, challenge, expected, asks_apart }),
            is_met: AtomicBool::new(false),
            greeting: AsyncMutex::default(),
            permits: Semaphore::new(MAX_PENDING_REQUESTS),
        })
    }

    /// The registry as references write it.
    pub(super) fn registry(&self) -> &str {
        &self.endpoint.registry
    }

    /// What is said of its host.
    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Its root.
    pub(super) fn base(&self) -> Url {
        self.state().base.clone()
    }

    /// Waits until somebody has got a first answer; `Some` for who is to get it.
    pub(super) async fn greet(&self) -> Option<AsyncMutexGuard<'_, ()>> {
        if self.is_met.load(Ordering::Acquire) {
            return None;
        }
        let greeting = self.greeting.lock().await;
        (!self.is_met.load(Ordering::Acquire)).then_some(greeting)
    }

    /// A first answer has come.
    pub(super) fn met(&self) {
        self.state().may_be_plain = false;
        self.is_met.store(true, Ordering::Release);
    }

    /// Goes over to plain HTTP where that is allowed, before anything was answered.
    pub(super) fn fall_back(&self) -> bool {
        let mut state = self.state();
        let Ok(base) = address(self.registry(), "http") else { return false };
        if !std::mem::take(&mut state.may_be_plain) {
            return false;
        }
        tracing::debug!(registry = self.registry(), "the registry does not support TLS");
        state.base = base;
        true
    }

    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.permits.acquire().await.ok()
    }

    pub(super) fn challenge(&self) -> Option<Challenge> {
        self.state().challenge.clone()
    }

    /// Adds to what the run is known to need.
    pub(super) fn expect(&self, scopes: &Scopes) {
        let mut state = self.state();
        state.expected = std::mem::take(&mut state.expected).merged(scopes);
    }

    /// What a token that must allow `scopes` is best asked to allow.
    pub(super) fn joined(&self, scopes: &Scopes) -> Scopes {
        let state = self.state();
        if state.asks_apart { scopes.clone() } else { state.expected.clone().merged(scopes) }
    }

    /// From now on no more scopes are asked for than a request needs. False where that changes nothing for `scopes`.
    pub(super) fn ask_apart(&self, scopes: &Scopes) -> bool {
        let changes = self.joined(scopes) != *scopes;
        self.state().asks_apart = true;
        changes
    }

    /// The address of a path below the protocol's root, `/v2/` by the standard.
    pub(super) fn address(&self, path: &str, place: &str) -> Result<Url, StoreError> {
        self.base().join(&self.endpoint.root).and_then(|root| root.join(path)).map_err(|error| StoreError::Remote {
            action: "building a URL".to_owned(),
            place: place.to_owned(),
            detail: error.to_string(),
            help: None,
            cause: None,
        })
    }

    /// Keeps the challenge of a 401, and gives the scopes with those that it asks for.
    pub(super) fn learn(&self, headers: &HeaderMap, scopes: &Scopes) -> Scopes {
        let Some(mut challenge) = preferred(headers) else { return scopes.clone() };
        let mut wanted = scopes.clone();
        if let Challenge::Bearer(challenge) = &mut challenge
            && let Some(more) = challenge.scope.take()
        {
            wanted = wanted.merged(&Scopes::parse(&more));
        }
        self.state().challenge = Some(challenge);
        wanted
    }

    /// A poisoned lock holds no half-made change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
