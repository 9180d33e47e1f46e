use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use super::raw::{Raw, RawServer, raw};
use super::*;
use crate::model::{Descriptor, Diagnostic as _, ErrorKind, MediaType, Selector};
use crate::store::{Source as _, StoreError, open};

const CONTENT: &[u8] = b"content";
const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

fn blob() -> Descriptor {
    Descriptor::of(MediaType::OciLayer, CONTENT)
}

async fn read(repository: &RoutedRepository, descriptor: &Descriptor) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let read = open(repository, descriptor).await?.read_to_end(&mut bytes).await;
    read.map_err(|cause| StoreError::from_reader(cause).unwrap())?;
    Ok(bytes)
}

/// Returns the first byte of a request's range.
fn start(request: &ReceivedRequest) -> Option<usize> {
    let range = request.header("range")?;
    Some(range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().unwrap())
}

/// Returns the first bytes of the ranges of all requests for a blob, in order.
fn starts(server: &Server) -> Vec<Option<usize>> {
    server
        .requests()
        .iter()
        .filter(|request| request.path.contains("/blobs/"))
        .map(start)
        .collect()
}

/// Returns at most `piece` bytes of a requested range, and then ends the connection.
fn cut_part(content: &[u8], request: &ReceivedRequest, piece: usize) -> Answer {
    let first = start(request).unwrap_or(0);
    let length = content.len();
    let answer = match start(request) {
        Some(first) => status(206).with("Content-Range", format!("bytes {first}-{}/{length}", length - 1)),
        None => status(200),
    };
    let body = &content[first..(first + piece).min(length)];
    answer.with("Content-Length", (length - first).to_string()).body(body)
}

/// A registry that ends each connection after `piece` bytes.
async fn cutting(content: Vec<u8>, piece: usize) -> Server {
    Server::start(move |request| cut_part(&content, request, piece)).await
}

#[tokio::test]
async fn a_blob_goes_on_where_it_broke_off() {
    let server = cutting(CONTENT.to_vec(), 3).await;
    assert_eq!(read(&server.repository(), &blob()).await.unwrap(), CONTENT);
    assert_eq!(starts(&server), [None, Some(3), Some(6)]);
    let requests = server.requests();
    assert!(
        requests
            .iter()
            .all(|request| request.header("accept-encoding") == Some("identity"))
    );
}

#[tokio::test]
async fn a_registry_that_knows_no_ranges_is_read_past_what_is_known() {
    let server = Server::start(|request| {
        let end = if start(request).is_some_and(|start| start >= 4) {
            7
        } else {
            start(request).unwrap_or(2) + 2
        };
        status(200).with("Content-Length", "7").body(&CONTENT[..end])
    })
    .await;
    assert_eq!(read(&server.repository(), &blob()).await.unwrap(), CONTENT);
    assert_eq!(starts(&server), [None, Some(4)]);
}

#[tokio::test]
async fn another_part_than_the_wanted_one_is_not_taken() {
    for wrong in [
        status(206).with("Content-Range", "bytes 2-6/7").body("ntent"),
        status(206).with("Content-Range", "bytes 4-6/7").body("ent"),
        status(206).with("Content-Range", "bytes 3-6/8").body("tent"),
        status(206).with("Content-Range", "bytes 3-7/*").body("tentX"),
        status(206).with("Content-Range", "bytes 3-2/7"),
        status(206).with("Content-Range", "3-6/7").body("tent"),
        status(206)
            .with("Content-Range", "bytes 3-6/7")
            .with("Content-Range", "bytes 0-6/7")
            .body("tent"),
        status(206).body("tent"),
        status(416).with("Content-Range", "bytes */3"),
    ] {
        let shown = format!("{wrong:?}");
        let asked = AtomicUsize::new(0);
        let server = Server::start(
            move |request| match (start(request), asked.fetch_add(1, Ordering::SeqCst)) {
                (Some(_), _) => wrong.clone(),
                (None, 0) => status(200).with("Content-Length", "7").body("con"),
                (None, _) => status(200).body(CONTENT),
            },
        )
        .await;
        assert_eq!(read(&server.repository(), &blob()).await.unwrap(), CONTENT, "{shown}");
        assert_eq!(starts(&server), [None, Some(3), None], "{shown}");
    }
}

