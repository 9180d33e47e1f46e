//! Keys that users of Dockerfiles, compose files and other tools write, and the hints for them.

use super::{HEAD, config, message_of, parse_with, with_head};

/// Checks texts after [`HEAD`], each with a part of the message or of its help.
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let message = message_of(&format!("{HEAD}{text}"));
        assert!(message.contains(expected), "{text}\n{message}");
    }
}

#[test]
fn a_key_in_the_wrong_table_is_shown_its_own() {
    check(&[
        ("entrypoint = [\"/x\"]", "`entrypoint` is a key of [config]"),
        ("cmd = [\"/x\"]", "is a key of [config]"),
        ("env = { A = \"1\" }", "is a key of [config]"),
        ("labels = { A = \"1\" }", "is a key of [config]"),
        ("user = \"1\"", "is a key of [config]"),
        ("files = []", "is a key of [[layers]]"),
        ("format = 1", "the top level, before the first table"),
        ("allow = []", "is a key of [check]"),
        ("[config]\ntags = [\"x\"]", "is a key of [image]"),
        ("[config]\ninterval = \"1s\"", "is a key of [config.healthcheck]"),
        (
            "[[layers]]\nname = \"a\"\nfrom = \"x\"",
            "an entry of `files` in [[layers]]",
        ),
        (
            "[[layers]]\nname = \"a\"\nexclude = []",
            "an entry of `files` in [[layers]]",
        ),
        ("[healthcheck]\ntest = \"x\"", "`healthcheck` is a key of [config]"),
        ("[[files]]\nfrom = \"x\"", "`files` is a key of [[layers]]"),
        ("[[dirs]]\npath = \"/x\"\nuid = 1", "is a key of [[users]]"),
    ]);
    for (text, expected) in [
        (
            "platforms = [\"linux/amd64\"]\nformat = 1",
            "`platforms` is a key of [image]",
        ),
        ("name = \"x\"\nformat = 1", "`name` is a key of [image]"),
        ("base = \"x\"\nformat = 1", "`base` is a key of [image]"),
        (
            "entrypiont = \"x\"\nformat = 1",
            "did you mean `entrypoint` of [config]?",
        ),
    ] {
        let message = message_of(text);
        assert!(message.contains(expected), "{text}\n{message}");
    }
}

#[test]
fn keys_of_other_tools_are_translated() {
    check(&[
        ("[config]\nexpose = [80]", "use `ports`"),
        ("[config]\nenvironment = { A = \"1\" }", "use `env`"),
        ("[config]\nworking_dir = \"/x\"", "use `workdir`"),
        ("[config]\nWorkingDir = \"/x\"", "use `workdir`"),
        ("[config]\ncommand = \"x\"", "use `cmd`"),
        ("[config]\nvolume = [\"/x\"]", "use `volumes`"),
        ("[config]\nlabel = { a = \"b\" }", "use `labels`"),
        ("copy = []", "`files` of [[layers]]"),
        ("[[copy]]\nsrc = \"a\"", "`files` of [[layers]]"),
        ("run = [\"apt-get\"]", "does not run build commands"),
        ("packages = [\"curl\"]", "does not install packages"),
        ("dockerfile = \"Dockerfile\"", "does not read Dockerfiles"),
        ("repository = \"ghcr.io/me/app\"", "use `name` in [image]"),
        ("arch = \"amd64\"", "use `platforms`"),
        ("version = \"1\"", "`tags` of [image]"),
        (
            "[[layers]]\nname = \"a\"\nfiles = [{ src = \"a\", dest = \"/a\" }]",
            "use `from`",
        ),
        (
            "[[layers]]\nname = \"a\"\nfiles = [{ from = \"a\", dest = \"/a\" }]",
            "use `to`",
        ),
        (
            "[[layers]]\nname = \"a\"\nfiles = [{ from = \"a\", to = \"/a\", chown = \"1\" }]",
            "use `owner`",
        ),
        ("[[layers]]\nname = \"a\"\nsymlinks = []", "use `links`"),
    ]);
}

