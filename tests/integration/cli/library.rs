//! The programs of `docs/examples`, which use the library, against a registry.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::page::{Step, steps};
use crate::support::{Outcome, Sandbox, part, tool};

/// Returns a program of `docs/examples`. Cargo builds them beside the binary before it runs any test.
fn example(name: &str) -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_ocitect"));
    binary.with_file_name("examples").join(name)
}

/// Runs an example in the environment of the binary.
fn run(sandbox: &Sandbox, name: &str, arguments: &[&str]) -> Outcome {
    let binary = sandbox.command(&[]);
    let mut command = Command::new(example(name));
    command.args(arguments).current_dir(sandbox.root()).env_clear();
    command.envs(binary.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Outcome::of(command)
}

#[test]
fn an_image_is_appended_to_pushed_read_copied_and_runs() {
    let sandbox = Sandbox::new();
    let registry = part("REGISTRY_OPEN");
    let base = format!("{registry}/base:latest");
    let target = format!("{registry}/library-example:1.0");
    sandbox.write_mode("dist/run", "#!/bin/sh\necho from the library\n", 0o755);

    let pushed = run(&sandbox, "append", &[&base, "dist", &target]).expect(0);
    let digest = pushed.stdout.trim();
    let inspected = sandbox.ok(&["inspect", &target, "--json"]);
    assert!(inspected.stdout.contains(digest), "{}", inspected.stdout);
    let copied = tool(
        "skopeo",
        &["inspect", "--tls-verify=false", &format!("docker://{target}")],
    );
    assert!(copied.contains(digest), "{copied}");

    let listed = run(&sandbox, "read", &[&target]).expect(0);
    assert!(listed.stdout.contains("755 0:0 /app/run\n"), "{}", listed.stdout);
    let script = run(&sandbox, "read", &[&target, "/app/run"]).expect(0);
    assert_eq!(script.stdout, "#!/bin/sh\necho from the library\n");

    let copied = run(&sandbox, "copy", &[&target, "oci-archive:app.tar"]).expect(0);
    assert!(copied.stdout.starts_with(digest), "{}", copied.stdout);
    assert_eq!(sandbox.ok(&["inspect", "oci-archive:app.tar", "--json"]).code, 0);
}

#[test]
fn a_build_by_the_command_line_and_one_by_the_library_have_the_same_digest() {
    let sandbox = Sandbox::new();
    let registry = part("REGISTRY_OPEN");
    let base = format!("{registry}/base:latest");
    sandbox.write_mode("dist/run", "#!/bin/sh\n", 0o755);
    let library = format!("{registry}/library-same:1.0");
    let pushed = run(&sandbox, "append", &[&base, "dist", &library]).expect(0);
    sandbox.spec(&format!(
        "[image]\nbase = \"{base}\"\nplatforms = [\"linux/amd64\"]\nindex = false\n\
         [[layers]]\nname = \"app\"\nfiles = [{{ from = \"dist\", to = \"/app\" }}]\n\
         [config]\nentrypoint = [\"/app/run\"]\n"
    ));
    assert_eq!(sandbox.ok(&["build"]).digest(), pushed.stdout.trim());
}

#[test]
fn an_error_of_an_example_names_the_image_its_cause_and_the_help() {
    let sandbox = Sandbox::new();
    let registry = part("REGISTRY_OPEN");
    let missing = format!("{registry}/library-none:1.0");
    let outcome = run(&sandbox, "copy", &[&missing, "oci:out"]).expect(1);
    assert!(outcome.stderr.contains("library-none"), "{}", outcome.stderr);
    assert!(!sandbox.path("out").join("index.json").exists());
}

#[test]
fn the_guide_shows_the_example() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(repository.join("docs/guides/library.md")).unwrap();
    let files: Vec<Step> = steps(&guide)
        .into_iter()
        .filter(|step| matches!(step, Step::File { .. }))
        .collect();
    let name = "docs/examples/append.rs".to_owned();
    let text = std::fs::read_to_string(repository.join(&name)).unwrap();
    assert_eq!(files, [Step::File { name, text }]);
}
