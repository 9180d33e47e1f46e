//! Addresses, and which address may lead to which other one: the rules against sending a request or a credential to a
//! place that a hostile or misconfigured registry names.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::model::{DOCKER_HUB, ReferenceError};

/// Names of Docker Hub. The first is the one used in references.
const HUB_ALIASES: [&str; 3] = [DOCKER_HUB, "index.docker.io", "registry-1.docker.io"];

/// The host that serves Docker Hub's images.
const HUB_HOST: &str = "registry-1.docker.io";

/// Returns the canonical name of a registry.
pub(super) fn canonical(registry: &str) -> &str {
    if HUB_ALIASES.contains(&registry) {
        DOCKER_HUB
    } else {
        registry
    }
}

/// Returns the address of a registry's root.
pub(super) fn endpoint(registry: &str, scheme: &str) -> Result<Url, ReferenceError> {
    let host = if canonical(registry) == DOCKER_HUB {
        HUB_HOST
    } else {
        registry
    };
    Url::parse(&format!("{scheme}://{host}/")).map_err(|error| ReferenceError::Malformed {
        text: registry.to_owned(),
        reason: error.to_string(),
    })
}

/// Returns scheme, host and port, which a credential is bound to.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// Kind of network that an address leads to, without asking a name server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locality {
    /// This machine: 127.0.0.0/8, ::1, `localhost`.
    Loopback,
    /// An address of a private, link-local or other non-public network, including metadata services.
    Private,
    /// All other addresses: names, and public addresses.
    Public,
}

/// Classifies an address. Names are not looked up: behind a proxy this machine cannot look them up.
pub(super) fn locality(url: &Url) -> Locality {
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            if name == "localhost" || name.ends_with(".localhost") {
                Locality::Loopback
            } else {
                Locality::Public
            }
        }
        Some(Host::Ipv4(address)) => locality_of_v4(address),
        Some(Host::Ipv6(address)) => match embedded_v4(address) {
            Some(embedded) => locality_of_v4(embedded),
            None => locality_of_v6(address),
        },
        None => Locality::Private,
    }
}

/// Returns the IPv4 address that an IPv6 address is routed to by the system or a gateway: mapped (RFC 4291), translated
/// (RFC 6052) and 6to4 (RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let from = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => Some(from(g, h)),
        [0, 0, 0, 0, 0, 0] if g != 0 => Some(from(g, h)),
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

fn locality_of_v4(address: Ipv4Addr) -> Locality {
    let [first, second, ..] = address.octets();
    if address.is_loopback() {
        Locality::Loopback
    } else if address.is_private()
        || address.is_link_local()
        || first == 0
        || (first == 100 && second & 0b1100_0000 == 64)
        || address.is_broadcast()
        || address.is_multicast()
    {
        Locality::Private
    } else {
        Locality::Public
    }
}

fn locality_of_v6(address: Ipv6Addr) -> Locality {
    if address.is_loopback() {
        Locality::Loopback
    } else if address.is_unique_local()
        || address.is_unicast_link_local()
        || address.is_unspecified()
        || address.is_multicast()
    {
        Locality::Private
    } else {
        Locality::Public
    }
}

/// Checks whether a request to `previous`, of a registry at `registry`, may be redirected to `next`. The error is the
/// reason.
pub(super) fn check_hop(registry: &Url, previous: &Url, next: &Url) -> Result<(), &'static str> {
    check_form(next)?;
    if previous.scheme() == "https" && next.scheme() == "http" {
        return Err("it redirects from https to http");
    }
    let allowed = match (locality(registry), locality(next)) {
        (_, Locality::Public) | (Locality::Loopback, _) | (Locality::Private, Locality::Private) => true,
        _ => next.host() == registry.host(),
    };
    if allowed {
        Ok(())
    } else {
        Err("it is in a private network")
    }
}

/// Checks whether credentials for the registry at `registry` may be sent to the token service `realm`. The error is the
/// reason.
pub(super) fn check_realm(registry: &Url, realm: &Url) -> Result<(), &'static str> {
    check_form(realm)?;
    if registry.scheme() == "https" && realm.scheme() != "https" {
        return Err("it is not https, but the registry is");
    }
    let allowed = match locality(realm) {
        Locality::Public => true,
        Locality::Loopback => locality(registry) == Locality::Loopback,
        Locality::Private => realm.host() == registry.host(),
    };
    if allowed {
        Ok(())
    } else {
        Err("it is in a private network")
    }
}

fn check_form(url: &Url) -> Result<(), &'static str> {
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("it is not an http or https URL");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it contains a user name");
    }
    Ok(())
}

/// Resolves the `Location` of an upload, from the reply to `request`.
///
/// A registry behind a proxy that terminates TLS may return `http` and no port: an address with the host of an https
/// request stays https, at that request's port unless it names another.
pub(super) fn upload_location(registry: &Url, request: &Url, location: &str) -> Result<Url, &'static str> {
    let mut url = request.join(location).map_err(|_| "it is not a URL")?;
    check_form(&url)?;
    let lost_tls = request.scheme() == "https" && url.scheme() == "http" && url.host() == request.host();
    if lost_tls && (url.port().is_none() || url.port() == request.port_or_known_default()) {
        let port = request.port();
        let changed = url.set_scheme("https").and_then(|()| url.set_port(port));
        changed.map_err(|()| "it is not a URL")?;
    }
    url.set_fragment(None);
    check_hop(registry, request, &url)?;
    Ok(url)
}

