//! A push fetches and sends only what is needed of a base.

use std::fs;
use std::path::Path;

use crate::registries::images::{
    all_requests, at, base_layers, count, is_get_of, is_mount, is_upload, own_base, write_spec, write_spec_with,
};
use crate::support::{Outcome, Sandbox, is_put_of, part, requests};

#[test]
fn a_base_of_the_same_registry_is_mounted_and_never_fetched_or_sent() {
    let sandbox = Sandbox::new();
    let base = own_base(&sandbox, "OPEN", "bases/mount-base");
    let name = at("OPEN", "bases/mount");
    write_spec(&sandbox, &name, &base);
    // Reads the facts of the base once.
    sandbox.ok(&["build", "--print-plan"]);
    let before = count(&sandbox, "OPEN", "bases/mount-base");
    sandbox.ok(&["build", "--push"]).says(&["base, mounted"]);

    let seen = requests("OPEN", "bases/mount", 0, is_put_of("latest"));
    let layers = base_layers();
    let mounts: Vec<_> = seen.iter().filter(|request| is_mount(request)).collect();
    assert_eq!(mounts.len(), layers.len(), "{seen:#?}");
    for mount in &mounts {
        assert_eq!(mount.status, 201, "{mount:?}");
        assert!(mount.path.contains("from=bases%2Fmount-base"), "{mount:?}");
        let digest = layers
            .iter()
            .find(|digest| mount.path.contains(&digest["sha256:".len()..]));
        assert!(digest.is_some(), "{mount:?}");
    }
    // One layer and two configs.
    assert_eq!(seen.iter().filter(|request| is_upload(request)).count(), 3, "{seen:#?}");
    assert!(!seen.iter().any(|request| is_get_of(request, &layers)), "{seen:#?}");
    let of_base = all_requests(&sandbox, "OPEN", "bases/mount-base", before);
    assert!(
        !of_base.iter().any(|request| is_get_of(request, &layers)),
        "{of_base:#?}"
    );
    assert!(!of_base.is_empty(), "the base was not even resolved");
}

#[test]
fn the_facts_of_a_base_are_read_once_and_kept() {
    let sandbox = Sandbox::new();
    let base = own_base(&sandbox, "OPEN", "bases/facts");
    write_spec(&sandbox, &at("OPEN", "bases/facts-unused"), &base);
    let before = count(&sandbox, "OPEN", "bases/facts");
    sandbox.ok(&["build", "--print-plan"]);
    let layers = base_layers();
    let first = all_requests(&sandbox, "OPEN", "bases/facts", before);
    for layer in &layers {
        let one = std::iter::once(layer.clone()).collect();
        assert!(first.iter().any(|request| is_get_of(request, &one)), "{first:#?}");
    }
    let before = count(&sandbox, "OPEN", "bases/facts");
    sandbox.ok(&["build", "--print-plan"]);
    let second = all_requests(&sandbox, "OPEN", "bases/facts", before);
    assert!(!second.iter().any(|request| is_get_of(request, &layers)), "{second:#?}");
}

#[test]
fn a_base_of_another_registry_is_streamed_once_and_kept_nowhere() {
    let sandbox = Sandbox::new();
    let base = own_base(&sandbox, "SECOND", "bases/stream-base");
    let name = at("OPEN", "bases/stream");
    write_spec(&sandbox, &name, &base);
    sandbox.ok(&["build", "--print-plan"]);
    let before = count(&sandbox, "SECOND", "bases/stream-base");
    push_without_large_files(&sandbox).says(&["base, copied"]);

    let layers = base_layers();
    let of_base = all_requests(&sandbox, "SECOND", "bases/stream-base", before);
    for layer in &layers {
        let one = std::iter::once(layer.clone()).collect();
        assert_eq!(
            of_base.iter().filter(|request| is_get_of(request, &one)).count(),
            1,
            "{layer} {of_base:#?}"
        );
    }
    let seen = requests("OPEN", "bases/stream", 0, is_put_of("latest"));
    assert!(!seen.iter().any(is_mount), "{seen:#?}");
    assert_eq!(
        seen.iter().filter(|request| is_upload(request)).count(),
        layers.len() + 3,
        "{seen:#?}"
    );
    no_file_over(&sandbox.path("cache"), 100_000);
    no_file_over(&sandbox.path("scratch"), 0);
}

