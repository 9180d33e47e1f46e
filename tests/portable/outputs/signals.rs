//! Messages of runs that a signal ends, and of runs that wait for long.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use crate::support::{Sandbox, files_below, tool};

/// A registry that accepts connections and never replies.
fn silent_registry() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn project(image: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("file", "content\n");
    let layer = "[[layers]]\nname = \"a\"\nfiles = [{ from = \"file\", to = \"/file\" }]\n";
    sandbox.spec(&format!("[image]\n{image}\nplatforms = [\"linux/amd64\"]\n{layer}"));
    sandbox
}

/// Starts a command, and waits for its request to the registry.
fn waiting(sandbox: &Sandbox, arguments: &[&str], listener: &TcpListener) -> (Child, std::net::TcpStream) {
    let mut command = sandbox.command(arguments);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (connection, _) = listener.accept().unwrap();
    (child, connection)
}

/// Sends a signal. Returns the exit status and the output on stderr.
fn end(child: Child, signal: &str) -> (Option<i32>, String) {
    tool("sh", &["-c", "kill -$0 $1", signal, &child.id().to_string()]);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_signal_ends_a_run_with_what_is_left() {
    for (signal, status) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let (listener, address) = silent_registry();
        let sandbox = project(&format!("base = \"{address}/base:1\""));
        let (child, _connection) = waiting(&sandbox, &["build", "-o", "oci:out"], &listener);
        let (code, stderr) = end(child, signal);
        assert_eq!(code, Some(status), "{stderr}");
        assert!(
            stderr.contains(&format!("error: interrupted by SIG{signal}: oci:out is unchanged")),
            "{stderr}"
        );
        assert!(!sandbox.path("out").exists());
    }
}

#[test]
fn an_interrupted_push_says_that_nothing_was_tagged() {
    let (listener, address) = silent_registry();
    let sandbox = project(&format!("name = \"{address}/app\""));
    let arguments = ["build", "-o", "oci:out", "--push", "--progress", "json"];
    let (child, _connection) = waiting(&sandbox, &arguments, &listener);
    let (code, stderr) = end(child, "TERM");
    assert_eq!(code, Some(143), "{stderr}");
    let last: serde_json::Value = serde_json::from_str(stderr.lines().last().unwrap()).unwrap();
    assert_eq!(last["exit_code"], 143);
    let message = last["message"].as_str().unwrap();
    assert!(
        message.contains(&format!("no tag was written in {address}/app")),
        "{message}"
    );
    assert!(
        files_below(sandbox.root())
            .iter()
            .all(|path| !path.to_string_lossy().contains(".ocitect-tmp-"))
    );
}

#[test]
fn a_signal_that_is_ignored_stays_so() {
    let (listener, address) = silent_registry();
    let sandbox = project(&format!("base = \"{address}/base:1\""));
    let inner = sandbox.command(&[]);
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", "trap '' INT; exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(["build", "-o", "oci:out"]);
    command
        .env_clear()
        .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
        .current_dir(sandbox.root())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let _connection = listener.accept().unwrap();
    tool("kill", &["-INT", &child.id().to_string()]);
    let (code, stderr) = end(child, "TERM");
    assert_eq!(code, Some(143), "{stderr}");
    assert!(!stderr.contains("SIGINT"), "{stderr}");
}

#[test]
fn silence_is_broken_by_what_is_waited_for() {
    let (listener, address) = silent_registry();
    let sandbox = project(&format!("base = \"{address}/base:1\""));
    let (mut child, _connection) = waiting(&sandbox, &["build", "-o", "oci:out"], &listener);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("still resolving ")).unwrap();
    assert!(
        line.starts_with(&format!("still resolving {address}/base:1 after ")),
        "{line}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn programs_that_read_progress_get_no_sign_of_life() {
    let (listener, address) = silent_registry();
    let sandbox = project(&format!("base = \"{address}/base:1\""));
    let plain = waiting(&sandbox, &["build", "-o", "oci:out", "--progress", "plain"], &listener);
    let quiet = waiting(&sandbox, &["build", "-o", "oci:other", "--progress", "none"], &listener);
    let json = waiting(&sandbox, &["build", "-o", "oci:third", "--progress", "json"], &listener);
    let mut plain_child = plain.0;
    let mut lines = BufReader::new(plain_child.stderr.take().unwrap())
        .lines()
        .map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("still ")));
    plain_child.kill().unwrap();
    plain_child.wait().unwrap();
    for (mut child, _connection) in [quiet, json] {
        child.kill().unwrap();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        assert!(!text.contains("still "), "{text}");
    }
}
