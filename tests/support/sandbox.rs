//! The basis of every test: its own directory, the binary in a clean environment, and other tools.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::layout::Layout;

/// A directory for a single test, with a home and a cache in it, removed when the test ends.
pub struct Sandbox {
    directory: tempfile::TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        let sandbox = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(sandbox.path("home")).unwrap();
        sandbox
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root().join(relative)
    }

    /// Writes a file, and creates its directories.
    pub fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Writes a file with a mode.
    pub fn write_mode(&self, relative: &str, content: impl AsRef<[u8]>, mode: u32) -> &Self {
        self.write(relative, content);
        fs::set_permissions(self.path(relative), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// Writes `ocitect.toml`: the first line of a spec, and `text`.
    pub fn spec(&self, text: &str) -> &Self {
        self.write("ocitect.toml", format!("format = 1\n{text}"))
    }

    /// Returns the binary's command, in this directory, with a minimal environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ocitect"));
        command.args(arguments).current_dir(self.root()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .env("HOME", self.path("home"))
            .env("TMPDIR", std::env::temp_dir());
        command.env("OCITECT_CACHE_DIR", self.path("cache"));
        command.stdin(std::process::Stdio::null());
        command
    }

    /// Runs the binary.
    pub fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(arguments))
    }

    /// Runs the binary, which must succeed.
    pub fn ok(&self, arguments: &[&str]) -> Outcome {
        self.run(arguments).expect(0)
    }

    /// Reads a JSON file of this directory.
    pub fn json(&self, relative: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path(relative)).unwrap()).unwrap()
    }

    /// Returns the layout at `relative`.
    pub fn layout(&self, relative: &str) -> Layout {
        Layout {
            directory: self.path(relative),
        }
    }
}

/// A program's output and exit status.
#[derive(Debug)]
pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    pub fn of(mut command: Command) -> Self {
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self::from(output)
    }

    /// Checks the exit status.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Checks that stderr has each of these texts.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "expected {text:?} in:\n{}", self.stderr);
        }
        self
    }

    /// Returns the digest at the end of the last line of stdout.
    #[track_caller]
    pub fn digest(&self) -> String {
        let line = self
            .stdout
            .lines()
            .last()
            .unwrap_or_else(|| panic!("nothing on stdout:\n{}", self.stderr));
        let digest = line
            .rsplit_once('@')
            .unwrap_or_else(|| panic!("no digest in {line:?}"))
            .1;
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{line}");
        digest.to_owned()
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Returns every file below a directory, in no order. Symbolic links are not followed.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let is_directory = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if is_directory(&path) {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Runs another program, which must succeed. Returns its output.
#[track_caller]
pub fn tool(program: &str, arguments: &[impl AsRef<OsStr>]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdin(std::process::Stdio::null());
    let outcome = Outcome::of(command);
    let shown: Vec<_> = arguments
        .iter()
        .map(|argument| argument.as_ref().to_string_lossy())
        .collect();
    assert_eq!(
        outcome.code,
        0,
        "{program} {}\n{}{}",
        shown.join(" "),
        outcome.stdout,
        outcome.stderr
    );
    outcome.stdout
}
