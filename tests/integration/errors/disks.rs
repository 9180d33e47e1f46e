//! Full disks, and places that cannot be written to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::mount::Mount;
use crate::support::refusal::{base, layer, refused, refused_as, spec, state};
use crate::support::{Outcome, Sandbox, part, tool};

/// Writes a spec with a layer of `kib` KiB that do not compress.
pub fn spec_of(sandbox: &Sandbox, kib: usize) {
    let mut state = 1u64;
    let random = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    });
    sandbox.write("app", random.take(kib * 1024).collect::<Vec<u8>>());
    spec(sandbox, &[&layer("app", "/app")]);
}

/// Returns files with the names of temporary files, which a writer did not remove.
pub fn leftovers(directory: &Path) -> Vec<PathBuf> {
    let files = state(directory).into_keys();
    files
        .filter(|path| path.file_name().unwrap().to_string_lossy().contains("tmp"))
        .collect()
}

pub const FULL: &str = "No space left on device";

#[test]
fn a_full_disk_leaves_a_layout_as_it_was() {
    let sandbox = Sandbox::new();
    let mount = Mount::small(&sandbox, "disk", 256);
    spec_of(&sandbox, 10);
    let before = sandbox.ok(&["build", "-o", "oci:disk/image"]).digest();
    let index = fs::read(sandbox.path("disk/image/index.json")).unwrap();
    spec_of(&sandbox, 1024);
    let outcome = sandbox.run(&["build", "-o", "oci:disk/image"]).expect(1);
    println!("{}", outcome.stderr);
    outcome.says(&["disk/image", FULL, "help: free some space"]);
    assert_eq!(fs::read(sandbox.path("disk/image/index.json")).unwrap(), index);
    assert_eq!(leftovers(&mount.path), Vec::<PathBuf>::new());
    let inspected = sandbox.ok(&["inspect", "--json", "oci:disk/image"]).stdout;
    assert!(inspected.contains(&before), "{inspected}");
    sandbox.ok(&["copy", "oci:disk/image", "oci:copy"]);
    spec_of(&sandbox, 20);
    sandbox.ok(&["build", "-o", "oci:disk/image"]);
}

#[test]
fn a_full_disk_leaves_no_new_layout_with_a_tag() {
    let sandbox = Sandbox::new();
    let mount = Mount::small(&sandbox, "disk", 256);
    spec_of(&sandbox, 1024);
    sandbox.run(&["build", "-o", "oci:disk/image"]).expect(1).says(&[FULL]);
    assert!(!sandbox.path("disk/image/index.json").exists());
    assert_eq!(leftovers(&mount.path), Vec::<PathBuf>::new());
}

#[test]
fn a_full_disk_leaves_an_archive_as_it_was() {
    let sandbox = Sandbox::new();
    let _mount = Mount::small(&sandbox, "disk", 256);
    spec_of(&sandbox, 10);
    sandbox.ok(&[
        "build",
        "-o",
        "oci-archive:disk/oci.tar",
        "-o",
        "docker-archive:disk/docker.tar",
    ]);
    let before = ["disk/oci.tar", "disk/docker.tar"].map(|name| fs::read(sandbox.path(name)).unwrap());
    spec_of(&sandbox, 1024);
    for output in ["oci-archive:disk/oci.tar", "docker-archive:disk/docker.tar"] {
        let path = output.split_once(':').unwrap().1;
        refused(
            &sandbox,
            &["build", "-o", output],
            1,
            &[path, FULL, "help: free some space"],
        );
    }
    assert_eq!(
        ["disk/oci.tar", "disk/docker.tar"].map(|name| fs::read(sandbox.path(name)).unwrap()),
        before
    );
}

#[test]
fn a_copy_to_a_full_disk_names_the_target() {
    let sandbox = Sandbox::new();
    let _mount = Mount::small(&sandbox, "disk", 256);
    let source = format!("{}/base:latest", part("REGISTRY_OPEN"));
    refused(
        &sandbox,
        &["copy", &source, "oci-archive:disk/base.tar"],
        1,
        &["cannot write oci-archive:disk/base.tar", FULL],
    );
}

#[test]
fn a_full_scratch_directory_is_named_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    let mount = Mount::small(&sandbox, "scratch", 64);
    spec_of(&sandbox, 1024);
    let mut command = sandbox.command(&["build"]);
    command.env("TMPDIR", &mount.path);
    let words = [
        mount.path.to_str().unwrap(),
        FULL,
        "help: free some space there, or set TMPDIR",
    ];
    refused_as(&sandbox, command, 1, &words);
}

