//! Error replies that are transient.

use crate::support::faults::answer::Reply;
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::{MIB, Voyage, one_layer};
use crate::support::faults::flavour::Flavour;
use crate::support::faults::hook::Hook;
use crate::support::faults::router::quota_reply;
use crate::support::{Outcome, Sandbox};

/// Requests of a push, then of a pull.
const PUSHING: [(&str, &str); 4] = [
    ("HEAD", "/blobs/"),
    ("POST", "/blobs/uploads/"),
    ("PUT", "/blobs/uploads/"),
    ("PUT", "/manifests/"),
];
const PULLING: [(&str, &str); 2] = [("GET", "/manifests/"), ("GET", "/blobs/")];

fn unavailable(status: u16) -> Reply {
    Reply::error(status, "UNAVAILABLE", "not now")
}

#[test]
fn server_errors_pass_by_while_pushing() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, MIB);
    for (method, text) in PUSHING {
        for (status, times) in [(500, 1), (502, 2), (503, 3), (504, 1)] {
            let fake = Fake::start(Flavour::distribution3());
            fake.hook(
                Hook::answer_after_body(unavailable(status))
                    .on(method, text)
                    .times(times),
            );
            let what = format!("{method} {text}: {times} times {status}");
            Voyage {
                sandbox: &sandbox,
                fake: &fake,
            }
            .push(fake.host(), &what);
        }
    }
}

#[test]
fn server_errors_pass_by_while_pulling() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, MIB);
    let fake = Fake::start(Flavour::distribution3());
    let voyage = Voyage {
        sandbox: &sandbox,
        fake: &fake,
    };
    voyage.push(fake.host(), "fair weather");
    for (method, text) in PULLING {
        for (status, times) in [(500, 1), (502, 2), (503, 3), (504, 1)] {
            fake.unhook();
            fake.hook(Hook::answer(unavailable(status)).on(method, text).times(times));
            voyage.pull(fake.host(), &format!("{method} {text}: {times} times {status}"));
        }
    }
}

#[test]
fn six_server_errors_in_a_row_are_waited_out() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let fake = Fake::start(Flavour::distribution3());
    fake.hook(
        Hook::answer_after_body(unavailable(503))
            .on("PUT", "/manifests/1")
            .times(6),
    );
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .push(fake.host(), "503 six times");
}

#[test]
fn server_errors_without_end_are_an_error_and_publish_nothing() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let fake = Fake::start(Flavour::distribution3());
    fake.hook(Hook::answer_after_body(unavailable(503)).on("POST", "/blobs/uploads/"));
    let failed = sandbox.run(&["push", "oci:image", &fake.image("app:1")]).expect(5);
    assert!(failed.stderr.contains("503"), "{}", failed.stderr);
    assert!(
        fake.log().count("POST", "/blobs/uploads/") > 6,
        "{:#?}",
        fake.log().lines()
    );
    assert_eq!(fake.log().count("PUT", "/manifests/"), 0, "{:#?}", fake.log().lines());
    assert!(!failed.stderr.contains("panicked"), "{}", failed.stderr);
}

fn limited() -> Reply {
    Reply::error(429, "TOOMANYREQUESTS", "slow down")
}

#[test]
fn a_limit_on_the_rate_is_waited_for() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let dated = || limited().with("Date", "Wed, 21 Oct 2026 07:28:00 GMT");
    for (what, reply) in [
        ("nothing said", limited()),
        ("seconds", limited().with("Retry-After", "1")),
        ("a date", dated().with("Retry-After", "Wed, 21 Oct 2026 07:28:01 GMT")),
        (
            "a date that is over",
            dated().with("Retry-After", "Wed, 21 Oct 2020 07:28:00 GMT"),
        ),
        ("less than nothing", limited().with("Retry-After", "-5")),
        ("rubbish", limited().with("Retry-After", "soon")),
    ] {
        let fake = Fake::start(Flavour::distribution3());
        fake.hook(Hook::answer_after_body(reply).on("PUT", "/manifests/").times(1));
        Voyage {
            sandbox: &sandbox,
            fake: &fake,
        }
        .push(fake.host(), what);
    }
}

#[test]
fn a_wait_without_end_is_not_waited_for() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let fake = Fake::start(Flavour::distribution3());
    for wait in ["86400", "99999999999999999999"] {
        fake.unhook();
        fake.hook(
            Hook::answer_after_body(limited().with("Retry-After", wait))
                .on("PUT", "/manifests/")
                .times(1),
        );
        let outcome = sandbox.run(&["push", "oci:image", &fake.image("app:1")]);
        // An invalid number counts as none.
        assert!(outcome.code == 5 || wait.len() > 10, "{wait}: {}", outcome.stderr);
    }
    let puts = fake.log().of("PUT", "/manifests/");
    assert!(
        puts.iter().filter(|seen| seen.status == Some(429)).count() == 2,
        "{:#?}",
        fake.log().lines()
    );
}

/// A pull in which every request for a manifest gets this reply.
fn pull_of(sandbox: &Sandbox, fake: &Fake) -> Outcome {
    sandbox.run(&["copy", &fake.image("app:1"), "oci:back:latest"])
}

#[test]
fn a_quota_that_is_used_up_stops_at_once() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let fake = Fake::start(Flavour::distribution3());
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .push(fake.host(), "fair weather");
    let before = fake.log().count("GET", "/manifests/");
    fake.hook(Hook::answer(quota_reply()).on("GET", "/manifests/"));
    let failed = pull_of(&sandbox, &fake).expect(5);
    assert_eq!(
        fake.log().count("GET", "/manifests/") - before,
        1,
        "{:#?}",
        fake.log().lines()
    );
    failed.says(&["quota", "6 h"]);
}

#[test]
fn a_plain_limit_of_the_same_registry_is_waited_for() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let fake = Fake::start(Flavour::docker_hub());
    let voyage = Voyage {
        sandbox: &sandbox,
        fake: &fake,
    };
    voyage.push(fake.host(), "fair weather");
    fake.hook(
        Hook::answer(Reply::new(429).body("Too Many Requests"))
            .on("GET", "/manifests/")
            .times(2),
    );
    voyage.pull(fake.host(), "abuse limit");
}

#[test]
fn a_refusal_without_end_asks_for_two_tokens_at_most() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    for (command, most) in [
        (["push", "oci:image", "HOST/app:1"], 2),
        (["copy", "HOST/app:1", "oci:back:latest"], 2),
    ] {
        let fake = Fake::start(Flavour::quay().tokens(|tokens| tokens.never_satisfied = true));
        let command = command.map(|word| word.replace("HOST", fake.host()));
        let failed = sandbox.run(&command.each_ref().map(String::as_str)).expect(4);
        let tokens = fake.log().count("GET", "/token");
        assert!(tokens <= most, "{tokens} tokens\n{:#?}", fake.log().lines());
        assert!(!failed.stderr.contains("weather-token"), "{}", failed.stderr);
    }
}