#[tokio::test]
async fn a_part_that_nobody_asked_for_is_an_error() {
    for answer in [
        status(206).with("Content-Range", "bytes 0-6/7").body(CONTENT),
        status(416),
    ] {
        let server = Server::start(move |_| answer.clone()).await;
        let error = read(&server.repository(), &blob()).await.unwrap_err();
        assert!(error.to_string().contains("expected all"), "{error}");
        assert_eq!(error.error_kind(), ErrorKind::Remote);
        assert_eq!(server.count("GET /v2/x/blobs"), 1);
    }
}

#[tokio::test]
async fn a_part_that_lies_about_where_it_begins_is_found_by_the_hash() {
    let server = Server::start(|request| match start(request) {
        None => status(200).with("Content-Length", "7").body("con"),
        Some(_) => status(206).with("Content-Range", "bytes 3-6/7").body("ontt"),
    })
    .await;
    let error = read(&server.repository(), &blob()).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(server.count("GET /v2/x/blobs"), 2);
}

#[tokio::test]
async fn a_part_of_the_part_is_progress() {
    let server = Server::start(|request| match start(request) {
        None => status(200).with("Content-Length", "7").body("c"),
        Some(at) => {
            let range = format!("bytes {at}-{}/*", (at + 1).min(6));
            status(206)
                .with("Content-Range", range)
                .body(&CONTENT[at..(at + 2).min(7)])
        }
    })
    .await;
    assert_eq!(read(&server.repository(), &blob()).await.unwrap(), CONTENT);
    assert_eq!(starts(&server), [None, Some(1), Some(3), Some(5)]);
}

/// A raw server with the first bytes from `first` and correct replies for the rest.
async fn raw_registry(first: impl Fn() -> Raw + Send + Sync + 'static) -> RawServer {
    RawServer::start(move |_, head| match head.to_ascii_lowercase() {
        head if head.contains("range: bytes=3-") => raw("206 Part\r\nContent-Range: bytes 3-6/7", b"tent"),
        head if head.contains("/blobs/") => first(),
        _ => raw("200 OK\r\nContent-Length: 0", b""),
    })
    .await
}

fn raw_repository(server: &RawServer) -> RoutedRepository {
    let options = RegistryOptions {
        plain_http: [server.host.clone()].into(),
        idle_timeout: Duration::from_millis(100),
        retry: quick(),
        ..RegistryOptions::default()
    };
    Client::new(options)
        .unwrap()
        .repository(format!("{}/x", server.host).parse().unwrap())
}

#[tokio::test]
async fn every_kind_of_early_end_is_one() {
    for silent in [false, true] {
        for head in [
            "200 OK\r\nContent-Length: 7",
            "200 OK",
            "200 OK\r\nTransfer-Encoding: chunked",
        ] {
            let body: &[u8] = if head.contains("chunked") {
                b"3\r\ncon\r\n"
            } else {
                b"con"
            };
            let server = raw_registry(move || Raw {
                falls_silent: silent,
                ..raw(head, body)
            })
            .await;
            let bytes = read(&raw_repository(&server), &blob()).await.unwrap();
            assert_eq!(bytes, CONTENT, "{head} {silent}");
        }
    }
}

#[tokio::test]
async fn how_a_whole_body_ends_does_not_matter() {
    for silent in [false, true] {
        let first = move || Raw {
            falls_silent: silent,
            ..raw("200 OK\r\nTransfer-Encoding: chunked", b"7\r\ncontent\r\n")
        };
        let server = raw_registry(first).await;
        assert_eq!(read(&raw_repository(&server), &blob()).await.unwrap(), CONTENT);
        assert_eq!(server.sent().matches("/blobs/").count(), 1);
    }
}

#[tokio::test]
async fn more_than_the_size_is_damage_and_not_read_on() {
    for (descriptor, body) in [
        (blob(), &b"7\r\ncontent\r\n1\r\nX\r\n0\r\n\r\n"[..]),
        (blob(), b"8\r\ncontentX\r\n0\r\n\r\n"),
        (Descriptor::of(MediaType::OciLayer, b""), b"1\r\nX\r\n0\r\n\r\n"),
    ] {
        let server = raw_registry(move || raw("200 OK\r\nTransfer-Encoding: chunked", body)).await;
        let error = read(&raw_repository(&server), &descriptor).await.unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert_eq!(server.sent().matches("/blobs/").count(), 1);
    }
}

