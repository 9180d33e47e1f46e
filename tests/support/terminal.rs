//! A command on a terminal of its own.

use std::process::{Command, Stdio};

use super::{Outcome, Sandbox};

const TERMINAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/terminal.py");

/// Runs the binary on a terminal, with the steps of `tests/support/terminal.py`. Returns what the terminal showed.
#[track_caller]
pub fn on_terminal(sandbox: &Sandbox, steps: &[&str], arguments: &[&str]) -> String {
    let ocitect = sandbox.command(arguments);
    let mut command = Command::new(TERMINAL);
    command.args(steps).arg("--").arg(ocitect.get_program());
    command.args(ocitect.get_args()).env_clear();
    command.envs(ocitect.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("TERM", "xterm").env("NO_COLOR", "1");
    command.current_dir(sandbox.root()).stdin(Stdio::null());
    Outcome::of(command).expect(0).stdout
}
