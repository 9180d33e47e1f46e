//! Which host is asked, when a mirror has a blob, does not have it or fails, and who receives credentials.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::raw::{Raw, RawServer};
use super::*;
use crate::model::{Diagnostic as _, ErrorKind};
use crate::store::{MemoryStore, Sink as _, Source as _};

#[tokio::test]
async fn a_mirror_that_has_it_is_asked_alone_and_told_the_upstream_s_name() {
    let scene = Scene::new(whole, whole).await;
    let repository = scene.repository();
    assert_eq!(
        repository.resolve(&latest()).await.unwrap().descriptor().digest,
        Digest::of(INDEX.as_bytes())
    );
    assert_eq!(read(&repository).await.unwrap(), CONTENT);
    let namespace = scene.upstream.host.replace(':', "%3A");
    assert_eq!(
        scene.mirror.lines(),
        [
            format!("GET /v2/x/manifests/latest?ns={namespace}"),
            format!("GET /v2/x/blobs/{}?ns={namespace}", blob().digest)
        ]
    );
    assert_eq!(scene.upstream.lines(), Vec::<String>::new());
    assert_eq!(scene.notices(), Vec::<String>::new());
}

#[tokio::test]
async fn what_a_mirror_lacks_comes_from_the_upstream_and_the_mirror_is_asked_again() {
    let scene = Scene::new(|_| status(404), whole).await;
    let repository = scene.repository();
    repository.resolve(&latest()).await.unwrap();
    assert_eq!(read(&repository).await.unwrap(), CONTENT);
    assert_eq!((scene.mirror.requests().len(), scene.upstream.requests().len()), (2, 2));
    assert!(scene.upstream.lines().iter().all(|line| !line.contains("ns=")));
    assert_eq!(scene.notices(), Vec::<String>::new());
}

#[tokio::test]
async fn a_mirror_that_fails_is_left_out_for_the_rest_of_the_run() {
    for answer in [500, 503, 429, 418] {
        let scene = Scene::new(move |_| status(answer), whole).await;
        let repository = scene.repository();
        repository.resolve(&latest()).await.unwrap();
        repository.resolve(&latest()).await.unwrap();
        assert_eq!(read(&repository).await.unwrap(), CONTENT);
        assert_eq!(
            (scene.mirror.requests().len(), scene.upstream.requests().len()),
            (1, 3),
            "{answer}"
        );
        let notices = scene.notices();
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(
            notices[0].contains(&format!("the mirror {}/x is skipped", scene.mirror.host)),
            "{notices:?}"
        );
    }
}

#[tokio::test]
async fn a_mirror_that_gives_no_answer_is_asked_once_by_many_at_a_time() {
    let scene = Scene::new(whole, whole).await;
    let mirror = RawServer::start(|_, _| Raw {
        bytes: Vec::new(),
        falls_silent: false,
    })
    .await;
    scene.replace_mirror(&mirror.host);
    let mut options = scene.options();
    options.plain_http.insert(mirror.host.clone());
    let repository = repository(&scene.upstream, options);
    let reads = (0..16).map(|_| read(&repository));
    for content in futures_util::future::join_all(reads).await {
        assert_eq!(content.unwrap(), CONTENT);
    }
    assert_eq!(mirror.sent().matches("GET /v2/").count(), 1, "{}", mirror.sent());
    assert_eq!(scene.notices().len(), 1);
}

#[tokio::test]
async fn a_mirror_that_is_down_is_passed_over() {
    let scene = Scene::new(whole, whole).await;
    // Bound, and not listened to any more.
    let gone = Server::bind().await.host;
    scene.replace_mirror(&gone);
    let repository = scene.repository();
    repository.resolve(&latest()).await.unwrap();
    assert_eq!(read(&repository).await.unwrap(), CONTENT);
    assert_eq!(scene.upstream.requests().len(), 2);
    assert_eq!(scene.notices().len(), 1);
}

#[tokio::test]
async fn a_mirror_that_refuses_one_repository_is_asked_for_another() {
    for answer in [401, 403] {
        let refusing = move |request: &ReceivedRequest| {
            if request.path.starts_with("/v2/x/") {
                status(answer)
            } else {
                whole(request)
            }
        };
        let scene = Scene::new(refusing, whole).await;
        let client = Client::new(scene.options()).unwrap();
        let at = |name: &str| client.repository(format!("{}/{name}", scene.upstream.host).parse().unwrap());
        at("x").resolve(&latest()).await.unwrap();
        at("x").resolve(&latest()).await.unwrap();
        at("y").resolve(&latest()).await.unwrap();
        assert_eq!(scene.mirror.count("GET /v2/x/"), 1, "{answer}");
        assert_eq!(scene.upstream.count("GET /v2/x/"), 2);
        assert_eq!(
            (scene.mirror.count("GET /v2/y/"), scene.upstream.count("GET /v2/y/")),
            (1, 0)
        );
    }
}