#[tokio::test]
async fn a_length_that_cannot_be_right_is_said_before_anything_is_read() {
    for length in ["6", "8", "0", "1000000000000000"] {
        let server = Server::start(move |_| status(200).with("Content-Length", length).body("conten")).await;
        let error = open(&server.repository(), &blob()).await.err().unwrap();
        assert!(
            error
                .to_string()
                .contains(&format!("expected 7 bytes, found {length} bytes")),
            "{error}"
        );
        assert_eq!(error.error_kind(), ErrorKind::Remote);
        assert_eq!(server.count("GET /v2/x/blobs"), 1);
    }
}

#[tokio::test]
async fn an_empty_blob_is_looked_for_and_has_no_parts() {
    let empty = Descriptor::of(MediaType::OciLayer, b"");
    let server = Server::start(|_| status(200)).await;
    assert_eq!(read(&server.repository(), &empty).await.unwrap(), b"");
    let server = Server::start(|_| status(404)).await;
    assert_eq!(
        read(&server.repository(), &empty).await.unwrap_err().error_kind(),
        ErrorKind::NotFound
    );
    let server = raw_registry(|| Raw {
        falls_silent: true,
        ..raw("200 OK", b"")
    })
    .await;
    assert_eq!(read(&raw_repository(&server), &empty).await.unwrap(), b"");
    assert!(
        !server.sent().to_ascii_lowercase().contains("range:"),
        "{}",
        server.sent()
    );
}

#[tokio::test]
async fn what_makes_progress_is_not_given_up_and_what_makes_none_is() {
    let content: Vec<u8> = (0..5 * 1024 * 1024_u32).map(|at| (at % 251) as u8).collect();
    let descriptor = Descriptor::of(MediaType::OciLayer, &content);
    let retry = RetryOptions { tries: 2, ..quick() };
    for (piece, passes) in [(1024 * 1024 + 4096, true), (256 * 1024, false), (0, false)] {
        let server = cutting(content.clone(), piece).await;
        let options = RegistryOptions {
            retry: retry.clone(),
            ..server.options()
        };
        let found = read(&repository(&server, options), &descriptor).await;
        if passes {
            assert!(found.unwrap() == content, "{piece}")
        } else {
            let error = found.unwrap_err();
            assert!(error.to_string().contains("ended after"), "{error}");
            assert_eq!(error.error_kind(), ErrorKind::Remote);
            assert_eq!(server.count("GET /v2/x/blobs"), 2);
        }
    }
}

#[tokio::test]
async fn content_in_an_encoding_is_refused() {
    for (encoding, is_taken) in [
        ("gzip", false),
        ("gzip, identity", false),
        ("identity", true),
        ("", true),
    ] {
        let server = Server::start(move |_| status(200).with("Content-Encoding", encoding).body(CONTENT)).await;
        match (read(&server.repository(), &blob()).await, is_taken) {
            (Ok(bytes), true) => assert_eq!(bytes, CONTENT),
            (Err(error), false) => assert!(error.to_string().contains(encoding), "{error}"),
            (other, _) => panic!("{encoding}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_manifest_that_breaks_off_is_fetched_again_whole() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let end = if asked.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            7
        } else {
            INDEX.len()
        };
        status(200)
            .with("Content-Length", INDEX.len().to_string())
            .body(&INDEX[..end])
    })
    .await;
    let repository = server.repository();
    let root = repository.resolve(&Selector::Tag("latest".to_owned())).await.unwrap();
    assert_eq!(root.bytes(), INDEX.as_bytes());
    assert_eq!(read(&repository, root.descriptor()).await.unwrap(), INDEX.as_bytes());
    let of_manifests: Vec<ReceivedRequest> = server
        .requests()
        .into_iter()
        .filter(|request| request.path.contains("manifests"))
        .collect();
    assert_eq!(of_manifests.len(), 4);
    assert!(
        of_manifests
            .iter()
            .all(|request| request.header("range").is_none() && request.header("accept").is_some())
    );
    let server = Server::start(|_| status(200).with("Content-Length", "100").body("{")).await;
    let error = server.repository().resolve(&Selector::Only).await.unwrap_err();
    assert!(error.to_string().contains("is incomplete"), "{error}");
}

