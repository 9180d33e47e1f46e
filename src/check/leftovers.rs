//! Files that development leaves behind, told by their path.

use crate::model::EntryPath;

/// Names of folders and files that are nothing but development's.
const NAMES: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".tox",
    ".nox",
    ".hypothesis",
    ".nyc_output",
    ".idea",
    ".vscode",
    ".DS_Store",
    ".coverage",
    "htmlcov",
];

/// The cache of build tools of Node.
const NODE_CACHE: &str = "node_modules/.cache";

/// The file that an editor creates beside an open file.
const SWAP_FILE: &str = "*.swp";

/// Returns `true` for a file of development.
pub fn is_leftover(path: &EntryPath) -> bool {
    leftover_of(path.as_bytes()).is_some()
}

/// Returns the name that makes a path one of development's, and how much of the path goes down to it.
pub fn leftover_of(path: &[u8]) -> Option<(&'static str, usize)> {
    let mut start = 0;
    for part in path.split(|byte| *byte == b'/') {
        let end = start + part.len();
        // All except one begin with a dot. This check comes first, since it runs for every component of every path.
        if !part.starts_with(b".") && part != b"htmlcov" {
            start = end + 1;
            continue;
        }
        if let Some(name) = NAMES.iter().find(|name| name.as_bytes() == part) {
            return Some((name, end));
        }
        if part == b".cache" && path[..end].ends_with(NODE_CACHE.as_bytes()) {
            return Some((NODE_CACHE, end));
        }
        if part.starts_with(b".") && part.ends_with(b".swp") && end == path.len() {
            return Some((SWAP_FILE, end));
        }
        start = end + 1;
    }
    None
}