#[test]
fn what_is_required_says_how_it_is_written() {
    for (text, expected) in [
        (
            "[image]\nplatforms = [\"linux/amd64\"]",
            "write `format = 1` as the first line",
        ),
        ("format = 1", "add a table [image]"),
        ("format = 1\n[image]", "such as platforms = "),
        (
            "format = 1\n[image]\nplatforms = [\"linux/amd64\"]\n[[layers]]\nfiles = []",
            "give the layer a unique name",
        ),
    ] {
        let message = message_of(text);
        assert!(message.contains(expected), "{text}\n{message}");
    }
}

#[test]
fn a_file_of_another_tool_is_called_by_its_name() {
    for (text, expected) in [
        (
            "FROM debian:12\nCOPY a /a\n",
            "expected a spec in TOML, found a Dockerfile",
        ),
        ("{\"format\": 1}", "found JSON"),
        ("format: 1\nimage:\n  name: x\n", "found YAML"),
    ] {
        let message = message_of(text);
        assert!(message.contains(expected), "{text}\n{message}");
    }
}

#[test]
fn tags_say_what_can_be_written() {
    check(&[
        ("tags = [\"1.0.0+abc\"]", "write \"1.0.0-abc\""),
        ("tags = [\"feature/x\"]", "write \"feature-x\""),
        ("name = \"https://ghcr.io/me/app\"", "did you mean ghcr.io/me/app?"),
        ("name = \"ghcr.io/Me/App\"", "did you mean ghcr.io/me/app?"),
        ("name = \"ghcr.io/me/app:1.0\"", "write name = \"ghcr.io/me/app\""),
        ("base = \"docker://debian\"", "did you mean docker.io/library/debian?"),
    ]);
}

#[test]
fn a_dollar_sign_without_braces_is_an_error_where_a_variable_is_meant() {
    check(&[
        ("[config]\nenv = { PATH = \"/app/bin:$PATH\" }", "write ${base.PATH}"),
        (
            "[config]\nenv = { PATH = \"/app/bin:$PATH\" }",
            "or $$PATH for the literal text",
        ),
        (
            "[config]\nenv = { LD_LIBRARY_PATH = \"$LD_LIBRARY_PATH:/x\" }",
            "write ${base.LD_LIBRARY_PATH}",
        ),
        ("[config]\nenv = { A = \"$arch\" }", "write ${arch}"),
        ("[config]\nworkdir = \"/srv/$TARGETARCH\"", "write ${arch}"),
        ("tags = [\"$VERSION\"]\n[vars]\nVERSION = \"1\"", "write ${VERSION}"),
        ("tags = [\"$VERSION\"]", "write ${VERSION}, and add VERSION to [vars]"),
        ("base = \"ghcr.io/me/base:$TARGETVARIANT\"", "write ${variant}"),
        ("name = \"ghcr.io/me/$app\"", "write ${app}"),
        (
            "[[layers]]\nname = \"a\"\nfiles = [{ from = \"dist/$arch/x\", to = \"/x\" }]",
            "write ${arch}",
        ),
        (
            "[[layers]]\nname = \"a\"\nfiles = [{ from = \"x\", to = \"/x/$TARGETPLATFORM\" }]",
            "write ${os}/${arch}",
        ),
        (
            "[[layers]]\nname = \"a\"\nlinks = [{ path = \"/a\", target = \"/b/$arch\" }]",
            "write ${arch}",
        ),
        (
            "[platform.\"linux/arm64\".config]\nenv = { PATH = \"/app/bin:$PATH\" }",
            "write ${base.PATH}",
        ),
    ]);
    let message = message_of(&format!(
        "{HEAD}[config]\nenv = {{ PATH = \"/app/bin:$PATH\", LIB = \"$LIB\" }}\n"
    ));
    assert!(message.contains("(and 1 more)"), "{message}");
}

#[test]
fn a_dollar_sign_that_may_be_a_variable_is_warned_of() {
    for text in [
        "[config]\nenv = { A = \"$HOME/x\" }",
        "[config]\nworkdir = \"/srv/$app\"",
        "[config]\nvolumes = [\"/$DATA\"]",
        "[[dirs]]\npath = \"/$data\"",
        "[[layers]]\nname = \"a\"\nfiles = [{ from = \"x\", to = \"/srv/$name/\" }]",
        "[config]\nlabels = { version = \"$VERSION\" }\n[vars]\nVERSION = \"1\"",
        "annotations = { version = \"v$VERSION\" }\n[vars]\nVERSION = \"1\"",
        "[vars]\nA = \"$B\"\nB = \"1\"",
        "[vars]\nA = { default = \"$arch\" }",
    ] {
        let spec = with_head(text);
        let [warning] = spec.warnings() else {
            panic!("{text}: {:?}", spec.warnings())
        };
        assert!(warning.starts_with("nowhere/ocitect.toml:"), "{warning}");
        assert!(warning.contains("is not expanded"), "{warning}");
    }
}

