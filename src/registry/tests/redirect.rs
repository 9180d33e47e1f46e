use tokio::io::AsyncReadExt as _;

use super::*;
use crate::model::{Descriptor, Diagnostic as _, ErrorKind, MediaType};
use crate::store::{Source as _, StoreError, open};

fn blob() -> Descriptor {
    Descriptor::of(MediaType::OciLayer, b"content")
}

async fn read(repository: &RoutedRepository) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    open(repository, &blob())
        .await?
        .read_to_end(&mut bytes)
        .await
        .map_err(|cause| StoreError::from_reader(cause).unwrap())?;
    Ok(bytes)
}

/// A registry that requires Basic credentials and redirects blobs.
async fn registry(location: String) -> Server {
    Server::start(
        move |request| match (request.authorization(), request.path.contains("/blobs/")) {
            (None, _) => status(401).with("WWW-Authenticate", "Basic realm=\"r\""),
            (_, true) => status(307).with("Location", location.clone()),
            _ if request.path == "/same" => status(200).body("content"),
            _ => status(200),
        },
    )
    .await
}

#[tokio::test]
async fn another_port_gets_no_credentials() {
    let storage = Server::start(|_| status(200).body("content")).await;
    let server = registry(format!("http://{}/b?sig=s", storage.host)).await;
    assert_eq!(
        read(&repository(&server, server.options_as("u", "p"))).await.unwrap(),
        b"content"
    );
    assert!(server.requests().last().unwrap().authorization().is_some());
    assert_eq!(storage.lines(), ["GET /b?sig=s"]);
    assert_eq!(storage.requests()[0].authorization(), None);
}

#[tokio::test]
async fn the_same_origin_gets_them_again() {
    let server = registry("/same".to_owned()).await;
    assert_eq!(
        read(&repository(&server, server.options_as("u", "p"))).await.unwrap(),
        b"content"
    );
    let requests = server.requests();
    assert_eq!(requests.last().unwrap().path, "/same");
    assert!(requests.last().unwrap().authorization().is_some());
}

#[tokio::test]
async fn the_way_back_gets_none() {
    let mut server = Server::bind().await;
    let back = format!("http://{}/same", server.host);
    let storage = Server::start(move |_| status(302).with("Location", back.clone())).await;
    let away = format!("http://{}/b", storage.host);
    server.serve(move |request| match request.path.as_str() {
        "/same" => status(200).body("content"),
        "/v2/" => status(401).with("WWW-Authenticate", "Basic"),
        _ => status(307).with("Location", away.clone()),
    });
    assert_eq!(
        read(&repository(&server, server.options_as("u", "p"))).await.unwrap(),
        b"content"
    );
    assert_eq!(server.requests().last().unwrap().authorization(), None);
}

#[tokio::test]
async fn places_that_are_not_gone_to() {
    for location in [
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http://user:secret@127.0.0.1:1/x",
        "http://[x",
    ] {
        let server = registry(location.to_owned()).await;
        let error = read(&repository(&server, server.options_as("u", "p")))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("is not allowed"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(error.error_kind(), ErrorKind::Remote);
    }
}

#[tokio::test]
async fn a_loop_ends() {
    let server = registry("/v2/x/blobs/again".to_owned()).await;
    let error = read(&repository(&server, server.options_as("u", "p")))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("more than 10 redirects"), "{error}");
    // The first request had no credentials yet.
    assert_eq!(server.count("GET /v2/x/blobs/"), 1 + 11);
}

#[tokio::test]
async fn another_registry_gets_a_token_of_nobody() {
    let mut other = Server::bind().await;
    let realm = format!(
        "Bearer realm=\"http://{}/token\",scope=\"repository:y:pull\"",
        other.host
    );
    other.serve(
        move |request| match (request.path.split('?').next().unwrap(), request.authorization()) {
            ("/token", None) => status(200).body(r#"{"token":"nobody"}"#),
            (_, Some("Bearer nobody")) => status(200).body("content"),
            _ => status(401).with("WWW-Authenticate", realm.clone()),
        },
    );
    let server = registry(format!("http://{}/v2/y/blobs/z", other.host)).await;
    assert_eq!(
        read(&repository(&server, server.options_as("u", "p"))).await.unwrap(),
        b"content"
    );
    assert!(
        other
            .requests()
            .iter()
            .all(|request| !request.authorization().is_some_and(|value| value.starts_with("Basic")))
    );
}

#[tokio::test]
async fn signatures_are_not_shown() {
    let storage = Server::start(|_| status(403).body("<Error>signature</Error>")).await;
    let server = registry(format!("http://{}/b?X-Amz-Signature=topsecret", storage.host)).await;
    let error = read(&repository(&server, server.options_as("u", "p")))
        .await
        .unwrap_err();
    assert!(!format!("{error:?}").contains("topsecret"), "{error:?}");
    assert!(!server.repository().describe().contains('?'));
}
