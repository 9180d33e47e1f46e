//! `ocitect check --compose` with files that include or extend others.

use super::compose::{CHECK, prepared};
use crate::support::refusal::refused;
use crate::support::{Sandbox, tool};

const API: &str = "services:\n  api:\n    image: ghcr.io/ws/api:1.0\n    env_file: [api.env]\n    environment:\n      MODE: ${LEVEL}\n";

#[test]
fn included_files_are_read_where_they_are_with_their_own_env_file() {
    let sandbox = prepared("include:\n  - path: apps/compose.yaml\n  - db/compose.yaml\n");
    sandbox
        .write("apps/compose.yaml", API)
        .write("apps/api.env", "TOKEN=\n")
        .write("db/compose.yaml", "services:\n  db:\n    image: postgres:16\n");
    let found = sandbox.run(&CHECK).expect(3).stdout;
    for place in [" --> apps/api.env:1\n", " --> apps/compose.yaml:6:13\n"] {
        assert!(found.replace("-->", " -->").contains(place), "{place}: {found}");
    }
    sandbox
        .write("apps/.env", "LEVEL=fast\n")
        .write("apps/api.env", "TOKEN=$LEVEL\n");
    // An env file of a service uses the variables of the including file alone, as in Compose.
    sandbox.run(&CHECK).expect(3);
    sandbox.write(".env", "LEVEL=fast\n");
    let found = sandbox.ok(&CHECK).stdout;
    assert!(found.contains("note: service db runs postgres:16"), "{found}");
    sandbox.write(
        "compose.yaml",
        "include: [{ path: [apps/compose.yaml, more.yaml], project_directory: . }]\n",
    );
    sandbox.write("more.yaml", "services: { api: { environment: [TOKEN=x] } }\n");
    let found = sandbox.run(&CHECK).expect(3).stdout;
    assert!(found.contains("env file api.env does not exist"), "{found}");
}

#[test]
fn extended_services_give_what_they_have() {
    let sandbox = prepared(
        "services:\n  api:\n    extends: { file: common/base.yaml, service: base }\n    image: ghcr.io/ws/api:1.0\n",
    );
    sandbox.write("common/base.yaml", "services:\n  base:\n    env_file: base.env\n");
    sandbox.write("common/base.env", "TOKEN=\n");
    let found = sandbox.run(&CHECK).expect(3).stdout;
    assert!(found.contains("--> common/base.env:1\n"), "{found}");
    sandbox.write("common/base.env", "TOKEN=x\n");
    sandbox.ok(&CHECK);
}

#[test]
fn what_compose_refuses_is_refused_with_its_place() {
    let service = "services:\n  api:\n    image: ghcr.io/ws/api:1.0\n";
    let refused = |compose: &str, other: &[u8], words: &[&str]| {
        let sandbox = prepared(compose);
        sandbox.write("other.yaml", other);
        refused(&sandbox, &CHECK, 2, words);
    };
    let including = format!("include: [other.yaml]\n{service}");
    refused(
        &including,
        b"include: [compose.yaml]\n",
        &[
            "files include each other in a circle: compose.yaml \u{2192} other.yaml \u{2192} compose.yaml",
            "--> other.yaml:1:11",
            "help: remove one of the `include`",
        ],
    );
    refused(
        &including,
        service.as_bytes(),
        &[
            "service api is also defined in other.yaml, which is included",
            "--> compose.yaml:3:3",
        ],
    );
    refused(
        &including,
        b"services:\n  b: \xff\n",
        &["cannot read other.yaml: it is not UTF-8"],
    );
    let large = format!("services: {{ b: {{ image: x }} }}\n{}", "# x\n".repeat(300_000));
    refused(
        &including,
        large.as_bytes(),
        &["cannot read other.yaml: it has more than 1048576 bytes"],
    );
    refused(
        &including.replace("other", "no"),
        b"",
        &["file no.yaml does not exist", "--> compose.yaml:1:11"],
    );
    refused(
        &format!("{service}    extends: {{ file: other.yaml, service: api }}\n"),
        b"services: { api: { extends: { file: compose.yaml, service: api } } }\n",
        &["services extend each other in a circle: api \u{2192} api"],
    );
    refused(
        &format!("{service}    depends_on: [db]\n  db:\n    image: x\n    depends_on: [api]\n"),
        b"",
        &[
            "services depend on each other in a circle: api \u{2192} db \u{2192} api",
            "--> compose.yaml:4:18",
        ],
    );
}

#[test]
fn the_text_of_files_that_are_no_compose_files_is_not_shown() {
    for (secret, place) in [
        ("TOKEN=hunter2\n", "home/file:1:1: this is not a compose file"),
        ("root:x:hunter2:\nhunter2: [\n", "home/file:"),
        (
            "{\"auths\": {\"a.b\": {\"auth\": \"hunter2$hunter2 ${hunter2\"}}}\n",
            "home/file:1:2: ",
        ),
        ("hunter2: a\nhunter2: ${hunter2?hunter2}\n", "home/file:1:1: "),
    ] {
        for naming in [
            "include: [home/file]\n",
            "services: { api: { extends: { file: home/file, service: api } } }\n",
        ] {
            let sandbox = prepared(naming);
            sandbox.write("home/file", secret);
            let words = [place, "compose.yaml:1:", "help: correct the path"];
            let outcome = refused(&sandbox, &CHECK, 2, &words);
            assert!(!outcome.stderr.contains("hunter2"), "{}", outcome.stderr);
        }
    }
    // Of a compose file, the line is shown.
    let sandbox = prepared("include: [other.yaml]\n");
    sandbox.write("other.yaml", "services:\n  api: [\n");
    refused(&sandbox, &CHECK, 2, &["--> other.yaml:", "api: ["]);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let sandbox = prepared("include: [pipe]\n");
    tool("mkfifo", &[sandbox.path("pipe")]);
    refused(&sandbox, &CHECK, 2, &["cannot read pipe: ", "fifo"]);
    sandbox.write("compose.yaml", "include: [home]\n");
    refused(&sandbox, &CHECK, 2, &["cannot read home: ", "directory"]);
}

#[test]
fn what_compose_fetches_is_named() {
    let sandbox: Sandbox = prepared(
        "include: [https://example.com/x.git]\nservices:\n  api:\n    image: ghcr.io/ws/api:1.0\n    environment: [TOKEN=x]\n    \
         depends_on: [elsewhere]\n",
    );
    let found = sandbox.ok(&CHECK).stdout;
    assert!(
        found.contains("warning[not-evaluated]: not evaluated: `include` of a file"),
        "{found}"
    );
}
