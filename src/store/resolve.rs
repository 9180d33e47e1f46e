//! Which manifest of an image serves a platform.

use super::{Source, StoreError, read_image, read_root};
use crate::model::{Descriptor, Image, Platform, Root, best_match};

/// An image that was chosen for a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformMatch {
    /// The image.
    pub image: Image,
    /// The digest of the index that it was chosen from; `None` where the reference names a manifest.
    pub index: Option<crate::model::Digest>,
}

/// Chooses the image for `wanted` from what a reference names, by [`Platform::distance`].
///
/// An image whose config contradicts the platform is refused, be it a single manifest or an index's entry (a config that
/// names no variant contradicts none). The errors list the platforms that are there.
pub async fn select_platform(source: &dyn Source, root: &Root, wanted: &Platform) -> Result<PlatformMatch, StoreError> {
    let no_platform = |offered| StoreError::NoPlatform { wanted: wanted.clone(), place: source.describe(), offered };
    let (manifest, index) = match root {
        Root::Manifest(manifest) => (manifest.clone(), None),
        Root::Index(index) => {
            let entries = platforms_of(root);
            let chosen = best_match(wanted, entries.iter().map(|(platform, _)| platform));
            let Some(at) = chosen else {
                return Err(no_platform(entries.into_iter().map(|(platform, _)| platform).collect()));
            };
            match read_root(source, entries[at].1).await? {
                Root::Manifest(manifest) => (manifest, Some(index.descriptor().digest)),
                Root::Index(_) => {
                    return Err(StoreError::Malformed {
                        place: source.describe(),
                        reason: format!("the index lists {} as an image, and it is an index", entries[at].1.digest),
                        help: None,
                    });
                }
            }
        }
    };
    let image = read_image(source, manifest).await?;
    let found = image.config().value().platform();
    let same_processor = wanted.os == found.os && wanted.architecture == found.architecture;
    let variant_serves = found.variant.is_none() || wanted.distance(found).is_some();
    if !(same_processor && variant_serves) {
        return Err(no_platform(vec![found.clone()]));
    }
    Ok(PlatformMatch { image, index })
}

/// The platforms that an index lists, with their manifests, in its order. Attestations (`unknown/unknown`) and entries
/// without a platform are left out; a single manifest lists none.
pub fn platforms_of(root: &Root) -> Vec<(Platform, &Descriptor)> {
    let Root::Index(index) = root else { return Vec::new() };
    let entries = index.value().manifests.iter().filter(|entry| entry.media_type.is_manifest());
    entries
        .filter_map(|entry| Some((entry.platform.clone()?, entry)))
        .filter(|(platform, _)| platform.os != "unknown")
        .collect()
}
