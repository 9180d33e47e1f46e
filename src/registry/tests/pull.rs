use tokio::io::AsyncReadExt as _;

use super::*;
use crate::model::{Descriptor, Diagnostic as _, Digest, ErrorKind, MAX_MANIFEST_BYTES, MediaType, Selector};
use crate::store::{Source as _, StoreError, open};

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

fn latest() -> Selector {
    Selector::Tag("latest".to_owned())
}

async fn resolve(answer: Answer) -> Result<crate::model::Root, StoreError> {
    let server = Server::start(move |_| answer.clone()).await;
    server.repository().resolve(&latest()).await
}

#[tokio::test]
async fn a_manifest_is_read_by_tag_and_by_digest() {
    let server = Server::start(|request| match request.path.as_str() {
        "/v2/" => status(200),
        _ => status(200)
            .with("Content-Type", "application/vnd.oci.image.index.v1+json; charset=utf-8")
            .body(INDEX),
    })
    .await;
    let root = server.repository().resolve(&latest()).await.unwrap();
    assert_eq!(root.bytes(), INDEX.as_bytes());
    let digest = Digest::of(INDEX.as_bytes());
    let client = server.repository();
    client.resolve(&Selector::Digest(digest)).await.unwrap();
    let requests = server.requests();
    let last = requests.last().unwrap();
    assert_eq!(last.line(), format!("GET /v2/x/manifests/{digest}"));
    let accepted = last.header("accept").unwrap();
    for media_type in [
        MediaType::OciIndex,
        MediaType::OciManifest,
        MediaType::DockerIndex,
        MediaType::DockerManifest,
    ] {
        assert!(accepted.contains(media_type.as_str()), "{accepted}");
    }
    let other = Selector::Digest(Digest::of(b"other"));
    assert!(matches!(client.resolve(&other).await, Err(StoreError::Damaged { .. })));
}

#[tokio::test]
async fn a_wrong_digest_header_by_tag_is_no_error_and_a_generic_type_says_nothing() {
    let wrong = Digest::of(b"other").to_string();
    resolve(status(200).with("Docker-Content-Digest", wrong).body(INDEX))
        .await
        .unwrap();
    for generic in [
        "text/plain",
        "application/octet-stream",
        "application/json; charset=utf-8",
    ] {
        resolve(status(200).with("Content-Type", generic).body(INDEX))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_type_that_the_document_contradicts_is_refused() {
    let manifest = MediaType::OciManifest.to_string();
    let error = resolve(status(200).with("Content-Type", manifest).body(INDEX))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::Document { .. }), "{error}");
    assert_eq!(error.error_kind(), ErrorKind::Remote);
}

