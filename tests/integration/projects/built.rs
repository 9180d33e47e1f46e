//! Each project, built and pushed as its guide shows, run on both architectures, and refused once it is broken.
//!
//! The last commands of a guide break the project, for the section on what the check finds.

use std::fs;

use super::project::{Base, Container, Project};
use crate::support::tool;

/// Requests a page of the service on port 3000, once it listens.
const REQUEST: &str = "const request = () => fetch('http://localhost:3000', { method: 'POST', body: 'secret' })
    .then(response => response.text()).then(text => process.stdout.write(text)).catch(() => setTimeout(request, 200));
    request();";

#[test]
fn a_node_service_with_a_native_module_is_built_as_its_guide_shows() {
    let base = Base {
        name: "node",
        tag: "22-slim",
        layout: "REAL_NODE",
    };
    let project = Project::new("node", Some(&base));
    project.follow("node.md");
    for (architecture, expected) in [
        ("amd64", "argon2id true on x64\n"),
        ("arm64", "argon2id true on arm64\n"),
    ] {
        let container = Container::of(project.pushed_for("passwords", architecture), architecture);
        let printed = container.run_beside(&["/usr/bin/node", "server.js"], &["/usr/bin/node", "-e", REQUEST]);
        assert_eq!(printed, expected);
    }
    project.assert_refused("passwords", "error[wrong-architecture]: linux/arm64 ");
}

#[test]
fn a_python_command_with_a_native_wheel_is_built_as_its_guide_shows() {
    let base = Base {
        name: "python",
        tag: "3.11-slim",
        layout: "REAL_PYTHON",
    };
    let project = Project::new("python", Some(&base));
    project.follow("python.md");
    let order = r#"{"items": [{"price": "2.50", "count": 4}, {"price": 1, "count": 2}]}"#;
    for (architecture, expected) in [
        ("amd64", "total 12.00 on x86_64\n"),
        ("arm64", "total 12.00 on aarch64\n"),
    ] {
        let container = Container::of(project.pushed_for("orders", architecture), architecture);
        assert_eq!(container.run(&["/usr/bin/python3", "-m", "orders"], &[order]), expected);
    }
    project.assert_refused("orders", "error[wrong-architecture]: linux/arm64 ");
}

#[test]
fn a_static_go_program_is_built_as_its_guide_shows() {
    let project = Project::new("go", None);
    project.follow("static.md");
    let sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    for architecture in ["amd64", "arm64"] {
        let container = Container::of(project.pushed_for("checksum", architecture), architecture);
        let printed = container.run(&["/usr/bin/checksum"], &["hello"]);
        assert_eq!(printed, format!("{sum} on {architecture}\n"));
    }
    project.assert_refused("checksum", "error[wrong-architecture]: linux/arm64 ");
}

#[test]
fn a_java_program_is_built_as_its_guide_shows() {
    let base = Base {
        name: "eclipse-temurin",
        tag: "17-jre",
        layout: "REAL_JAVA",
    };
    let project = Project::new("java", Some(&base));
    project.follow("java.md");
    for (architecture, expected) in [("amd64", "[a, b] on amd64\n"), ("arm64", "[a, b] on aarch64\n")] {
        let container = Container::of(project.pushed_for("words", architecture), architecture);
        let printed = container.run(&["/usr/bin/java", "-jar", "/app/words.jar"], &["b", "a", "b"]);
        assert_eq!(printed, expected);
    }

    // The class as a newer compiler would write it: its version is in the seventh and eighth byte.
    let class = project.path("dist/classes/com/example/Words.class");
    let mut bytes = fs::read(&class).unwrap();
    bytes[6..8].copy_from_slice(&65_u16.to_be_bytes());
    fs::write(class, bytes).unwrap();
    let dist = project.path("dist");
    let update = "jar --update --file words.jar -C classes com/example/Words.class";
    tool("sh", &["-c", &format!("cd {} && {update}", dist.display())]);
    project.assert_refused("words", "error[java-too-old]: linux/amd64, linux/arm64 /app/words.jar");
}

/// The guide builds for musl and for two machines. Here it is glibc, linked statically, and the machine of the tests:
/// Rust has no other targets without rustup's server.
#[test]
fn a_static_rust_program_is_built_for_this_machine() {
    const TARGET: (&str, &str) = ("TARGET", "unknown-linux-gnu");
    let project = Project::new("rust", None);
    project.build(&["x86_64"], &[TARGET]);
    let only_amd64 = ["--platform", "linux/amd64"];
    project
        .run(&[&["check"], &only_amd64[..]].concat(), &[TARGET])
        .expect(0);
    let pushed = project
        .run(&[&["build", "--push"], &only_amd64[..]].concat(), &[TARGET])
        .expect(0)
        .digest();
    let container = Container::of(format!("{}@{pushed}", project.pushed("crc")), "amd64");
    assert_eq!(container.run(&[], &["hello"]), "3610a686 on x86_64\n");

    let foreign = project.path("target/aarch64-unknown-linux-gnu/release");
    fs::create_dir_all(&foreign).unwrap();
    let program = project.path("target/x86_64-unknown-linux-gnu/release/crc");
    fs::copy(program, foreign.join("crc")).unwrap();
    project.run(&["build", "--push"], &[TARGET]).expect(3).says(&[
        "error[wrong-architecture]: linux/arm64 /usr/bin/crc",
        "nothing was written",
    ]);
}
