//! Many files with the same mistake, as one finding.

use std::collections::BTreeMap;

use super::packages::{Package, Registry, package_of};
use crate::model::{EntryPath, Platform};

/// Names that a sentence lists before it counts.
const MAX_LISTED: usize = 3;

/// Files that belong together. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// The package that they are of.
    pub(super) package: Option<Package>,
    /// The files, sorted.
    pub(super) paths: Vec<EntryPath>,
    /// Their common upper two folders, if they have no package.
    folder: EntryPath,
}

impl Group {
    /// Returns the first file.
    pub(super) fn path(&self) -> &EntryPath {
        &self.paths[0]
    }

    /// Returns a sentence about all files, from a predicate that holds for each: `is built for arm64`.
    pub(super) fn sentence(&self, is_so: &str) -> String {
        let count = self.paths.len();
        match &self.package {
            Some(package) if count == 1 => format!("{} {is_so}", package.name),
            Some(package) => format!("{} {is_so} ({})", package.name, files(count)),
            None if count == 1 => is_so.to_owned(),
            None if count == 2 => format!("{is_so}; the same applies to 1 more file below {}", self.folder),
            None => format!(
                "{is_so}; the same applies to {} more files below {}",
                count - 1,
                self.folder
            ),
        }
    }
}

/// Groups files by their packages, and by the upper two folders if they have none. `kind` separates different mistakes.
pub(super) fn grouped<K: Ord>(files: impl IntoIterator<Item = (K, EntryPath)>) -> Vec<(K, Group)> {
    type Key = (Option<Package>, EntryPath);
    let mut groups: BTreeMap<(K, Key), Vec<EntryPath>> = BTreeMap::new();
    for (kind, path) in files {
        let package = package_of(&path).map(Package::whole);
        let folder = if package.is_some() {
            EntryPath::root()
        } else {
            path.parent().unwrap_or_default().upper(2)
        };
        groups.entry((kind, (package, folder))).or_default().push(path);
    }
    let group = |((kind, (package, folder)), mut paths): ((K, Key), Vec<EntryPath>)| {
        paths.sort();
        paths.dedup();
        (kind, Group { package, paths, folder })
    };
    groups.into_iter().map(group).collect()
}

/// Returns how to install a package for this platform.
pub(super) fn install_help(package: &Package, platform: &Platform, libc: Option<&str>) -> String {
    match package.registry {
        Registry::Npm => {
            let libc = libc.map(|libc| format!(" --libc={libc}")).unwrap_or_default();
            format!(
                "install it for this platform: `npm install --os=linux --cpu={}{libc}`",
                platform.node_arch()
            )
        }
        Registry::Pypi => {
            let family = if libc == Some("musl") {
                "musllinux_1_2"
            } else {
                "manylinux2014"
            };
            format!(
                "install its wheel for this platform: `pip install --only-binary=:all: --platform {family}_{} --target \
                 FOLDER`",
                platform.machine()
            )
        }
    }
}

/// Returns a count of files: `1 file`, `5 files`.
pub(super) fn files(count: usize) -> String {
    crate::check::rules::listing::count(count, "file", "files")
}

/// Returns names as a list in a sentence. Only the first few are named.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [some @ .., last] if names.len() <= MAX_LISTED => format!("{} and {last}", some.join(", ")),
        _ => format!(
            "{} and {} more",
            names[..MAX_LISTED].join(", "),
            names.len() - MAX_LISTED
        ),
    }
}

/// Returns names as a list in a sentence, all of them.
pub(super) fn enumerated(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::path;

    #[test]
    fn files_are_grouped_by_package_and_by_upper_folders() {
        let files = [
            "opt/jdk/a",
            "opt/jdk/b/c",
            "opt/x",
            "m/node_modules/p/a",
            "m/node_modules/p/b/c",
            "m/y",
        ];
        let python = ["s/site-packages/n/x.so", "s/site-packages/n.libs/y.so"].map(|at| ((), path(at)));
        assert_eq!(grouped(python).len(), 1);
        let groups = grouped(files.map(|at| ((), path(at))));
        let told: Vec<String> = groups.iter().map(|((), group)| group.sentence("is blue")).collect();
        assert_eq!(
            told,
            [
                "is blue",
                "is blue",
                "is blue; the same applies to 1 more file below /opt/jdk",
                "p is blue (2 files)"
            ]
        );
    }

    #[test]
    fn lists_are_short() {
        let names = |count: usize| (0..count).map(|at| at.to_string()).collect::<Vec<_>>();
        assert_eq!(listed(&names(1)), "0");
        assert_eq!(listed(&names(3)), "0, 1 and 2");
        assert_eq!(listed(&names(5)), "0, 1, 2 and 2 more");
    }
}
