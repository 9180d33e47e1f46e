//! Each kind of bad input, and a part of what is said about it.

use super::super::SpecError;
use super::{HEAD, error_of, message_of, parse_with};
use crate::model::{Class, Diagnose};

/// Texts after [`HEAD`] and what the message or the hint has.
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let message = message_of(&format!("{HEAD}{text}"));
        assert!(message.contains(expected), "{text}\n{message}");
        assert!(message.starts_with("nowhere/ocitect.toml:"), "{message}");
        assert_eq!(error_of(&format!("{HEAD}{text}")).class(), Class::Input);
    }
}

#[test]
fn documents() {
    for (text, expected) in [
        ("", "lacks `format`"),
        ("format = 1", "lacks `image`"),
        ("format = 1\n[image]", "`image` lacks `platforms`"),
        ("format = 2\nnew-key = 1", "newer ocitect"),
        ("format = 0", "no such format"),
        ("format = \"1\"\n[image]\nplatforms = [\"a/b\"]", "expected an integer, found a string"),
        ("format = 1\n[image]\nplatforms = []", "at least one platform"),
        ("format = 1\n[image]\nplatforms = [\"linux\"]", "not a platform"),
        ("format = 1\n[image]\nplatforms = [\"linux/amd64\", \"linux/amd64\"]", "the same platform"),
        ("format = 1\n[image]\nplatforms = [\"linux/arm64\", \"linux/arm64/v8\"]", "the same platform"),
        ("format = 1\nformat = 1", "duplicate key"),
        ("format = ", "1:10"),
        ("format = 1\n[image]\nmode = 0755", "a mode is a string of octal digits"),
        ("env-files = [\"${X}\"]\nformat = 1\n[image]\nplatforms = [\"a/b\"]", "cannot have variables"),
    ] {
        let message = message_of(text);
        assert!(message.contains(expected), "{text}\n{message}");
    }
}

#[test]
fn images() {
    check(&[
        ("name = \"ghcr.io/a/b:1\"", "write name = \"ghcr.io/a/b\""),
        ("name = \"app\"", "did you mean docker.io/library/app?"),
        ("name = \"ghcr.io/A\"", "not an image reference"),
        ("tags = []", "at least one tag"),
        ("tags = [\"-x\"]", "a tag has 1 to 128"),
        ("index = false", "several platforms need an index"),
        ("base = \"node:18-slim\"", "did you mean docker.io/library/node:18-slim?"),
        ("base = \"workspace:web\"", "not supported yet"),
        ("base = \"docker-archive:x.tar\"", "docker-archive cannot be used"),
        ("base = \"oci:\"", "empty"),
        ("max-size = \"100 apples\"", "10^6 bytes"),
        ("max-size = 0", "not a size"),
        ("max-size = 1.5", "expected a string or an integer, found a floating-point number"),
        ("compression = \"gzp\"", "did you mean \"gzip\"?"),
        ("compression = \"brotli\"", "must be one of gzip, zstd, none"),
        ("level = 10", "gzip has the levels 0 to 9"),
        ("compression = \"zstd\"\nlevel = 0", "zstd has the levels 1 to 22"),
        ("compression = \"none\"\nlevel = 1", "without compression"),
        ("media-types = \"docker\"\ncompression = \"zstd\"", "Docker's media types have no name"),
        ("media-types = \"docker\"\nannotations = { a = \"b\" }", "no annotations"),
        ("annotations = { \"\" = \"b\" }", "annotation is empty"),
        ("annotations = { a = false }", "expected a string, found false"),
        ("mtime = \"yesterday\"", "RFC 3339"),
        ("mtime = -1", "1970-01-01"),
        ("mtime = 2024-01-01", "RFC 3339"),
        ("mode = 755", "a mode is a string of octal digits"),
        ("mode = \"0999\"", "not a mode"),
        ("owner = \"a:b:c\"", "not a name"),
        ("owner = 1000", "an owner is a string"),
        ("ignore-file = \"\"", "ignore file"),
        ("platform = [\"x\"]", "did you mean `platforms`?"),
    ]);
}

#[test]
fn users_groups_and_dirs() {
    check(&[
        ("[[users]]\nname = \"a\"", "lacks `uid`"),
        ("[[users]]\nname = \"a:b\"\nuid = 1", "not a name"),
        ("[[users]]\nname = \"12\"\nuid = 1", "taken for a number"),
        ("[[users]]\nname = \"a\"\nuid = -1", "not an id"),
        ("[[users]]\nname = \"a\"\nuid = 4294967295", "not an id"),
        ("[[users]]\nname = \"a\"\nuid = 1\n[[users]]\nname = \"a\"\nuid = 2", "stands twice"),
        ("[[users]]\nname = \"a\"\nuid = 1\n[[users]]\nname = \"b\"\nuid = 1", "another user's"),
        ("[[users]]\nname = \"a\"\nuid = 1\nhome = \"x\"", "not an absolute path"),
        ("[[users]]\nname = \"a\"\nuid = 1\nhome = \"/a:b\"", "no colon"),
        ("[[groups]]\nname = \"a\"\ngid = 1\n[[groups]]\nname = \"b\"\ngid = 1", "another group's"),
        ("[[groups]]\nname = \"a\"\ngid = 1\nmembers = [\"a b\"]", "not a name"),
        ("[[dirs]]\npath = \"work\"", "not an absolute path"),
        ("[[dirs]]\npath = \"/\"", "root of the image"),
        ("[[dirs]]\npath = \"/a/../b\"", "leaves the root of the image"),
        ("[[dirs]]\npath = \"/a/.wh.b\"", "begins with .wh."),
    ]);
}

