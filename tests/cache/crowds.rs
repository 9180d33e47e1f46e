//! Many builds on one cache at once, while others prune, verify and damage it: every build gives the bytes that it gives
//! alone with an empty cache.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::images::{on_base, write_spec};
use crate::support::{Outcome, Sandbox, files_below};

/// Builds at a time, and how often.
const BUILDERS: usize = 8;
const ROUNDS: usize = 3;

/// Says that it is over when it is dropped, also by a panic: another thread waits for that.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A build of the spec in `sandbox` with the cache of all, without a lock of its own.
fn builder(sandbox: &Sandbox, shared: &Sandbox, output: &str) -> Command {
    let _ = fs::remove_file(sandbox.path("ocitect.lock"));
    let mut command = sandbox.command(&["build", "-o", output]);
    command.env("OCITECT_CACHE_DIR", shared.path("cache")).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn spec(number: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &on_base());
    // Much in common, and something of its own.
    let common: String =
        (0..50_000_u64).map(|line| format!("{:x}\n", line.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    sandbox.write("files/common", common).write("files/own", format!("{number}\n").repeat(1000));
    sandbox
}

/// Builds all specs at once, several times; gives what `meanwhile` counted until they were done.
fn crowd(limit: Option<&str>, meanwhile: impl Fn(&Sandbox) -> usize + Sync) {
    let shared = Sandbox::new();
    let sandboxes: Vec<Sandbox> = (0..BUILDERS).map(spec).collect();
    let alone: Vec<String> =
        sandboxes.iter().map(|sandbox| sandbox.ok(&["build", "-o", "oci:alone"]).digest()).collect();
    let is_over = AtomicBool::new(false);
    let disturbed = std::thread::scope(|scope| {
        let disturber = scope.spawn(|| {
            let mut count = 0;
            while !is_over.load(Ordering::SeqCst) {
                count += meanwhile(&shared);
            }
            count
        });
        let over = Over(&is_over);
        for round in 0..ROUNDS {
            let output = format!("oci:round-{round}");
            let children: Vec<Child> = sandboxes
                .iter()
                .map(|sandbox| {
                    let mut command = builder(sandbox, &shared, &output);
                    command.envs(limit.map(|limit| ("OCITECT_CACHE_SIZE", limit)));
                    command.spawn().unwrap()
                })
                .collect();
            for (child, digest) in children.into_iter().zip(&alone) {
                let outcome = Outcome::from(child.wait_with_output().unwrap()).expect(0);
                assert_eq!(outcome.digest(), *digest);
                assert!(!outcome.stderr.contains("cannot write"), "{}", outcome.stderr);
            }
        }
        drop(over);
        disturber.join().unwrap()
    });
    println!("{disturbed} disturbances");
    let verified = shared.ok(&["cache", "verify", "--json"]).stdout;
    let verified: serde_json::Value = serde_json::from_str(&verified).unwrap();
    println!("{verified}");
    shared.ok(&["cache", "prune"]);
    let left = files_below(&shared.path("cache"));
    assert!(!left.iter().any(|path| path.to_string_lossy().contains("tmp-")), "{left:?}");
}

#[test]
fn builds_at_once_share_a_cache() {
    crowd(None, |shared| {
        let said: serde_json::Value = serde_json::from_str(&shared.ok(&["cache", "verify", "--json"]).stdout).unwrap();
        assert_eq!(said["unsound"].as_array().unwrap().len(), 0, "{said}");
        1
    });
}

#[test]
fn pruning_and_a_tiny_limit_hinder_no_build() {
    crowd(Some("20kB"), |shared| {
        shared.ok(&["cache", "prune", "--all"]);
        1
    });
}

#[test]
fn damage_and_deletion_hinder_no_build() {
    crowd(None, |shared| {
        if !shared.path("cache").exists() {
            return 0;
        }
        let mut damaged = 0;
        for directory in ["blocks", "layers", "facts", "documents"].map(|kind| shared.path("cache").join(kind)) {
            // What is not kept yet is its writer's: whoever takes that away time and again is told of.
            for path in walk(&directory).into_iter().filter(|path| !path.to_string_lossy().contains("tmp-")) {
                damaged += 1;
                // As a disk damages: in place. What is renamed into place meanwhile is another file.
                let _ = match damaged % 3 {
                    0 => fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(100)),
                    1 => fs::OpenOptions::new()
                        .append(true)
                        .open(&path)
                        .and_then(|mut file| std::io::Write::write_all(&mut file, b"more")),
                    _ => fs::remove_file(&path),
                };
            }
        }
        damaged
    });
}

/// Files below a directory that others change.
fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.flat_map(|entry| if entry.path().is_dir() { walk(&entry.path()) } else { vec![entry.path()] }).collect()
}