#[tokio::test]
async fn a_manifest_over_the_limit_is_not_read_to_its_end() {
    let error = resolve(status(200).body(vec![b' '; MAX_MANIFEST_BYTES as usize + 1]))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("4194304"), "{error}");
    assert_eq!(error.error_kind(), ErrorKind::Remote);
    // A wrong length does not allocate memory, and the missing bytes are detected.
    let lying = status(200).with("Content-Length", "1000000000000000").body(INDEX);
    assert_eq!(resolve(lying).await.unwrap_err().error_kind(), ErrorKind::Remote);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let envelope = |code: &str| format!(r#"{{"errors":[{{"code":"{code}","message":"said\u001b[31m so"}}]}}"#);
    for (answer, class, text) in [
        (
            status(404).body(envelope("MANIFEST_UNKNOWN")),
            ErrorKind::NotFound,
            "tag latest was not found",
        ),
        (
            status(404).body(envelope("NAME_UNKNOWN")),
            ErrorKind::NotFound,
            "tag latest was not found",
        ),
        (
            status(403).body(envelope("DENIED")),
            ErrorKind::Unauthorized,
            "was denied",
        ),
        (status(401), ErrorKind::Unauthorized, "401"),
        (
            status(429).body(envelope("TOOMANYREQUESTS")),
            ErrorKind::Remote,
            "429 (TOOMANYREQUESTS): said\\u{1b}[31m so",
        ),
        (status(500), ErrorKind::Remote, "500"),
        (status(302), ErrorKind::Remote, "302"),
    ] {
        let error = resolve(answer.clone()).await.unwrap_err();
        assert_eq!(error.error_kind(), class, "{answer:?} {error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let help = |error: StoreError| error.help().unwrap_or_default();
    assert!(help(resolve(status(401)).await.unwrap_err()).contains("ocitect login 127.0.0.1"));
    assert!(help(resolve(status(429)).await.unwrap_err()).contains("rate"));
    assert!(help(resolve(status(503)).await.unwrap_err()).contains("try again"));
    let unknown = resolve(status(404).body(envelope("NAME_UNKNOWN"))).await.unwrap_err();
    assert!(help(unknown).contains("repository"));
}

#[tokio::test]
async fn blobs_are_read_and_damage_is_found() {
    for (sent, expected) in [
        ("content", true),
        ("conten", false),
        ("contents", false),
        ("c0ntent", false),
    ] {
        let server = Server::start(move |_| status(200).body(sent)).await;
        let descriptor = Descriptor::of(MediaType::OciLayer, b"content");
        let repository = server.repository();
        let is_whole = match open(&repository, &descriptor).await {
            Ok(mut reader) => reader.read_to_end(&mut Vec::new()).await.is_ok(),
            Err(error) => !matches!(error, StoreError::Damaged { .. }),
        };
        assert_eq!(is_whole, expected, "{sent}");
        assert_eq!(
            server.lines().last().unwrap(),
            &format!("GET /v2/x/blobs/{}", descriptor.digest)
        );
    }
}

#[tokio::test]
async fn a_missing_blob_and_a_body_that_breaks_off_are_the_other_sides() {
    let descriptor = Descriptor::of(MediaType::OciLayer, b"content");
    let server = Server::start(|_| status(404)).await;
    let error = open(&server.repository(), &descriptor).await.err().unwrap();
    assert_eq!(error.error_kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&descriptor.digest.to_string()), "{error}");
    let server = Server::start(|_| status(200).with("Content-Length", "7").body("con")).await;
    let mut reader = open(&server.repository(), &descriptor).await.unwrap();
    let cause = reader.read_to_end(&mut Vec::new()).await.unwrap_err();
    assert_eq!(StoreError::from_reader(cause).unwrap().error_kind(), ErrorKind::Remote);
}

#[tokio::test]
async fn loopback_without_tls_is_found_out_and_remembered() {
    let server = Server::start(|_| status(200).body(INDEX)).await;
    let repository = repository(&server, RegistryOptions::default());
    repository.resolve(&latest()).await.unwrap();
    repository.resolve(&latest()).await.unwrap();
    assert_eq!(
        server.lines(),
        ["GET /v2/x/manifests/latest", "GET /v2/x/manifests/latest"]
    );
}

#[tokio::test]
async fn nobody_there_is_said_in_words() {
    let server = Server::bind().await;
    let host = server.host.clone();
    drop(server);
    let repository = Client::new(RegistryOptions::default())
        .unwrap()
        .repository(format!("{host}/x").parse().unwrap());
    let error = repository.resolve(&latest()).await.unwrap_err();
    assert!(error.to_string().contains("refused the connection"), "{error}");
    assert_eq!(error.error_kind(), ErrorKind::Remote);
}

#[tokio::test]
async fn silence_ends() {
    let server = Server::bind().await;
    let options = RegistryOptions {
        idle_timeout: std::time::Duration::from_millis(50),
        ..server.options()
    };
    let error = repository(&server, options).resolve(&latest()).await.unwrap_err();
    assert!(error.to_string().contains("no data from"), "{error}");
}

#[tokio::test]
async fn a_tag_that_is_none_never_reaches_an_address() {
    let server = Server::start(|_| status(200)).await;
    let error = server
        .repository()
        .resolve(&Selector::Tag("../../y".to_owned()))
        .await
        .unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Input);
    assert!(server.lines().is_empty());
}
