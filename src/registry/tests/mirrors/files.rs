//! What `registries.conf` and `hosts.toml` say of the hosts, and that it is done.

use super::super::raw::{Raw, RawServer};
use super::*;
use crate::model::{Diagnostic as _, ErrorKind};
use crate::store::{Sink as _, Source as _};

#[tokio::test]
async fn tags_and_digests_are_asked_for_where_they_may_be() {
    let scene = Scene::new(whole, whole).await;
    scene.conf("pull-from-mirror = \"digest-only\"");
    let repository = scene.repository();
    repository.resolve(&latest()).await.unwrap();
    assert_eq!((scene.mirror.requests().len(), scene.upstream.requests().len()), (0, 1));
    repository.resolve(&by_digest()).await.unwrap();
    read(&repository).await.unwrap();
    assert_eq!((scene.mirror.requests().len(), scene.upstream.requests().len()), (2, 1));
}

#[tokio::test]
async fn what_a_tag_of_a_mirror_names_is_read_there() {
    let scene = Scene::new(whole, whole).await;
    scene.conf("pull-from-mirror = \"tag-only\"");
    let repository = scene.repository();
    read(&repository).await.unwrap();
    assert_eq!((scene.mirror.requests().len(), scene.upstream.requests().len()), (0, 1));
    repository.resolve(&latest()).await.unwrap();
    read(&repository).await.unwrap();
    assert_eq!((scene.mirror.requests().len(), scene.upstream.requests().len()), (2, 1));
}

#[tokio::test]
async fn names_are_rewritten_for_reading_writing_and_mounting() {
    let answers = |request: &ReceivedRequest| match request.method.as_str() {
        "HEAD" => status(404),
        "POST" => status(201),
        _ => whole(request),
    };
    let scene = Scene::new(answers, answers).await;
    let upstream = &scene.upstream.host;
    let other = &scene.mirror.host;
    scene.write(
        "registries.conf",
        &format!("[[registry]]\nprefix = \"{upstream}\"\nlocation = \"{other}/sub\"\n"),
    );
    let client = Client::new(scene.options()).unwrap();
    let at = |name: &str| client.repository(format!("{upstream}/{name}").parse().unwrap());
    at("x").resolve(&latest()).await.unwrap();
    assert_eq!(crate::store::Source::describe(&at("x")), format!("{upstream}/x"));
    at("x").ensure(&blob(), &at("base")).await.unwrap();
    let lines = scene.mirror.lines();
    assert_eq!(lines[0], "GET /v2/sub/x/manifests/latest");
    let digest = blob().digest.to_string().replace(':', "%3A");
    assert_eq!(
        lines.last().unwrap(),
        &format!("POST /v2/sub/x/blobs/uploads/?mount={digest}&from=sub%2Fbase")
    );
    assert_eq!(scene.upstream.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_blocked_is_not_asked_for() {
    let scene = Scene::new(whole, whole).await;
    scene.write(
        "registries.conf",
        &format!("[[registry]]\nlocation = \"{}\"\nblocked = true\n", scene.upstream.host),
    );
    let repository = scene.repository();
    let errors = [
        repository.resolve(&latest()).await.unwrap_err(),
        repository.contains(&blob()).await.unwrap_err(),
        read(&repository).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.error_kind(), ErrorKind::Input);
        let text = error.to_string();
        assert!(
            text.contains("`blocked` at") && text.contains("registries.conf:3"),
            "{text}"
        );
    }
    assert_eq!(scene.upstream.requests().len(), 0);
}

#[tokio::test]
async fn headers_of_hosts_toml_go_to_their_host_alone() {
    let storage = Server::start(|_| status(200).body(CONTENT)).await;
    let away = format!("http://{}/blob", storage.host);
    let redirecting = move |request: &ReceivedRequest| {
        if request.path.contains("/blobs/") {
            status(307).with("Location", away.clone())
        } else {
            whole(request)
        }
    };
    let scene = Scene::new(redirecting, whole).await;
    scene.hosts(&format!(
        "[host.\"http://{}\".header]\nx-key = \"s3cret\"\n",
        scene.mirror.host
    ));
    let repository = scene.repository();
    repository.resolve(&latest()).await.unwrap();
    assert_eq!(read(&repository).await.unwrap(), CONTENT);
    assert!(
        scene
            .mirror
            .requests()
            .iter()
            .all(|request| request.header("x-key") == Some("s3cret"))
    );
    assert_eq!(
        (
            scene.mirror.requests().len(),
            scene.upstream.requests().len(),
            storage.requests().len()
        ),
        (2, 0, 1)
    );
    assert_eq!(storage.requests()[0].header("x-key"), None);
    repository.contains(&blob()).await.unwrap();
    assert_eq!(scene.upstream.requests()[0].header("x-key"), None);
}

#[tokio::test]
async fn paths_of_hosts_toml_stand_before_the_repository() {
    let scene = Scene::new(whole, whole).await;
    let mirror = scene.mirror.host.clone();
    for (address, override_path, begins) in [
        (
            format!("http://{mirror}/registry"),
            false,
            "GET /registry/v2/x/manifests/latest?ns=",
        ),
        (
            format!("http://{mirror}/v2/proxy"),
            true,
            "GET /v2/proxy/x/manifests/latest?ns=",
        ),
        (format!("http://{mirror}/api"), true, "GET /api/x/manifests/latest?ns="),
    ] {
        scene.hosts(&format!("[host.\"{address}\"]\noverride_path = {override_path}\n"));
        scene.repository().resolve(&latest()).await.unwrap();
        assert!(
            scene.mirror.lines().last().unwrap().starts_with(begins),
            "{:?}",
            scene.mirror.lines()
        );
    }
    assert_eq!(scene.upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_mirror_without_the_right_to_resolve_is_asked_by_digest_alone() {
    let scene = Scene::new(whole, whole).await;
    scene.hosts(&format!(
        "[host.\"http://{}\"]\ncapabilities = [\"pull\"]\n",
        scene.mirror.host
    ));
    let repository = scene.repository();
    repository.resolve(&latest()).await.unwrap();
    assert_eq!((scene.mirror.requests().len(), scene.upstream.requests().len()), (0, 1));
    read(&repository).await.unwrap();
    assert_eq!((scene.mirror.requests().len(), scene.upstream.requests().len()), (1, 1));
}

#[tokio::test]
async fn a_handshake_that_is_cut_is_no_reason_for_plain_http() {
    let server = RawServer::start(|_, _| Raw {
        bytes: Vec::new(),
        falls_silent: false,
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let conf = directory.path().join("registries.conf");
    std::fs::write(
        &conf,
        format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", server.host),
    )
    .unwrap();
    let config = ConfigFiles {
        registries_conf: Some(conf),
        ..ConfigFiles::default()
    };
    let options = RegistryOptions {
        config,
        retry: quick(),
        ..RegistryOptions::default()
    };
    let repository = Client::new(options)
        .unwrap()
        .repository(format!("{}/x", server.host).parse().unwrap());
    let error = repository.resolve(&latest()).await.unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Remote, "{error}");
    assert!(!server.sent().is_empty() && !server.sent().contains("GET "));
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_told_on_every_use() {
    let scene = Scene::new(whole, whole).await;
    scene.write("registries.conf", "[[registry]]\nlocation = 3\n");
    let repository = scene.repository();
    for _ in 0..2 {
        let error = repository.resolve(&latest()).await.unwrap_err();
        assert_eq!(error.error_kind(), ErrorKind::Input);
        assert!(error.to_string().contains("registries.conf:2"), "{error}");
    }
}
