//! Output on a terminal and with base images, and exit statuses of real registries.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::support::{Outcome, Sandbox, on_terminal, part};

const HELLO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/hello");
const ESCAPE: char = '\u{1b}';

/// Returns a command's output on a terminal: stdout and stderr together, with the escape codes.
fn on_a_terminal(sandbox: &Sandbox, line: &str, variables: &[(&str, &str)]) -> String {
    shell_on_a_terminal(sandbox, &format!("\"$PROGRAM\" {line}"), variables)
}

/// Returns the output of a shell on a terminal. `$PROGRAM` is the binary.
fn shell_on_a_terminal(sandbox: &Sandbox, script_text: &str, variables: &[(&str, &str)]) -> String {
    let ocitect = sandbox.command(&[]);
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command", script_text, "/dev/null"])
        .current_dir(sandbox.root())
        .env_clear();
    script.envs(ocitect.get_envs().filter_map(|(name, value)| Some((name, value?))));
    script
        .env("PROGRAM", ocitect.get_program())
        .env("TERM", "xterm-256color")
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    Outcome::of(script).stdout
}

#[test]
fn colors_are_a_choice() {
    let sandbox = Sandbox::new();
    let line = ["inspect", "oci:nowhere"];
    let run = |more: &[&str], variables: &[(&str, &str)]| {
        let mut command = sandbox.command(&[&line[..], more].concat());
        Outcome::of({
            command.envs(variables.iter().copied());
            command
        })
        .expect(6)
        .stderr
    };
    let red = "\u{1b}[1;31merror:\u{1b}[0m";
    assert!(run(&["--color", "always"], &[("NO_COLOR", "1")]).contains(red));
    assert!(run(&[], &[("CLICOLOR_FORCE", "1")]).contains(red));
    let plain = [
        run(&[], &[]),
        run(&[], &[("CLICOLOR_FORCE", "0")]),
        run(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]),
        run(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]),
    ];
    assert!(plain.iter().all(|text| text.starts_with("error: ")), "{plain:?}");
    let shown = on_a_terminal(&sandbox, "inspect oci:nowhere --color never", &[]);
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn a_terminal_gets_colour_unless_it_is_unwanted() {
    let sandbox = Sandbox::new();
    let line = "inspect oci:nowhere";
    let shown = on_a_terminal(&sandbox, line, &[]);
    assert!(shown.contains("\u{1b}[1;31merror:\u{1b}[0m"), "{shown:?}");
    let shown = on_a_terminal(&sandbox, line, &[("NO_COLOR", "1")]);
    assert!(shown.contains("error:") && !shown.contains(ESCAPE), "{shown:?}");
    sandbox.spec("[image]\nplatform = [\"linux/amd64\"]\n");
    let shown = on_a_terminal(&sandbox, "build", &[("NO_COLOR", "1")]);
    assert!(
        shown.contains("ocitect.toml:3:1") && !shown.contains(ESCAPE),
        "{shown:?}"
    );
    assert!(on_a_terminal(&sandbox, "build", &[]).contains(ESCAPE));
}

#[test]
fn a_terminal_without_a_type_gets_lines() {
    let image = "[image]\nplatforms = [\"linux/amd64\"]\n[config]\nentrypoint = [\"/missing\"]\n";
    for before in ["export TERM=dumb", "export TERM=", "unset TERM"] {
        let sandbox = Sandbox::new();
        sandbox.spec(image).write("new/go.mod", "module new\n");
        let shown = shell_on_a_terminal(
            &sandbox,
            &format!("{before}; \"$PROGRAM\" build; \"$PROGRAM\" init new; \"$PROGRAM\" build '{HELLO}'"),
            &[("NO_COLOR", "1")],
        );
        for line in [
            "error[entrypoint-missing]: linux/amd64 /missing",
            "warning[runs-as-root]: ",
            "wrote new/ocitect.toml for ",
            "packed program for linux/arm64",
        ] {
            assert!(
                lines(&shown).any(|shown| shown.starts_with(line)),
                "{before}: {shown:?}"
            );
        }
        assert!(!shown.contains(ESCAPE), "{before}: {shown:?}");
    }
}

/// Returns the lines of a terminal that end with a line end, without it.
fn lines(shown: &str) -> impl Iterator<Item = &str> {
    shown.split_inclusive('\n').filter_map(|line| line.strip_suffix("\r\n"))
}

#[test]
fn each_line_on_a_terminal_ends_with_a_line_end() {
    let sandbox = Sandbox::new();
    sandbox.write("new/go.mod", "module new\n");
    let variables = [("NO_COLOR", "1")];
    let shown = shell_on_a_terminal(&sandbox, "\"$PROGRAM\" init new; echo after", &variables);
    assert!(
        !shown.contains(" \r\n") && shown.ends_with("\r\nafter\r\n"),
        "{shown:?}"
    );
    let failed = shell_on_a_terminal(&sandbox, "\"$PROGRAM\" build new; echo after", &variables);
    assert!(failed.ends_with("\r\nafter\r\n"), "{failed:?}");
}

