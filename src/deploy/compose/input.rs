//! Files that compose files name: `include` and `extends`.

use std::path::{Component, Path, PathBuf};

/// What a file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRole {
    /// A compose file of at most [`super::MAX_COMPOSE_BYTES`].
    Compose,
    /// An env file of at most [`super::MAX_ENV_FILE_BYTES`].
    EnvFile,
}

/// Reads a file that a compose file names. Returns `None` if it does not exist, and an error as the reason why it cannot be
/// read.
pub type ReadFile<'a> = dyn Fn(&Path, FileRole) -> Result<Option<String>, String> + 'a;

/// Returns a path that is relative to a directory without `.`, and without `..` where that is possible. As in Compose,
/// links are not followed.
pub(super) fn joined(directory: &Path, path: &str) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in directory.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match clean.components().next_back() {
                Some(Component::Normal(_)) => {
                    clean.pop();
                }
                Some(Component::RootDir | Component::Prefix(_)) => {}
                Some(Component::ParentDir | Component::CurDir) | None => clean.push(".."),
            },
            other => clean.push(other),
        }
    }
    clean
}

/// Returns `true` for what Compose fetches from elsewhere: a Git repository or an artifact of a registry.
pub(super) fn is_remote(path: &str) -> bool {
    path.contains("://") || path.starts_with("git@") || path.starts_with("github.com/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_without_detours() {
        for (directory, path, expected) in [
            ("ws", "a.yaml", "ws/a.yaml"),
            ("ws", "./b/../a.yaml", "ws/a.yaml"),
            ("ws", "../a.yaml", "a.yaml"),
            ("ws", "../../a.yaml", "../a.yaml"),
            ("", "../../a.yaml", "../../a.yaml"),
            ("", "a.yaml", "a.yaml"),
            ("ws", "/x/../../a.yaml", "/a.yaml"),
        ] {
            assert_eq!(
                joined(Path::new(directory), path),
                Path::new(expected),
                "{directory} {path}"
            );
        }
        assert!(is_remote("oci://a.b/c") && is_remote("https://x.y/z.git") && is_remote("git@x.y:z.git"));
        assert!(!is_remote("../a.yaml") && !is_remote("c:/x"));
    }
}
