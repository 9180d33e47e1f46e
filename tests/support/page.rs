//! Pages of the documentation: their files and commands, and whether the output is what the page shows.
//!
//! A block that begins with ```` ```console ```` has commands after `$ ` and their output, with a line `...` for lines
//! that vary and `sha256:...` for a digest that varies. A block after a line that ends with the name of a file and a
//! colon is that file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Sandbox;

/// The steps of a page, in its order.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Writes a file.
    File { name: String, text: String },
    /// Runs a command, which must print these lines.
    Run { command: String, output: Vec<String> },
}

/// Returns the steps of a page.
pub fn steps(page: &str) -> Vec<Step> {
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
    let (_, name) = line.strip_suffix("`:")?.rsplit_once('`')?;
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
pub fn is_as_shown(shown: &[String], printed: &[&str]) -> bool {
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
pub struct Shell<'a> {
    sandbox: &'a Sandbox,
    directory: PathBuf,
    variables: Vec<(&'static str, PathBuf)>,
    /// What the page names, and what the test has in its place.
    names: Vec<(&'static str, String)>,
}

impl<'a> Shell<'a> {
    /// A shell in a directory, with the home of the sandbox.
    pub fn new(sandbox: &'a Sandbox, directory: PathBuf) -> Self {
        let variables = vec![
            ("OCITECT_CACHE_DIR", sandbox.path("cache")),
            ("HOME", sandbox.path("home")),
        ];
        Self {
            sandbox,
            directory,
            variables,
            names: Vec::new(),
        }
    }

    /// Replaces a name of the page in what is written and run, and back in what is printed.
    pub fn name(mut self, shown: &'static str, real: &str) -> Self {
        self.names.push((shown, real.to_owned()));
        self
    }

    /// Sets a variable of all commands that follow.
    pub fn set(&mut self, variable: &'static str, value: PathBuf) {
        self.variables.push((variable, value));
    }

    /// Writes the file, or runs the command and compares its output.
    #[track_caller]
    pub fn take(&mut self, step: &Step) {
        match step {
            Step::File { name, text } => fs::write(self.directory.join(name), self.with_real_names(text)).unwrap(),
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
        let script = format!(
            "{{ {}\n}} 2>&1; pwd > {}",
            self.with_real_names(command),
            place.display()
        );
        let binary = Path::new(env!("CARGO_BIN_EXE_ocitect")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(&self.directory)
            .env("PATH", path)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env_remove("CI")
            .output()
            .unwrap();
        self.directory = fs::read_to_string(place).unwrap().trim_end().into();
        let printed = String::from_utf8(output.stdout).unwrap();
        self.names
            .iter()
            .fold(printed, |text, (shown, real)| text.replace(real.as_str(), shown))
    }

    fn with_real_names(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (shown, real)| text.replace(shown, real))
    }
}
