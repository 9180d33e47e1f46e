//! Joins the parts of one image.

use std::collections::BTreeMap;

use crate::build::built::BuildOutput;
use crate::build::merge::content::{Attached, Child, OpenedPart};
use crate::build::merge::error::MergeError;
use crate::model::{BYTE_FORMAT, Descriptor, Digest, Family, Image, Platform, Root};
use crate::plan::{BASE_DIGEST_ANNOTATION, BASE_NAME_ANNOTATION, index_of};

/// An image that was joined from its parts.
pub(super) struct Joined {
    /// The root, and the source of everything below it.
    pub output: BuildOutput,
    /// Its platforms with their images, in the order of the whole image's platforms.
    pub images: Vec<(Platform, Image)>,
    /// Annotations that are left out because they differ, although nothing says that this is expected.
    pub dropped: Vec<String>,
}

/// The platforms that the whole image must have, besides what its parts record.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// Only the parts say so.
    Unknown,
    /// Those of `--platforms`.
    Listed(&'a [Platform]),
    /// Those of a part that is a whole image.
    Whole(&'a str, &'a [Platform]),
}

impl<'a> Wanted<'a> {
    fn platforms(self) -> &'a [Platform] {
        match self {
            Self::Unknown => &[],
            Self::Listed(platforms) | Self::Whole(_, platforms) => platforms,
        }
    }
}

/// Joins parts of one image, which must have the platforms that are `wanted`. `indexes` has the merged index for the index
/// of each part of other members, to which annotations may refer.
///
/// If all parts are of one build, the index is the one that a build of all platforms would have made.
///
/// # Errors
/// Returns [`MergeError`] if platforms are missing, or the parts do not belong together.
pub(super) fn join(
    image: &str,
    parts: &[OpenedPart],
    wanted: Wanted<'_>,
    indexes: &BTreeMap<Digest, Digest>,
) -> Result<Joined, MergeError> {
    check_builds(parts)?;
    let expected = expected_platforms(parts, wanted)?;
    let family = one_family(parts)?;
    let is_listed = matches!(wanted, Wanted::Listed(_));
    let chosen = choose(parts, &expected, is_listed)?;
    check_complete(image, &chosen, &expected)?;
    let attached = attachments(parts, &chosen)?;
    let (root, dropped) = match same_root(parts) {
        Some(root) => (root, Vec::new()),
        None => {
            let (annotations, dropped) = shared_annotations(parts, indexes);
            let images = chosen.iter().map(|(_, child)| child.entry.clone());
            let others = attached.iter().map(|(_, attached)| attached.entry.clone());
            let index = index_of(images.chain(others).collect(), annotations, family).map_err(MergeError::Index)?;
            (Root::Index(index), dropped)
        }
    };
    let mut images = Vec::new();
    for platform in &expected {
        let found = chosen.iter().find(|(_, child)| child.platform.is_same_as(platform));
        images.extend(found.map(|(_, child)| (child.platform.clone(), child.image.clone())));
    }
    Ok(Joined {
        output: gathered(root, &chosen, &attached),
        images,
        dropped,
    })
}

/// Checks that the parts whose builds are recorded are parts of one image.
fn check_builds(parts: &[OpenedPart]) -> Result<(), MergeError> {
    let mut recorded = parts.iter().filter_map(|part| Some((part, part.recorded.as_ref()?)));
    let unknown = recorded.clone().find(|(_, whole)| whole.build.format != BYTE_FORMAT);
    if let Some((part, whole)) = unknown {
        return Err(MergeError::Format {
            part: part.label.clone(),
            format: whole.build.format,
        });
    }
    let Some((first, whole)) = recorded.next() else {
        return Ok(());
    };
    for (second, other) in recorded {
        // A member that a shard did not select has no tags there.
        let have_tags = !whole.tags.is_empty() && !other.tags.is_empty();
        let tags = || {
            (have_tags && whole.tags != other.tags)
                .then(|| format!("their tags are {:?} and {:?}", whole.tags, other.tags))
        };
        let platforms = || (whole.of != other.of).then(|| "their specs have different platforms".to_owned());
        if let Some(difference) = whole.build.difference(&other.build).or_else(platforms).or_else(tags) {
            return Err(MergeError::DifferentBuilds {
                first: first.label.clone(),
                second: second.label.clone(),
                difference,
            });
        }
    }
    Ok(())
}

/// Returns the platforms of the whole image.
fn expected_platforms(parts: &[OpenedPart], wanted: Wanted<'_>) -> Result<Vec<Platform>, MergeError> {
    let recorded = parts.iter().find_map(|part| Some((part, &part.recorded.as_ref()?.of)));
    match (recorded, wanted.platforms()) {
        (Some((_, of)), []) => Ok(of.clone()),
        (Some((part, of)), platforms) => {
            let is_in = |one: &Platform, all: &[Platform]| all.iter().any(|other| other.is_same_as(one));
            let is_same = of.iter().all(|one| is_in(one, platforms)) && platforms.iter().all(|one| is_in(one, of));
            if is_same {
                return Ok(of.clone());
            }
            Err(MergeError::OtherPlatforms {
                part: part.label.clone(),
                whole: match wanted {
                    Wanted::Whole(whole, _) => Some(whole.to_owned()),
                    Wanted::Unknown | Wanted::Listed(_) => None,
                },
                wanted: platforms.to_vec(),
                recorded: of.clone(),
            })
        }
        (None, []) => Err(MergeError::NoPlatforms {
            part: parts.first().map(|part| part.label.clone()).unwrap_or_default(),
        }),
        (None, platforms) => Ok(platforms.to_vec()),
    }
}

