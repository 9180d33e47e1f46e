//! The client: what is known of each registry, and the loop that answers challenges. The only code that puts a
//! credential into a request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::{OnceCell, Semaphore};
use url::Url;

use super::auth::{Asked, Authenticator, basic, bearer};
use super::challenge::{Challenge, preferred};
use super::credentials::{Credential, CredentialStore};
use super::origin::{Locality, canonical, check_hop, endpoint, locality, origin};
use super::redirect::follow;
use super::reply::{self, Request};
use super::scope::Scopes;
use super::transport::{Outgoing, Payload, Transport};
use super::{Credentials, Login, RegistryOptions};
use crate::model::Repository;
use crate::store::StoreError;

/// Requests that may wait for a reply from one registry at a time. Transfers bound what they move; this bounds what a
/// mistake elsewhere could send.
const MAX_PENDING_REQUESTS: usize = 32;

/// Answers to challenges for one request: a token that has just ended, and then one with more scopes.
const MAX_ANSWERS: usize = 2;

/// A client for all registries: connections, tokens and credentials, shared by its clones.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    transport: Transport,
    authenticator: Authenticator,
    credentials: CredentialStore,
    sessions: Mutex<BTreeMap<String, Arc<OnceCell<Session>>>>,
}

/// What is known of a registry after the first word with it.
struct Session {
    /// Its root, with the scheme that it speaks.
    base: Url,
    /// The last challenge. gcr.io was seen to say 401 without one, so that of the first reply is kept.
    challenge: Mutex<Option<Challenge>>,
    permits: Semaphore,
}

/// A repository of a registry: a source and a sink of images.
#[derive(Clone)]
pub struct RegistryRepository {
    pub(super) client: Client,
    pub(super) repository: Repository,
}

/// A request to a registry.
pub(super) struct Call {
    /// What is being done, in the -ing form.
    pub(super) action: &'static str,
    pub(super) method: Method,
    pub(super) to: Destination,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
    /// What a token for it must allow.
    pub(super) scopes: Scopes,
}

/// Where a request goes.
pub(super) enum Destination {
    /// Path and query below the registry's `/v2/`.
    Path(String),
    /// The address of an upload, which need not be the registry's.
    Address(Url),
}

struct Authorization {
    header: HeaderValue,
    /// The token in it, where it can be renewed.
    token: Option<String>,
    /// Made for this very request: asking again would give the same.
    is_fresh: bool,
}

impl Client {
    /// Makes a client. Nothing is connected to and no file is read yet; an unusable proxy address is an error.
    pub fn new(options: RegistryOptions) -> Result<Self, StoreError> {
        let credentials = CredentialStore::new(options.credentials.clone());
        let transport = Transport::new(options)?;
        let (authenticator, sessions) = (Authenticator::default(), Mutex::default());
        Ok(Self(Arc::new(Inner { transport, authenticator, credentials, sessions })))
    }

    /// A repository to read and write.
    pub fn repository(&self, repository: Repository) -> RegistryRepository {
        RegistryRepository { client: self.clone(), repository }
    }

    /// Asks a registry whether it takes these credentials, and no others. [`StoreError::Unauthorized`] where it does not.
    pub async fn check_login(&self, login: &Login) -> Result<(), StoreError> {
        let credentials = Credentials { explicit: vec![login.clone()], ..Credentials::default() };
        let probe = Self::new(RegistryOptions { credentials, ..self.0.transport.options().clone() })?;
        let call = Call {
            action: "logging in",
            method: Method::GET,
            to: Destination::Path(String::new()),
            headers: HeaderMap::new(),
            payload: Payload::Empty,
            scopes: Scopes::default(),
        };
        let (registry, place) = (login.registry.as_str(), login.registry.clone());
        let reply = probe.send(registry, "", &place, call).await?;
        if reply.status().is_success() {
            return Ok(());
        }
        let request = Request { action: "logging in", what: None, place, registry, had_credentials: true };
        Err(reply::failure(reply, "GET", request, probe.idle_timeout()).await)
    }

    pub(super) fn idle_timeout(&self) -> std::time::Duration {
        self.0.transport.options().idle_timeout
    }

    /// True where credentials are known for a repository.
    async fn has_credentials(&self, repository: &Repository) -> bool {
        let found = self.0.credentials.lookup(repository.registry(), repository.path()).await;
        found.is_ok_and(|credential| credential.is_some())
    }

