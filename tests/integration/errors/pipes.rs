//! Pipes and devices in place of files: no run hangs.

use std::path::Path;
use std::process::Command;

use crate::errors::refusal::test_base;
use crate::support::refusal::{layer, spec};
use crate::support::{Outcome, Sandbox, part, tool};

/// Seconds after which a run counts as hanging.
const FOR_EVER_S: &str = "100";

/// Runs the binary, which must end by itself.
#[track_caller]
fn run(sandbox: &Sandbox, arguments: &[&str], variables: &[(&str, &Path)]) -> Outcome {
    let inner = sandbox.command(arguments);
    let mut command = Command::new("timeout");
    command
        .args(["--signal=KILL", FOR_EVER_S])
        .arg(inner.get_program())
        .args(inner.get_args());
    command
        .current_dir(sandbox.root())
        .env_clear()
        .stdin(std::process::Stdio::null());
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.envs(variables.iter().copied());
    Outcome::of(command)
}

fn fifo(sandbox: &Sandbox, relative: &str) {
    tool("mkfifo", &[sandbox.path(relative).to_str().unwrap()]);
}

fn sandbox(parts: &[&str]) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    spec(&sandbox, parts);
    sandbox
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_refused_by_name() {
    let app = layer("app", "/app");
    let as_spec = Sandbox::new();
    fifo(&as_spec, "ocitect.toml");
    run(&as_spec, &["build"], &[]).expect(2).says(&[
        "ocitect.toml",
        "expected a regular file, found a fifo (named pipe)",
        "help: write the spec to a file",
    ]);

    let lock = sandbox(&[&test_base(), &app]);
    fifo(&lock, "ocitect.lock");
    run(&lock, &["build"], &[])
        .expect(1)
        .says(&["ocitect.lock", "expected a regular file, found a fifo (named pipe)"]);

    let ignore = sandbox(&[&app]);
    fifo(&ignore, ".ocitectignore");
    run(&ignore, &["build"], &[])
        .expect(2)
        .says(&[".ocitectignore", "expected a regular file, found a fifo (named pipe)"]);

    let source = sandbox(&[&layer("tree", "/app")]);
    source.write("tree/file", "1");
    fifo(&source, "tree/pipe");
    run(&source, &["build"], &[]).expect(2).says(&[
        "tree/pipe is a fifo, which cannot be packed",
        "help: exclude it with `exclude`",
    ]);

    let unpacked = sandbox(&[&layer("a.tar", "/app").replace("to = ", "unpack = true, to = ")]);
    fifo(&unpacked, "a.tar");
    run(&unpacked, &["build"], &[])
        .expect(2)
        .says(&["a.tar is not a regular file"]);

    let archive = sandbox(&["base = \"oci-archive:base.tar\"\n", &app]);
    fifo(&archive, "base.tar");
    run(&archive, &["build"], &[])
        .expect(2)
        .says(&["base.tar", "expected a regular file, found a fifo (named pipe)"]);

    let layout = sandbox(&["base = \"oci:base\"\n", &app]);
    tool("cp", &["-r", &part("BASE"), layout.path("base").to_str().unwrap()]);
    std::fs::remove_file(layout.path("base/index.json")).unwrap();
    fifo(&layout, "base/index.json");
    run(&layout, &["build"], &[])
        .expect(2)
        .says(&["index.json is not a regular file"]);
}

