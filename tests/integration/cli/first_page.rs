//! The commands of README.md have the output that the page shows.
//!
//! A block that begins with ```` ```console ```` has commands after `$ ` and their output, with a line `...` for lines
//! that vary and `sha256:...` for a digest that varies. A block after a line that ends with the name of a file and a
//! colon is that file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Sandbox, part, tool};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The registry that the page names.
const REGISTRY: &str = "localhost:5000";

/// The steps of a page, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Writes a file.
    File { name: String, text: String },
    /// Runs a command, which must print these lines.
    Run { command: String, output: Vec<String> },
}

fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match file_named(before) {
                Some(name) if kind != "console" => steps.push(Step::File {
                    name,
                    text: block.join("\n") + "\n",
                }),
                _ if kind == "console" => steps.extend(runs(&block)),
                _ => {}
            }
        }
        if !line.is_empty() {
            before = line;
        }
    }
    steps
}

/// Returns the name of the file that a line introduces, such as "Write `a.toml`:".
fn file_named(line: &str) -> Option<String> {
    let (before, name) = line.strip_suffix("`:")?.rsplit_once('`')?;
    let _ = before;
    Some(name.to_owned())
}

fn runs(block: &[&str]) -> Vec<Step> {
    let mut runs: Vec<Step> = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), runs.last_mut()) {
            (Some(command), _) => runs.push(Step::Run {
                command: command.to_owned(),
                output: Vec::new(),
            }),
            (None, Some(Step::Run { command, output })) if output.is_empty() && command.ends_with('\\') => {
                command.push('\n');
                command.push_str(line);
            }
            (None, Some(Step::Run { output, .. })) => output.push((*line).to_owned()),
            (None, _) => panic!("output without a command: {line:?}"),
        }
    }
    runs
}

/// Returns `true` if the printed lines match the page.
fn is_as_shown(shown: &[String], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line == "..." => {
            (0..=printed.len()).any(|skipped| is_as_shown(rest, &printed[skipped..]))
        }
        Some((line, rest)) => match printed.split_first() {
            Some((first, others)) => is_line_as_shown(line, first) && is_as_shown(rest, others),
            None => false,
        },
    }
}

fn is_line_as_shown(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split("sha256:...");
    let Some(mut rest) = printed.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    for part in parts {
        let Some(hex) = rest.strip_prefix("sha256:") else {
            return false;
        };
        let end = hex
            .find(|character: char| !character.is_ascii_hexdigit())
            .unwrap_or(hex.len());
        let Some(after) = hex[end..].strip_prefix(part) else {
            return false;
        };
        rest = after;
    }
    rest.trim_end().is_empty()
}

/// A shell that keeps its directory from one command to the next.
struct Shell<'a> {
    sandbox: &'a Sandbox,
    directory: PathBuf,
    registry: String,
}

impl Shell<'_> {
    fn take(&mut self, step: &Step) {
        match step {
            Step::File { name, text } => fs::write(self.directory.join(name), self.with_registry(text)).unwrap(),
            Step::Run { command, output } => {
                let printed = self.run(command);
                let printed: Vec<&str> = printed.lines().collect();
                assert!(
                    is_as_shown(output, &printed),
                    "$ {command}\nshown: {output:#?}\nprinted: {printed:#?}"
                );
            }
        }
    }

    /// Runs a command, and returns the output of both streams.
    fn run(&mut self, command: &str) -> String {
        let place = self.sandbox.path("directory-after");
        let script = format!("{{ {}\n}} 2>&1; pwd > {}", self.with_registry(command), place.display());
        let binary = Path::new(env!("CARGO_BIN_EXE_ocitect")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(&self.directory)
            .env("PATH", path)
            .env("OCITECT_CACHE_DIR", self.sandbox.path("cache"))
            .env("HOME", self.sandbox.path("home"))
            .env_remove("CI")
            .output()
            .unwrap();
        self.directory = fs::read_to_string(place).unwrap().trim_end().into();
        String::from_utf8(output.stdout)
            .unwrap()
            .replace(&self.registry, REGISTRY)
    }

    fn with_registry(&self, text: &str) -> String {
        text.replace(REGISTRY, &self.registry)
    }
}

#[test]
fn the_first_page_shows_what_its_commands_do() {
    let sandbox = Sandbox::new();
    let page = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let steps = steps(&page);
    let run_count = steps.iter().filter(|step| matches!(step, Step::Run { .. })).count();
    assert!(run_count > 5, "{steps:#?}");
    let checkout = sandbox.path("ocitect");
    fs::create_dir_all(checkout.join("testdata")).unwrap();
    let hello = format!("{ROOT}/testdata/hello");
    tool("cp", &["-r", &hello, checkout.join("testdata").to_str().unwrap()]);
    let mut shell = Shell {
        sandbox: &sandbox,
        directory: checkout,
        registry: part("REGISTRY_OPEN"),
    };
    for step in &steps {
        shell.take(step);
    }
}

#[test]
fn a_page_is_held_against_what_is_printed() {
    let page = "Write `a.txt`:\n\n```text\nhello\n```\n\nThen:\n\n```console\n$ cat a.txt\nhello\n$ b \\\n  c\n...\nd sha256:... e\n```\n";
    let output = vec!["...".to_owned(), "d sha256:... e".to_owned()];
    let expected = [
        Step::File {
            name: "a.txt".to_owned(),
            text: "hello\n".to_owned(),
        },
        Step::Run {
            command: "cat a.txt".to_owned(),
            output: vec!["hello".to_owned()],
        },
        Step::Run {
            command: "b \\\n  c".to_owned(),
            output: output.clone(),
        },
    ];
    assert_eq!(steps(page), expected);
    assert!(is_as_shown(&output, &["d sha256:0a e"]));
    assert!(is_as_shown(&output, &["x", "y", "d sha256:0a e"]));
    assert!(!is_as_shown(&output, &["d sha256:0a e", "x"]));
    assert!(!is_as_shown(&output, &["d sha256:0a f"]));
    assert!(!is_as_shown(&output, &["d e"]));
}
