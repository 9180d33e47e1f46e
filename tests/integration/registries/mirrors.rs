//! Mirrors and the files that name them, with real registries.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::registries::images::{all_requests, at, base_layers, count, is_get_of, small_image};
use crate::support::{Outcome, Sandbox, is_put_of, part, requests};

/// A host that does not exist: its content comes from mirrors.
const UPSTREAM: &str = "registry.invalid";

/// Writes the user's `registries.conf`.
fn conf(sandbox: &Sandbox, text: &str) {
    sandbox.write("home/.config/containers/registries.conf", text);
}

/// Returns a table for the upstream below `prefix`, with a mirror at one of the test registries.
fn mirrored(prefix: &str, mirror: &str) -> String {
    format!("[[registry]]\nlocation = \"{prefix}\"\n[[registry.mirror]]\nlocation = \"{mirror}\"\n")
}

/// A server that records what it receives, and requires credentials.
struct Honeypot {
    address: String,
    sent: Arc<Mutex<String>>,
}

impl Honeypot {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let honeypot = Self {
            address: listener.local_addr().unwrap().to_string(),
            sent: Arc::default(),
        };
        let sent = Arc::clone(&honeypot.sent);
        let realm = format!("http://{}/token", honeypot.address);
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let mut request = [0; 16 * 1024];
                let read = client.read(&mut request).unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let answer = if request.starts_with("GET /token") {
                    "403 Forbidden\r\n".to_owned()
                } else if request.starts_with("GET ") {
                    format!("401 Unauthorized\r\nWWW-Authenticate: Bearer realm=\"{realm}\",service=\"x\"\r\n")
                } else {
                    "400 Bad Request\r\n".to_owned()
                };
                sent.lock().unwrap().push_str(&request);
                // The client may disconnect.
                let _ = write!(
                    client,
                    "HTTP/1.1 {answer}Content-Length: 0\r\nConnection: close\r\n\r\n"
                );
            }
        });
        honeypot
    }

    fn sent(&self) -> String {
        self.sent.lock().unwrap().clone()
    }
}

#[test]
fn a_mirror_stands_in_for_an_upstream_that_is_out_of_reach() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    sandbox.ok(&["push", "oci:image", &at("OPEN", "mirrors/alone")]);
    let before = count(&sandbox, "OPEN", "mirrors/alone");
    conf(&sandbox, &mirrored(&format!("{UPSTREAM}/team"), &at("OPEN", "mirrors")));
    let name = format!("{UPSTREAM}/team/alone");
    assert_eq!(sandbox.ok(&["copy", &name, "oci:copied"]).digest(), digest);
    let seen = all_requests(&sandbox, "OPEN", "mirrors/alone", before);
    assert!(
        seen.iter()
            .all(|request| request.path.contains(&format!("?ns={UPSTREAM}"))),
        "{seen:#?}"
    );
}

#[test]
fn what_a_mirror_lacks_comes_from_the_upstream() {
    let sandbox = Sandbox::new();
    let base = format!("oci:{}", part("BASE"));
    let name = format!("{}:latest", at("OPEN", "mirrors/lacking"));
    sandbox.ok(&["push", &base, &name]);
    let before = count(&sandbox, "OPEN", "mirrors/lacking");
    conf(
        &sandbox,
        &mirrored(&at("OPEN", "mirrors/lacking"), &at("SECOND", "mirrors/nothing")),
    );
    sandbox.ok(&["copy", &name, "oci:copied"]);
    let layers = |seen: &[crate::support::Request]| {
        seen.iter()
            .filter(|request| is_get_of(request, &base_layers()) && request.status == 200)
            .count()
    };
    let seen = all_requests(&sandbox, "OPEN", "mirrors/lacking", before);
    assert_eq!(layers(&seen), base_layers().len(), "{seen:#?}");
    let asked = requests("SECOND", "mirrors/nothing", 0, |request| {
        request.path.contains("/manifests/latest")
    });
    assert!(asked.iter().all(|request| request.status == 404), "{asked:#?}");
}

#[test]
fn mirrors_that_are_down_or_refuse_are_passed_over_and_told_of() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let name = at("OPEN", "mirrors/down");
    sandbox.ok(&["push", "oci:image", &name]);
    // A port that was free a moment ago.
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    conf(
        &sandbox,
        &format!(
            "{}[[registry.mirror]]\nlocation = \"{}\"\n",
            mirrored(&name, &format!("{free}/x")),
            at("TOKEN", "mirrors/refused")
        ),
    );
    let outcome = sandbox.ok(&["-v", "copy", &name, "oci:copied"]);
    outcome.says(&[&format!("the mirror {free}/x is skipped"), "mirrors/refused is skipped"]);
    let missing = sandbox.run(&["inspect", &format!("{name}:missing")]).expect(6);
    missing.says(&[
        &format!("was not found in {name}"),
        "these mirrors failed before",
        &free,
    ]);
}

