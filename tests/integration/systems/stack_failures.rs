//! Failures of systems with many images, made on purpose: each is found before the registry receives a request that
//! writes, or cannot happen.

use std::collections::BTreeSet;

use crate::support::{part, tool};
use crate::systems::ai_system::needing_zmq;
use crate::systems::stack::{Stack, findings};
use crate::systems::system::System;

/// Returns the workspace of agents, which would be pushed below `name`.
fn ai_system(name: &str) -> Stack {
    Stack::new(System::ai_system(), &format!("refused/{name}"))
}

/// Returns the workspace of servers, which would be pushed below `name`.
fn workstation(name: &str) -> Stack {
    Stack::new(System::workstation(), &format!("refused/{name}"))
}

#[test]
fn the_right_systems_have_no_error_and_no_warning() {
    for system in [System::ai_system(), System::workstation()] {
        let given = system.path(".env").display().to_string();
        system.write(".env", "DATABASE_URL=x\nAPI_TOKEN=x\nSERVERS=x\n");
        let checked = system.run("check", &["--env-file", &given]).expect(0).stdout;
        let verdicts = checked.lines().filter(|line| line.contains(" errors, "));
        assert!(verdicts.clone().count() > 9, "{checked}");
        for verdict in verdicts {
            assert!(verdict.starts_with("0 errors, 0 warnings"), "{checked}");
        }
    }
}

#[test]
fn libzmq_is_missing_from_the_base_and_found_in_each_image_that_needs_it() {
    let stack = ai_system("libzmq");
    for triplet in ["x86_64-linux-gnu", "aarch64-linux-gnu"] {
        let architecture = if triplet.starts_with('x') { "amd64" } else { "arm64" };
        for name in ["libzmq.so.5", "libzmq.so.5.2.4"] {
            stack
                .system
                .remove(&format!("dist/{architecture}/libzmq/usr/lib/{triplet}/{name}"));
        }
    }
    let refused = stack.refused(&["missing-library"]);
    let found = findings(&refused);
    for (platform, triplet) in [
        ("linux/amd64", "x86_64-linux-gnu"),
        ("linux/arm64", "aarch64-linux-gnu"),
    ] {
        let of_platform = found
            .iter()
            .filter(|found| found.text.starts_with(&format!("{platform} ")));
        let members: Vec<&str> = of_platform.clone().map(|found| found.member).collect();
        assert_eq!(members, needing_zmq(), "{platform}");
        for found in of_platform {
            assert!(found.text.contains(triplet), "{found:?}");
            assert!(
                found
                    .text
                    .contains("needs libzmq.so.5, which is not in the loader's search path"),
                "{found:?}"
            );
            assert_eq!(
                found.help,
                "add it to the base in system/base/ocitect.toml (Debian package libzmq5), or pack the file"
            );
        }
    }
}

#[test]
fn a_library_that_libzmq_needs_is_missing() {
    let stack = ai_system("libsodium");
    for name in ["libsodium.so.23", "libsodium.so.23.3.0"] {
        stack
            .system
            .remove(&format!("dist/arm64/libzmq/usr/lib/aarch64-linux-gnu/{name}"));
    }
    let refused = stack.refused(&["missing-library"]);
    assert!(refused.stderr.contains("needs libsodium.so.23"), "{}", refused.stderr);
    // The base has the library that needs it, and starts nothing that loads it.
    let members: Vec<&str> = findings(&refused).iter().map(|found| found.member).collect();
    assert_eq!(members, needing_zmq());
    assert!(!refused.stderr.contains("]: linux/amd64"), "{}", refused.stderr);
}

#[test]
fn the_binding_is_for_another_processor() {
    let stack = ai_system("binding");
    stack
        .system
        .edit("agents/coder/ocitect.toml", "dist/${arch}/pyzmq", "dist/amd64/pyzmq");
    let refused = stack.refused(&["wrong-architecture"]);
    let members: BTreeSet<&str> = findings(&refused).iter().map(|found| found.member).collect();
    assert_eq!(members, BTreeSet::from(["coder"]), "{}", refused.stderr);
}

/// A program for glibc on the image with musl: `cc` of the tests makes one for amd64.
#[test]
fn a_glibc_binary_on_a_musl_base() {
    let stack = workstation("glibc");
    let source = stack.system.path("backend/main.c");
    stack.system.write(
        "backend/main.c",
        "#include <stdio.h>\nint main(void) { return puts(\"ok\") < 0; }\n",
    );
    let target = stack.system.path("dist/amd64/backend");
    tool("cc", &["-o", target.to_str().unwrap(), source.to_str().unwrap()]);
    let refused = stack.refused(&["wrong-libc"]);
    let found = findings(&refused);
    assert_eq!(found.len(), 1, "{}", refused.stderr);
    assert_eq!(found[0].member, "backend");
    for word in ["linux/amd64 /usr/local/bin/backend: ", "glibc", "musl"] {
        assert!(found[0].text.contains(word), "{}", refused.stderr);
    }
    assert!(found[0].help.contains("link it statically"), "{}", refused.stderr);
}

