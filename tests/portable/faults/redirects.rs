//! Addresses that registries name: other ports, hosts, schemes and networks, in redirects, Locations and realms. A
//! secret is sent only to the origin that it belongs to.

use crate::faults::sailor::{PASSWORD, guarded, log_in, secrets, with_tokens};
use crate::support::faults::answer::Reply;
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::{MIB, one_layer};
use crate::support::faults::honeypot::Honeypot;
use crate::support::faults::hook::Hook;
use crate::support::faults::http::Head;
use crate::support::faults::internet::Internet;
use crate::support::faults::server::CA_FILE;
use crate::support::{Outcome, Sandbox};

/// The registry's public name.
const REGISTRY: &str = "registry.test:5000";

/// Addresses that are not the registry's.
const ELSEWHERE: [&str; 3] = [
    "http://registry.test:6000",
    "http://other.test",
    "http://registry.test.other.test:5000",
];

/// Addresses that no public registry may lead to.
const PRIVATE: [&str; 6] = [
    "http://10.0.0.1",
    "http://169.254.169.254/latest/meta-data",
    "http://192.168.1.1:5000",
    "http://127.0.0.1:5000",
    "http://[::1]:5000",
    "http://localhost:5000",
];

/// Accepts every request, like a server that collects secrets.
fn honey(head: &Head) -> Reply {
    match head.method.as_str() {
        "PUT" => Reply::new(201),
        "POST" => Reply::new(202).with("Location", "/more"),
        _ => Reply::new(200)
            .with("Content-Type", "application/json")
            .body(r#"{"token":"honey","access_token":"honey"}"#),
    }
}

/// The registry with the image `app:1`, under its public name.
fn world(sandbox: &Sandbox) -> (Fake, Internet) {
    let fake = Fake::start(with_tokens(|_| {}));
    let [flag, file] = log_in(sandbox, fake.host());
    sandbox.ok(&["push", "oci:image", &fake.image("app:1"), &flag, &file]);
    let internet = Internet::start(REGISTRY, fake.registry(), honey);
    (fake, internet)
}

/// Runs the program with credentials, in this network.
fn run_in(sandbox: &Sandbox, internet: &Internet, arguments: &[&str]) -> Outcome {
    let [flag, file] = log_in(sandbox, REGISTRY);
    let mut command = sandbox.command(&[arguments, &["--plain-http", REGISTRY, &flag, &file]].concat());
    command
        .env("HTTP_PROXY", internet.proxy())
        .env("HTTPS_PROXY", internet.proxy());
    let outcome = Outcome::of(command);
    assert!(!outcome.stderr.contains(PASSWORD), "{}", outcome.stderr);
    outcome
}

fn pull(sandbox: &Sandbox, internet: &Internet) -> Outcome {
    run_in(
        sandbox,
        internet,
        &["copy", &format!("{REGISTRY}/app:1"), "oci:back:latest"],
    )
}

fn push(sandbox: &Sandbox, internet: &Internet) -> Outcome {
    run_in(sandbox, internet, &["push", "oci:image", &format!("{REGISTRY}/new:1")])
}

/// Checks that no secret went elsewhere, and no request at all to private addresses.
#[track_caller]
fn nothing_leaked(fake: &Fake, internet: &Internet) {
    internet.elsewhere().assert_without(&secrets(fake));
    for line in internet.elsewhere().lines() {
        let is_private = PRIVATE
            .iter()
            .any(|place| line.contains(place.split('/').nth(2).unwrap()));
        assert!(!is_private, "{line}");
    }
}

#[test]
fn in_fair_weather_the_world_is_only_the_registry() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let (_fake, internet) = world(&sandbox);
    push(&sandbox, &internet).expect(0);
    pull(&sandbox, &internet).expect(0);
    assert_eq!(internet.elsewhere().lines(), [""; 0]);
}

#[test]
fn redirects_of_reads_carry_no_secret() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    for kind in ["/blobs/", "/manifests/"] {
        for status in [301, 302, 303, 307, 308] {
            let (fake, internet) = world(&sandbox);
            for place in ELSEWHERE {
                fake.unhook();
                fake.hook(Hook::answer(Reply::new(status).with("Location", format!("{place}/x?a=b"))).on("GET", kind));
                pull(&sandbox, &internet).expect(5);
            }
            assert!(
                internet.elsewhere().lines().len() >= ELSEWHERE.len(),
                "{:#?}",
                internet.lines()
            );
            nothing_leaked(&fake, &internet);
        }
    }
}

#[test]
fn no_redirect_leads_into_a_private_network() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let (fake, internet) = world(&sandbox);
    for kind in ["/blobs/", "/manifests/"] {
        for place in PRIVATE {
            fake.unhook();
            fake.hook(Hook::answer(Reply::new(307).with("Location", format!("{place}/x"))).on("GET", kind));
            let failed = pull(&sandbox, &internet).expect(5);
            assert!(failed.stderr.contains("private network"), "{place}: {}", failed.stderr);
        }
    }
    nothing_leaked(&fake, &internet);
}

