//! Selection of the proxy for an address: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, as curl and Go
//! interpret them.
//!
//! An invalid proxy address is an error only when a request would use it: a command that opens no connection needs no
//! proxy.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use reqwest::Proxy;
use url::{Host, Url};

use super::origin::{Locality, locality};
use super::{ProxyOptions, ProxySetting, Secrets};
use crate::store::StoreError;

/// Schemes of proxies. `socks5` and `socks4` resolve names locally, `socks5h` and `socks4a` leave that to the proxy.
const SCHEMES: [&str; 6] = ["http", "https", "socks5", "socks5h", "socks4", "socks4a"];

/// A proxy. It is displayed without its user and password.
#[derive(Clone)]
pub(super) struct ProxyServer {
    url: Url,
    /// The environment variable that names it.
    variable: String,
}

impl ProxyServer {
    /// Parses a setting. An empty value counts as unset. The error does not show the value: it may have a password.
    fn parse(setting: &ProxySetting) -> Result<Option<Self>, StoreError> {
        let text = setting.address.expose().trim();
        if text.is_empty() {
            return Ok(None);
        }
        let with_scheme = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let url = Url::parse(&with_scheme)
            .ok()
            .filter(|url| SCHEMES.contains(&url.scheme()) && url.has_host());
        let variable = setting.variable.clone();
        url.map(|url| {
            Some(Self {
                url,
                variable: variable.clone(),
            })
        })
        .ok_or_else(|| {
            StoreError::malformed(
                format!("the proxy in {variable}"),
                "expected [SCHEME://][USER:PASSWORD@]HOST[:PORT]",
            )
            .with_help(format!(
                "use one of the schemes {}; the default is http",
                SCHEMES.join(", ")
            ))
        })
    }

    /// Returns `true` if the proxy itself uses TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl fmt::Display for ProxyServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port().map_or(String::new(), |port| format!(":{port}"));
        write!(
            formatter,
            "the proxy {}://{host}{port} ({})",
            self.url.scheme(),
            self.variable
        )
    }
}

impl fmt::Debug for ProxyServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ProxyServer({self})")
    }
}

/// The proxies of a run, and the hosts that are accessed directly.
pub(super) struct Proxies(Arc<Rules>);

struct Rules {
    http: Option<ProxySetting>,
    https: Option<ProxySetting>,
    direct: Vec<NoProxyEntry>,
}

impl Proxies {
    pub(super) fn new(options: &ProxyOptions, secrets: &Secrets) -> Self {
        for setting in options.http.iter().chain(&options.https) {
            add_credentials(setting, secrets);
        }
        let direct = parse_direct(options.no_proxy.as_deref().unwrap_or_default());
        Self(Arc::new(Rules {
            http: options.http.clone(),
            https: options.https.clone(),
            direct,
        }))
    }

    /// Returns the proxy for an address, or `None` if it is accessed directly.
    pub(super) fn choose(&self, url: &Url) -> Result<Option<ProxyServer>, StoreError> {
        self.0.choose(url)
    }

    /// Returns the rules for reqwest, or `None` if there is no proxy.
    pub(super) fn for_client(&self) -> Option<Proxy> {
        let rules = Arc::clone(&self.0);
        let is_any_set = rules.http.is_some() || rules.https.is_some();
        // An invalid proxy was reported before: `choose` is called for every request.
        is_any_set.then(|| Proxy::custom(move |url| Some(rules.choose(url).ok()??.url)))
    }
}

/// Adds a password to the secrets, as written and decoded.
fn add_credentials(setting: &ProxySetting, secrets: &Secrets) {
    if let Some((user, password)) = written_credentials(setting.address.expose()) {
        secrets.add_login(user, &password.into());
    }
    let Ok(Some(server)) = ProxyServer::parse(setting) else {
        return;
    };
    let decoded = |text: &str| percent_decoded(text);
    if let Some(password) = server.url.password() {
        secrets.add_login(&decoded(server.url.username()), &decoded(password).into());
        secrets.add(&password.into());
    }
}

