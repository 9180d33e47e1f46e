//! `ocitect login` and `ocitect logout`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use crate::registries::images::{at, small_image};
use crate::support::{Outcome, Sandbox, part, tool};

fn login(sandbox: &Sandbox, registry: &str, user: &str, password: &str, more: &[&str]) -> Outcome {
    let arguments = [
        "login",
        registry,
        "--username",
        user,
        "--password-stdin",
        "--ca-file",
        &part("REGISTRY_TLS_CA"),
    ];
    let mut command = sandbox.command(&[&arguments[..], more].concat());
    sandbox.write("stdin", format!("{password}\n"));
    command.stdin(fs::File::open(sandbox.path("stdin")).unwrap());
    Outcome::of(command)
}

fn login_tls(sandbox: &Sandbox, more: &[&str]) -> Outcome {
    login(
        sandbox,
        &part("REGISTRY_TLS"),
        &part("REGISTRY_TLS_USER"),
        &part("REGISTRY_TLS_PASSWORD"),
        more,
    )
}

#[test]
fn a_login_is_kept_used_and_forgotten() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let registry = part("REGISTRY_TLS");
    let before =
        json!({ "psFormat": "table", "auths": { "other.example": { "auth": "dTpw" } }, "plugins": { "a": 1 } });
    sandbox.write("home/.docker/config.json", before.to_string());
    let done = login_tls(&sandbox, &[]).expect(0);
    assert_eq!(done.stdout, "");
    done.says(&[
        &format!("logged in to {registry} as tester, credentials stored in"),
        "home/.docker/config.json",
    ]);

    let file = sandbox.json("home/.docker/config.json");
    assert_eq!(
        (&file["psFormat"], &file["plugins"]),
        (&before["psFormat"], &before["plugins"])
    );
    assert_eq!(file["auths"]["other.example"], before["auths"]["other.example"]);
    assert!(file["auths"][&registry]["auth"].is_string(), "{file}");
    assert_eq!(mode(&sandbox, "home/.docker/config.json"), 0o600);

    let reference = at("TLS", "login/kept");
    let push = ["push", "oci:image", &reference, "--ca-file", &part("REGISTRY_TLS_CA")];
    sandbox.ok(&push);
    let config = sandbox.path("home/.docker/config.json");
    let url = format!("docker://{reference}");
    let flags = [
        "inspect",
        "--raw",
        "--tls-verify=false",
        "--authfile",
        config.to_str().unwrap(),
        &url,
    ];
    assert!(tool("skopeo", &flags).contains("\"manifests\""));

    sandbox
        .ok(&["logout", &registry])
        .says(&[&format!("logged out of {registry}")]);
    let file: Value = sandbox.json("home/.docker/config.json");
    assert_eq!(file, before);
    sandbox
        .run(&push)
        .expect(4)
        .says(&[&format!("ocitect login {registry}")]);
    sandbox
        .run(&["logout", &registry])
        .expect(6)
        .says(&["contains no credentials for"]);
}