#[test]
fn a_mirror_that_wants_credentials_never_sees_the_upstream_s() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let name = at("TOKEN", "mirrors/secret");
    let password = part("TOKEN_WRITER_PASSWORD");
    let entry = json!({ "username": part("TOKEN_WRITER"), "password": password });
    sandbox.write(
        "auth.json",
        json!({ "auths": { part("REGISTRY_TOKEN"): entry } }).to_string(),
    );
    let authfile = ["--authfile", "auth.json"];
    sandbox.ok(&[&["push", "oci:image", &name][..], &authfile].concat());
    let honeypot = Honeypot::start();
    conf(&sandbox, &mirrored(&part("REGISTRY_TOKEN"), &honeypot.address));
    sandbox.ok(&[&["copy", &name, "oci:copied"][..], &authfile].concat());
    let sent = honeypot.sent();
    assert!(sent.contains("GET /v2/mirrors/secret/manifests/latest?ns="), "{sent}");
    assert!(sent.contains("GET /token?"), "{sent}");
    let lower = sent.to_ascii_lowercase();
    assert!(
        !lower.contains("authorization:") && !lower.contains("account="),
        "{sent}"
    );
    assert!(
        !sent.contains(&password) && !sent.contains(&part("TOKEN_WRITER")),
        "{sent}"
    );
}

#[test]
fn a_mirror_by_digest_alone_is_not_asked_what_a_tag_means() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    let name = at("OPEN", "mirrors/by-digest");
    let mirror = at("SECOND", "mirrors/by-digest");
    sandbox.ok(&["push", "oci:image", &name, &mirror]);
    conf(
        &sandbox,
        &format!("{}pull-from-mirror = \"digest-only\"\n", mirrored(&name, &mirror)),
    );
    let before = count(&sandbox, "SECOND", "mirrors/by-digest");
    assert_eq!(sandbox.ok(&["copy", &name, "oci:copied"]).digest(), digest);
    let seen = all_requests(&sandbox, "SECOND", "mirrors/by-digest", before);
    assert!(
        !seen.iter().any(|request| request.path.contains("/manifests/latest")),
        "{seen:#?}"
    );
    assert!(seen.iter().any(|request| request.path.contains("/blobs/")), "{seen:#?}");
}

#[test]
fn pushes_go_to_the_upstream_alone() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let name = at("OPEN", "mirrors/push");
    conf(&sandbox, &mirrored(&name, &at("SECOND", "mirrors/push")));
    sandbox.ok(&["push", "oci:image", &name]);
    assert!(requests("OPEN", "mirrors/push", 0, is_put_of("latest")).len() > 3);
    assert_eq!(all_requests(&sandbox, "SECOND", "mirrors/push", 0), []);
}

#[test]
fn names_are_rewritten_for_reading_and_writing() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    conf(
        &sandbox,
        &format!(
            "[[registry]]\nprefix = \"{UPSTREAM}/a\"\nlocation = \"{}\"\n",
            at("OPEN", "mirrors/moved")
        ),
    );
    let pushed = sandbox.ok(&["push", "oci:image", &format!("{UPSTREAM}/a/app:1")]);
    assert_eq!(pushed.stdout.trim_end(), format!("{UPSTREAM}/a/app@{digest}"));
    sandbox.ok(&["inspect", &format!("{}:1", at("OPEN", "mirrors/moved/app"))]);
    sandbox.ok(&["inspect", &format!("{UPSTREAM}/a/app:1")]);
    sandbox
        .run(&["inspect", &format!("{UPSTREAM}/ab/app:1")])
        .expect(5)
        .says(&[UPSTREAM]);
}

#[test]
fn what_is_blocked_is_refused_with_file_line_and_key() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let name = at("OPEN", "mirrors/blocked");
    conf(
        &sandbox,
        &format!("[[registry]]\nlocation = \"{name}\"\nblocked = true\n"),
    );
    for arguments in [
        ["inspect", &name].as_slice(),
        &["push", "oci:image", &name],
        &["copy", &name, "oci:copied"],
    ] {
        sandbox
            .run(arguments)
            .expect(2)
            .says(&["`blocked`", "registries.conf:3", &name]);
    }
    // Requested without the file, which would also block this.
    assert_eq!(all_requests(&Sandbox::new(), "OPEN", "mirrors/blocked", 0), []);
    let mut named = sandbox.command(&["inspect", &name]);
    named.env("CONTAINERS_REGISTRIES_CONF", "/dev/null");
    Outcome::of(named).expect(6);
}

