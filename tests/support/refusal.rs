//! The common properties of every error: its exit status, its text, and that no file has changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::support::{Outcome, Sandbox};

/// A spec for linux/amd64 without content.
pub const HEAD: &str = "[image]\nplatforms = [\"linux/amd64\"]\n";

/// Returns a layer `app` that puts `from` at `to`.
pub fn layer(from: &str, to: &str) -> String {
    format!("[[layers]]\nname = \"app\"\nfiles = [{{ from = \"{from}\", to = \"{to}\" }}]\n")
}

/// Returns the line of a spec that sets a base.
pub fn base(name: &str) -> String {
    format!("base = \"{name}\"\n")
}

/// Writes `ocitect.toml`: [`HEAD`], then lines of `[image]`, then tables.
pub fn spec(sandbox: &Sandbox, parts: &[&str]) {
    sandbox.spec(&format!("{HEAD}{}", parts.concat()));
}

/// Runs the binary, which must fail with this exit status and these words, and leave every file unchanged.
#[track_caller]
pub fn refused(sandbox: &Sandbox, arguments: &[&str], code: i32, words: &[&str]) -> Outcome {
    refused_as(sandbox, sandbox.command(arguments), code, words)
}

/// Like [`refused`], for a command that was prepared in another way.
#[track_caller]
pub fn refused_as(sandbox: &Sandbox, command: std::process::Command, code: i32, words: &[&str]) -> Outcome {
    let before = state(sandbox.root());
    let outcome = Outcome::of(command);
    println!("{}", outcome.stderr);
    let outcome = outcome.expect(code).says(words).says(&["error: "]);
    assert_eq!(outcome.stdout, "");
    assert_eq!(state(sandbox.root()), before);
    outcome
}

/// Returns everything below a directory except the cache, with the properties that a write changes.
pub fn state(root: &Path) -> BTreeMap<PathBuf, (u64, u64, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            // The cache of facts is no output; the times of a socket or a directory are those of its entries.
            if path == root.join("cache") {
                continue;
            }
            if metadata.is_dir() {
                pending.push(path.clone());
                found.insert(path, (metadata.ino(), 0, 0, 0));
            } else {
                found.insert(
                    path,
                    (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()),
                );
            }
        }
    }
    found
}
