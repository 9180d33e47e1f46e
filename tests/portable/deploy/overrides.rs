//! `ocitect pin --override`: a compose file with the pinned images of services alone.

use super::{read, sandbox};
use crate::support::odd_yaml::DIGEST;
use crate::support::refusal::{refused, state};

const COMPOSE: &str = "services:\n  web:\n    image: ghcr.io/me/app:${TAG:-1.0}\n  \"on\": {image: \"ghcr.io/me/app:1.0\"}\n  \
                       open: {image: \"ghcr.io/me/app:${V}\"}\n  db: {image: postgres}\n  other: {image: \"postgres:${V}\"}\n";

#[test]
fn the_override_file_has_the_images_alone_and_the_files_stay() {
    let sandbox = sandbox();
    sandbox.write("compose.yaml", COMPOSE);
    let arguments = ["pin", "compose.yaml", "--from", "m.json", "--override", "pins.yaml"];
    sandbox
        .run(&[&arguments[..], &["--check"]].concat())
        .expect(3)
        .says(&["pins.yaml does not have"]);
    let outcome = sandbox.ok(&arguments);
    assert_eq!(
        read(&sandbox, "pins.yaml"),
        format!(
            "# Written by `ocitect pin --override`. Changes are lost.\nservices:\n  \"on\":\n    \
             image: ghcr.io/me/app:1.0@{DIGEST}\n  open:\n    image: ghcr.io/me/app:latest@{DIGEST}\n  web:\n    image: ghcr.io/me/app:1.0@{DIGEST}\n"
        )
    );
    assert_eq!(outcome.stdout.lines().count(), 3, "{}", outcome.stdout);
    assert_eq!(read(&sandbox, "compose.yaml"), COMPOSE);
    let before = state(sandbox.root());
    sandbox.ok(&arguments);
    sandbox.ok(&[&arguments[..], &["--check"]].concat());
    assert_eq!(state(sandbox.root()), before);
}

#[test]
fn a_file_that_pin_did_not_write_is_not_replaced() {
    let sandbox = sandbox();
    sandbox.write("compose.yaml", COMPOSE);
    let arguments = ["pin", "compose.yaml", "--from", "m.json", "--override", "pins.yaml"];
    for text in ["services: {}\n", "# mine\n", &"x".repeat(1_000_000)] {
        sandbox.write("pins.yaml", text);
        let words = [
            "pins.yaml was not written by `ocitect pin --override`, and is not replaced",
            "help: give --override another file, or remove this one",
        ];
        refused(&sandbox, &arguments, 2, &words);
        sandbox.run(&[&arguments[..], &["--check"]].concat()).expect(3);
    }
    for text in [
        "",
        "# Written by `ocitect pin --override`. Changes are lost.\nservices: {}\n",
    ] {
        sandbox.write("pins.yaml", text);
        sandbox.ok(&arguments);
        assert!(read(&sandbox, "pins.yaml").contains(DIGEST));
    }
    sandbox.ok(&["pin", "compose.yaml", "--from", "m.json", "--override", "/dev/null"]);
}

#[test]
fn a_later_file_replaces_the_image_of_a_service() {
    let sandbox = sandbox();
    sandbox.write(
        "a.yaml",
        "services:\n  web: {image: ghcr.io/me/app}\n  b: {image: ghcr.io/me/app}\n",
    );
    sandbox.write(
        "b.yaml",
        "services:\n  web: {image: postgres}\n  c: {image: ghcr.io/me/app}\n",
    );
    let outcome = sandbox.ok(&["pin", "a.yaml", "b.yaml", "--from", "m.json", "--override", "-"]);
    assert!(!outcome.stdout.contains("web:") && outcome.stdout.contains("  b:\n") && outcome.stdout.contains("  c:\n"));
}

#[test]
fn what_no_override_file_can_pin_is_reported() {
    let sandbox = sandbox();
    sandbox.write(
        "compose.yaml",
        "services:\n  a: {image: \"${IMAGE}\"}\n  b:\n    image: ghcr.io/me/app\n    volumes: [{type: image, source: ghcr.io/me/app}]\n",
    );
    let outcome = sandbox.ok(&["pin", "compose.yaml", "--from", "m.json", "--override", "pins.yaml"]);
    assert!(
        outcome
            .stderr
            .contains("compose.yaml:2 ${IMAGE} is not in the override file: its name is in a variable")
    );
    assert!(
        outcome
            .stderr
            .contains("compose.yaml:5 ghcr.io/me/app is not in the override file: it is mounted")
    );
    sandbox.write("pod.yaml", "apiVersion: v1\nkind: Pod\n");
    for (arguments, words) in [
        (
            ["pin", "pod.yaml", "--from", "m.json", "--override", "x.yaml"],
            "this is no compose file",
        ),
        (
            [
                "pin",
                "compose.yaml",
                "--from",
                "m.json",
                "--override",
                "./compose.yaml",
            ],
            "is one of the files to read",
        ),
        (
            ["pin", "compose.yaml", "--from", "m.json", "--override", "./m.json"],
            "is one of the files to read",
        ),
    ] {
        refused(&sandbox, &arguments, 2, &[words]);
    }
}
