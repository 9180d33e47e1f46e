//! Credentials from each source, in their order, and from helpers.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::registries::images::{all_requests, at, is_read, small_image};
use crate::registries::tokens::token_requests;
use crate::support::{Outcome, Sandbox, part};

/// A source of credentials: puts the text of a configuration file there.
type Place = (&'static str, fn(&Sandbox, &mut Command, &str));

/// In the order of the search. The first two represent all sources before files.
const PLACES: [Place; 7] = [
    ("DOCKER_AUTH_CONFIG", |_, command, text| {
        command.env("DOCKER_AUTH_CONFIG", text);
    }),
    ("--authfile", |sandbox, command, text| {
        sandbox.write("named.json", text);
        command.args(["--authfile", "named.json"]);
    }),
    ("REGISTRY_AUTH_FILE", |sandbox, command, text| {
        sandbox.write("variable.json", text);
        command.env("REGISTRY_AUTH_FILE", sandbox.path("variable.json"));
    }),
    ("Docker's config.json", |sandbox, command, text| {
        sandbox.write("docker/config.json", text);
        command.env("DOCKER_CONFIG", sandbox.path("docker"));
    }),
    ("auth.json of the session", |sandbox, command, text| {
        sandbox.write("run/containers/auth.json", text);
        command.env("XDG_RUNTIME_DIR", sandbox.path("run"));
    }),
    ("auth.json of the user", |sandbox, command, text| {
        sandbox.write("config/containers/auth.json", text);
        command.env("XDG_CONFIG_HOME", sandbox.path("config"));
    }),
    (".dockercfg", |sandbox, _, text| {
        let file: serde_json::Value = serde_json::from_str(text).unwrap();
        sandbox.write("home/.dockercfg", file["auths"].to_string());
    }),
];

fn tls_user() -> (String, String) {
    (part("REGISTRY_TLS_USER"), part("REGISTRY_TLS_PASSWORD"))
}

fn auth_file(registry: &str, user: &str, password: &str) -> String {
    json!({ "auths": { registry: { "auth": STANDARD.encode(format!("{user}:{password}")) } } }).to_string()
}

/// `ocitect push` of the layout `image` to the TLS registry.
fn push_tls(sandbox: &Sandbox, repository: &str) -> Command {
    sandbox.command(&[
        "push",
        "oci:image",
        &at("TLS", repository),
        "--ca-file",
        &part("REGISTRY_TLS_CA"),
    ])
}

#[test]
fn each_place_is_enough() {
    for (number, (place, put)) in PLACES.iter().enumerate() {
        let sandbox = Sandbox::new();
        small_image(&sandbox);
        let (user, password) = tls_user();
        let mut command = push_tls(&sandbox, &format!("credentials/each-{number}"));
        put(
            &sandbox,
            &mut command,
            &auth_file(&part("REGISTRY_TLS"), &user, &password),
        );
        let pushed = Outcome::of(command);
        assert_eq!(pushed.code, 0, "{place}: {}", pushed.stderr);
    }
}

#[test]
fn the_first_place_that_answers_wins_be_it_right_or_wrong() {
    for pair in PLACES.windows(2) {
        let [(first, put_first), (second, put_second)] = pair else {
            unreachable!("windows of two")
        };
        for first_is_right in [true, false] {
            let sandbox = Sandbox::new();
            small_image(&sandbox);
            let (user, password) = tls_user();
            let registry = part("REGISTRY_TLS");
            let right = auth_file(&registry, &user, &password);
            let wrong = auth_file(&registry, &user, "wrong");
            let (one, two) = if first_is_right { (right, wrong) } else { (wrong, right) };
            let mut command = push_tls(&sandbox, "credentials/order");
            put_first(&sandbox, &mut command, &one);
            put_second(&sandbox, &mut command, &two);
            let code = if first_is_right { 0 } else { 4 };
            let pushed = Outcome::of(command);
            assert_eq!(pushed.code, code, "{first} before {second}: {}", pushed.stderr);
        }
    }
}

#[test]
fn a_place_without_an_entry_for_the_registry_is_passed_over() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let (user, password) = tls_user();
    let mut command = push_tls(&sandbox, "credentials/passed-over");
    let other = auth_file("registry.example", "nobody", "nothing");
    for (_, put) in [&PLACES[0], &PLACES[3], &PLACES[4]] {
        put(&sandbox, &mut command, &other);
    }
    let right = auth_file(&format!("https://{}/v2/", part("REGISTRY_TLS")), &user, &password);
    PLACES[5].1(&sandbox, &mut command, &right);
    Outcome::of(command).expect(0);
}

