use super::*;

fn words(text: &str) -> Option<String> {
    first_command(text).map(|command| command.words.join("|"))
}

#[test]
fn the_first_program_of_a_text_is_found() {
    for (text, expected) in [
        ("node dist/index.js", "node|dist/index.js"),
        ("  exec node 'a b' \"c d\" e\\ f", "node|a b|c d|e f"),
        ("NODE_ENV=production X=\"$Y z\" node x.js $ARGS last", "node|x.js"),
        ("cd /app && set -e; exec python -m \"my.app\"", "python|-m|my.app"),
        (
            "# a comment\nexport A=b\nnginx -g 'daemon off;'",
            "nginx|-g|daemon off;",
        ),
        ("curl -f http://localhost:${PORT:-3000}/health || exit 1", "curl|-f"),
        ("echo \"starting $(date)\"; exec app 2>&1 >/dev/null", "app"),
        ("umask 022 && 'my app' < /dev/null", "my app"),
        ("a\\\n  b", "a|b"),
    ] {
        assert_eq!(words(text).as_deref(), Some(expected), "{text}");
    }
    assert_eq!(first_command("cd /app; cd x && node").unwrap().folders, ["/app", "x"]);
}

#[test]
fn what_only_a_shell_knows_is_not_guessed() {
    for text in [
        "",
        "$CMD x",
        "\"$(which node)\" x",
        "`which node`",
        "/usr/bin/n*de",
        "~/bin/app",
        "[ -f /x ] && node",
        "[[ -f /x ]] && node",
        "test -f x",
        "if true; then node; fi",
        "for x in a b; do node; done",
        "{ node; }",
        "(node)",
        "f() { node; }; f",
        "! node",
        "cd $X && node",
        "cd - && node",
        "cd /app || node",
        "PATH=/x node",
        "export PATH=/x:$PATH; node",
        "export $X; node",
        "set -- $X; node",
        ". /env; node",
        "source /env && node",
        "eval node",
        "command -v node",
        "exec -a x node",
        "exec \"$@\"",
        "exec > /log",
        "'never ends",
        "\"never ends",
        "${never",
        "# only a comment",
        "trap x EXIT; node",
        "cat <<END\nx\nEND",
        "> file",
    ] {
        let found = words(text).filter(|words| !words.starts_with("cat"));
        assert_eq!(found, None, "{text}");
    }
}

#[test]
fn a_command_that_something_stands_in_for_does_not_decide() {
    for (text, expected) in [
        ("curl x", true),
        ("curl x || exit 1", true),
        ("curl x||exit", true),
        ("curl x || exit 0", false),
        ("curl x || wget x || exit 1", false),
        ("curl x || true", false),
        ("curl x || kill 1", true),
        ("curl x && echo ok || exit 1", true),
        ("curl x && echo ok || true", false),
        ("curl x | grep ok || exit 1", true),
        ("curl x;", true),
        ("curl x; echo", false),
        ("curl x & node", false),
        ("set -e; curl x; echo", true),
        ("set -eu\ncurl x\necho", true),
        ("exec curl x || wget", true),
        ("curl x || (exit 1)", false),
        ("curl \"$(date; x)\" || exit 1", true),
    ] {
        assert_eq!(first_command(text).unwrap().is_decisive, expected, "{text}");
    }
}
