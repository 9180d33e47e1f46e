//! `libc-too-old` and `symbol-version-missing`: libraries that exist but are older than those that a file was linked
//! with.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::groups::listed;
use super::loading::{Problem, What};
use super::survey::Survey;
use crate::check::{Code, Finding};
use crate::model::{EntryPath, escape};

const GLIBC: &[u8] = b"GLIBC";

/// A library and a kind of version. `None` represents all libraries of glibc.
type Kind<'p> = (Option<&'p EntryPath>, &'p [u8]);

/// The missing versions of one library, by the file that needs them.
type Lacking<'p> = BTreeMap<&'p EntryPath, BTreeSet<&'p [u8]>>;

/// Reports symbol versions that libraries do not define: one finding for each library and each kind of version.
pub(super) fn missing_versions(survey: &Survey<'_>, problems: &BTreeSet<Problem>, findings: &mut Vec<Finding>) {
    let mut kinds: BTreeMap<Kind<'_>, (Lacking<'_>, &EntryPath)> = BTreeMap::new();
    for problem in problems {
        if let What::MissingVersion { library, version } = &problem.what {
            let kind = kind_of(version);
            let key = (Some(library).filter(|_| kind != GLIBC), kind);
            let (lacking, _) = kinds.entry(key).or_insert_with(|| (BTreeMap::new(), library));
            lacking.entry(&problem.file).or_default().insert(version);
        }
    }
    findings.extend(
        kinds
            .iter()
            .filter_map(|((_, kind), (lacking, library))| finding(survey, kind, lacking, library)),
    );
}

fn finding(survey: &Survey<'_>, kind: &[u8], lacking: &Lacking<'_>, library: &EntryPath) -> Option<Finding> {
    let most = |(path, versions): (&&EntryPath, &BTreeSet<&[u8]>)| {
        let highest = versions.iter().copied().max_by(|left, right| by_number(left, right))?;
        Some((highest.to_vec(), (*path).clone()))
    };
    let neediest = lacking.iter().filter_map(most);
    let (needed, path) =
        neediest.max_by(|left, right| by_number(&left.0, &right.0).then_with(|| right.1.cmp(&left.1)))?;
    let offered = survey.files.get(library).and_then(|facts| {
        let same = facts
            .version_definitions
            .iter()
            .filter(|version| kind_of(version) == kind && is_numbered(version));
        same.max_by(|left, right| by_number(left, right))
    });
    let others: Vec<String> = lacking
        .keys()
        .filter(|other| ***other != path)
        .map(ToString::to_string)
        .collect();
    let more = if others.is_empty() {
        String::new()
    } else {
        format!("; the same applies to {}", listed(&others))
    };
    let needed = escape(&needed);
    let offered_text = offered.map(|version| escape(version));
    let found = match &offered_text {
        Some(offered) => format!("{library} provides {offered} at most"),
        None => format!("{library} provides no version of {}", escape(kind)),
    };
    let (code, message, help) = if kind == GLIBC {
        let has = offered_text
            .as_deref()
            .unwrap_or("an unknown version")
            .replace('_', " ")
            .replace("GLIBC", "glibc");
        let help = format!("use a base image with a newer glibc, or build on a system with {has} or older");
        (
            Code::LibcTooOld,
            format!("needs {needed}, but the image has {has}{more}"),
            help,
        )
    } else {
        let name = escape(library.file_name());
        let gives = offered_text.map_or_else(
            || "does not define it".to_owned(),
            |offered| format!("provides {offered} at most"),
        );
        (
            Code::SymbolVersionMissing,
            format!("needs {needed} from {name}, which {gives}{more}"),
            version_help(kind, &name),
        )
    };
    let files = lacking.keys().map(|path| (*path).clone());
    Some(
        survey
            .subject
            .finding(code, path, message, help)
            .evidence(needed, found)
            .about(files),
    )
}

fn version_help(kind: &[u8], library: &str) -> String {
    match kind {
        b"GLIBCXX" | b"CXXABI" => "use a base image with a newer libstdc++, or build with an older compiler".to_owned(),
        _ => format!("pack the {library} that it was linked with, or a newer one"),
    }
}

/// Returns the part before the number: `GLIBC` of `GLIBC_2.34`. A name without a number is a separate kind, except for
/// those of glibc's ABI.
fn kind_of(version: &[u8]) -> &[u8] {
    if version.starts_with(b"GLIBC_") {
        return GLIBC;
    }
    let digit = version.iter().position(u8::is_ascii_digit).unwrap_or(version.len());
    let kind = &version[..digit];
    kind.strip_suffix(b"_").unwrap_or(kind)
}

fn is_numbered(version: &[u8]) -> bool {
    version
        .rsplit(|byte| *byte == b'_')
        .next()
        .is_some_and(|end| end.first().is_some_and(u8::is_ascii_digit))
}

/// Compares by the numbers: 2.9 is less than 2.34. A name without numbers is less than all others.
fn by_number(left: &[u8], right: &[u8]) -> Ordering {
    numbers(left).cmp(&numbers(right)).then_with(|| left.cmp(right))
}

fn numbers(version: &[u8]) -> Vec<u64> {
    let runs = version
        .split(|byte| !byte.is_ascii_digit())
        .filter(|run| !run.is_empty());
    runs.map(|run| {
        std::str::from_utf8(run)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(u64::MAX)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        let mut versions = [
            &b"GLIBC_2.34"[..],
            b"GLIBC_ABI_DT_RELR",
            b"GLIBC_2.4",
            b"GLIBC_2.17",
            b"GLIBC_2.2.5",
        ];
        versions.sort_by(|left, right| by_number(left, right));
        let expected: [&[u8]; 5] = [
            b"GLIBC_ABI_DT_RELR",
            b"GLIBC_2.2.5",
            b"GLIBC_2.4",
            b"GLIBC_2.17",
            b"GLIBC_2.34",
        ];
        assert_eq!(versions, expected);
    }

    #[test]
    fn kinds_are_what_stands_before_the_number() {
        for (version, kind) in [
            ("GLIBC_2.34", "GLIBC"),
            ("GLIBC_ABI_DT_RELR", "GLIBC"),
            ("GLIBCXX_3.4.32", "GLIBCXX"),
            ("OPENSSL_3.0.0", "OPENSSL"),
            ("libfoo1.2", "libfoo"),
            ("PRIVATE", "PRIVATE"),
        ] {
            assert_eq!(kind_of(version.as_bytes()), kind.as_bytes(), "{version}");
        }
    }
}
