//! Golden digests of byte format 1: a changed digest is a change of the format. The listing next to them, made by an
//! independent reader, shows what changed.

use std::fmt::Write as _;
use std::path::Path;

use super::fixture::every_kind;
use super::reader::{ReadEntry, read_tar};
use super::{pack, stored_bytes, tar_bytes};
use crate::model::{Compression, DiffId, Digest, LayerPlan, escape};

/// Digests and listing, relative to the package's root.
const GOLDEN_FILE: &str = "testdata/golden/pack.txt";
/// Set this variable to rewrite the golden file.
const UPDATE_VARIABLE: &str = "OCITECT_UPDATE_GOLDEN";

#[test]
fn the_fixture_packs_to_the_golden_bytes() {
    let actual = render(&every_kind());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN_FILE);
    if std::env::var_os(UPDATE_VARIABLE).is_some_and(|value| value == "1") {
        std::fs::write(&golden, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    for (actual, expected) in actual.lines().zip(expected.lines()) {
        assert_eq!(
            actual, expected,
            "byte format 1 has changed ({UPDATE_VARIABLE}=1 writes {GOLDEN_FILE} anew)"
        );
    }
    assert_eq!(actual.lines().count(), expected.lines().count());
}

fn render(plan: &LayerPlan) -> String {
    let tar = tar_bytes(plan);
    // Contents first: if both change, the changed content is shown before the digest.
    let mut text = "# mode owner mtime size sha256 path [-> target] {records}\n".to_owned();
    for entry in read_tar(&tar) {
        writeln!(text, "{}", line(&entry)).unwrap();
    }
    writeln!(text, "diff-id {} {}", DiffId::of(&tar), tar.len()).unwrap();
    for compression in [Compression::Gzip(6), Compression::Zstd(3), Compression::None] {
        let packed = pack(&LayerPlan {
            compression,
            ..plan.clone()
        })
        .unwrap();
        let stored = stored_bytes(&packed);
        assert_eq!(packed.layer.diff_id, DiffId::of(&tar));
        assert_eq!(packed.layer.tar_size_bytes, tar.len() as u64);
        assert_eq!(packed.layer.descriptor.digest, Digest::of(&stored));
        assert_eq!(packed.layer.descriptor.media_type, compression.media_type());
        let name = format!("{compression:?}")
            .to_lowercase()
            .replace('(', "-")
            .replace(')', "");
        writeln!(text, "{name} {} {}", Digest::of(&stored), stored.len()).unwrap();
    }
    text
}

fn line(entry: &ReadEntry) -> String {
    let ReadEntry {
        mode,
        uid,
        gid,
        mtime_s,
        content,
        ..
    } = entry;
    let kind = char::from(entry.kind.as_byte());
    let content = if content.is_empty() {
        "-".to_owned()
    } else {
        Digest::of(content).hex()
    };
    let size = entry.content.len();
    let mut line = format!(
        "{kind} {mode:04o} {uid}:{gid} {mtime_s} {size} {content} {}",
        escape(&entry.path)
    );
    if !entry.target.is_empty() {
        write!(line, " -> {}", escape(&entry.target)).unwrap();
    }
    let shown = |(keyword, value): (&String, &Vec<u8>)| format!("{keyword}={}", escape(value));
    let records: Vec<String> = entry.records.iter().map(shown).collect();
    if !records.is_empty() {
        write!(line, " {{{}}}", records.join(", ")).unwrap();
    }
    line
}
