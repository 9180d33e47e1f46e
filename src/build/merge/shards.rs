//! Checks that metadata files of a workspace are all shards of one selection.

use std::collections::BTreeSet;

use crate::build::merge::error::MergeError;
use crate::model::{Metadata, ShardMetadata};

/// Checks that the files have every member that they say there is: those that were selected, those of all shards, and
/// those that were not built.
pub(super) fn check_members(files: &[(&str, &Metadata)]) -> Result<(), MergeError> {
    let all = || files.iter().map(|(_, metadata)| metadata);
    let divided = all().filter_map(|metadata| metadata.shard.as_ref());
    let divided = divided.flat_map(|shard| &shard.members);
    let expected: BTreeSet<&str> = divided
        .chain(all().flat_map(|metadata| &metadata.selected))
        .chain(all().flat_map(|metadata| &metadata.unbuilt))
        .map(String::as_str)
        .collect();
    let images = all().flat_map(|metadata| &metadata.images);
    let found: BTreeSet<&str> = images.filter_map(|image| image.member.as_deref()).collect();
    let missing: Vec<String> = expected.difference(&found).map(|id| (*id).to_owned()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(MergeError::MembersMissing { missing })
}

/// Checks that every shard is there, if one of the files is a shard. A shard may come in several files, one for each
/// platform. `files` are named as on the command line.
pub(super) fn check_shards(files: &[(&str, &Metadata)]) -> Result<(), MergeError> {
    let shards: Vec<(&str, &ShardMetadata)> = files
        .iter()
        .filter_map(|(label, metadata)| Some((*label, metadata.shard.as_ref()?)))
        .collect();
    let Some((first_label, first)) = shards.first() else {
        return Ok(());
    };
    let differs = |(_, shard): &&(&str, &ShardMetadata)| (shard.of, &shard.members) != (first.of, &first.members);
    if let Some((second, _)) = shards.iter().find(differs) {
        return Err(MergeError::ShardsDiffer {
            first: (*first_label).to_owned(),
            second: (*second).to_owned(),
        });
    }
    // A file claims what it likes: more shards than files cannot be complete.
    let limit = u32::try_from(shards.len()).unwrap_or(u32::MAX).saturating_add(1);
    let is_there = |number: &u32| shards.iter().any(|(_, shard)| shard.number == *number);
    match (1..=first.of.min(limit)).find(|number| !is_there(number)) {
        None => Ok(()),
        Some(missing) => Err(MergeError::ShardMissing { missing, of: first.of }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(shard: Option<(u32, u32, &[&str])>) -> Metadata {
        Metadata {
            images: Vec::new(),
            selected: Vec::new(),
            unbuilt: Vec::new(),
            shard: shard.map(|(number, of, members)| ShardMetadata {
                number,
                of,
                members: members.iter().map(|id| (*id).to_owned()).collect(),
            }),
        }
    }

    fn check(shards: &[Option<(u32, u32, &[&str])>]) -> Option<String> {
        let files: Vec<Metadata> = shards.iter().map(|shard| metadata(*shard)).collect();
        let files: Vec<(&str, &Metadata)> = files.iter().map(|file| ("x.json", file)).collect();
        check_shards(&files).err().map(|error| error.to_string())
    }

    #[test]
    fn all_shards_of_one_selection_are_complete() {
        assert_eq!(check(&[None]), None);
        assert_eq!(
            check(&[Some((1, 2, &["a"])), Some((2, 2, &["a"])), Some((2, 2, &["a"]))]),
            None
        );
    }

    #[test]
    fn missing_and_foreign_shards_are_refused() {
        let missing = check(&[Some((1, 3, &["a"])), Some((3, 3, &["a"]))]).unwrap();
        assert!(missing.contains("no part has shard 2"), "{missing}");
        let many = check(&[Some((1, u32::MAX, &["a"]))]).unwrap();
        assert!(many.contains("no part has shard 2"), "{many}");
        for other in [Some((2, 3, &["a"][..])), Some((2, 2, &["b"][..]))] {
            assert!(
                check(&[Some((1, 2, &["a"])), other])
                    .unwrap()
                    .contains("different selections")
            );
        }
    }
}
