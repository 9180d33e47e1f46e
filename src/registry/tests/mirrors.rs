use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncReadExt as _;

use super::raw::{Raw, RawServer};
use super::*;
use crate::model::{Descriptor, Diagnostic as _, Digest, ErrorKind, MediaType, Selector};
use crate::registry::{ConfigFiles, Notice};
use crate::store::{MemoryStore, Sink as _, Source as _, StoreError, open};

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;
const CONTENT: &[u8] = b"content";

fn blob() -> Descriptor {
    Descriptor::of(MediaType::OciLayer, CONTENT)
}

fn latest() -> Selector {
    Selector::Tag("latest".to_owned())
}

fn by_digest() -> Selector {
    Selector::Digest(Digest::of(INDEX.as_bytes()))
}

/// A registry with one index and one blob, without authentication.
fn whole(seen: &Seen) -> Answer {
    if seen.path.contains("/blobs/") {
        return status(200).body(CONTENT);
    }
    status(200)
        .with("Content-Type", "application/vnd.oci.image.index.v1+json")
        .body(INDEX)
}

async fn read(repository: &RoutedRepository) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let read = open(repository, &blob()).await?.read_to_end(&mut bytes).await;
    read.map_err(|cause| StoreError::from_reader(cause).unwrap())?;
    Ok(bytes)
}

/// An upstream with one mirror, and the configuration files.
struct Scene {
    directory: tempfile::TempDir,
    upstream: Server,
    mirror: Server,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    async fn new(
        mirror: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
        upstream: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let (mirror, upstream) = (Server::start(mirror).await, Server::start(upstream).await);
        let scene = Self {
            directory: tempfile::tempdir().unwrap(),
            upstream,
            mirror,
            notices: Arc::default(),
        };
        scene.conf("");
        scene
    }

    /// Writes `registries.conf`, with more lines for the mirror.
    fn conf(&self, more: &str) {
        let (upstream, mirror) = (&self.upstream.host, &self.mirror.host);
        self.write(
            "registries.conf",
            &format!("[[registry]]\nlocation = \"{upstream}\"\n[[registry.mirror]]\nlocation = \"{mirror}\"\n{more}\n"),
        );
    }

    /// Configures another mirror.
    fn replace_mirror(&self, host: &str) {
        let text = std::fs::read_to_string(self.directory.path().join("registries.conf")).unwrap();
        self.write("registries.conf", &text.replace(&self.mirror.host, host));
    }

    /// Writes a `hosts.toml` for the upstream, and removes the mirror from `registries.conf`.
    fn hosts(&self, text: &str) {
        self.write("registries.conf", "");
        self.write(&format!("certs.d/{}/hosts.toml", self.upstream.host), text);
    }

