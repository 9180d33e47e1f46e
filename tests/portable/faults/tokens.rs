//! Tokens that expire at an inconvenient time, and token services with quirks.

use serde_json::json;

use crate::faults::sailor::{PASSWORD, log_in, with_tokens};
use crate::support::faults::answer::Reply;
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::{MIB, Voyage, layer, one_layer};
use crate::support::faults::hook::Hook;
use crate::support::{Outcome, Sandbox};

fn push_as(sandbox: &Sandbox, fake: &Fake) -> Outcome {
    let [flag, file] = log_in(sandbox, fake.host());
    sandbox.run(&["push", "oci:image", &fake.image("app:1"), &flag, &file])
}

/// Checks that a push with credentials succeeds and shows no secret.
#[track_caller]
fn converges(sandbox: &Sandbox, fake: &Fake, what: &str) -> Outcome {
    let pushed = push_as(sandbox, fake);
    assert_eq!(pushed.code, 0, "{what}\n{}\n{:#?}", pushed.stderr, fake.log().lines());
    Voyage { sandbox, fake }.is_whole(what);
    assert!(
        !pushed.stderr.contains(PASSWORD) && !pushed.stderr.contains("weather-token"),
        "{}",
        pushed.stderr
    );
    pushed
}

#[test]
fn one_token_is_enough_for_a_push() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, MIB);
    let fake = Fake::start(with_tokens(|_| {}));
    converges(&sandbox, &fake, "tokens for good");
    assert_eq!(fake.tokens().count(), 1, "{:#?}", fake.log().lines());
    assert_eq!(
        fake.log().all().iter().filter(|seen| seen.status == Some(401)).count(),
        1,
        "{:#?}",
        fake.log().lines()
    );
}

#[test]
fn a_token_that_ends_before_any_request_is_renewed() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, MIB);
    // Each request of a push is the first one for which the first token has expired.
    for lives in 1..9 {
        let fake = Fake::start(with_tokens(|tokens| {
            (tokens.lives_requests, tokens.ending) = (Some(lives), Some(1))
        }));
        converges(&sandbox, &fake, &format!("a token for {lives} requests"));
        assert_eq!(fake.tokens().count(), 2, "{lives}: {:#?}", fake.log().lines());
    }
    for lives in 3..6 {
        let fake = Fake::start(with_tokens(|tokens| tokens.lives_requests = Some(lives)));
        converges(&sandbox, &fake, &format!("tokens for {lives} requests"));
    }
}

#[test]
fn a_token_that_ends_while_a_body_is_sent_is_renewed() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 3 * MIB);
    let size_bytes = layer(&sandbox).size_bytes;
    // The requests before have used it a little: it expires during the layer, and is then checked.
    let fake = Fake::start(with_tokens(|tokens| {
        tokens.lives_bytes = Some(MIB);
        tokens.is_checked_after_body = true;
    }));
    converges(&sandbox, &fake, "a token for a MiB");
    let sent_bytes = fake.log().body_bytes();
    assert!(
        sent_bytes <= 2 * size_bytes + MIB,
        "{sent_bytes} bytes\n{:#?}",
        fake.log().lines()
    );
}

#[test]
fn a_token_that_is_refused_once_the_body_is_there_begins_no_endless_loop() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, MIB);
    let fake = Fake::start(with_tokens(|_| {}));
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",service=\"weather\",error=\"invalid_token\"",
        fake.host()
    );
    let refused = Reply::error(401, "UNAUTHORIZED", "expired").with("WWW-Authenticate", challenge);
    fake.hook(Hook::answer_after_body(refused).on("PUT", "/blobs/uploads/"));
    let failed = push_as(&sandbox, &fake).expect(4);
    assert!(
        fake.log().count("PUT", "/blobs/uploads/") <= 6,
        "{}\n{:#?}",
        failed.stderr,
        fake.log().lines()
    );
}

#[test]
fn lifetimes_are_read_however_they_are_said() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    for more in [
        json!({ "expires_in": null }),
        json!({ "expires_in": 1 }),
        json!({ "expires_in": "300" }),
        json!({ "expires_in": -1 }),
        json!({ "issued_at": "2001-01-01T00:00:00Z" }),
        json!({ "issued_at": "2101-01-01T00:00:00Z" }),
        json!({ "issued_at": "yesterday" }),
        json!({ "refresh_token": "never-asked-for" }),
    ] {
        let fake = Fake::start(with_tokens(|tokens| tokens.more = Some(more.clone())));
        converges(&sandbox, &fake, &more.to_string());
        assert_eq!(fake.tokens().count(), 1, "{more}: {:#?}", fake.log().lines());
    }
    let fake = Fake::start(with_tokens(|tokens| tokens.as_access_token = true));
    converges(&sandbox, &fake, "access_token");
}

#[test]
fn of_several_challenges_the_one_for_tokens_is_answered() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let fake = Fake::start(with_tokens(|_| {}));
    fake.hook(Hook::change(|reply| match reply.status {
        401 => {
            let bearer = reply.header("WWW-Authenticate").unwrap_or_default().to_owned();
            let several = format!("Negotiate, Basic realm=\"registry\", {bearer}");
            reply.instead("WWW-Authenticate", several)
        }
        _ => reply,
    }));
    converges(&sandbox, &fake, "several challenges");
}

#[test]
fn an_identity_token_falls_back_where_it_is_not_known() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let identity = "identity-of-the-sailor";
    for status in [None, Some(400), Some(401), Some(404), Some(405)] {
        let fake = Fake::start(with_tokens(|tokens| {
            tokens.identity = Some(identity.to_owned());
            tokens.post_status = status;
            if status.is_some() {
                // An identity token alone is accepted by GET.
                tokens.login = None;
            }
        }));
        let auths = json!({ "auths": { fake.host(): { "auth": "PHRva2VuPjo=", "identitytoken": identity } } });
        sandbox.write("auth.json", auths.to_string());
        let pushed = sandbox.run(&["push", "oci:image", &fake.image("app:1"), "--authfile", "auth.json"]);
        assert_eq!(
            pushed.code,
            0,
            "{status:?}\n{}\n{:#?}",
            pushed.stderr,
            fake.log().lines()
        );
        assert!(fake.log().count("POST", "/token") >= 1, "{:#?}", fake.log().lines());
        assert!(!pushed.stderr.contains(identity), "{}", pushed.stderr);
    }
}

#[test]
fn wrong_credentials_are_said_to_be_wrong() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let fake = Fake::start(with_tokens(|tokens| {
        tokens.login = Some(("other".to_owned(), "else".to_owned()))
    }));
    let failed = push_as(&sandbox, &fake).expect(4);
    assert!(!failed.stderr.contains(PASSWORD), "{}", failed.stderr);
    assert_eq!(
        fake.log().count("POST", "/blobs/"),
        fake.log()
            .of("POST", "/blobs/")
            .iter()
            .filter(|seen| seen.status == Some(401))
            .count()
    );
}
