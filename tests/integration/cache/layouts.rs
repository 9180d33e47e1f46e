//! Pruning of layouts, during builds that write into them and with other programs' images.

use std::fs;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::cache::crowds::Over;
use crate::support::images::{sound_blobs, write_spec};
use crate::support::on_base;
use crate::support::supervisor::supervise;
use crate::support::{Outcome, Sandbox, files_below, tool};

/// Concurrent builds, and rounds of each.
const WRITERS: usize = 4;
const ROUNDS: usize = 4;

fn pruned(sandbox: &Sandbox, more: &[&str]) -> Value {
    let arguments = [&["cache", "prune", "--layout", "out", "--json"], more].concat();
    serde_json::from_str(&sandbox.ok(&arguments).stdout).unwrap()
}

/// Checks that another program can copy everything that a tag names.
fn readable(sandbox: &Sandbox, tag: &str) {
    let source = format!("oci:{}:{tag}", sandbox.path("out").display());
    let target = format!("oci:{}", sandbox.path(format!("read-{tag}")).display());
    tool("skopeo", &["copy", "-q", "--all", &source, &target]);
}

/// A layout with an image under `moving`, one that was under it before, and one under `fixed`.
fn three_images(sandbox: &Sandbox) {
    write_spec(sandbox, &on_base());
    sandbox.ok(&["build", "-t", "moving", "-t", "fixed", "-o", "oci:out"]);
    for content in ["second\n", "third\n"] {
        sandbox
            .write("files/greeting", content)
            .ok(&["build", "-t", "moving", "-o", "oci:out"]);
    }
}

#[test]
fn a_layout_holds_what_its_tags_reach_and_nothing_else() {
    let sandbox = Sandbox::new();
    three_images(&sandbox);
    let before = sound_blobs(&sandbox.path("out"));
    let index = fs::read(sandbox.path("out/index.json")).unwrap();
    let said = pruned(&sandbox, &["--dry-run"]);
    // An index; and for two platforms the manifest, the config, and one shared layer.
    assert_eq!(said["removed"].as_array().unwrap().len(), 6, "{said}");
    assert_eq!(sound_blobs(&sandbox.path("out")), before);
    let text = sandbox.ok(&["cache", "prune", "--layout", "out"]).stdout;
    let last = text.lines().last().unwrap();
    assert!(
        last.starts_with("removed 6 blobs, ") && last.contains(&format!("kept {}, ", before.len() - 6)),
        "{text}"
    );
    let after = sound_blobs(&sandbox.path("out"));
    for removed in said["removed"].as_array().unwrap() {
        assert!(
            !after.contains(&removed["digest"].as_str().unwrap()[7..].to_owned()),
            "{removed}"
        );
    }
    assert_eq!(after.len(), before.len() - 6);
    assert_eq!(fs::read(sandbox.path("out/index.json")).unwrap(), index);
    ["moving", "fixed"].iter().for_each(|tag| readable(&sandbox, tag));
    assert_eq!(pruned(&sandbox, &[])["removed"], Value::Array(Vec::new()));
    // The next build works, and does not prune by itself.
    sandbox
        .write("files/greeting", "fourth\n")
        .ok(&["build", "-t", "moving", "-o", "oci:out"]);
    assert_eq!(sound_blobs(&sandbox.path("out")).len(), after.len() + 6);
}

#[test]
fn images_of_other_programs_stay() {
    let sandbox = Sandbox::new();
    three_images(&sandbox);
    let source = format!("oci:{}:fixed", sandbox.path("out").display());
    for (tag, more) in [("all", &["--all"][..]), ("docker", &["--format", "v2s2"])] {
        let target = format!("oci:{}:{tag}", sandbox.path("out").display());
        tool("skopeo", &[&["copy", "-q"], more, &[&source, &target]].concat());
    }
    let layout = sandbox.path("out");
    tool(
        "umoci",
        &["tag", "--image", &format!("{}:docker", layout.display()), "umoci"],
    );
    assert_eq!(pruned(&sandbox, &[])["removed"].as_array().unwrap().len(), 6);
    ["moving", "fixed", "all"]
        .iter()
        .for_each(|tag| readable(&sandbox, tag));
    // skopeo cannot read what it wrote there in Docker's format.
    for tag in ["docker", "umoci"] {
        sandbox.ok(&["copy", &format!("oci:out:{tag}"), &format!("oci:read-{tag}")]);
    }
    tool("umoci", &["gc", "--layout", layout.to_str().unwrap()]);
    assert_eq!(pruned(&sandbox, &[])["removed"].as_array().unwrap().len(), 0);
}

