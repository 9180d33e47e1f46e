//! One request, one reply: the one place through which every request of this crate goes, and where it is counted. It follows
//! nothing and knows no credentials. Repeating what failed is [`Transport::retrying`]'s, by the policy of
//! [`super::retry`].

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderName};
use reqwest::{Method, Response, StatusCode};
use rustls::CertificateError;
use tokio::time::{Instant, sleep_until, timeout};
use url::Url;

use super::body::{PIECE_BYTES, Phase, Progress};
use super::config::Endpoint;
use super::origin::origin;
use super::retry::{self, Backoff, Interruption, Jitter, Trouble};
use super::tls::{HostTls, client_config};
use super::traffic::Counters;
use super::{RegistryOptions, proxy, redact};
use crate::store::StoreError;

/// How long a registry may take to answer after it got a whole body: it hashes and moves what it was sent.
const REPLY_TIMEOUT: Duration = Duration::from_secs(300);

/// A wait that is longer is told to whoever looks on.
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
    /// Whom the silence is to be blamed on.
    pub(super) progress: Arc<Progress>,
}

impl PayloadStream {
    /// Bytes in memory, handed on in pieces, so that a slow line is not taken for a dead one.
    fn of(bytes: Bytes) -> Self {
        let (progress, size_bytes) = (Arc::new(Progress::new()), bytes.len() as u64);
        let told = Arc::clone(&progress);
        let pieces = stream::unfold(bytes, move |mut rest| {
            let piece = rest.split_to(rest.len().min(PIECE_BYTES));
            told.enter(if piece.is_empty() { Phase::Sent } else { Phase::Sending });
            std::future::ready((!piece.is_empty()).then_some((Ok(piece), rest)))
        });
        Self { pieces: Box::pin(pieces), size_bytes, progress }
    }
}

/// The connection that a request goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    /// One that other requests have used or will use.
    Shared,
    /// One of its own, closed afterwards.
    Own,
}

impl Payload {
    /// The same body once more, where that is possible.
    pub(super) fn again(&self) -> Option<Self> {
        match self {
            Self::Empty => Some(Self::Empty),
            Self::Bytes(bytes) => Some(Self::Bytes(bytes.clone())),
            Self::Stream(..) => None,
        }
    }
}

/// A request, with what messages say of it.
pub(super) struct Outgoing {
    /// What is being done, in the -ing form.
    pub(super) action: &'static str,
    /// The registry or repository that it is done for.
    pub(super) place: String,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
    pub(super) connection: Connection,
    /// What is said of the host that it is meant for, which counts for that host alone.
    pub(super) endpoint: Option<Arc<Endpoint>>,
}

/// A reply whose body is not read yet.
pub(super) struct Reply {
    response: Response,
    idle: Duration,
    counters: Arc<Counters>,
}

impl Reply {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The address that answered.
    pub(super) fn url(&self) -> &Url {
        self.response.url()
    }

    /// The next piece of the body; `None` at its end. A silence that is too long is an error.
    pub(super) async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        match timeout(self.idle, self.response.chunk()).await {
            Ok(Ok(piece)) => {
                self.counters.received(piece.as_ref().map_or(0, Bytes::len));
                Ok(piece)
            }
            Ok(Err(error)) => Err(io::Error::other(error.without_url())),
            Err(_) => {
                let text = format!("the other side was silent for {} seconds", self.idle.as_secs());
                Err(io::Error::new(io::ErrorKind::TimedOut, text))
            }
        }
    }
}

/// What connections have in common that may stand beside each other.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ClientKind {
    tls: HostTls,
    connect_timeout: Option<Duration>,
    keeps_connections: bool,
}

/// Connections to all hosts.
pub(super) struct Transport {
    options: RegistryOptions,
    clients: Mutex<BTreeMap<ClientKind, reqwest::Client>>,
    /// Origins that have answered something.
    heard: Mutex<BTreeSet<String>>,
    counters: Arc<Counters>,
    jitter: Jitter,
}

