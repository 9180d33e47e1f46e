//! Properties that hold for any header of a registry, and for any credential file. Compiled only for tests and fuzzers:
//! the targets in `tests/fuzz` run these checks on libFuzzer's input, and the tests here run them on the seeds.

use std::net::IpAddr;

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde_json::{Map, Value};
use url::{Host, Url};

use super::auth_file::AuthFile;
use super::challenge::{Challenge, TokenChallenge, is_short_of_scope, preferred};
use super::origin::{Locality, check_hop, check_realm, locality, upload_location};
use super::pull::ContentRange;
use super::retry::{quota, retry_after, span};
use super::scope::Scopes;
use super::secret::Secret;
use super::upload::held_bytes;
use crate::model::fuzzing::{check_error, check_text};

/// Checks `WWW-Authenticate`, one header a line: a challenge that is written out again parses the same, unsupported
/// challenges change nothing, and `Basic` never wins over a token.
pub fn challenge(data: &[u8]) {
    let lines = data.split(|byte| *byte == b'\n');
    let values: Vec<HeaderValue> = lines.filter_map(|line| HeaderValue::from_bytes(line).ok()).collect();
    let headers = |values: &[HeaderValue]| -> HeaderMap {
        values.iter().map(|value| (WWW_AUTHENTICATE, value.clone())).collect()
    };
    let found = preferred(&headers(&values));
    let _ = is_short_of_scope(&headers(&values));
    let with = |other: &'static str| [&[HeaderValue::from_static(other)], &values[..]].concat();
    assert_eq!(preferred(&headers(&with("Negotiate YWJj/d=="))), found);
    if let Some(Challenge::Bearer(token)) = &found {
        assert!(!token.realm.is_empty());
        assert_eq!(preferred(&headers(&with("Basic realm=\"x\""))), found);
        if let Ok(written) = HeaderValue::from_str(&written_out(token)) {
            assert_eq!(preferred(&headers(&[written])), found);
        }
        let scopes = Scopes::parse(token.scope.as_deref().unwrap_or_default());
        assert_eq!(Scopes::parse(&scopes.ordered().join(" ")), scopes);
    }
}

fn written_out(token: &TokenChallenge) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let mut text = format!("Bearer realm={}", quoted(&token.realm));
    for (name, value) in [("service", &token.service), ("scope", &token.scope)] {
        if let Some(value) = value {
            text.push_str(&format!(",{name}={}", quoted(value)));
        }
    }
    text
}

/// One registry of each kind, selected by the first byte of the input.
const REGISTRIES: [&str; 6] = [
    "https://r.example/",
    "https://r.example:5000/",
    "https://registry-1.docker.io/",
    "http://127.0.0.1:5000/",
    "http://10.0.0.5:5000/",
    "https://[fd00::1]/",
];

/// Checks an address that a registry names: of an upload, of a redirect, of a token service. The first byte, a digit,
/// selects the registry. Every accepted address obeys all rules about origins.
pub fn location(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let registry = registry_of(*kind);
    let text = String::from_utf8_lossy(text);
    let request = registry.join("/v2/x/blobs/uploads/?a=b").expect("it is an address");
    if let Ok(url) = upload_location(&registry, &request, &text) {
        check_address(&registry, &url);
        assert!(request.scheme() == "http" || url.scheme() == "https", "{url} lost TLS");
        assert_eq!(url.fragment(), None);
        assert_eq!(upload_location(&registry, &url, url.as_str()), Ok(url));
    }
    if let Ok(next) = request.join(&text)
        && check_hop(&registry, &request, &next).is_ok()
    {
        check_address(&registry, &next);
        assert!(
            request.scheme() == "http" || next.scheme() == "https",
            "{next} lost TLS"
        );
    }
    if let Ok(realm) = Url::parse(&text)
        && check_realm(&registry, &realm).is_ok()
    {
        check_address(&registry, &realm);
        assert!(
            registry.scheme() == "http" || realm.scheme() == "https",
            "{realm} lost TLS"
        );
    }
}

fn registry_of(kind: u8) -> Url {
    let text = REGISTRIES[usize::from(kind.wrapping_sub(b'0')) % REGISTRIES.len()];
    text.parse().expect("it is an address")
}

/// Checks that an address is http(s), has no user name, and leads into no private network that the registry is not in
/// itself.
fn check_address(registry: &Url, url: &Url) {
    assert!(matches!(url.scheme(), "http" | "https"), "{url}");
    assert!(url.username().is_empty() && url.password().is_none(), "{url}");
    assert_eq!(
        Url::parse(url.as_str()).as_ref(),
        Ok(url),
        "what is sent is what was looked at"
    );
    if locality(registry) == Locality::Public {
        assert!(
            is_public(url) || url.host() == registry.host(),
            "{url} leads into a private network"
        );
    }
}

