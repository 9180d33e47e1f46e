//! Slow connections: a transfer that makes progress is not given up, however slow it is.

use std::time::Duration;

use crate::support::Sandbox;
use crate::support::faults::fixtures::{Voyage, one_layer, stormy};
use crate::support::faults::flavour::Flavour;
use crate::support::faults::hook::Hook;
use crate::support::faults::script::{Fault, Rule};

#[test]
fn replies_that_come_byte_by_byte_are_waited_for() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let (fake, proxy) = stormy(Flavour::distribution3());
    proxy.rule(Rule::new(Fault::DripReply(1, Duration::from_millis(1))));
    let voyage = Voyage {
        sandbox: &sandbox,
        fake: &fake,
    };
    voyage.push(&proxy.host(), "one byte a millisecond");
    voyage.pull(&proxy.host(), "one byte a millisecond");
}

#[test]
fn blobs_that_come_in_drops_are_waited_for() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 100_000);
    let (fake, proxy) = stormy(Flavour::distribution3());
    let voyage = Voyage {
        sandbox: &sandbox,
        fake: &fake,
    };
    voyage.push(&proxy.host(), "fair weather");
    fake.hook(Hook::drip(1000, Duration::from_millis(20)).on("GET", "/blobs/"));
    voyage.pull(&proxy.host(), "a thousand bytes at a time");
    assert_eq!(fake.log().count("GET", "/blobs/"), 2, "{:#?}", fake.log().lines());
}

#[test]
fn an_answer_that_is_late_is_waited_for() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let (fake, proxy) = stormy(Flavour::distribution3());
    proxy.rule(Rule::new(Fault::Delay(Duration::from_millis(300))));
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .push(&proxy.host(), "a third of a second late");
    assert_eq!(
        fake.log().count("PUT", "/blobs/uploads/"),
        2,
        "{:#?}",
        fake.log().lines()
    );
}