fn one_family(parts: &[OpenedPart]) -> Result<Family, MergeError> {
    let Some(first) = parts.first() else {
        return Ok(Family::Oci);
    };
    match parts.iter().find(|part| part.family() != first.family()) {
        None => Ok(first.family()),
        Some(second) => Err(MergeError::Families {
            first: first.label.clone(),
            first_family: first.family(),
            second: second.label.clone(),
            second_family: second.family(),
        }),
    }
}

/// Returns the images of all parts, each with its part: one for each platform.
fn choose<'a>(
    parts: &'a [OpenedPart],
    expected: &[Platform],
    is_listed: bool,
) -> Result<Vec<(&'a OpenedPart, &'a Child)>, MergeError> {
    let mut chosen: Vec<(&OpenedPart, &Child)> = Vec::new();
    for part in parts {
        for child in &part.children {
            if !expected.iter().any(|platform| platform.is_same_as(&child.platform)) {
                return Err(MergeError::Unexpected {
                    part: part.label.clone(),
                    platform: child.platform.clone(),
                    expected: expected.to_vec(),
                    is_listed,
                });
            }
            let known = chosen
                .iter()
                .find(|(_, known)| known.platform.is_same_as(&child.platform));
            match known {
                None => chosen.push((part, child)),
                Some((_, known)) if known.entry.digest == child.entry.digest => {}
                Some((first, known)) => {
                    return Err(MergeError::Twice {
                        platform: child.platform.clone(),
                        first: first.label.clone(),
                        first_digest: known.entry.digest,
                        second: part.label.clone(),
                        second_digest: child.entry.digest,
                    });
                }
            }
        }
    }
    Ok(chosen)
}

fn check_complete(image: &str, chosen: &[(&OpenedPart, &Child)], expected: &[Platform]) -> Result<(), MergeError> {
    let has = |platform: &&Platform| chosen.iter().any(|(_, child)| child.platform.is_same_as(platform));
    let missing: Vec<Platform> = expected.iter().filter(|platform| !has(platform)).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let found = chosen
        .iter()
        .map(|(part, child)| (child.platform.clone(), part.label.clone()));
    Err(MergeError::Missing {
        image: image.to_owned(),
        missing,
        found: found.collect(),
    })
}

/// Returns the entries that are not images, each with its part. One that is about an image must come with it.
fn attachments<'a>(
    parts: &'a [OpenedPart],
    chosen: &[(&OpenedPart, &Child)],
) -> Result<Vec<(&'a OpenedPart, &'a Attached)>, MergeError> {
    let mut attached: Vec<(&OpenedPart, &Attached)> = Vec::new();
    for part in parts {
        for one in &part.attached {
            let is_there = |subject: &String| {
                chosen
                    .iter()
                    .any(|(_, child)| child.entry.digest.to_string() == *subject)
            };
            if let Some(subject) = one.subject.as_ref().filter(|subject| !is_there(subject)) {
                return Err(MergeError::Orphan {
                    part: part.label.clone(),
                    digest: one.entry.digest,
                    subject: subject.clone(),
                });
            }
            if !attached.iter().any(|(_, known)| known.entry == one.entry) {
                attached.push((part, one));
            }
        }
    }
    Ok(attached)
}

/// Returns the root that all parts have, if they are one image: nothing has to be joined.
fn same_root(parts: &[OpenedPart]) -> Option<Root> {
    let first = parts.first()?;
    let digest = first.root.descriptor().digest;
    let is_same = parts
        .iter()
        .all(|part| part.root.descriptor().digest == digest && part.unchanged().is_none());
    is_same.then(|| first.root.clone())
}

/// Returns the annotations that all parts have, and the names of those that are left out without a record that says that
/// the parts are of one build. Each platform of a build may have a base and annotations of its own.
fn shared_annotations(
    parts: &[OpenedPart],
    indexes: &BTreeMap<Digest, Digest>,
) -> (BTreeMap<String, String>, Vec<String>) {
    let all: Vec<BTreeMap<String, String>> = parts.iter().map(|part| with_merged_base(part, indexes)).collect();
    let is_recorded = parts.iter().all(|part| part.recorded.is_some());
    let mut shared = BTreeMap::new();
    let mut dropped = Vec::new();
    for (name, value) in all.iter().flatten() {
        let is_base = [BASE_DIGEST_ANNOTATION, BASE_NAME_ANNOTATION].contains(&name.as_str());
        if all.iter().all(|annotations| annotations.get(name) == Some(value)) {
            shared.insert(name.clone(), value.clone());
        } else if !is_recorded && !is_base && !dropped.contains(name) {
            dropped.push(name.clone());
        }
    }
    (shared, dropped)
}

/// Returns the annotations of a part. A base that is a member of the workspace was a part itself: its digest is that of
/// the merged index.
fn with_merged_base(part: &OpenedPart, indexes: &BTreeMap<Digest, Digest>) -> BTreeMap<String, String> {
    let mut annotations = part.annotations();
    let base = annotations.get_mut(BASE_DIGEST_ANNOTATION);
    if let Some(base) = base
        && let Ok(digest) = base.parse::<Digest>()
        && let Some(merged) = indexes.get(&digest)
    {
        *base = merged.to_string();
    }
    annotations
}

/// Returns the root with the sources of everything below it.
fn gathered(root: Root, chosen: &[(&OpenedPart, &Child)], attached: &[(&OpenedPart, &Attached)]) -> BuildOutput {
    let mut output = BuildOutput::new(root);
    for (part, child) in chosen {
        output.add_documents(&child.image);
        output.add_base(&child.image, &part.source);
    }
    for (part, attached) in attached {
        let below: Vec<&Descriptor> = [&attached.entry, &attached.manifest.config]
            .into_iter()
            .chain(&attached.manifest.layers)
            .collect();
        for descriptor in below {
            output.add_blob(descriptor, &part.source);
        }
    }
    output
}