/// Decides independently of the code under test.
fn is_public(url: &Url) -> bool {
    let address: IpAddr = match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            return name.parse::<IpAddr>().is_err() && name.rsplit('.').next() != Some("localhost");
        }
        Some(Host::Ipv4(address)) => address.into(),
        Some(Host::Ipv6(address)) => address.into(),
        None => return false,
    };
    match address.to_canonical() {
        IpAddr::V4(address) => !matches!(
            address.octets(),
            [0 | 10 | 127, ..] | [169, 254, ..] | [172, 16..32, ..] | [192, 168, ..]
        ),
        IpAddr::V6(address) => {
            let is_closed = matches!(address.octets(), [0xfc | 0xfd | 0xff, ..] | [0xfe, 0x80..0xc0, ..]);
            !is_closed && address.to_bits() > 1
        }
    }
}

/// Checks an upload's `Range` in the first line and `Content-Range` in the second: a range that is written out again
/// parses the same, and is valid.
pub fn range(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (held, part) = text.split_once('\n').unwrap_or((text, ""));
    if let Some(bytes) = held_bytes(held) {
        assert!(bytes > 1, "one byte cannot be told from none");
        assert_eq!(held_bytes(&format!("0-{}", bytes - 1)), Some(bytes));
    }
    if let Some(range) = ContentRange::parse(part) {
        assert!(
            range.first <= range.last && range.total.is_none_or(|total| range.last < total),
            "{part}"
        );
        let total = range.total.map_or("*".to_owned(), |total| total.to_string());
        assert_eq!(
            ContentRange::parse(&format!("bytes {}-{}/{total}", range.first, range.last)),
            Some(range)
        );
    }
}

/// Checks `Retry-After` in the first line, `Date` in the second, and quota headers in the others.
pub fn limits(data: &[u8]) {
    const NAMES: [&str; 5] = [
        "retry-after",
        "date",
        "ratelimit-limit",
        "ratelimit-remaining",
        "docker-ratelimit-source",
    ];
    let mut headers = HeaderMap::new();
    for (name, line) in NAMES.into_iter().zip(data.split(|byte| *byte == b'\n')) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.insert(name, value);
        }
    }
    let wait = retry_after(&headers);
    if let Some(wait) = wait {
        assert!(!span(wait).is_empty());
    }
    assert_eq!(quota(StatusCode::SERVICE_UNAVAILABLE, &headers), None);
    if let Some(said) = quota(StatusCode::TOO_MANY_REQUESTS, &headers) {
        check_text(&said);
        assert!(said.len() < 200, "{said}");
    }
}

/// Checks a credential file: a login is found again, a logout removes it, and all other entries stay. No message shows
/// the file's text.
pub fn auth_file(data: &[u8]) {
    const REGISTRY: &str = "r.example";
    let file = match AuthFile::parse("config.json".to_owned(), data) {
        Ok(file) => file,
        Err(error) => return check_error(&error),
    };
    for registry in [REGISTRY, "docker.io"] {
        for name in file.helpers(registry) {
            assert!(!name.is_empty());
        }
        if let Err(error) = file.inline(registry, "team/app") {
            check_error(&error);
        }
    }
    let before = fields(&file.to_text());
    let changed = file.clone().with_login(REGISTRY, "me", &Secret::from("pass:word"));
    let read = parsed(&changed.to_text());
    let found = read.inline(REGISTRY, "").ok().flatten();
    let pair = found.as_ref().and_then(|credential| credential.pair());
    assert!(
        pair == Some(("me", &Secret::from("pass:word"))),
        "the login is not found again"
    );
    let after = fields(&changed.to_text());
    assert_eq!(others(&before, REGISTRY), others(&after, REGISTRY));
    let (forgotten, was_there) = read.without_login(REGISTRY);
    assert!(was_there);
    assert_eq!(
        others(&before, REGISTRY),
        others(&fields(&forgotten.to_text()), REGISTRY)
    );
    assert!(!forgotten.without_login(REGISTRY).1);
}

fn parsed(text: &str) -> AuthFile {
    match AuthFile::parse("config.json".to_owned(), text.as_bytes()) {
        Ok(file) => file,
        Err(error) => panic!("what was written cannot be read: {error}"),
    }
}

fn fields(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).expect("what was written is an object")
}

/// Returns the fields of a file without the entries of one registry, and without an `auths` that is no object.
fn others(fields: &Map<String, Value>, registry: &str) -> Map<String, Value> {
    let mut rest = fields.clone();
    match rest.get_mut("auths").and_then(Value::as_object_mut) {
        Some(auths) => auths.retain(|key, _| {
            let host = key
                .strip_prefix("https://")
                .or_else(|| key.strip_prefix("http://"))
                .map(|rest| rest.split('/').next());
            key != registry && host != Some(Some(registry))
        }),
        None => drop(rest.remove("auths")),
    }
    if rest.get("auths").and_then(Value::as_object).is_some_and(Map::is_empty) {
        rest.remove("auths");
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fuzzing::replay;

    #[test]
    fn the_seeds_of_challenges_hold() {
        replay("challenge", challenge);
    }

    #[test]
    fn the_seeds_of_locations_hold() {
        replay("location", location);
    }

    #[test]
    fn the_seeds_of_ranges_hold() {
        replay("range", range);
    }

    #[test]
    fn the_seeds_of_limits_hold() {
        replay("limits", limits);
    }

    #[test]
    fn the_seeds_of_auth_files_hold() {
        replay("auth_file", auth_file);
    }
}