#[test]
fn a_full_scratch_directory_is_named_for_archives_and_images_too() {
    let sandbox = Sandbox::new();
    let mount = Mount::small(&sandbox, "scratch", 64);
    spec_of(&sandbox, 1024);
    let archive = sandbox.path("app.tar.gz");
    tool(
        "tar",
        &[
            "-czf",
            archive.to_str().unwrap(),
            "-C",
            sandbox.root().to_str().unwrap(),
            "app",
        ],
    );
    let unpack = "[[layers]]\nname = \"a\"\nfiles = [{ from = \"app.tar.gz\", to = \"/a\", unpack = true }]\n";
    let image = layer(&format!("oci:{}#/usr/bin/busybox", part("BASE")), "/busybox");
    for text in [unpack, &image] {
        spec(&sandbox, &[text]);
        let mut command = sandbox.command(&["build"]);
        command.env("TMPDIR", &mount.path);
        refused_as(
            &sandbox,
            command,
            1,
            &["temporary file", FULL, "help: ", "set TMPDIR to a "],
        );
    }
}

#[test]
fn a_full_cache_is_told_of_once_and_the_build_goes_on() {
    let sandbox = Sandbox::new();
    let mount = Mount::small(&sandbox, "full", 16);
    mount.fill();
    sandbox.write("app", "1");
    spec(
        &sandbox,
        &[&base(&format!("oci:{}", part("BASE"))), &layer("app", "/app")],
    );
    let mut command = sandbox.command(&["build"]);
    command.env("OCITECT_CACHE_DIR", mount.path.join("cache"));
    let outcome = Outcome::of(command).expect(0);
    println!("{}", outcome.stderr);
    let warnings: Vec<&str> = outcome
        .stderr
        .lines()
        .filter(|line| line.starts_with("warning: "))
        .collect();
    assert_eq!(warnings.len(), 1, "{}", outcome.stderr);
    assert!(
        warnings[0].contains("cannot write to the cache, building without it"),
        "{}",
        warnings[0]
    );
    assert!(warnings[0].contains(FULL), "{}", warnings[0]);
    assert_eq!(leftovers(&mount.path), Vec::<PathBuf>::new());
    sandbox.ok(&["inspect", "oci:build/oci"]);
}

#[test]
fn a_target_that_cannot_be_written_is_named() {
    let sandbox = Sandbox::new();
    let mount = Mount::small(&sandbox, "frozen", 256);
    spec_of(&sandbox, 10);
    sandbox.ok(&["build", "-o", "oci:frozen/image"]);
    mount.freeze();
    spec_of(&sandbox, 11);
    let reason = "Read-only file system";
    for (output, path) in [
        ("oci:frozen/image", "frozen/image"),
        ("oci:frozen/new", "frozen/new"),
        ("oci-archive:frozen/new.tar", "frozen/new.tar"),
        ("docker-archive:frozen/new.tar", "frozen/new.tar"),
    ] {
        refused(&sandbox, &["build", "-o", output], 1, &[path, reason]);
        refused(
            &sandbox,
            &["copy", &format!("oci:{}", part("BASE_SINGLE")), output],
            1,
            &[path, reason],
        );
    }
    sandbox
        .run(&["build", "--metadata", "frozen/image.json"])
        .expect(1)
        .says(&["write to frozen", reason]);
    let mut command = sandbox.command(&["build", "-o", "oci:fine"]);
    command.env("TMPDIR", &mount.path);
    refused_as(
        &sandbox,
        command,
        1,
        &[mount.path.to_str().unwrap(), reason, "set TMPDIR"],
    );
    let mut command = sandbox.command(&["build", "-o", "oci:fine"]);
    command.env("OCITECT_CACHE_DIR", mount.path.join("cache"));
    Outcome::of(command).expect(0);
}

#[test]
fn an_output_whose_way_is_a_file_or_that_is_no_file_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "x").write("full/of", "things");
    spec_of(&sandbox, 1);
    refused(
        &sandbox,
        &["build", "-o", "oci:file"],
        2,
        &["oci:file", "not a directory"],
    );
    refused(
        &sandbox,
        &["build", "-o", "oci:full"],
        2,
        &["oci:full", "not an OCI layout, and it is not empty: it contains of"],
    );
    refused(
        &sandbox,
        &["build", "-o", "oci:file/below"],
        1,
        &["file/below", "Not a directory"],
    );
    refused(
        &sandbox,
        &["build", "-o", "oci-archive:full"],
        2,
        &["oci-archive:full", "it is a directory", "help: "],
    );
}
