use async_trait::async_trait;

use super::super::sink::Mount;
use super::*;
use crate::model::{Descriptor, Diagnostic as _, Digest, ErrorKind, MediaType, Root, Selector};
use crate::store::{BlobReader, MemoryStore, Side, Sink as _, Source, StoreError};

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

fn blob() -> Descriptor {
    Descriptor::of(MediaType::OciLayer, b"content")
}

fn memory() -> MemoryStore {
    MemoryStore::new("memory").with_blob(&blob(), &b"content"[..])
}

/// A registry that replies with this `Location` and accepts any content.
async fn registry(location: &'static str) -> Server {
    Server::start(move |request| match request.method.as_str() {
        "POST" => status(202).with("Location", location),
        "PUT" => status(201),
        _ => status(200),
    })
    .await
}

#[tokio::test]
async fn a_blob_goes_up_in_one_piece() {
    let digest = query(&blob());
    for (location, put) in [
        ("/up/1", format!("PUT /up/1?{digest}")),
        (
            "1?_state=a%2Bb%3D&x",
            format!("PUT /v2/x/blobs/uploads/1?_state=a%2Bb%3D&x&{digest}"),
        ),
        ("?s=1", format!("PUT /v2/x/blobs/uploads/?s=1&{digest}")),
    ] {
        let server = registry(location).await;
        server.repository().put(&blob(), &memory()).await.unwrap();
        let requests = server.requests();
        assert_eq!(requests[0].line(), "POST /v2/x/blobs/uploads/");
        assert_eq!(requests[0].header("content-length"), Some("0"));
        assert_eq!(requests[1].line(), put);
        assert_eq!(requests[1].header("content-length"), Some("7"));
        assert_eq!(requests[1].header("content-type"), Some("application/octet-stream"));
        assert_eq!(requests[1].body, b"content");
    }
}

fn query(descriptor: &Descriptor) -> String {
    format!("digest={}", descriptor.digest.to_string().replace(':', "%3A"))
}

#[tokio::test]
async fn large_and_empty_blobs_arrive_whole() {
    for length in [0, 1, 64 * 1024, 64 * 1024 + 1, 1_000_000] {
        let content: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let descriptor = Descriptor::of(MediaType::OciLayer, &content);
        let source = MemoryStore::new("memory").with_blob(&descriptor, content.clone());
        let server = registry("/up").await;
        server.repository().put(&descriptor, &source).await.unwrap();
        assert_eq!(server.requests()[1].body, content);
    }
}

#[tokio::test]
async fn an_upload_elsewhere_gets_no_credentials() {
    let storage = Server::start(|_| status(201)).await;
    for location in [
        format!("http://{}/up?s=1", storage.host),
        format!("//{}/up?s=1", storage.host),
    ] {
        let server = Server::start(
            move |request| match (request.authorization(), request.method.as_str()) {
                (None, _) => status(401).with("WWW-Authenticate", "Basic"),
                (_, "POST") => status(202).with("Location", location.clone()),
                _ => status(200),
            },
        )
        .await;
        repository(&server, server.options_as("u", "p"))
            .put(&blob(), &memory())
            .await
            .unwrap();
        assert!(server.requests().last().unwrap().authorization().is_some());
    }
    assert_eq!(storage.count("PUT /up?s=1&digest="), 2);
    assert!(
        storage
            .requests()
            .iter()
            .all(|request| request.authorization().is_none())
    );
}

#[tokio::test]
async fn locations_that_are_not_used() {
    for location in ["ftp://127.0.0.1/up", "http://u:topsecret@127.0.0.1:1/up", "http://["] {
        let server = registry(location).await;
        let error = server.repository().put(&blob(), &memory()).await.unwrap_err();
        assert!(error.to_string().contains("is not allowed"), "{error}");
        assert!(!error.to_string().contains("topsecret"), "{error}");
        assert_eq!(server.count("PUT"), 0);
    }
    let server = Server::start(|_| status(202)).await;
    let error = server.repository().put(&blob(), &memory()).await.unwrap_err();
    assert!(error.to_string().contains("no Location"), "{error}");
}

/// Returns bytes, and then an error or the end.
struct Broken {
    given: &'static [u8],
    fails: bool,
}