#[test]
fn layers() {
    let layer = |text: &str| format!("[[layers]]\nname = \"a\"\n{text}");
    let entry = |text: &str| layer(&format!("files = [{{ from = \"x\", to = \"/x\", {text} }}]"));
    let cases = [
        ("[[layers]]\nfiles = []".to_owned(), "lacks `name`"),
        ("[[layers]]\nname = \"filesystem\"".to_owned(), "is kept for"),
        ("[[layers]]\nname = \"\"".to_owned(), "neither empty"),
        (format!("{0}\n{0}", layer("")), "stands twice"),
        (layer("platforms = []"), "for no platform"),
        (layer("platforms = [\"linux/arm46\"]"), "did you mean linux/arm64?"),
        (layer("level = 99"), "gzip has the levels"),
        (layer("remove = [\"/\"]"), "root of the image"),
        (layer("remove = [\"etc\"]"), "not an absolute path"),
        (layer("links = [{ path = \"/a\", target = \"\" }]"), "neither empty"),
        (layer("links = [{ path = \"/a/\", target = \"b\" }]"), "does not end in /"),
        (layer("files = [{ from = \"x\" }]"), "lacks `to`"),
        (layer("files = [{ from = \"x\", to = \"x\" }]"), "paths in the image begin with /"),
        (layer("files = [{ from = \"x\", to = \"/../x\" }]"), "leaves the root of the image"),
        (layer("files = [{ from = \"\", to = \"/x\" }]"), "neither empty"),
        (layer("files = [{ from = \"docker://ghcr.io/a\", to = \"/x\" }]"), "docker://REF#/path"),
        (layer("files = [{ from = \"docker://a#/b\", to = \"/x\" }]"), "did you mean docker.io/library/a?"),
        (layer("files = [{ from = \"oci:a#/../b\", to = \"/x\" }]"), "leaves the root"),
        (layer("files = [{ from = \"oci:a#/b\", to = \"/x\", unpack = true }]"), "cannot be unpacked"),
        (entry("strip = 1"), "`strip` is for archives"),
        (entry("unpack = true, strip = -1"), "0 or more"),
        (entry("keep-modes = true"), "`keep-modes` is for archives"),
        (entry("unpack = true, xattrs = [\"user.*\"]"), "from the disk alone"),
        (
            entry("xattrs = [\"user.a\", \"trusted.overlay.opaque\"]"),
            "\"trusted.overlay.opaque\" belongs to a storage driver",
        ),
        (entry("xattrs = [\"security.sel*\"]"), "layers carry security.capability"),
        (entry("capabilities = [\"cap_net_bind_servce\"]"), "did you mean cap_net_bind_service?"),
        (entry("capabilities = [\"everything\"]"), "capabilities(7)"),
        (entry("excludes = []"), "did you mean `exclude`?"),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|(text, expected)| (text.as_str(), *expected)).collect();
    check(&cases);
}

