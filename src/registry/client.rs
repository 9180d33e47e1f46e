//! The client: the state of each registry, and the loop that answers challenges. This is the only code that puts a
//! credential into a request.

mod authorize;
mod request;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Method, StatusCode};

use authorize::{Authorizer, ask_for_challenge};
pub(super) use request::{Destination, Request, RequestContext};

use super::auth::bearer;
use super::challenge::{Challenge, preferred};
use super::config::{Action, Config, Endpoint};
use super::mirrors::Mirrors;
use super::origin::{check_hop, origin};
use super::redirect::follow;
use super::reply::{self, FailedRequest};
use super::request_error::RequestError;
use super::retry::Backoff;
use super::scope::Scopes;
use super::session::{Authorization, Session};
use super::transport::{Connection, Outgoing, Payload, Reply, Transport};
use super::upload::UnsupportedModes;
use super::{Credentials, Login, RegistryOptions, Secret, grant};
use crate::events::Traffic;
use crate::model::{Digest, Repository};
use crate::store::StoreError;

/// Challenges that are answered for one request: a token that has just expired, one with more scopes, and one with
/// fewer.
const MAX_ANSWERS: usize = 3;

/// A client for all registries. Its clones share connections, tokens and credentials.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    transport: Transport,
    authorizer: Authorizer,
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
        let authorizer = Authorizer::new(&options);
        let transport = Transport::new(options);
        let sessions = Mutex::default();
        let refusals = UnsupportedModes::default();
        let config = Mutex::default();
        let mirrors = Mirrors::default();
        let named = Mutex::default();
        Ok(Self(Arc::new(Inner {
            transport,
            authorizer,
            sessions,
            refusals,
            config,
            mirrors,
            named,
        })))
    }

    /// Returns the configuration, and reads its files at the first request. Every request returns the error of files that are
    /// invalid.
    pub(super) fn config(&self) -> Result<Arc<Config>, StoreError> {
        let mut held = self.0.config.lock().unwrap_or_else(PoisonError::into_inner);
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
        let mut all = self.0.named.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((repository.clone(), tag.to_owned()), named);
    }

    /// Removes and returns what [`Self::keep_named`] stored.
    pub(super) fn take_named(&self, repository: &Repository, tag: &str) -> Option<Option<Digest>> {
        let mut all = self.0.named.lock().unwrap_or_else(PoisonError::into_inner);
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
        let request = Request {
            action: "logging in",
            method: Method::GET,
            to: Destination::Path(String::new()),
            headers: HeaderMap::new(),
            payload: Payload::Empty,
            scopes: Scopes::default(),
            connection: Connection::Shared,
        };
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
            action: "logging in",
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

    /// Returns `true` if there are credentials for a repository.
    pub(super) async fn has_credentials(&self, repository: &Repository) -> bool {
        self.0.authorizer.has_credentials(repository).await
    }

    /// Returns the authorization for these scopes, as [`Authorizer::authorization`] does.
    async fn authorization(
        &self,
        session: &Session,
        context: RequestContext<'_>,
        scopes: &Scopes,
        is_for_long: bool,
        refused: Option<&Secret>,
    ) -> Result<Option<Authorization>, RequestError> {
        let authorizer = &self.0.authorizer;
        authorizer
            .authorization(self.transport(), session, context, scopes, is_for_long, refused)
            .await
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
        let Request {
            action,
            method,
            to,
            headers,
            payload,
            scopes,
            connection,
        } = request;
        let body = match payload {
            Payload::Empty => None,
            Payload::Bytes(bytes) => Some(bytes),
            Payload::Stream(_) => {
                let detail = "the request body cannot be sent again";
                return Err(StoreError::remote(action, context.place, detail).into());
            }
        };
        let send = || {
            let payload = body.clone().map_or(Payload::Empty, Payload::Bytes);
            let method = method.clone();
            let to = to.clone();
            let headers = headers.clone();
            let scopes = scopes.clone();
            self.send_once(
                context,
                Request {
                    action,
                    method,
                    to,
                    headers,
                    payload,
                    scopes,
                    connection,
                },
            )
        };
        self.0.transport.retrying(backoff, action, context.place, send).await
    }

    /// Sends a request once, answering challenges. Any reply is `Ok`. A stream is sent only once: after a 401 the token
    /// is renewed all the same, for the caller's next attempt.
    pub(super) async fn send_once(&self, context: RequestContext<'_>, request: Request) -> Result<Reply, RequestError> {
        let RequestContext { place, mirror, .. } = context;
        let session = self.session(context.endpoint)?;
        let mut greeting = session.greet().await;
        if mirror.is_some_and(|mirror| self.0.mirrors.is_disabled(mirror)) {
            // The mirror was disabled while this request waited for the first reply.
            return Err(StoreError::remote(request.action, place, "the mirror is skipped").into());
        }
        let Request {
            action,
            method,
            to,
            headers,
            payload,
            mut scopes,
            connection,
        } = request;
        let mut payload = payload;
        let is_for_long = matches!(payload, Payload::Stream(_));
        let mut authorization = None;
        let mut answers = 0;
        loop {
            let base = session.base();
            let url = match &to {
                Destination::Path(path) => session.address(path, place)?,
                Destination::Address(url) => url.clone(),
            };
            let is_elsewhere = origin(&url) != origin(&base);
            if authorization.is_none() && !is_elsewhere {
                authorization = self
                    .authorization(&session, context, &scopes, is_for_long, None)
                    .await?;
            }
            let again = payload.again();
            let mut headers = headers.clone();
            if let Some(authorization) = &authorization {
                headers.insert(AUTHORIZATION, authorization.header.clone());
            }
            let place = place.to_owned();
            let method = method.clone();
            let endpoint = Some(Arc::clone(session.endpoint()));
            let outgoing = Outgoing {
                action,
                place,
                method,
                url,
                headers,
                payload,
                connection,
                endpoint,
            };
            let reply = match (self.exchange(&session, outgoing).await, again) {
                (Ok(reply), again) => {
                    payload = match again {
                        Some(again) => again,
                        None => return self.refresh(&session, context, &scopes, reply, authorization).await,
                    };
                    reply
                }
                (Err(request_error), Some(again)) if request_error.speaks_no_tls && session.fall_back() => {
                    payload = again;
                    continue;
                }
                (Err(request_error), _) => return Err(request_error),
            };
            let is_ours = !is_elsewhere && origin(reply.url()) == origin(&base);
            if reply.status() != StatusCode::UNAUTHORIZED || !is_ours || answers == MAX_ANSWERS {
                session.met();
                return Ok(reply);
            }
            let wanted = session.learn(reply.headers(), &scopes);
            if session.challenge().is_none() {
                ask_for_challenge(self.transport(), &session).await?;
            }
            session.met();
            drop(greeting.take());
            let is_pointless = authorization.as_ref().is_some_and(|known| known.is_fresh) && wanted == scopes;
            if is_pointless && !session.ask_apart(&scopes) {
                return Ok(reply);
            }
            scopes = wanted;
            let refused = authorization.and_then(|authorization: Authorization| authorization.token);
            authorization = self
                .authorization(&session, context, &scopes, is_for_long, refused.as_ref())
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
    async fn exchange(&self, session: &Session, outgoing: Outgoing) -> Result<Reply, RequestError> {
        let transport = &self.0.transport;
        let base = session.base();
        let permit = session.permit().await;
        let is_read = matches!(outgoing.method, Method::GET | Method::HEAD);
        if !is_read {
            return transport.send(outgoing).await;
        }
        let action = outgoing.action;
        let place = outgoing.place.clone();
        let connection = outgoing.connection;
        let method = outgoing.method.clone();
        let mut headers = outgoing.headers.clone();
        let reply = follow(transport, &base, check_hop, outgoing).await?;
        drop(permit);
        let is_elsewhere = origin(reply.url()) != origin(&base);
        let challenge = match preferred(reply.headers()) {
            Some(Challenge::Bearer(challenge)) if is_elsewhere && reply.status() == StatusCode::UNAUTHORIZED => {
                challenge
            }
            _ => return Ok(reply),
        };
        let url = reply.url().clone();
        let authorizer = &self.0.authorizer;
        let token = authorizer
            .anonymous_token(transport, &url, session.registry(), &challenge)
            .await?;
        headers.insert(AUTHORIZATION, bearer(&token));
        let again = Outgoing {
            action,
            place,
            method,
            url,
            headers,
            payload: Payload::Empty,
            connection,
            endpoint: None,
        };
        follow(transport, &base, check_hop, again).await
    }

    /// Returns the session of a host.
    pub(super) fn session(&self, endpoint: &Endpoint) -> Result<Arc<Session>, StoreError> {
        let mut sessions = self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner);
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
