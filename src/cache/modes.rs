//! Permissions: removes others' permission to write to a cache of earlier versions, which a umask of 000 allowed.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::directory::Cache;
use super::kind::{NAMES, UPLOADS};
use super::ledger;

/// Permission bits that let the group and others write.
const OTHERS_WRITE: u32 = 0o022;

/// In a directory with this bit, only the owner of a file can replace it.
const STICKY: u32 = 0o1000;

impl Cache {
    /// Removes the group's and others' permission to write, which earlier versions allowed under a umask of 000.
    ///
    /// Returns a path of the cache that others can still write to: it is another user's, or the root has other content
    /// than the cache.
    pub fn tighten(&self) -> Option<PathBuf> {
        tighten(self.root())
    }
}

/// Removes the permission to write from all but the owner. Returns a path that others can still write to: it is another
/// user's, or a root with other content than the cache, such as `/tmp`, whose mode is not changed.
///
/// All files are checked only if the directory of a kind or of its version was writable by others.
fn tighten(root: &Path) -> Option<PathBuf> {
    let mut pass = Pass {
        user: rustix::process::geteuid().as_raw(),
        exposed: None,
    };
    let is_root_open = pass.tighten_root(root);
    for kind in NAMES.map(|name| root.join(name)) {
        let mut is_open = pass.tighten(&kind) || is_root_open;
        for version in paths_in(&kind) {
            is_open |= pass.tighten(&version);
        }
        if is_open {
            pass.tighten_below(&kind);
        }
    }
    for other in [ledger::NAME, UPLOADS] {
        pass.tighten(&root.join(other));
    }
    pass.exposed
}

struct Pass {
    user: u32,
    exposed: Option<PathBuf>,
}

impl Pass {
    /// Returns `true` if others could write to it.
    fn tighten_root(&mut self, root: &Path) -> bool {
        let Ok(metadata) = root.metadata() else { return false };
        if metadata.mode() & OTHERS_WRITE == 0 {
            return false;
        }
        if holds_cache_alone(root) {
            // The root may be a link.
            return root.canonicalize().is_ok_and(|root| self.tighten(&root));
        }
        if metadata.mode() & STICKY == 0 {
            self.exposed.get_or_insert_with(|| root.to_owned());
        }
        true
    }

    /// Returns `true` if others could write to it. A path that does not exist, or is a link, is not part of the cache.
    fn tighten(&mut self, path: &Path) -> bool {
        match open(path).and_then(|file| self.tighten_file(&file)) {
            Ok(is_open) => is_open,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.exposed.get_or_insert_with(|| path.to_owned());
                true
            }
            Err(_) => false,
        }
    }

    fn tighten_file(&self, file: &File) -> io::Result<bool> {
        let metadata = file.metadata()?;
        if metadata.mode() & OTHERS_WRITE == 0 {
            return Ok(false);
        }
        if metadata.uid() != self.user {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        file.set_permissions(Permissions::from_mode(metadata.mode() & 0o7777 & !OTHERS_WRITE))?;
        Ok(true)
    }

    fn tighten_below(&mut self, directory: &Path) {
        for path in paths_in(directory) {
            self.tighten(&path);
            if path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                self.tighten_below(&path);
            }
        }
    }
}

/// Opens a file or a directory, without following a link.
fn open(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
}

fn paths_in(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
}

fn holds_cache_alone(root: &Path) -> bool {
    let is_of_cache = |name: &str| NAMES.contains(&name) || [ledger::NAME, UPLOADS].contains(&name);
    let mut names = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    names.all(|name| name.to_str().is_some_and(is_of_cache))
}