#[test]
fn configs() {
    let cases = [
        ("workdir = \"app\"", "not an absolute path"),
        ("env = { \"A=B\" = \"1\" }", "not a name of an environment variable"),
        ("env = { A = 1 }", "write numbers and true as strings"),
        ("env = { A = true }", "expected a string or false, found true"),
        ("env = { A = \"a\\u0000b\" }", "has a NUL character"),
        ("labels = { \"\" = \"x\" }", "label is empty"),
        ("ports = [3000]", "a port is a string"),
        ("ports = [\"0\"]", "not a port"),
        ("ports = [\"65536\"]", "not a port"),
        ("ports = [\"+80\"]", "not a port"),
        ("ports = [\"80/icmp\"]", "not a port"),
        ("ports = [\"8000-8010\"]", "list the ports of a range"),
        ("volumes = [\"data\"]", "not an absolute path"),
        ("stop-signal = \"SIGFOO\"", "not a signal of Linux"),
        ("stop-signal = \"SIGTREM\"", "did you mean SIGTERM?"),
        ("stop-signal = \"kil\"", "did you mean SIGKILL?"),
        ("stop-signal = \"\"", "not a signal"),
        ("stop-signal = \"0\"", "not a signal"),
        ("stop-signal = \"65\"", "a number from 1 to 64"),
        ("stop-signal = \"SIGRTMIN+16\"", "not a signal"),
        ("stop-signal = \"SIGRTMAX-0\"", "not a signal"),
        ("stop-signal = \"SIGSIGTERM\"", "not a signal"),
        ("required-env = [\"A B\"]", "not a name of an environment variable"),
        ("entrypoint = \" \"", "the command is empty"),
        ("entrypoint = [1]", "expected a string, found an integer"),
        ("cmd = { a = 1 }", "expected a string or a list, found a table"),
        ("shell = []", "at least one word"),
        ("healthcheck = true", "expected false or a table, found true"),
        ("healthcheck = {}", "lacks `test`"),
        ("healthcheck = { test = [\"/x\"] }", "begins with none of"),
        ("healthcheck = { test = [\"CMD\"] }", "wrong number of words"),
        ("healthcheck = { test = \"x\", interval = \"30\" }", "not a length of time"),
        ("healthcheck = { test = \"x\", interval = 30 }", "a length of time is a string"),
        ("healthcheck = { test = \"x\", timeout = \"1us\" }", "shorter than 1ms"),
        ("healthcheck = { test = \"x\", retries = -1 }", "0 or more"),
        ("healthcheck = { test = \"x\", start_period = \"1s\" }", "did you mean `start-period`?"),
        ("env = { A = \"${base.NOPE}\" }", "the base's environment has no `NOPE`"),
    ];
    let cases = cases.map(|(text, expected)| (format!("[config]\n{text}"), expected));
    let cases: Vec<(&str, &str)> = cases.iter().map(|(text, expected)| (text.as_str(), *expected)).collect();
    check(&cases);
}

#[test]
fn checks_and_platforms() {
    check(&[
        ("[check]\nallow = [\"runs-as-root\"]", "code:pattern"),
        ("[check]\ndeny = [\"Runs As Root\"]", "not a code"),
        ("[platform.\"linux/arm46\"]", "did you mean linux/arm64?"),
        ("[platform.linux]", "not a platform"),
        ("[platform.\"linux/arm64\"]\n[platform.\"linux/arm64/v8\"]", "two tables for one platform"),
        ("[platform.\"linux/arm64\"]\nformat = 1", "said once for all platforms"),
        ("[platform.\"linux/arm64\"]\nimage = { tags = [\"x\"] }", "said once for all platforms"),
        ("[platform.\"linux/arm64\"]\nlayer = []", "did you mean `layers`?"),
        ("[platform.\"linux/arm64\"]\nlayers = [{ name = \"a\" }, { name = \"a\" }]", "stands twice"),
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
        ("base = \"${NOPE}\"", "$${NOPE} keeps the text"),
        ("base = \"${VERSIN}\"\n[vars]\nVERSION = \"1\"", "did you mean ${VERSION}?"),
        ("base = \"${A}\"\n[vars]\nA = { env = \"A\" }", "neither value nor default"),
        ("base = \"${base.PATH}\"", "stands outside `[config]`"),
        ("base = \"${A\"", "without a closing"),
        ("base = \"${A B}\"", "not the name of a variable"),
        ("base = \"${A:+x}\"", ":-default}"),
        ("base = \"${A:?say what}\"\n[vars]\nA = { env = \"A\" }", "say what"),
        ("base = \"${A}\"\n[vars]\nA = \"${B}\"\nB = \"${A}\"", "names itself: A -> B -> A"),
        ("[vars]\nA = { env = \"A\", required = \"set it\" }", "the required variable `A` is not set"),
        ("[vars]\nA = { required = \"set it\" }", "set it"),
        ("[vars]\narch = \"x\"", "is built in"),
        ("[vars]\n\"a-b\" = \"x\"", "not the name of a variable"),
        ("[vars]\nA = 1", "expected a string or a table, found an integer"),
        ("[vars]\nA = { enc = \"A\" }", "did you mean `env`?"),
        ("tags = [\"${arch}\"]", "differs by platform"),
        ("tags = [\"${A}\"]\n[vars]\nA = \"${os}\"", "differs by platform"),
        ("tags = [\"${A}\"]\n[vars]\nA = \"1\"\n[platform.\"linux/arm64\".vars]\nA = \"2\"", "differs by platform"),
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
    assert_eq!(error.class(), Class::Input);
}

#[test]
fn a_blow_up_of_variables_ends() {
    let mut text = format!("{HEAD}base = \"${{A60}}\"\n[vars]\nA0 = \"\"\n");
    for at in 1..=60 {
        text.push_str(&format!("A{at} = \"${{A{0}}}${{A{0}}}\"\n", at - 1));
    }
    assert!(message_of(&text).contains("too many variables"), "{}", message_of(&text));
    let deep = format!("{HEAD}base = \"{}{}\"", "${A:-".repeat(5000), "}".repeat(5000));
    assert!(message_of(&deep).contains("nested too deeply"));
}
