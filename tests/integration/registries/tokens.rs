//! The token registry: which tokens are requested, and the errors if they are insufficient.

use serde_json::Value;

use crate::registries::images::{at, base_layers, is_mount, small_image, write_spec};
use crate::support::{Outcome, Sandbox, is_put_of, part, requests};

fn as_user(sandbox: &Sandbox, arguments: &[&str], user: &str) -> Outcome {
    let password = part(&format!("TOKEN_{user}_PASSWORD"));
    sandbox.write(
        "auth.json",
        auth_file(&part("REGISTRY_TOKEN"), &part(&format!("TOKEN_{user}")), &password),
    );
    let authfile = sandbox.path("auth.json");
    sandbox.run(&[arguments, &["--authfile", authfile.to_str().unwrap()]].concat())
}

fn auth_file(registry: &str, user: &str, password: &str) -> String {
    serde_json::json!({ "auths": { registry: { "username": user, "password": password } } }).to_string()
}

/// Returns the requests for tokens that name a repository, in order.
pub fn token_requests(repository: &str) -> Vec<Value> {
    let log = std::fs::read_to_string(part("TOKEN_SERVER_LOG")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let named = |line: &Value| {
        let scopes = line["scopes"].as_array().unwrap();
        scopes
            .iter()
            .any(|scope| scope.as_str().unwrap().contains(&format!("repository:{repository}:")))
    };
    lines.filter(named).collect()
}

#[test]
fn a_mount_asks_for_push_first_and_for_pull_of_its_source() {
    let sandbox = Sandbox::new();
    let base = format!("{}:latest", at("TOKEN", "tokens/mount-base"));
    as_user(&sandbox, &["push", &format!("oci:{}", part("BASE")), &base], "WRITER").expect(0);
    write_spec(&sandbox, &at("TOKEN", "tokens/mount"), &base);
    as_user(&sandbox, &["build", "--push"], "WRITER")
        .expect(0)
        .says(&["base, mounted"]);

    let seen = requests("TOKEN", "tokens/mount", 0, is_put_of("latest"));
    let mounts: Vec<_> = seen.iter().filter(|request| is_mount(request)).collect();
    assert_eq!(
        mounts.iter().filter(|request| request.status == 201).count(),
        base_layers().len(),
        "{mounts:#?}"
    );
    let with_both: Vec<Value> = token_requests("tokens/mount")
        .into_iter()
        .filter(|line| line["scopes"].as_array().unwrap().len() == 2)
        .collect();
    assert!(!with_both.is_empty());
    for line in with_both {
        let expected = serde_json::json!(["repository:tokens/mount:pull,push", "repository:tokens/mount-base:pull"]);
        assert_eq!(line["scopes"], expected);
    }
}

#[test]
fn tokens_are_asked_for_once_and_used_again() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    as_user(&sandbox, &["push", "oci:image", &at("TOKEN", "tokens/once")], "WRITER").expect(0);
    let asked = token_requests("tokens/once");
    assert_eq!(asked.len(), 1, "{asked:#?}");
    assert_eq!(asked[0]["user"], "writer");
    assert_eq!(asked[0]["client_id"], "ocitect");
}

#[test]
fn what_a_registry_puts_of_a_secret_into_an_image_is_not_answered() {
    let sandbox = Sandbox::new();
    let password = part("TOKEN_WRITER_PASSWORD");
    let name = at("TOKEN", "tokens/answered");
    let config = format!("[image]\nplatforms = [\"linux/amd64\"]\n[config.labels]\nnote = \"is {password}\"\n");
    sandbox.spec(&config);
    sandbox.ok(&["build", "-o", "oci:image"]);
    as_user(&sandbox, &["push", "oci:image", &name], "WRITER").expect(0);
    for arguments in [&["inspect", &name][..], &["inspect", &name, "--json"]] {
        let answer = as_user(&sandbox, arguments, "WRITER").expect(0).stdout;
        assert!(answer.contains("is ***") && !answer.contains(&password), "{answer}");
    }
}

