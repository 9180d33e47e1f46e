//! One request and its reply: every request of this crate goes through here and is counted here. This module follows no
//! redirects and knows no credentials. [`Transport::retrying`] repeats failed requests, by the policy of
//! [`super::retry`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use tokio::time::{Instant, sleep_until, timeout};
use url::Url;

use super::body::{PIECE_BYTES, Pace, Phase, Progress};
use super::config::Endpoint;
use super::failure::Failure;
use super::origin::origin;
use super::proxy::{Proxies, ProxyServer};
use super::request_error::RequestError;
use super::retry::{self, Backoff, Jitter, RetryInfo};
use super::tls::{HostTls, client_config, config_without_tls};
use super::traffic::Counters;
use super::{RegistryOptions, Secrets, redact};
use crate::events::Event;
use crate::model::locked;
use crate::store::StoreError;

/// Timeout of the reply after the whole body was sent: the registry hashes and moves the content.
const REPLY_TIMEOUT: Duration = Duration::from_secs(300);

/// A longer wait is reported to the user.
const NOTICED_WAIT: Duration = Duration::from_secs(3);

/// The body of a request.
pub(super) enum Payload {
    /// No body.
    Empty,
    /// Bytes in memory, which can be sent again.
    Bytes(Bytes),
    /// A stream, which can be sent once.
    Stream(PayloadStream),
}

/// The body of an upload.
pub(super) struct PayloadStream {
    pub(super) pieces: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
    pub(super) size_bytes: u64,
    /// Says which side a silence is due to.
    pub(super) progress: Arc<Progress>,
}

impl PayloadStream {
    /// Returns bytes in memory as pieces, so that a slow connection does not time out.
    fn of(bytes: Bytes) -> Self {
        let progress = Arc::new(Progress::new());
        let size_bytes = bytes.len() as u64;
        let told = Arc::clone(&progress);
        let pieces = stream::unfold(bytes, move |mut rest| {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            told.enter(if piece.is_empty() { Phase::Sent } else { Phase::Sending });
            std::future::ready((!piece.is_empty()).then_some((Ok(piece), rest)))
        });
        Self {
            pieces: Box::pin(pieces),
            size_bytes,
            progress,
        }
    }
}

/// The connection of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    /// One that is shared with other requests.
    Shared,
    /// One for this request only, closed afterwards.
    Own,
}

impl Payload {
    /// Returns a copy of the body, if possible.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Self::Stream(..) => None,
        }
    }
}

/// A request without its body, with its description for messages.
#[derive(Clone)]
pub(super) struct Outgoing {
    /// The action, in the -ing form.
    pub(super) action: &'static str,
    /// The registry or repository that the request is for.
    pub(super) place: String,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) connection: Connection,
    /// Settings of the host that the request is meant for. They apply to that host only.
    pub(super) endpoint: Option<Arc<Endpoint>>,
}

impl Outgoing {
    /// Returns a request without headers, on a shared connection.
    pub(super) fn new(
        action: &'static str,
        place: &str,
        method: Method,
        url: Url,
        endpoint: Option<&Arc<Endpoint>>,
    ) -> Self {
        Self {
            action,
            place: place.to_owned(),
            method,
            url,
            headers: HeaderMap::new(),
            connection: Connection::Shared,
            endpoint: endpoint.cloned(),
        }
    }
}

/// A reply whose body is not read yet.
pub(super) struct Reply {
    /// The action and the method of the request.
    pub(super) action: &'static str,
    pub(super) method: Method,
    response: Response,
    pace: Pace,
    counters: Arc<Counters>,
    secrets: Secrets,
    /// Number of tries, if another try makes no sense.
    tries: u32,
}

impl Reply {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Returns the address that replied.
    pub(super) fn url(&self) -> &Url {
        self.response.url()
    }

    /// Returns the number of tries if another try makes no sense, and 1 otherwise.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    /// Returns the secrets to mask in the reply's text.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Returns the next piece of the body, or `None` at its end. A body that is silent for too long or arrives too
    /// slowly is an error.
    pub(super) async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        let piece = self.pace.next(self.response.chunk()).await?;
        let piece = piece.map_err(|error| io::Error::other(error.without_url()))?;
        self.counters.received(piece.as_ref().map_or(0, Bytes::len));
        Ok(piece)
    }
}

/// Settings that connections of one pool share.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ClientKind {
    /// `None` for connections without TLS, which need no TLS configuration.
    tls: Option<HostTls>,
    connect_timeout: Option<Duration>,
    keeps_connections: bool,
}

/// Connections to all hosts.
pub(super) struct Transport {
    options: RegistryOptions,
    proxies: Proxies,
    clients: Mutex<BTreeMap<ClientKind, reqwest::Client>>,
    /// Origins that have replied.
    heard: Mutex<BTreeSet<String>>,
    counters: Arc<Counters>,
    jitter: Jitter,
}

impl Transport {
    pub(super) fn new(options: RegistryOptions) -> Self {
        Self {
            proxies: Proxies::new(&options.proxies, &options.secrets),
            clients: Mutex::default(),
            heard: Mutex::default(),
            counters: Arc::default(),
            jitter: Jitter::new(options.retry.seed),
            options,
        }
    }

