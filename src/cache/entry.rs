//! One file of the cache: a line with the digest of kind, key and content, and the content.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::kind::Kind;
use crate::model::{Digest, Hasher};
use crate::store::StoreError;
use crate::store::local::{TemporaryFile, open_regular, parent};

/// Length of the first line in bytes: `sha256:`, 64 digits, and a newline.
const HEAD_BYTES: usize = 72;

/// Number of digits of a key that name the directory of its file: with many blocks, each of the 256 directories has
/// about a hundred files, which every file system looks up quickly.
const SHARD_DIGITS: usize = 2;

/// Mode of the cache's directories, before the umask. A user who can write here can change what is built: only the
/// owner may, whatever the umask is.
const DIRECTORY_MODE: u32 = 0o755;

/// Attempts to write a file. An attempt fails if the directory is deleted at that moment.
const MAX_WRITE_ATTEMPTS: usize = 3;

/// A valid file.
pub(super) struct Found {
    pub file: File,
    pub content: Vec<u8>,
    /// The time at which it was stored or last used.
    pub used: SystemTime,
}

/// Why a file cannot be used.
pub(super) enum Flaw {
    /// It does not have the content that was stored under its name.
    Damaged,
    /// It does not exist, or cannot be read.
    Unreadable,
}

/// Returns the path of a key's file in the directory of its kind.
pub(super) fn path(kind_directory: &Path, key: &Digest) -> PathBuf {
    let name = key.hex();
    kind_directory.join(&name[..SHARD_DIGITS]).join(name)
}

/// Reads a file. A damaged one is deleted. If another process replaces it by a valid one at that moment, that is one
/// more cache miss.
pub(super) fn read(path: &Path, kind: Kind, key: &Digest) -> Option<Found> {
    match check(path, kind, key) {
        Ok(found) => Some(found),
        Err(Flaw::Damaged) => {
            let _ = fs::remove_file(path);
            None
        }
        Err(Flaw::Unreadable) => None,
    }
}

/// Reads a file, or returns what is wrong with it.
pub(super) fn check(path: &Path, kind: Kind, key: &Digest) -> Result<Found, Flaw> {
    let mut file = match open_regular(path, "the cache") {
        Ok(Some(file)) => file,
        Err(StoreError::Malformed { .. }) => return Err(Flaw::Damaged),
        Ok(None) | Err(_) => return Err(Flaw::Unreadable),
    };
    let metadata = file.metadata().map_err(|_| Flaw::Unreadable)?;
    let content_bytes = metadata.len().checked_sub(HEAD_BYTES as u64).ok_or(Flaw::Damaged)?;
    if content_bytes > kind.max_bytes {
        return Err(Flaw::Damaged);
    }
    let mut found_head = [0; HEAD_BYTES];
    let mut content = Vec::with_capacity(content_bytes as usize);
    let read = file
        .read_exact(&mut found_head)
        .and_then(|()| (&file).take(content_bytes).read_to_end(&mut content));
    read.map_err(|_| Flaw::Unreadable)?;
    if found_head != *head(kind, key, &content).as_bytes() {
        return Err(Flaw::Damaged);
    }
    let used = metadata.modified().map_err(|_| Flaw::Unreadable)?;
    Ok(Found { file, content, used })
}

/// Writes a file below the directory of its kind. Returns its size in bytes.
pub(super) fn write(kind_directory: &Path, kind: Kind, key: &Digest, content: &[u8]) -> io::Result<u64> {
    if content.len() as u64 > kind.max_bytes {
        let reason = format!("{} bytes are over the cache limit of {}", content.len(), kind.name);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    }
    let head = head(kind, key, content);
    let target = path(kind_directory, key);
    let mut attempts = 1;
    loop {
        match write_once(kind_directory, &target, &[head.as_bytes(), content]) {
            Ok(()) => return Ok((HEAD_BYTES + content.len()) as u64),
            Err(error) if is_gone(&error) && attempts < MAX_WRITE_ATTEMPTS => attempts += 1,
            Err(error) => return Err(into_io(error)),
        }
    }
}

fn write_once(kind_directory: &Path, target: &Path, parts: &[&[u8]]) -> Result<(), StoreError> {
    let shard = parent(target);
    let created = fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(shard);
    created.map_err(|cause| StoreError::io("create", shard, cause))?;
    // Temporary files of all shards are in one directory, where those of killed writers are found at once.
    let mut file = TemporaryFile::create_unshared_in(kind_directory)?;
    let written = parts.iter().try_for_each(|part| file.write_all(part));
    written.map_err(|cause| StoreError::io("write", target, cause))?;
    file.persist_without_sync(target)
}

/// Returns `true` if a directory of the path was deleted.
fn is_gone(error: &StoreError) -> bool {
    matches!(error, StoreError::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
}

/// Converts an error, with the kind of its cause and its path.
pub(super) fn into_io(error: StoreError) -> io::Error {
    let kind = match &error {
        StoreError::Io { cause, .. } => cause.kind(),
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Returns the first line of a file. It binds the content to its name: under another name the file is damaged.
fn head(kind: Kind, key: &Digest, content: &[u8]) -> String {
    let mut hasher = Hasher::new();
    hasher.update(format!("{} {key}\n", kind.name).as_bytes());
    hasher.update(content);
    format!("{}\n", hasher.digest())
}