    fn write(&self, relative: &str, text: &str) {
        let path = self.directory.path().join(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn options(&self) -> RegistryOptions {
        let notices = Arc::clone(&self.notices);
        RegistryOptions {
            config: ConfigFiles {
                registries_conf: Some(self.directory.path().join("registries.conf")),
                hosts_directories: vec![self.directory.path().join("certs.d")],
                ..ConfigFiles::default()
            },
            notice: Notice::new(move |line| notices.lock().unwrap().push(line.to_owned())),
            ..self.upstream.options()
        }
    }

    fn repository(&self) -> RoutedRepository {
        repository(&self.upstream, self.options())
    }

    fn notices(&self) -> Vec<String> {
        self.notices.lock().unwrap().clone()
    }
}

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
    assert_eq!((scene.mirror.seen().len(), scene.upstream.seen().len()), (2, 2));
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
            (scene.mirror.seen().len(), scene.upstream.seen().len()),
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
    assert_eq!(scene.upstream.seen().len(), 2);
    assert_eq!(scene.notices().len(), 1);
}

#[tokio::test]
async fn a_mirror_that_refuses_one_repository_is_asked_for_another() {
    for answer in [401, 403] {
        let refusing = move |seen: &Seen| {
            if seen.path.starts_with("/v2/x/") {
                status(answer)
            } else {
                whole(seen)
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
    let wants_login = |seen: &Seen| match seen.authorization() {
        None => status(401).with("WWW-Authenticate", "Basic realm=\"r\""),
        Some(_) => whole(seen),
    };
    let scene = Scene::new(wants_login, wants_login).await;
    let upstream = scene.upstream.options_as("u", "upstream-secret").credentials;
    let options = RegistryOptions {
        credentials: upstream.clone(),
        ..scene.options()
    };
    repository(&scene.upstream, options).resolve(&latest()).await.unwrap();
    assert!(scene.mirror.seen().iter().all(|seen| seen.authorization().is_none()));
    assert_eq!(
        scene.upstream.seen().last().unwrap().authorization(),
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
        scene.mirror.seen().last().unwrap().authorization(),
        Some("Basic bTptaXJyb3Itc2VjcmV0")
    );
    assert_eq!(scene.upstream.seen().len(), 0);
}

#[tokio::test]
async fn a_mirror_s_token_service_gets_no_credentials_of_the_upstream() {
    let token = Server::start(|_| status(200).body(r#"{"token":"of-the-mirror"}"#)).await;
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"s\"", token.host);
    let wants_token = move |seen: &Seen| match seen.authorization() {
        None => status(401).with("WWW-Authenticate", realm.clone()),
        Some(_) => whole(seen),
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
    assert_eq!(token.seen().len(), 1);
    assert!(
        token
            .seen()
            .iter()
            .all(|seen| seen.authorization().is_none() && !seen.path.contains("account"))
    );
    assert_eq!(
        scene.mirror.seen().last().unwrap().authorization(),
        Some("Bearer of-the-mirror")
    );
    assert_eq!(scene.upstream.seen().len(), 0);
}

#[tokio::test]
async fn tags_and_digests_are_asked_for_where_they_may_be() {
    let scene = Scene::new(whole, whole).await;
    scene.conf("pull-from-mirror = \"digest-only\"");
    let repository = scene.repository();
    repository.resolve(&latest()).await.unwrap();
    assert_eq!((scene.mirror.seen().len(), scene.upstream.seen().len()), (0, 1));
    repository.resolve(&by_digest()).await.unwrap();
    read(&repository).await.unwrap();
    assert_eq!((scene.mirror.seen().len(), scene.upstream.seen().len()), (2, 1));
}

#[tokio::test]
async fn what_a_tag_of_a_mirror_names_is_read_there() {
    let scene = Scene::new(whole, whole).await;
    scene.conf("pull-from-mirror = \"tag-only\"");
    let repository = scene.repository();
    read(&repository).await.unwrap();
    assert_eq!((scene.mirror.seen().len(), scene.upstream.seen().len()), (0, 1));
    repository.resolve(&latest()).await.unwrap();
    read(&repository).await.unwrap();
    assert_eq!((scene.mirror.seen().len(), scene.upstream.seen().len()), (2, 1));
}

#[tokio::test]
async fn content_that_breaks_off_at_a_mirror_goes_on_at_the_upstream() {
    let asked = AtomicUsize::new(0);
    let breaks_off = move |_: &Seen| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => status(200).with("Content-Length", "7").body(&CONTENT[..3]),
        _ => status(503),
    };
    let upstream = |seen: &Seen| match seen.header("range") {
        Some("bytes=3-") => status(206).with("Content-Range", "bytes 3-6/7").body(&CONTENT[3..]),
        _ => status(500),
    };
    let scene = Scene::new(breaks_off, upstream).await;
    assert_eq!(read(&scene.repository()).await.unwrap(), CONTENT);
    assert_eq!((scene.mirror.seen().len(), scene.upstream.seen().len()), (2, 1));
    assert_eq!(scene.notices().len(), 1);
}

#[tokio::test]
async fn a_mirror_that_gives_something_else_is_not_believed() {
    let other = |_: &Seen| {
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
    let accepts = |seen: &Seen| match seen.method.as_str() {
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

#[tokio::test]
async fn names_are_rewritten_for_reading_writing_and_mounting() {
    let answers = |seen: &Seen| match seen.method.as_str() {
        "HEAD" => status(404),
        "POST" => status(201),
        _ => whole(seen),
    };
    let scene = Scene::new(answers, answers).await;
    let (upstream, other) = (&scene.upstream.host, &scene.mirror.host);
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
    assert_eq!(scene.upstream.seen().len(), 0);
}

#[tokio::test]
async fn headers_of_hosts_toml_go_to_their_host_alone() {
    let storage = Server::start(|_| status(200).body(CONTENT)).await;
    let away = format!("http://{}/blob", storage.host);
    let redirecting = move |seen: &Seen| {
        if seen.path.contains("/blobs/") {
            status(307).with("Location", away.clone())
        } else {
            whole(seen)
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
            .seen()
            .iter()
            .all(|seen| seen.header("x-key") == Some("s3cret"))
    );
    assert_eq!(
        (
            scene.mirror.seen().len(),
            scene.upstream.seen().len(),
            storage.seen().len()
        ),
        (2, 0, 1)
    );
    assert_eq!(storage.seen()[0].header("x-key"), None);
    repository.contains(&blob()).await.unwrap();
    assert_eq!(scene.upstream.seen()[0].header("x-key"), None);
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
    assert_eq!(scene.upstream.seen().len(), 0);
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
    assert_eq!((scene.mirror.seen().len(), scene.upstream.seen().len()), (0, 1));
    read(&repository).await.unwrap();
    assert_eq!((scene.mirror.seen().len(), scene.upstream.seen().len()), (1, 1));
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
