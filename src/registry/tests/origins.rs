//! Every way in which a registry can name another address ({GET, upload, token service}) with every kind of
//! address ({same, port, scheme, host, private address}): no secret arrives at any of them.

use tokio::io::AsyncReadExt as _;
use url::Url;

use super::super::origin::{check_hop, check_realm, origin, upload_location};
use super::raw::{RawServer, raw};
use super::*;
use crate::model::{Descriptor, MediaType, Selector};
use crate::store::{MemoryStore, Sink as _, Source as _, StoreError, open};

const SECRET: &str = "topsecret";
/// `u:topsecret`
const BASIC: &str = "Basic dTp0b3BzZWNyZXQ=";

fn blob() -> Descriptor {
    Descriptor::of(MediaType::OciLayer, b"content")
}

fn memory() -> MemoryStore {
    MemoryStore::new("memory").with_blob(&blob(), &b"content"[..])
}

async fn read(repository: &RoutedRepository) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let read = open(repository, &blob()).await?.read_to_end(&mut bytes).await;
    read.map_err(|cause| StoreError::from_reader(cause).unwrap())?;
    Ok(bytes)
}

/// How the client handles an address that a registry at `https://r.example` names.
#[derive(Debug, PartialEq)]
enum Fate {
    /// Requested with the registry's credentials.
    Own,
    /// Requested anonymously.
    Stranger,
    /// Requested with TLS in place of HTTP.
    Mended,
    Refused,
}
use Fate::{Mended, Own, Refused, Stranger};

#[test]
fn each_place_has_its_fate() {
    let url = |text: &str| text.parse::<Url>().unwrap();
    let registry = url("https://r.example/");
    let fate = |named: &Url, reached: Result<Url, ()>| match reached {
        Err(()) => Refused,
        Ok(reached) if reached != *named => Mended,
        Ok(reached) if origin(&reached) == origin(&registry) => Own,
        Ok(_) => Stranger,
    };
    for (place, of_get, of_put, of_realm) in [
        ("https://r.example/a?b", Own, Own, Own),
        ("https://r.example:8443/a?b", Stranger, Stranger, Stranger),
        ("http://r.example/a?b", Refused, Mended, Refused),
        ("http://r.example:8080/a?b", Refused, Refused, Refused),
        ("https://other.example/a?b", Stranger, Stranger, Stranger),
        ("http://other.example/a?b", Refused, Refused, Refused),
        ("https://169.254.169.254/a?b", Refused, Refused, Refused),
        ("https://10.0.0.1/a?b", Refused, Refused, Refused),
        ("https://127.0.0.1/a?b", Refused, Refused, Refused),
        ("https://[fd00::1]/a?b", Refused, Refused, Refused),
        ("https://u:p@r.example/a?b", Refused, Refused, Refused),
    ] {
        let named = url(place);
        let reached = |allowed: Result<(), &str>| allowed.map(|()| named.clone()).map_err(drop);
        assert_eq!(
            fate(&named, reached(check_hop(&registry, &registry, &named))),
            of_get,
            "GET {place}"
        );
        assert_eq!(
            fate(&named, upload_location(&registry, &registry, place).map_err(drop)),
            of_put,
            "PUT {place}"
        );
        assert_eq!(
            fate(&named, reached(check_realm(&registry, &named))),
            of_realm,
            "realm {place}"
        );
    }
}

/// A server that accepts everything and must receive no secret.
async fn honeypot() -> RawServer {
    RawServer::start(|_, head| match head.split(' ').next() {
        Some("GET") => raw("200 OK\r\nContent-Length: 7", b"content"),
        _ => raw("201 Created\r\nContent-Length: 0", b""),
    })
    .await
}

/// Returns addresses of a honeypot: another port, another host, another scheme.
fn places(honeypot: &RawServer) -> [String; 3] {
    let port = honeypot.host.rsplit(':').next().unwrap();
    [
        format!("http://{}", honeypot.host),
        format!("http://localhost:{port}"),
        format!("https://{}", honeypot.host),
    ]
}

fn assert_clean(honeypot: &RawServer) {
    let sent = honeypot.sent().to_ascii_lowercase();
    for secret in [
        "authorization",
        "cookie",
        "referer",
        SECRET,
        &BASIC[6..].to_ascii_lowercase(),
        "bearer",
    ] {
        assert!(!sent.contains(secret), "{secret} in {sent}");
    }
}

