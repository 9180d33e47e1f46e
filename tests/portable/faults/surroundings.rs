//! The proxy and the registries themselves, which the other tests rely on.

use crate::support::Sandbox;
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::{MIB, assert_same, layer, two_platforms};
use crate::support::faults::flavour::Flavour;
use crate::support::faults::proxy::Proxy;

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
