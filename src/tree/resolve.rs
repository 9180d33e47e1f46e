//! Where a path leads as the system would see it inside the image (path_resolution(7), rooted in the image).

use super::node::{Node, NodeKind};
use crate::model::EntryPath;

/// Links that are followed on the way to one path: Linux's own limit (MAXSYMLINKS).
pub const MAX_LINKS: usize = 40;

/// A path that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// More links on the way than the system follows.
    #[error("{path} contains more than {MAX_LINKS} symbolic links, such as {link}")]
    Loop {
        /// The path that was asked for.
        path: EntryPath,
        /// A link on the way.
        link: EntryPath,
    },
    /// A component on the way is a file.
    #[error("{}", no_directory(.path, .file))]
    NotADirectory {
        /// The path that was asked for.
        path: EntryPath,
        /// What is not a directory.
        file: EntryPath,
    },
    /// Links on the way make the path longer than any system accepts.
    #[error("{path} is too long after its symbolic links are followed")]
    TooLong {
        /// The path that was asked for.
        path: EntryPath,
    },
}

fn no_directory(path: &EntryPath, file: &EntryPath) -> String {
    if path == file { format!("{file} is not a directory") } else { format!("{file} in {path} is not a directory") }
}

/// Follows a path component by component. `node` gives what stands at a path; components that do not exist stay as they
/// are, and the last one is followed only where `follow_last` says so.
pub(super) fn walk<'a>(
    node: impl Fn(&EntryPath) -> Option<&'a Node>,
    path: &EntryPath,
    follow_last: bool,
) -> Result<EntryPath, ResolveError> {
    // Components still to go, the next one last.
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
                    return Err(ResolveError::Loop { path: path.clone(), link: at });
                }
                here.pop();
                if target.first() == Some(&b'/') {
                    here.clear();
                }
                todo.extend(target.rsplit(|byte| *byte == b'/').map(<[u8]>::to_vec));
            }
            Some(NodeKind::File { .. } | NodeKind::Special) if !todo.is_empty() => {
                return Err(ResolveError::NotADirectory { path: path.clone(), file: at });
            }
            _ => {}
        }
    }
    joined(path, &here)
}

fn joined(asked: &EntryPath, components: &[Vec<u8>]) -> Result<EntryPath, ResolveError> {
    EntryPath::new(&components.join(&b'/')).map_err(|_| ResolveError::TooLong { path: asked.clone() })
}
