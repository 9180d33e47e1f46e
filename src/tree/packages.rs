//! Reads the text databases of package managers: names and versions (deb-control(5); apk-tools, "installed database").

use std::io::{BufRead as _, BufReader, Read};

use super::error::LayerError;

/// Greatest size of a database, in bytes: about that of Debian with every package installed.
pub const MAX_DATABASE_BYTES: u64 = 64 * 1024 * 1024;

/// Greatest number of packages in one database: Debian has some 60 000 in total.
pub const MAX_PACKAGES: usize = 200_000;

/// Greatest length of a line that is read; names and versions are far shorter.
const MAX_LINE_BYTES: u64 = 4096;

/// The package manager of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackageSystem {
    /// Debian's dpkg.
    Dpkg,
    /// Alpine's apk.
    Apk,
    /// Red Hat's and SUSE's rpm.
    Rpm,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// The package manager in whose database it is.
    pub system: PackageSystem,
    /// Its name.
    pub name: String,
    /// Its version, with all of its parts.
    pub version: String,
}

#[derive(Default)]
struct Stanza {
    name: Option<String>,
    version: Option<String>,
    is_gone: bool,
}

/// Reads a database to its end, and returns the installed packages in its order. rpm's database is not text, and gives
/// no packages here.
pub(super) fn read_packages(system: PackageSystem, content: &mut dyn Read) -> Result<Vec<Package>, LayerError> {
    let mut reader = BufReader::new(content);
    let mut packages = Vec::new();
    let mut stanza = Stanza::default();
    let mut line = Vec::new();
    let mut inside_line = false;
    loop {
        line.clear();
        let count = reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        let text = line.strip_suffix(b"\n");
        let is_whole_start = !std::mem::replace(&mut inside_line, text.is_none());
        if count == 0 || (is_whole_start && text.is_some_and(<[u8]>::is_empty)) {
            packages.extend(std::mem::take(&mut stanza).package(system));
            if packages.len() > MAX_PACKAGES {
                return Err(LayerError::OverLimit {
                    what: "packages of a database",
                    limit: MAX_PACKAGES as u64,
                });
            }
        } else if is_whole_start {
            stanza.take(system, text.unwrap_or(&line));
        }
        if count == 0 {
            return Ok(packages);
        }
    }
}

impl Stanza {
    fn take(&mut self, system: PackageSystem, line: &[u8]) {
        let text = |value: &[u8]| Some(String::from_utf8_lossy(value.trim_ascii()).into_owned());
        let (name, version) = match system {
            PackageSystem::Dpkg => (&b"Package:"[..], &b"Version:"[..]),
            PackageSystem::Apk => (&b"P:"[..], &b"V:"[..]),
            PackageSystem::Rpm => return,
        };
        if let Some(value) = line.strip_prefix(name) {
            self.name = text(value);
        } else if let Some(value) = line.strip_prefix(version) {
            self.version = text(value);
        } else if let (PackageSystem::Dpkg, Some(value)) = (system, line.strip_prefix(b"Status:")) {
            // The format is `want flag status`. Removed packages with remaining configuration are listed too.
            self.is_gone = !value.trim_ascii().ends_with(b" installed");
        }
    }

    fn package(self, system: PackageSystem) -> Option<Package> {
        let name = self.name?;
        let version = self.version?;
        (!self.is_gone && !name.is_empty()).then_some(Package { system, name, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(system: PackageSystem, mut text: &[u8]) -> Vec<String> {
        let packages = read_packages(system, &mut text).unwrap();
        packages
            .into_iter()
            .map(|package| format!("{} {}", package.name, package.version))
            .collect()
    }

    #[test]
    fn installed_packages_of_dpkg_are_listed() {
        let long = "x".repeat(10_000);
        let text = format!(
            "Package: libc6\nStatus: install ok installed\nDepends: {long}\n Version: no\nVersion: 2.36-9\n\n\
             Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\n\
             Package: bare\nVersion: 1:2~x\n\nPackage: none\n\nVersion: 3"
        );
        assert_eq!(
            shown(PackageSystem::Dpkg, text.as_bytes()),
            ["libc6 2.36-9", "bare 1:2~x"]
        );
        assert_eq!(shown(PackageSystem::Dpkg, b"Package: a\nVersion: 1"), ["a 1"]);
        assert_eq!(shown(PackageSystem::Dpkg, b"d41d8cd98f  usr/share/doc\n"), [""; 0]);
    }

    #[test]
    fn packages_of_apk_are_listed() {
        let text = b"C:Q1xyz=\nP:musl\nV:1.2.5-r0\nA:x86_64\n\nP:busybox\nV:1.36\n";
        assert_eq!(shown(PackageSystem::Apk, text), ["musl 1.2.5-r0", "busybox 1.36"]);
    }
}
