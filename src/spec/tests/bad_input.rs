//! Each kind of invalid input, with a part of its message.

use super::super::SpecError;
use super::{HEAD, error_of, message_of, parse_with};
use crate::model::{Diagnostic, ErrorKind};

/// Checks texts after [`HEAD`], each with a part of the message or the hint.
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let message = message_of(&format!("{HEAD}{text}"));
        assert!(message.contains(expected), "{text}\n{message}");
        assert!(message.starts_with("nowhere/ocitect.toml:"), "{message}");
        assert_eq!(error_of(&format!("{HEAD}{text}")).error_kind(), ErrorKind::Input);
    }
}

#[test]
fn documents() {
    for (text, expected) in [
        ("", "has no `format`"),
        ("format = 1", "has no `image`"),
        ("format = 1\n[image]", "`image` has no `platforms`"),
        ("format = 2\nnew-key = 1", "newer version of ocitect"),
        ("format = 0", "unknown format"),
        (
            "format = \"1\"\n[image]\nplatforms = [\"a/b\"]",
            "expected an integer, found a string",
        ),
        ("format = 1\n[image]\nplatforms = []", "`platforms` must not be empty"),
        ("format = 1\n[image]\nplatforms = [\"linux\"]", "not a platform"),
        (
            "format = 1\n[image]\nplatforms = [\"linux/amd64\", \"linux/amd64\"]",
            "the same platform",
        ),
        (
            "format = 1\n[image]\nplatforms = [\"linux/arm64\", \"linux/arm64/v8\"]",
            "the same platform",
        ),
        ("format = 1\nformat = 1", "duplicate key"),
        ("format = ", "1:10"),
        ("format = 1\n[image]\nmode = 0755", "string of octal digits"),
        (
            "env-files = [\"${X}\"]\nformat = 1\n[image]\nplatforms = [\"a/b\"]",
            "must not contain variables",
        ),
    ] {
        let message = message_of(text);
        assert!(message.contains(expected), "{text}\n{message}");
    }
}

#[test]
fn images() {
    check(&[
        ("name = \"ghcr.io/a/b:1\"", "write name = \"ghcr.io/a/b\""),
        ("name = \"app\"", "such as ghcr.io/ME/app, or localhost/app for"),
        ("name = \"ghcr.io/A\"", "not an image reference"),
        ("tags = []", "`tags` must not be empty"),
        ("tags = [\"-x\"]", "expected 1 to 128"),
        ("index = false", "several platforms need an index"),
        (
            "base = \"node:18-slim\"",
            "did you mean docker.io/library/node:18-slim?",
        ),
        ("base = \"workspace:web\"", "belongs to none"),
        ("base = \"docker-archive:x.tar\"", "docker-archive cannot be used"),
        ("base = \"oci:\"", "empty"),
        ("max-size = \"100 apples\"", "10^6 bytes"),
        ("max-size = 0", "not a size"),
        (
            "max-size = 1.5",
            "expected a string or an integer, found a floating-point number",
        ),
        ("compression = \"gzp\"", "did you mean \"gzip\"?"),
        ("compression = \"brotli\"", "must be one of gzip, zstd, none"),
        ("level = 10", "gzip supports levels 0 to 9"),
        ("compression = \"zstd\"\nlevel = 0", "zstd supports levels 1 to 22"),
        ("compression = \"none\"\nlevel = 1", "without compression"),
        (
            "media-types = \"docker\"\ncompression = \"zstd\"",
            "Docker's media types do not support",
        ),
        (
            "media-types = \"docker\"\nannotations = { a = \"b\" }",
            "do not support annotations",
        ),
        ("annotations = { \"\" = \"b\" }", "annotation is empty"),
        ("annotations = { a = false }", "expected a string, found false"),
        ("mtime = \"yesterday\"", "RFC 3339"),
        ("mtime = -1", "1970-01-01"),
        ("mtime = 2024-01-01", "RFC 3339"),
        ("mode = 755", "string of octal digits"),
        ("mode = \"0999\"", "not a mode"),
        ("owner = \"a:b:c\"", "not a valid name"),
        ("owner = 1000", "the owner as a string"),
        ("ignore-file = \"\"", "ignore file"),
        ("platform = [\"x\"]", "did you mean `platforms`?"),
    ]);
}

