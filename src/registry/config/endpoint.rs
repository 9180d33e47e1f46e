//! The result of the configuration: the host that a request goes to, and its settings.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use crate::model::Repository;
use crate::registry::origin::{endpoint as address, origin};

/// The protocol of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) enum Scheme {
    /// TLS only.
    Https,
    /// TLS, or plain HTTP if the server does not support TLS. No other failure of TLS falls back to HTTP.
    HttpsOrHttp,
    /// Plain HTTP.
    Http,
}

/// TLS settings of one host, in addition to the system's roots and `certs.d`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) struct EndpointTls {
    /// Accept any certificate.
    pub(in crate::registry) skip_verify: bool,
    /// PEM files of additional trusted authorities.
    pub(in crate::registry) ca_files: Vec<PathBuf>,
    /// PEM files of the client's certificate and key, which may be one file.
    pub(in crate::registry) identity: Option<(PathBuf, PathBuf)>,
}

/// A header of every request to a host. Its value may be a secret and is never shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) struct Header {
    /// The name, in lower case.
    pub(in crate::registry) name: String,
    /// The value, marked as sensitive.
    pub(in crate::registry) value: HeaderValue,
}

impl fmt::Debug for Header {
    /// Formats the header without its value.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Header")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// A host that serves repositories. Equal endpoints share one session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) struct Endpoint {
    /// `HOST[:PORT]`, the key of credentials; `docker.io` for Docker Hub.
    pub(in crate::registry) registry: String,
    /// The protocol.
    pub(in crate::registry) scheme: Scheme,
    /// The root of the protocol's paths; `/v2/` by the standard.
    pub(in crate::registry) root: String,
    /// TLS settings.
    pub(in crate::registry) tls: EndpointTls,
    /// Headers of every request to this host. They are sent to no other host.
    pub(in crate::registry) headers: Vec<Header>,
    /// Timeout of connecting, if it differs from the default.
    pub(in crate::registry) connect_timeout: Option<Duration>,
}

/// Root of the protocol's paths (distribution-spec, "API").
pub(in crate::registry) const STANDARD_ROOT: &str = "/v2/";

impl Endpoint {
    /// Returns a host without settings.
    pub(in crate::registry) fn new(registry: &str, scheme: Scheme) -> Self {
        Self {
            registry: registry.to_owned(),
            scheme,
            root: STANDARD_ROOT.to_owned(),
            tls: EndpointTls::default(),
            headers: Vec::new(),
            connect_timeout: None,
        }
    }

    /// Returns `true` if an address is at this host, with a scheme that its protocol allows. The host's settings apply
    /// only to such addresses.
    pub(in crate::registry) fn is_at(&self, url: &Url) -> bool {
        let is_scheme = match self.scheme {
            Scheme::Https => url.scheme() == "https",
            Scheme::HttpsOrHttp => true,
            Scheme::Http => url.scheme() == "http",
        };
        is_scheme && address(&self.registry, url.scheme()).is_ok_and(|own| origin(&own) == origin(url))
    }
}

/// An endpoint of a repository: the host, and the repository's name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::registry) struct RepositoryEndpoint {
    /// The host.
    pub(in crate::registry) host: Endpoint,
    /// The repository, by its name at the host.
    pub(in crate::registry) repository: Repository,
    /// The upstream's registry if the host is another: the query parameter `ns` (distribution-spec, "Registry
    /// Proxying").
    pub(in crate::registry) namespace: Option<String>,
    /// `true` for a mirror, which may not have all content of the upstream. The last endpoint is never a mirror.
    pub(in crate::registry) is_mirror: bool,
}
