//! The digests that images have when they are built, without writing them.

use std::sync::Arc;

use crate::build::BuildError;
use crate::build::assembling::{PackedImage, pack};
use crate::build::cache_from::CacheFrom;
use crate::build::checked::Checked;
use crate::build::options::BuildOptions;
use crate::build::planning::PlannedBuild;
use crate::build::writing::EagerUpload;
use crate::events::Observer;
use crate::model::{Digest, Platform};

/// The digests of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDigests {
    /// The member's ID; `None` for the only image of a build.
    pub member: Option<String>,
    /// That of the index, or of the manifest if the image has no index.
    pub root: Digest,
    /// Those of the manifests.
    pub platforms: Vec<(Platform, Digest)>,
    /// `false` if some of the spec's platforms are left out.
    pub is_whole: bool,
}

/// Returns the digests of each planned image. If the build keeps going, images that cannot be packed are left out. Writes nothing except to the cache. A digest follows from the bytes of the
/// layers: a layer whose inputs are the same as when it was packed is not packed again, and others are packed into the
/// cache, where a build finds them. Nothing is checked.
///
/// # Errors
/// Those of reading files and of packing, unless the build keeps going.
pub async fn image_digests(
    planned: PlannedBuild,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<ImageDigests>, BuildError> {
    let PlannedBuild {
        images,
        members,
        mut contents,
        mut failures,
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
        members,
        contents,
        lock_update: None,
        cache,
    };
    let none = CacheFrom::default();
    let packed = pack(images, none, EagerUpload::none(), &mut failures, options, observer).await?;
    if failures.is_stopped() {
        failures.take_errors()?;
    }
    let packed = ids.into_iter().zip(packed);
    Ok(packed
        .filter_map(|(id, packed)| Some(digests_of(id, &packed?)))
        .collect())
}

fn digests_of(member: Option<String>, packed: &PackedImage) -> ImageDigests {
    let platforms = packed.reports.iter();
    ImageDigests {
        member,
        root: packed.output.root().descriptor().digest,
        platforms: platforms
            .map(|report| (report.platform.clone(), report.manifest.digest))
            .collect(),
        is_whole: packed.is_whole,
    }
}
