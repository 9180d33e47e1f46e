//! Words in file names that name a platform: `linux`, `arm64`, `musl`. Packages for several platforms differ only in
//! them.

use crate::check::abi::Libc;
use crate::model::{EntryPath, Platform};

/// The meaning of the words in one name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Words {
    /// An operating system.
    pub(super) os: Option<Os>,
    /// GOARCH.
    pub(super) architecture: Option<&'static str>,
    /// A C library.
    pub(super) libc: Option<Libc>,
    /// `true` if it is WebAssembly, which runs everywhere.
    pub(super) is_wasm: bool,
    /// The other words, in their order.
    pub(super) rest: String,
}

/// An operating system, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Os {
    Linux,
    Other,
}

/// Words for architectures.
const ARCHITECTURES: &[(&str, &str)] = &[
    ("x64", "amd64"),
    ("amd64", "amd64"),
    ("arm64", "arm64"),
    ("aarch64", "arm64"),
    ("armv8", "arm64"),
    ("arm", "arm"),
    ("armhf", "arm"),
    ("armel", "arm"),
    ("armv5", "arm"),
    ("armv6", "arm"),
    ("armv6l", "arm"),
    ("armv7", "arm"),
    ("armv7l", "arm"),
    ("armv7a", "arm"),
    ("gnueabi", "arm"),
    ("gnueabihf", "arm"),
    ("musleabihf", "arm"),
    ("ia32", "386"),
    ("i386", "386"),
    ("i686", "386"),
    ("x86", "386"),
    ("ppc64", "ppc64le"),
    ("ppc64le", "ppc64le"),
    ("powerpc64le", "ppc64le"),
    ("s390x", "s390x"),
    ("riscv64", "riscv64"),
    ("riscv64gc", "riscv64"),
    ("loong64", "loong64"),
    ("loongarch64", "loong64"),
    ("mips64el", "mips64le"),
    ("mips64le", "mips64le"),
    ("mipsel", "mipsle"),
];

const OTHER_SYSTEMS: &[&str] = &[
    "aix",
    "android",
    "darwin",
    "freebsd",
    "ios",
    "macos",
    "macosx",
    "netbsd",
    "openbsd",
    "openharmony",
    "ohos",
    "osx",
    "sunos",
    "win",
    "win32",
    "windows",
];

/// Words without a meaning of their own that appear beside those above.
const FILLERS: &[&str] = &[
    "unknown",
    "pc",
    "apple",
    "msvc",
    "eabi",
    "eabihf",
    "universal",
    "universal2",
];

/// Reads the words of one component of a path.
pub(super) fn words(component: &[u8]) -> Words {
    let text = String::from_utf8_lossy(component).to_ascii_lowercase();
    let text = text.replace("x86_64", "x64").replace("x86-64", "x64");
    let mut words = Words::default();
    let mut rest: Vec<&str> = Vec::new();
    for word in text
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        if !words.take(word) {
            rest.push(word);
        }
    }
    words.rest = rest.join("-");
    words
}

impl Words {
    fn take(&mut self, word: &str) -> bool {
        if let Some((_, name)) = ARCHITECTURES.iter().find(|(known, _)| *known == word) {
            self.architecture.get_or_insert(name);
        }
        let is_glibc =
            matches!(word, "gnu" | "glibc" | "linuxglibc" | "gnueabi" | "gnueabihf") || word.starts_with("manylinux");
        let is_musl = matches!(word, "musl" | "linuxmusl" | "musleabihf") || word.starts_with("musllinux");
        if is_glibc {
            self.libc.get_or_insert(Libc::Glibc);
        } else if is_musl {
            self.libc.get_or_insert(Libc::Musl);
        }
        let is_linux = matches!(word, "linux" | "linuxmusl" | "linuxglibc");
        if is_linux {
            self.os = Some(Os::Linux);
        } else if OTHER_SYSTEMS.contains(&word) {
            self.os.get_or_insert(Os::Other);
        }
        let is_wasm = matches!(word, "wasm" | "wasm32" | "wasi");
        self.is_wasm |= is_wasm;
        is_glibc
            || is_musl
            || is_linux
            || is_wasm
            || OTHER_SYSTEMS.contains(&word)
            || FILLERS.contains(&word)
            || ARCHITECTURES.iter().any(|(known, _)| *known == word)
    }

