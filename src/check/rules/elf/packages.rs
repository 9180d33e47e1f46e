//! Finds the package of npm or Python that a file belongs to, by its path.

use crate::check::folders::is_site_name;
use crate::model::{EntryPath, escape, part_before};

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Package {
    /// `@scope/name`, with `@version` if the path has it.
    pub(super) name: String,
    /// Its folder, or the file that it is.
    pub(super) folder: EntryPath,
    /// Whose.
    pub(super) registry: Registry,
}

/// Packages that do without their programs for the platform: slower, or by fetching them, or since only a build needs
/// them. And how their packages for one platform are named.
const DO_WITHOUT: &[(&str, &str)] = &[
    ("@sentry/cli", "@sentry/cli-"),
    ("msgpackr-extract", "@msgpackr-extract/msgpackr-extract-"),
    ("next", "@next/swc-"),
];

impl Package {
    /// Returns the package as a whole: `numpy` and `numpy.libs` are one.
    pub(super) fn whole(self) -> Self {
        Self {
            folder: self.folder.parent().unwrap_or_default(),
            ..self
        }
    }

    /// Returns its name without a version.
    pub(super) fn plain_name(&self) -> &str {
        let at = self
            .name
            .get(1..)
            .and_then(|rest| rest.find('@'))
            .map_or(self.name.len(), |at| at + 1);
        &self.name[..at]
    }

    /// Returns `true` for packages of which it is known that they do without their programs, and for these programs'
    /// packages.
    pub(super) fn does_without_programs(&self) -> bool {
        let is_it = |name: &str| {
            self.name
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
        };
        DO_WITHOUT
            .iter()
            .any(|(name, programs)| is_it(name) || self.name.starts_with(programs))
    }
}

/// The source of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Registry {
    Npm,
    Pypi,
}

/// Returns the innermost package that a file belongs to.
pub(super) fn package_of(path: &EntryPath) -> Option<Package> {
    let components: Vec<&[u8]> = path.components().collect();
    let (at, registry) = components
        .iter()
        .enumerate()
        .rev()
        .find_map(|(at, component)| match *component {
            b"node_modules" => Some((at, Registry::Npm)),
            name if is_site_name(name) => Some((at, Registry::Pypi)),
            _ => None,
        })?;
    let (name, count) = match registry {
        Registry::Npm => npm_name(&components[..at], &components[at + 1..])?,
        Registry::Pypi => (python_name(components.get(at + 1)?), 1),
    };
    let folder = path.upper(at + 1 + count);
    Some(Package { name, folder, registry })
}

/// The name of a package of `node_modules`, and how many components it has.
fn npm_name(above: &[&[u8]], below: &[&[u8]]) -> Option<(String, usize)> {
    let first = below.first()?;
    // Folders such as `.bin` and `.pnpm` are not packages.
    if first.starts_with(b".") {
        return None;
    }
    let (name, count) = match below.get(1) {
        Some(second) if first.starts_with(b"@") => ([first, &b"/"[..], second].concat(), 2),
        _ => (first.to_vec(), 1),
    };
    let version = match above {
        [.., b".pnpm", store] => pnpm_version(store, &name),
        _ => None,
    };
    let version = version
        .map(|version| format!("@{}", escape(version)))
        .unwrap_or_default();
    Some((format!("{}{version}", escape(&name)), count))
}

/// The version in `.pnpm/@scope+name@1.2.3_peers`, if it is that package's.
fn pnpm_version<'a>(store: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let flat: Vec<u8> = name
        .iter()
        .map(|byte| if *byte == b'/' { b'+' } else { *byte })
        .collect();
    let version = store.strip_prefix(&flat[..])?.strip_prefix(b"@")?;
    version.split(|byte| matches!(byte, b'_' | b'(')).next()
}

/// `numpy` of `numpy`, of `numpy.libs`, of `numpy.cpython-311-x86_64-linux-gnu.so`.
fn python_name(component: &[u8]) -> String {
    escape(part_before(component, b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::path;

    #[test]
    fn packages_are_named_by_their_paths() {
        for (at, name, folder) in [
            ("app/node_modules/a/b/c.node", "a", "app/node_modules/a"),
            ("app/node_modules/@s/a/c.node", "@s/a", "app/node_modules/@s/a"),
            (
                "app/node_modules/a/node_modules/b/x",
                "b",
                "app/node_modules/a/node_modules/b",
            ),
            (
                "node_modules/.pnpm/@esbuild+linux-arm64@0.21.5/node_modules/@esbuild/linux-arm64/bin/esbuild",
                "@esbuild/linux-arm64@0.21.5",
                "node_modules/.pnpm/@esbuild+linux-arm64@0.21.5/node_modules/@esbuild/linux-arm64",
            ),
            (
                "n/node_modules/.pnpm/a@1.0.0_b@2/node_modules/a/x",
                "a@1.0.0",
                "n/node_modules/.pnpm/a@1.0.0_b@2/node_modules/a",
            ),
            (
                "n/node_modules/.pnpm/a@1.0.0/node_modules/b/x",
                "b",
                "n/node_modules/.pnpm/a@1.0.0/node_modules/b",
            ),
            (
                "v/lib/python3.11/site-packages/numpy/core/x.so",
                "numpy",
                "v/lib/python3.11/site-packages/numpy",
            ),
            ("v/site-packages/numpy.libs/x.so", "numpy", "v/site-packages/numpy.libs"),
            (
                "v/site-packages/_cffi.abi3.so",
                "_cffi",
                "v/site-packages/_cffi.abi3.so",
            ),
        ] {
            let found = package_of(&path(at)).unwrap();
            assert_eq!((&found.name[..], found.folder), (name, path(folder)), "{at}");
        }
        for at in [
            "usr/bin/x",
            "app/node_modules/.bin/x",
            "app/node_modules",
            "site-packages",
        ] {
            assert_eq!(package_of(&path(at)), None, "{at}");
        }
    }
}
