//! A request before it is sent, and the repository that it is for.

use reqwest::Method;
use reqwest::header::HeaderMap;
use url::Url;

use super::super::config::{Endpoint, RepositoryEndpoint};
use super::super::scope::Scopes;
use super::super::transport::{Connection, Payload};

/// A request to a registry.
pub(in crate::registry) struct Request {
    /// The action, in the -ing form.
    pub(in crate::registry) action: &'static str,
    pub(in crate::registry) method: Method,
    pub(in crate::registry) to: Destination,
    pub(in crate::registry) headers: HeaderMap,
    pub(in crate::registry) payload: Payload,
    /// Scopes that a token for it must allow.
    pub(in crate::registry) scopes: Scopes,
    pub(in crate::registry) connection: Connection,
}

impl Request {
    /// Returns a request without headers and body, on a shared connection.
    pub(in crate::registry) fn new(action: &'static str, method: Method, to: Destination, scopes: Scopes) -> Self {
        Self {
            action,
            method,
            to,
            headers: HeaderMap::new(),
            payload: Payload::Empty,
            scopes,
            connection: Connection::Shared,
        }
    }

    /// Returns a copy, unless the body can be sent only once.
    pub(super) fn again(&self) -> Option<Self> {
        Some(Self {
            method: self.method.clone(),
            to: self.to.clone(),
            headers: self.headers.clone(),
            payload: self.payload.again()?,
            scopes: self.scopes.clone(),
            ..*self
        })
    }
}

/// The repository of a request, as the client sees it.
#[derive(Clone, Copy)]
pub(in crate::registry) struct RequestContext<'a> {
    pub(in crate::registry) endpoint: &'a Endpoint,
    /// The repository's path; empty for the registry itself.
    pub(in crate::registry) path: &'a str,
    /// Its name in messages.
    pub(in crate::registry) place: &'a str,
    /// The endpoint, if it is a mirror. A mirror may be disabled while the request waits.
    pub(in crate::registry) mirror: Option<&'a RepositoryEndpoint>,
}

/// The address of a request.
#[derive(Clone)]
pub(in crate::registry) enum Destination {
    /// Path and query below the registry's `/v2/`.
    Path(String),
    /// The address of an upload, which may be at another host.
    Address(Url),
}
