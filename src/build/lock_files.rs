//! Writes a lockfile with its facts files: first the facts files, then the lockfile, then facts files that no pin needs are
//! removed. So a lockfile never refers to a facts file that is not written yet, wherever the process is killed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use crate::lock::{Lock, LockedImage, facts_file_digest, facts_file_name};
use crate::model::{Digest, facts_directory};
use crate::store::StoreError;
use crate::store::output::{Access, temporary_beside, write_output};

/// Writes a lockfile and its facts files, each atomically. If the lockfile is a symbolic link, the file that the link
/// refers to is replaced. A symbolic link in the place of a facts file is replaced itself.
pub(super) fn write(path: &Path, lock: &Lock) -> Result<(), StoreError> {
    let directory = facts_directory(path);
    for (digest, text) in lock.facts_files() {
        write_facts(&directory.join(facts_file_name(&digest)), text.as_bytes())?;
    }
    write_output(path, lock.to_text().as_bytes(), Access::Umask)?;
    tidy(path, lock)
}

/// Removes facts files that a lockfile does not need.
pub(super) fn tidy(path: &Path, lock: &Lock) -> Result<(), StoreError> {
    let needed = lock.images().values().filter_map(LockedImage::facts_digest);
    remove_unneeded(&facts_directory(path), &needed.collect())
}

/// Removes a lockfile, and then its facts files.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    fs::remove_file(path).map_err(|cause| StoreError::io("remove", path, cause))?;
    remove_unneeded(&facts_directory(path), &BTreeSet::new())
}

/// Writes a facts file, unless it has this content already.
fn write_facts(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    if is_file && fs::read(path).is_ok_and(|written| written == bytes) {
        return Ok(());
    }
    let mut file = temporary_beside(path, Access::Umask)?;
    file.write_all(bytes)
        .map_err(|cause| StoreError::io("write", path, cause))?;
    file.persist(path)
}

/// Removes the facts files that are not needed, and the directory if it is empty then. Only regular files with the name of
/// a facts file are removed; a symbolic link in the place of the directory is not followed.
fn remove_unneeded(directory: &Path, needed: &BTreeSet<Digest>) -> Result<(), StoreError> {
    if !fs::symlink_metadata(directory).is_ok_and(|metadata| metadata.is_dir()) {
        return Ok(());
    }
    let failed = |cause| StoreError::io("read", directory, cause);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let digest = entry.file_name().to_str().and_then(facts_file_digest);
        let is_unneeded = digest.is_some_and(|digest| !needed.contains(&digest));
        if is_unneeded && entry.file_type().map_err(failed)?.is_file() {
            remove_file(&entry.path())?;
        }
    }
    if needed.is_empty() {
        // Not empty if it contains files of others.
        let _ = fs::remove_dir(directory);
    }
    Ok(())
}

/// Removes a file that another process may remove too.
fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path, cause)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