#[test]
fn a_damaged_layout_is_left_as_it_is() {
    let sandbox = Sandbox::new();
    three_images(&sandbox);
    let before = sound_blobs(&sandbox.path("out"));
    let layout = sandbox.layout("out");
    let manifest = layout.manifest("fixed", "linux/arm64");
    let config = manifest["config"]["digest"].as_str().unwrap();
    fs::remove_file(sandbox.path("out/blobs/sha256").join(&config[7..])).unwrap();
    sandbox
        .run(&["cache", "prune", "--layout", "out"])
        .expect(2)
        .says(&[config, "is missing", "nothing was deleted"]);
    assert_eq!(sound_blobs(&sandbox.path("out")).len(), before.len() - 1);
}

#[test]
fn builds_and_pruning_at_once_lose_nothing() {
    let sandbox = Sandbox::new();
    three_images(&sandbox);
    let spec = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    let is_over = AtomicBool::new(false);
    let removed = std::thread::scope(|scope| {
        let pruner = scope.spawn(|| {
            let mut removed = 0;
            while !is_over.load(Ordering::SeqCst) {
                removed += pruned(&sandbox, &[])["removed"].as_array().unwrap().len();
            }
            removed
        });
        let over = Over(&is_over);
        for round in 0..ROUNDS {
            let children: Vec<Child> = (0..WRITERS)
                .map(|writer| {
                    // Images are written again that were pruned before, and that others write at the same time.
                    sandbox.write(&format!("own-{writer}"), format!("{}\n", (round + writer) % 3));
                    let own =
                        format!("[[layers]]\nname = \"own\"\nfiles = [{{ from = \"own-{writer}\", to = \"/own\" }}]\n");
                    let file = format!("spec-{writer}.toml");
                    sandbox.write(&file, format!("{spec}{own}"));
                    let tag = format!("t{writer}");
                    let mut command = sandbox.command(&["build", &file, "-t", &tag, "-o", "oci:out"]);
                    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
                })
                .collect();
            for child in children {
                Outcome::from(child.wait_with_output().unwrap()).expect(0);
            }
        }
        drop(over);
        pruner.join().unwrap()
    });
    println!("{removed} blobs were pruned");
    pruned(&sandbox, &[]);
    sound_blobs(&sandbox.path("out"));
    ["moving", "fixed", "t0", "t1", "t2", "t3"]
        .iter()
        .for_each(|tag| readable(&sandbox, tag));
}

#[test]
fn killed_while_it_prunes_it_loses_nothing_that_is_listed() {
    let mut at = 0;
    loop {
        let sandbox = Sandbox::new();
        three_images(&sandbox);
        let supervised = supervise(sandbox.command(&["cache", "prune", "--layout", "out"]), Some(at));
        ["moving", "fixed"].iter().for_each(|tag| readable(&sandbox, tag));
        // A partly deleted image is completed by its next build, and deleted by the next pruning.
        sandbox
            .write("files/greeting", "second\n")
            .ok(&["build", "-t", "moving", "-o", "oci:out"]);
        fs::remove_dir_all(sandbox.path("read-moving")).unwrap();
        readable(&sandbox, "moving");
        assert_eq!(pruned(&sandbox, &[])["removed"].as_array().unwrap().len(), 6);
        let left = files_below(&sandbox.path("out"));
        assert!(
            !left.iter().any(|path| path.to_string_lossy().contains("tmp-")),
            "{left:?}"
        );
        if !supervised.was_killed {
            break;
        }
        at += 1;
    }
    assert!(at >= 6, "only {at} changes");
}