impl Transport {
    pub(super) fn new(options: RegistryOptions) -> Result<Self, StoreError> {
        proxy::proxy(&options.proxies)?;
        let jitter = Jitter::new(options.retry.seed);
        let (clients, heard, counters) = (Mutex::default(), Mutex::default(), Arc::default());
        Ok(Self { options, clients, heard, counters, jitter })
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        &self.options
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Sends a request once. Any reply is success here.
    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<Reply, Interruption> {
        let (action, place, url) = (outgoing.action, outgoing.place.clone(), outgoing.url.clone());
        let sent = self.try_send(outgoing).await;
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match sent {
            Ok(reply) => {
                heard.insert(origin(&url));
                Ok(reply)
            }
            Err(failure) => {
                let was_heard = heard.contains(&origin(&url));
                let trouble = Trouble { is_passing: failure.is_passing(), retry_after: None, was_heard };
                // Nothing on the port of TLS, where no port was written, speaks no TLS either.
                let has_no_port = url.port().is_none() && url.scheme() == "https";
                let speaks_no_tls = failure.speaks_no_tls() || (has_no_port && failure.is_refused());
                Err(Interruption { error: failure.into_error(action, place, &url), trouble, speaks_no_tls })
            }
        }
    }

    /// Makes a request again for as long as its failures may pass. The last reply is success here, whatever it says; a
    /// quota that is used up is not waited for.
    pub(super) async fn retrying<Sent>(
        &self,
        action: &'static str,
        place: &str,
        mut send: impl FnMut() -> Sent,
    ) -> Result<Reply, Interruption>
    where
        Sent: Future<Output = Result<Reply, Interruption>>,
    {
        let mut backoff = Backoff::new(&self.options.retry);
        loop {
            match send().await {
                Ok(reply) => {
                    let trouble = Trouble::of(reply.status(), reply.headers());
                    let why = format!("it was answered {}", reply.status().as_u16());
                    if !trouble.is_passing || !self.pause(&mut backoff, trouble, action, place, &why).await {
                        return Ok(reply);
                    }
                }
                Err(interruption) => {
                    let why = interruption.why();
                    if !self.pause(&mut backoff, interruption.trouble, action, place, &why).await {
                        return Err(interruption);
                    }
                }
            }
        }
    }

    /// Waits before the next try, counts it and tells of it. False where there is to be none.
    pub(super) async fn pause(
        &self,
        backoff: &mut Backoff,
        trouble: Trouble,
        action: &'static str,
        place: &str,
        why: &str,
    ) -> bool {
        let Some(wait) = backoff.next_wait(trouble, &self.jitter) else { return false };
        self.counters.retry();
        tracing::info!(place, why, wait_ms = wait.as_millis() as u64, "{action} is tried again");
        if wait >= NOTICED_WAIT {
            let wait = retry::span(wait);
            self.options.notice.tell(&format!("{action} at {place} is tried again in {wait}: {why}"));
        }
        tokio::time::sleep(wait).await;
        true
    }

    async fn try_send(&self, outgoing: Outgoing) -> Result<Reply, Failure> {
        let endpoint = outgoing.endpoint.as_deref().filter(|endpoint| endpoint.is_at(&outgoing.url));
        let client = self.client(&outgoing.url, outgoing.connection, endpoint).map_err(Failure::Setup)?;
        let idle = self.options.idle_timeout;
        tracing::debug!(method = %outgoing.method, url = redact::address(&outgoing.url), "request");
        self.counters.request(&outgoing.method);
        let headers = with_headers_of(endpoint, outgoing.headers);
        let request = client.request(outgoing.method, outgoing.url).headers(headers);
        let stream = match outgoing.payload {
            Payload::Empty => None,
            Payload::Bytes(bytes) if bytes.is_empty() => {
                let sent = request.header(CONTENT_LENGTH, 0).body(bytes).send();
                return self.reply(timeout(REPLY_TIMEOUT, sent).await.map_err(|_| Failure::Silence(REPLY_TIMEOUT))?);
            }
            Payload::Bytes(bytes) => Some(PayloadStream::of(bytes)),
            Payload::Stream(stream) => Some(stream),
        };
        let Some(PayloadStream { pieces, size_bytes, progress }) = stream else {
            return self.reply(timeout(idle, request.send()).await.map_err(|_| Failure::Silence(idle))?);
        };
        let counters = Arc::clone(&self.counters);
        let counted = pieces.inspect(move |piece| counters.sent(piece.as_ref().map_or(0, Bytes::len)));
        let body = reqwest::Body::wrap_stream(counted);
        let sent = request.header(CONTENT_LENGTH, size_bytes).body(body).send();
        self.reply(watch(sent, &progress, idle).await?)
    }

    fn reply(&self, sent: Result<Response, reqwest::Error>) -> Result<Reply, Failure> {
        let response = sent.map_err(|error| Failure::Http(error.without_url()))?;
        tracing::debug!(status = response.status().as_u16(), "reply");
        Ok(Reply { response, idle: self.options.idle_timeout, counters: Arc::clone(&self.counters) })
    }

    fn client(
        &self,
        url: &Url,
        connection: Connection,
        endpoint: Option<&Endpoint>,
    ) -> Result<reqwest::Client, StoreError> {
        let kind = ClientKind {
            tls: self.host_tls(url, endpoint),
            connect_timeout: endpoint.and_then(|endpoint| endpoint.connect_timeout),
            keeps_connections: connection == Connection::Shared,
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&kind) {
            return Ok(client.clone());
        }
        let client = self.build(&kind)?;
        clients.insert(kind, client.clone());
        Ok(client)
    }

    fn build(&self, kind: &ClientKind) -> Result<reqwest::Client, StoreError> {
        let options = &self.options;
        let tls = client_config(options.roots.certificates(), &options.ca_files, &kind.tls)?;
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
        if let Some(proxy) = proxy::proxy(&options.proxies)? {
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|error| StoreError::Malformed {
            place: "the HTTP client".to_owned(),
            reason: error.without_url().to_string(),
            help: None,
        })
    }

    /// A host is written as in references: the port stands where it is not the scheme's own, or where it was written.
    fn host_tls(&self, url: &Url, endpoint: Option<&Endpoint>) -> HostTls {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        // containerd writes ports between underscores, for systems that have no colons in names.
        let mut names = vec![format!("{host}_{port}_"), format!("{host}:{port}")];
        if url.port().is_none() {
            names.insert(0, host.to_owned());
        }
        let directories = self.options.certs_dirs.iter().flat_map(|root| names.iter().map(|name| root.join(name)));
        let directory: Option<PathBuf> = directories.into_iter().find(|directory| directory.is_dir());
        let mut terms = endpoint.map(|endpoint| endpoint.tls.clone()).unwrap_or_default();
        terms.skip_verify |= names.iter().any(|name| self.options.skip_verify.contains(name));
        HostTls { directory, terms }
    }
}

/// A request's headers, and those that its host is to get besides.
fn with_headers_of(endpoint: Option<&Endpoint>, headers: HeaderMap) -> HeaderMap {
    let mut all = HeaderMap::new();
    for header in endpoint.iter().flat_map(|endpoint| &endpoint.headers) {
        if let Ok(name) = HeaderName::from_bytes(header.name.as_bytes()) {
            all.append(name, header.value.clone());
        }
    }
    // What the request itself says goes before.
    all.extend(headers);
    all
}

/// Waits for the reply to a streamed body for as long as the body goes on.
async fn watch(
    sent: impl Future<Output = Result<Response, reqwest::Error>>,
    progress: &Progress,
    idle: Duration,
) -> Result<Result<Response, reqwest::Error>, Failure> {
    tokio::pin!(sent);
    loop {
        let (deadline, limit) = progress.deadline(idle, REPLY_TIMEOUT);
        tokio::select! {
            reply = &mut sent => return Ok(reply),
            () = sleep_until(deadline) => {
                if progress.deadline(idle, REPLY_TIMEOUT).0 <= Instant::now() {
                    return Err(Failure::Silence(limit));
                }
            }
        }
    }
}

/// Why there is no reply.
enum Failure {
    /// The connection could not even be prepared.
    Setup(StoreError),
    /// Nothing was heard for this long.
    Silence(Duration),
    /// Everything else, without its address.
    Http(reqwest::Error),
}

impl Failure {
    /// False for what will be the same the next time: a certificate, a request that cannot be made.
    fn is_passing(&self) -> bool {
        match self {
            Self::Setup(_) => false,
            Self::Silence(_) => true,
            Self::Http(error) => find::<rustls::Error>(error).is_none() && !error.is_builder(),
        }
    }