    /// The registry's root, with the scheme that it speaks.
    pub(super) async fn base(&self, registry: &str) -> Result<Url, StoreError> {
        Ok(self.session(registry).await?.get().map(|session| session.base.clone()).expect("a session is made before"))
    }

    /// Sends a request, answering challenges. Any reply is success here. A body that is a stream is sent once: after a
    /// 401 the token is renewed all the same, so that whoever starts anew has it.
    pub(super) async fn send(
        &self,
        registry: &str,
        path: &str,
        place: &str,
        call: Call,
    ) -> Result<Response, StoreError> {
        let cell = self.session(registry).await?;
        let session = cell.get().expect("a session is made before");
        let url = match &call.to {
            Destination::Path(path) => session.address(path, place)?,
            Destination::Address(url) => url.clone(),
        };
        let is_elsewhere = origin(&url) != origin(&session.base);
        let mut scopes = call.scopes;
        let mut payload = call.payload;
        let mut authorization = match is_elsewhere {
            true => None,
            false => self.authorization(session, registry, path, &scopes, None).await?,
        };
        let mut answers = 0;
        loop {
            let again = payload.again();
            let mut headers = call.headers.clone();
            if let Some(authorization) = &authorization {
                headers.insert(AUTHORIZATION, authorization.header.clone());
            }
            let (action, place, method, url) = (call.action, place.to_owned(), call.method.clone(), url.clone());
            let reply =
                self.exchange(session, registry, Outgoing { action, place, method, url, headers, payload }).await?;
            let is_ours = !is_elsewhere && origin(reply.url()) == origin(&session.base);
            if reply.status() != StatusCode::UNAUTHORIZED || !is_ours || answers == MAX_ANSWERS {
                return Ok(reply);
            }
            let wanted = session.learn(reply.headers(), &scopes);
            if authorization.as_ref().is_some_and(|known| known.is_fresh) && wanted == scopes {
                return Ok(reply);
            }
            scopes = wanted;
            let refused = authorization.and_then(|authorization| authorization.token);
            authorization = self.authorization(session, registry, path, &scopes, refused.as_deref()).await?;
            match again {
                Some(again) if authorization.is_some() => payload = again,
                _ => return Ok(reply),
            }
            answers += 1;
        }
    }

    /// One request with the redirects of its reply. What answers elsewhere and wants a token gets an anonymous one.
    async fn exchange(&self, session: &Session, registry: &str, outgoing: Outgoing) -> Result<Response, StoreError> {
        let transport = &self.0.transport;
        let permit = session.permits.acquire().await;
        let is_read = matches!(outgoing.method, Method::GET | Method::HEAD);
        if !is_read {
            return transport.send(outgoing).await;
        }
        let (action, place) = (outgoing.action, outgoing.place.clone());
        let (method, mut headers) = (outgoing.method.clone(), outgoing.headers.clone());
        let reply = follow(transport, &session.base, check_hop, outgoing).await?;
        drop(permit);
        let is_elsewhere = origin(reply.url()) != origin(&session.base);
        let challenge = match preferred(reply.headers()) {
            Some(Challenge::Bearer(challenge)) if is_elsewhere && reply.status() == StatusCode::UNAUTHORIZED => {
                challenge
            }
            _ => return Ok(reply),
        };
        let url = reply.url().clone();
        let scopes = Scopes::parse(challenge.scope.as_deref().unwrap_or_default());
        let (challenge, scopes) = (&challenge, &scopes);
        let asked = Asked { registry: &url, name: registry, challenge, scopes, credential: None, refused: None };
        let fetched = self.0.authenticator.token(transport, asked).await?;
        headers.insert(AUTHORIZATION, bearer(&fetched.token));
        let again = Outgoing { action, place, method, url, headers, payload: Payload::Empty };
        follow(transport, &session.base, check_hop, again).await
    }