/// Returns user and password of an address as written, even if the address is invalid.
fn written_credentials(address: &str) -> Option<(&str, &str)> {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@')?.0.split_once(':')
}

fn percent_decoded(text: &str) -> String {
    // The pair's parser also decodes `+`, which a user name or a password may hold: it is escaped first.
    let pair = format!("={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

impl Rules {
    fn choose(&self, url: &Url) -> Result<Option<ProxyServer>, StoreError> {
        let setting = if url.scheme() == "https" {
            &self.https
        } else {
            &self.http
        };
        let is_direct = locality(url) == Locality::Loopback || self.direct.iter().any(|direct| direct.matches(url));
        match setting {
            Some(setting) if !is_direct => ProxyServer::parse(setting),
            _ => Ok(None),
        }
    }
}

/// One entry of `NO_PROXY`. docs/decisions.md says why reqwest's `NoProxy` is not used.
struct NoProxyEntry {
    host: HostPattern,
    port: Option<u16>,
}

/// The hosts of an entry.
enum HostPattern {
    Everything,
    /// A name and its subdomains.
    Name(String),
    /// Subdomains only (`.example.com`).
    Below(String),
    /// An address, and the length of its prefix in bits.
    Network(IpAddr, u32),
}

fn parse_direct(text: &str) -> Vec<NoProxyEntry> {
    let entries = text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    entries.map(|entry| parse_entry(&entry.to_ascii_lowercase())).collect()
}

fn parse_entry(entry: &str) -> NoProxyEntry {
    if entry == "*" {
        return NoProxyEntry {
            host: HostPattern::Everything,
            port: None,
        };
    }
    if let Some(network) = parse_network(entry) {
        return NoProxyEntry {
            host: network,
            port: None,
        };
    }
    let (host, port) = match entry.rsplit_once(':').map(|(host, port)| (host, port.parse().ok())) {
        Some((host, Some(port))) => (host, Some(port)),
        _ => (entry, None),
    };
    let pattern = match parse_network(host) {
        Some(network) => network,
        None => match host.trim_start_matches('*').strip_prefix('.') {
            Some(domain) => HostPattern::Below(domain.to_owned()),
            None => HostPattern::Name(host.to_owned()),
        },
    };
    NoProxyEntry { host: pattern, port }
}

fn parse_network(text: &str) -> Option<HostPattern> {
    let bare = |text: &str| {
        text.trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
            .ok()
    };
    match text.split_once('/') {
        None => bare(text).map(|address| HostPattern::Network(address, bits(address))),
        Some((address, length)) => {
            let address = bare(address)?;
            let length = length.parse::<u32>().ok()?;
            (length <= bits(address)).then_some(HostPattern::Network(address, length))
        }
    }
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl NoProxyEntry {
    fn matches(&self, url: &Url) -> bool {
        if self.port.is_some_and(|port| url.port_or_known_default() != Some(port)) {
            return false;
        }
        match (&self.host, url.host()) {
            (HostPattern::Everything, _) => true,
            (HostPattern::Name(name), Some(Host::Domain(host))) => host == name || is_below(host, name),
            (HostPattern::Below(name), Some(Host::Domain(host))) => is_below(host, name),
            (HostPattern::Network(network, length), Some(Host::Ipv4(host))) => {
                is_within(IpAddr::V4(host), *network, *length)
            }
            (HostPattern::Network(network, length), Some(Host::Ipv6(host))) => {
                is_within(IpAddr::V6(host), *network, *length)
            }
            _ => false,
        }
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn is_within(address: IpAddr, network: IpAddr, length: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            (address.to_bits() ^ network.to_bits()) & mask == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            (address.to_bits() ^ network.to_bits()) & mask == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(address: &str) -> ProxySetting {
        ProxySetting {
            address: address.into(),
            variable: "HTTPS_PROXY".to_owned(),
        }
    }

    fn chosen(no_proxy: &str, url: &str) -> bool {
        let options = ProxyOptions {
            http: Some(setting("proxy.example:3128")),
            https: Some(setting("http://user:secret@proxy.example")),
            no_proxy: Some(no_proxy.to_owned()),
        };
        Proxies::new(&options, &Secrets::default())
            .choose(&url.parse().unwrap())
            .unwrap()
            .is_some()
    }

    #[test]
    fn loopback_is_always_direct() {
        for url in ["http://127.0.0.1:5000/", "https://localhost/", "http://[::1]/"] {
            assert!(!chosen("", url), "{url}");
        }
        assert!(chosen("", "https://ghcr.io/"));
    }

    #[test]
    fn no_proxy_knows_suffixes_networks_and_ports() {
        let list = "example.com, .corp.example,10.0.0.0/8 registry.lan:5000,192.168.1.7,[fd00::]/8";
        for url in [
            "https://example.com/",
            "https://a.example.com/",
            "https://x.corp.example/",
            "http://10.1.2.3/",
            "http://registry.lan:5000/",
            "http://192.168.1.7/",
            "http://[fd12::1]/",
        ] {
            assert!(!chosen(list, url), "{url}");
        }
        for url in [
            "https://notexample.com/",
            "https://corp.example/",
            "http://11.1.2.3/",
            "http://registry.lan:5001/",
            "http://192.168.1.8/",
            "http://[fe12::1]/",
        ] {
            assert!(chosen(list, url), "{url}");
        }
        for url in ["https://ghcr.io/", "http://8.8.8.8/"] {
            assert!(!chosen("*", url), "{url}");
        }
        assert!(!chosen("0.0.0.0/0", "http://8.8.8.8/"));
    }

    #[test]
    fn a_bad_address_is_an_error_where_it_is_needed_and_without_its_password() {
        let options = ProxyOptions {
            https: Some(setting("ftp://user:secret@x")),
            ..ProxyOptions::default()
        };
        let proxies = Proxies::new(&options, &Secrets::default());
        let error = proxies
            .choose(&"https://ghcr.io/".parse().unwrap())
            .unwrap_err()
            .to_string();
        assert!(error.contains("HTTPS_PROXY") && !error.contains("secret"), "{error}");
        for url in ["https://localhost/", "http://ghcr.io/"] {
            assert!(proxies.choose(&url.parse().unwrap()).unwrap().is_none(), "{url}");
        }
        let empty = ProxyOptions {
            https: Some(setting(" ")),
            ..ProxyOptions::default()
        };
        let proxies = Proxies::new(&empty, &Secrets::default());
        assert!(proxies.choose(&"https://ghcr.io/".parse().unwrap()).unwrap().is_none());
    }

    #[test]
    fn a_proxy_is_shown_with_its_variable_and_without_its_credentials() {
        for (address, shown) in [
            (
                "user:secret@proxy.example:3128",
                "the proxy http://proxy.example:3128 (HTTPS_PROXY)",
            ),
            ("socks5://[::1]:1080", "the proxy socks5://[::1]:1080 (HTTPS_PROXY)"),
            ("SOCKS5H://x", "the proxy socks5h://x (HTTPS_PROXY)"),
        ] {
            assert_eq!(
                ProxyServer::parse(&setting(address)).unwrap().unwrap().to_string(),
                shown
            );
        }
    }

    #[test]
    fn passwords_of_proxies_are_secrets() {
        for address in [
            "http://me:p%40ss+word@proxy.example",
            "me:p%40ss+word@proxy.example",
            "ftp://me:p@ss+word@x",
        ] {
            let secrets = Secrets::default();
            Proxies::new(
                &ProxyOptions {
                    http: Some(setting(address)),
                    ..ProxyOptions::default()
                },
                &secrets,
            );
            for shown in ["p@ss+word", "p%40ss+word", "bWU6cEBzcyt3b3Jk"] {
                assert_eq!(secrets.blank(shown), "***", "{address}");
            }
        }
    }
}
