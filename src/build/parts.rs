//! What each image of a build shares with builds of its other platforms, so that the parts can be joined.

use std::collections::{BTreeMap, BTreeSet};

use crate::build::BuildError;
use crate::build::member::Member;
use crate::lock::Lock;
use crate::model::{BYTE_FORMAT, BuildInputs, Digest, Hasher, Part};
use crate::spec::Spec;

/// Returns the inputs that all platforms of each member share, in the members' order. They include those of the members
/// that it is based on or takes files from.
pub(super) fn build_inputs(
    members: &[Member<'_>],
    lock: &Lock,
    created_s: i64,
) -> Result<Vec<BuildInputs>, BuildError> {
    let by_id: BTreeMap<&str, &Spec> = members
        .iter()
        .filter_map(|member| Some((member.id?, member.spec)))
        .collect();
    let inputs = |member: &Member<'_>| {
        let specs = with_bases(member.spec, &by_id);
        Ok(BuildInputs {
            format: BYTE_FORMAT,
            spec: joined(specs.iter().map(|spec| spec.digest())),
            variables: joined(specs.iter().map(|spec| spec.variables_digest())),
            images: images(&specs, lock)?,
            source_date_epoch: created_s,
        })
    };
    members.iter().map(inputs).collect()
}

/// Returns what an image that does not have all platforms of its spec is a part of.
pub(super) fn part(member: &Member<'_>, build: &BuildInputs) -> Part {
    Part {
        of: member.spec.platforms().to_vec(),
        tags: member.outputs.tags.iter().map(ToString::to_string).collect(),
        build: build.clone(),
        unchanged: None,
    }
}

/// Returns a spec and those of all members that it is based on or takes files from, by their IDs.
fn with_bases<'a>(spec: &'a Spec, by_id: &BTreeMap<&str, &'a Spec>) -> Vec<&'a Spec> {
    let mut specs = vec![spec];
    let mut seen = BTreeSet::new();
    let mut todo = spec.needed_members();
    while let Some(id) = todo.pop_first() {
        if let Some(base) = by_id.get(id.as_str()).filter(|_| seen.insert(id.clone())) {
            specs.push(base);
            todo.extend(base.needed_members());
        }
    }
    specs
}

fn joined(digests: impl Iterator<Item = Digest>) -> Digest {
    let mut hasher = Hasher::new();
    digests.for_each(|digest| hasher.update(format!("{digest}\n").as_bytes()));
    hasher.digest()
}

/// Returns the digests of all images that the specs name, as far as they are pinned.
fn images(specs: &[&Spec], lock: &Lock) -> Result<BTreeMap<String, Digest>, BuildError> {
    let mut images = BTreeMap::new();
    for spec in specs {
        for platform in spec.platforms() {
            for named in spec.platform(platform)?.images() {
                if let Some(locked) = lock.image(&named.text) {
                    images.insert(named.text, locked.digest);
                }
            }
        }
    }
    Ok(images)
}