#[test]
fn curl_in_a_health_check_and_not_in_the_image() {
    let stack = workstation("curl");
    stack
        .system
        .edit("backend/ocitect.toml", "wget -q -O-", "curl --fail --silent");
    let refused = stack.refused(&["healthcheck-missing"]);
    let found = findings(&refused);
    assert_eq!(found.len(), 1, "{}", refused.stderr);
    assert_eq!(found[0].member, "backend");
    assert!(
        found[0].text.starts_with("linux/amd64, linux/arm64 /: "),
        "{}",
        refused.stderr
    );
    assert!(found[0].text.contains("\"curl\""), "{}", refused.stderr);

    // A base of the workspace that has no curl: each image on it, with the spec in which to add it.
    let stack = Stack::new(
        System::workstation().set("NODE", format!("oci:{}", part("REAL_PYTHON"))),
        "refused/no-curl",
    );
    stack
        .system
        .edit("base/ocitect.toml", "user = \"node\"", "user = \"nobody\"");
    stack
        .system
        .edit("api/ocitect.toml", "owner = \"node\"", "owner = \"nobody\"");
    let refused = stack.refused(&["healthcheck-missing", "entrypoint-missing"]);
    let found = findings(&refused);
    let curl = found.iter().filter(|found| found.code == "healthcheck-missing");
    assert_eq!(curl.clone().count(), 21, "{}", refused.stderr);
    for found in curl {
        assert!(
            found
                .help
                .starts_with("add curl to the base in system/base/ocitect.toml, "),
            "{found:?}"
        );
    }
}

#[test]
fn a_required_variable_is_an_empty_string() {
    let system = System::workstation();
    let given = system.path(".env").display().to_string();
    system.run("check", &["--env-file", &given]).expect(0);
    system.edit(".env", "API_TOKEN=of-the-tests\n", "API_TOKEN=\n");
    let checked = system.run("check", &["--env-file", &given]).expect(3).stdout;
    let errors: Vec<&str> = checked.lines().filter(|line| line.starts_with("error[")).collect();
    assert_eq!(errors.len(), 1, "{checked}");
    assert!(
        errors[0].starts_with("error[missing-variable]: ") && errors[0].contains("API_TOKEN"),
        "{checked}"
    );

    // A variable of the specs without a value, and without a default.
    let stack = workstation("variable");
    stack.system.edit(
        "api/ocitect.toml",
        "PORT = \"3000\"",
        "PORT = \"3000\", REGION = \"${REGION}\"",
    );
    stack.system.edit(
        "api/ocitect.toml",
        "[[dirs]]",
        "[vars]\nREGION = { env = \"REGION\" }\n\n[[dirs]]",
    );
    let push = stack.try_push(&["-o", "oci:image"]);
    push.assert_wrote_nothing();
    push.outcome.expect(2).says(&["REGION", "api/ocitect.toml"]);
    assert!(!stack.system.sandbox.path("image").exists());
}

/// Whatever is selected, an image is built on its base as it is now.
#[test]
fn a_base_changes_and_all_of_its_dependents_with_it() {
    let stack = ai_system("changed");
    let build = |arguments: &[&str]| {
        let built = stack
            .system
            .run("build", &[&["-o", "oci:image"], arguments].concat())
            .expect(0);
        let line = |line: &str| {
            line.rsplit_once('@')
                .map(|(name, digest)| (name.to_owned(), digest.to_owned()))
        };
        built.stdout.lines().filter_map(line).collect::<Vec<_>>()
    };
    let layers = |image: &str| {
        ["linux/amd64", "linux/arm64"].map(|platform| {
            let manifest = stack.manifest(image, platform);
            let layers = manifest["layers"].as_array().unwrap().iter();
            layers
                .map(|layer| layer["digest"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
    };
    let before = build(&[]);
    let old = layers("base");

    // A library that only the base packs, on one platform alone.
    let library = stack
        .system
        .path("dist/arm64/libzmq/usr/lib/aarch64-linux-gnu/libzmq.so.5.2.4");
    let mut bytes = std::fs::read(&library).unwrap();
    bytes.extend_from_slice(b"a newer one");
    stack
        .system
        .write("dist/arm64/libzmq/usr/lib/aarch64-linux-gnu/libzmq.so.5.2.4", bytes);
    let after = build(&[]);
    let new = layers("base");
    assert_eq!(old[0], new[0], "nothing changed for amd64");
    assert_ne!(old[1], new[1]);
    assert_eq!(before.len(), 10);
    for ((name, earlier), (same, later)) in before.iter().zip(&after) {
        assert_eq!(name, same);
        assert_ne!(earlier, later, "{name}");
        let image = name.rsplit('/').next().unwrap();
        for (own, base) in layers(image).iter().zip(&new) {
            assert_eq!(own[..base.len()], base[..], "{name}");
        }
    }

    // One dependent alone is on the changed base too: only the last layer of the base is another one.
    stack.system.edit(
        "base/ai_system/__init__.py",
        "What the agents share",
        "All that the agents share",
    );
    build(&["-p", "planner"]);
    for (own, base) in layers("planner").iter().zip(&new) {
        let last = base.len() - 1;
        assert_eq!(own[..last], base[..last]);
        assert_ne!(own[last], base[last]);
    }
}
