//! The basis of every test: its own directory, the binary in a clean environment, other tools, and access logs.

pub mod faults;
pub mod foreign;
pub mod mount;
pub mod page;
pub mod supervisor;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long an access log may lag behind the reply before a test fails.
const LOG_PATIENCE: Duration = Duration::from_secs(20);

/// Returns a variable that `tests/run` sets.
pub fn part(name: &str) -> String {
    let name = format!("OCITECT_TEST_{name}");
    std::env::var(&name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with tests/run"))
}

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

    /// Runs the binary. Returns also its peak of resident memory, in bytes.
    ///
    /// It is measured by `time`, a small process: the kernel includes the memory that a process had before it executed
    /// another program, and the test's process is large.
    pub fn run_measured(&self, inner: &Command) -> (Outcome, u64) {
        let peak_file = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("/usr/bin/time");
        command
            .args(["--quiet", "--format", "%M", "--output"])
            .arg(peak_file.path());
        command.arg(inner.get_program()).args(inner.get_args()).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.root()).stdin(std::process::Stdio::null());
        let outcome = Outcome::of(command);
        let text = fs::read_to_string(peak_file.path()).unwrap();
        let kibibytes: u64 = text.trim().parse().unwrap_or_else(|_| panic!("time printed {text:?}"));
        (outcome, kibibytes * 1024)
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

/// An OCI layout, read without ocitect.
pub struct Layout {
    pub directory: PathBuf,
}

impl Layout {
    /// Returns the bytes of a blob.
    pub fn blob(&self, digest: &str) -> Vec<u8> {
        let hex = digest.strip_prefix("sha256:").unwrap();
        fs::read(self.directory.join("blobs/sha256").join(hex)).unwrap()
    }

    /// Returns a JSON blob.
    pub fn json(&self, digest: &str) -> Value {
        serde_json::from_slice(&self.blob(digest)).unwrap()
    }

    /// Returns `index.json`.
    pub fn index(&self) -> Value {
        serde_json::from_slice(&fs::read(self.directory.join("index.json")).unwrap()).unwrap()
    }

    /// Returns the descriptor that a tag names.
    #[track_caller]
    pub fn tagged(&self, tag: &str) -> Value {
        let index = self.index();
        let named = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
        let entry = index["manifests"].as_array().unwrap().iter().find(named);
        let entry = entry.unwrap_or_else(|| panic!("no tag {tag} in {index}"));
        self.json(entry["digest"].as_str().unwrap())
    }

    /// Returns the manifest of a platform (`linux/amd64`), below a tag.
    #[track_caller]
    pub fn manifest(&self, tag: &str, platform: &str) -> Value {
        let root = self.tagged(tag);
        let (os, architecture) = platform.split_once('/').unwrap();
        let named = |entry: &&Value| entry["platform"]["os"] == os && entry["platform"]["architecture"] == architecture;
        let entry = root["manifests"].as_array().unwrap().iter().find(named);
        let entry = entry.unwrap_or_else(|| panic!("no {platform} in {root}"));
        self.json(entry["digest"].as_str().unwrap())
    }

    /// Returns the config of a platform, below a tag.
    #[track_caller]
    pub fn config(&self, tag: &str, platform: &str) -> Value {
        self.json(self.manifest(tag, platform)["config"]["digest"].as_str().unwrap())
    }

    /// Returns the path of the blob of layer number `at` of a manifest.
    #[track_caller]
    pub fn layer_path(&self, manifest: &Value, at: usize) -> PathBuf {
        let digest = manifest["layers"][at]["digest"].as_str().unwrap();
        self.directory
            .join("blobs/sha256")
            .join(digest.strip_prefix("sha256:").unwrap())
    }

    /// Returns the number of blobs.
    pub fn blob_count(&self) -> usize {
        fs::read_dir(self.directory.join("blobs/sha256")).unwrap().count()
    }
}

/// One request of an access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub status: u16,
    pub sent_bytes: u64,
}

/// Returns the requests to a repository at one of the registries (`OPEN`, `SECOND`, `TLS`, `TOKEN`), in order, from the
/// `skip`th on. Waits until `last` is among them.
#[track_caller]
pub fn requests(registry: &str, repository: &str, skip: usize, last: impl Fn(&Request) -> bool) -> Vec<Request> {
    let log = part(&format!("REGISTRY_{registry}_LOG"));
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(&log).unwrap();
        let found: Vec<Request> = text.lines().filter_map(request).collect();
        let prefix = format!("/v2/{repository}/");
        let found: Vec<Request> = found
            .into_iter()
            .filter(|request| request.path.starts_with(&prefix))
            .skip(skip)
            .collect();
        if found.iter().any(&last) {
            return found;
        }
        assert!(
            began.elapsed() < LOG_PATIENCE,
            "the last request never came: {found:#?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn request(line: &str) -> Option<Request> {
    let mut quoted = line.split('"');
    let mut first = quoted.nth(1)?.split(' ');
    let mut numbers = quoted.next()?.split_whitespace();
    Some(Request {
        method: first.next()?.to_owned(),
        path: first.next()?.to_owned(),
        status: numbers.next()?.parse().ok()?,
        sent_bytes: numbers.next()?.parse().unwrap_or(0),
    })
}

/// Returns `true` for the request that publishes a tag.
pub fn is_put_of(tag: &str) -> impl Fn(&Request) -> bool {
    let end = format!("/manifests/{tag}");
    move |request| request.method == "PUT" && request.path.ends_with(&end) && request.status < 300
}