#[test]
fn a_dollar_sign_that_is_meant_is_left_alone() {
    for text in [
        "[config]\nenv = { A = \"$$HOME\", B = \"cost $5\", C = \"a $ b\", D = \"$argon2id$v=19$m=65536$c2FsdA\" }",
        "[config]\nenv = { FORMAT = \"$remote_addr - $status\", H = \"$2b$12$N9qo8uLOickgx2ZMRZoMye\" }",
        "[config]\nentrypoint = \"exec /app/server --port $PORT\"\ncmd = [\"sh\", \"-c\", \"echo $PATH\"]",
        "[config]\nhealthcheck = { test = \"curl localhost:$PORT\" }\nshell = [\"/bin/sh\", \"-c\", \"$X\"]",
        "[config]\nlabels = { rule = \"Host(`x`) && PathPrefix($PREFIX)\" }",
        "[[layers]]\nname = \"a\"\nfiles = [{ from = \"classes/Outer$Inner.class\", to = \"/x/Outer$Inner.class\" }]",
        "[[layers]]\nname = \"a\"\nfiles = [{ from = \"x\", to = \"/x\", exclude = [\"$RECYCLE.BIN\"] }]",
    ] {
        assert_eq!(with_head(text).warnings(), [""; 0], "{text}");
    }
}

#[test]
fn a_variable_of_the_base_is_named_where_it_can_be_used() {
    check(&[
        (
            "[config]\nenv = { PATH = \"/app/bin:${PATH}\" }",
            "write ${base.PATH} for the value of the base image",
        ),
        ("[config]\nworkdir = \"${HOME}\"", "write ${base.HOME}"),
        (
            "[[layers]]\nname = \"a\"\nfiles = [{ from = \"dist/${TARGETARCH}\", to = \"/x\" }]",
            "write ${arch}",
        ),
    ]);
    let outside = message_of(&format!("{HEAD}base = \"${{PATH}}\""));
    assert!(
        !outside.contains("base.PATH") && outside.contains("add it to [vars]"),
        "{outside}"
    );
}

#[test]
fn a_required_variable_shows_its_message_where_it_is_used() {
    let vars = "[vars]\nVERSION = { env = \"RELEASE\", required = \"set it to the release's number\" }\n";
    for (text, environment) in [
        (format!("{HEAD}tags = [\"${{VERSION}}\"]\n{vars}"), &[][..]),
        (
            format!("{HEAD}tags = [\"${{VERSION}}\"]\n{vars}"),
            &[("RELEASE", "")][..],
        ),
        (format!("{HEAD}name = \"ghcr.io/me/${{VERSION}}\"\n{vars}"), &[][..]),
        (format!("{HEAD}{vars}"), &[][..]),
        (format!("{HEAD}{vars}[config]\nworkdir = \"/${{VERSION}}\"\n"), &[][..]),
    ] {
        let error = parse_with(&text, environment, &[]).unwrap_err();
        let shown = format!("{error} {}", crate::model::Diagnostic::help(&error).unwrap());
        assert!(
            shown.contains("the required variable `VERSION` is not set (in the environment: RELEASE)"),
            "{shown}"
        );
        assert!(shown.contains("set it to the release's number"), "{shown}");
    }
}

#[test]
fn signals_are_taken_as_docker_takes_them() {
    for signal in [
        "SIGTERM",
        "TERM",
        "sigint",
        "15",
        "SIGRTMIN+3",
        "RTMAX-1",
        "SIGRTMIN",
        "RTMAX",
        "SIGQUIT",
        "64",
    ] {
        let stop_signal = config(&format!("[config]\nstop-signal = \"{signal}\"")).stop_signal;
        assert_eq!(stop_signal.as_deref(), Some(signal));
    }
    check(&[
        ("[config]\nstop-signal = \"SIGRTMIN+\"", "not a Linux signal"),
        ("[config]\nstop-signal = \"-1\"", "not a Linux signal"),
    ]);
}
