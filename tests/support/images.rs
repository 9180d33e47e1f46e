//! Small images to write, and the state of the written files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::support::Sandbox;

/// Writes a spec for two platforms with the lines `image` in `[image]`, and a layer of some files.
pub fn write_spec(sandbox: &Sandbox, image: &str) {
    write_spec_for(sandbox, image, &["linux/amd64", "linux/arm64"]);
}

/// Writes such a spec for given platforms.
pub fn write_spec_for(sandbox: &Sandbox, image: &str, platforms: &[&str]) {
    sandbox
        .write("files/greeting", "hello\n")
        .write_mode("files/bin/greet", "#!/bin/sh\necho greetings\n", 0o755);
    let layer = "[[layers]]\nname = \"app\"\nfiles = [{ from = \"files/\", to = \"/app\" }]\n";
    sandbox.spec(&format!("[image]\n{image}\nplatforms = {platforms:?}\n{layer}"));
}

/// Returns a digest in the form of descriptors.
pub fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Returns every file below a directory, with inode and time of its last change.
pub fn state(directory: &Path) -> BTreeMap<PathBuf, (u64, i64, i64)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            found.extend(state(&path));
        }
        found.insert(path, (metadata.ino(), metadata.mtime(), metadata.mtime_nsec()));
    }
    found
}

/// Returns the names of a layout's blobs, each of which must be the hash of its bytes.
#[track_caller]
pub fn sound_blobs(layout: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        assert_eq!(sha256(&fs::read(entry.path()).unwrap()), format!("sha256:{name}"));
        names.push(name);
    }
    names.sort();
    names
}
