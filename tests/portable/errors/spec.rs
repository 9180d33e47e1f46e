//! The spec itself: keys, types, variables.

use crate::support::Sandbox;
use crate::support::refusal::{layer, refused, refused_as, spec};

#[test]
fn an_unknown_key_is_shown_with_its_line_a_caret_and_the_nearest_key() {
    let sandbox = Sandbox::new();
    spec(&sandbox, &["compresion = \"gzip\"\n"]);
    let shown = "\
error: unknown key `compresion` in `image`
 --> ./ocitect.toml:4:1
  |
4 | compresion = \"gzip\"
  | ^^^^^^^^^^
  |
  = help: did you mean `compression`?";
    refused(&sandbox, &["build"], 2, &[shown]);
}

#[test]
fn every_unknown_key_is_shown_at_once() {
    let sandbox = Sandbox::new();
    spec(
        &sandbox,
        &[
            "bass = \"scratch\"\n",
            "[[layer]]\nname = \"a\"\n",
            "[config]\nzzz = 1\n",
        ],
    );
    let words = [
        "`bass`",
        "did you mean `base`?",
        "`layer`",
        "did you mean `layers`?",
        "`zzz`",
        "known keys: ",
    ];
    refused(&sandbox, &["build"], 2, &words);
}

#[test]
fn a_wrong_type_is_shown_with_what_it_should_be() {
    let sandbox = Sandbox::new();
    spec(&sandbox, &["mode = 755\n"]);
    let shown = "error: `image.mode` has the wrong type: expected a string, found an integer
 --> ./ocitect.toml:4:8
  |
4 | mode = 755
  |        ^^^
  |
  = help: write the mode as a string of octal digits: \"0755\"";
    refused(&sandbox, &["build"], 2, &[shown]);
}

#[test]
fn a_mode_without_quotes_is_shown_how_to_be_written() {
    let sandbox = Sandbox::new();
    spec(&sandbox, &["mode = 0755\n"]);
    refused(
        &sandbox,
        &["build"],
        2,
        &[
            "./ocitect.toml:4:8",
            "= help: write the mode as a string of octal digits: \"0755\"",
        ],
    );
}

#[test]
fn text_that_is_no_toml_is_shown_where_it_breaks() {
    let sandbox = Sandbox::new();
    sandbox.write("ocitect.toml", "format = 1\n[image\n");
    refused(
        &sandbox,
        &["build"],
        2,
        &["--> ./ocitect.toml:2:7", "2 | [image\n", "unclosed table"],
    );
    sandbox.write("ocitect.toml", b"format = 1 # \xff\n");
    refused(&sandbox, &["build"], 2, &["ocitect.toml", "UTF-8"]);
}

#[test]
fn an_unset_required_variable_shows_its_own_words() {
    let sandbox = Sandbox::new();
    spec(
        &sandbox,
        &["[vars]\nTOKEN_URL = { env = \"TOKEN_URL\", required = \"set it to the address\" }\n"],
    );
    let words = [
        "error: the required variable `TOKEN_URL` is not set\n --> ./ocitect.toml:5:45",
        "^^^^^^^^^^^^^^^^^^^^^^^\n",
        "= help: set it to the address",
    ];
    refused(&sandbox, &["build"], 2, &words);
    let mut empty = sandbox.command(&["build"]);
    empty.env("TOKEN_URL", "");
    refused_as(&sandbox, empty, 2, &words);
    sandbox.ok(&["build", "--set", "TOKEN_URL=x"]);
}

#[test]
fn a_variable_without_value_and_one_that_is_unknown_are_told_apart() {
    let sandbox = Sandbox::new();
    spec(
        &sandbox,
        &["tags = [\"${VERSION}\"]\n[vars]\nVERSION = { env = \"VERSION\" }\n"],
    );
    refused(
        &sandbox,
        &["build"],
        2,
        &["`VERSION` has no value and no default", "./ocitect.toml:4:10"],
    );
    spec(&sandbox, &["tags = [\"${VERSIN}\"]\n[vars]\nVERSION = \"1\"\n"]);
    refused(
        &sandbox,
        &["build"],
        2,
        &["unknown variable `VERSIN`", "did you mean ${VERSION}?", "^^^^^^^^^"],
    );
}

