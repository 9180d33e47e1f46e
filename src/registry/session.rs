//! State of one registry: where it is, whether it supports TLS, which challenge it sent last, and which scopes a run
//! will need there. This module sends nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use reqwest::header::{HeaderMap, HeaderValue};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard, Semaphore, SemaphorePermit};
use url::Url;

use super::Secret;
use super::challenge::{Challenge, preferred};
use super::config::{Endpoint, Scheme};
use super::origin::endpoint as address;
use super::scope::Scopes;
use crate::model::locked;
use crate::store::StoreError;

/// Limit on concurrent requests to one registry. Transfers have their own limits; this one bounds the effect of a bug
/// elsewhere.
const MAX_PENDING_REQUESTS: usize = 32;

/// A registry as this run knows it.
pub(super) struct Session {
    endpoint: Arc<Endpoint>,
    state: Mutex<State>,
    /// A reply has arrived: it is known whether the registry supports TLS and how it challenges.
    is_met: AtomicBool,
    /// Held by the first request, so that the others are not refused as well.
    greeting: AsyncMutex<()>,
    permits: Semaphore,
}

struct State {
    /// Its root, with the scheme that it supports.
    base: Url,
    /// Plain HTTP is still possible: the configuration or a loopback address allows it, and no reply has arrived yet.
    may_be_plain: bool,
    /// The last challenge. gcr.io was seen to reply 401 without one, so an earlier one is kept.
    challenge: Option<Challenge>,
    /// Scopes that the run is known to need.
    expected: Scopes,
    /// Scopes are requested separately, since the token service refuses them together.
    asks_apart: bool,
}

/// The authorization of a request.
pub(super) struct Authorization {
    pub(super) header: HeaderValue,
    /// Its token, if it can be renewed.
    pub(super) token: Option<Secret>,
    /// It was made for this very request: renewing it would give the same.
    pub(super) is_fresh: bool,
}

impl Session {
    pub(super) fn new(endpoint: Endpoint) -> Result<Self, StoreError> {
        let base = address(
            &endpoint.registry,
            if endpoint.scheme == Scheme::Http {
                "http"
            } else {
                "https"
            },
        )?;
        let state = State {
            base,
            may_be_plain: endpoint.scheme == Scheme::HttpsOrHttp,
            challenge: None,
            expected: Scopes::default(),
            asks_apart: false,
        };
        Ok(Self {
            endpoint: Arc::new(endpoint),
            state: Mutex::new(state),
            is_met: AtomicBool::new(false),
            greeting: AsyncMutex::default(),
            permits: Semaphore::new(MAX_PENDING_REQUESTS),
        })
    }

    /// Returns the registry as written in references.
    pub(super) fn registry(&self) -> &str {
        &self.endpoint.registry
    }

    /// Returns the settings of its host.
    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Returns its root.
    pub(super) fn base(&self) -> Url {
        self.state().base.clone()
    }

    /// Waits until another request has received the first reply. Returns `Some` if the caller has to send the first
    /// request.
    pub(super) async fn greet(&self) -> Option<AsyncMutexGuard<'_, ()>> {
        if self.is_met.load(Ordering::Acquire) {
            return None;
        }
        let greeting = self.greeting.lock().await;
        (!self.is_met.load(Ordering::Acquire)).then_some(greeting)
    }

    /// Records that the first reply has arrived.
    pub(super) fn met(&self) {
        self.state().may_be_plain = false;
        self.is_met.store(true, Ordering::Release);
    }

    /// Switches to plain HTTP, if that is allowed and no reply has arrived yet.
    pub(super) fn fall_back(&self) -> bool {
        let mut state = self.state();
        let Ok(base) = address(self.registry(), "http") else {
            return false;
        };
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

    /// Adds to the scopes that the run is known to need.
    pub(super) fn expect(&self, scopes: &Scopes) {
        let mut state = self.state();
        state.expected = std::mem::take(&mut state.expected).merged(scopes);
    }

    /// Returns the scopes to request for a token that must allow `scopes`.
    pub(super) fn joined(&self, scopes: &Scopes) -> Scopes {
        let state = self.state();
        if state.asks_apart {
            scopes.clone()
        } else {
            state.expected.clone().merged(scopes)
        }
    }

    /// Switches to requesting only the scopes that a request needs. Returns `false` if that changes nothing for
    /// `scopes`.
    pub(super) fn ask_apart(&self, scopes: &Scopes) -> bool {
        let changes = self.joined(scopes) != *scopes;
        self.state().asks_apart = true;
        changes
    }

    /// Returns the address of a path below the protocol's root, `/v2/` by the standard.
    pub(super) fn address(&self, path: &str, place: &str) -> Result<Url, StoreError> {
        self.base()
            .join(&self.endpoint.root)
            .and_then(|root| root.join(path))
            .map_err(|error| StoreError::remote("building a URL", place, error.to_string()))
    }

    /// Stores the challenge of a 401, and returns the scopes with those that it requires.
    pub(super) fn learn(&self, headers: &HeaderMap, scopes: &Scopes) -> Scopes {
        let Some(mut challenge) = preferred(headers) else {
            return scopes.clone();
        };
        let mut wanted = scopes.clone();
        if let Challenge::Bearer(challenge) = &mut challenge
            && let Some(more) = challenge.scope.take()
        {
            wanted = wanted.merged(&Scopes::parse(&more));
        }
        self.state().challenge = Some(challenge);
        wanted
    }

    /// A poisoned lock holds no partial change.
    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}
