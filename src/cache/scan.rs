//! Finds everything that is kept. Only files are looked at whose names this program gives; others are nobody's business
//! here, should the root be a directory that holds something else.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::kind::NAMES;
use crate::model::Digest;
use crate::store::local::remove_abandoned;

/// How deep files lie below the directory of a kind: `vVERSION/AB/ABCDEF…`.
const MAX_DEPTH: usize = 2;

/// A kept file.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub kind_name: &'static str,
    directory: Arc<Path>,
    name: OsString,
    pub key: Digest,
    /// Of the whole file.
    pub size_bytes: u64,
    /// When it was stored, or used the last time.
    pub used: SystemTime,
}

impl Kept {
    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

/// Every kept file, in no order. What cannot be read is passed over.
pub(super) fn scan(root: &Path) -> Vec<Kept> {
    let mut found = Vec::new();
    for kind_name in NAMES {
        scan_directory(kind_name, &root.join(kind_name), 0, &mut found);
    }
    found
}

/// Removes what killed writers left where entries are written.
pub(super) fn remove_leftovers(root: &Path) {
    for directory in NAMES.map(|name| root.join(name)) {
        let versions = fs::read_dir(&directory).into_iter().flatten().flatten();
        versions.for_each(|version| remove_abandoned(&version.path()));
        remove_abandoned(&directory);
    }
    remove_abandoned(root);
}

fn scan_directory(kind_name: &'static str, directory: &Path, depth: usize, found: &mut Vec<Kept>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let shared: Arc<Path> = directory.into();
    for entry in entries.flatten() {
        // Of the entry itself: links are not followed.
        let Ok(file_type) = entry.file_type() else { continue };
        if file_type.is_dir() && depth < MAX_DEPTH {
            scan_directory(kind_name, &entry.path(), depth + 1, found);
        } else if file_type.is_file() {
            let name = entry.file_name();
            let Some(key) = key(&name) else { continue };
            let Ok(metadata) = entry.metadata() else { continue };
            let Ok(used) = metadata.modified() else { continue };
            let (directory, size_bytes) = (shared.clone(), metadata.len());
            found.push(Kept { kind_name, directory, name, key, size_bytes, used });
        }
    }
}

fn key(name: &OsString) -> Option<Digest> {
    format!("sha256:{}", name.to_str()?).parse().ok()
}
