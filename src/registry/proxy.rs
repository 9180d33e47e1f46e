//! Which proxy serves an address: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, as curl and Go read them.

use std::net::IpAddr;

use reqwest::Proxy;
use url::{Host, Url};

use super::origin::{Locality, locality};
use super::{ProxyOptions, Secret};
use crate::store::StoreError;

/// The rules as reqwest takes them; `None` where there is no proxy.
pub(super) fn proxy(options: &ProxyOptions) -> Result<Option<Proxy>, StoreError> {
    let rules = Rules {
        http: options.http.as_ref().map(Secret::expose).map(parse).transpose()?.flatten(),
        https: options.https.as_ref().map(Secret::expose).map(parse).transpose()?.flatten(),
        direct: parse_direct(options.no_proxy.as_deref().unwrap_or_default()),
    };
    if rules.http.is_none() && rules.https.is_none() {
        return Ok(None);
    }
    Ok(Some(Proxy::custom(move |url| rules.choose(url).cloned())))
}

struct Rules {
    http: Option<Url>,
    https: Option<Url>,
    direct: Vec<Direct>,
}

impl Rules {
    fn choose(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "https" { self.https.as_ref() } else { self.http.as_ref() }?;
        let is_direct = locality(url) == Locality::Loopback || self.direct.iter().any(|direct| direct.matches(url));
        (!is_direct).then_some(proxy)
    }
}

/// Set to nothing is not set. The text is not shown in the error: it may hold a password.
fn parse(text: &str) -> Result<Option<Url>, StoreError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(Some).ok_or_else(|| StoreError::Malformed {
        place: "the address of the proxy".to_owned(),
        reason: "it is not of the form [http[s]://]HOST[:PORT]".to_owned(),
        help: Some("look at HTTP_PROXY and HTTPS_PROXY".to_owned()),
    })
}

/// One entry of `NO_PROXY`.
struct Direct {
    what: Target,
    port: Option<u16>,
}

enum Target {
    Everything,
    /// A name; its subdomains too.
    Name(String),
    /// Subdomains alone (`.example.com`).
    Below(String),
    /// An address with how many of its leading bits count.
    Network(IpAddr, u32),
}

fn parse_direct(text: &str) -> Vec<Direct> {
    let entries = text.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    entries.map(|entry| parse_entry(&entry.to_ascii_lowercase())).collect()
}

fn parse_entry(entry: &str) -> Direct {
    if entry == "*" {
        return Direct { what: Target::Everything, port: None };
    }
    if let Some(network) = parse_network(entry) {
        return Direct { what: network, port: None };
    }
    let (host, port) = match entry.rsplit_once(':').map(|(host, port)| (host, port.parse().ok())) {
        Some((host, Some(port))) => (host, Some(port)),
        _ => (entry, None),
    };
    let what = match parse_network(host) {
        Some(network) => network,
        None => match host.trim_start_matches('*').strip_prefix('.') {
            Some(domain) => Target::Below(domain.to_owned()),
            None => Target::Name(host.to_owned()),
        },
    };
    Direct { what, port }
}

fn parse_network(text: &str) -> Option<Target> {
    let bare = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    match text.split_once('/') {
        None => bare(text).map(|address| Target::Network(address, bits(address))),
        Some((address, length)) => {
            let (address, length) = (bare(address)?, length.parse::<u32>().ok()?);
            (length <= bits(address)).then_some(Target::Network(address, length))
        }
    }
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Direct {
    fn matches(&self, url: &Url) -> bool {
        if self.port.is_some_and(|port| url.port_or_known_default() != Some(port)) {
            return false;
        }
        match (&self.what, url.host()) {
            (Target::Everything, _) => true,
            (Target::Name(name), Some(Host::Domain(host))) => host == name || is_below(host, name),
            (Target::Below(name), Some(Host::Domain(host))) => is_below(host, name),
            (Target::Network(network, length), Some(Host::Ipv4(host))) => {
                is_within(IpAddr::V4(host), *network, *length)
            }
            (Target::Network(network, length), Some(Host::Ipv6(host))) => {
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

    fn chosen(no_proxy: &str, url: &str) -> bool {
        let rules = Rules {
            http: parse("proxy.example:3128").unwrap(),
            https: parse("http://user:secret@proxy.example").unwrap(),
            direct: parse_direct(no_proxy),
        };
        rules.choose(&url.parse().unwrap()).is_some()
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
        assert!(!chosen("*", "https://ghcr.io/"));
        assert!(!chosen("0.0.0.0/0", "http://8.8.8.8/"));
    }

    #[test]
    fn a_bad_address_is_refused_without_its_password() {
        let options = ProxyOptions { http: Some("ftp://user:secret@x".into()), ..ProxyOptions::default() };
        let error = proxy(&options).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(proxy(&ProxyOptions { http: Some(" ".into()), ..ProxyOptions::default() }).unwrap().is_none());
    }
}
