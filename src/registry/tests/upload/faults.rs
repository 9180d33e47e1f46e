//! Transient failures: lost replies, overloaded servers, expired tokens.

use super::*;
use crate::model::{Diagnostic as _, ErrorKind};

#[tokio::test]
async fn a_blob_that_is_there_after_all_is_not_sent_again() {
    // The reply was lost.
    let cut = on_bodies(|_| Some(MIB));
    let fake = Fake::start(Rules {
        cut,
        ..Rules::default()
    })
    .await;
    fake.upload(&content(MIB)).await.unwrap();
    assert_eq!(fake.told(), ["POST", &format!("PUT {MIB}"), "HEAD"]);
    // The same with an error status.
    for code in [500, 502, 503, 504, 408, 429, 200, 204] {
        let after = on("PUT", move |_| Some(status(code)));
        let fake = Fake::start(Rules {
            after,
            ..Rules::default()
        })
        .await;
        fake.upload(b"content").await.unwrap();
        assert_eq!(fake.told(), ["POST", "PUT 7", "HEAD"], "{code}");
    }
}

#[tokio::test]
async fn a_burst_of_failures_is_waited_out_within_the_budget() {
    for code in [500, 503, 429, 502, 408] {
        for failures in 1..=7 {
            let instead = on_bodies(move |number| (number < failures).then(|| status(code)));
            let fake = Fake::start(Rules {
                instead,
                ..Rules::default()
            })
            .await;
            fake.upload(b"content").await.unwrap();
        }
        let instead = on_bodies(move |_| Some(status(code)));
        let fake = Fake::start(Rules {
            instead,
            ..Rules::default()
        })
        .await;
        let error = fake.upload(b"content").await.unwrap_err();
        assert_eq!(error.error_kind(), ErrorKind::Remote, "{error}");
        assert!(error.to_string().contains(&code.to_string()), "{error}");
        assert_eq!(fake.server.count("POST"), RetryOptions::default().tries as usize);
    }
}

#[tokio::test]
async fn overload_does_not_change_the_manner() {
    for code in [503, 429] {
        let instead = on_bodies(move |number| (number < 5).then(|| status(code)));
        let fake = Fake::start(Rules {
            instead,
            ..Rules::default()
        })
        .await;
        fake.upload(b"content").await.unwrap();
        assert_eq!((fake.server.count("PUT"), fake.server.count("PATCH")), (6, 0));
    }
}

#[tokio::test]
async fn a_line_that_never_holds_ends_in_an_error() {
    for keeps in [true, false] {
        let fake = Fake::start(Rules {
            keeps,
            cut: on_bodies(|_| Some(1)),
            ..Rules::default()
        })
        .await;
        let error = fake.upload(&content(MIB)).await.unwrap_err();
        assert_eq!(error.error_kind(), ErrorKind::Remote, "{error}");
        assert_eq!(fake.server.count("POST"), RetryOptions::default().tries as usize);
    }
}

#[tokio::test]
async fn a_registry_that_goes_away_is_an_error_that_says_so() {
    let instead = on("PUT", |_| {
        Some(status(403).body(r#"{"errors":[{"code":"DENIED","message":"quota"}]}"#))
    });
    let fake = Fake::start(Rules {
        instead,
        ..Rules::default()
    })
    .await;
    let error = fake.upload(b"content").await.unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Unauthorized);
    assert!(error.to_string().contains("quota"), "{error}");
    assert_eq!(fake.told(), ["POST", "PUT 7", "DELETE"]);
}

#[tokio::test]
async fn an_empty_closing_request_that_fails_is_made_again_where_all_is_kept() {
    // More than the buffers of a connection.
    let size = 24 * MIB;
    // Interrupted and resumed; then the closing PUT fails without any effect.
    let cut = on_bodies(|number| (number == 0).then_some(MIB));
    let instead: Rule<Answer> =
        Box::new(|request, number| (request.method == "PUT" && number == 1).then(|| status(502)));
    let fake = Fake::start(Rules {
        cut,
        instead,
        ..Rules::default()
    })
    .await;
    fake.upload(&content(size)).await.unwrap();
    let rest = format!("PATCH {MIB}-{}", size - 1);
    assert_eq!(
        fake.told(),
        [
            "POST",
            &format!("PUT {size}"),
            "GET",
            &rest,
            "PUT",
            "HEAD",
            "GET",
            "PUT"
        ]
    );
}

/// A registry whose token `t<number>` expires with `lasts`.
async fn with_tokens(instead: impl Fn(&ReceivedRequest, &str) -> Option<Answer> + Send + Sync + 'static) -> Server {
    let mut server = Server::bind().await;
    let challenge = format!("Bearer realm=\"http://{}/token\"", server.host);
    let issued = Mutex::new(0);
    let state = Mutex::new(State::default());
    server.serve(move |request| {
        if request.path.starts_with("/token") {
            let mut issued = issued.lock().unwrap();
            *issued += 1;
            return status(200).body(format!(r#"{{"token":"t{issued}"}}"#));
        }
        let Some(token) = request
            .authorization()
            .and_then(|header| header.strip_prefix("Bearer "))
        else {
            return status(401).with("WWW-Authenticate", challenge.clone());
        };
        match instead(request, token) {
            Some(answer) => answer.with("WWW-Authenticate", challenge.clone()),
            None => state.lock().unwrap().answer(request, true),
        }
    });
    server
}

async fn upload(server: &Server, content: &[u8]) -> Result<(), StoreError> {
    let descriptor = Descriptor::of(MediaType::OciLayer, content);
    let source = MemoryStore::new("memory").with_blob(&descriptor, content.to_vec());
    server
        .repository()
        .writer()
        .unwrap()
        .upload(&descriptor, &source, None)
        .await
}

#[tokio::test]
async fn a_token_that_ends_on_the_way_is_renewed() {
    // The first token expires with the body of the PUT.
    let server = with_tokens(|request, token| (request.method == "PUT" && token == "t1").then(|| status(401))).await;
    upload(&server, b"content").await.unwrap();
    assert_eq!(
        (server.count("GET /token"), server.count("POST"), server.count("PUT")),
        (2, 3, 2)
    );
    assert_eq!(server.requests().last().unwrap().authorization(), Some("Bearer t2"));
}

#[tokio::test]
async fn tokens_that_always_end_are_not_renewed_without_end() {
    let server = with_tokens(|request, _| (request.method == "PUT").then(|| status(401))).await;
    let error = upload(&server, b"content").await.unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Unauthorized, "{error}");
    assert_eq!(server.count("PUT"), 3);
}

#[tokio::test]
async fn a_session_that_was_offered_is_used_in_place_of_a_new_one() {
    let fake = Fake::start(Rules::default()).await;
    let repository = fake.server.repository().writer().unwrap();
    // The location in a 202 reply to a mount.
    let offered = format!("http://{}/up/1?v=0", fake.server.host).parse().unwrap();
    fake.state.lock().unwrap().sessions.insert(1, (Vec::new(), 0));
    let descriptor = Descriptor::of(MediaType::OciLayer, b"content");
    let source = MemoryStore::new("memory").with_blob(&descriptor, &b"content"[..]);
    repository.upload(&descriptor, &source, Some(offered)).await.unwrap();
    assert_eq!(fake.told(), ["PUT 7"]);
    assert!(fake.stored(&descriptor).is_some());
}
