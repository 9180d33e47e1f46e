//! Tests of the start and end of blocks, and that the same cuts are found again.

use std::collections::BTreeSet;

use super::{directory, entry, file, noise, plan, symlink};
use crate::events::Task;
use crate::model::{Content, Digest, EntryKind, LayerPlan};
use crate::pack::content::Reading;
use crate::pack::cuts::{Block, Cuts, Part};
use crate::pack::tar::Tar;

const UNIT_BYTES: usize = 1024 * 1024;

fn cut(plan: &LayerPlan) -> Vec<Block> {
    let mut cuts = Cuts::new(plan, UNIT_BYTES);
    std::iter::from_fn(|| cuts.next().unwrap()).collect()
}

/// Returns the digest of every block.
fn digests(plan: &LayerPlan) -> Vec<Digest> {
    let reading = Reading {
        opener: &super::NoOpener,
        task: &Task::silent(),
        scan: None,
    };
    let mut tar = Tar::new(plan, UNIT_BYTES, reading);
    let blocks = std::iter::from_fn(|| tar.next_block().unwrap());
    blocks
        .map(|block| Digest::of(&block.read(plan, reading).unwrap()))
        .collect()
}

/// Returns how many blocks of `after` are not among those of `before`.
fn new_blocks(before: &LayerPlan, after: &LayerPlan) -> usize {
    let before: BTreeSet<_> = digests(before).into_iter().collect();
    digests(after).iter().filter(|digest| !before.contains(digest)).count()
}

/// Returns files of up to some KiB in directories, some 20 MiB in total.
fn small_files() -> LayerPlan {
    let number = |number: u64| {
        file(
            format!("app/{:02}/{number:05}.js", number / 100),
            noise(number as usize * 37 % 8000, number),
        )
    };
    plan(
        (0..5000)
            .map(number)
            .chain([directory("app"), symlink("z", "app")])
            .collect(),
    )
}

#[test]
fn blocks_are_at_least_a_unit_and_at_most_two() {
    let blocks = cut(&small_files());
    assert!(blocks.len() > 10);
    let (last, full) = blocks.split_last().unwrap();
    assert!(
        full.iter()
            .all(|block| (UNIT_BYTES..=2 * UNIT_BYTES).contains(&block.size_bytes))
    );
    assert!(last.size_bytes <= 2 * UNIT_BYTES);
    let forced = full
        .iter()
        .filter(|block| block.size_bytes > 2 * UNIT_BYTES - 10_000)
        .count();
    assert!(
        forced <= full.len() / 8,
        "{forced} of {} runs found no landmark",
        full.len()
    );
    assert!(blocks.iter().map(|block| block.index).eq(0..blocks.len() as u64));
}

#[test]
fn large_files_are_cut_from_their_own_start() {
    let large = |units: u64, more: u64| {
        let size_bytes = units * UNIT_BYTES as u64 + more;
        let content = Content::Bytes(vec![7; size_bytes as usize].into());
        entry("large", EntryKind::File { size_bytes, content }, 0o644)
    };
    let sizes = |units, more| -> Vec<usize> {
        cut(&plan(vec![file("a", b"a"), large(units, more), file("z", b"z")]))
            .iter()
            .map(|block| block.size_bytes)
            .collect()
    };
    let unit = UNIT_BYTES;
    assert_eq!(sizes(1, 0), [1536, unit, 2048]);
    assert_eq!(sizes(1, 1), [1536, unit + 512, 2048]);
    assert_eq!(sizes(2, 0), [1536, unit, unit, 2048]);
    assert_eq!(sizes(3, unit as u64 - 1), [1536, unit, unit, 2 * unit, 2048]);
    let parts: Vec<Vec<Part>> = cut(&plan(vec![file("a", b"a"), large(2, 5)]))
        .into_iter()
        .map(|block| block.parts)
        .collect();
    let whole = 2 * unit as u64 + 5;
    assert_eq!(
        parts,
        [
            vec![Part::Entries(0..1), Part::Headers(1)],
            vec![Part::Slice(1, 0..unit as u64)],
            vec![Part::Slice(1, unit as u64..whole)],
            vec![Part::Entries(2..2), Part::End],
        ]
    );
}

#[test]
fn an_edit_makes_few_new_blocks() {
    let before = small_files();
    let count = digests(&before).len();
    for at in [0, 1, 777, 2500, 4999] {
        let mut inserted = before.clone();
        let path = format!("{}-", inserted.entries[at].path.to_string().trim_start_matches('/'));
        inserted.entries.insert(at + 1, file(path, noise(3000, 99)));
        let mut deleted = before.clone();
        deleted.entries.remove(at);
        let mut grown = before.clone();
        let path = grown.entries[at].path.to_string();
        grown.entries[at] = file(path.trim_start_matches('/'), noise(100_000, 98));
        for after in [inserted, deleted, grown] {
            let new = new_blocks(&before, &after);
            assert!(
                (1..=4).contains(&new),
                "{new} of {count} blocks are new after an edit at {at}"
            );
        }
    }
}

#[test]
fn a_change_within_a_large_file_makes_one_new_block() {
    let content = noise(9 * UNIT_BYTES + 17, 4);
    let mut changed = content.clone();
    changed[5 * UNIT_BYTES] ^= 1;
    let with = |content: &[u8]| {
        let mut plan = small_files();
        plan.entries.push(file("zz", content));
        plan
    };
    assert_eq!(new_blocks(&with(&content), &with(&changed)), 1);
}