#[test]
fn a_location_elsewhere_gets_the_bytes_and_no_secret() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let (fake, internet) = world(&sandbox);
    for place in ELSEWHERE {
        fake.unhook();
        let location = format!("{place}/upload?signature=x");
        fake.hook(Hook::change(move |reply| reply.instead("Location", location.clone())).on("POST", "/blobs/uploads/"));
        // A blob that was put elsewhere is not in the registry, which then refuses the manifest.
        assert_ne!(push(&sandbox, &internet).code, 0);
    }
    assert!(internet.elsewhere().lines().iter().any(|line| line.starts_with("PUT ")));
    nothing_leaked(&fake, &internet);
}

#[test]
fn no_location_leads_into_a_private_network() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let (fake, internet) = world(&sandbox);
    for place in PRIVATE {
        fake.unhook();
        let location = format!("{place}/upload");
        fake.hook(Hook::change(move |reply| reply.instead("Location", location.clone())).on("POST", "/blobs/uploads/"));
        push(&sandbox, &internet).expect(5);
    }
    nothing_leaked(&fake, &internet);
}

#[test]
fn redirects_of_writes_are_not_followed() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let (fake, internet) = world(&sandbox);
    for (method, kind) in [
        ("PUT", "/blobs/uploads/"),
        ("PUT", "/manifests/"),
        ("POST", "/blobs/uploads/"),
    ] {
        fake.unhook();
        let reply = Reply::new(307).with("Location", "http://other.test/x");
        fake.hook(Hook::answer_after_body(reply).on(method, kind));
        assert_ne!(push(&sandbox, &internet).code, 0, "{method} {kind}");
    }
    assert!(
        !internet
            .elsewhere()
            .lines()
            .iter()
            .any(|line| !line.starts_with("GET ")),
        "{:?}",
        internet.lines()
    );
    nothing_leaked(&fake, &internet);
}

#[test]
fn no_realm_in_a_private_network_is_asked() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    for place in PRIVATE
        .into_iter()
        .chain(["null://", "ftp://other.test/token", "file:///etc/passwd"])
    {
        let fake = Fake::start(with_tokens(|tokens| tokens.realm = Some(format!("{place}/token"))));
        let internet = Internet::start(REGISTRY, fake.registry(), honey);
        let failed = push(&sandbox, &internet).expect(5);
        assert!(failed.stderr.contains("token service"), "{place}: {}", failed.stderr);
        assert_eq!(internet.elsewhere().lines(), [""; 0], "{place}");
    }
}

#[test]
fn a_realm_that_redirects_takes_no_secret_along() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let (fake, internet) = world(&sandbox);
    fake.hook(Hook::answer(Reply::new(307).with("Location", "http://other.test/token")).on("GET", "/token"));
    assert_ne!(push(&sandbox, &internet).code, 0);
    nothing_leaked(&fake, &internet);
}

#[test]
fn nothing_leads_from_https_to_http() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, MIB);
    let honeypot = Honeypot::start(honey);
    let elsewhere = format!("http://{}", honeypot.host());

    let fake = Fake::start_tls(
        guarded(with_tokens(|_| {})).tokens(|tokens| tokens.realm = Some(format!("{elsewhere}/token"))),
    );
    let [flag, file] = log_in(&sandbox, fake.host());
    let failed = sandbox
        .run(&[
            "push",
            "oci:image",
            &fake.image("app:1"),
            "--ca-file",
            CA_FILE,
            &flag,
            &file,
        ])
        .expect(5);
    assert!(failed.stderr.contains("https"), "{}", failed.stderr);

    let fake = Fake::start_tls(crate::support::faults::flavour::Flavour::distribution3());
    sandbox.ok(&["push", "oci:image", &fake.image("app:1"), "--ca-file", CA_FILE]);
    for kind in ["/blobs/", "/manifests/"] {
        fake.unhook();
        fake.hook(Hook::answer(Reply::new(307).with("Location", format!("{elsewhere}/x"))).on("GET", kind));
        sandbox
            .run(&["copy", &fake.image("app:1"), "oci:back:latest", "--ca-file", CA_FILE])
            .expect(5);
    }
    fake.unhook();
    let location = format!("{elsewhere}/upload");
    fake.hook(Hook::change(move |reply| reply.instead("Location", location.clone())).on("POST", "/blobs/uploads/"));
    sandbox
        .run(&["push", "oci:image", &fake.image("new:1"), "--ca-file", CA_FILE])
        .expect(5);
    assert_eq!(honeypot.kept().lines(), [""; 0]);
}