    /// Returns the backoff of a new operation.
    pub(super) fn backoff(&self, is_of_mirror: bool) -> Backoff {
        let retry = &self.options.retry;
        if is_of_mirror {
            Backoff::new(&retry.of_mirror())
        } else {
            Backoff::new(retry)
        }
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        &self.options
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Sends a request once. Any reply is `Ok`.
    pub(super) async fn send(&self, outgoing: &Outgoing, payload: Payload) -> Result<Reply, RequestError> {
        let url = &outgoing.url;
        let (proxy, sent) = match self.proxies.choose(url) {
            Ok(proxy) => (proxy.clone(), self.try_send(outgoing, payload, proxy.as_ref()).await),
            Err(error) => (None, Err(Failure::Setup(error))),
        };
        let mut heard = locked(&self.heard);
        match sent {
            Ok(reply) => {
                heard.insert(origin(url));
                Ok(reply)
            }
            Err(failure) => {
                let retry = RetryInfo {
                    is_passing: failure.is_passing(),
                    retry_after: None,
                    was_heard: heard.contains(&origin(url)),
                    silence: failure.silence(),
                };
                // A server without TLS often does not listen on the port of TLS, if no port was given.
                let has_no_port = url.port().is_none() && url.scheme() == "https" && proxy.is_none();
                let speaks_no_tls = failure.speaks_no_tls() || (has_no_port && failure.is_refused());
                let error = failure.into_error(outgoing.action, &outgoing.place, url, proxy.as_ref());
                Err(RequestError {
                    retry,
                    speaks_no_tls,
                    ..RequestError::from(error)
                })
            }
        }
    }

    /// Repeats a request while its failures are transient, with the remaining tries of `backoff`. The last reply is
    /// `Ok`, whatever its status. An exhausted quota is not retried.
    pub(super) async fn retrying<Sending>(
        &self,
        backoff: &mut Backoff,
        action: &'static str,
        place: &str,
        mut send: impl FnMut() -> Sending,
    ) -> Result<Reply, RequestError>
    where
        Sending: Future<Output = Result<Reply, RequestError>>,
    {
        loop {
            match send().await {
                Ok(reply) => {
                    let retry = RetryInfo::of(reply.status(), reply.headers());
                    let why = format!("the server returned {}", reply.status().as_u16());
                    if !retry.is_passing {
                        return Ok(reply);
                    }
                    if !self.pause(backoff, retry, action, place, &why).await {
                        return Ok(Reply {
                            tries: backoff.tries(),
                            ..reply
                        });
                    }
                }
                Err(request_error) => self.wait(backoff, action, place, request_error).await?,
            }
        }
    }

    /// Waits before another try of a failed request. Returns its error if there is none.
    pub(super) async fn wait(
        &self,
        backoff: &mut Backoff,
        action: &'static str,
        place: &str,
        request_error: RequestError,
    ) -> Result<(), RequestError> {
        let why = request_error.why();
        if self.pause(backoff, request_error.retry, action, place, &why).await {
            Ok(())
        } else {
            Err(request_error.given_up_after(backoff.tries()))
        }
    }

    /// Waits before the next try, counts it and reports it. Returns `false` if there is no next try.
    async fn pause(
        &self,
        backoff: &mut Backoff,
        retry: RetryInfo,
        action: &'static str,
        place: &str,
        why: &str,
    ) -> bool {
        let Some(wait) = backoff.next_wait(retry, &self.jitter) else {
            return false;
        };
        self.counters.retry();
        tracing::info!(place, why, wait_ms = wait.as_millis() as u64, "retrying {action}");
        if wait >= NOTICED_WAIT {
            let wait = retry::span(wait);
            let text = format!("{action} at {place} failed, retrying in {wait}: {why}");
            self.options.observer.event(Event::Note(text));
        }
        tokio::time::sleep(wait).await;
        true
    }

    async fn try_send(
        &self,
        outgoing: &Outgoing,
        payload: Payload,
        proxy: Option<&ProxyServer>,
    ) -> Result<Reply, Failure> {
        let endpoint = outgoing
            .endpoint
            .as_deref()
            .filter(|endpoint| endpoint.is_at(&outgoing.url));
        let client = self.client(outgoing, endpoint, proxy)?;
        let idle = self.options.idle_timeout;
        // Content that this request stores may take long to hash and to move. Starting an upload is fast.
        let limit = if outgoing.method == Method::POST {
            idle
        } else {
            REPLY_TIMEOUT
        };
        tracing::debug!(method = %outgoing.method, url = redact::address(&outgoing.url), "request");
        self.counters.request(&outgoing.method);
        let request = client
            .request(outgoing.method.clone(), outgoing.url.clone())
            .headers(with_headers_of(endpoint, &outgoing.headers));
        let stream = match payload {
            Payload::Empty => return self.reply(outgoing, within(idle, request).await?),
            Payload::Bytes(bytes) if bytes.is_empty() => {
                let request = request.header(CONTENT_LENGTH, 0).body(bytes);
                return self.reply(outgoing, within(limit, request).await?);
            }
            Payload::Bytes(bytes) => PayloadStream::of(bytes),
            Payload::Stream(stream) => stream,
        };
        let counters = Arc::clone(&self.counters);
        let counted = stream
            .pieces
            .inspect(move |piece| counters.sent(piece.as_ref().map_or(0, Bytes::len)));
        let body = reqwest::Body::wrap_stream(counted);
        let sent = request.header(CONTENT_LENGTH, stream.size_bytes).body(body).send();
        self.reply(outgoing, watch(sent, &stream.progress, idle, limit).await?)
    }

    fn reply(&self, outgoing: &Outgoing, sent: Sent) -> Result<Reply, Failure> {
        let response = sent.map_err(|error| Failure::Http(error.without_url()))?;
        tracing::debug!(status = response.status().as_u16(), "reply");
        Ok(Reply {
            action: outgoing.action,
            method: outgoing.method.clone(),
            response,
            pace: Pace::new(self.options.idle_timeout),
            counters: Arc::clone(&self.counters),
            secrets: self.options.secrets.clone(),
            tries: 1,
        })
    }

    fn client(
        &self,
        outgoing: &Outgoing,
        endpoint: Option<&Endpoint>,
        proxy: Option<&ProxyServer>,
    ) -> Result<reqwest::Client, Failure> {
        let url = &outgoing.url;
        let is_tls = url.scheme() == "https" || proxy.is_some_and(ProxyServer::is_tls);
        let kind = ClientKind {
            tls: is_tls.then(|| self.host_tls(url, endpoint)),
            connect_timeout: endpoint.and_then(|endpoint| endpoint.connect_timeout),
            keeps_connections: outgoing.connection == Connection::Shared,
        };
        let mut clients = locked(&self.clients);
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let client = self.build(&kind)?;
        clients.insert(kind, client.clone());
        Ok(client)
    }

    fn build(&self, kind: &ClientKind) -> Result<reqwest::Client, Failure> {
        let options = &self.options;
        let tls = match &kind.tls {
            Some(host) => client_config(|| options.roots.certificates(), &options.ca_files, host)?,
            None => config_without_tls().map_err(Failure::NoTls)?,
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(&options.user_agent)
            .connect_timeout(kind.connect_timeout.unwrap_or(options.connect_timeout))
            .no_proxy();
        if !kind.keeps_connections {
            builder = builder.pool_max_idle_per_host(0);
        }
        if let Some(proxy) = self.proxies.for_client() {
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| {
            let reason = error.without_url().to_string();
            Failure::Setup(StoreError::malformed("the HTTP client", reason))
        })
    }

    /// Returns a host's TLS settings. The host is written as in references: with a port if it is not the scheme's
    /// default or was given.
    fn host_tls(&self, url: &Url, endpoint: Option<&Endpoint>) -> HostTls {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        // containerd writes ports between underscores, for systems that do not allow colons in names.
        let mut names = vec![format!("{host}_{port}_"), format!("{host}:{port}")];
        if url.port().is_none() {
            names.insert(0, host.to_owned());
        }
        let directories = self
            .options
            .certs_dirs
            .iter()
            .flat_map(|root| names.iter().map(|name| root.join(name)));
        let directory: Option<PathBuf> = directories.into_iter().find(|directory| directory.is_dir());
        let mut terms = endpoint.map(|endpoint| endpoint.tls.clone()).unwrap_or_default();
        terms.skip_verify |= self.options.skips_verification_at(url);
        HostTls { directory, terms }
    }
}

/// Returns a request's headers and its host's additional ones.
fn with_headers_of(endpoint: Option<&Endpoint>, headers: &HeaderMap) -> HeaderMap {
    let mut all = HeaderMap::new();
    for header in endpoint.iter().flat_map(|endpoint| &endpoint.headers) {
        if let Ok(name) = HeaderName::from_bytes(header.name.as_bytes()) {
            all.append(name, header.value.clone());
        }
    }
    // The request's own headers take precedence.
    all.extend(headers.clone());
    all
}

/// What the HTTP library returns.
type Sent = Result<Response, reqwest::Error>;

async fn within(limit: Duration, request: RequestBuilder) -> Result<Sent, Failure> {
    let sent = timeout(limit, request.send()).await;
    sent.map_err(|_| Failure::Silence(limit))
}

/// Waits for the reply to a streamed body while the body makes progress.
async fn watch(
    sent: impl Future<Output = Sent>,
    progress: &Progress,
    idle: Duration,
    limit: Duration,
) -> Result<Sent, Failure> {
    tokio::pin!(sent);
    loop {
        let (deadline, silence) = progress.deadline(idle, limit);
        tokio::select! {
            reply = &mut sent => return Ok(reply),
            () = sleep_until(deadline) => {
                if progress.deadline(idle, limit).0 <= Instant::now() {
                    return Err(Failure::Silence(silence));
                }
            }
        }
    }
}