/// A registry that requires Basic credentials, sets cookies, and names `place` wherever it can.
async fn registry(place: String) -> Server {
    Server::start(move |request| {
        let answer = match (request.authorization(), request.method.as_str()) {
            (Some(BASIC), "GET") => status(307).with("Location", format!("{place}/blob?signed")),
            (Some(BASIC), "POST") => status(202).with("Location", format!("{place}/up?signed")),
            (Some(_), _) => status(500),
            (None, _) => status(401).with("WWW-Authenticate", "Basic realm=x"),
        };
        answer.with("Set-Cookie", format!("session={SECRET}; Path=/"))
    })
    .await
}

#[tokio::test]
async fn redirects_carry_nothing_to_another_origin() {
    let honeypot = honeypot().await;
    for place in places(&honeypot) {
        let server = registry(place.clone()).await;
        let found = read(&repository(&server, server.options_as("u", SECRET))).await;
        assert_eq!(found.is_ok(), place.starts_with("http:"), "{place} {found:?}");
    }
    assert_clean(&honeypot);
    assert_eq!(honeypot.sent().matches("GET /blob?signed HTTP/1.1").count(), 2);
}

#[tokio::test]
async fn uploads_carry_nothing_but_the_blob_to_another_origin() {
    let honeypot = honeypot().await;
    for place in places(&honeypot) {
        let server = registry(place.clone()).await;
        let found = repository(&server, server.options_as("u", SECRET))
            .put(&blob(), &memory())
            .await;
        assert_eq!(found.is_ok(), place.starts_with("http:"), "{place}");
    }
    assert_clean(&honeypot);
    assert_eq!(honeypot.sent().matches("PUT /up?signed&digest=").count(), 2);
}

/// A registry whose token service, at `realm`, redirects elsewhere.
async fn with_tokens(realm: Option<String>, away: String) -> Server {
    let mut server = Server::bind().await;
    let realm = realm.unwrap_or_else(|| format!("http://{}/token", server.host));
    server.serve(move |request| {
        if request.path.starts_with("/token") {
            status(307)
                .with("Location", format!("{away}/t?own"))
                .with("Set-Cookie", format!("s={SECRET}"))
        } else {
            status(401).with("WWW-Authenticate", format!("Bearer realm=\"{realm}\",service=\"s\""))
        }
    });
    server
}

#[tokio::test]
async fn a_token_service_hands_no_credentials_on() {
    let honeypot = honeypot().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("auth.json");
    for place in places(&honeypot) {
        let server = with_tokens(None, place).await;
        repository(&server, server.options_as("u", SECRET))
            .resolve(&Selector::Only)
            .await
            .unwrap_err();
        assert_eq!(
            server
                .requests()
                .iter()
                .find_map(|request| request.authorization().map(str::to_owned))
                .as_deref(),
            Some(BASIC)
        );
        let entry = format!(
            r#"{{"auths":{{"{}":{{"auth":"dTo=","identitytoken":"{SECRET}"}}}}}}"#,
            server.host
        );
        std::fs::write(&file, entry).unwrap();
        let credentials = Credentials {
            files: vec![file.clone()],
            ..Credentials::default()
        };
        let options = RegistryOptions {
            credentials,
            ..server.options()
        };
        repository(&server, options).resolve(&Selector::Only).await.unwrap_err();
        assert!(server.count("POST /token") > 0);
    }
    assert_clean(&honeypot);
    assert!(!honeypot.sent().contains("account="), "{}", honeypot.sent());
}

#[tokio::test]
async fn a_token_service_in_a_private_network_is_not_asked() {
    for realm in [
        "http://10.0.0.1/token",
        "http://169.254.169.254/token",
        "http://[fd00::1]/token",
    ] {
        let server = with_tokens(Some(realm.to_owned()), String::new()).await;
        let found = repository(&server, server.options_as("u", SECRET))
            .resolve(&Selector::Only)
            .await;
        assert!(found.unwrap_err().to_string().contains("was not used"));
    }
}

#[tokio::test]
async fn the_same_origin_is_the_registry_itself() {
    let server =
        Server::start(
            |request| match (request.authorization(), request.method.as_str(), request.path.as_str()) {
                (Some(BASIC), "POST", _) => status(202).with("Location", "/up"),
                (Some(BASIC), "PUT", _) => status(201),
                (Some(BASIC), _, "/same") => status(200).body("content"),
                (Some(BASIC), ..) => status(307).with("Location", "/same"),
                _ => status(401).with("WWW-Authenticate", "Basic realm=x"),
            },
        )
        .await;
    let repository = repository(&server, server.options_as("u", SECRET));
    assert_eq!(read(&repository).await.unwrap(), b"content");
    repository.put(&blob(), &memory()).await.unwrap();
}