#[tokio::test]
async fn a_mirror_never_sees_the_upstream_s_credentials() {
    let wants_login = |request: &ReceivedRequest| match request.authorization() {
        None => status(401).with("WWW-Authenticate", "Basic realm=\"r\""),
        Some(_) => whole(request),
    };
    let scene = Scene::new(wants_login, wants_login).await;
    let upstream = scene.upstream.options_as("u", "upstream-secret").credentials;
    let options = RegistryOptions {
        credentials: upstream.clone(),
        ..scene.options()
    };
    repository(&scene.upstream, options).resolve(&latest()).await.unwrap();
    assert!(
        scene
            .mirror
            .requests()
            .iter()
            .all(|request| request.authorization().is_none())
    );
    assert_eq!(
        scene.upstream.requests().last().unwrap().authorization(),
        Some("Basic dTp1cHN0cmVhbS1zZWNyZXQ=")
    );

    let scene = Scene::new(wants_login, wants_login).await;
    let mut both = scene.upstream.options_as("u", "upstream-secret").credentials;
    both.explicit
        .extend(scene.mirror.options_as("m", "mirror-secret").credentials.explicit);
    let options = RegistryOptions {
        credentials: both,
        ..scene.options()
    };
    repository(&scene.upstream, options).resolve(&latest()).await.unwrap();
    assert_eq!(
        scene.mirror.requests().last().unwrap().authorization(),
        Some("Basic bTptaXJyb3Itc2VjcmV0")
    );
    assert_eq!(scene.upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_mirror_s_token_service_gets_no_credentials_of_the_upstream() {
    let token = Server::start(|_| status(200).body(r#"{"token":"of-the-mirror"}"#)).await;
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"s\"", token.host);
    let wants_token = move |request: &ReceivedRequest| match request.authorization() {
        None => status(401).with("WWW-Authenticate", realm.clone()),
        Some(_) => whole(request),
    };
    let scene = Scene::new(wants_token, whole).await;
    let credentials = scene.upstream.options_as("u", "upstream-secret").credentials;
    repository(
        &scene.upstream,
        RegistryOptions {
            credentials,
            ..scene.options()
        },
    )
    .resolve(&latest())
    .await
    .unwrap();
    assert_eq!(token.requests().len(), 1);
    assert!(
        token
            .requests()
            .iter()
            .all(|request| request.authorization().is_none() && !request.path.contains("account"))
    );
    assert_eq!(
        scene.mirror.requests().last().unwrap().authorization(),
        Some("Bearer of-the-mirror")
    );
    assert_eq!(scene.upstream.requests().len(), 0);
}

#[tokio::test]
async fn content_that_breaks_off_at_a_mirror_goes_on_at_the_upstream() {
    let asked = AtomicUsize::new(0);
    let breaks_off = move |_: &ReceivedRequest| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => status(200).with("Content-Length", "7").body(&CONTENT[..3]),
        _ => status(503),
    };
    let upstream = |request: &ReceivedRequest| match request.header("range") {
        Some("bytes=3-") => status(206).with("Content-Range", "bytes 3-6/7").body(&CONTENT[3..]),
        _ => status(500),
    };
    let scene = Scene::new(breaks_off, upstream).await;
    assert_eq!(read(&scene.repository()).await.unwrap(), CONTENT);
    assert_eq!((scene.mirror.requests().len(), scene.upstream.requests().len()), (2, 1));
    assert_eq!(scene.notices().len(), 1);
}

#[tokio::test]
async fn a_mirror_that_gives_something_else_is_not_believed() {
    let other = |_: &ReceivedRequest| {
        let body = r#"{"schemaVersion":2,"manifests":[],"annotations":{}}"#;
        status(200)
            .with("Content-Type", "application/vnd.oci.image.index.v1+json")
            .body(body)
    };
    let scene = Scene::new(other, whole).await;
    scene.repository().resolve(&by_digest()).await.unwrap();
    assert_eq!(scene.notices().len(), 1);
    // A web page, as from a network's captive portal.
    let scene = Scene::new(|_| status(200).with("Content-Type", "text/html").body("<html>"), whole).await;
    scene.repository().resolve(&latest()).await.unwrap();
    assert_eq!(scene.notices().len(), 1);
}

#[tokio::test]
async fn the_error_is_the_upstream_s_and_names_the_mirrors() {
    let scene = Scene::new(|_| status(503), |_| status(404)).await;
    let error = scene.repository().resolve(&latest()).await.unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::NotFound);
    assert!(
        error.to_string().contains(&format!("{}/x", scene.upstream.host)),
        "{error}"
    );
    let help = error.help().unwrap();
    assert!(
        help.contains(&format!("these mirrors failed before: {}/x (", scene.mirror.host)),
        "{help}"
    );
}

#[tokio::test]
async fn nothing_is_written_to_a_mirror_nor_looked_for_there_before_writing() {
    let accepts = |request: &ReceivedRequest| match request.method.as_str() {
        "HEAD" => status(404),
        "POST" => status(202).with("Location", "/up"),
        _ => status(201),
    };
    let scene = Scene::new(whole, accepts).await;
    let memory = MemoryStore::new("memory").with_blob(&blob(), CONTENT);
    scene.repository().ensure(&blob(), &memory).await.unwrap();
    scene.repository().contains(&blob()).await.unwrap();
    assert_eq!(scene.mirror.lines(), Vec::<String>::new());
    assert!(scene.upstream.count("PUT /up") == 1 && scene.upstream.lines().iter().all(|line| !line.contains("ns=")));
}