#[test]
fn a_spec_is_named_where_it_cannot_be_read() {
    let sandbox = Sandbox::new();
    let words = [
        "cannot read ./ocitect.toml\n",
        "No such file or directory",
        "help: give the path of a spec",
    ];
    refused(&sandbox, &["build"], 2, &words);
    refused(
        &sandbox,
        &["build", "other.toml"],
        2,
        &["cannot read other.toml\n", "No such file or directory"],
    );
}

#[test]
fn terminal_escapes_of_a_spec_are_not_sent_to_the_terminal() {
    let sandbox = Sandbox::new();
    spec(&sandbox, &["\"\\u001b[31mred\" = 1\n", &layer("x", "/x")]);
    let outcome = refused(&sandbox, &["build"], 2, &["unknown key `\\u{1b}[31mred`"]);
    assert!(!outcome.stderr.contains('\u{1b}'), "{:?}", outcome.stderr);
}

#[test]
fn a_variable_as_a_shell_writes_it_is_refused_where_nothing_would_expand_it() {
    let sandbox = Sandbox::new();
    spec(&sandbox, &["[config]\nenv = { PATH = \"/app/bin:$PATH\" }\n"]);
    let shown = "error: `$PATH` is not expanded: variables need braces
 --> ./ocitect.toml:5:26
  |
5 | env = { PATH = \"/app/bin:$PATH\" }
  |                          ^^^^^
  |
  = help: write ${base.PATH} for the value of the base image, or $$PATH for the literal text $PATH";
    refused(&sandbox, &["build"], 2, &[shown]);
}

#[test]
fn a_variable_that_may_be_meant_is_warned_of_once() {
    let sandbox = Sandbox::new();
    spec(&sandbox, &["[config]\nenv = { A = \"$HOME/x\" }\n"]);
    let built = sandbox.ok(&["build"]);
    let warning = "warning: ./ocitect.toml:5:14: `$HOME` is not expanded";
    assert_eq!(built.stderr.matches(warning).count(), 1, "{}", built.stderr);
}

#[test]
fn a_dockerignore_is_warned_of_where_it_would_make_a_difference() {
    let sandbox = Sandbox::new();
    spec(&sandbox, &[&layer("keep", "/app")]);
    sandbox.write("keep/secret.env", "1");
    sandbox.write("keep/app", "1");
    let warning = ".dockerignore is ignored";
    for (lines, is_warned) in [
        ("*.log\n", false),
        ("**/*.env\n", true),
        ("**/*.env\n!keep/secret.env\n", false),
    ] {
        sandbox.write(".dockerignore", lines);
        let built = sandbox.ok(&["build"]);
        assert_eq!(
            built.stderr.matches(warning).count(),
            usize::from(is_warned),
            "{lines}\n{}",
            built.stderr
        );
    }
    sandbox.write(".dockerignore", "**/*.env\n");
    let built = sandbox.ok(&["build"]);
    assert!(
        built
            .stderr
            .contains("would exclude 1 packed file, such as keep/secret.env"),
        "{}",
        built.stderr
    );
    // Both decisions are accepted.
    sandbox.write(".ocitectignore", "# nothing\n");
    assert!(!sandbox.ok(&["build"]).stderr.contains(warning));
    spec(&sandbox, &["ignore-file = \".dockerignore\"\n", &layer("keep", "/app")]);
    sandbox.ok(&["build"]);
    let listed = sandbox.ok(&["ls", "oci:build/oci", "/app"]).stdout;
    assert!(
        listed.contains("/app/app") && !listed.contains("secret.env"),
        "{listed}"
    );
}

#[test]
fn files_of_other_tools_are_called_by_their_names() {
    let sandbox = Sandbox::new();
    for (name, text, what) in [
        ("Dockerfile", "FROM debian\nCOPY a /a\n", "a Dockerfile"),
        ("compose.yaml", "services:\n  app:\n    image: x\n", "YAML"),
        ("image.json", "{\"image\": 1}\n", "JSON"),
    ] {
        sandbox.write(name, text);
        let help = if what == "a Dockerfile" {
            "help: run `ocitect init` to write a spec; docs/guides/dockerfile.md"
        } else {
            "help: give the path of an ocitect.toml"
        };
        refused(
            &sandbox,
            &["build", name],
            2,
            &[&format!("expected a spec in TOML, found {what}"), help],
        );
    }
}