#[async_trait]
impl Source for Broken {
    fn describe(&self) -> String {
        "broken".to_owned()
    }
    fn side(&self) -> Side {
        Side::Local
    }
    async fn resolve(&self, _: &Selector) -> Result<Root, StoreError> {
        unreachable!()
    }
    async fn open_unverified(&self, _: &Descriptor) -> Result<BlobReader, StoreError> {
        let end: Vec<std::io::Result<&[u8]>> = if self.fails {
            vec![Ok(self.given), Err(std::io::Error::other("gone"))]
        } else {
            vec![Ok(self.given)]
        };
        Ok(Box::pin(tokio_util::io::StreamReader::new(futures_util::stream::iter(
            end,
        ))))
    }
}

#[tokio::test]
async fn a_source_that_fails_is_blamed_and_nothing_is_taken() {
    for (source, class) in [
        (
            Broken {
                given: b"con",
                fails: true,
            },
            ErrorKind::Local,
        ),
        (
            Broken {
                given: b"con",
                fails: false,
            },
            ErrorKind::Input,
        ),
        (
            Broken {
                given: b"c0ntent",
                fails: false,
            },
            ErrorKind::Input,
        ),
        (
            Broken {
                given: b"contents",
                fails: false,
            },
            ErrorKind::Input,
        ),
    ] {
        let server = registry("/up").await;
        let error = server.repository().put(&blob(), &source).await.unwrap_err();
        assert!(error.is_source(), "{error}");
        assert_eq!(error.error_kind(), class, "{error}");
        assert!(
            server
                .requests()
                .iter()
                .all(|request| request.method != "PUT" || request.is_cut)
        );
    }
    let server = registry("/up").await;
    let absent = server
        .repository()
        .put(&blob(), &MemoryStore::new("memory"))
        .await
        .unwrap_err();
    assert!(
        absent.is_source() && absent.error_kind() == ErrorKind::NotFound,
        "{absent}"
    );
}