    /// Returns the part that a component has in common with those for other platforms. A component without such words
    /// is compared as a whole.
    fn common(&self, component: &[u8]) -> String {
        if self.architecture.is_none() && self.libc.is_none() {
            crate::model::escape(component)
        } else {
            self.rest.clone()
        }
    }

    /// Returns `true` if it names a platform of another operating system than Linux.
    pub(super) fn is_of_other_system(&self) -> bool {
        self.os == Some(Os::Other) && self.architecture.is_some()
    }

    /// Returns `true` if the name is a package's for one platform: a system and an architecture, or WebAssembly. Some
    /// call x86-64 just `64` beside the system.
    pub(super) fn platform_of_package(&self) -> Option<(Os, &'static str)> {
        let last = self.rest.rsplit('-').next().unwrap_or_default();
        let architecture = self.architecture.or(match last {
            "64" => Some("amd64"),
            "32" => Some("386"),
            _ => None,
        });
        Some((self.os?, architecture?))
    }
}

/// A part of a path, from the root down, whose last name contains a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlatformPart {
    /// The part.
    pub(super) path: EntryPath,
    /// The words of its last name.
    pub(super) words: Words,
    /// The part without its platforms' words: parts for several platforms have it in common.
    pub(super) family: String,
}

/// Returns the parts of a path that name an architecture or C library, the shortest first.
pub(super) fn platform_parts(path: &EntryPath) -> Vec<PlatformPart> {
    let mut parts = Vec::new();
    let mut family = String::new();
    let mut end = 0;
    for component in path.components() {
        end += component.len() + usize::from(end > 0);
        let words = words(component);
        family.push_str(&words.common(component));
        if words.architecture.is_some() || words.libc.is_some() {
            let part = EntryPath::new(&path.as_bytes()[..end]);
            parts.extend(part.ok().map(|path| PlatformPart {
                path,
                words,
                family: family.clone(),
            }));
        }
        family.push('/');
    }
    parts
}

/// Returns the family of a file whose own name has no such word: `a.node` has the family of `a.musl.node`.
pub(super) fn plain_family(path: &EntryPath) -> String {
    let folder = path.parent().unwrap_or_default();
    let mut family = String::new();
    for component in folder.components() {
        family.push_str(&words(component).common(component));
        family.push('/');
    }
    family + &words(path.file_name()).rest
}

/// Returns `true` if a path names another operating system than Linux.
pub(super) fn is_for_other_system(path: &EntryPath) -> bool {
    path.components().any(|component| words(component).is_of_other_system())
}

/// Returns the spellings of a platform's architecture, the most usual first: npm's, the kernel's, Go's.
pub(super) fn spellings(platform: &Platform) -> [&str; 3] {
    [platform.node_arch(), platform.machine(), &platform.architecture]
}

/// Replaces the words for other architectures in a text with the platform's, in each spelling.
pub(super) fn respelled(text: &str, platform: &Platform) -> Vec<String> {
    let mut found = Vec::new();
    for spelling in spellings(platform) {
        let other = respelled_as(text, platform, spelling);
        if other != text && !found.contains(&other) {
            found.push(other);
        }
    }
    found
}