/// Pushes with a separate `TMPDIR`, and without writing a file larger than 256 KiB, which the layers of the base are.
fn push_without_large_files(sandbox: &Sandbox) -> Outcome {
    fs::create_dir_all(sandbox.path("scratch")).unwrap();
    let arguments = ["build", "--push"];
    let ocitect = sandbox.command(&arguments);
    let mut limited = std::process::Command::new("prlimit");
    limited.arg("--fsize=262144").arg(ocitect.get_program()).args(arguments);
    limited.current_dir(sandbox.root()).env_clear();
    limited.envs(ocitect.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.env("TMPDIR", sandbox.path("scratch"));
    Outcome::of(limited).expect(0)
}

fn no_file_over(directory: &Path, size_bytes: u64) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            no_file_over(&entry.path(), size_bytes)
        } else {
            assert!(
                entry.metadata().unwrap().len() <= size_bytes,
                "{}",
                entry.path().display()
            )
        }
    }
}

#[test]
fn what_the_target_has_is_neither_fetched_nor_sent_again() {
    let sandbox = Sandbox::new();
    let base = own_base(&sandbox, "SECOND", "bases/skip-base");
    let name = at("OPEN", "bases/skip");
    write_spec(&sandbox, &name, &base);
    sandbox.ok(&["build", "--push"]);
    sandbox.write("files/more", "a change of the own layer\n");
    let before = [
        count(&sandbox, "SECOND", "bases/skip-base"),
        count(&sandbox, "OPEN", "bases/skip"),
    ];
    sandbox.ok(&["build", "--push"]).says(&["base, skipped"]);
    let of_base = all_requests(&sandbox, "SECOND", "bases/skip-base", before[0]);
    assert!(
        !of_base.iter().any(|request| is_get_of(request, &base_layers())),
        "{of_base:#?}"
    );
    let seen = all_requests(&sandbox, "OPEN", "bases/skip", before[1]);
    assert_eq!(seen.iter().filter(|request| is_upload(request)).count(), 3, "{seen:#?}");
    assert!(!seen.iter().any(is_mount), "{seen:#?}");
}

#[test]
fn a_layout_fetches_what_it_lacks_and_nothing_twice() {
    let sandbox = Sandbox::new();
    let base = own_base(&sandbox, "OPEN", "bases/layout-base");
    write_spec(&sandbox, "localhost/layout", &base);
    sandbox.ok(&["build", "--print-plan"]);
    let layers = base_layers();
    for expected in [layers.len(), 0] {
        let before = count(&sandbox, "OPEN", "bases/layout-base");
        sandbox.ok(&["build", "-o", "oci:out"]);
        let seen = all_requests(&sandbox, "OPEN", "bases/layout-base", before);
        assert_eq!(
            seen.iter().filter(|request| is_get_of(request, &layers)).count(),
            expected,
            "{seen:#?}"
        );
    }
}

#[test]
fn a_base_is_pinned_by_its_digest_and_the_tag_beside_it_does_not_count() {
    let sandbox = Sandbox::new();
    let layout = crate::support::Layout {
        directory: part("BASE").into(),
    };
    let digest = layout.index()["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let repository = at("OPEN", "base");
    write_spec(&sandbox, "localhost/pinned", &format!("{repository}:latest"));
    sandbox.ok(&["build"]);
    write_spec(
        &sandbox,
        "localhost/pinned",
        &format!("{repository}:no-such-tag@{digest}"),
    );
    sandbox.ok(&["build"]);
    write_spec(&sandbox, "localhost/pinned", &format!("{repository}@{digest}"));
    sandbox.ok(&["build"]);
    let manifest = sandbox.layout("build/oci").manifest("latest", "linux/amd64");
    let of_base = layout.tagged("latest")["manifests"][0]["digest"].clone();
    assert_eq!(manifest["annotations"]["org.opencontainers.image.base.digest"], of_base);

    let unknown = format!("{repository}@sha256:{}", "1".repeat(64));
    write_spec(&sandbox, "localhost/pinned", &unknown);
    fs::remove_dir_all(sandbox.path("build")).unwrap();
    sandbox
        .run(&["build"])
        .expect(6)
        .says(&["was not found", &"1".repeat(64)]);
    write_spec_with(&sandbox, "localhost/pinned", &format!("{repository}:no-such-tag"), "");
    sandbox.run(&["build"]).expect(6).says(&["no-such-tag"]);
    assert!(!sandbox.path("build").exists());
}
