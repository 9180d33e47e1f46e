//! The example at the beginning of the README: one static program for two platforms, without a base.

use crate::support::{Outcome, Sandbox, tool};

const SPEC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/hello");

#[test]
fn the_example_builds_and_runs_on_both_platforms() {
    let sandbox = Sandbox::new();
    let built = sandbox.ok(&["build", SPEC, "-t", "hello"]);
    let layout = sandbox.layout("build/oci");
    assert_eq!(layout.index()["manifests"][0]["digest"], built.digest());
    for platform in ["linux/amd64", "linux/arm64"] {
        let config = layout.config("hello", platform);
        assert_eq!(config["config"]["User"], "hello");
        assert_eq!(format!("linux/{}", config["architecture"].as_str().unwrap()), platform);
    }

    sandbox.ok(&[
        "build",
        SPEC,
        "-t",
        "localhost/hello:1",
        "--platform",
        "linux/amd64",
        "-o",
        "docker-archive:amd64.tar",
    ]);
    sandbox.ok(&[
        "build",
        SPEC,
        "-t",
        "localhost/hello:arm",
        "--platform",
        "linux/arm64",
        "-o",
        "docker-archive:arm64.tar",
    ]);
    tool(
        "podman",
        &["load", "-q", "-i", sandbox.path("amd64.tar").to_str().unwrap()],
    );
    tool(
        "podman",
        &["load", "-q", "-i", sandbox.path("arm64.tar").to_str().unwrap()],
    );
    let run = [
        "run",
        "--rm",
        "--network=none",
        "localhost/hello:1",
        "stat",
        "/home/hello",
    ];
    let said = tool("podman", &run);
    assert!(said.starts_with("hello from linux/amd64\n"), "{said}");
    assert!(said.contains("d 0755 1000 1000"), "{said}");

    let qemu = tool("sh", &["-c", "command -v qemu-aarch64-static"]);
    let mount = format!("{}:/qemu:ro", qemu.trim());
    let run = [
        "run",
        "--rm",
        "--network=none",
        "--platform",
        "linux/arm64",
        "-v",
        &mount,
        "--entrypoint",
        "/qemu",
    ];
    let said = tool(
        "podman",
        &[&run[..], &["localhost/hello:arm", "/usr/bin/hello", "id"]].concat(),
    );
    assert!(said.starts_with("hello from linux/arm64\n"), "{said}");
}

#[test]
fn a_second_run_writes_nothing() {
    let sandbox = Sandbox::new();
    let listing = |sandbox: &Sandbox| {
        tool(
            "find",
            &[sandbox.path("build").to_str().unwrap(), "-printf", "%p %T@ %i\n"],
        )
    };
    let first = sandbox.ok(&["build", SPEC]).digest();
    let before = listing(&sandbox);
    let second: Outcome = sandbox.ok(&["build", SPEC]);
    assert_eq!(second.digest(), first);
    assert_eq!(listing(&sandbox), before);
}