#[test]
fn users_groups_and_dirs() {
    check(&[
        ("[[users]]\nname = \"a\"", "has no `uid`"),
        ("[[users]]\nname = \"a:b\"\nuid = 1", "not a valid name"),
        ("[[users]]\nname = \"12\"\nuid = 1", "digits only"),
        ("[[users]]\nname = \"a\"\nuid = -1", "not an id"),
        ("[[users]]\nname = \"a\"\nuid = 4294967295", "not an id"),
        (
            "[[users]]\nname = \"a\"\nuid = 1\n[[users]]\nname = \"a\"\nuid = 2",
            "is defined twice",
        ),
        (
            "[[users]]\nname = \"a\"\nuid = 1\n[[users]]\nname = \"b\"\nuid = 1",
            "used by another user",
        ),
        ("[[users]]\nname = \"a\"\nuid = 1\nhome = \"x\"", "not an absolute path"),
        (
            "[[users]]\nname = \"a\"\nuid = 1\nhome = \"/a:b\"",
            "must not contain colons",
        ),
        (
            "[[groups]]\nname = \"a\"\ngid = 1\n[[groups]]\nname = \"b\"\ngid = 1",
            "used by another group",
        ),
        (
            "[[groups]]\nname = \"a\"\ngid = 1\nmembers = [\"a b\"]",
            "not a valid name",
        ),
        ("[[dirs]]\npath = \"work\"", "not an absolute path"),
        ("[[dirs]]\npath = \"/\"", "root of the image"),
        ("[[dirs]]\npath = \"/a/../b\"", "points outside of the image"),
        ("[[dirs]]\npath = \"/a/.wh.b\"", "begins with .wh."),
    ]);
}

#[test]
fn layers() {
    let layer = |text: &str| format!("[[layers]]\nname = \"a\"\n{text}");
    let entry = |text: &str| layer(&format!("files = [{{ from = \"x\", to = \"/x\", {text} }}]"));
    let cases = [
        ("[[layers]]\nfiles = []".to_owned(), "has no `name`"),
        ("[[layers]]\nname = \"filesystem\"".to_owned(), "is reserved for"),
        ("[[layers]]\nname = \"\"".to_owned(), "must not be empty"),
        (format!("{0}\n{0}", layer("")), "is defined twice"),
        (layer("platforms = []"), "`platforms` of this layer must not be empty"),
        (layer("platforms = [\"linux/arm46\"]"), "did you mean linux/arm64?"),
        (layer("level = 99"), "gzip supports levels"),
        (layer("remove = [\"/\"]"), "root of the image"),
        (layer("remove = [\"etc\"]"), "not an absolute path"),
        (layer("links = [{ path = \"/a\", target = \"\" }]"), "must not be empty"),
        (
            layer("links = [{ path = \"/a/\", target = \"b\" }]"),
            "must not end in /",
        ),
        (layer("files = [{ from = \"x\" }]"), "has no `to`"),
        (
            layer("files = [{ from = \"x\", to = \"x\" }]"),
            "paths in the image begin with /",
        ),
        (
            layer("files = [{ from = \"x\", to = \"/../x\" }]"),
            "points outside of the image",
        ),
        (layer("files = [{ from = \"\", to = \"/x\" }]"), "must not be empty"),
        (
            layer("files = [{ from = \"docker://ghcr.io/a\", to = \"/x\" }]"),
            "docker://REF#/path",
        ),
        (
            layer("files = [{ from = \"docker://a#/b\", to = \"/x\" }]"),
            "did you mean docker.io/library/a?",
        ),
        (
            layer("files = [{ from = \"oci:a#/../b\", to = \"/x\" }]"),
            "points outside of the image",
        ),
        (
            layer("files = [{ from = \"oci:a#/b\", to = \"/x\", unpack = true }]"),
            "cannot be unpacked",
        ),
        (entry("strip = 1"), "`strip` requires `unpack`"),
        (entry("unpack = true, strip = -1"), "0 or more"),
        (entry("keep-modes = true"), "`keep-modes` requires `unpack`"),
        (entry("unpack = true, xattrs = [\"user.*\"]"), "from the disk only"),
        (
            entry("xattrs = [\"user.a\", \"trusted.overlay.opaque\"]"),
            "\"trusted.overlay.opaque\" belongs to a storage driver",
        ),
        (entry("xattrs = [\"security.sel*\"]"), "only security.capability"),
        (
            entry("capabilities = [\"cap_net_bind_servce\"]"),
            "did you mean cap_net_bind_service?",
        ),
        (entry("capabilities = [\"everything\"]"), "capabilities(7)"),
        (entry("excludes = []"), "did you mean `exclude`?"),
    ];
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(text, expected)| (text.as_str(), *expected))
        .collect();
    check(&cases);
}

