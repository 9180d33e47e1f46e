//! The search configuration of a dynamic loader: `/etc/ld.so.conf` (ldconfig(8)), lists of directories, and the tokens
//! in them (ld.so(8), "Dynamic string tokens").

use std::collections::BTreeMap;

use crate::model::{EntryPath, MAX_PATH_BYTES, part_before};

/// Includes in includes, which may include each other.
const MAX_INCLUDE_DEPTH: usize = 8;

/// Directories and includes that are taken from a configuration, and directories from one list. Real ones have under
/// twenty.
const MAX_ENTRIES: usize = 1000;

/// Returns the directories of `/etc/ld.so.conf`, in search order.
pub(super) fn configured_directories(configs: &BTreeMap<EntryPath, Vec<u8>>) -> Vec<Vec<u8>> {
    let mut reader = ConfigReader {
        configs,
        directories: Vec::new(),
        count: 0,
    };
    reader.read(b"etc/ld.so.conf", MAX_INCLUDE_DEPTH);
    reader.directories
}

struct ConfigReader<'a> {
    configs: &'a BTreeMap<EntryPath, Vec<u8>>,
    directories: Vec<Vec<u8>>,
    count: usize,
}

impl ConfigReader<'_> {
    fn read(&mut self, path: &[u8], depth: usize) {
        let Some(content) = self.configs.get(path) else { return };
        for line in content.split(|byte| *byte == b'\n') {
            let line = part_before(line, b'#').trim_ascii();
            self.count += 1;
            if line.is_empty() || self.count > MAX_ENTRIES {
                continue;
            }
            match line
                .strip_prefix(b"include")
                .filter(|rest| rest.first().is_some_and(u8::is_ascii_whitespace))
            {
                Some(patterns) if depth > 0 => {
                    for pattern in patterns
                        .split(u8::is_ascii_whitespace)
                        .filter(|pattern| !pattern.is_empty())
                    {
                        self.include(path, pattern, depth - 1);
                    }
                }
                Some(_) => {}
                None if line.starts_with(b"hwcap") => {}
                // `directory=kind` of old times.
                None => self
                    .directories
                    .extend(line.split(|byte| *byte == b'=').next().map(<[u8]>::to_vec)),
            }
        }
    }

    fn include(&mut self, includer: &[u8], pattern: &[u8], depth: usize) {
        let folder = includer.rsplitn(2, |byte| *byte == b'/').nth(1).unwrap_or_default();
        let pattern = match pattern.strip_prefix(b"/") {
            Some(absolute) => absolute.to_vec(),
            None => [folder, b"/", pattern].concat(),
        };
        let fitting = self
            .configs
            .keys()
            .filter(|path| matches_glob(&pattern, path.as_bytes()));
        for path in fitting.cloned().collect::<Vec<EntryPath>>() {
            self.count += 1;
            if self.count <= MAX_ENTRIES {
                self.read(path.as_bytes(), depth);
            }
        }
    }
}

/// Matches `*` and `?`, neither of which matches a slash.
fn matches_glob(pattern: &[u8], text: &[u8]) -> bool {
    let mut at = 0;
    let mut in_text = 0;
    // Position of the last `*`, and the end of the text that it matches.
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, in_text));
                at += 1;
            }
            Some(byte) if *byte == text[in_text] || (*byte == b'?' && text[in_text] != b'/') => {
                at += 1;
                in_text += 1;
            }
            _ => match star {
                Some((star_at, reached)) if text[reached] != b'/' => {
                    star = Some((star_at, reached + 1));
                    (at, in_text) = (star_at + 1, reached + 1);
                }
                _ => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// Splits a list of directories into its parts.
pub(super) fn parts<'a>(list: &'a [u8], separators: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    list.split(|byte| separators.contains(byte)).take(MAX_ENTRIES)
}

/// The values of the tokens in a list.
pub(super) struct Tokens<'a> {
    /// The directory of the file that the list is of.
    pub(super) origin: &'a EntryPath,
    /// The possible values of `$LIB`.
    pub(super) lib: &'a [Vec<u8>],
    /// `$PLATFORM`.
    pub(super) platform: &'a str,
}