fn mode(sandbox: &Sandbox, path: &str) -> u32 {
    fs::metadata(sandbox.path(path)).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_file_that_was_not_there_is_made_for_its_owner_alone() {
    let sandbox = Sandbox::new();
    login_tls(&sandbox, &[]).expect(0);
    assert_eq!(mode(&sandbox, "home/.docker/config.json"), 0o600);
    assert_eq!(mode(&sandbox, "home/.docker"), 0o700);
    login_tls(&sandbox, &["--authfile", "named.json"]).expect(0);
    assert_eq!(mode(&sandbox, "named.json"), 0o600);
    sandbox.ok(&["logout", &part("REGISTRY_TLS"), "--authfile", "named.json"]);
    assert_eq!(
        sandbox.json("home/.docker/config.json")["auths"]
            .as_object()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn what_the_registry_refuses_is_not_kept() {
    let sandbox = Sandbox::new();
    let tls = part("REGISTRY_TLS");
    let token = part("REGISTRY_TOKEN");
    for (registry, user) in [(&tls, "tester"), (&token, "writer")] {
        let refused = login(&sandbox, registry, user, "wrong-secret", &[]).expect(4);
        assert!(!refused.stderr.contains("wrong-secret"), "{}", refused.stderr);
        refused.says(&[
            registry,
            "authentication to",
            "help: check the user name and the password or token",
        ]);
    }
    assert!(!sandbox.path("home/.docker").exists());
    login(&sandbox, &token, "writer", &part("TOKEN_WRITER_PASSWORD"), &[]).expect(0);
}

#[test]
fn a_registry_that_asks_for_nothing_is_said_to_have_checked_nothing() {
    let sandbox = Sandbox::new();
    let open = part("REGISTRY_OPEN");
    login(&sandbox, &open, "u", "p", &[])
        .expect(0)
        .says(&["warning: ", &open, "did not ask for credentials"]);
    login_tls(&sandbox, &[]).expect(0);
    assert!(!login_tls(&sandbox, &[]).expect(0).stderr.contains("warning"));
}

#[test]
fn addresses_in_the_place_of_registries_are_refused_with_the_name() {
    let sandbox = Sandbox::new();
    for (text, name) in [
        ("https://ghcr.io", "ghcr.io"),
        ("http://localhost:5000/v2/", "localhost:5000"),
        ("https://me@registry.example:8443/team", "registry.example:8443"),
        ("https://index.docker.io/v1/", "index.docker.io"),
        ("https://hub.docker.com/r/library/node", "docker.io"),
        ("hub.docker.com", "docker.io"),
    ] {
        login(&sandbox, text, "u", "p", &[])
            .expect(2)
            .says(&[text, "give only the registry, such as", name]);
    }
    for (text, name) in [
        ("http://localhost:5000", "localhost:5000"),
        ("https://registry.example/", "registry.example"),
        ("registry.example/team/app", "registry.example"),
        ("http://", "localhost:5000"),
        ("*", "localhost:5000"),
    ] {
        let arguments = ["inspect", "--plain-http", text, "localhost:1/x:1"];
        sandbox
            .run(&arguments)
            .expect(2)
            .says(&[text, "not a registry", &format!("--plain-http {name}")]);
    }
}

#[test]
fn a_file_of_credentials_that_is_named_must_be_there_unless_it_is_made() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let reference = format!("{}/login/missing-file:1", part("REGISTRY_OPEN"));
    let push = ["push", "oci:image", &reference, "--authfile", "missing.json"];
    sandbox
        .run(&push)
        .expect(2)
        .says(&["missing.json", "ocitect login REGISTRY --authfile missing.json"]);
    // A variable may be set globally, with or without a login. A registry without authentication needs no file.
    let with_variable = |arguments: &[&str]| {
        let mut command = sandbox.command(arguments);
        command.env("REGISTRY_AUTH_FILE", "missing.json");
        Outcome::of(command)
    };
    let warning = "warning: credentials file missing.json (REGISTRY_AUTH_FILE) does not exist";
    assert!(!with_variable(&push[..3]).expect(0).stderr.contains("missing.json"));
    let closed = format!("{}/login/missing-file:1", part("REGISTRY_TOKEN"));
    let refused = with_variable(&["copy", &closed, "oci:copy"])
        .expect(4)
        .says(&["requires authentication"]);
    assert_eq!(refused.stderr.matches(warning).count(), 1, "{}", refused.stderr);
    login_tls(&sandbox, &["--authfile", "missing.json"]).expect(0);
    sandbox.ok(&push);
}

#[test]
fn bad_usage_is_told_apart() {
    let sandbox = Sandbox::new();
    login(&sandbox, "localhost:1/with/path", "u", "p", &[])
        .expect(2)
        .says(&["is not a registry"]);
    sandbox
        .run(&["login", &part("REGISTRY_TLS"), "--password-stdin"])
        .expect(2)
        .says(&["--username <USER>"]);
    let tls = part("REGISTRY_TLS");
    let without_ca = ["login", &tls, "--username", "u", "--password-stdin"];
    let mut command = sandbox.command(&without_ca);
    sandbox.write("stdin", "p");
    command.stdin(fs::File::open(sandbox.path("stdin")).unwrap());
    Outcome::of(command).expect(5).says(&["--ca-file"]);
    assert!(!sandbox.path("home/.docker").exists());
}

#[test]
fn a_file_that_names_a_helper_has_the_helper_keep_it() {
    let sandbox = Sandbox::new();
    let script = format!(
        "#!/bin/sh\necho \"$1 $(cat)\" >> \"{}\"\n",
        sandbox.path("calls").display()
    );
    sandbox.write_mode("bin/docker-credential-keeper", script, 0o755);
    sandbox.write("home/.docker/config.json", "{\"credsStore\":\"keeper\"}");
    let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").unwrap());
    let arguments = [
        "login",
        &part("REGISTRY_TLS"),
        "--username",
        "tester",
        "--password-stdin",
        "--ca-file",
        &part("REGISTRY_TLS_CA"),
    ];
    let mut command = sandbox.command(&arguments);
    sandbox.write("stdin", part("REGISTRY_TLS_PASSWORD"));
    command
        .stdin(fs::File::open(sandbox.path("stdin")).unwrap())
        .env("PATH", &path);
    Outcome::of(command)
        .expect(0)
        .says(&["credentials stored in the credential helper keeper"]);
    assert_eq!(
        sandbox.json("home/.docker/config.json"),
        json!({ "credsStore": "keeper" })
    );
    let calls = fs::read_to_string(sandbox.path("calls")).unwrap();
    let (verb, stored) = calls.trim().split_once(' ').unwrap();
    let stored: Value = serde_json::from_str(stored).unwrap();
    assert_eq!(verb, "store");
    assert_eq!(stored["Secret"], part("REGISTRY_TLS_PASSWORD"));
    let mut command = sandbox.command(&["logout", &part("REGISTRY_TLS")]);
    command.env("PATH", &path);
    Outcome::of(command).expect(0);
    assert!(
        fs::read_to_string(sandbox.path("calls"))
            .unwrap()
            .contains(&format!("erase {}", part("REGISTRY_TLS")))
    );
}