    async fn authorization(
        &self,
        session: &Session,
        registry: &str,
        path: &str,
        scopes: &Scopes,
        refused: Option<&str>,
    ) -> Result<Option<Authorization>, StoreError> {
        let Some(challenge) = session.challenge() else { return Ok(None) };
        let credential = self.0.credentials.lookup(registry, path).await?;
        let credential = credential.as_deref();
        if let Some(Credential::Registry(token)) = credential {
            return Ok(Some(Authorization { header: bearer(token), token: None, is_fresh: true }));
        }
        match challenge {
            Challenge::Basic => Ok(credential.and_then(Credential::pair).map(|(user, password)| Authorization {
                header: basic(user, password),
                token: None,
                is_fresh: true,
            })),
            Challenge::Bearer(challenge) => {
                let (registry, name, challenge) = (&session.base, registry, &challenge);
                let asked = Asked { registry, name, challenge, scopes, credential, refused };
                let fetched = self.0.authenticator.token(&self.0.transport, asked).await?;
                let (header, is_fresh) = (bearer(&fetched.token), fetched.is_fresh);
                Ok(Some(Authorization { header, token: Some(fetched.token), is_fresh }))
            }
        }
    }

    /// The session with a registry, made by whoever comes first.
    async fn session(&self, registry: &str) -> Result<Arc<OnceCell<Session>>, StoreError> {
        let registry = canonical(registry);
        let cell = {
            let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(sessions.entry(registry.to_owned()).or_default())
        };
        cell.get_or_try_init(|| self.open_session(registry)).await?;
        Ok(cell)
    }

    /// Asks `GET /v2/` for the challenge (distribution-spec, "Determining Support"), and finds out whether a registry on
    /// this machine speaks TLS. What else it answers is of no interest: some do not know the request.
    async fn open_session(&self, registry: &str) -> Result<Session, StoreError> {
        let is_plain = self.0.transport.options().plain_http.contains(registry);
        let mut base = endpoint(registry, if is_plain { "http" } else { "https" })?;
        let mut reply = self.0.transport.try_send(ping(registry, &base)).await;
        if !is_plain
            && locality(&base) == Locality::Loopback
            && reply.as_ref().is_err_and(|failure| failure.speaks_no_tls())
        {
            base = endpoint(registry, "http")?;
            tracing::debug!(registry, "the registry on this machine speaks no TLS");
            reply = self.0.transport.try_send(ping(registry, &base)).await;
        }
        let reply = reply.map_err(|failure| failure.into_error("connecting", registry.to_owned(), &base))?;
        let challenge = Mutex::new(preferred(reply.headers()));
        Ok(Session { base, challenge, permits: Semaphore::new(MAX_PENDING_REQUESTS) })
    }
}

fn ping(registry: &str, base: &Url) -> Outgoing {
    let mut url = base.clone();
    url.set_path("/v2/");
    Outgoing {
        action: "connecting",
        place: registry.to_owned(),
        method: Method::GET,
        url,
        headers: HeaderMap::new(),
        payload: Payload::Empty,
    }
}

impl Session {
    fn challenge(&self) -> Option<Challenge> {
        self.challenge.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn address(&self, path: &str, place: &str) -> Result<Url, StoreError> {
        self.base.join("/v2/").and_then(|root| root.join(path)).map_err(|error| StoreError::Remote {
            action: "making an address".to_owned(),
            place: place.to_owned(),
            detail: error.to_string(),
            help: None,
            cause: None,
        })
    }

    /// Keeps the challenge of a 401, and gives the scopes with those that it asks for.
    fn learn(&self, headers: &HeaderMap, scopes: &Scopes) -> Scopes {
        let Some(mut challenge) = preferred(headers) else { return scopes.clone() };
        let mut wanted = scopes.clone();
        if let Challenge::Bearer(challenge) = &mut challenge
            && let Some(more) = challenge.scope.take()
        {
            wanted = wanted.merged(&Scopes::parse(&more));
        }
        *self.challenge.lock().unwrap_or_else(PoisonError::into_inner) = Some(challenge);
        wanted
    }
}

impl RegistryRepository {
    /// The repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Sends a request of this repository.
    pub(super) async fn send(&self, call: Call) -> Result<Response, StoreError> {
        let place = self.repository.to_string();
        self.client.send(self.repository.registry(), self.repository.path(), &place, call).await
    }

    /// Turns a reply that is no success into an error. `what` is what a 404 says is missing.
    pub(super) async fn failure(
        &self,
        reply: Response,
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
        reply::failure(reply, method.as_str(), request, self.client.idle_timeout()).await
    }

    /// An error of the protocol.
    pub(super) fn protocol_error(&self, action: &str, detail: String) -> StoreError {
        let place = self.repository.to_string();
        StoreError::Remote { action: action.to_owned(), place, detail, help: None, cause: None }
    }
}
