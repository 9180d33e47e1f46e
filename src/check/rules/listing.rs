//! How rules report many files at once: one mistake is one finding, however many files it affects.

use super::super::subject::Subject;
use crate::model::EntryPath;

/// Greatest number of paths that are listed; the rest is counted.
const MAX_LISTED: usize = 3;

/// Places where the system or the runtime creates files when a container starts. The target of a link to them is not
/// known.
const RUN_TIME_PLACES: &[&[u8]] = &[
    b"proc",
    b"sys",
    b"dev",
    b"run",
    b"var/run",
    b"var/lock",
    b"tmp",
    b"var/tmp",
    b"etc/hosts",
    b"etc/hostname",
    b"etc/resolv.conf",
    b"etc/mtab",
];

/// Returns a list of paths: `/a, /b, /c and 9 more`.
pub fn list<'a>(paths: impl IntoIterator<Item = &'a EntryPath>) -> String {
    let mut paths = paths.into_iter();
    let named: Vec<String> = paths.by_ref().take(MAX_LISTED).map(EntryPath::to_string).collect();
    let text = named.join(", ");
    match paths.count() {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// Returns the path of a finding about these paths: the only one, or the deepest folder that contains them all.
pub fn place<'a>(paths: impl IntoIterator<Item = &'a EntryPath>) -> EntryPath {
    let mut paths = paths.into_iter();
    let Some(first) = paths.next() else {
        return EntryPath::root();
    };
    paths.fold(first.clone(), |mut folder, path| {
        while !path.starts_with(&folder) || *path == folder {
            folder = folder.parent().unwrap_or_default();
            if folder.is_root() {
                break;
            }
        }
        folder
    })
}

/// Returns a count: `1 file`, `2 files`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Returns `true` for files that only exist when a container runs: below `/proc`, `/run` and similar, or in a declared
/// volume.
pub fn is_made_at_run_time(subject: &Subject, path: &EntryPath) -> bool {
    RUN_TIME_PLACES.iter().any(|place| is_in(path, place)) || is_in_volume(subject, path)
}

/// Returns `true` for a declared volume, and for a path in one: the content of a mount is not known.
pub fn is_in_volume(subject: &Subject, path: &EntryPath) -> bool {
    subject
        .execution
        .volumes
        .iter()
        .any(|volume| is_in(path, volume.as_bytes()))
}

fn is_in(path: &EntryPath, place: &[u8]) -> bool {
    EntryPath::new(place).is_ok_and(|place| !place.is_root() && path.starts_with(&place))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Image, path};
    use super::*;

    #[test]
    fn many_paths_are_listed_and_filed_under_their_folder() {
        let paths: Vec<EntryPath> = ["a/b/c", "a/b/d", "a/b-c", "a/e/f", "a/g"].map(path).to_vec();
        assert_eq!(list(&paths[..3]), "/a/b/c, /a/b/d, /a/b-c");
        assert_eq!(list(&paths), "/a/b/c, /a/b/d, /a/b-c and 2 more");
        assert_eq!(place(&paths[..1]), path("a/b/c"));
        assert_eq!(place(&paths[..2]), path("a/b"));
        assert_eq!(place(&paths), path("a"));
        assert_eq!(place(&[path("a/x"), path("b")]), EntryPath::root());
        assert_eq!(place(&[path("a/x"), path("a")]), EntryPath::root());
        assert_eq!(place(&[]), EntryPath::root());
    }

    #[test]
    fn volumes_and_the_systems_folders_are_made_at_run_time() {
        let subject = Image::new("linux/amd64")
            .config(serde_json::json!({"Volumes": {"/data": {}}}))
            .subject();
        for there in ["proc/1", "run", "tmp/x", "data/x"] {
            assert!(is_made_at_run_time(&subject, &path(there)), "{there}");
        }
        assert!(!is_made_at_run_time(&subject, &path("database")));
    }
}
