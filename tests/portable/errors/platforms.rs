//! Invalid names of platforms: rejected in a spec, with the right name in the help.

use crate::support::Sandbox;
use crate::support::refusal::{layer, refused};

fn sandbox(platforms: &str, rest: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("app", "1");
    sandbox.spec(&format!(
        "[image]\nplatforms = {platforms}\n{}{rest}",
        layer("app", "/app")
    ));
    sandbox
}

#[test]
fn unknown_names_in_a_spec_are_refused_with_the_right_one() {
    for (name, meant) in [
        ("linux/aarch64", "linux/arm64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/amd46", "linux/amd64"),
        ("linx/amd64", "linux/amd64"),
        ("linux/i386", "linux/386"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/armv7l", "linux/arm/v7"),
        ("macos/arm64", "darwin/arm64"),
        ("linux/x64", "linux/amd64"),
        ("linux/ppc64el", "linux/ppc64le"),
        ("Linux/ARM64", "linux/arm64"),
        ("arm64", "linux/arm64"),
    ] {
        let help = format!("help: did you mean {meant}?");
        let spec = sandbox(&format!("[\"linux/s390x\", \"{name}\"]"), "");
        refused(&spec, &["build"], 2, &["ocitect.toml:3:29", "^", name, &help]);
        refused(&spec, &["check"], 2, &[&help]);
        let over = sandbox("[\"linux/amd64\"]", &format!("[platform.\"{name}\"]\n"));
        refused(&over, &["build"], 2, &["^", name, &help]);
    }
    let only = sandbox("[\"linux/arm64\"]", "platforms = [\"linux/aarch64\"]\n");
    refused(
        &only,
        &["build"],
        2,
        &["unknown architecture \"aarch64\"", "help: did you mean linux/arm64?"],
    );
}

#[test]
fn pairs_and_variants_that_there_are_not_are_refused_with_those_that_there_are() {
    for (name, words) in [
        ("darwin/386", "help: architectures of darwin: amd64, arm64"),
        ("linux/wasm", "linux has no port for wasm"),
        ("linux/386/v1", "help: 386 has no variants"),
        ("linux/amd64/v9", "help: variants of amd64: v1, v2, v3, v4"),
        ("plan10/vax", "help: known operating systems: aix, android, "),
    ] {
        refused(&sandbox(&format!("[\"{name}\"]"), ""), &["build"], 2, &[name, words]);
    }
}

#[test]
fn two_names_of_one_platform_are_refused() {
    for pair in [
        "\"linux/amd64\", \"linux/amd64/v1\"",
        "\"linux/arm\", \"linux/arm/v7\"",
        "\"linux/arm64/v9\", \"linux/arm64/v9.0\"",
    ] {
        refused(
            &sandbox(&format!("[{pair}]"), ""),
            &["build"],
            2,
            &["is the same platform as"],
        );
    }
    // Two levels of one architecture are two platforms.
    sandbox("[\"linux/amd64\", \"linux/amd64/v3\"]", "").ok(&["build"]);
}

#[test]
fn a_platform_that_is_asked_for_may_have_the_names_that_containerd_takes() {
    let sandbox = sandbox("[\"linux/amd64\", \"linux/arm64\"]", "");
    for (asked, built) in [
        ("linux/aarch64", "arm64"),
        ("linux/x86_64", "amd64"),
        ("Linux/ARM64/v8", "arm64"),
        ("linux/amd64/v1", "amd64"),
    ] {
        sandbox.ok(&["build", "--platform", asked]);
        let index = sandbox.layout("build/oci").tagged("latest");
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "{asked}");
        assert_eq!(index["manifests"][0]["platform"]["architecture"], built, "{asked}");
    }
    sandbox.ok(&["build"]);
    sandbox.ok(&["inspect", "--platform", "linux/x86-64", "oci:build/oci"]);
    for command in [&["inspect"][..], &["ls"], &["check"]] {
        let arguments = [command, &["--platform", "linux/amd46", "oci:build/oci"]].concat();
        refused(
            &sandbox,
            &arguments,
            2,
            &["unknown architecture \"amd46\"", "help: did you mean linux/amd64?"],
        );
    }
    let words = ["unknown operating system \"linx\"", "help: did you mean linux/amd64?"];
    refused(&sandbox, &["build", "--platform", "linx/amd64"], 2, &words);
    refused(
        &sandbox,
        &["copy", "--platform", "linx/amd64", "oci:build/oci", "oci:x"],
        2,
        &words,
    );
}
