//! The archives of a release, as `.github/release` packs and verifies them.

use std::path::Path;
use std::process::Command;

use crate::support::{Outcome, Sandbox, part, tool};

/// Runs the script of the release.
fn release(arguments: &[&str]) -> Outcome {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/release"));
    command.args(arguments).env("SOURCE_DATE_EPOCH", "1700000000");
    Outcome::of(command)
}

#[test]
fn an_archive_has_what_it_should_and_damage_is_found() {
    let sandbox = Sandbox::new();
    let directory = sandbox.path("archives");
    let directory = directory.to_str().unwrap();
    // Without its symbols, as a release build is.
    let binary = sandbox.path("ocitect");
    tool("strip", &["-o", binary.to_str().unwrap(), &part("STATIC")]);
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    release(&["pack", binary.to_str().unwrap(), &target, directory]).expect(0);
    release(&["checksums", directory]).expect(0);
    let name = format!("ocitect-{target}-v{}", env!("CARGO_PKG_VERSION"));
    release(&["verify", directory])
        .expect(0)
        .says(&[&format!("{name}.tgz")]);
    let listed = tool("tar", &["-tzf", &format!("{directory}/{name}.tgz")]);
    for file in [
        "ocitect",
        "LICENSE",
        "README.md",
        "completions/ocitect.bash",
        "completions/_ocitect",
        "completions/ocitect.fish",
        "man/man1/ocitect.1",
        "man/man1/ocitect-build.1",
    ] {
        assert!(
            listed.lines().any(|line| line == format!("{name}/{file}")),
            "{file} in {listed}"
        );
    }
    sandbox.write(&format!("archives/{name}.tgz"), "changed");
    release(&["verify", directory])
        .expect(1)
        .says(&["does not match its checksum"]);
}

#[test]
fn a_dynamic_binary_is_not_packed_as_a_static_one() {
    let sandbox = Sandbox::new();
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let directory = sandbox.path("archives");
    let refused = release(&[
        "pack",
        env!("CARGO_BIN_EXE_ocitect"),
        &target,
        directory.to_str().unwrap(),
    ]);
    refused.expect(1).says(&["is not static"]);
}

#[test]
fn a_tag_of_another_version_is_refused() {
    release(&["check-tag", "v0.0.1"])
        .expect(1)
        .says(&["v0.0.1", env!("CARGO_PKG_VERSION")]);
    release(&["check-tag", &format!("v{}", env!("CARGO_PKG_VERSION"))]).expect(0);
}
