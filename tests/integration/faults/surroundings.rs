//! The proxy in front of a real registry.

use crate::support::faults::fixtures::{MIB, one_layer};
use crate::support::faults::proxy::Proxy;
use crate::support::{Sandbox, part};

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
