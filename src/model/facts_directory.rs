//! Where the facts of a lockfile's images are.

use std::path::{Path, PathBuf};

/// Returns the directory of the facts files of the lockfile at `path`: beside it, with `.d` added to its name.
pub fn facts_directory(path: &Path) -> PathBuf {
    let mut directory = path.as_os_str().to_owned();
    directory.push(".d");
    PathBuf::from(directory)
}
