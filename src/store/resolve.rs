//! Selection of the manifest for a platform.

use super::entries::{Entries, ListedImage, ReadEntry, SkippedEntry, check_listed, list_entries, read_listed};
use super::error::StoreError;
use super::read::read_image;
use super::source::Source;
use crate::model::{Image, Platform, Root};

/// An image that was selected for a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformMatch {
    /// The image.
    pub image: Image,
    /// The digest of the index that lists it; `None` if the reference names a manifest.
    pub index: Option<crate::model::Digest>,
}

/// Selects the image for `wanted` by [`Platform::distance`]. Of equally good images the first wins.
///
/// # Errors
/// [`StoreError::NoPlatform`] with the available platforms; [`StoreError::Contradiction`] for an entry of an index
/// whose config is for another platform.
pub async fn select_platform(source: &dyn Source, root: &Root, wanted: &Platform) -> Result<PlatformMatch, StoreError> {
    let index = match root {
        Root::Manifest(manifest) => {
            let image = read_image(source, manifest.clone()).await?;
            let config = image.config().value();
            if !config.names_platform() {
                let digest = manifest.descriptor().digest;
                let reason = "its config has no platform".to_owned();
                let skipped = SkippedEntry {
                    digest: digest.to_string(),
                    platform: None,
                    reason,
                };
                return Err(no_platform(source, wanted, Vec::new(), vec![skipped]));
            }
            if config.contradicts(wanted) {
                return Err(no_platform(source, wanted, vec![config.platform().clone()], Vec::new()));
            }
            return Ok(PlatformMatch { image, index: None });
        }
        Root::Index(index) => index.descriptor().digest,
    };
    let entries = list_entries(source, root).await?;
    let (_, image) = nearest(source, &entries, wanted).await?;
    Ok(PlatformMatch {
        image,
        index: Some(index),
    })
}

/// Selects the entry of an index for `wanted`, and reads its image.
pub(super) async fn nearest<'a>(
    source: &dyn Source,
    entries: &'a Entries,
    wanted: &Platform,
) -> Result<(&'a ListedImage, Image), StoreError> {
    let mut candidates: Vec<(u32, &ListedImage)> = entries
        .images
        .iter()
        .filter_map(|listed| Some((wanted.distance(&listed.platform)?, listed)))
        .collect();
    candidates.sort_by_key(|(distance, _)| *distance);
    let mut skipped = entries.skipped.clone();
    for (_, listed) in candidates {
        match read_listed(source, &listed.descriptor).await? {
            ReadEntry::Image(image) => {
                check_listed(source, listed, &image)?;
                return Ok((listed, image));
            }
            ReadEntry::Skipped(entry) => skipped.push(entry),
        }
    }
    let is_image = |listed: &&ListedImage| {
        let digest = listed.descriptor.digest.to_string();
        !skipped.iter().any(|entry| entry.digest == digest)
    };
    let offered = entries
        .images
        .iter()
        .filter(is_image)
        .map(|listed| listed.platform.clone())
        .collect();
    Err(no_platform(source, wanted, offered, skipped))
}

fn no_platform(
    source: &dyn Source,
    wanted: &Platform,
    offered: Vec<Platform>,
    skipped: Vec<SkippedEntry>,
) -> StoreError {
    let skipped = skipped.iter().map(ToString::to_string).collect();
    StoreError::NoPlatform {
        wanted: wanted.clone(),
        place: source.describe(),
        offered,
        skipped,
    }
}
