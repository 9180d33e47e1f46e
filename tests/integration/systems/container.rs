//! A system's image in podman: amd64 natively, arm64 with qemu.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Outcome, part, tool};

/// How long a program may take until it replies; with qemu, on a busy machine, Node takes many seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// An amd64 shell in arm64 containers: their own cannot start a program, since no kernel here runs arm64 programs
/// itself.
const SHELL: &str = "/busybox";

/// An image in podman's storage, pulled from the registry.
pub struct Image {
    reference: String,
    platform: &'static str,
    mounts: Vec<String>,
}

impl Image {
    /// Pulls `reference`, the image of `platform`.
    #[track_caller]
    pub fn pull(reference: String, platform: &'static str) -> Self {
        tool(
            "podman",
            &["pull", "-q", "--tls-verify=false", "--platform", platform, &reference],
        );
        let mut mounts = Vec::new();
        if platform == "linux/arm64" {
            let qemu = tool("sh", &["-c", "command -v qemu-aarch64-static"]);
            mounts.push(format!("--volume={}:/qemu:ro", qemu.trim()));
            mounts.push(format!("--volume={}:{SHELL}:ro", part("BUSYBOX_AMD64")));
        }
        Self {
            reference,
            platform,
            mounts,
        }
    }

    /// Makes an image of a container of this one with podman, under a name.
    #[track_caller]
    pub fn commit(&self, name: &str) {
        let id = tool("podman", &["create", "--network=none", &self.reference, "true"]);
        tool("podman", &["commit", "-q", "--change=LABEL by=podman", id.trim(), name]);
        tool("podman", &["rm", id.trim()]);
    }

    /// Runs a program of the image, named by its path, in a directory of the image.
    #[track_caller]
    pub fn run(&self, workdir: &str, program: &[&str]) -> String {
        let head = [
            "run",
            "--rm",
            "--network=none",
            "--platform",
            self.platform,
            "--workdir",
            workdir,
        ];
        tool(
            "podman",
            &[&head[..], &self.mounts(), &self.entrypoint(program)].concat(),
        )
    }

    /// Returns an image that podman has already.
    pub fn loaded(reference: String) -> Self {
        Self {
            reference,
            platform: "linux/amd64",
            mounts: Vec::new(),
        }
    }

    /// Starts the image's own command; `options` are podman's. Without a `--network`, there is only its own loopback.
    #[track_caller]
    pub fn start(&self, options: &[&str]) -> Container {
        self.start_with(options, &[&*self.reference])
    }

    /// Starts a program of the image, named by its path.
    #[track_caller]
    pub fn start_program(&self, options: &[&str], program: &[&str]) -> Container {
        self.start_with(options, &self.entrypoint(program))
    }

    fn start_with(&self, options: &[&str], image_and_arguments: &[&str]) -> Container {
        let mut head = vec!["run", "--detach", "--platform", self.platform];
        if !options.iter().any(|option| option.starts_with("--network")) {
            head.push("--network=none");
        }
        let id = tool(
            "podman",
            &[&head[..], &self.mounts(), options, image_and_arguments].concat(),
        );
        Container {
            id: id.trim().to_owned(),
            platform: self.platform,
        }
    }

    fn mounts(&self) -> Vec<&str> {
        self.mounts.iter().map(String::as_str).collect()
    }

    fn entrypoint<'a>(&'a self, program: &[&'a str]) -> Vec<&'a str> {
        if self.platform == "linux/arm64" {
            return [&["--entrypoint=/qemu", &*self.reference], program].concat();
        }
        [&["--entrypoint", program[0], &*self.reference], &program[1..]].concat()
    }
}

/// A running container, which is removed on drop.
pub struct Container {
    id: String,
    platform: &'static str,
}

impl Container {
    /// Runs a command inside, as the image's user, with its environment and in its directory.
    pub fn exec(&self, command: &[&str]) -> Outcome {
        let qemu: &[&str] = if self.platform == "linux/arm64" {
            &["/qemu"]
        } else {
            &[]
        };
        let mut podman = Command::new("podman");
        podman
            .args(["exec", &self.id])
            .args(qemu)
            .args(command)
            .stdin(Stdio::null());
        Outcome::of(podman)
    }

    /// Waits until a command inside exits with 0. Returns its output.
    #[track_caller]
    pub fn wait_for(&self, command: &[&str]) -> String {
        let began = Instant::now();
        loop {
            let outcome = self.exec(command);
            if outcome.code == 0 {
                return outcome.stdout;
            }
            let late = began.elapsed() > PATIENCE;
            assert!(
                !late && self.is_running(),
                "{command:?}: {}\n{}",
                outcome.stderr,
                self.logs()
            );
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until the config's health check exits with 0.
    #[track_caller]
    pub fn wait_until_healthy(&self, config: &Value) -> String {
        let test: Vec<&str> = config["config"]["Healthcheck"]["Test"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        match test[..] {
            ["CMD-SHELL", command] => self.wait_for(&["/bin/sh", "-c", command]),
            ["CMD", ref command @ ..] => self.wait_for(command),
            _ => panic!("{test:?}"),
        }
    }

    /// Lets podman run the health check of the image's config.
    #[track_caller]
    pub fn assert_podman_finds_it_healthy(&self) {
        tool("podman", &["healthcheck", "run", &self.id]);
    }

    /// Waits until it ends by itself. Returns its exit status and its output.
    pub fn wait(&self) -> (i32, String) {
        let code = tool("podman", &["wait", &self.id]).trim().parse().unwrap();
        (code, self.logs())
    }

    /// Stops it with its signal. Returns its exit status.
    pub fn stop(&self) -> i32 {
        tool("podman", &["stop", "--time=10", &self.id]);
        tool("podman", &["inspect", "--format={{.State.ExitCode}}", &self.id])
            .trim()
            .parse()
            .unwrap()
    }

    fn is_running(&self) -> bool {
        tool("podman", &["inspect", "--format={{.State.Running}}", &self.id]).trim() == "true"
    }

    fn logs(&self) -> String {
        let mut podman = Command::new("podman");
        podman.args(["logs", &self.id]).stdin(Stdio::null());
        let outcome = Outcome::of(podman);
        outcome.stdout + &outcome.stderr
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let mut podman = Command::new("podman");
        podman.args(["rm", "--force", "--time=0", &self.id]);
        let _ = podman
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
