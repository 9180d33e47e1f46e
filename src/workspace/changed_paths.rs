//! The list of changed paths that `git diff --name-only` prints, with or without `-z` (git-diff(1), git-config(1)
//! `core.quotePath`).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use super::error::WorkspaceError;
use crate::model::escape;

/// Greatest size of a list of changed paths, in bytes. It is kept in memory; that of the largest repositories, with every
/// file in it, has less.
pub const MAX_CHANGED_BYTES: u64 = 64 * 1024 * 1024;

/// Returns the paths of a list. A list with a NUL byte has one after each path, and paths as they are. Another one has a
/// path in each line, and git writes one with unusual bytes in quotes, as a string of C. Empty lines are skipped.
///
/// # Errors
/// Returns [`WorkspaceError::ChangedPath`] for the first line that is no such path.
pub fn changed_paths(list: &[u8]) -> Result<Vec<PathBuf>, WorkspaceError> {
    let is_separated_by_nul = list.contains(&0);
    let separator = if is_separated_by_nul { 0 } else { b'\n' };
    let mut paths = Vec::new();
    for (position, line) in list.split(|byte| *byte == separator).enumerate() {
        let path = if is_separated_by_nul {
            Ok(line.to_vec())
        } else {
            unquoted(line)
        };
        let checked = path.and_then(|path| relative(PathBuf::from(OsString::from_vec(path))));
        let path = checked.map_err(|reason| WorkspaceError::ChangedPath {
            line: position + 1,
            text: escape(line),
            reason,
        })?;
        paths.extend(path);
    }
    Ok(paths)
}

/// Returns a path without `.` components; `None` if nothing is left of it.
fn relative(path: PathBuf) -> Result<Option<PathBuf>, &'static str> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return Err("it is absolute"),
            Component::ParentDir => return Err("it contains `..`"),
        }
    }
    Ok(Some(plain).filter(|plain| plain != Path::new("")))
}

/// Returns the path of a line.
fn unquoted(line: &[u8]) -> Result<Vec<u8>, &'static str> {
    // A path that ends so is quoted. This is the end of a line as Windows writes it.
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some(quoted) = line.strip_prefix(b"\"") else {
        // A path with a tab is quoted. Lines of `--name-status`, `--numstat` and `--raw` have tabs.
        return if line.contains(&b'\t') {
            Err("it contains a tab")
        } else {
            Ok(line.to_vec())
        };
    };
    let inner = quoted.strip_suffix(b"\"").ok_or("its quotes are not closed")?;
    unescaped(inner)
}

/// Returns what a string of C stands for.
fn unescaped(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    const UNKNOWN: &str = "it contains an unknown escape";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'"' {
            return Err("it contains a quote that is not escaped");
        }
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (escaped, after) = rest.split_first().ok_or(UNKNOWN)?;
        rest = after;
        bytes.push(match escaped {
            b'a' => 0x07,
            b'b' => 0x08,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 0x0b,
            b'f' => 0x0c,
            b'r' => b'\r',
            b'"' | b'\\' => *escaped,
            b'0'..=b'3' => {
                let (digits, after) = rest.split_at_checked(2).ok_or(UNKNOWN)?;
                rest = after;
                octal(*escaped, digits).ok_or(UNKNOWN)?
            }
            _ => return Err(UNKNOWN),
        });
    }
    if bytes.contains(&0) {
        return Err("it contains a NUL byte");
    }
    Ok(bytes)
}

fn octal(first: u8, others: &[u8]) -> Option<u8> {
    others.iter().try_fold(first - b'0', |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(digit - b'0'),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(list: &[u8]) -> Vec<String> {
        let paths = changed_paths(list).unwrap();
        paths
            .iter()
            .map(|path| escape(path.as_os_str().as_encoded_bytes()))
            .collect()
    }

    fn refused(list: &[u8]) -> (usize, &'static str) {
        match changed_paths(list) {
            Err(WorkspaceError::ChangedPath { line, reason, .. }) => (line, reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_are_paths_as_git_prints_them() {
        assert_eq!(parsed(b""), [""; 0]);
        assert_eq!(parsed(b"a/b.txt\nwith space\n"), ["a/b.txt", "with space"]);
        assert_eq!(parsed(b"\n./a//b/\r\n\n.\nlast"), ["a/b", "last"]);
        let quoted = br#""caf\303\251/\"x\"\\\t""#;
        let paths = changed_paths(quoted).unwrap();
        assert_eq!(paths, [PathBuf::from("caf\u{e9}/\"x\"\\\t")]);
        let bytes = changed_paths(br#""\377\a\b\n\v\f\r""#).unwrap();
        let expected = OsString::from_vec(vec![0xff, 7, 8, b'\n', 11, 12, b'\r']);
        assert_eq!(bytes, [PathBuf::from(expected)]);
    }

    #[test]
    fn after_a_nul_byte_nothing_is_quoted() {
        let paths = changed_paths(b"a\tb\0\"quoted\"\0two\nlines\0").unwrap();
        assert_eq!(
            paths,
            [
                PathBuf::from("a\tb"),
                PathBuf::from("\"quoted\""),
                PathBuf::from("two\nlines")
            ]
        );
    }

    #[test]
    fn other_lines_are_refused_by_their_number() {
        assert_eq!(refused(b"a\nM\tb\n"), (2, "it contains a tab"));
        assert_eq!(refused(b"/etc/passwd"), (1, "it is absolute"));
        assert_eq!(refused(b"a\n\na/../b"), (3, "it contains `..`"));
        assert_eq!(refused(b"x\0../y\0"), (2, "it contains `..`"));
        assert_eq!(refused(b"\"open"), (1, "its quotes are not closed"));
        assert_eq!(refused(b"\""), (1, "its quotes are not closed"));
        assert_eq!(refused(b"\"a\"b\""), (1, "it contains a quote that is not escaped"));
        assert_eq!(refused(br#""\000""#), (1, "it contains a NUL byte"));
        for escape in [r#""\x41""#, r#""\4""#, r#""\400""#, r#""\39a""#, r#""\18""#, "\"\\\""] {
            let (_, reason) = refused(escape.as_bytes());
            assert_eq!(reason, "it contains an unknown escape", "{escape}");
        }
    }
}
