//! Certificates: trust is configured by a flag or by `certs.d`, and by nothing else.

use std::fs;

use serde_json::json;

use crate::registries::images::{at, small_image};
use crate::support::{Outcome, Sandbox, part};

/// Returns the arguments of a push with credentials, without options for certificates.
fn push<'a>(sandbox: &Sandbox, reference: &'a str) -> [&'a str; 5] {
    small_image(sandbox);
    let entry = json!({ "username": part("REGISTRY_TLS_USER"), "password": part("REGISTRY_TLS_PASSWORD") });
    sandbox.write(
        "auth.json",
        json!({ "auths": { part("REGISTRY_TLS"): entry } }).to_string(),
    );
    ["push", "oci:image", reference, "--authfile", "auth.json"]
}

#[test]
fn an_unknown_authority_is_refused_and_plain_http_is_not_tried() {
    let sandbox = Sandbox::new();
    let reference = at("TLS", "tls/unknown");
    let push = push(&sandbox, &reference);
    let refused = sandbox.run(&push).expect(5);
    assert!(refused.stderr.contains("certificate"), "{}", refused.stderr);
    refused.says(&["--ca-file", "certs.d"]);
    let log = fs::read_to_string(part("REGISTRY_TLS_LOG")).unwrap();
    assert!(!log.contains("/v2/tls/unknown/"));
}

#[test]
fn a_ca_file_is_trusted() {
    let sandbox = Sandbox::new();
    let reference = at("TLS", "tls/file");
    let push = push(&sandbox, &reference);
    sandbox.ok(&[&push[..], &["--ca-file", &part("REGISTRY_TLS_CA")]].concat());
    sandbox
        .run(&[&push[..], &["--ca-file", "not-there.pem"]].concat())
        .expect(1)
        .says(&["not-there.pem"]);
    sandbox.write("empty.pem", "no certificate\n");
    let empty = sandbox.run(&[&push[..], &["--ca-file", "empty.pem"]].concat());
    empty.expect(2).says(&["empty.pem", "it contains no certificate"]);
}

#[test]
fn the_files_that_variables_name_are_trusted() {
    let sandbox = Sandbox::new();
    let reference = at("TLS", "tls/variables");
    let push = push(&sandbox, &reference);
    let ca = fs::read(part("REGISTRY_TLS_CA")).unwrap();
    sandbox
        .write("roots/ca.pem", &ca)
        .write("roots/readme.txt", "no certificate");
    for (variable, value) in [
        ("SSL_CERT_FILE", sandbox.path("roots/ca.pem")),
        ("SSL_CERT_DIR", sandbox.path("roots")),
        (
            "SSL_CERT_DIR",
            format!("/nowhere:{}", sandbox.path("roots").display()).into(),
        ),
    ] {
        let mut command = sandbox.command(&push);
        command.env(variable, value);
        Outcome::of(command).expect(0);
    }
    let mut command = sandbox.command(&push);
    command.env("SSL_CERT_FILE", "/dev/null");
    Outcome::of(command).expect(5).says(&["certificate"]);
}

#[test]
fn certs_d_of_the_user_is_trusted_for_its_registry_alone() {
    let sandbox = Sandbox::new();
    let reference = at("TLS", "tls/directory");
    let push = push(&sandbox, &reference);
    let ca = fs::read(part("REGISTRY_TLS_CA")).unwrap();
    sandbox.write("home/.config/containers/certs.d/localhost:1/ca.crt", &ca);
    sandbox.run(&push).expect(5);
    sandbox.write(
        &format!("home/.config/containers/certs.d/{}/ca.crt", part("REGISTRY_TLS")),
        &ca,
    );
    sandbox.ok(&push);

    let mut command = sandbox.command(&push);
    command.env("XDG_CONFIG_HOME", sandbox.path("config"));
    Outcome::of(command).expect(5);
    let mut command = sandbox.command(&push);
    fs::create_dir_all(sandbox.path("config/containers")).unwrap();
    std::os::unix::fs::symlink(part("REGISTRY_TLS_CERTS_D"), sandbox.path("config/containers/certs.d")).unwrap();
    command.env("XDG_CONFIG_HOME", sandbox.path("config"));
    Outcome::of(command).expect(0);
}

#[test]
fn credentials_are_sent_to_a_registry_that_is_named_as_insecure() {
    let sandbox = Sandbox::new();
    let reference = at("TLS", "tls/insecure");
    let push = push(&sandbox, &reference);
    let insecure = ["--insecure-tls", &part("REGISTRY_TLS")];
    sandbox
        .ok(&[&push[..], &insecure].concat())
        .says(&["can read credentials"]);
    let registry = part("REGISTRY_TLS");
    let login = ["login", &registry, "--username", "tester", "--password-stdin"];
    let mut command = sandbox.command(&[&login[..], &insecure].concat());
    sandbox.write("stdin", part("REGISTRY_TLS_PASSWORD"));
    command.stdin(fs::File::open(sandbox.path("stdin")).unwrap());
    let done = Outcome::of(command).expect(0).says(&["logged in to "]);
    assert_eq!(done.stderr.matches("is not verified").count(), 1, "{}", done.stderr);
}

#[test]
fn a_certificate_without_its_key_is_an_error() {
    let sandbox = Sandbox::new();
    let reference = at("TLS", "tls/unpaired");
    let push = push(&sandbox, &reference);
    let directory = format!("home/.config/containers/certs.d/{}", part("REGISTRY_TLS"));
    sandbox.write(
        &format!("{directory}/ca.crt"),
        fs::read(part("REGISTRY_TLS_CA")).unwrap(),
    );
    sandbox.write(&format!("{directory}/client.cert"), "a certificate");
    sandbox
        .run(&push)
        .expect(2)
        .says(&["client.cert", "there is no .key file with the same name"]);
}

#[test]
fn an_answer_from_a_registry_with_tls_does_not_come_by_plain_http_even_when_it_is_allowed() {
    let sandbox = Sandbox::new();
    let reference = at("TLS", "tls/plain");
    let push = push(&sandbox, &reference);
    sandbox
        .run(&[&push[..], &["--plain-http", &part("REGISTRY_TLS")]].concat())
        .expect(5);
}