#[test]
fn configs() {
    let cases = [
        ("workdir = \"app\"", "not an absolute path"),
        (
            "env = { \"A=B\" = \"1\" }",
            "not a valid name of an environment variable",
        ),
        ("env = { A = 1 }", "write numbers and true as strings"),
        ("env = { A = true }", "expected a string or false, found true"),
        ("env = { A = \"a\\u0000b\" }", "contains a NUL character"),
        ("labels = { \"\" = \"x\" }", "label is empty"),
        ("ports = [3000]", "the port as a string"),
        ("ports = [\"0\"]", "not a valid port"),
        ("ports = [\"65536\"]", "not a valid port"),
        ("ports = [\"+80\"]", "not a valid port"),
        ("ports = [\"80/icmp\"]", "not a valid port"),
        ("ports = [\"8000-8010\"]", "list each port of a range"),
        ("volumes = [\"data\"]", "not an absolute path"),
        ("stop-signal = \"SIGFOO\"", "not a Linux signal"),
        ("stop-signal = \"SIGTREM\"", "did you mean SIGTERM?"),
        ("stop-signal = \"kil\"", "did you mean SIGKILL?"),
        ("stop-signal = \"\"", "not a Linux signal"),
        ("stop-signal = \"0\"", "not a Linux signal"),
        ("stop-signal = \"65\"", "a number from 1 to 64"),
        ("stop-signal = \"SIGRTMIN+16\"", "not a Linux signal"),
        ("stop-signal = \"SIGRTMAX-0\"", "not a Linux signal"),
        ("stop-signal = \"SIGSIGTERM\"", "not a Linux signal"),
        (
            "required-env = [\"A B\"]",
            "not a valid name of an environment variable",
        ),
        ("entrypoint = \" \"", "the command is empty"),
        ("entrypoint = [1]", "expected a string, found an integer"),
        ("cmd = { a = 1 }", "expected a string or a list, found a table"),
        ("shell = []", "at least one word"),
        ("healthcheck = true", "expected false or a table, found true"),
        ("healthcheck = {}", "has no `test`"),
        ("healthcheck = { test = [\"/x\"] }", "must begin with"),
        ("healthcheck = { test = [\"CMD\"] }", "wrong number of words"),
        ("healthcheck = { test = \"x\", interval = \"30\" }", "not a duration"),
        (
            "healthcheck = { test = \"x\", interval = 30 }",
            "the duration as a string",
        ),
        ("healthcheck = { test = \"x\", timeout = \"1us\" }", "at least 1ms"),
        ("healthcheck = { test = \"x\", retries = -1 }", "0 or more"),
        (
            "healthcheck = { test = \"x\", start_period = \"1s\" }",
            "did you mean `start-period`?",
        ),
        ("env = { A = \"${base.NOPE}\" }", "the base's environment has no `NOPE`"),
    ];
    let cases = cases.map(|(text, expected)| (format!("[config]\n{text}"), expected));
    let cases: Vec<(&str, &str)> = cases
        .iter()
        .map(|(text, expected)| (text.as_str(), *expected))
        .collect();
    check(&cases);
}

