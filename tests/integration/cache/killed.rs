//! Kills before each of the calls that change a file system: the cache has no damaged file, the next run works, and no
//! temporary file is left.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::support::images::write_spec;
use crate::support::on_base;
use crate::support::supervisor::supervise;
use crate::support::{Outcome, Sandbox, files_below};

/// Concurrent kills: more would only wait for each other.
const KILLERS: usize = 4;

/// Prepares a run, and returns its arguments.
type Prepare = fn(&Sandbox) -> Vec<&'static str>;

fn build(sandbox: &Sandbox) -> Vec<&'static str> {
    write_spec(sandbox, &on_base());
    vec!["build", "-o", "oci:out"]
}

fn prune(sandbox: &Sandbox) -> Vec<&'static str> {
    build(sandbox);
    sandbox.ok(&["build", "-o", "oci:out"]);
    vec!["cache", "prune", "--all"]
}

fn verify(sandbox: &Sandbox) -> Vec<&'static str> {
    prune(sandbox);
    files_below(&sandbox.path("cache/documents"))
        .iter()
        .for_each(|path| fs::write(path, "damage").unwrap());
    vec!["cache", "verify"]
}

/// Runs a command in its own sandbox, killed before change `at`. Returns the number of changes.
fn kill(prepare: Prepare, at: Option<usize>, digest: &str) -> usize {
    let sandbox = Sandbox::new();
    let arguments = prepare(&sandbox);
    // The number of changes varies a little with the threads: the last ones may not be reached.
    let supervised = supervise(sandbox.command(&arguments), at);
    let what = format!("{arguments:?}, killed before change {at:?}");
    if arguments[0] == "build" {
        let said: Value = serde_json::from_str(&sandbox.ok(&["cache", "verify", "--json"]).stdout).unwrap();
        assert_eq!(said["damaged"].as_array().unwrap().len(), 0, "{what}: {said}");
    }
    Outcome::of(sandbox.command(&arguments)).expect(0);
    assert_eq!(sandbox.ok(&["build", "-o", "oci:out"]).digest(), digest, "{what}");
    sandbox.ok(&["cache", "prune"]);
    for path in files_below(&sandbox.path("cache")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name.len() == 64 || name == "size", "{what}: {} is left", path.display());
    }
    supervised.changes
}

#[test]
fn killed_at_every_change_the_cache_is_sound() {
    let sandbox = Sandbox::new();
    build(&sandbox);
    let digest = sandbox.ok(&["build", "-o", "oci:out"]).digest();
    for prepare in [build as Prepare, prune, verify] {
        let changes = kill(prepare, None, &digest);
        println!("{changes} changes");
        assert!(changes >= 2);
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..KILLERS {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= changes {
                            break;
                        }
                        kill(prepare, Some(at), &digest);
                    }
                });
            }
        });
    }
}
