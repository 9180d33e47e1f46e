//! `foreign-architecture`: files for other platforms, beside the same files for this one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::groups::{files, listed};
use super::packages::package_of;
use super::survey::Survey;
use crate::check::{Code, Finding};
use crate::model::{EntryPath, size_text};

/// A file for another platform whose like for this one is in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    /// The file, or the folder above it that is all for that platform.
    pub(super) part: EntryPath,
    /// The common part of its path and of those for other platforms.
    pub(super) family: String,
    /// Its target: `arm64`, `musl`.
    pub(super) made_for: String,
}

/// Finds files for other platforms: one finding for each package, and for each family of files without one.
pub(super) fn foreign_architecture(survey: &Survey<'_>, foreign: Vec<Foreign>, findings: &mut Vec<Finding>) {
    let mut families: BTreeMap<String, (BTreeSet<EntryPath>, BTreeSet<String>)> = BTreeMap::new();
    for Foreign { part, family, made_for } in foreign {
        let (parts, kinds) = families.entry(group_of(&part, family)).or_default();
        parts.insert(part);
        kinds.insert(made_for);
    }
    findings.extend(
        families
            .into_values()
            .filter_map(|(parts, kinds)| finding(survey, &parts, &kinds)),
    );
}

/// Returns the group of one finding: a package's parts for other platforms, either in it or in packages beside it, such
/// as `@esbuild/linux-arm64`.
fn group_of(part: &EntryPath, family: String) -> String {
    match package_of(part) {
        Some(package) if package.folder != *part => package.folder.to_string(),
        _ => family,
    }
}

fn finding(survey: &Survey<'_>, parts: &BTreeSet<EntryPath>, kinds: &BTreeSet<String>) -> Option<Finding> {
    let platform = &survey.subject.platform;
    let mut count = 0;
    let mut size_bytes = 0u64;
    for part in parts {
        let from = (Bound::Included(part.clone()), Bound::Unbounded);
        // Names that start like the folder are sorted between it and the files below it.
        let near = survey
            .subject
            .own()
            .range(from)
            .take_while(|(path, _)| path.as_bytes().starts_with(part.as_bytes()));
        for (_, own) in near.filter(|(path, _)| path.starts_with(part)) {
            count += 1;
            size_bytes = size_bytes.saturating_add(own.size_bytes);
        }
    }
    let kinds: Vec<String> = kinds.iter().cloned().collect();
    let cost = format!("{} of {}", files(count), size_text(size_bytes));
    let message = format!(
        "is for {}, and the image also has it for this platform: {cost} are never used",
        listed(&kinds)
    );
    let patterns: Vec<String> = parts
        .iter()
        .map(|part| format!("\"**/{}\"", last_names(part)))
        .collect();
    let help = format!(
        "exclude it (`exclude = [{}]` in the layer's `files`), or install for one platform at a time",
        { listed(&patterns) }
    );
    let found: Vec<String> = parts.iter().map(EntryPath::to_string).collect();
    let finding = survey
        .subject
        .finding(Code::ForeignArchitecture, parts.first()?.clone(), message, help);
    Some(
        finding
            .evidence(format!("only files for {platform}"), listed(&found))
            .about(parts.iter().cloned()),
    )
}

/// Returns the last two names of a path: the last one may only be `arm64`.
fn last_names(path: &EntryPath) -> String {
    let names: Vec<&[u8]> = path.components().collect();
    crate::model::escape(&names[names.len().saturating_sub(2)..].join(&b'/'))
}
