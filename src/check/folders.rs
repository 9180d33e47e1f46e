//! Folders of packages and of tests, told by their path.

use crate::model::EntryPath;

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

/// Returns the folder of the installed package that contains a path: `…/node_modules/@scope/name`,
/// `…/site-packages/name`; the deepest one.
pub fn package_folder(path: &EntryPath) -> Option<EntryPath> {
    let components: Vec<&[u8]> = path.components().collect();
    let is_store = |part: &[u8]| part == b"node_modules" || is_site_name(part);
    let store = components.iter().rposition(|part| is_store(part))?;
    let is_scope = components.get(store + 1)?.starts_with(b"@");
    let end = store + if is_scope { 3 } else { 2 };
    // The last component is the file itself.
    (end < components.len()).then(|| path.upper(end))
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
    if let Some(at) = components[..last]
        .iter()
        .rposition(|part| *part == b"gems")
        .filter(|at| at + 1 < last)
    {
        return Some(path.upper(at + 2));
    }
    let at = components[..last].iter().rposition(|part| *part == b"vendor")?;
    Some(path.upper(last.min(at + 3)))
}

/// Returns the topmost folder of tests that is or contains a path.
pub fn test_folder(path: &EntryPath) -> Option<EntryPath> {
    let at = path.components().position(|part| TEST_FOLDERS.contains(&part))?;
    Some(path.upper(at + 1))
}

/// Returns `true` for the name of a folder of Python's packages: `site-packages`, and `dist-packages` of Debian.
pub fn is_site_name(name: &[u8]) -> bool {
    matches!(name, b"site-packages" | b"dist-packages")
}

/// Returns the folder `site-packages` or `dist-packages` that contains a path, at any depth; the outermost one.
pub fn site_folder(path: &EntryPath) -> Option<EntryPath> {
    let at = path.components().position(is_site_name)?;
    let folder = path.upper(at + 1);
    (folder != *path).then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::super::testing::path;
    use super::*;

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
}