#[tokio::test]
async fn a_token_that_ends_during_the_body_is_renewed_in_a_fresh_session() {
    let mut server = Server::bind().await;
    let challenge = format!("Bearer realm=\"http://{}/token\"", server.host);
    let issued = std::sync::atomic::AtomicUsize::new(0);
    server.serve(move |request| {
        if request.path.starts_with("/token") {
            let number = issued.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            return status(200).body(format!(r#"{{"token":"t{number}"}}"#));
        }
        match (request.method.as_str(), request.authorization()) {
            ("POST", Some(_)) => {
                status(202).with("Location", format!("/up/{}", request.authorization().unwrap().len()))
            }
            ("PUT", Some("Bearer t1")) => status(201),
            ("GET", Some(_)) => status(404),
            _ => status(401).with("WWW-Authenticate", challenge.clone()),
        }
    });
    server.repository().put(&blob(), &memory()).await.unwrap();
    assert_eq!(
        (server.count("POST"), server.count("PUT"), server.count("GET /token")),
        (3, 2, 2)
    );
    assert_eq!(server.requests().last().unwrap().body, b"content");
}

#[tokio::test]
async fn a_vague_yes_is_checked_and_a_no_is_an_error() {
    for (answer, is_there, is_ok) in [
        (200, true, true),
        (204, true, true),
        (204, false, false),
        (413, true, false),
    ] {
        let server = Server::start(move |request| match request.method.as_str() {
            "POST" => status(202).with("Location", "/up"),
            "PUT" => status(answer),
            "HEAD" if is_there => status(200).with("Content-Length", "7"),
            "HEAD" => status(404),
            _ => status(200),
        })
        .await;
        assert_eq!(
            server.repository().put(&blob(), &memory()).await.is_ok(),
            is_ok,
            "{answer} {is_there}"
        );
    }
}

#[tokio::test]
async fn what_is_there_is_asked_for() {
    let manifest = Descriptor::of(MediaType::OciIndex, INDEX.as_bytes());
    for (answer, blob_is_there, manifest_is_there) in [
        (status(200).with("Content-Length", "7"), Some(true), Some(false)),
        (
            status(200).with("Content-Length", INDEX.len().to_string()),
            Some(false),
            Some(true),
        ),
        (
            status(200).with("Docker-Content-Digest", Digest::of(b"").to_string()),
            Some(false),
            Some(false),
        ),
        (status(404), Some(false), Some(false)),
        (status(403), Some(false), Some(false)),
        (status(401), None, None),
        (status(503), None, None),
    ] {
        let shown = answer.clone();
        let server = Server::start(move |_| answer.clone()).await;
        let repository = server.repository();
        assert_eq!(repository.contains(&blob()).await.ok(), blob_is_there, "{shown:?}");
        assert_eq!(
            repository.contains(&manifest).await.ok(),
            manifest_is_there,
            "{shown:?}"
        );
        let lines = server.lines();
        assert_eq!(lines[0], format!("HEAD /v2/x/blobs/{}", blob().digest));
        assert!(
            lines.contains(&format!("HEAD /v2/x/manifests/{}", manifest.digest)),
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn a_registry_without_head_is_asked_with_get() {
    let server = Server::start(|request| {
        if request.method == "HEAD" {
            status(405)
        } else {
            status(200).body(INDEX)
        }
    })
    .await;
    let manifest = Descriptor::of(MediaType::OciIndex, INDEX.as_bytes());
    assert!(server.repository().contains(&manifest).await.unwrap());
}

#[tokio::test]
async fn mounts_are_done_or_left() {
    let origin = |server: &Server| format!("{}/base/image", server.host).parse().unwrap();
    for (answer, expected) in [
        (201, Some(Mount::Done)),
        (202, None),
        (400, Some(Mount::Refused)),
        (401, Some(Mount::Refused)),
        (404, Some(Mount::Refused)),
        (405, Some(Mount::Refused)),
    ] {
        let server = Server::start(move |request| match request.method.as_str() {
            "POST" => status(answer).with("Location", "/up"),
            _ => status(200),
        })
        .await;
        let mounted = server
            .repository()
            .writer()
            .unwrap()
            .mount(&blob(), &origin(&server))
            .await
            .unwrap();
        let session = Mount::Session(format!("http://{}/up", server.host).parse().unwrap());
        assert_eq!(mounted, expected.unwrap_or(session), "{answer}");
        let digest = blob().digest.to_string().replace(':', "%3A");
        let line = format!("POST /v2/x/blobs/uploads/?mount={digest}&from=base%2Fimage");
        assert_eq!(server.lines()[0], line);
    }
}

/// Content of another repository.
struct Elsewhere(MemoryStore, crate::model::Repository);

#[async_trait]
impl Source for Elsewhere {
    fn describe(&self) -> String {
        "elsewhere".to_owned()
    }
    fn side(&self) -> Side {
        Side::Remote
    }
    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        self.0.resolve(selector).await
    }
    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        self.0.open_unverified(descriptor).await
    }
    fn origin(&self, _: &Descriptor) -> Option<crate::model::Repository> {
        Some(self.1.clone())
    }
}

async fn ensure(server: &Server, origin: &str) -> (crate::store::Ensured, Vec<String>) {
    let source = Elsewhere(memory(), origin.replace("HERE", &server.host).parse().unwrap());
    let supplied = server.repository().ensure(&blob(), &source).await.unwrap();
    (
        supplied,
        server
            .requests()
            .iter()
            .map(|request| format!("{} {}", request.method, request.path.split('?').next().unwrap()))
            .collect(),
    )
}

#[tokio::test]
async fn what_a_mount_begins_is_gone_on_with() {
    let up = "POST /v2/x/blobs/uploads/".to_owned();
    let head = format!("HEAD /v2/x/blobs/{}", blob().digest);
    for (mount, expected) in [
        (202, vec![&head, &up, "PUT /up"]),
        (405, vec![&head, &up, &up, "PUT /up"]),
    ] {
        let server = Server::start(move |request| match request.method.as_str() {
            "POST" if request.path.contains("mount=") => status(mount).with("Location", "/up"),
            "POST" => status(202).with("Location", "/up"),
            "PUT" => status(201),
            _ => status(404),
        })
        .await;
        let (supplied, lines) = ensure(&server, "HERE/base/image").await;
        assert_eq!(
            (supplied, lines),
            (
                crate::store::Ensured::Uploaded,
                expected.into_iter().map(str::to_owned).collect()
            )
        );
    }
}

#[tokio::test]
async fn nothing_is_mounted_from_another_registry_or_from_itself() {
    for origin in ["other.example/base", "HERE/x"] {
        let server = Server::start(|request| match request.method.as_str() {
            "POST" => status(202).with("Location", "/up"),
            "PUT" => status(201),
            _ => status(404),
        })
        .await;
        ensure(&server, origin).await;
        assert!(
            !server.lines().iter().any(|line| line.contains("mount=")),
            "{:?}",
            server.lines()
        );
    }
}

#[tokio::test]
async fn a_mount_asks_for_both_repositories_with_push_first() {
    let mut server = Server::bind().await;
    let challenge = format!("Bearer realm=\"http://{}/token\"", server.host);
    server.serve(move |request| match request.authorization() {
        _ if request.path.starts_with("/token") => status(200).body(r#"{"token":"t"}"#),
        Some(_) => status(201),
        None => status(401).with("WWW-Authenticate", challenge.clone()),
    });
    let origin = format!("{}/a", server.host).parse().unwrap();
    assert_eq!(
        server
            .repository()
            .writer()
            .unwrap()
            .mount(&blob(), &origin)
            .await
            .unwrap(),
        Mount::Done
    );
    let scopes = "scope=repository%3Ax%3Apull%2Cpush&scope=repository%3Aa%3Apull";
    assert!(
        server.lines().iter().any(|line| line.contains(scopes)),
        "{:?}",
        server.lines()
    );
}

#[tokio::test]
async fn roots_are_published_under_each_tag_in_order() {
    let root = Root::parse(None, INDEX).unwrap();
    let server = registry("/up").await;
    let tags = ["2.0".parse().unwrap(), "latest".parse().unwrap()];
    server.repository().publish(&root, &tags).await.unwrap();
    server.repository().publish(&root, &[]).await.unwrap();
    let puts: Vec<ReceivedRequest> = server
        .requests()
        .into_iter()
        .filter(|request| request.method == "PUT")
        .collect();
    let paths: Vec<&str> = puts.iter().map(|request| request.path.as_str()).collect();
    let by_digest = format!("/v2/x/manifests/{}", root.descriptor().digest);
    assert_eq!(paths, ["/v2/x/manifests/2.0", "/v2/x/manifests/latest", &by_digest]);
    assert_eq!(puts[0].body, INDEX.as_bytes());
    assert_eq!(puts[0].header("content-type"), Some(MediaType::OciIndex.as_str()));
}

#[tokio::test]
async fn children_are_put_by_digest_and_another_digest_is_an_error() {
    let descriptor = Descriptor::of(MediaType::OciIndex, INDEX.as_bytes());
    let source = MemoryStore::new("memory").with_blob(&descriptor, INDEX.as_bytes());
    let server = registry("/up").await;
    server.repository().put(&descriptor, &source).await.unwrap();
    assert_eq!(
        server.lines().last().unwrap(),
        &format!("PUT /v2/x/manifests/{}", descriptor.digest)
    );
    let wrong = Digest::of(b"other").to_string();
    let server = Server::start(move |_| status(201).with("Docker-Content-Digest", wrong.clone())).await;
    let error = server.repository().put(&descriptor, &source).await.unwrap_err();
    assert!(error.to_string().contains("instead of"), "{error}");
}

#[tokio::test]
async fn missing_content_is_recognized_by_the_code_alone() {
    let root = Root::parse(None, INDEX).unwrap();
    for (body, is_incomplete) in [
        (r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}"#, true),
        (r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"no"}]}"#, true),
        (r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#, true),
        (
            r#"{"errors":[{"code":"MANIFEST_INVALID","message":"(BLOB_UNKNOWN)"}]}"#,
            false,
        ),
        (r#"{"errors":[{"message":"(BLOB_UNKNOWN)"}]}"#, false),
        ("(BLOB_UNKNOWN)", false),
    ] {
        let server = Server::start(move |request| match request.method.as_str() {
            "PUT" => status(400).body(body),
            _ => status(404),
        })
        .await;
        let error = server.repository().publish(&root, &[]).await.unwrap_err();
        let found = matches!(error, StoreError::Incomplete { .. });
        assert_eq!(found, is_incomplete, "{body}: {error}");
        let is_help = error.help().is_some_and(|help| help.contains("push again"));
        assert_eq!(is_help, is_incomplete, "{body}");
    }
}
