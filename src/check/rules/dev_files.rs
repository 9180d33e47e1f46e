//! `dev-files`: files of development that no container needs.

use std::collections::BTreeMap;

use super::listing::{count, list, place};
use crate::check::leftovers::leftover_of;
use crate::check::{Code, Finding, Marks, Rule, Subject};
use crate::model::{EntryPath, size_text};

/// Files of one kind.
#[derive(Default)]
struct Kind {
    /// The topmost paths of that name, sorted: folders, or the files themselves.
    tops: Vec<EntryPath>,
    files: usize,
    size_bytes: u64,
}

/// The rule of [`dev_files`].
pub(super) const RULE: Rule = Rule::new(&[Code::DevFiles], dev_files);

/// Finds development files: one finding for each name.
fn dev_files(subject: &Subject, findings: &mut Vec<Finding>) {
    let mut kinds: BTreeMap<&str, Kind> = BTreeMap::new();
    for (path, own) in subject.own_marked(Marks::LEFTOVER) {
        let Some((name, top_length)) = leftover_of(path.as_bytes()) else {
            continue;
        };
        let kind = kinds.entry(name).or_default();
        let top = &path.as_bytes()[..top_length];
        if kind.tops.last().is_none_or(|last| last.as_bytes() != top) {
            kind.tops.extend(EntryPath::new(top));
        }
        kind.files += 1;
        kind.size_bytes = kind.size_bytes.saturating_add(own.size_bytes);
    }
    findings.extend(kinds.iter().map(|(name, kind)| finding(subject, name, kind)));
}

fn finding(subject: &Subject, name: &str, kind: &Kind) -> Finding {
    let files = count(kind.files, "file", "files");
    let message = match &kind.tops[..] {
        [_] => format!("is not needed at run time ({files}, {})", size_text(kind.size_bytes)),
        tops => {
            let number = tops.len();
            format!(
                "{number} matches of {name} are not needed at run time ({files}, {}): {}",
                size_text(kind.size_bytes),
                list(tops)
            )
        }
    };
    let help = format!("exclude it: `exclude = [\"**/{name}\"]`, or add the pattern to the ignore file");
    let path = place(&kind.tops);
    let evidence = (
        "no development files",
        format!("{name}, {}", size_text(kind.size_bytes)),
    );
    subject
        .finding(Code::DevFiles, path, message, help)
        .evidence(evidence.0, evidence.1)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Image, Thing, path};
    use super::*;
    use crate::check::Severity;

    fn with(paths: &[&str]) -> Vec<Finding> {
        let image = Image::new("linux/amd64");
        paths
            .iter()
            .fold(image, |image, at| image.own(at, 0o644, Thing::Unread(1_000)))
            .found_by(dev_files)
    }

    #[test]
    fn a_folder_of_version_control_is_one_finding() {
        let found = with(&["app/.git/HEAD", "app/.git/objects/ab/cd", "app/main.py"]);
        let [finding] = &found[..] else { panic!("{found:?}") };
        assert_eq!((finding.code, finding.severity), (Code::DevFiles, Severity::Warning));
        assert_eq!(finding.path, path("app/.git"));
        assert_eq!(finding.message, "is not needed at run time (2 files, 2.0 kB)");
        assert_eq!(
            finding.help,
            "exclude it: `exclude = [\"**/.git\"]`, or add the pattern to the ignore file"
        );
    }

    #[test]
    fn each_name_is_one_finding_however_often_it_is_there() {
        let found = with(&[
            "app/.DS_Store",
            "app/a/.DS_Store",
            "app/.mypy_cache/.gitignore",
            "app/x/.mypy_cache/x/y",
        ]);
        let messages: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "2 matches of .DS_Store are not needed at run time (2 files, 2.0 kB): /app/.DS_Store, /app/a/.DS_Store",
                "2 matches of .mypy_cache are not needed at run time (2 files, 2.0 kB): /app/.mypy_cache, \
                 /app/x/.mypy_cache",
            ]
        );
        assert!(found.iter().all(|finding| finding.path == path("app")));
    }

    #[test]
    fn every_kind_is_known_and_nothing_else() {
        for at in [
            "a/.svn/x",
            ".hg/x",
            "node_modules/.cache/babel/x",
            "a/.x.js.swp",
            "htmlcov/i.html",
            "a/.git",
        ] {
            assert_eq!(with(&[at]).len(), 1, "{at}");
        }
        for at in [
            "a/.gitignore",
            "a/.github/x",
            "root/.cache/x",
            "a/__pycache__/x.pyc",
            "a/data.swp",
            "a/git/x",
        ] {
            assert_eq!(with(&[at]), [], "{at}");
        }
        let base = Image::new("linux/amd64").base("app/.git/HEAD", 0o644, Thing::Unread(1));
        assert_eq!(base.found_by(dev_files), []);
    }
}