#[test]
fn an_env_file_may_be_a_pipe_and_one_without_a_writer_is_given_up() {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    let text = "format = 1\nenv-files = [\"env\"]\n[image]\nplatforms = [\"linux/amd64\"]\n[vars]\nA = { env = \"A\" }\n\
                [config.labels]\na = \"${A}\"\n";
    sandbox.write("ocitect.toml", text);
    fifo(&sandbox, "env");
    run(&sandbox, &["build"], &[])
        .expect(1)
        .says(&["env", "nothing was written to the pipe"]);
    let mut writer = Command::new("sh")
        .args(["-c", "echo A=piped > env"])
        .current_dir(sandbox.root())
        .spawn()
        .unwrap();
    run(&sandbox, &["build"], &[]).expect(0);
    assert!(writer.wait().unwrap().success());
    let config = sandbox.layout("build/oci").config("latest", "linux/amd64");
    assert_eq!(config["config"]["Labels"]["a"], "piped");

    run(&sandbox, &["check", "oci:build/oci", "--env-file", "env"], &[])
        .expect(1)
        .says(&["nothing was written to the pipe"]);
}

#[test]
fn devices_are_not_read_and_the_null_device_is_an_empty_file() {
    let zero = sandbox(&[&layer("app", "/app")]);
    std::os::unix::fs::symlink("/dev/zero", zero.path(".ocitectignore")).unwrap();
    run(&zero, &["build"], &[])
        .expect(2)
        .says(&[".ocitectignore", "expected a regular file, found a character device"]);
    std::fs::remove_file(zero.path(".ocitectignore")).unwrap();
    std::os::unix::fs::symlink("/dev/null", zero.path(".ocitectignore")).unwrap();
    run(&zero, &["build"], &[]).expect(0);
}

#[test]
fn files_that_the_kernel_makes_up_are_refused_and_not_packed_empty() {
    for from in [
        "/proc/self/status",
        "/proc/cpuinfo",
        "/proc/sys/kernel/ostype",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    ] {
        if !Path::new(from).exists() {
            continue;
        }
        let sandbox = sandbox(&[&layer(from, "/made-up")]);
        let outcome = run(&sandbox, &["build"], &[]);
        assert_ne!(outcome.code, 0, "{from}: {}", outcome.stderr);
        assert!(!sandbox.path("build/oci/index.json").exists());
    }
    let sandbox = sandbox(&[&layer("/proc/cpuinfo", "/made-up")]);
    run(&sandbox, &["build"], &[]).expect(2).says(&[
        "/proc/cpuinfo",
        "its content is generated on read",
        "help: copy it",
    ]);
}

#[test]
fn a_pipe_in_the_place_of_the_trusted_certificates_fails_where_tls_is_spoken() {
    let sandbox = sandbox(&[&layer("app", "/app")]);
    fifo(&sandbox, "roots.pem");
    std::fs::create_dir(sandbox.path("certs")).unwrap();
    fifo(&sandbox, "certs/a.pem");
    let file = sandbox.path("roots.pem");
    let named = [("SSL_CERT_FILE", &*file)];
    run(&sandbox, &["build"], &named).expect(0);
    let inspect = ["inspect", "registry.invalid/x:1"];
    let words = [
        "roots.pem",
        "expected a regular file, found a fifo (named pipe)",
        "help: expected a PEM file",
    ];
    run(&sandbox, &inspect, &named).expect(2).says(&words);
    run(&sandbox, &inspect, &[("SSL_CERT_FILE", Path::new("/dev/zero"))])
        .expect(2)
        .says(&["/dev/zero", "expected a regular file, found a character device"]);
    let large = sandbox.path("large.pem");
    std::fs::File::create(&large)
        .unwrap()
        .set_len(4 * 1024 * 1024 + 1)
        .unwrap();
    run(&sandbox, &inspect, &[("SSL_CERT_FILE", &large)])
        .expect(2)
        .says(&["large.pem", "more than 4194304 bytes"]);

    // Entries of a directory that are not files are skipped, and so is a path that does not exist.
    for (variable, path) in [
        ("SSL_CERT_DIR", sandbox.path("certs")),
        ("SSL_CERT_DIR", file.clone()),
        ("SSL_CERT_FILE", sandbox.path("missing.pem")),
    ] {
        run(&sandbox, &inspect, &[(variable, &*path)])
            .expect(5)
            .says(&["registry.invalid"]);
    }
}
