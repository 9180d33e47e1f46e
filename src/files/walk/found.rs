//! The results of a walk, directory by directory, and their combination into one list.

use std::collections::BTreeSet;

use super::super::error::FilesError;
use super::super::filter::{Kept, settle};
use crate::model::ListedItem;

/// The selected content of one directory.
#[derive(Default)]
pub(super) struct Found {
    /// The directory itself, if it is an item.
    pub own: Option<Kept>,
    /// Its entries, in the order of whole paths by bytes.
    pub parts: Vec<Part>,
    /// `true` if something matched the glob or was available.
    pub matches: bool,
    /// Paths of ocitect's outputs, below the source.
    pub left_out: Vec<Vec<u8>>,
    /// The error that ended reading the directory.
    pub failure: Option<Failure>,
    /// The index among all directories of its first child.
    pub first_child: usize,
}

/// An entry of a directory.
pub(super) enum Part {
    /// An entry that is not a directory.
    Leaf(Kept),
    /// A directory itself, by its index among the child directories.
    Own(usize),
    /// The entries below a directory, by the same index.
    Below(usize),
}

/// An error, and its path below the source.
pub(super) struct Failure {
    pub path: Vec<u8>,
    pub error: FilesError,
}

/// Combines all directories. Returns the items, sorted, and whether anything matched. `outputs` are paths below the
/// source that are about to be written. The first directory is the source.
pub(super) fn gather(mut found: Vec<Found>, outputs: BTreeSet<Vec<u8>>) -> Result<(Vec<ListedItem>, bool), FilesError> {
    let failures = found.iter_mut().filter_map(|found| found.failure.take());
    if let Some(failure) = failures.min_by(|one, other| one.path.cmp(&other.path)) {
        return Err(failure.error);
    }
    let left_out = found.iter_mut().flat_map(|found| std::mem::take(&mut found.left_out));
    let leading: BTreeSet<Vec<u8>> = left_out.chain(outputs).flat_map(leading).collect();
    let matches = found.iter().any(|found| found.matches);
    let mut kept = in_order(found);
    if !leading.is_empty() {
        for kept in &mut kept {
            kept.wanted &= !leading.contains(kept.item.path.as_bytes());
        }
    }
    let items = if kept.iter().all(|kept| kept.wanted) {
        kept.into_iter().map(|kept| kept.item).collect()
    } else {
        settle(kept)
    };
    Ok((items, matches))
}

/// Returns the directories below the source that lead to outputs of ocitect. One that contains nothing else is not
/// packed, since it did not exist before the first build created it.
fn leading(below: Vec<u8>) -> Vec<Vec<u8>> {
    let slashes = below.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| below[..at].to_vec()).collect()
}

fn in_order(mut found: Vec<Found>) -> Vec<Kept> {
    let Some(root) = found.first_mut() else {
        return Vec::new();
    };
    let mut open = vec![(root.first_child, std::mem::take(&mut root.parts).into_iter())];
    let count = found.iter().map(|found| found.parts.len()).sum::<usize>() + open[0].1.len();
    let mut kept = Vec::with_capacity(count);
    while let Some((first_child, parts)) = open.last_mut() {
        match parts.next() {
            Some(Part::Leaf(leaf)) => kept.push(leaf),
            Some(Part::Own(number)) => kept.extend(found[*first_child + number].own.take()),
            Some(Part::Below(number)) => {
                let child = &mut found[*first_child + number];
                open.push((child.first_child, std::mem::take(&mut child.parts).into_iter()));
            }
            None => {
                open.pop();
            }
        }
    }
    kept
}
