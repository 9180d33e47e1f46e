//! The number of requests of a push, each of which costs the network's latency. `docs/performance.md` has the numbers.

use crate::faults::mounts::{push_base, write_app};
use crate::support::Sandbox;
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::Noise;
use crate::support::faults::flavour::Flavour;
use crate::support::faults::proxy::Proxy;

/// Both platforms.
const PLATFORMS: usize = 2;
/// Layers of each platform.
const LAYERS: usize = 5;

/// First push: the tag; for each platform its manifest, a check and two requests for each layer, two for the config,
/// and the manifest's PUT; the index.
const FIRST_PUSH: usize = 1 + PLATFORMS * (1 + 3 * LAYERS + 2 + 1) + 1;
/// The same push again: the tag names the image already.
const SAME_PUSH: usize = 1;
/// One changed layer: the tag; for each platform its manifest, a check for each layer and the config, two requests for
/// the new layer and for the config, and the manifest's PUT; the index.
const CHANGED_PUSH: usize = 1 + PLATFORMS * (1 + LAYERS + 1 + 2 + 2 + 1) + 1;
/// The fewest requests of other tools on [`peers_work`]: BuildKit 33, crane 47, regctl 119.
const PEERS_BEST: usize = 33;

/// A registry behind a proxy that counts, and the previous count.
struct Counter {
    fake: Fake,
    proxy: Proxy,
    before: std::cell::Cell<usize>,
}

impl Counter {
    fn new() -> Self {
        let fake = Fake::start(Flavour::distribution3());
        let proxy = Proxy::start(fake.host());
        Self {
            fake,
            proxy,
            before: std::cell::Cell::new(0),
        }
    }

    /// Returns the requests since the last call.
    fn new_requests(&self, what: &str) -> Vec<String> {
        let mut lines = self.proxy.log().lines();
        let before = self.before.replace(lines.len());
        let new = lines.split_off(before);
        println!("{what}: {} requests", new.len());
        new
    }
}

#[track_caller]
fn at_most(most: usize, requests: &[String]) {
    assert!(
        requests.len() <= most,
        "{} requests, not {most}\n{requests:#?}",
        requests.len()
    );
}

fn write_five_layers(sandbox: &Sandbox, host: &str) {
    let mut text =
        format!("[image]\nname = \"{host}/app\"\ntags = [\"1\"]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n");
    for number in 0..LAYERS {
        for (seed, architecture) in ["amd64", "arm64"].into_iter().enumerate() {
            sandbox.write(
                &format!("{number}-{architecture}"),
                Noise((number * 2 + seed) as u64).bytes(20_000),
            );
        }
        text += &format!(
            "[[layers]]\nname = \"layer{number}\"\nfiles = [{{ from = \"{number}-${{arch}}\", to = \"/{number}\" }}]\n"
        );
    }
    sandbox.spec(&text);
}

#[test]
fn a_push_takes_few_requests_and_the_same_again_takes_one() {
    let sandbox = Sandbox::new();
    let counter = Counter::new();
    write_five_layers(&sandbox, &counter.proxy.host());
    sandbox.ok(&["build", "--push"]);
    let first = counter.new_requests("first push, two platforms, five own layers each");
    sandbox.ok(&["build", "--push"]);
    let same = counter.new_requests("the same push again");
    for architecture in ["amd64", "arm64"] {
        sandbox.write(&format!("2-{architecture}"), format!("changed for {architecture}"));
    }
    sandbox.ok(&["build", "--push"]);
    let changed = counter.new_requests("one layer changed");
    at_most(SAME_PUSH, &same);
    at_most(CHANGED_PUSH, &changed);
    at_most(FIRST_PUSH, &first);
}

#[test]
fn peers_work_takes_fewer_requests_than_theirs() {
    let sandbox = Sandbox::new();
    let counter = Counter::new();
    push_base(&counter.fake, &[]);
    write_app(&sandbox, &counter.proxy.host());
    sandbox.ok(&["build", "--push"]);
    let requests = counter.new_requests("two platforms, one own layer each, over a base of two in the same registry");
    at_most(PEERS_BEST - 1, &requests);
    assert_eq!(
        counter.proxy.log().count("GET", "/blobs/sha256"),
        2 + 4,
        "configs, and layers for their facts, once"
    );
}