    /// True where the other side answered the TLS handshake with something that is not TLS. A certificate that is not
    /// trusted, a reset or a silence is not that.
    fn speaks_no_tls(&self) -> bool {
        let Self::Http(error) = self else { return false };
        matches!(find::<rustls::Error>(error), Some(rustls::Error::InvalidMessage(_)))
    }

    fn is_refused(&self) -> bool {
        let Self::Http(error) = self else { return false };
        find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }

    fn into_error(self, action: &'static str, place: String, url: &Url) -> StoreError {
        let host = url.host_str().unwrap_or_default();
        let (detail, help, cause) = match self {
            Self::Setup(error) => return error,
            Self::Silence(limit) => (format!("{host} was silent for {} seconds", limit.as_secs()), None, None),
            Self::Http(error) => {
                let (detail, help) = explain(&error, url);
                (detail, help, Some(root_cause(&error).into()))
            }
        };
        StoreError::Remote { action: action.to_owned(), place, detail, help, cause }
    }
}

/// What the innermost error says: those around it name the layers of a library.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn explain(error: &reqwest::Error, url: &Url) -> (String, Option<String>) {
    let host = url.host_str().unwrap_or_default();
    if let Some(error) = find::<rustls::Error>(error) {
        return explain_tls(error, url);
    }
    if error.is_dns() {
        return (format!("there is no host {host}"), Some("check the name, and the network".to_owned()));
    }
    let kind = find::<io::Error>(error).map(io::Error::kind);
    if kind == Some(io::ErrorKind::UnexpectedEof) && error.is_connect() {
        let help = format!("if it is meant to be spoken to without TLS, say --plain-http {}", registry_name(url));
        return (format!("{host} broke off the TLS handshake"), Some(help));
    }
    let detail = match kind {
        Some(io::ErrorKind::ConnectionRefused) => format!("{host} refused the connection"),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => format!("{host} broke the connection"),
        _ if error.is_timeout() => format!("{host} did not answer in time"),
        _ if error.is_connect() => format!("no connection to {host}"),
        _ => format!("the exchange with {host} failed"),
    };
    (detail, None)
}

/// The registry as references write it.
fn registry_name(url: &Url) -> String {
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    format!("{}{port}", url.host_str().unwrap_or_default())
}

fn explain_tls(error: &rustls::Error, url: &Url) -> (String, Option<String>) {
    let (host, registry) = (url.host_str().unwrap_or_default(), registry_name(url));
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => (
            format!("the certificate of {host} was issued by an authority that is not trusted here"),
            Some(format!(
                "name the authority's certificate with --ca-file FILE, or put it into \
                 ~/.config/containers/certs.d/{registry}/ca.crt"
            )),
        ),
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (format!("the certificate of {host} is for another name"), None),
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            (format!("the certificate of {host} has expired"), None)
        }
        rustls::Error::InvalidCertificate(_) => (format!("the certificate of {host} is not valid"), None),
        rustls::Error::InvalidMessage(_) => (
            format!("{host} does not speak TLS"),
            Some(format!("if it is meant to be spoken to without, say --plain-http {registry}")),
        ),
        _ => (format!("the TLS handshake with {host} failed"), None),
    }
}

/// Looks for a kind of error among the causes. I/O errors keep what they wrap out of the chain.
fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