#[test]
fn a_named_file_is_the_only_file() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let (user, password) = tls_user();
    let right = auth_file(&part("REGISTRY_TLS"), &user, &password);
    let mut command = push_tls(&sandbox, "credentials/exclusive");
    PLACES[1].1(&sandbox, &mut command, "{}");
    PLACES[3].1(&sandbox, &mut command, &right);
    Outcome::of(command).expect(4).says(&["log in"]);
}

#[test]
fn a_password_of_the_command_line_goes_before_everything() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let (user, password) = tls_user();
    let run = |user: &str, stdin: &str, file_password: &str| {
        let mut command = push_tls(&sandbox, "credentials/stdin");
        command.args(["--username", user, "--password-stdin"]);
        sandbox.write("stdin", stdin);
        command.stdin(fs::File::open(sandbox.path("stdin")).unwrap());
        PLACES[0].1(
            &sandbox,
            &mut command,
            &auth_file(&part("REGISTRY_TLS"), user, file_password),
        );
        Outcome::of(command)
    };
    run(&user, &format!("{password}\n"), "wrong").expect(0);
    let refused = run(&user, "not-the-secret\n", &password).expect(4);
    assert!(!refused.stderr.contains("not-the-secret"), "{}", refused.stderr);
    run(&user, "", &password)
        .expect(2)
        .says(&["cannot read the password from standard input: it is empty"]);
    sandbox
        .run(&["push", "oci:image", "ghcr.io/x/y", "--username", "me"])
        .expect(2)
        .says(&["--password-stdin"]);
}

#[test]
fn a_damaged_file_is_an_error_that_tells_no_secret() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let mut command = push_tls(&sandbox, "credentials/damaged");
    PLACES[3].1(
        &sandbox,
        &mut command,
        "{\"auths\": {\"localhost\": {\"auth\": \"secret-in-here",
    );
    let failed = Outcome::of(command).expect(2);
    assert!(!failed.stderr.contains("secret-in-here"), "{}", failed.stderr);
    failed.says(&["docker/config.json: it is not JSON, at line 1"]);
}

#[test]
fn verbose_says_where_credentials_came_from_and_never_what_they_are() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let (user, password) = tls_user();
    let mut command = push_tls(&sandbox, "credentials/verbose");
    let file = auth_file(&part("REGISTRY_TLS"), &user, &password);
    PLACES[5].1(&sandbox, &mut command, &file);
    command.arg("-vv");
    let pushed = Outcome::of(command).expect(0);
    let encoded = STANDARD.encode(format!("{user}:{password}"));
    assert!(
        !pushed.stderr.contains(&password) && !pushed.stderr.contains(&encoded),
        "{}",
        pushed.stderr
    );
    pushed.says(&["credentials found", "config/containers/auth.json"]);
}

/// Creates a credential helper `docker-credential-fake` that records its calls and then runs `script`.
fn helper(sandbox: &Sandbox, script: &str) -> PathBuf {
    let text = format!(
        "#!/bin/sh\nserver=$(cat)\necho \"$1 $server\" >> \"{}\"\n{script}\n",
        sandbox.path("calls").display()
    );
    sandbox.write_mode("bin/docker-credential-fake", text, 0o755);
    sandbox.path("bin")
}

fn with_helper(sandbox: &Sandbox, mut command: Command, bin: PathBuf, config: &serde_json::Value) -> Outcome {
    let path = std::env::var_os("PATH").unwrap();
    let directories = std::iter::once(bin).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(directories).unwrap());
    PLACES[3].1(sandbox, &mut command, &config.to_string());
    Outcome::of(command)
}

#[test]
fn a_helper_of_the_registry_is_asked_before_what_stands_in_the_file() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let (user, password) = tls_user();
    let answer = json!({ "ServerURL": "", "Username": user, "Secret": password }).to_string();
    let bin = helper(&sandbox, &format!("printf '%s' '{answer}'"));
    let registry = part("REGISTRY_TLS");
    let wrong = json!({ &registry: { "auth": STANDARD.encode("tester:wrong") } });
    for config in [
        json!({ "credHelpers": { &registry: "fake" }, "auths": wrong }),
        json!({ "credsStore": "fake", "auths": wrong }),
    ] {
        with_helper(&sandbox, push_tls(&sandbox, "credentials/helper"), bin.clone(), &config).expect(0);
    }
    let calls = fs::read_to_string(sandbox.path("calls")).unwrap();
    assert_eq!(calls, format!("get {registry}\n").repeat(2));
}

