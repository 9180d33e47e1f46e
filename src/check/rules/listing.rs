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

/// Folders of tests: broken files in them are often intended.
const TEST_FOLDERS: &[&[u8]] = &[
    b"test",
    b"tests",
    b"__tests__",
    b"fixture",
    b"fixtures",
    b"__fixtures__",
    b"testdata",
    b"examples",
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

/// Returns the folder of the installed package that contains a path: `…/node_modules/@scope/name`,
/// `…/site-packages/name`; the deepest one.
pub fn package_folder(path: &EntryPath) -> Option<EntryPath> {
    let components: Vec<&[u8]> = path.components().collect();
    let is_store = |part: &[u8]| [&b"node_modules"[..], b"site-packages", b"dist-packages"].contains(&part);
    let store = components.iter().rposition(|part| is_store(part))?;
    let is_scope = components.get(store + 1)?.starts_with(b"@");
    let end = store + if is_scope { 3 } else { 2 };
    // The last component is the file itself.
    (end < components.len())
        .then(|| EntryPath::new(&components[..end].join(&b'/')).ok())
        .flatten()
}

/// Returns the folder of third-party code that an installer put there: a [`package_folder`], a single module beside
/// those, a gem, a vendored package (`vendor/NAME/NAME`), a crate or a Go module of a cache.
pub fn installed_folder(path: &EntryPath) -> Option<EntryPath> {
    if let Some(folder) = package_folder(path) {
        return Some(folder);
    }
    if site_folder(path).is_some() {
        return Some(path.clone());
    }
    let components: Vec<&[u8]> = path.components().collect();
    let last = components.len().checked_sub(1)?;
    let folder = |end: usize| EntryPath::new(&components[..end].join(&b'/')).ok();
    if let Some(at) = components[..last]
        .iter()
        .rposition(|part| *part == b"gems")
        .filter(|at| at + 1 < last)
    {
        return folder(at + 2);
    }
    let at = components[..last].iter().rposition(|part| *part == b"vendor")?;
    folder(last.min(at + 3))
}

/// Returns the topmost folder of tests that is or contains a path.
pub fn test_folder(path: &EntryPath) -> Option<EntryPath> {
    let components: Vec<&[u8]> = path.components().collect();
    let at = components.iter().position(|part| TEST_FOLDERS.contains(part))?;
    EntryPath::new(&components[..=at].join(&b'/')).ok()
}

/// Returns the folder `site-packages` or `dist-packages` that contains a path, at any depth; the outermost one.
pub fn site_folder(path: &EntryPath) -> Option<EntryPath> {
    let components: Vec<&[u8]> = path.components().collect();
    let is_site = |part: &&[u8]| [&b"site-packages"[..], b"dist-packages"].contains(part);
    let at = components.iter().position(is_site)?;
    (at + 1 < components.len())
        .then(|| EntryPath::new(&components[..=at].join(&b'/')).ok())
        .flatten()
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
    fn packages_are_told_by_their_folder() {
        for (file, folder) in [
            ("app/node_modules/a/lib/x.js", Some("app/node_modules/a")),
            (
                "app/node_modules/@s/a/node_modules/b/x.js",
                Some("app/node_modules/@s/a/node_modules/b"),
            ),
            (
                "v/lib/python3.11/site-packages/numpy/core/x.pem",
                Some("v/lib/python3.11/site-packages/numpy"),
            ),
            ("v/site-packages/six.py", None),
            ("app/x.js", None),
        ] {
            assert_eq!(package_folder(&path(file)), folder.map(path), "{file}");
        }
        assert_eq!(
            site_folder(&path("v/site-packages/a/b.py")),
            Some(path("v/site-packages"))
        );
        assert_eq!(site_folder(&path("v/site-packages")), None);
        assert_eq!(
            test_folder(&path("lib/python3.11/test/certdata/x.pem")),
            Some(path("lib/python3.11/test"))
        );
        assert_eq!(test_folder(&path("lib/latest/x.pem")), None);
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
