//! `--offline`: in a network namespace without any network, where every connection would fail.

use std::fs;
use std::process::Command;

use crate::lock::project::Project;
use crate::support::{Outcome, Sandbox, part};

/// Runs the binary without any network, not even loopback.
fn cut_off(sandbox: &Sandbox, arguments: &[&str]) -> Outcome {
    let ocitect = sandbox.command(arguments);
    let mut command = Command::new("unshare");
    command
        .arg("-n")
        .arg(ocitect.get_program())
        .args(arguments)
        .current_dir(sandbox.root())
        .env_clear();
    command.envs(ocitect.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Outcome::of(command)
}

#[test]
fn what_was_built_once_is_built_again_without_a_network() {
    let project = Project::new("lock/offline");
    let sandbox = &project.sandbox;
    let digest = sandbox.ok(&["build", "app", "-o", "oci:out"]).digest();
    // The layout has the base's layers: nothing is missing.
    sandbox.write("app/file", "the app\n");
    let built = cut_off(sandbox, &["build", "app", "--offline", "--locked", "-o", "oci:out"]).expect(0);
    assert_eq!(built.digest(), digest);
    cut_off(sandbox, &["build", "app", "--offline", "--print-plan"]).expect(0);
    // The registry is not contacted without the option either, if nothing is missing.
    cut_off(sandbox, &["build", "app", "--print-plan"]).expect(0);
    sandbox.write("app/file", "another\n");
    let other = cut_off(sandbox, &["build", "app", "--offline", "-o", "oci:out"]).expect(0);
    assert_ne!(other.digest(), digest);
}

#[test]
fn a_layer_that_is_not_here_is_named_with_its_image() {
    let project = Project::new("lock/offline-layer");
    let sandbox = &project.sandbox;
    sandbox.ok(&["lock", "app"]);
    let base = project.base();
    let said = cut_off(sandbox, &["build", "app", "--offline", "-o", "oci-archive:out.tar"]).expect(6);
    let said = said.says(&[
        "the layer sha256:",
        &format!(" of {base} was not found"),
        "--offline",
        "without --offline",
    ]);
    let layer = said.stderr.split("the layer ").nth(1).unwrap()[..71].to_owned();
    let facts = fs::read_to_string(project.facts_file(&base)).unwrap();
    assert!(facts.contains(&format!("digest = \"{layer}\"")), "{layer}");
    assert!(!sandbox.path("out.tar").exists());
    // Documents are needed too.
    let cache = tempfile::tempdir().unwrap();
    let said = project
        .run_with_cache(cache.path(), &["build", "app", "--offline", "--print-plan"])
        .expect(6);
    said.says(&["the manifest sha256:", &format!(" of {base} was not found")]);
}

#[test]
fn what_is_not_pinned_is_lacking() {
    let project = Project::new("lock/offline-pin");
    let said = cut_off(&project.sandbox, &["build", "app", "--offline"]).expect(6);
    said.says(&[
        &format!("a pin of {} was not found in the lock", project.base()),
        "help:",
    ]);
    assert!(!project.lock().exists());
    project
        .sandbox
        .run(&["build", "app", "--offline", "--locked"])
        .expect(2)
        .says(&["missing: "]);
    project
        .sandbox
        .run(&["build", "app", "--offline", "--push"])
        .expect(2)
        .says(&["--offline", "--push"]);
    // Files from an image are in its layers.
    project.on(&["scratch", &format!("docker://{}", project.base())]);
    project.sandbox.ok(&["lock", "app"]);
    cut_off(&project.sandbox, &["build", "app", "--offline", "--print-plan"]).expect(0);
    let said = cut_off(&project.sandbox, &["build", "app", "--offline"]).expect(6);
    said.says(&["the layer sha256:", &project.base()]);
}

#[test]
fn facts_that_are_not_at_hand_are_named_with_their_images() {
    let project = Project::new("lock/offline-facts");
    let digest = project.sandbox.ok(&["build", "app"]).digest();
    fs::rename(project.facts(), project.sandbox.path("facts")).unwrap();
    let base = project.base();
    for arguments in [
        &["build", "app", "--offline"][..],
        &["build", "app", "--offline", "--locked"],
    ] {
        let said = cut_off(&project.sandbox, arguments).expect(6);
        said.says(&[
            &format!(
                "app/ocitect.lock.d does not contain the facts of {base} for linux/amd64; {base} for linux/arm64, and \
                 --offline does not contact registries"
            ),
            "help: run `ocitect lock` with a network, and keep app/ocitect.lock.d beside app/ocitect.lock",
        ]);
    }
    fs::rename(project.sandbox.path("facts"), project.facts()).unwrap();
    let built = cut_off(&project.sandbox, &["build", "app", "--offline", "--locked"]).expect(0);
    assert_eq!(built.digest(), digest);
}

#[test]
fn images_of_the_disk_work_as_ever() {
    let project = Project::new("lock/offline-local");
    project.on(&[&format!("oci:{}", part("BASE"))]);
    let digest = cut_off(&project.sandbox, &["build", "app", "--offline", "-o", "oci:one"])
        .expect(0)
        .digest();
    assert!(project.lock().exists());
    assert_eq!(project.sandbox.ok(&["build", "app", "-o", "oci:two"]).digest(), digest);
    fs::remove_dir_all(project.facts()).unwrap();
    let built = cut_off(
        &project.sandbox,
        &["build", "app", "--offline", "--locked", "-o", "oci:three"],
    )
    .expect(0);
    assert_eq!(built.digest(), digest);
}
