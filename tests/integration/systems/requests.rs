//! What pushes of the workstation's images cost, counted at a proxy. docs/performance.md shows the same numbers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::support::faults::log::Seen;
use crate::systems::stack::{Counts, Push, Stack, TAG};
use crate::systems::system::System;
use crate::systems::watch::Watch;
use crate::systems::whole::assert_whole;

/// 22 images and their base.
const IMAGES: usize = 23;

/// A layer with a file that is younger is packed again: the file may change once more without a change of its times.
const SETTLED_AFTER: Duration = Duration::from_millis(2100);

/// Each push of the table: its row, and the counts.
type Row = (&'static str, Counts);

/// Returns the rows of the table with this heading in docs/performance.md.
fn documented(heading: &str) -> Vec<(String, Vec<usize>)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once(&format!("\n{heading}\n")).unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let name = cells.next().unwrap().to_owned();
        (name, cells.map(|cell| cell.parse().unwrap()).collect())
    };
    rows.take_while(|line| line.starts_with('|')).map(row).collect()
}

/// Checks that no blob was uploaded twice.
#[track_caller]
fn assert_each_once(push: &Push) {
    let uploads = push.uploads();
    let distinct: BTreeSet<&str> = uploads.iter().copied().collect();
    assert_eq!(distinct.len(), uploads.len(), "{uploads:#?}");
}

/// Returns the blobs of the layout: layers and configs.
fn blobs(stack: &Stack) -> usize {
    let layout = stack.layout();
    let whole = assert_whole(&layout);
    let is_manifest = |digest: &&String| {
        let bytes = layout.blob(digest);
        bytes.starts_with(b"{") && String::from_utf8_lossy(&bytes).contains("\"schemaVersion\"")
    };
    whole.iter().filter(|digest| !is_manifest(digest)).count()
}

#[test]
fn a_stack_of_22_images() {
    let stack = Stack::new(System::workstation(), "requests");
    let mut rows: Vec<Row> = Vec::new();
    // A file that no rule of the check looks at.
    stack.system.write("dist/api/words.txt", "layer\nmanifest\nindex\n");
    thread::sleep(SETTLED_AFTER);

    let first = stack.push(&["-o", "oci:image"]);
    assert_each_once(&first);
    assert_eq!(first.uploads().len(), blobs(&stack));
    assert_eq!(first.tagged().len(), IMAGES);
    first.assert_bases_first(|image| (!["base", "backend"].contains(&image)).then_some("base"));
    rows.push(("first push", first.counts()));

    // No file is packed again, and the check opens only what its rules look at.
    let watch = Watch::start(&["dist", "base/common"].map(|folder| stack.system.path(folder)));
    let again = stack.push(&[]);
    let opened = watch.opened();
    assert!(opened.contains(&"dist/amd64/backend".to_owned()), "{opened:?}");
    assert!(!opened.contains(&"dist/api/words.txt".to_owned()), "{opened:?}");
    let is_tag = |seen: &Seen| seen.method == "HEAD" && seen.target.ends_with(&format!("/manifests/{TAG}"));
    assert!(again.requests.iter().all(is_tag), "{:#?}", again.requests);
    rows.push(("again", again.counts()));

    let changed = stack
        .system
        .edit("dist/servers/sum.js", "serve(\"sum\"", "serve(\"the sum\"");
    let one = stack.push(&[]);
    assert_each_once(&one);
    assert_eq!(one.tagged(), ["sum"]);
    rows.push(("one server changed", one.counts()));

    changed.edit("base/common/index.js", "is healthy", "is well");
    let base = stack.push(&[]);
    assert_each_once(&base);
    assert_eq!(base.tagged().len(), IMAGES - 1, "all but the backend");
    base.assert_bases_first(|image| (image != "base").then_some("base"));
    rows.push(("the common base changed", base.counts()));

    let counted: Vec<(String, Vec<usize>)> = rows
        .iter()
        .map(|(row, counts)| {
            let counts = [
                counts.requests,
                counts.uploads,
                counts.mounts,
                counts.manifests,
                counts.tags,
            ];
            ((*row).to_owned(), counts.to_vec())
        })
        .collect();
    assert_eq!(documented("### A stack of 22 images"), counted);
}
