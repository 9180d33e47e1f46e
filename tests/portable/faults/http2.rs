//! Faults of HTTP/2 only: refused streams, GOAWAY, broken streams.

use crate::support::Sandbox;
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::{MIB, Voyage, assert_same, one_layer};
use crate::support::faults::flavour::Flavour;
use crate::support::faults::http2::{Front, StreamFault};
use crate::support::faults::server::CA_FILE;

/// Pushes and pulls over HTTP/2, with one fault several times.
#[track_caller]
fn survives(method: &'static str, text: &str, fault: StreamFault, times: usize) -> Front {
    let what = format!("{fault:?} {times} times on {method} {text}");
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 3 * MIB);
    let fake = Fake::start(Flavour::distribution3());
    let front = Front::start(fake.host());
    front.rule(method, text, fault, times);
    let pushed = sandbox.run(&["push", "oci:image", &front.image("app:1"), "--ca-file", CA_FILE]);
    assert_eq!(pushed.code, 0, "{what}\n{}\n{:#?}", pushed.stderr, front.lines());
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .is_whole(&what);
    let pulled = sandbox.run(&["copy", &front.image("app:1"), "oci:back:latest", "--ca-file", CA_FILE]);
    assert_eq!(pulled.code, 0, "{what}\n{}\n{:#?}", pulled.stderr, front.lines());
    assert_same(&sandbox.layout("image"), &sandbox.layout("back"));
    assert_eq!(front.left(), 0, "{what} never came to pass: {:#?}", front.lines());
    front
}

#[test]
fn one_connection_carries_all() {
    let front = survives("NONE", "", StreamFault::Refused, 0);
    assert_eq!(
        front.connections(),
        2,
        "one for the push, one for the pull: {:#?}",
        front.lines()
    );
}

#[test]
fn refused_streams_are_asked_for_again() {
    for (method, text) in [
        ("HEAD", "/blobs/"),
        ("POST", "/blobs/uploads/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/"),
        ("GET", "/manifests/"),
        ("GET", "/blobs/"),
    ] {
        survives(method, text, StreamFault::Refused, 2);
    }
}

#[test]
fn a_connection_that_says_good_bye_is_replaced() {
    for (method, text) in [
        ("HEAD", "/blobs/"),
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/"),
        ("GET", "/manifests/"),
        ("GET", "/blobs/"),
    ] {
        let front = survives(method, text, StreamFault::GoAway, 1);
        assert!(front.connections() > 2, "{:#?}", front.lines());
    }
}

#[test]
fn a_body_that_breaks_on_its_way_up_is_sent_again() {
    for after_bytes in [0, 1, 100_000] {
        survives("PUT", "/blobs/uploads/", StreamFault::BrokenInBody(after_bytes), 1);
    }
    survives("PUT", "/manifests/", StreamFault::BrokenInBody(1), 1);
}

#[test]
fn a_body_that_breaks_on_its_way_down_goes_on() {
    for after_bytes in [0, 1, 100_000] {
        survives("GET", "/blobs/", StreamFault::BrokenInReply(after_bytes), 1);
    }
    survives("GET", "/manifests/", StreamFault::BrokenInReply(1), 1);
}
