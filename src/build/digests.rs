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
    /// That of the index, or of the manifest if the image has no index.
    pub root: Digest,
    /// Those of the manifests.
    pub platforms: Vec<(Platform, Digest)>,
    /// `false` if some of the spec's platforms are left out.
    pub is_whole: bool,
}

/// Returns the digests of each planned image. Writes nothing except to the cache. A digest follows from the bytes of the
/// layers: a layer whose inputs are the same as when it was packed is not packed again, and others are packed into the
/// cache, where a build finds them. Nothing is checked.
///
/// # Errors
/// Those of reading files and of packing.
pub async fn image_digests(
    planned: PlannedBuild,
    options: &BuildOptions,
    observer: &Arc<dyn Observer>,
) -> Result<Vec<ImageDigests>, BuildError> {
    let PlannedBuild {
        images,
        members,
        mut contents,
        cache,
        ..
    } = planned;
    for image in &images {
        contents.collect(&image.platforms, observer).await?;
    }
    let images = Checked {
        images,
        members,
        contents,
        lock_update: None,
        cache,
    };
    let packed = pack(images, CacheFrom::default(), EagerUpload::none(), options, observer).await?;
    Ok(packed.iter().map(digests_of).collect())
}

fn digests_of(packed: &PackedImage) -> ImageDigests {
    let platforms = packed.reports.iter();
    ImageDigests {
        root: packed.output.root().descriptor().digest,
        platforms: platforms
            .map(|report| (report.platform.clone(), report.manifest.digest))
            .collect(),
        is_whole: packed.is_whole,
    }
}