impl Tokens<'_> {
    /// Replaces the tokens of a text, once for each value of `$LIB` if it contains that. Returns nothing if the result
    /// is too long for a path.
    pub(super) fn expand(&self, text: &[u8]) -> Vec<Vec<u8>> {
        if !text.contains(&b'$') {
            return vec![text.to_vec()];
        }
        let mut meanings: Vec<Vec<u8>> = self.lib.iter().filter_map(|lib| self.expand_with(text, lib)).collect();
        meanings.dedup();
        meanings
    }

    fn expand_with(&self, text: &[u8], lib: &[u8]) -> Option<Vec<u8>> {
        let mut expanded = Vec::new();
        let mut rest = text;
        while let Some((first, after)) = rest.split_first() {
            let (value, taken) = match (first, token(after)) {
                (b'$', Some((name, taken))) => match name {
                    b"ORIGIN" => ([b"/", self.origin.as_bytes()].concat(), taken),
                    b"LIB" => (lib.to_vec(), taken),
                    _ => (self.platform.as_bytes().to_vec(), taken),
                },
                _ => (vec![*first], 0),
            };
            expanded.extend(value);
            if expanded.len() > MAX_PATH_BYTES {
                return None;
            }
            rest = &after[taken..];
        }
        Some(expanded)
    }
}

/// The token after a `$`, and how many bytes it takes.
fn token(after: &[u8]) -> Option<(&[u8], usize)> {
    [&b"ORIGIN"[..], b"LIB", b"PLATFORM"].into_iter().find_map(|name| {
        if let Some(rest) = after.strip_prefix(b"{") {
            return rest
                .strip_prefix(name)?
                .starts_with(b"}")
                .then_some((name, name.len() + 2));
        }
        let rest = after.strip_prefix(name)?;
        let ends = rest
            .first()
            .is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        ends.then_some((name, name.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::path;
    use super::*;

    fn directories(configs: &[(&str, &str)]) -> Vec<String> {
        let configs = configs
            .iter()
            .map(|(at, text)| (path(at), text.as_bytes().to_vec()))
            .collect();
        let found = configured_directories(&configs);
        found
            .iter()
            .map(|path| String::from_utf8(path.clone()).unwrap())
            .collect()
    }

    #[test]
    fn includes_are_read_in_the_order_of_their_names() {
        let found = directories(&[
            (
                "etc/ld.so.conf",
                "# own first\n/opt/lib\ninclude /etc/ld.so.conf.d/*.conf\n  /last # really\n",
            ),
            ("etc/ld.so.conf.d/b.conf", "/b\n/b2/"),
            ("etc/ld.so.conf.d/a.conf", "/a\r\n"),
            ("etc/ld.so.conf.d/README", "/no"),
        ]);
        assert_eq!(found, ["/opt/lib", "/a", "/b", "/b2/", "/last"]);
        assert_eq!(
            directories(&[("etc/ld.so.conf", "include ld.so.conf.d/?.conf x"), ("etc/x", "/x")]),
            ["/x"]
        );
        assert!(directories(&[("etc/ld.so.conf.d/a.conf", "/a")]).is_empty());
    }

    #[test]
    fn includes_of_each_other_end() {
        let found = directories(&[("etc/ld.so.conf", "include /etc/*.conf\ninclude /etc/*.conf\n/x")]);
        assert!(found.len() <= MAX_ENTRIES);
    }

    #[test]
    fn globs_do_not_cross_folders() {
        for (pattern, text, wanted) in [
            ("a/*.conf", "a/x.conf", true),
            ("a/*.conf", "a/b/x.conf", false),
            ("a/*", "a/", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a?", "a/", false),
            ("a**", "a", true),
            ("", "", true),
            ("a", "ab", false),
        ] {
            assert_eq!(
                matches_glob(pattern.as_bytes(), text.as_bytes()),
                wanted,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn tokens_are_replaced_where_they_end() {
        let origin = path("opt/x");
        let lib = [b"lib64".to_vec(), b"lib".to_vec()];
        let tokens = Tokens {
            origin: &origin,
            lib: &lib,
            platform: "x86_64",
        };
        let expand = |text: &str| -> Vec<String> {
            let found = tokens.expand(text.as_bytes());
            found.into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
        };
        assert_eq!(expand("$ORIGIN/../lib"), ["/opt/x/../lib"]);
        assert_eq!(expand("${ORIGIN}lib"), ["/opt/xlib"]);
        assert_eq!(expand("/usr/$LIB/a"), ["/usr/lib64/a", "/usr/lib/a"]);
        assert_eq!(expand("/p/$PLATFORM"), ["/p/x86_64"]);
        assert_eq!(expand("$ORIGINAL/$OTHER/$"), ["$ORIGINAL/$OTHER/$"]);
        assert!(expand(&"$ORIGIN".repeat(60_000)).is_empty());
    }
}