/// Writes a spec with a layer that takes longer to compress than the delay of a bar.
fn write_large_layer(sandbox: &Sandbox) {
    sandbox.spec("[image]\nplatforms = [\"linux/amd64\"]\n[[layers]]\nname = \"large\"\nfiles = [{ from = \"l/\", to = \"/\" }]\n");
    let line = |number: u64| format!("{:x}\n", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    sandbox.write("l/large", (0..4_000_000).map(line).collect::<String>());
}

#[test]
fn an_interrupt_leaves_no_bar() {
    let sandbox = Sandbox::new();
    write_large_layer(&sandbox);
    // The bar is drawn twice, with its text and with its spinner. It is complete when the cursor has returned to its start.
    let steps = [
        "expect=packing large",
        "expect=packing large",
        "expect=\r",
        "send=\u{3}",
    ];
    let shown = on_terminal(&sandbox, &steps, &["build"]);
    // The cursor is at the start of the bar, so that what the terminal shows for the key does not go to another line.
    let typed = shown.split_once("^C");
    let typed = typed.unwrap_or_else(|| panic!("{shown:?}"));
    assert!(typed.0.ends_with('\r'), "{shown:?}");
    assert!(typed.1.contains("\u{1b}[2Kerror: interrupted by SIGINT: "), "{shown:?}");
    assert!(shown.ends_with("\nstatus 130\necho\nend\n"), "{shown:?}");
}

#[test]
fn a_terminal_gets_a_bar_for_what_takes_time() {
    let sandbox = Sandbox::new();
    write_large_layer(&sandbox);
    let shown = on_a_terminal(&sandbox, "build", &[]);
    assert!(
        shown.contains("packing large for linux/amd64") && shown.contains('░'),
        "{shown:?}"
    );
    let last = shown.trim_end().lines().last().unwrap();
    assert!(last.starts_with("@sha256:"), "{last:?}");
    assert!(shown.contains("\u{1b}[2Kpacked large for linux/amd64\r\n"), "{shown:?}");
    let plain = on_a_terminal(&sandbox, "build --progress plain", &[]);
    assert!(!plain.contains(ESCAPE), "{plain:?}");
}

#[test]
fn exit_codes_tell_failures_apart() {
    let sandbox = Sandbox::new();
    sandbox.ok(&["build", HELLO]);
    sandbox.write("in-the-way", "");
    let budget = "format = 1\n[image]\nplatforms = [\"linux/amd64\"]\nmax-size = \"1B\"\n";
    sandbox.write("over/ocitect.toml", budget);
    let token = format!("{}/private:1", part("REGISTRY_TOKEN"));
    let missing = format!("{}/nothing:1", part("REGISTRY_OPEN"));
    for (code, arguments) in [
        (0, vec!["inspect", "oci:build/oci"]),
        (1, vec!["build", HELLO, "-o", "oci:in-the-way/oci"]),
        (2, vec!["build", HELLO, "-o", "nonsense"]),
        (3, vec!["build", "over"]),
        (4, vec!["inspect", &token]),
        (5, vec!["inspect", "registry.invalid/x:1"]),
        (6, vec!["inspect", &missing]),
    ] {
        sandbox.run(&arguments).expect(code);
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    for arguments in [
        vec!["schema"],
        vec!["completions", "zsh"],
        vec!["ls", "--json", "oci:base"],
        vec!["--help"],
    ] {
        if arguments[0] == "ls" {
            std::os::unix::fs::symlink(part("BASE"), sandbox.path("base")).unwrap();
        }
        let mut child = sandbox
            .command(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Closed before anything is written to it.
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert!(
            !said.contains("panicked") && status.code().is_some(),
            "{arguments:?}: {status} {said}"
        );
        assert!(status.success(), "{arguments:?}: {status} {said}");
    }
    // A partial archive is useless, unlike partial text: this is a failure.
    let mut child = sandbox
        .command(&["build", HELLO, "-o", "oci-archive:-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_cache_that_cannot_be_written_is_told_of_once_and_does_no_harm() {
    let sandbox = Sandbox::new();
    sandbox.write("cache", "a file in its way\n");
    let base = format!("base = \"oci:{}\"", part("BASE"));
    sandbox.spec(&format!(
        "[image]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n{base}\n"
    ));
    let built = sandbox.ok(&["build"]);
    assert_eq!(
        built.stderr.matches("warning: cannot write to the cache").count(),
        1,
        "{}",
        built.stderr
    );
}