#[test]
fn credentials_that_are_wrong_or_missing_are_found_before_anything_is_packed() {
    let sandbox = Sandbox::new();
    let token = part("REGISTRY_TOKEN");
    let tls = part("REGISTRY_TLS");
    for (registry, place) in [(&token, "TOKEN"), (&tls, "TLS")] {
        write_spec(&sandbox, &at(place, "tokens/early"), "scratch");
        sandbox.write("wrong.json", auth_file(registry, "writer", "wrong"));
        sandbox.write("none.json", "{}");
        for (file, words) in [
            ("wrong.json", "authentication to"),
            ("none.json", "requires authentication"),
        ] {
            let arguments = [
                "build",
                "--push",
                "--authfile",
                file,
                "--ca-file",
                &part("REGISTRY_TLS_CA"),
            ];
            let failed = sandbox
                .run(&[&arguments[..], &["--progress", "json"]].concat())
                .expect(4);
            assert!(!failed.stderr.contains("packing own"), "{}", failed.stderr);
            sandbox
                .run(&arguments)
                .expect(4)
                .says(&[words, &format!("ocitect login {registry}")]);
        }
        if place == "TOKEN" {
            let reader = auth_file(registry, &part("TOKEN_READER"), &part("TOKEN_READER_PASSWORD"));
            sandbox.write("reader.json", reader);
            let arguments = ["build", "--push", "--authfile", "reader.json", "--progress", "json"];
            let failed = sandbox.run(&arguments).expect(4).says(&["without push permission"]);
            assert!(!failed.stderr.contains("packing own"), "{}", failed.stderr);
        }
        // The events report packing if there is any.
        let built = sandbox.ok(&["build", "-o", &format!("oci:{place}"), "--progress", "json"]);
        assert!(built.stderr.contains("packing own"), "{}", built.stderr);
        let log = std::fs::read_to_string(part(&format!("REGISTRY_{place}_LOG"))).unwrap();
        let written = ["POST", "PUT", "PATCH"].map(|method| format!("\"{method} /v2/tokens/early/"));
        assert!(!written.iter().any(|line| log.contains(line)), "{log}");
    }
}

#[test]
fn anonymous_clients_read_what_is_public_and_nothing_else() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    for repository in ["public/tokens", "tokens/private"] {
        as_user(&sandbox, &["push", "oci:image", &at("TOKEN", repository)], "WRITER").expect(0);
    }
    sandbox
        .ok(&["inspect", &at("TOKEN", "public/tokens")])
        .stdout
        .contains(&digest);
    sandbox
        .run(&["inspect", &at("TOKEN", "tokens/private")])
        .expect(4)
        .says(&["requires authentication", "help: log in: ocitect login 127.0.0.1:"]);
    let new_tag = format!("{}:new", at("TOKEN", "public/tokens"));
    sandbox
        .run(&["push", "oci:image", &new_tag])
        .expect(4)
        .says(&["ocitect login"]);
}

#[test]
fn a_reader_reads_and_is_told_that_it_cannot_push() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let name = at("TOKEN", "tokens/reader");
    as_user(&sandbox, &["push", "oci:image", &name], "WRITER").expect(0);
    as_user(&sandbox, &["inspect", &name], "READER").expect(0);
    let refused = as_user(&sandbox, &["push", "oci:image", &format!("{name}:other")], "READER").expect(4);
    assert!(
        !refused.stderr.contains(&part("TOKEN_READER_PASSWORD")),
        "{}",
        refused.stderr
    );
    refused.says(&["failed at the target", &name, "help:"]);
    sandbox.write(
        "auth.json",
        auth_file(&part("REGISTRY_TOKEN"), "writer", "wrong-secret"),
    );
    let authfile = sandbox.path("auth.json");
    let wrong = sandbox
        .run(&["push", "oci:image", &name, "--authfile", authfile.to_str().unwrap()])
        .expect(4);
    assert!(!wrong.stderr.contains("wrong-secret"), "{}", wrong.stderr);
    wrong.says(&["help: log in again: ocitect login 127.0.0.1:"]);
    as_user(&sandbox, &["inspect", &format!("{name}:other")], "WRITER").expect(6);
}
