use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::model::{Diagnostic as _, Digest, ErrorKind};
use crate::store::StoreError;

const FIRST: &str = "/v2/x/tags/list?n=100";

async fn tags(server: &Server) -> Result<Vec<String>, StoreError> {
    let tags = server.repository().tags().await?;
    Ok(tags.iter().map(ToString::to_string).collect())
}

fn list(tags: &[&str]) -> Answer {
    status(200).body(serde_json::json!({ "name": "x", "tags": tags }).to_string())
}

/// A registry of three pages; `link` returns the value of `Link` for path and query.
async fn three_pages(link: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    Server::start(move |seen| match seen.path.as_str() {
        FIRST => list(&["b", "a"]).with("Link", link("/v2/x/tags/list?n=100&last=a%2B1")),
        "/v2/x/tags/list?n=100&last=a%2B1" => list(&["a", "c"]).with("Link", link("/v2/x/tags/list?n=100&last=c#x")),
        "/v2/x/tags/list?n=100&last=c" => list(&["d"]),
        _ => status(404),
    })
    .await
}

#[tokio::test]
async fn pages_are_followed_and_tags_come_once_in_order() {
    let server = three_pages(|next| format!("<{next}>; rel=\"next\"")).await;
    assert_eq!(tags(&server).await.unwrap(), ["b", "a", "c", "d"]);
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn every_page_is_asked_for_as_the_account() {
    let server = Server::start(|seen| match (seen.authorization(), seen.path.as_str()) {
        (Some("Basic dTpw"), FIRST) => list(&["a"]).with("Link", "<?last=a>; rel=next"),
        (Some("Basic dTpw"), _) => list(&["b"]),
        _ => status(401).with("WWW-Authenticate", "Basic realm=x"),
    })
    .await;
    let tags = repository(&server, server.options_as("u", "p")).tags().await.unwrap();
    assert_eq!(tags.len(), 2);
}

#[tokio::test]
async fn none_are_written_in_several_ways() {
    for body in [r#"{"name":"x","tags":null}"#, r#"{"name":"x","tags":[]}"#] {
        let server = Server::start(move |_| status(200).body(body)).await;
        assert!(tags(&server).await.unwrap().is_empty());
    }
    let server = Server::start(|_| status(404).body(r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#)).await;
    let error = tags(&server).await.unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("the repository was not found"), "{error}");
}

#[tokio::test]
async fn a_registry_that_does_not_count_gives_all_at_once() {
    let many: Vec<String> = (0..5000).map(|number| format!("v{number}")).collect();
    let body = serde_json::json!({ "tags": many }).to_string();
    let server = Server::start(move |_| status(200).body(body.clone())).await;
    assert_eq!(tags(&server).await.unwrap(), many);
}

#[tokio::test]
async fn pages_that_go_round_in_a_circle_end() {
    for link in ["</v2/x/tags/list?n=100>; rel=next", "<>; rel=next", "<#next>; rel=next"] {
        let server = Server::start(move |_| list(&["a"]).with("Link", link)).await;
        let error = tags(&server).await.unwrap_err();
        assert!(error.to_string().contains("form a cycle"), "{error}");
        assert_eq!(server.lines().len(), 1);
    }
    let server = Server::start(|seen| match seen.path.as_str() {
        FIRST => list(&["a"]).with("Link", "</v2/x/tags/list?n=100&last=a>; rel=next"),
        _ => list(&["b"]).with("Link", format!("<{FIRST}>; rel=next")),
    })
    .await;
    assert!(tags(&server).await.unwrap_err().to_string().contains("form a cycle"));
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn a_list_without_end_ends() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        list(&[]).with("Link", format!("<?page={number}>; rel=next"))
    })
    .await;
    let error = tags(&server).await.unwrap_err();
    assert!(error.to_string().contains("more than 5000 pages"), "{error}");
    assert_eq!(error.error_kind(), ErrorKind::Remote);
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let many: Vec<String> = (0..60_000).map(|tag| format!("{number}-{tag}")).collect();
        let body = serde_json::json!({ "tags": many }).to_string();
        status(200)
            .body(body)
            .with("Link", format!("<?page={number}>; rel=next"))
    })
    .await;
    assert!(
        tags(&server)
            .await
            .unwrap_err()
            .to_string()
            .contains("more than 200000 tags")
    );
    let server = Server::start(|_| status(200).body(vec![b' '; 4 * 1024 * 1024 + 1])).await;
    assert!(
        tags(&server)
            .await
            .unwrap_err()
            .to_string()
            .contains("more than 4194304 bytes")
    );
}