#[test]
fn insecure_takes_any_certificate_and_plain_http_where_there_is_no_tls() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let name = at("TLS", "mirrors/insecure");
    let entry = json!({ "username": part("REGISTRY_TLS_USER"), "password": part("REGISTRY_TLS_PASSWORD") });
    sandbox.write(
        "auth.json",
        json!({ "auths": { part("REGISTRY_TLS"): entry } }).to_string(),
    );
    let push = ["push", "oci:image", &name, "--authfile", "auth.json"];
    sandbox.run(&push).expect(5).says(&["certificate"]);
    conf(
        &sandbox,
        &format!("[[registry]]\nlocation = \"{name}\"\ninsecure = true\n"),
    );
    sandbox.ok(&push);
    sandbox
        .run(&[
            "push",
            "oci:image",
            &at("TLS", "mirrors/other"),
            "--authfile",
            "auth.json",
        ])
        .expect(5);
    conf(
        &sandbox,
        &format!(
            "[[registry]]\nlocation = \"{}\"\ninsecure = true\n",
            part("REGISTRY_OPEN")
        ),
    );
    sandbox.ok(&["push", "oci:image", &at("OPEN", "mirrors/insecure")]);
}

#[test]
fn hosts_toml_says_whom_to_trust_and_where_the_protocol_begins() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    let registry = part("REGISTRY_TLS");
    let entry = json!({ "username": part("REGISTRY_TLS_USER"), "password": part("REGISTRY_TLS_PASSWORD") });
    sandbox.write("auth.json", json!({ "auths": { registry.clone(): entry } }).to_string());
    let authfile = ["--authfile", "auth.json"];
    let ca = part("REGISTRY_TLS_CA");
    let push = [
        "push",
        "oci:image",
        &format!("{registry}/mirrors/hosts/app"),
        "--ca-file",
        &ca,
    ];
    sandbox.ok(&[&push[..], &authfile].concat());
    let inspect = |name: &str| sandbox.run(&[&["inspect", name][..], &authfile].concat());
    let hosts = |host: &str, text: &str| {
        sandbox.write(&format!("home/.config/containers/certs.d/{host}/hosts.toml"), text);
    };
    let own = format!("{registry}/mirrors/hosts/app");
    inspect(&own).expect(5);
    let directory = registry.replace(':', "_") + "_";
    hosts(&directory, "skip_verify = true\n");
    inspect(&own).expect(0);
    hosts(&directory, &format!("ca = \"{ca}\"\n"));
    inspect(&own).expect(0);
    hosts(&directory, "ca = \"missing.pem\"\n");
    inspect(&own).expect(1).says(&["missing.pem"]);
    hosts(&directory, "ca = 5\n");
    inspect(&own).expect(2).says(&["hosts.toml:1", "`ca`"]);

    let mirror = format!(
        "[host.\"https://{registry}/v2/mirrors/hosts\"]\noverride_path = true\ncapabilities = [\"pull\", \"resolve\"]\n\
         ca = [\"{ca}\"]\n"
    );
    hosts(UPSTREAM, &mirror);
    let copied = sandbox.ok(&[&["copy", &format!("{UPSTREAM}/app"), "oci:copied"][..], &authfile].concat());
    assert_eq!(copied.digest(), digest);
    let refused = sandbox.run(&[&["push", "oci:image", &format!("{UPSTREAM}/app")][..], &authfile].concat());
    refused.expect(5).says(&[UPSTREAM]);
}

#[test]
fn short_names_are_refused_with_what_the_configuration_has() {
    let sandbox = Sandbox::new();
    conf(
        &sandbox,
        "unqualified-search-registries = [\"r.example\"]\n[aliases]\n\"node\" = \"quay.io/mirrors/node\"\n",
    );
    sandbox
        .run(&["inspect", "node:18"])
        .expect(2)
        .says(&["did you mean quay.io/mirrors/node:18?"]);
    sandbox
        .run(&["inspect", "app:1"])
        .expect(2)
        .says(&["did you mean r.example/app:1?"]);
    sandbox.spec("[image]\nname = \"localhost/x\"\nbase = \"node:18\"\nplatforms = [\"linux/amd64\"]\n");
    sandbox
        .run(&["build", "-o", "oci:out"])
        .expect(2)
        .says(&["did you mean quay.io/mirrors/node:18?"]);
}

#[test]
fn version_1_is_refused() {
    let sandbox = Sandbox::new();
    conf(&sandbox, "[registries.insecure]\nregistries = [\"r.example\"]\n");
    let name = at("OPEN", "mirrors/version");
    sandbox
        .run(&["inspect", &name])
        .expect(2)
        .says(&["registries.conf:2", "version 1", "help:", "[[registry]]"]);
}
