use super::*;
use crate::model::{Diagnostic as _, ErrorKind, Selector};
use crate::store::{Sink as _, Source as _, StoreError};

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

async fn resolve(repository: &RoutedRepository) -> Result<(), StoreError> {
    repository.resolve(&Selector::Only).await.map(drop)
}

fn is_token(request: &ReceivedRequest) -> bool {
    request.path.starts_with("/token")
}

/// A registry and its token service, with the replies of `token`. Every token of `good` is accepted.
async fn registry(
    good: &'static [&'static str],
    token: impl Fn(&ReceivedRequest) -> Answer + Send + Sync + 'static,
) -> Server {
    let mut server = Server::bind().await;
    let challenge = format!("Bearer realm=\"http://{}/token?own=1\",service=\"s\"", server.host);
    server.serve(move |request| {
        let bearer = request.authorization().and_then(|value| value.strip_prefix("Bearer "));
        match bearer {
            _ if is_token(request) => token(request),
            Some(bearer) if good.contains(&bearer) => status(200).body(INDEX),
            Some(_) if request.path != "/v2/" => status(401).with(
                "WWW-Authenticate",
                format!("{challenge},scope=\"repository:x:pull repository:y:pull\",error=\"insufficient_scope\""),
            ),
            _ => status(401)
                .with("WWW-Authenticate", "Negotiate")
                .with("WWW-Authenticate", challenge.clone()),
        }
    });
    server
}

