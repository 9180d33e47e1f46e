//! Credential helpers that fail in every way. Each is an error, and no other credential is sent instead; a helper's
//! other output is not repeated.

use std::process::Command;

use serde_json::json;

use crate::support::liar::{Liar, Page};
use crate::support::{Outcome, Sandbox};

/// Credential in the file beside the helper, which must not be used instead: base64 of `file:filesecret`.
const INLINE: &str = "ZmlsZTpmaWxlc2VjcmV0";

/// Texts that no message may have.
const SECRETS: [&str; 3] = ["topsecret", "filesecret", INLINE];

/// Returns a registry that requires a password.
fn closed_registry() -> Liar {
    let liar = Liar::honest();
    let challenge = Some("Basic realm=\"r\"".to_owned());
    let refusal = Page {
        challenge,
        ..Page::error(401, "UNAUTHORIZED", "who are you")
    };
    for path in ["/v2/", "/v2/app/manifests/latest"] {
        liar.put(path, refusal.clone());
    }
    liar
}

/// Returns `ocitect inspect` of the registry's image, with a helper of that name.
fn inspect(sandbox: &Sandbox, liar: &Liar, helper: &str) -> Command {
    let auths = json!({ liar.host(): { "auth": INLINE } });
    let config = json!({ "credHelpers": { liar.host(): helper }, "auths": auths });
    sandbox.write("docker/config.json", config.to_string());
    let mut command = sandbox.command(&["inspect", &liar.image(), "-vv"]);
    let path = std::env::var_os("PATH").unwrap();
    let directories = std::iter::once(sandbox.path("bin")).chain(std::env::split_paths(&path));
    command
        .env("PATH", std::env::join_paths(directories).unwrap())
        .env("DOCKER_CONFIG", sandbox.path("docker"));
    command
}

fn with_script(script: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_mode("bin/docker-credential-test", format!("#!/bin/sh\n{script}\n"), 0o755);
    sandbox
}

#[track_caller]
fn tells_no_secret(outcome: &Outcome) {
    for secret in SECRETS {
        assert!(
            !outcome.stderr.contains(secret) && !outcome.stdout.contains(secret),
            "{}",
            outcome.stderr
        );
    }
}

#[test]
fn a_helper_that_fails_is_named_and_nothing_is_sent_in_its_place() {
    let liar = closed_registry();
    for (script, words) in [
        (
            "echo 'the key ring is locked'; exit 1",
            "it reported: the key ring is locked",
        ),
        ("echo topsecret >&2; exit 1", "it failed"),
        (
            "echo '{\"Username\":\"u\",\"Secret\":\"topsecret\"}'; exit 1",
            "it failed",
        ),
        (
            "echo topsecret",
            "its answer is not a JSON object with Username and Secret",
        ),
        (
            "echo '[\"topsecret\"]'",
            "its answer is not a JSON object with Username and Secret",
        ),
        (
            "echo '{\"Username\":\"topsecret\"}'",
            "its answer is not a JSON object with Username and Secret",
        ),
        (
            "echo '{\"Username\":\"u\",\"Secret\":7}'",
            "its answer is not a JSON object with Username and Secret",
        ),
        (
            "printf '\\377\\376topsecret'",
            "its answer is not a JSON object with Username and Secret",
        ),
        ("exit 0", "its answer is not a JSON object with Username and Secret"),
        ("kill -9 $$", "it failed"),
        ("printf 'no\\033[31m\\nway\\n'; exit 3", "it reported: no\\u{1b}[31m"),
    ] {
        let sandbox = with_script(script);
        let outcome = Outcome::of(inspect(&sandbox, &liar, "test")).expect(2);
        println!("{}", outcome.stderr);
        tells_no_secret(&outcome);
        outcome.says(&["the credential helper \"test\"", words, "help: fix the helper"]);
    }
}

#[test]
fn a_helper_that_has_nothing_lets_the_search_go_on() {
    let liar = closed_registry();
    let sandbox = with_script("echo 'credentials not found in native keychain'; echo topsecret >&2; exit 1");
    let outcome = Outcome::of(inspect(&sandbox, &liar, "test")).expect(4);
    tells_no_secret(&outcome);
    // The credential in the file was sent, and refused.
    outcome.says(&["authentication to", "log in again"]);
}

#[test]
fn a_gibibyte_of_answer_is_not_read() {
    let liar = closed_registry();
    for script in ["head -c 1073741824 /dev/zero | tr '\\0' x", "exec yes topsecret"] {
        let sandbox = with_script(script);
        let (outcome, peak_bytes) = sandbox.run_measured(&inspect(&sandbox, &liar, "test"));
        println!("{}", outcome.stderr);
        tells_no_secret(&outcome);
        outcome
            .expect(2)
            .says(&["the credential helper \"test\"", "its answer has more than 65536 bytes"]);
        assert!(peak_bytes <= 64 * 1024 * 1024, "{peak_bytes}");
    }
}

#[test]
fn a_helper_that_does_not_listen_or_keeps_talking_elsewhere_can_still_answer() {
    let liar = closed_registry();
    let answer = "printf '{\"ServerURL\":\"x\",\"Username\":\"u\",\"Secret\":\"topsecret\"}'";
    for script in [
        format!("exec <&-; {answer}"),
        format!("yes topsecret | head -c 1000000 >&2; {answer}"),
    ] {
        let sandbox = with_script(&script);
        let outcome = Outcome::of(inspect(&sandbox, &liar, "test")).expect(4);
        tells_no_secret(&outcome);
        outcome.says(&["authentication to", "log in again"]);
    }
}

#[test]
fn a_helper_that_is_not_there_or_not_a_name_is_not_run() {
    let liar = closed_registry();
    let sandbox = with_script("exit 0");
    sandbox.write_mode("x", "#!/bin/sh\ntouch was-run\n", 0o755);
    sandbox.write_mode("bin/docker-credential-../x", "#!/bin/sh\ntouch was-run\n", 0o755);
    sandbox.write_mode("bin/docker-credential-plain", "#!/bin/sh\ntouch was-run\n", 0o644);
    for (name, words) in [
        ("missing", "there is no program docker-credential-missing in PATH"),
        ("plain", "there is no program docker-credential-plain in PATH"),
        ("../x", "its name may contain only letters, digits, ., _ and -"),
        ("test;touch was-run", "its name may contain only letters"),
        ("test\n", "its name may contain only letters"),
        ("/bin/true", "its name may contain only letters"),
    ] {
        let outcome = Outcome::of(inspect(&sandbox, &liar, name)).expect(2);
        println!("{}", outcome.stderr);
        tells_no_secret(&outcome);
        outcome.says(&["the credential helper ", words]);
    }
    assert!(!sandbox.path("was-run").exists());
}