#[tokio::test]
async fn what_is_no_list_is_an_error_and_no_short_list() {
    for body in [
        "",
        "<html>",
        "{}",
        r#"{"tags":["a"]"#,
        r#"{"tags":{"a":1}}"#,
        r#"{"tags":["a",null]}"#,
    ] {
        let server = Server::start(move |_| status(200).body(body)).await;
        assert_eq!(
            tags(&server).await.unwrap_err().error_kind(),
            ErrorKind::Remote,
            "{body}"
        );
    }
    let server = Server::start(|_| list(&["a"]).with("Link", "/v2/x/tags/list?last=a")).await;
    assert!(tags(&server).await.unwrap_err().to_string().contains("Link header"));
    let server = Server::start(|seen| match seen.path.as_str() {
        FIRST => list(&["a"]).with("Link", "<?last=a>; rel=next"),
        _ => status(404),
    })
    .await;
    let error = tags(&server).await.unwrap_err();
    assert!(error.to_string().contains("page 2 of the list"), "{error}");
}

#[tokio::test]
async fn a_page_that_breaks_off_is_fetched_again() {
    let asked = AtomicUsize::new(0);
    let server = Server::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => list(&["a"]).with("Content-Length", "1000"),
        1 => status(503),
        _ => list(&["a", "b"]),
    })
    .await;
    assert_eq!(tags(&server).await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_manifest_is_deleted_by_its_digest() {
    let digest = Digest::of(b"manifest");
    for (answer, class, text) in [
        (202, None, ""),
        (200, None, ""),
        (404, Some(ErrorKind::NotFound), "manifest sha256:"),
        (403, Some(ErrorKind::Unauthorized), "was denied"),
        (400, Some(ErrorKind::Remote), "400"),
        (405, Some(ErrorKind::Remote), "UNSUPPORTED"),
    ] {
        let server =
            Server::start(move |_| status(answer).body(r#"{"errors":[{"code":"UNSUPPORTED","message":"no"}]}"#)).await;
        let found = server.repository().delete_manifest(&digest).await;
        assert_eq!(server.lines(), [format!("DELETE /v2/x/manifests/{digest}")]);
        match (found, class) {
            (Ok(()), None) => {}
            (Err(error), Some(class)) => {
                assert_eq!(error.error_kind(), class);
                assert!(error.to_string().contains(text), "{error}");
                let is_disabled = error.help().is_some_and(|help| help.contains("deletion disabled"));
                assert_eq!(is_disabled, matches!(answer, 400 | 405), "{answer}");
            }
            other => panic!("{answer}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_token_to_delete_allows_to_delete() {
    let mut server = Server::bind().await;
    let challenge = format!("Bearer realm=\"http://{}/token\"", server.host);
    server.serve(move |seen| match seen.authorization() {
        _ if seen.path.starts_with("/token") => status(200).body(r#"{"token":"t"}"#),
        Some(_) => status(202),
        None => status(401).with("WWW-Authenticate", challenge.clone()),
    });
    server.repository().delete_manifest(&Digest::of(b"")).await.unwrap();
    assert_eq!(
        server.count("GET /token?scope=repository%3Ax%3Adelete%2Cpull"),
        1,
        "{:?}",
        server.lines()
    );
}
