//! Finds all files of the cache. Only files with names of this program are considered. Others are ignored, in case the
//! root has other content.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::kind::NAMES;
use crate::model::Digest;
use crate::store::local::remove_abandoned;

/// Depth of files below the directory of a kind: `vVERSION/AB/ABCDEF…`.
const MAX_DEPTH: usize = 2;

/// A file of the cache.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub kind_name: &'static str,
    directory: Arc<Path>,
    name: OsString,
    pub key: Digest,
    /// Size of the whole file.
    pub size_bytes: u64,
    /// The time at which it was stored or last used.
    pub used: SystemTime,
}

impl Kept {
    /// Returns its path.
    pub fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

/// Returns every file of the cache, in no order. What cannot be read is skipped.
pub(super) fn scan(root: &Path) -> Vec<Kept> {
    let mut found = Vec::new();
    for kind_name in NAMES {
        scan_directory(kind_name, &root.join(kind_name), 0, &mut found);
    }
    found
}

/// Removes temporary files of killed writers.
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
        // Type of the entry itself: links are not followed.
        let Ok(file_type) = entry.file_type() else { continue };
        if file_type.is_dir() && depth < MAX_DEPTH {
            scan_directory(kind_name, &entry.path(), depth + 1, found);
        } else if file_type.is_file() {
            let name = entry.file_name();
            let Some(key) = key(&name) else { continue };
            let Ok(metadata) = entry.metadata() else { continue };
            let Ok(used) = metadata.modified() else { continue };
            let directory = shared.clone();
            let size_bytes = metadata.len();
            found.push(Kept {
                kind_name,
                directory,
                name,
                key,
                size_bytes,
                used,
            });
        }
    }
}

fn key(name: &OsString) -> Option<Digest> {
    format!("sha256:{}", name.to_str()?).parse().ok()
}