#[test]
fn checks_and_platforms() {
    check(&[
        ("[check]\nallow = [\"runs-as-root\"]", "code:pattern"),
        ("[check]\ndeny = [\"Runs As Root\"]", "unknown check code"),
        ("[platform.\"linux/arm46\"]", "did you mean linux/arm64?"),
        ("[platform.linux]", "not a platform"),
        (
            "[platform.\"linux/arm64\"]\n[platform.\"linux/arm64/v8\"]",
            "two tables for one platform",
        ),
        (
            "[platform.\"linux/arm64\"]\nformat = 1",
            "set it once for all platforms",
        ),
        (
            "[platform.\"linux/arm64\"]\nimage = { tags = [\"x\"] }",
            "set it once for all platforms",
        ),
        ("[platform.\"linux/arm64\"]\nlayer = []", "did you mean `layers`?"),
        (
            "[platform.\"linux/arm64\"]\nlayers = [{ name = \"a\" }, { name = \"a\" }]",
            "is defined twice",
        ),
        (
            "[[layers]]\nname = \"a\"\n[platform.\"linux/arm64\"]\nlayers = [{ name = \"a\" }, { name = \"a\" }]",
            "have the same name",
        ),
    ]);
}

#[test]
fn variables() {
    check(&[
        ("base = \"${NOPE}\"", "unknown variable `NOPE`"),
        ("base = \"${NOPE}\"", "write $${NOPE} for the literal text"),
        (
            "base = \"${VERSIN}\"\n[vars]\nVERSION = \"1\"",
            "did you mean ${VERSION}?",
        ),
        (
            "base = \"${A}\"\n[vars]\nA = { env = \"A\" }",
            "has no value and no default",
        ),
        ("base = \"${base.PATH}\"", "is used outside `[config]`"),
        ("base = \"${A\"", "has no closing"),
        ("base = \"${A B}\"", "not a valid variable name"),
        ("base = \"${A:+x}\"", ":-default}"),
        ("base = \"${A:?say what}\"\n[vars]\nA = { env = \"A\" }", "say what"),
        (
            "base = \"${A}\"\n[vars]\nA = \"${B}\"\nB = \"${A}\"",
            "refers to itself: A -> B -> A",
        ),
        (
            "[vars]\nA = { env = \"A\", required = \"set it\" }",
            "the required variable `A` is not set",
        ),
        ("[vars]\nA = { required = \"set it\" }", "set it"),
        ("[vars]\narch = \"x\"", "is a built-in variable"),
        ("[vars]\n\"a-b\" = \"x\"", "not a valid variable name"),
        ("[vars]\nA = 1", "expected a string or a table, found an integer"),
        ("[vars]\nA = { enc = \"A\" }", "did you mean `env`?"),
        ("tags = [\"${arch}\"]", "differs by platform"),
        ("tags = [\"${A}\"]\n[vars]\nA = \"${os}\"", "differs by platform"),
        (
            "tags = [\"${A}\"]\n[vars]\nA = \"1\"\n[platform.\"linux/arm64\".vars]\nA = \"2\"",
            "differs by platform",
        ),
    ]);
}

#[test]
fn a_variable_that_is_set_to_nothing_is_unset() {
    let text = format!("{HEAD}[vars]\nA = {{ env = \"A\", required = \"set it\" }}");
    assert!(parse_with(&text, &[("A", "")], &[]).is_err());
    assert!(parse_with(&text, &[("A", "1")], &[("A", "")]).is_err());
    assert!(parse_with(&text, &[("A", "1")], &[]).is_ok());
}

#[test]
fn set_of_an_unknown_variable() {
    let text = format!("{HEAD}[vars]\nVERSION = \"1\"");
    let error = parse_with(&text, &[], &[("VERSIO", "2")]).unwrap_err();
    assert!(matches!(error, SpecError::UnknownSet { .. }));
    assert_eq!(error.help().as_deref(), Some("did you mean VERSION?"));
    assert_eq!(error.error_kind(), ErrorKind::Input);
}

#[test]
fn a_blow_up_of_variables_ends() {
    let mut text = format!("{HEAD}base = \"${{A60}}\"\n[vars]\nA0 = \"\"\n");
    for at in 1..=60 {
        text.push_str(&format!("A{at} = \"${{A{0}}}${{A{0}}}\"\n", at - 1));
    }
    assert!(
        message_of(&text).contains("too many nested variables"),
        "{}",
        message_of(&text)
    );
    let deep = format!("{HEAD}base = \"{}{}\"", "${A:-".repeat(5000), "}".repeat(5000));
    assert!(message_of(&deep).contains("nested too deeply"));
}
