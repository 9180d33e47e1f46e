//! `docs/reference/commands.md` and the man pages match the program's own help.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use crate::support::{Sandbox, tool};

const HEAD: &str = "\
# Commands

This page is the output of `ocitect COMMAND --help`. `ocitect man DIR` writes the same as man pages.

<!-- Generated. Write it again with: UPDATE_DOCS=1 cargo test --test portable commands -->
";

/// Returns the output of `--help` on a terminal of 80 columns.
fn help_of(sandbox: &Sandbox, command: &[&str]) -> String {
    help_at(sandbox, command, "80")
}

fn help_at(sandbox: &Sandbox, command: &[&str], columns: &str) -> String {
    let mut process = sandbox.command(&[command, &["--help"]].concat());
    process.env("COLUMNS", columns);
    let outcome = crate::support::Outcome::of(process).expect(0);
    let lines: Vec<&str> = outcome.stdout.lines().map(str::trim_end).collect();
    lines.join("\n")
}

/// Returns the names below `Commands:`, without `help`.
fn commands_in(help: &str) -> Vec<String> {
    let listed = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let names = listed
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Appends the sections of a command and of its own commands.
fn append(page: &mut String, sandbox: &Sandbox, command: &[&str]) {
    let help = help_of(sandbox, command);
    let title = [&["ocitect"], command].concat().join(" ");
    let level = "#".repeat(2 + command.len().saturating_sub(1));
    write!(page, "\n{level} {title}\n\n```text\n{help}\n```\n").unwrap();
    for name in commands_in(&help) {
        append(page, sandbox, &[command, &[name.as_str()]].concat());
    }
}

#[test]
fn the_page_of_commands_is_what_help_prints() {
    let sandbox = Sandbox::new();
    let mut expected = HEAD.to_owned();
    append(&mut expected, &sandbox, &[]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/commands.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap();
    assert_eq!(page, expected, "write the page again with UPDATE_DOCS=1");
}

#[test]
fn help_fits_a_terminal_of_80_columns() {
    let sandbox = Sandbox::new();
    let mut page = String::new();
    append(&mut page, &sandbox, &[]);
    let wide: Vec<&str> = page.lines().filter(|line| line.chars().count() > 80).collect();
    assert!(wide.is_empty(), "{wide:#?}");
}

#[test]
fn examples_are_not_wrapped() {
    let sandbox = Sandbox::new();
    let mut commands = vec![vec![], vec!["cache", "prune"], vec!["cache", "verify"]];
    let top = commands_in(&help_of(&sandbox, &[]));
    commands.extend(top.iter().map(|name| vec![name.as_str()]));
    for command in commands {
        let examples = |columns| {
            let help = help_at(&sandbox, &command, columns);
            let at = help
                .find("\nExample")
                .unwrap_or_else(|| panic!("no example in:\n{help}"));
            help[at..].to_owned()
        };
        assert_eq!(examples("80"), examples("100"), "{command:?}");
    }
}

#[test]
fn every_command_has_a_man_page() {
    let sandbox = Sandbox::new();
    let written = sandbox.ok(&["man", "pages"]);
    assert!(
        written
            .stderr
            .contains("man pages to pages/man1; read one: man -l pages/man1/ocitect.1"),
        "{}",
        written.stderr
    );
    for name in commands_in(&help_of(&sandbox, &[])) {
        let page = sandbox.path(format!("pages/man1/ocitect-{name}.1"));
        let shown = tool("man", &["--local-file", page.to_str().unwrap()]);
        let usage = format!("ocitect {name}");
        let words: Vec<&str> = shown.split_whitespace().collect();
        assert!(words.join(" ").contains(&usage), "{usage:?} is missing in:\n{shown}");
    }
    let shown = tool(
        "man",
        &["--local-file", sandbox.path("pages/man1/ocitect.1").to_str().unwrap()],
    );
    assert!(shown.contains("ocitect-build(1)"), "{shown}");
}
