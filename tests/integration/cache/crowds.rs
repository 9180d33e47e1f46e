//! Many concurrent builds on one cache, while other processes prune, verify and damage it: every build has the same
//! result as alone with an empty cache.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::images::write_spec;
use crate::support::on_base;
use crate::support::{Outcome, Sandbox, files_below};

/// Concurrent builds, and rounds.
const BUILDERS: usize = 8;
const ROUNDS: usize = 3;

/// Sets a flag when it is dropped, also by a panic: another thread waits for it.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Returns a build of the spec in `sandbox` with the shared cache, without its own lockfile.
fn builder(sandbox: &Sandbox, shared: &Sandbox, output: &str) -> Command {
    let _ = fs::remove_file(sandbox.path("ocitect.lock"));
    let mut command = sandbox.command(&["build", "-o", output]);
    command
        .env("OCITECT_CACHE_DIR", shared.path("cache"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn spec(number: usize) -> Sandbox {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &on_base());
    // Mostly common content, and some that differs.
    let common: String = (0..50_000_u64)
        .map(|line| format!("{:x}\n", line.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    sandbox
        .write("files/common", common)
        .write("files/own", format!("{number}\n").repeat(1000));
    sandbox
}

/// Builds all specs concurrently, several times. Returns the count of `meanwhile` until they were done.
fn crowd(limit: Option<&str>, meanwhile: impl Fn(&Sandbox) -> usize + Sync) {
    let shared = Sandbox::new();
    let sandboxes: Vec<Sandbox> = (0..BUILDERS).map(spec).collect();
    let alone: Vec<String> = sandboxes
        .iter()
        .map(|sandbox| sandbox.ok(&["build", "-o", "oci:alone"]).digest())
        .collect();
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
    assert!(
        !left.iter().any(|path| path.to_string_lossy().contains("tmp-")),
        "{left:?}"
    );
}

#[test]
fn builds_at_once_share_a_cache() {
    crowd(None, |shared| {
        let said: serde_json::Value = serde_json::from_str(&shared.ok(&["cache", "verify", "--json"]).stdout).unwrap();
        assert_eq!(said["damaged"].as_array().unwrap().len(), 0, "{said}");
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
            // Temporary files belong to their writer, which would report their removal.
            for path in walk(&directory)
                .into_iter()
                .filter(|path| !path.to_string_lossy().contains("tmp-"))
            {
                damaged += 1;
                // Damage in place, as on a disk. A file that is renamed into place meanwhile is another file.
                let _ = match damaged % 3 {
                    0 => fs::OpenOptions::new()
                        .write(true)
                        .open(&path)
                        .and_then(|file| file.set_len(100)),
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

/// Returns the files below a directory that other processes change.
fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| {
            if entry.path().is_dir() {
                walk(&entry.path())
            } else {
                vec![entry.path()]
            }
        })
        .collect()
}
