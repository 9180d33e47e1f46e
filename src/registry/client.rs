//! The client: the state of each registry, and the loop that answers challenges. This is the only code that puts a
//! credential into a request.

mod request;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reqwest::header::AUTHORIZATION;
use reqwest::{Method, StatusCode};

pub(super) use request::{Destination, Request, RequestContext};

use super::auth::{Authenticator, bearer};
use super::challenge::{Challenge, preferred};
use super::config::{Action, Config, Endpoint};
use super::credentials::CredentialStore;
use super::mirrors::Mirrors;
use super::origin::{check_hop, origin};
use super::redirect::follow;
use super::reply::{self, FailedRequest};
use super::request_error::RequestError;
use super::retry::Backoff;
use super::scope::Scopes;
use super::session::{Authorization, Session};
use super::transport::{Outgoing, Payload, Reply, Transport};
use super::upload::UnsupportedModes;
use super::{Credentials, Login, RegistryOptions, grant};
use crate::events::Traffic;
use crate::model::{Digest, Repository, locked};
use crate::store::StoreError;

/// Challenges that are answered for one request: a token that has just expired, one with more scopes, and one with
/// fewer.
const MAX_ANSWERS: usize = 3;

/// A client for all registries. Its clones share connections, tokens and credentials.
#[derive(Clone)]
pub struct Client(pub(super) Arc<Inner>);

pub(super) struct Inner {
    transport: Transport,
    pub(super) authenticator: Authenticator,
    pub(super) credentials: CredentialStore,
    sessions: Mutex<BTreeMap<Endpoint, Arc<Session>>>,
    refusals: UnsupportedModes,
    /// Read when the first repository is used.
    config: Mutex<Option<Arc<Config>>>,
    mirrors: Mirrors,
    /// Digests that tags named when access was checked, kept until the push uses them.
    named: Mutex<BTreeMap<(Repository, String), Option<Digest>>>,
}

