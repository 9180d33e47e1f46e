//! `shadowed`: files that a later layer replaces. Every pull transfers both copies (image-spec, layer.md, "Changeset":
//! a layer only adds).

use std::collections::BTreeMap;

use super::listing::{count, list, place};
use crate::check::{Code, Finding, Rule, Shadowed, Subject};
use crate::model::{escape, size_text};

/// Greatest size of files in two layers that is not reported, in bytes. Layers are meant for replacing a few settings,
/// and requesting a layer takes longer than downloading this much.
const MIN_SHADOWED_BYTES: u64 = 64 * 1024;

/// The layer that is made of `[[users]]` and `[[groups]]`, and writes the accounts again.
const ACCOUNTS_LAYER: &str = "filesystem";

/// The rule of [`shadowed`].
pub(super) const RULE: Rule = Rule::new(&[Code::Shadowed], shadowed);

/// Finds replaced files: one finding for each two layers.
fn shadowed(subject: &Subject, findings: &mut Vec<Finding>) {
    let mut pairs: BTreeMap<(Option<&str>, &str), Vec<&Shadowed>> = BTreeMap::new();
    for shadowed in subject
        .shadowed
        .iter()
        .filter(|shadowed| &*shadowed.above != ACCOUNTS_LAYER)
    {
        pairs
            .entry((shadowed.below.as_deref(), &shadowed.above))
            .or_default()
            .push(shadowed);
    }
    findings.extend(
        pairs
            .into_iter()
            .filter_map(|((below, above), files)| finding(subject, below, above, files)),
    );
}

fn finding(subject: &Subject, below: Option<&str>, above: &str, mut files: Vec<&Shadowed>) -> Option<Finding> {
    let bytes = files
        .iter()
        .fold(0, |sum: u64, file| sum.saturating_add(file.size_bytes));
    if bytes < MIN_SHADOWED_BYTES {
        return None;
    }
    // The largest first: they are worth the work.
    files.sort_by(|left, right| {
        right
            .size_bytes
            .cmp(&left.size_bytes)
            .then_with(|| left.path.cmp(&right.path))
    });
    let layer = |name: &str| format!("layer \"{}\"", escape(name.as_bytes()));
    let below = below.map_or("the base image".to_owned(), layer);
    let above = layer(above);
    let paths = || files.iter().map(|file| &file.path);
    let message = match files.len() {
        1 => format!(
            "{above} replaces this file of {below}: {} are shipped but never used",
            size_text(bytes)
        ),
        many => format!(
            "{above} replaces {} of {below}: {} are shipped but never used ({})",
            count(many, "file", "files"),
            size_text(bytes),
            list(paths())
        ),
    };
    let help = match below.as_str() {
        "the base image" => {
            "leave the files out with `exclude` if those of the base image are enough, or use another base image"
        }
        _ => "leave the files out of one of the two layers with `exclude`",
    };
    let expected = "each file in one layer";
    let found = format!("{} in {below} and in {above}", files[0].path);
    Some(
        subject
            .finding(Code::Shadowed, place(paths()), message, help)
            .evidence(expected, found),
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Image, Thing, path};
    use super::*;
    use crate::check::Severity;

    fn shadowed_of(files: &[(&str, u64, Option<&str>, &str)]) -> Vec<Finding> {
        let mut subject = Image::new("linux/amd64").subject();
        let file = |(at, size_bytes, below, above): &(&str, u64, Option<&str>, &str)| Shadowed {
            path: path(at),
            size_bytes: *size_bytes,
            below: below.map(Into::into),
            above: (*above).into(),
        };
        subject.shadowed = files.iter().map(file).collect();
        let mut findings = Vec::new();
        shadowed(&subject, &mut findings);
        findings
    }

    #[test]
    fn what_is_shipped_twice_is_counted_for_each_two_layers() {
        let found = shadowed_of(&[
            ("app/a", 1_000, Some("deps"), "app"),
            ("app/lib/big", 12_000_000, Some("deps"), "app"),
            ("usr/bin/tool", 70_000, None, "app"),
        ]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].severity, Severity::Warning);
        assert_eq!(found[0].path, path("usr/bin/tool"));
        assert_eq!(
            found[0].message,
            "layer \"app\" replaces this file of the base image: 70.0 kB are shipped but never used"
        );
        assert_eq!(found[1].path, path("app"));
        assert_eq!(
            found[1].message,
            "layer \"app\" replaces 2 files of layer \"deps\": 12.0 MB are shipped but never used (/app/lib/big, \
             /app/a)"
        );
        assert_eq!(
            found[1].found.as_deref(),
            Some("/app/lib/big in layer \"deps\" and in layer \"app\"")
        );
        assert_eq!(
            found[1].help,
            "leave the files out of one of the two layers with `exclude`"
        );
    }

    #[test]
    fn small_files_and_accounts_do_not_matter() {
        assert_eq!(shadowed_of(&[("etc/nginx/nginx.conf", 65_535, None, "app")]), []);
        assert_eq!(shadowed_of(&[("etc/passwd", 1_000_000, None, "filesystem")]), []);
        assert_eq!(
            shadowed_of(&[("a", u64::MAX, None, "app"), ("b", u64::MAX, None, "app")]).len(),
            1
        );
    }

    #[test]
    fn a_layer_over_a_base_is_noticed() {
        let image = Image::new("linux/amd64")
            .base("usr/lib/x.so", 0o644, Thing::Unread(100_000))
            .base("usr/lib/y.so", 0o644, Thing::Unread(100_000))
            .own("usr/lib/x.so", 0o644, Thing::Unread(5))
            .own("usr/lib/z.so", 0o644, Thing::Unread(5));
        let found = image.found_by(shadowed);
        assert_eq!(
            found.iter().map(|finding| finding.path.clone()).collect::<Vec<_>>(),
            [path("usr/lib/x.so")]
        );
    }
}
