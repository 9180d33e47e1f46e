//! Why a request got no reply: whose fault it is, and what the user can do about it.

use std::error::Error;
use std::io;
use std::time::Duration;

use rustls::CertificateError;
use url::Url;

use super::proxy::ProxyServer;
use crate::store::StoreError;

/// Why there is no reply.
pub(super) enum Failure {
    /// The connection could not be prepared.
    Setup(StoreError),
    /// The connection could not be prepared, since this machine cannot do TLS.
    NoTls(StoreError),
    /// The connection was silent for this long.
    Silence(Duration),
    /// Any other error, without its address.
    Http(reqwest::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Setup(error)
    }
}

impl Failure {
    /// Returns `false` for an error that a retry will not fix: a certificate, a request that cannot be built.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Setup(_) | Self::NoTls(_) => false,
            Self::Silence(_) => true,
            Self::Http(error) => find::<rustls::Error>(error).is_none() && !error.is_builder(),
        }
    }

    /// Returns how long the connection was silent.
    pub(super) fn silence(&self) -> Duration {
        if let Self::Silence(limit) = self {
            *limit
        } else {
            Duration::ZERO
        }
    }

    /// Returns `true` if the server answered the TLS handshake with something other than TLS, or no handshake is
    /// possible. An untrusted certificate, a reset or a timeout does not count.
    pub(super) fn speaks_no_tls(&self) -> bool {
        match self {
            Self::NoTls(_) => true,
            Self::Http(error) => matches!(find::<rustls::Error>(error), Some(rustls::Error::InvalidMessage(_))),
            Self::Setup(_) | Self::Silence(_) => false,
        }
    }

    /// Returns `true` if the connection was refused.
    pub(super) fn is_refused(&self) -> bool {
        let Self::Http(error) = self else { return false };
        find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// Turns the failure into the error of a request to `url`, which went through `proxy` if there is one.
    pub(super) fn into_error(
        self,
        action: &'static str,
        place: &str,
        url: &Url,
        proxy: Option<&ProxyServer>,
    ) -> StoreError {
        let host = url.host_str().unwrap_or_default();
        let (detail, help, cause) = match self {
            Self::Setup(error) | Self::NoTls(error) => return error,
            Self::Silence(limit) => {
                let through = proxy.map_or(String::new(), |proxy| format!(" through {proxy}"));
                (
                    format!("no data from {host}{through} for {} seconds", limit.as_secs()),
                    None,
                    None,
                )
            }
            Self::Http(error) => {
                let (detail, help) = match proxy.filter(|_| is_of_proxy(&error)) {
                    Some(proxy) => explain_proxy(&error, proxy, host),
                    None => explain(&error, url),
                };
                (detail, help, Some(root_cause(&error).into()))
            }
        };
        StoreError::Remote {
            action: action.to_owned(),
            place: place.to_owned(),
            detail,
            code: None,
            help,
            cause,
        }
    }
}

/// Returns `true` if connecting through a proxy failed because of the proxy, and not in TLS with the host behind it.
fn is_of_proxy(error: &reqwest::Error) -> bool {
    error.is_connect() && find::<rustls::Error>(error).is_none()
}

fn explain_proxy(error: &reqwest::Error, proxy: &ProxyServer, host: &str) -> (String, Option<String>) {
    let detail = match find::<io::Error>(error).map(io::Error::kind) {
        Some(io::ErrorKind::ConnectionRefused) => format!("{proxy} refused the connection"),
        _ if error.is_timeout() => format!("{proxy} did not answer in time"),
        _ => format!("{proxy} did not connect to {host}"),
    };
    (
        detail,
        Some(format!(
            "check the proxy, or name {host} in NO_PROXY to reach it directly"
        )),
    )
}

/// Returns the innermost error: those around it only name the layers of a library.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn explain(error: &reqwest::Error, url: &Url) -> (String, Option<String>) {
    let host = url.host_str().unwrap_or_default();
    let registry = registry_name(url);
    if let Some(error) = find::<rustls::Error>(error) {
        return explain_tls(error, url);
    }
    if error.is_dns() {
        return (
            format!("cannot find the host {host}"),
            Some("check the name and the network".to_owned()),
        );
    }
    let kind = find::<io::Error>(error).map(io::Error::kind);
    if kind == Some(io::ErrorKind::UnexpectedEof) && error.is_connect() {
        let help = format!("if the registry does not use TLS, use --plain-http {registry}");
        return (
            format!("{registry} closed the connection during the TLS handshake"),
            Some(help),
        );
    }
    if kind == Some(io::ErrorKind::ConnectionRefused) {
        return (
            format!("{registry} refused the connection"),
            Some(format!("check that a registry listens at {registry}")),
        );
    }
    let detail = match kind {
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => format!("{registry} closed the connection"),
        _ if error.is_timeout() => format!("{registry} did not answer in time"),
        _ if error.is_connect() => format!("cannot connect to {registry}"),
        _ => format!("the exchange with {registry} failed"),
    };
    (detail, None)
}

/// Returns the registry as written in references.
fn registry_name(url: &Url) -> String {
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    format!("{}{port}", url.host_str().unwrap_or_default())
}

fn explain_tls(error: &rustls::Error, url: &Url) -> (String, Option<String>) {
    let host = url.host_str().unwrap_or_default();
    let registry = registry_name(url);
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => (
            format!("the certificate of {host} was issued by an untrusted authority"),
            Some(format!(
                "give the authority's certificate with --ca-file FILE, or in \
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
            Some(format!("if the registry does not use TLS, use --plain-http {registry}")),
        ),
        _ => (format!("the TLS handshake with {host} failed"), None),
    }
}

/// Searches the chain of causes for an error type. An I/O error does not expose the error that it wraps as its source.
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