#[tokio::test]
async fn overload_is_waited_out_at_the_start_and_in_the_middle() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |request| match asked.fetch_add(1, Ordering::SeqCst) {
        0 | 1 | 3 => status(503),
        _ => cut_part(CONTENT, request, 4),
    })
    .await;
    assert_eq!(read(&server.repository(), &blob()).await.unwrap(), CONTENT);
    assert_eq!(starts(&server).last(), Some(&Some(4)));
    let server = Server::start(|request| {
        if start(request).is_some() {
            status(404)
        } else {
            cut_part(CONTENT, request, 4)
        }
    })
    .await;
    assert_eq!(
        read(&server.repository(), &blob()).await.unwrap_err().error_kind(),
        ErrorKind::NotFound
    );
}

/// A registry that redirects each request for a blob to another signed address of `storage`.
async fn signing(storage: &Server) -> Server {
    let host = storage.host.clone();
    let signed = AtomicUsize::new(0);
    Server::start(move |request| {
        if request.path.contains("/blobs/") {
            let number = signed.fetch_add(1, Ordering::SeqCst);
            status(307).with("Location", format!("http://{host}/b?sig={number}"))
        } else {
            status(200)
        }
    })
    .await
}

#[tokio::test]
async fn storage_that_breaks_off_is_reached_through_the_registry_again() {
    let storage = cutting(CONTENT.to_vec(), 3).await;
    let server = signing(&storage).await;
    assert_eq!(read(&server.repository(), &blob()).await.unwrap(), CONTENT);
    assert_eq!(storage.lines(), ["GET /b?sig=0", "GET /b?sig=1", "GET /b?sig=2"]);
    assert_eq!(
        storage.requests().iter().map(start).collect::<Vec<_>>(),
        [None, Some(3), Some(6)]
    );
}

#[tokio::test]
async fn a_signed_address_that_has_expired_is_asked_for_again() {
    for refusal in [400, 401, 403, 410] {
        let storage = Server::start(move |request| match request.path.as_str() {
            "/b?sig=0" | "/b?sig=2" => status(refusal).body("<Error><Message>Request has expired</Message></Error>"),
            _ => cut_part(CONTENT, request, 4),
        })
        .await;
        let server = signing(&storage).await;
        assert_eq!(read(&server.repository(), &blob()).await.unwrap(), CONTENT, "{refusal}");
        assert_eq!(
            storage.lines(),
            ["GET /b?sig=0", "GET /b?sig=1", "GET /b?sig=2", "GET /b?sig=3"]
        );
    }
    let storage = Server::start(|_| status(403)).await;
    let server = signing(&storage).await;
    let error = read(&server.repository(), &blob()).await.unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Unauthorized);
    assert_eq!(storage.lines().len(), 4);
}

#[tokio::test]
async fn a_refusal_of_the_registry_itself_is_final() {
    let server = Server::start(|_| status(403)).await;
    assert_eq!(
        read(&server.repository(), &blob()).await.unwrap_err().error_kind(),
        ErrorKind::Unauthorized
    );
    assert_eq!(server.count("GET /v2/x/blobs"), 1);
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_renewed() {
    let issued = AtomicUsize::new(0);
    let mut server = Server::bind().await;
    let challenge = format!("Bearer realm=\"http://{}/token\"", server.host);
    server.serve(move |request| {
        match (
            request.path.starts_with("/token"),
            request.authorization(),
            start(request),
        ) {
            (true, ..) => status(200).body(format!(r#"{{"token":"t{}"}}"#, issued.fetch_add(1, Ordering::SeqCst))),
            (_, Some("Bearer t0"), None) | (_, Some("Bearer t1"), Some(_)) => cut_part(CONTENT, request, 4),
            _ => status(401).with("WWW-Authenticate", challenge.clone()),
        }
    });
    assert_eq!(read(&server.repository(), &blob()).await.unwrap(), CONTENT);
    assert_eq!(server.count("GET /token"), 2);
}

#[tokio::test]
async fn a_reader_can_be_sent_and_outlives_what_it_was_opened_from() {
    let server = cutting(CONTENT.to_vec(), 3).await;
    let mut reader = open(&server.repository(), &blob()).await.unwrap();
    let read = tokio::spawn(async move {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).await.map(|_| bytes)
    });
    assert_eq!(read.await.unwrap().unwrap(), CONTENT);
}
