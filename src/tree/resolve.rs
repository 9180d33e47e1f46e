//! Resolves paths like the system inside the image (path_resolution(7), with the image's root as the root directory).

use super::node::{Node, NodeKind};
use crate::model::EntryPath;

/// Greatest number of links that are followed for one path: Linux's own limit (MAXSYMLINKS).
pub const MAX_LINKS: usize = 40;

/// An error of a path that cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The path leads through more links than the system follows.
    #[error("{path} contains more than {MAX_LINKS} symbolic links, such as {link}")]
    Loop {
        /// The path to resolve.
        path: EntryPath,
        /// One of the links.
        link: EntryPath,
    },
    /// A parent component of the path is a file.
    #[error("{}", no_directory(.path, .file))]
    NotADirectory {
        /// The path to resolve.
        path: EntryPath,
        /// The file.
        file: EntryPath,
    },
    /// Links make the path longer than any system accepts.
    #[error("{path} is too long after its symbolic links are followed")]
    TooLong {
        /// The path to resolve.
        path: EntryPath,
    },
}

fn no_directory(path: &EntryPath, file: &EntryPath) -> String {
    if path == file {
        format!("{file} is not a directory")
    } else {
        format!("{file} in {path} is not a directory")
    }
}

/// Resolves a path component by component. `node` returns the node at a path. Components that do not exist are kept,
/// and the last one is followed only if `follow_last` is set.
pub(super) fn walk<'a>(
    node: impl Fn(&EntryPath) -> Option<&'a Node>,
    path: &EntryPath,
    follow_last: bool,
) -> Result<EntryPath, ResolveError> {
    // Remaining components, the next one last.
    let mut todo: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
    todo.reverse();
    let mut here: Vec<Vec<u8>> = Vec::new();
    let mut links = 0;
    while let Some(component) = todo.pop() {
        match &component[..] {
            b"" | b"." => continue,
            b".." => {
                here.pop();
                continue;
            }
            _ => here.push(component),
        }
        let at = joined(path, &here)?;
        match node(&at).map(|node| &node.kind) {
            Some(NodeKind::Symlink { target }) if follow_last || !todo.is_empty() => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(ResolveError::Loop {
                        path: path.clone(),
                        link: at,
                    });
                }
                here.pop();
                if target.first() == Some(&b'/') {
                    here.clear();
                }
                todo.extend(target.rsplit(|byte| *byte == b'/').map(<[u8]>::to_vec));
            }
            Some(NodeKind::File { .. } | NodeKind::Special) if !todo.is_empty() => {
                return Err(ResolveError::NotADirectory {
                    path: path.clone(),
                    file: at,
                });
            }
            _ => {}
        }
    }
    joined(path, &here)
}

fn joined(asked: &EntryPath, components: &[Vec<u8>]) -> Result<EntryPath, ResolveError> {
    EntryPath::new(&components.join(&b'/')).map_err(|_| ResolveError::TooLong { path: asked.clone() })
}
