//! The proxy and the registries themselves, which the other tests rely on.

use crate::faults::fixtures::{MIB, assert_same, layer, one_layer, two_platforms};
use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::Flavour;
use crate::support::faults::proxy::Proxy;
use crate::support::{Sandbox, part};

#[test]
fn a_push_through_proxy_and_registry_is_counted() {
    let sandbox = Sandbox::new();
    let digest = two_platforms(&sandbox, 3 * MIB);
    let fake = Fake::start(Flavour::distribution3());
    let proxy = Proxy::start(fake.host());
    let pushed = sandbox.ok(&["push", "oci:image", &proxy.image("app:1")]);
    assert_eq!(pushed.digest(), digest);

    let seen = fake.log().all();
    let passed = proxy.log().all();
    assert_eq!(seen.len(), passed.len(), "{:#?}", fake.log().lines());
    assert_eq!(fake.log().body_bytes(), proxy.log().body_bytes());
    let size_bytes = layer(&sandbox).size_bytes;
    assert!(proxy.sent_bytes() > size_bytes && proxy.sent_bytes() < size_bytes + MIB);
    assert!(proxy.connections() > 0);

    sandbox.ok(&["copy", &proxy.image("app:1"), "oci:copy:latest"]);
    assert_same(&sandbox.layout("image"), &sandbox.layout("copy"));
    assert!(proxy.answered_bytes() > size_bytes);
}

#[test]
fn the_real_registry_stands_behind_the_proxy() {
    let sandbox = Sandbox::new();
    let digest = one_layer(&sandbox, MIB);
    let proxy = Proxy::start(part("REGISTRY_OPEN"));
    let pushed = sandbox.ok(&[
        "push",
        "oci:image",
        &proxy.image(&format!("weather/real-{}:1", std::process::id())),
    ]);
    assert_eq!(pushed.digest(), digest);
    // Locations have the host of the client's request, so that all requests go through the proxy.
    assert_eq!(
        proxy.log().count("PUT", "/blobs/uploads/"),
        2,
        "{:#?}",
        proxy.log().lines()
    );
}
