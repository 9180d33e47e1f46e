//! The memory of the binary, measured from outside.

use std::fs;
use std::process::Command;

use crate::support::{Outcome, Sandbox};

impl Sandbox {
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
}
