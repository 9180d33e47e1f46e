//! Ranges of versions as npm writes them (node-semver, "Ranges"), as `engines` uses them: releases only, no
//! pre-releases.

/// A release: major, minor, patch.
pub(super) type Version = (u64, u64, u64);

/// A version with parts that are left open: `18`, `18.x`, `*`.
type Partial = (Option<u64>, Option<u64>, Option<u64>);

/// Longest range that is read, in bytes: those of real packages have less than a hundred.
const MAX_RANGE_BYTES: usize = 1_000;

/// Parses a version; text after the three numbers is ignored.
pub(super) fn version(text: &str) -> Option<Version> {
    let text = text.trim().trim_start_matches(['v', '=']);
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    let mut numbers = text[..end].split('.').map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// Checks whether a version is in a range. `None` if the text is not a range.
pub(super) fn is_in(version: Version, range: &str) -> Option<bool> {
    if range.len() > MAX_RANGE_BYTES {
        return None;
    }
    let mut is_in = false;
    for part in range.split("||") {
        is_in |= is_in_all(version, part.trim())?;
    }
    Some(is_in)
}

fn is_in_all(version: Version, part: &str) -> Option<bool> {
    if let Some((low, high)) = part.split_once(" - ") {
        let low = floor(partial(low)?);
        return Some(version >= low && version < ceiling(partial(high)?));
    }
    let mut is_in = true;
    let mut words = part.split([' ', ',', '\t']).filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let end = word
            .find(|character: char| !"<>=~^".contains(character))
            .unwrap_or(word.len());
        let (operator, rest) = word.split_at(end);
        // A blank may follow the operator.
        let rest = if rest.is_empty() { words.next()? } else { rest };
        is_in &= holds(version, operator, partial(rest)?)?;
    }
    Some(is_in)
}

fn holds(version: Version, operator: &str, wanted: Partial) -> Option<bool> {
    let low = floor(wanted);
    let high = ceiling(wanted);
    Some(match operator {
        "" | "=" => version >= low && version < high,
        ">=" | "=>" => version >= low,
        "<" => version < low,
        // `>18` excludes every 18, and `<=18` includes every 18.
        ">" => version >= high,
        "<=" | "=<" => version < high,
        "~" | "~>" => version >= low && version < tilde(wanted),
        "^" => version >= low && version < caret(wanted),
        _ => return None,
    })
}

fn partial(text: &str) -> Option<Partial> {
    let text = text.trim().trim_start_matches(['v', '=']);
    let text = text.split(['-', '+']).next().unwrap_or_default();
    let mut parts = text.split('.');
    let mut next = || match parts.next() {
        None | Some("x" | "X" | "*" | "") => Some(None),
        Some(number) => number.parse().ok().map(Some),
    };
    let major = next()?;
    let minor = next()?;
    let patch = next()?;
    Some((
        major,
        minor.filter(|_| major.is_some()),
        patch.filter(|_| minor.is_some()),
    ))
}

fn floor((major, minor, patch): Partial) -> Version {
    (major.unwrap_or(0), minor.unwrap_or(0), patch.unwrap_or(0))
}

/// Returns the first version after all that a partial one covers.
fn ceiling(partial: Partial) -> Version {
    match partial {
        (None, _, _) => (u64::MAX, 0, 0),
        (Some(major), None, _) => (major.saturating_add(1), 0, 0),
        (Some(major), Some(minor), None) => (major, minor.saturating_add(1), 0),
        (Some(major), Some(minor), Some(patch)) => (major, minor, patch.saturating_add(1)),
    }
}

fn tilde(partial: Partial) -> Version {
    match partial {
        (Some(major), Some(minor), _) => (major, minor.saturating_add(1), 0),
        other => ceiling(other),
    }
}

fn caret(partial: Partial) -> Version {
    match partial {
        (Some(0), Some(0), Some(_)) | (Some(0), Some(0), None) | (Some(0), None, _) | (None, _, _) => ceiling(partial),
        (Some(0), Some(minor), _) => (0, minor.saturating_add(1), 0),
        (Some(major), _, _) => (major.saturating_add(1), 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_npm_reads_them() {
        for (range, inside, outside) in [
            (">=18", "18.0.0 22.1.0", "16.20.2"),
            (">= 18.12.0", "18.12.0", "18.11.9"),
            (
                "^20.19.0 || >=22.12.0",
                "20.19.0 20.20.1 22.12.0 24.0.0",
                "18.20.4 20.18.9 21.0.0 22.11.9",
            ),
            ("18", "18.0.0 18.99.1", "19.0.0 17.9.9"),
            ("18.x || 20.x", "18.1.0 20.1.0", "19.1.0"),
            ("~18.12", "18.12.5", "18.13.0"),
            ("~18", "18.13.0", "19.0.0"),
            ("^0.2.3", "0.2.9", "0.3.0 0.2.2"),
            ("^0.0.3", "0.0.3", "0.0.4"),
            (">=14 <19", "14.0.0 18.99.0", "19.0.0"),
            (">14", "15.0.0", "14.99.0"),
            ("<=18", "18.20.0", "19.0.0"),
            ("14 - 16", "14.0.0 16.9.9", "17.0.0"),
            ("*", "0.1.0 99.0.0", ""),
            ("", "1.0.0", ""),
            (">=18.0.0-rc.1", "18.0.0", "17.0.0"),
            ("v18.1.0", "18.1.0", "18.1.1"),
        ] {
            for one in inside.split_whitespace() {
                assert_eq!(is_in(version(one).unwrap(), range), Some(true), "{one} in {range}");
            }
            for one in outside.split_whitespace() {
                assert_eq!(is_in(version(one).unwrap(), range), Some(false), "{one} in {range}");
            }
        }
    }

    #[test]
    fn what_is_no_range_says_nothing() {
        for range in [
            "latest",
            ">=",
            "lts/*",
            ">>1",
            "99999999999999999999999",
            &"1 ".repeat(600),
        ] {
            assert_eq!(is_in((18, 0, 0), range), None, "{range}");
        }
        assert_eq!(version("18.20.4+dfsg-1~deb12u1"), Some((18, 20, 4)));
        assert_eq!(version("v20.1.2\n"), Some((20, 1, 2)));
        assert_eq!(version("18"), None);
        assert_eq!(is_in((u64::MAX, 0, 0), "18446744073709551615"), Some(false));
    }
}
