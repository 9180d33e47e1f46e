//! The result: where a request goes, and on what terms.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::HeaderValue;
use url::Url;

use crate::model::Repository;
use crate::registry::origin::{endpoint as address, origin};

/// How a host is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) enum Scheme {
    /// TLS, whatever happens.
    Https,
    /// TLS; and plain HTTP where nothing there speaks TLS, which no other failure of TLS stands for.
    HttpsOrHttp,
    /// Plain HTTP.
    Http,
}

/// What is said of TLS with one host, besides the common roots and `certs.d`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) struct EndpointTls {
    /// Take any certificate.
    pub(in crate::registry) skip_verify: bool,
    /// PEM files of authorities that are trusted besides.
    pub(in crate::registry) ca_files: Vec<PathBuf>,
    /// PEM files of the client's certificate and of its key; they may be one file.
    pub(in crate::registry) identity: Option<(PathBuf, PathBuf)>,
}

/// A header that a host is sent with every request. Its value may be a secret and is never shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) struct Header {
    /// The name, in lower case.
    pub(in crate::registry) name: String,
    /// The value, marked as sensitive.
    pub(in crate::registry) value: HeaderValue,
}

impl fmt::Debug for Header {
    /// Without the value.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Header").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A host that serves repositories: what a session is made from. Two that are equal are one session.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::registry) struct Endpoint {
    /// `HOST[:PORT]`, by which credentials are looked up; `docker.io` for Docker Hub.
    pub(in crate::registry) registry: String,
    /// How it is spoken to.
    pub(in crate::registry) scheme: Scheme,
    /// Path that the protocol's paths stand below; `/v2/` by the standard.
    pub(in crate::registry) root: String,
    /// Terms of TLS.
    pub(in crate::registry) tls: EndpointTls,
    /// Headers for every request to this host and to no other.
    pub(in crate::registry) headers: Vec<Header>,
    /// Limit on making a connection, where it is not the common one.
    pub(in crate::registry) connect_timeout: Option<Duration>,
}

/// Root of the protocol's paths (distribution-spec, "API").
pub(in crate::registry) const STANDARD_ROOT: &str = "/v2/";

impl Endpoint {
    /// A host of which nothing is said but its name.
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

    /// True where an address is of this host, by a scheme that it may be spoken to with. What is said of the host counts
    /// there and nowhere else.
    pub(in crate::registry) fn is_at(&self, url: &Url) -> bool {
        let is_scheme = match self.scheme {
            Scheme::Https => url.scheme() == "https",
            Scheme::HttpsOrHttp => true,
            Scheme::Http => url.scheme() == "http",
        };
        is_scheme && address(&self.registry, url.scheme()).is_ok_and(|own| origin(&own) == origin(url))
    }
}

/// One way to a repository: the host to ask, and what the repository is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::registry) struct Route {
    /// The host.
    pub(in crate::registry) endpoint: Endpoint,
    /// The repository, by its name there.
    pub(in crate::registry) repository: Repository,
    /// The upstream's registry, where the host is another: the query parameter `ns` (distribution-spec, "Registry
    /// Proxying").
    pub(in crate::registry) namespace: Option<String>,
    /// True for a host that stands in for the upstream and may lack what the upstream has. The last way is never one.
    pub(in crate::registry) is_mirror: bool,
}
