//! `ocitect login` on a terminal: it asks for what was not given, and leaves the terminal as it was.

use crate::support::{Outcome, Sandbox, on_terminal, part};

/// What a terminal shows at the end if it echoes again.
const ECHO: &str = "\necho\n";

/// Logs in to the registry with passwords.
#[track_caller]
fn login(sandbox: &Sandbox, steps: &[&str], more: &[&str]) -> String {
    let registry = part("REGISTRY_TLS");
    let ca_file = part("REGISTRY_TLS_CA");
    let arguments = ["login", &registry, "--ca-file", &ca_file];
    on_terminal(sandbox, steps, &[&arguments[..], more].concat())
}

#[track_caller]
fn has(shown: &str, texts: &[&str]) {
    for text in texts {
        assert!(shown.contains(text), "expected {text:?} in:\n{shown}");
    }
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let sandbox = Sandbox::new();
    let password = part("REGISTRY_TLS_PASSWORD");
    let typed = format!("send={password}\n");
    let steps = ["expect=Password: ", "hidden", &typed];
    let shown = login(&sandbox, &steps, &["-u", &part("REGISTRY_TLS_USER")]);
    has(
        &shown,
        &["Password: \n", "logged in to ", " as tester", "status 0", ECHO],
    );
    assert!(!shown.contains(&password) && !shown.contains("Username"), "{shown}");
    let file = sandbox.json("home/.docker/config.json");
    assert!(file["auths"][part("REGISTRY_TLS")]["auth"].is_string(), "{file}");
}

#[test]
fn a_user_that_was_not_given_is_asked_for_too() {
    let sandbox = Sandbox::new();
    let user = format!("send={}\n", part("REGISTRY_TLS_USER"));
    let password = format!("send={}\n", part("REGISTRY_TLS_PASSWORD"));
    let steps = [
        "expect=Username: ",
        "shown",
        &user,
        "expect=Password: ",
        "hidden",
        &password,
    ];
    let shown = login(&sandbox, &steps, &[]);
    has(&shown, &["Username: tester\n", "logged in to ", "status 0", ECHO]);
}

#[test]
fn a_wrong_password_and_no_password_are_refused() {
    let sandbox = Sandbox::new();
    let user = ["-u", "tester"];
    let shown = login(&sandbox, &["expect=Password: ", "send=wrong-secret\n"], &user);
    has(&shown, &["error: ", "nothing was stored", "status 4", ECHO]);
    assert!(!shown.contains("wrong-secret"), "{shown}");
    for answer in ["send=\n", "send=\u{4}"] {
        let shown = login(&sandbox, &["expect=Password: ", answer], &user);
        has(
            &shown,
            &["no password was entered", "run the command again", "status 2", ECHO],
        );
    }
    let shown = login(&sandbox, &["expect=Username: ", "send= \n"], &[]);
    has(
        &shown,
        &["no user name was entered", "run the command again", "status 2", ECHO],
    );
    let long = format!("send={}\n", "x".repeat(5000));
    let shown = login(&sandbox, &["expect=Password: ", &long], &user);
    has(
        &shown,
        &["too long for a terminal", "--password-stdin", "status 2", ECHO],
    );
    assert!(!sandbox.path("home/.docker").exists());
}

#[test]
fn the_terminal_shows_what_is_typed_again_after_a_signal() {
    let sandbox = Sandbox::new();
    for (ending, name, status) in [
        ("send=\u{3}", "SIGINT", 130),
        ("send=\u{1c}", "SIGQUIT", 131),
        ("signal=TERM", "SIGTERM", 143),
        ("signal=HUP", "SIGHUP", 129),
    ] {
        let steps = ["expect=Password: ", "hidden", "send=half", ending];
        let shown = login(&sandbox, &steps, &["-u", "tester"]);
        has(
            &shown,
            &[
                &format!("error: interrupted by {name}"),
                &format!("status {status}"),
                ECHO,
            ],
        );
        assert!(!shown.contains("half"), "{shown}");
    }
    assert!(!sandbox.path("home/.docker").exists());
}

#[test]
fn without_a_terminal_the_password_must_come_from_standard_input() {
    let sandbox = Sandbox::new();
    let registry = part("REGISTRY_TLS");
    let refused = sandbox.run(&["login", &registry, "-u", "tester"]).expect(2);
    refused.says(&[
        "error: cannot ask for the password: standard input is not a terminal",
        &format!("login -u tester --password-stdin {registry}"),
    ]);
    let refused = sandbox.run(&["login", &registry]).expect(2);
    refused.says(&[
        "cannot ask for the user name and password",
        "login -u USER --password-stdin",
    ]);
    // A password in a pipe without the option that reads it.
    let mut command = sandbox.command(&["login", &registry, "-u", "tester"]);
    sandbox.write("stdin", "a-secret\n");
    command.stdin(std::fs::File::open(sandbox.path("stdin")).unwrap());
    Outcome::of(command).expect(2).says(&["--password-stdin"]);
    // A terminal is not asked if the password comes from elsewhere: this one has no answer.
    let shown = login(&sandbox, &["send=\u{4}"], &["-u", "tester", "--password-stdin"]);
    has(&shown, &["cannot read the password from standard input", "status 2"]);
}