impl Client {
    /// Creates a client. It connects to nothing and reads no file yet.
    pub fn new(options: RegistryOptions) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Inner {
            authenticator: Authenticator::default(),
            credentials: CredentialStore::new(&options),
            transport: Transport::new(options),
            sessions: Mutex::default(),
            refusals: UnsupportedModes::default(),
            config: Mutex::default(),
            mirrors: Mirrors::default(),
            named: Mutex::default(),
        })))
    }

    /// Returns the configuration, and reads its files at the first request. Every request returns the error of files that are
    /// invalid.
    pub(super) fn config(&self) -> Result<Arc<Config>, StoreError> {
        let mut held = locked(&self.0.config);
        if let Some(config) = &*held {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(Config::read(&self.options().config, &self.options().plain_http)?);
        *held = Some(Arc::clone(&config));
        Ok(config)
    }

    /// Returns the repository's name at a host, if that is the host that it is pushed to.
    pub(super) fn written_at(&self, repository: &Repository, host: &Endpoint) -> Option<Repository> {
        let endpoint = self.config().ok()?.endpoints(repository, Action::Push).ok()?.pop()?;
        (endpoint.host == *host).then_some(endpoint.repository)
    }

    /// Stores the digest that a tag names, for the push that follows.
    pub(super) fn keep_named(&self, repository: &Repository, tag: &str, named: Option<Digest>) {
        let mut all = locked(&self.0.named);
        all.insert((repository.clone(), tag.to_owned()), named);
    }

    /// Removes and returns what [`Self::keep_named`] stored.
    pub(super) fn take_named(&self, repository: &Repository, tag: &str) -> Option<Option<Digest>> {
        let mut all = locked(&self.0.named);
        all.remove(&(repository.clone(), tag.to_owned()))
    }

    /// Returns the state of mirrors in this run.
    pub(super) fn mirrors(&self) -> &Mirrors {
        &self.0.mirrors
    }

    /// Announces that a repository will be read in this run, and written if `is_written`. The first token for its
    /// registry then covers all scopes that are known to be needed, which avoids fetching a second one.
    pub fn expect(&self, repository: &Repository, is_written: bool) {
        let action = if is_written { Action::Push } else { Action::Read };
        // An invalid registry fails at its first request.
        let Ok(endpoints) = self.config().and_then(|config| config.endpoints(repository, action)) else {
            return;
        };
        for endpoint in endpoints {
            let path = endpoint.repository.path();
            let scopes = if is_written {
                Scopes::push(path)
            } else {
                Scopes::pull(path)
            };
            if let Ok(session) = self.session(&endpoint.host) {
                session.expect(&scopes);
            }
        }
    }

    /// Returns what this client and its clones have sent and received so far.
    pub fn traffic(&self) -> Traffic {
        self.0.transport.counters().snapshot()
    }

    /// Checks whether a registry accepts these credentials, and no others. Returns `false` if the registry did not
    /// require any, so that they were not checked, and [`StoreError::Unauthorized`] if it refuses them.
    pub async fn check_login(&self, login: &Login) -> Result<bool, StoreError> {
        let credentials = Credentials {
            explicit: vec![login.clone()],
            ..Credentials::default()
        };
        let probe = Self::new(RegistryOptions {
            credentials,
            ..self.options().clone()
        })?;
        let to = Destination::Path(String::new());
        let request = Request::new("logging in", Method::GET, to, Scopes::default());
        let registry = login.registry.as_str();
        let place = login.registry.clone();
        let endpoint = probe.config()?.endpoint(registry)?;
        let context = RequestContext {
            endpoint: &endpoint,
            path: "",
            place: &place,
            mirror: None,
        };
        let reply = probe
            .send(context, request, &mut probe.transport().backoff(false))
            .await
            .map_err(|request_error| wrong_login(request_error.error))?;
        if reply.status().is_success() {
            return Ok(probe.session(&endpoint)?.challenge().is_some());
        }
        let failed = FailedRequest {
            what: None,
            place,
            registry,
            login_help: Some(self.options().credentials.login_help(registry)),
        };
        Err(wrong_login(reply::failure(reply, "GET", failed).await))
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        self.0.transport.options()
    }

    /// Returns the upload modes that registries have refused.
    pub(super) fn refusals(&self) -> &UnsupportedModes {
        &self.0.refusals
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    /// Returns `true` if the token for `scopes` itself says that the repository cannot be pushed to with it.
    pub(super) async fn token_forbids_push(
        &self,
        context: RequestContext<'_>,
        scopes: &Scopes,
    ) -> Result<bool, StoreError> {
        let session = self.session(context.endpoint)?;
        let authorization = self.authorization(&session, context, scopes, false, None).await;
        let token = authorization
            .map_err(|request_error| request_error.error)?
            .and_then(|known| known.token);
        Ok(token.is_some_and(|token| grant::forbids_push(&token, context.path)))
    }

    /// Sends a request whose body can be sent again, and retries transient failures. The last reply is `Ok`, whatever
    /// its status.
    pub(super) async fn send(
        &self,
        context: RequestContext<'_>,
        request: Request,
        backoff: &mut Backoff,
    ) -> Result<Reply, RequestError> {
        let action = request.action;
        let unsent = || StoreError::remote(action, context.place, "the request body cannot be sent again");
        let send = move || {
            let again = request.again().ok_or_else(unsent);
            async move { self.send_once(context, again?).await }
        };
        self.0.transport.retrying(backoff, action, context.place, send).await
    }

    /// Sends a request once, answering challenges. Any reply is `Ok`. A stream is sent only once: after a 401 the token
    /// is renewed all the same, for the caller's next attempt.
    pub(super) async fn send_once(
        &self,
        context: RequestContext<'_>,
        mut request: Request,
    ) -> Result<Reply, RequestError> {
        let RequestContext { place, mirror, .. } = context;
        let session = self.session(context.endpoint)?;
        let mut greeting = session.greet().await;
        if mirror.is_some_and(|mirror| self.0.mirrors.is_disabled(mirror)) {
            // The mirror was disabled while this request waited for the first reply.
            return Err(StoreError::remote(request.action, place, "the mirror is skipped").into());
        }
        let is_for_long = matches!(request.payload, Payload::Stream(_));
        let mut authorization = None;
        let mut answers = 0;
        loop {
            let base = session.base();
            let url = match &request.to {
                Destination::Path(path) => session.address(path, place)?,
                Destination::Address(url) => url.clone(),
            };
            let is_elsewhere = origin(&url) != origin(&base);
            if authorization.is_none() && !is_elsewhere {
                authorization = self
                    .authorization(&session, context, &request.scopes, is_for_long, None)
                    .await?;
            }
            let again = request.payload.again();
            let method = request.method.clone();
            let mut outgoing = Outgoing::new(request.action, place, method, url, Some(session.endpoint()));
            outgoing.connection = request.connection;
            outgoing.headers = request.headers.clone();
            if let Some(authorization) = &authorization {
                outgoing.headers.insert(AUTHORIZATION, authorization.header.clone());
            }
            let reply = match (self.exchange(&session, outgoing, request.payload).await, again) {
                (Ok(reply), Some(again)) => {
                    request.payload = again;
                    reply
                }
                (Ok(reply), None) => {
                    return self
                        .refresh(&session, context, &request.scopes, reply, authorization)
                        .await;
                }
                (Err(request_error), Some(again)) if request_error.speaks_no_tls && session.fall_back() => {
                    request.payload = again;
                    continue;
                }
                (Err(request_error), _) => return Err(request_error),
            };
            let is_ours = !is_elsewhere && origin(reply.url()) == origin(&base);
            if reply.status() != StatusCode::UNAUTHORIZED || !is_ours || answers == MAX_ANSWERS {
                session.met();
                return Ok(reply);
            }
            let wanted = session.learn(reply.headers(), &request.scopes);
            if session.challenge().is_none() {
                self.ask_for_challenge(&session).await?;
            }
            session.met();
            drop(greeting.take());
            let is_pointless = authorization.as_ref().is_some_and(|known| known.is_fresh) && wanted == request.scopes;
            if is_pointless && !session.ask_apart(&request.scopes) {
                return Ok(reply);
            }
            request.scopes = wanted;
            let refused = authorization.and_then(|authorization: Authorization| authorization.token);
            authorization = self
                .authorization(&session, context, &request.scopes, is_for_long, refused.as_ref())
                .await?;
            if authorization.is_none() {
                return Ok(reply);
            }
            answers += 1;
        }
    }

    /// Handles the reply to a body that cannot be sent again. If the token was refused, fetches a new one for the
    /// caller's next attempt.
    async fn refresh(
        &self,
        session: &Session,
        context: RequestContext<'_>,
        scopes: &Scopes,
        reply: Reply,
        authorization: Option<Authorization>,
    ) -> Result<Reply, RequestError> {
        if reply.status() == StatusCode::UNAUTHORIZED && origin(reply.url()) == origin(&session.base()) {
            let scopes = session.learn(reply.headers(), scopes);
            let refused = authorization.and_then(|authorization| authorization.token);
            self.authorization(session, context, &scopes, true, refused.as_ref())
                .await?;
        }
        Ok(reply)
    }

    /// Sends one request and follows its redirects. Another host that requires a token gets an anonymous one.
    async fn exchange(
        &self,
        session: &Session,
        mut outgoing: Outgoing,
        payload: Payload,
    ) -> Result<Reply, RequestError> {
        let transport = &self.0.transport;
        let base = session.base();
        let permit = session.permit().await;
        if !matches!(outgoing.method, Method::GET | Method::HEAD) {
            return transport.send(&outgoing, payload).await;
        }
        let reply = follow(transport, &base, check_hop, outgoing.clone()).await?;
        drop(permit);
        let is_elsewhere = origin(reply.url()) != origin(&base);
        let challenge = match preferred(reply.headers()) {
            Some(Challenge::Bearer(challenge)) if is_elsewhere && reply.status() == StatusCode::UNAUTHORIZED => {
                challenge
            }
            _ => return Ok(reply),
        };
        let token = self
            .anonymous_token(reply.url(), session.registry(), &challenge)
            .await?;
        outgoing.headers.insert(AUTHORIZATION, bearer(&token));
        outgoing.url = reply.url().clone();
        outgoing.endpoint = None;
        follow(transport, &base, check_hop, outgoing).await
    }

    /// Returns the session of a host.
    pub(super) fn session(&self, endpoint: &Endpoint) -> Result<Arc<Session>, StoreError> {
        let mut sessions = locked(&self.0.sessions);
        if let Some(session) = sessions.get(endpoint) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(Session::new(endpoint.clone())?);
        endpoint
            .headers
            .iter()
            .for_each(|header| self.options().secrets.add_header(header.value.as_bytes()));
        sessions.insert(endpoint.clone(), Arc::clone(&session));
        Ok(session)
    }
}

/// Replaces the help of a refusal of credentials that were just typed: it would say to log in.
fn wrong_login(error: StoreError) -> StoreError {
    match error {
        StoreError::Unauthorized { .. } | StoreError::Denied { .. } => {
            error.with_help("check the user name and the password or token; nothing was stored")
        }
        other => other,
    }
}