#[tokio::test]
async fn a_token_is_fetched_with_credentials_and_kept() {
    let server = registry(&["good"], |_| {
        status(200).body(r#"{"access_token":"good","expires_in":300}"#)
    })
    .await;
    let repository = repository(&server, server.options_as("u", "p"));
    resolve(&repository).await.unwrap();
    resolve(&repository).await.unwrap();
    let tokens: Vec<ReceivedRequest> = server.requests().into_iter().filter(is_token).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(
        tokens[0].path,
        "/token?own=1&service=s&scope=repository%3Ax%3Apull&client_id=ocitect&account=u"
    );
    assert_eq!(tokens[0].authorization(), Some("Basic dTpw"));
}

#[tokio::test]
async fn many_who_wait_fetch_one_token() {
    let server = registry(&["good"], |_| status(200).body(r#"{"token":"good"}"#)).await;
    let repository = server.repository();
    let all = futures_util::future::join_all((0..16).map(|_| resolve(&repository))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(server.count("GET /token"), 1);
    // One was refused before; the others waited for its challenge.
    assert_eq!(
        server.requests().iter().filter(|request| !is_token(request)).count(),
        1 + 16
    );
}

#[tokio::test]
async fn more_scopes_are_asked_for_once() {
    let server = registry(&["more"], |request| {
        let token = if request.path.contains("repository%3Ay%3Apull") {
            "more"
        } else {
            "less"
        };
        status(200).body(format!(r#"{{"token":"{token}"}}"#))
    })
    .await;
    resolve(&server.repository()).await.unwrap();
    assert_eq!(server.count("GET /token"), 2);
}

#[tokio::test]
async fn a_token_that_stays_refused_is_fetched_twice_at_most() {
    let server = registry(&[], |_| status(200).body(r#"{"token":"bad"}"#)).await;
    let error = resolve(&server.repository()).await.unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Unauthorized);
    assert_eq!(server.count("GET /token"), 2);
}

#[tokio::test]
async fn a_token_that_ended_is_renewed() {
    let issued = std::sync::atomic::AtomicUsize::new(0);
    let mut server = Server::bind().await;
    let challenge = format!("Bearer realm=\"http://{}/token\"", server.host);
    let uses = std::sync::atomic::AtomicUsize::new(0);
    server.serve(move |request| {
        let order = std::sync::atomic::Ordering::SeqCst;
        if is_token(request) {
            return status(200).body(format!(r#"{{"token":"t{}"}}"#, issued.fetch_add(1, order)));
        }
        match request.authorization() {
            Some("Bearer t0") if uses.fetch_add(1, order) == 0 => status(200).body(INDEX),
            Some("Bearer t1") => status(200).body(INDEX),
            _ => status(401).with("WWW-Authenticate", challenge.clone()),
        }
    });
    let repository = server.repository();
    resolve(&repository).await.unwrap();
    resolve(&repository).await.unwrap();
    assert_eq!(server.count("GET /token"), 2);
}

#[tokio::test]
async fn an_identity_token_is_exchanged_and_falls_back() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("auth.json");
    for known in [true, false] {
        let server = registry(&["good"], move |request| match (request.method.as_str(), known) {
            ("POST", true) => status(200).body(r#"{"access_token":"good","refresh_token":"next"}"#),
            ("POST", false) => status(404),
            _ => status(200).body(r#"{"token":"good"}"#),
        })
        .await;
        let entry = format!(
            r#"{{"auths":{{"{}":{{"auth":"dTo=","identitytoken":"id&1"}}}}}}"#,
            server.host
        );
        std::fs::write(&file, entry).unwrap();
        let credentials = Credentials {
            files: vec![file.clone()],
            ..Credentials::default()
        };
        resolve(&repository(
            &server,
            RegistryOptions {
                credentials,
                ..server.options()
            },
        ))
        .await
        .unwrap();
        let tokens: Vec<ReceivedRequest> = server.requests().into_iter().filter(is_token).collect();
        let form =
            "grant_type=refresh_token&refresh_token=id%261&client_id=ocitect&service=s&scope=repository%3Ax%3Apull";
        assert_eq!(String::from_utf8_lossy(&tokens[0].body), form);
        assert_eq!(tokens[0].authorization(), None);
        let methods: Vec<&str> = tokens.iter().map(|request| request.method.as_str()).collect();
        assert_eq!(methods, if known { vec!["POST"] } else { vec!["POST", "GET"] });
    }
}

#[tokio::test]
async fn a_registry_token_is_sent_as_it_is() {
    let server = registry(&["given"], |_| status(500)).await;
    let config = format!(r#"{{"auths":{{"{}":{{"registrytoken":"given"}}}}}}"#, server.host);
    let credentials = Credentials {
        docker_auth_config: Some(config.into()),
        ..Credentials::default()
    };
    resolve(&repository(
        &server,
        RegistryOptions {
            credentials,
            ..server.options()
        },
    ))
    .await
    .unwrap();
    assert_eq!(server.count("GET /token"), 0);
}

#[tokio::test]
async fn a_token_service_that_lies_elsewhere_gets_nothing() {
    let honeypot = Server::start(|_| status(200).body(r#"{"token":"good"}"#)).await;
    for realm in [
        "http://169.254.169.254/token".to_owned(),
        "http://10.0.0.1/token".to_owned(),
        format!("http://u:p@{}/token", honeypot.host),
        "null:///token".to_owned(),
        "no address".to_owned(),
    ] {
        let server =
            Server::start(move |_| status(401).with("WWW-Authenticate", format!("Bearer realm=\"{realm}\""))).await;
        let error = resolve(&repository(&server, server.options_as("u", "topsecret")))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("was not used"), "{error}");
        assert_eq!(error.error_kind(), ErrorKind::Remote);
    }
    assert!(honeypot.lines().is_empty());
}

#[tokio::test]
async fn a_token_service_that_redirects_takes_no_credentials_along() {
    let honeypot = Server::start(|_| status(200).body(r#"{"token":"good"}"#)).await;
    let away = format!("http://{}/t", honeypot.host);
    let server = registry(&["good"], move |_| status(302).with("Location", away.clone())).await;
    resolve(&repository(&server, server.options_as("u", "p")))
        .await
        .unwrap();
    assert_eq!(honeypot.requests()[0].authorization(), None);
}

#[tokio::test]
async fn replies_without_a_token_are_errors_that_show_none() {
    let long = format!(r#"{{"token":"{}"}}"#, "topsecret".repeat(10_000));
    for body in [
        "",
        "topsecret",
        r#"{"token":""}"#,
        r#"{"token":7}"#,
        r#"{"access":"topsecret"}"#,
        &long,
    ] {
        let body = body.to_owned();
        let server = registry(&["good"], move |_| status(200).body(body.clone())).await;
        let error = resolve(&server.repository()).await.unwrap_err();
        assert_eq!(error.error_kind(), ErrorKind::Remote);
        assert!(!format!("{error:?}").contains("topsecret"), "{error:?}");
    }
}

#[tokio::test]
async fn refused_credentials_are_not_replaced_by_none() {
    let server = registry(&["good"], |request| match request.authorization() {
        Some(_) => status(401).body(r#"{"details":"incorrect username or password"}"#),
        None => status(200).body(r#"{"token":"good"}"#),
    })
    .await;
    let error = resolve(&repository(&server, server.options_as("u", "topsecret")))
        .await
        .unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Unauthorized);
    assert!(error.to_string().contains("incorrect username or password"), "{error}");
    assert!(error.help().unwrap().contains("check --username"), "{error}");
    assert!(!format!("{error:?}").contains("topsecret"));
}

#[tokio::test]
async fn a_challenge_that_comes_late_is_answered() {
    let server = Server::start(|request| match (request.path.as_str(), request.authorization()) {
        ("/v2/", _) => status(200),
        (_, Some("Basic dTpw")) => status(200).body(INDEX),
        _ => status(401).with("WWW-Authenticate", "Basic realm=x"),
    })
    .await;
    resolve(&repository(&server, server.options_as("u", "p")))
        .await
        .unwrap();
    let anonymous = resolve(&server.repository()).await.unwrap_err();
    assert_eq!(anonymous.error_kind(), ErrorKind::Unauthorized);
    assert!(
        anonymous.to_string().contains("requires authentication: "),
        "{anonymous}"
    );
    assert!(
        anonymous
            .help()
            .unwrap()
            .ends_with(&format!("ocitect login {}", server.host)),
        "{anonymous}"
    );
    let wrong = resolve(&repository(&server, server.options_as("u", "q")))
        .await
        .unwrap_err();
    assert!(wrong.to_string().contains("authentication to "), "{wrong}");
    assert!(wrong.help().unwrap().contains("check --username"), "{wrong}");
}

#[tokio::test]
async fn a_login_is_checked_with_these_credentials_alone() {
    let server = Server::start(|request| match request.authorization() {
        Some("Basic dTpw") => status(200),
        _ => status(401).with("WWW-Authenticate", "Basic realm=x"),
    })
    .await;
    let client = Client::new(server.options_as("u", "p")).unwrap();
    let login = |secret: &str| Login {
        registry: server.host.clone(),
        user: "u".to_owned(),
        secret: secret.into(),
    };
    client.check_login(&login("p")).await.unwrap();
    let error = client.check_login(&login("wrong")).await.unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Unauthorized);
    let server = registry(&["good"], |_| status(200).body(r#"{"token":"good"}"#)).await;
    let login = Login {
        registry: server.host.clone(),
        user: "u".to_owned(),
        secret: "p".into(),
    };
    Client::new(server.options())
        .unwrap()
        .check_login(&login)
        .await
        .unwrap();
    assert_eq!(
        server.count("GET /token?own=1&service=s&client_id=ocitect&account=u"),
        1
    );
}

#[tokio::test]
async fn a_token_service_that_fails_is_asked_as_often_as_one_question_is() {
    for code in [429, 500, 503] {
        let server = registry(&["good"], move |_| status(code)).await;
        let error = resolve(&server.repository()).await.unwrap_err();
        assert_eq!(error.error_kind(), ErrorKind::Remote);
        assert!(error.to_string().contains("tried 8 times"), "{error}");
        assert_eq!(server.count("GET /token"), 8, "{code}");
        // The request that needed the token was sent once.
        assert_eq!(server.lines().len(), 9, "{code}: {:#?}", server.lines());
    }
}

#[tokio::test]
async fn a_token_service_that_is_not_there_is_asked_as_often_as_one_question_is() {
    let gone = Server::bind().await.host;
    let server = Server::start(move |_| {
        status(401).with(
            "WWW-Authenticate",
            format!("Bearer realm=\"http://{gone}/token\",service=\"s\""),
        )
    })
    .await;
    let error = resolve(&server.repository()).await.unwrap_err();
    assert!(error.to_string().contains("tried 3 times"), "{error}");
    assert_eq!(server.lines().len(), 1, "{:#?}", server.lines());
}

#[tokio::test]
async fn a_login_that_asks_for_nothing_is_not_taken_for_checked() {
    let open = Server::start(|_| status(200)).await;
    let guarded = Server::start(|request| match request.authorization() {
        Some("Basic dTpw") => status(200),
        _ => status(401).with("WWW-Authenticate", "Basic realm=x"),
    })
    .await;
    for (server, is_checked) in [(&open, false), (&guarded, true)] {
        let login = Login {
            registry: server.host.clone(),
            user: "u".to_owned(),
            secret: "p".into(),
        };
        assert_eq!(
            Client::new(server.options())
                .unwrap()
                .check_login(&login)
                .await
                .unwrap(),
            is_checked
        );
    }
    let wrong = Login {
        registry: guarded.host.clone(),
        user: "u".to_owned(),
        secret: "q".into(),
    };
    let error = Client::new(guarded.options())
        .unwrap()
        .check_login(&wrong)
        .await
        .unwrap_err();
    assert!(error.help().unwrap().contains("nothing was stored"), "{error}");
}

#[tokio::test]
async fn a_registry_is_asked_for_access_before_anything_is_written() {
    let server = registry(&["good"], |request| match request.authorization() {
        Some("Basic dTpw") => status(200).body(r#"{"token":"good"}"#),
        _ => status(401),
    })
    .await;
    let tags = ["1".parse().unwrap()];
    let error = repository(&server, server.options_as("u", "q"))
        .check_access(&tags)
        .await
        .unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Unauthorized, "{error}");
    repository(&server, server.options_as("u", "p"))
        .check_access(&tags)
        .await
        .unwrap();
    repository(&server, server.options_as("u", "p"))
        .check_access(&[])
        .await
        .unwrap();
    assert!(
        server
            .requests()
            .iter()
            .all(|request| matches!(&*request.method, "GET" | "HEAD")),
        "{:#?}",
        server.lines()
    );
}
