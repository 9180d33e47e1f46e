//! The digests that images have when they are built, without writing them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::build::BuildError;
use crate::build::assembling::{PackedImage, pack};
use crate::build::cache_from::CacheFrom;
use crate::build::checked::Checked;
use crate::build::member::Member;
use crate::build::options::BuildOptions;
use crate::build::parts::part;
use crate::build::planning::PlannedBuild;
use crate::build::writing::EagerUpload;
use crate::events::Observer;
use crate::model::{Digest, Part, Platform, Root, UnchangedPart};

/// The digests of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDigests {
    /// The member's ID; `None` for the only image of a build.
    pub member: Option<String>,
    /// That of the index, or of the manifest if the image has no index.
    pub root: Digest,
    /// Those of the manifests.
    pub platforms: Vec<(Platform, Digest)>,
    /// The whole that it is a part of, if some of the spec's platforms are left out: what it says of a part that is not
    /// written, since its digests are those of an earlier image.
    pub part: Option<Part>,
}

/// Returns the digests of each planned image. Images that cannot be packed are left out, and all images after the first
/// one unless the build keeps going: the build itself finds the reason again, and reports it.
///
/// Writes nothing except to the cache. A digest follows from the bytes of the layers: a layer whose inputs are the same as
/// when it was packed is not packed again, and others are packed into the cache, where a build finds them. Nothing is
/// checked.
///
/// # Errors
/// Returns [`BuildError`] for a failure that concerns no image.
pub async fn image_digests(
    members: &[Member<'_>],
    planned: PlannedBuild,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<ImageDigests>, BuildError> {
    let PlannedBuild {
        images,
        members: member_images,
        mut contents,
        mut failures,
        inputs,
        cache,
        ..
    } = planned;
    let mut read = Vec::new();
    for image in images {
        if failures.concern(image.id.as_deref(), &image.needs) {
            continue;
        }
        match contents.collect(&image.platforms, observer).await {
            Ok(()) => read.push(image),
            Err(error) => failures.add_and_stop(image.id.as_deref(), error),
        }
    }
    let ids: Vec<Option<String>> = read.iter().map(|image| image.id.clone()).collect();
    let images = Checked {
        images: read,
        members: member_images,
        contents,
        lock_update: None,
        cache,
    };
    if failures.is_stopped() {
        return Ok(Vec::new());
    }
    let none = CacheFrom::default();
    let packed = pack(images, none, EagerUpload::none(), &mut failures, options, observer).await?;
    let of_image = |(id, packed): (Option<String>, Option<PackedImage>)| {
        let packed = packed?;
        let mut known = members.iter().zip(&inputs);
        let of_member = known.find(|(member, _)| member.id == id.as_deref());
        let part = of_member.filter(|_| !packed.is_whole).map(|(member, inputs)| Part {
            unchanged: Some(unchanged(&packed)),
            ..part(member, inputs)
        });
        let platforms = packed.reports.iter();
        Some(ImageDigests {
            member: id,
            root: packed.output.root().descriptor().digest,
            platforms: platforms
                .map(|report| (report.platform.clone(), report.manifest.digest))
                .collect(),
            part,
        })
    };
    Ok(ids.into_iter().zip(packed).filter_map(of_image).collect())
}

fn unchanged(packed: &PackedImage) -> UnchangedPart {
    let root = packed.output.root();
    UnchangedPart {
        index: root.descriptor().digest,
        annotations: match root {
            Root::Index(index) => index.value().annotations.clone(),
            Root::Manifest(_) => BTreeMap::new(),
        },
    }
}
