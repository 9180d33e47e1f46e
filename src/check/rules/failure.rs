//! The reasons why a command does not start, and other paths of the missing file.

use crate::check::subject::Subject;
use crate::model::{EntryPath, escape, nearest};
use crate::tree::NodeKind;

/// How many other places of a file are named.
const MAX_PLACES: usize = 3;

/// The kind of a failure. Each has its own code for the programs that the image starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A program, or the script that is passed to it, does not exist.
    Missing,
    /// It is there and cannot be executed.
    NotExecutable,
    /// A script's `#!` leads to nothing.
    Shebang,
}

/// Why a command does not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// The file that it is about; the root for a name that is looked for in PATH.
    pub(super) path: EntryPath,
    /// The problem, as a predicate: `starts "node", which is …`.
    pub(super) message: String,
    pub(super) expected: String,
    pub(super) found: String,
    pub(super) help: String,
}

/// Returns what exists at the path of a missing file: nothing, a dangling link, or a file with a similar name.
pub(super) fn found_instead(subject: &Subject, path: &EntryPath) -> String {
    let at = match subject.resolve(path) {
        Ok(at) => at,
        Err(error) => return error.to_string(),
    };
    if at.is_root() || subject.exists(&at) {
        return "a directory".to_owned();
    }
    if let Some(target) = last_link(subject, path) {
        return format!("a symbolic link to {}, which does not exist", escape(&target));
    }
    let mut missing = at.clone();
    while let Some(parent) = missing.parent() {
        if parent.is_root() || subject.exists(&parent) {
            break;
        }
        missing = parent;
    }
    if missing != at {
        return format!("nothing; the directory {missing} does not exist");
    }
    match near_name(subject, &at) {
        Some(near) => format!("nothing, but {near} exists"),
        None => "nothing".to_owned(),
    }
}

/// Returns the target of the symbolic link at exactly this path.
fn last_link(subject: &Subject, path: &EntryPath) -> Option<Box<[u8]>> {
    let at = subject.resolve(&path.parent()?).ok()?.join(path.file_name()).ok()?;
    match &subject.node(&at)?.kind {
        NodeKind::Symlink { target } => Some(target.clone()),
        _ => None,
    }
}

/// Returns a path beside a missing one that has a similar name.
fn near_name(subject: &Subject, path: &EntryPath) -> Option<EntryPath> {
    let parent = path.parent()?;
    let below = subject.below(&parent).map(|(path, _)| path);
    let beside = below.filter(|found| found.parent().as_ref() == Some(&parent));
    parent
        .join(nearest(path.file_name(), beside.map(EntryPath::file_name))?)
        .ok()
}

/// Returns files of the image with the name of `wanted`, those that share the most of its last components. Returns
/// nothing if there are too many to be of help. If `executable` is set, only executable files are returned.
pub(super) fn elsewhere(subject: &Subject, wanted: &[u8], executable: bool) -> Vec<EntryPath> {
    let wanted: Vec<&[u8]> = wanted
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty())
        .collect();
    let shared = |path: &EntryPath| {
        let components: Vec<&[u8]> = path.components().collect();
        components
            .iter()
            .rev()
            .zip(wanted.iter().rev())
            .take_while(|(left, right)| left == right)
            .count()
    };
    let all = subject.below(&EntryPath::root());
    let fitting =
        all.filter(|(_, node)| matches!(node.kind, NodeKind::File { .. }) && (!executable || node.mode & 0o111 != 0));
    let ranked: Vec<(usize, EntryPath)> = fitting.map(|(path, _)| (shared(path), path.clone())).collect();
    let most = ranked.iter().map(|(count, _)| *count).max().unwrap_or_default();
    let best: Vec<EntryPath> = ranked
        .into_iter()
        .filter(|(count, _)| *count == most)
        .map(|(_, path)| path)
        .take(MAX_PLACES + 1)
        .collect();
    if most == 0 || best.len() > MAX_PLACES {
        Vec::new()
    } else {
        best
    }
}

/// Returns paths as a list in a sentence.
pub(super) fn listed(paths: &[EntryPath]) -> String {
    paths.iter().map(EntryPath::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Image, Thing, path};

    #[test]
    fn what_is_found_instead_is_told() {
        let subject = Image::new("linux/amd64")
            .own("app/index.js", 0o644, Thing::Unread(1))
            .own("app/gone", 0o777, Thing::Link("../srv/x"))
            .own("app/a", 0o777, Thing::Link("b"))
            .own("app/b", 0o777, Thing::Link("a"))
            .subject();
        for (asked, expected) in [
            ("app", "a directory"),
            ("app/gone", "a symbolic link to ../srv/x, which does not exist"),
            ("app/idnex.js", "nothing, but /app/index.js exists"),
            ("app/server", "nothing"),
            ("srv/app/x", "nothing; the directory /srv does not exist"),
            ("app/index.js/x", "/app/index.js in /app/index.js/x is not a directory"),
            ("app/a", "/app/a contains more than 40 symbolic links, such as /app/a"),
        ] {
            assert_eq!(found_instead(&subject, &path(asked)), expected);
        }
    }

    #[test]
    fn other_places_are_those_that_share_the_most() {
        let mut image = Image::new("linux/amd64").own("srv/dist/index.js", 0o644, Thing::Unread(1));
        for name in ["a/index.js", "b/index.js", "c/index.js", "d/index.js"] {
            image = image.own(name, 0o644, Thing::Unread(1));
        }
        let subject = image.subject();
        assert_eq!(
            elsewhere(&subject, b"app/dist/index.js", false),
            [path("srv/dist/index.js")]
        );
        assert!(elsewhere(&subject, b"index.js", false).is_empty());
        assert!(elsewhere(&subject, b"app/dist/index.js", true).is_empty());
        assert!(elsewhere(&subject, b"none", false).is_empty());
    }
}