#[test]
fn a_helper_without_an_answer_lets_the_search_go_on() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let (user, password) = tls_user();
    let bin = helper(&sandbox, "echo 'credentials not found in native keychain'; exit 1");
    let registry = part("REGISTRY_TLS");
    let config = json!({
        "credHelpers": { &registry: "fake" },
        "auths": { &registry: { "auth": STANDARD.encode(format!("{user}:{password}")) } },
    });
    with_helper(&sandbox, push_tls(&sandbox, "credentials/helper-empty"), bin, &config).expect(0);
    assert!(sandbox.path("calls").exists());
}

#[test]
fn a_helper_that_fails_ends_the_search_and_nothing_is_sent() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let (user, password) = tls_user();
    let registry = part("REGISTRY_OPEN");
    let failures = [
        (
            "echo 'the key ring is locked'; exit 1",
            "it reported: the key ring is locked",
        ),
        ("echo 'my-own-secret' >&2; exit 1", "it failed"),
        ("echo 'not JSON'", "its answer is not a JSON object"),
    ];
    for (script, message) in failures {
        let bin = helper(&sandbox, script);
        let config = json!({
            "credHelpers": { part("REGISTRY_TLS"): "fake", &registry: "fake" },
            "auths": { part("REGISTRY_TLS"): { "auth": STANDARD.encode(format!("{user}:{password}")) } },
        });
        let failed = with_helper(&sandbox, push_tls(&sandbox, "credentials/helper-fails"), bin, &config).expect(2);
        assert!(!failed.stderr.contains("my-own-secret"), "{}", failed.stderr);
        failed.says(&["the credential helper \"fake\"", message, "help: fix the helper"]);
    }
    let config = json!({ "credHelpers": { part("REGISTRY_TLS"): "not-there" } });
    let bin = sandbox.path("bin");
    with_helper(
        &sandbox,
        push_tls(&sandbox, "credentials/helper-missing"),
        bin.clone(),
        &config,
    )
    .expect(2)
    .says(&["there is no program docker-credential-not-there in PATH"]);
    let config = json!({ "credsStore": "../bin/evil" });
    with_helper(&sandbox, push_tls(&sandbox, "credentials/helper-name"), bin, &config)
        .expect(2)
        .says(&["its name may contain only letters"]);
}

#[test]
fn an_identity_token_of_a_helper_is_exchanged_for_tokens() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let answer = json!({ "ServerURL": "", "Username": "<token>", "Secret": part("TOKEN_IDENTITY") }).to_string();
    let bin = helper(&sandbox, &format!("printf '%s' '{answer}'"));
    let config = json!({ "credHelpers": { part("REGISTRY_TOKEN"): "fake" } });
    let push = sandbox.command(&["push", "oci:image", &at("TOKEN", "credentials/identity")]);
    with_helper(&sandbox, push, bin, &config).expect(0);
    let asked = token_requests("credentials/identity");
    assert!(!asked.is_empty());
    for line in asked {
        assert_eq!(
            (&line["method"], &line["grant_type"]),
            (&json!("POST"), &json!("refresh_token")),
            "{line}"
        );
        assert_eq!(line["status"], 200);
    }
}

#[test]
fn an_identity_token_in_a_file_does_the_same() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let entry = json!({ "identitytoken": part("TOKEN_IDENTITY") });
    sandbox.write(
        "auth.json",
        json!({ "auths": { part("REGISTRY_TOKEN"): entry } }).to_string(),
    );
    sandbox.ok(&[
        "push",
        "oci:image",
        &at("TOKEN", "credentials/identity-file"),
        "--authfile",
        "auth.json",
    ]);
}

#[test]
fn a_registry_that_asks_for_nothing_gets_no_password() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    // A call of this helper is an error: an open registry needs no credentials.
    let bin = helper(&sandbox, "echo 'nobody should ask'; exit 1");
    let config = json!({ "credHelpers": { part("REGISTRY_OPEN"): "fake" } });
    let push = sandbox.command(&["push", "oci:image", &at("OPEN", "credentials/open")]);
    with_helper(&sandbox, push, bin, &config).expect(0);
    assert!(!sandbox.path("calls").exists());
    let seen = all_requests(&sandbox, "OPEN", "credentials/open", 0);
    assert!(!seen.iter().all(is_read));
}