/// Escapes a value of a query.
pub(super) fn query_value(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn hub_is_served_elsewhere() {
        assert_eq!(
            endpoint("docker.io", "https").unwrap().as_str(),
            "https://registry-1.docker.io/"
        );
        assert_eq!(
            endpoint("index.docker.io", "https").unwrap().as_str(),
            "https://registry-1.docker.io/"
        );
        assert_eq!(endpoint("[::1]:5000", "http").unwrap().as_str(), "http://[::1]:5000/");
    }

    #[test]
    fn addresses_tell_where_they_lead() {
        for text in [
            "http://localhost/",
            "http://a.localhost./",
            "http://127.1.2.3/",
            "http://[::1]/",
            "http://2130706433/",
        ] {
            assert_eq!(locality(&url(text)), Locality::Loopback, "{text}");
        }
        let private = [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::10.0.0.1]",
            "[2002:a9fe:a9fe::1]",
            "[::10.0.0.1]",
            "[::]",
        ];
        for host in private {
            assert_eq!(locality(&url(&format!("http://{host}/"))), Locality::Private, "{host}");
        }
        for text in [
            "http://ghcr.io/",
            "http://8.8.8.8/",
            "http://localhost.example/",
            "http://[2001:4860::8888]/",
        ] {
            assert_eq!(locality(&url(text)), Locality::Public, "{text}");
        }
    }

    #[test]
    fn hops_neither_lose_tls_nor_enter_private_networks() {
        let cases = [
            ("https://r.example/", "https://cdn.example/x", true),
            ("https://r.example/", "https://r.example:8443/x", true),
            ("https://r.example/", "http://r.example/x", false),
            ("https://r.example/", "https://169.254.169.254/x", false),
            ("https://r.example/", "https://127.0.0.1/x", false),
            ("https://r.example/", "https://localhost/x", false),
            ("https://r.example/", "ftp://cdn.example/x", false),
            ("https://r.example/", "https://user@cdn.example/x", false),
            ("http://10.0.0.5:5000/", "http://10.0.0.5:9000/x", true),
            ("http://10.0.0.5:5000/", "http://10.0.0.6/x", true),
            ("http://10.0.0.5:5000/", "http://127.0.0.1/x", false),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5001/x", true),
            ("http://127.0.0.1:5000/", "http://10.0.0.6/x", true),
        ];
        for (from, to, allowed) in cases {
            assert_eq!(
                check_hop(&url(from), &url(from), &url(to)).is_ok(),
                allowed,
                "{from} {to}"
            );
        }
    }

    #[test]
    fn realms_are_held_to_https_and_to_public_hosts() {
        let cases = [
            ("https://r.example/", "https://auth.example/token", true),
            ("https://r.example/", "http://auth.example/token", false),
            ("https://r.example/", "https://127.0.0.1/token", false),
            ("https://r.example/", "https://192.168.0.1/token", false),
            ("https://192.168.0.1/", "https://192.168.0.1:5001/token", true),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5001/token", true),
            ("http://localhost:5000/", "http://127.0.0.1:5001/token", true),
            ("https://r.example/", "https://user:secret@auth.example/token", false),
        ];
        for (registry, realm, allowed) in cases {
            assert_eq!(
                check_realm(&url(registry), &url(realm)).is_ok(),
                allowed,
                "{registry} {realm}"
            );
        }
        assert!(
            Url::parse("null:///token").map_or(true, |realm| check_realm(&url("https://r.example/"), &realm).is_err())
        );
    }

    #[test]
    fn locations_of_every_form_are_resolved() {
        let request = url("https://r.example:5000/v2/x/blobs/uploads/");
        let cases = [
            (
                "/v2/x/blobs/uploads/1?_state=a%2Bb",
                "https://r.example:5000/v2/x/blobs/uploads/1?_state=a%2Bb",
            ),
            ("1", "https://r.example:5000/v2/x/blobs/uploads/1"),
            ("//cdn.example/1", "https://cdn.example/1"),
            ("http://r.example:5000/1#f", "https://r.example:5000/1"),
            ("http://r.example/1", "https://r.example:5000/1"),
            ("https://r.example/1", "https://r.example/1"),
        ];
        for (location, expected) in cases {
            assert_eq!(
                upload_location(&request, &request, location).unwrap().as_str(),
                expected,
                "{location}"
            );
        }
        let plain = url("https://r.example/v2/x/blobs/uploads/");
        assert_eq!(
            upload_location(&plain, &plain, "http://r.example:443/1")
                .unwrap()
                .as_str(),
            "https://r.example/1"
        );
        for bad in [
            "http://cdn.example/1",
            "http://r.example:81/1",
            "https://10.0.0.1/1",
            "https://[",
            "file:///etc",
        ] {
            assert!(upload_location(&request, &request, bad).is_err(), "{bad}");
        }
    }
}
