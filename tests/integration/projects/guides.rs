//! The guides show the files of the projects that the tests build.

use std::collections::BTreeSet;
use std::fs;

use super::project::{committed_files, guide_text, source};
use crate::support::page::{Step, steps};

/// A guide, its project, and the files of the project that are too long to show.
const GUIDES: [(&str, &str, &[&str]); 5] = [
    ("node.md", "node", &["package-lock.json"]),
    ("python.md", "python", &[]),
    ("static.md", "go", &[]),
    ("rust.md", "rust", &["Cargo.lock"]),
    ("java.md", "java", &[]),
];

#[test]
fn guides_show_the_files_of_their_projects() {
    for (guide, project, not_shown) in GUIDES {
        let directory = source(project);
        let mut shown = BTreeSet::new();
        for step in steps(&guide_text(guide)) {
            if let Step::File { name, text } = step {
                let file = fs::read_to_string(directory.join(&name))
                    .unwrap_or_else(|error| panic!("{guide}: {name}: {error}"));
                assert_eq!(
                    text, file,
                    "{guide} does not show {name} of testdata/projects/{project}"
                );
                shown.insert(name);
            }
        }
        shown.extend(not_shown.iter().map(|name| (*name).to_owned()));
        let files: BTreeSet<String> = committed_files(&directory).into_iter().collect();
        assert_eq!(shown, files, "{guide}");
    }
}

/// No file names the registry or the mirror from which a lockfile was written.
#[test]
fn lockfiles_name_no_registry() {
    let lockfile = fs::read_to_string(source("node").join("package-lock.json")).unwrap();
    assert!(!lockfile.contains("\"resolved\""), "{lockfile}");
    assert!(lockfile.contains("\"integrity\": \"sha512-"), "{lockfile}");
}