fn respelled_as(text: &str, platform: &Platform, spelling: &str) -> String {
    // `x86_64` is one word, though it has a mark in it.
    const MARKED: &str = "x86_64";
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with(MARKED) {
            MARKED.len()
        } else {
            rest.find(|character: char| !character.is_alphanumeric())
                .unwrap_or(rest.len())
        };
        let word = &rest[..length.max(first.len_utf8())];
        let plain = if word == MARKED { "x64" } else { word };
        match ARCHITECTURES.iter().find(|(known, _)| *known == plain) {
            Some((_, name)) if *name != platform.architecture => out.push_str(spelling),
            _ => out.push_str(word),
        }
        rest = &rest[word.len()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::path;

    #[test]
    fn names_of_packages_say_their_platform() {
        for (name, os, architecture, libc, rest) in [
            (
                "rollup-linux-arm64-gnu",
                Some(Os::Linux),
                Some("arm64"),
                Some(Libc::Glibc),
                "rollup",
            ),
            (
                "sharp-linuxmusl-x64",
                Some(Os::Linux),
                Some("amd64"),
                Some(Libc::Musl),
                "sharp",
            ),
            ("linuxglibc-x64", Some(Os::Linux), Some("amd64"), Some(Libc::Glibc), ""),
            ("win32-x64-msvc", Some(Os::Other), Some("amd64"), None, ""),
            (
                "@esbuild+linux-arm64@0.21.5",
                Some(Os::Linux),
                Some("arm64"),
                None,
                "esbuild-0-21-5",
            ),
            (
                "x86_64-unknown-linux-musl",
                Some(Os::Linux),
                Some("amd64"),
                Some(Libc::Musl),
                "",
            ),
            (
                "core-linux-arm-gnueabihf",
                Some(Os::Linux),
                Some("arm"),
                Some(Libc::Glibc),
                "core",
            ),
            (
                "a.cpython-311-aarch64-linux-gnu.so",
                Some(Os::Linux),
                Some("arm64"),
                Some(Libc::Glibc),
                "a-cpython-311-so",
            ),
            ("node.napi.glibc.node", None, None, Some(Libc::Glibc), "node-napi-node"),
            ("charm", None, None, None, "charm"),
        ] {
            let found = words(name.as_bytes());
            assert_eq!(
                (found.os, found.architecture, found.libc, &found.rest[..]),
                (os, architecture, libc, rest),
                "{name}"
            );
        }
        assert_eq!(
            words(b"turbo-linux-64").platform_of_package(),
            Some((Os::Linux, "amd64"))
        );
        assert_eq!(words(b"base-64").platform_of_package(), None);
        assert!(words(b"sharp-wasm32").is_wasm);
    }

    #[test]
    fn parts_for_several_platforms_are_of_one_family() {
        let families = |text: &str| -> Vec<String> {
            platform_parts(&path(text))
                .into_iter()
                .map(|part| part.family)
                .collect()
        };
        assert_eq!(
            families("m/prebuilds/linux-arm64/a.armv8.node"),
            ["m/prebuilds/", "m/prebuilds//a-node"]
        );
        assert_eq!(families("m/prebuilds/linux-x64/a.node"), ["m/prebuilds/"]);
        assert_eq!(families("m/lib/a.node"), [""; 0]);
        let musl = families("m/prebuilds/linux-x64/dd_pprof.musl.node.abi108.node");
        assert_eq!(
            musl[1],
            plain_family(&path("m/prebuilds/linux-x64/dd_pprof.node.abi108.node"))
        );
    }

    #[test]
    fn paths_are_respelled_in_each_way() {
        let platform = "linux/amd64".parse().unwrap();
        assert_eq!(
            respelled("dist/arm64/venv-aarch64/charm", &platform),
            [
                "dist/x64/venv-x64/charm",
                "dist/x86_64/venv-x86_64/charm",
                "dist/amd64/venv-amd64/charm"
            ]
        );
        assert!(respelled("dist/x86_64/a-x64", &platform).is_empty());
        let platform = "linux/arm64".parse().unwrap();
        assert_eq!(respelled("a/x86_64/b", &platform), ["a/arm64/b", "a/aarch64/b"]);
    }
}
