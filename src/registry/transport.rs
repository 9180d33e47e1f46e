//! One request, one reply: the one place through which every request of this crate goes. It follows nothing, repeats
//! nothing and knows no credentials.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use reqwest::{Method, Response};
use rustls::CertificateError;
use tokio::time::{Instant, sleep_until, timeout};
use url::Url;

use super::body::Progress;
use super::tls::{HostTls, client_config};
use super::{RegistryOptions, proxy};
use crate::store::StoreError;

/// How long a registry may take to answer after it got a whole body: it hashes and moves what it was sent.
const REPLY_TIMEOUT: Duration = Duration::from_secs(300);

/// The body of a request.
pub(super) enum Payload {
    /// No body.
    Empty,
    /// Bytes in memory, which can be sent again.
    Bytes(Bytes),
    /// A stream, which can be sent once, with its size in bytes.
    Stream(reqwest::Body, u64, Arc<Progress>),
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
}

/// Connections to all hosts.
pub(super) struct Transport {
    options: RegistryOptions,
    /// By host and port where something is said of them alone; the common one under the empty name.
    clients: Mutex<BTreeMap<String, reqwest::Client>>,
}

impl Transport {
    pub(super) fn new(options: RegistryOptions) -> Result<Self, StoreError> {
        proxy::proxy(&options.proxies)?;
        Ok(Self { options, clients: Mutex::default() })
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        &self.options
    }

    /// Sends a request. Any reply is success here.
    pub(super) async fn send(&self, outgoing: Outgoing) -> Result<Response, StoreError> {
        let (action, place, url) = (outgoing.action, outgoing.place.clone(), outgoing.url.clone());
        self.try_send(outgoing).await.map_err(|failure| failure.into_error(action, place, &url))
    }

    /// As [`Transport::send`], with a failure that can still be asked for its kind.
    pub(super) async fn try_send(&self, outgoing: Outgoing) -> Result<Response, Failure> {
        let client = self.client(&outgoing.url).map_err(Failure::Setup)?;
        let idle = self.options.idle_timeout;
        tracing::debug!(method = %outgoing.method, url = super::redact::address(&outgoing.url), "request");
        let request = client.request(outgoing.method, outgoing.url).headers(outgoing.headers);
        let reply = match outgoing.payload {
            Payload::Empty => timeout(idle, request.send()).await.map_err(|_| Failure::Silence(idle))?,
            Payload::Bytes(bytes) => {
                let sent = request.header(CONTENT_LENGTH, bytes.len()).body(bytes).send();
                timeout(REPLY_TIMEOUT, sent).await.map_err(|_| Failure::Silence(REPLY_TIMEOUT))?
            }
            Payload::Stream(body, size_bytes, progress) => {
                let sent = request.header(CONTENT_LENGTH, size_bytes).body(body).send();
                watch(sent, &progress, idle).await?
            }
        };
        let reply = reply.map_err(|error| Failure::Http(error.without_url()))?;
        tracing::debug!(status = reply.status().as_u16(), "reply");
        Ok(reply)
    }

    fn client(&self, url: &Url) -> Result<reqwest::Client, StoreError> {
        let host = self.host_tls(url);
        let name = match host == HostTls::default() {
            true => String::new(),
            false => super::origin::origin(url),
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&name) {
            return Ok(client.clone());
        }
        let client = self.build(&host)?;
        clients.insert(name, client.clone());
        Ok(client)
    }

    fn build(&self, host: &HostTls) -> Result<reqwest::Client, StoreError> {
        let options = &self.options;
        let tls = client_config(&options.roots, &options.ca_files, host)?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(&options.user_agent)
            .connect_timeout(options.connect_timeout)
            .no_proxy();
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
    fn host_tls(&self, url: &Url) -> HostTls {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        let mut names = vec![format!("{host}:{port}")];
        if url.port().is_none() {
            names.insert(0, host.to_owned());
        }
        let directories = self.options.certs_dirs.iter().flat_map(|root| names.iter().map(|name| root.join(name)));
        let directory: Option<PathBuf> = directories.into_iter().find(|directory| directory.is_dir());
        HostTls { directory, skip_verify: names.iter().any(|name| self.options.skip_verify.contains(name)) }
    }
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
pub(super) enum Failure {
    /// The connection could not even be prepared.
    Setup(StoreError),
    /// Nothing was heard for this long.
    Silence(Duration),
    /// Everything else, without its address.
    Http(reqwest::Error),
}

impl Failure {
    /// True where the other side answered the TLS handshake with something that is not TLS. A certificate that is not
    /// trusted, a reset or a silence is not that.
    pub(super) fn speaks_no_tls(&self) -> bool {
        let Self::Http(error) = self else { return false };
        matches!(find::<rustls::Error>(error), Some(rustls::Error::InvalidMessage(_)))
    }

    pub(super) fn into_error(self, action: &'static str, place: String, url: &Url) -> StoreError {
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
