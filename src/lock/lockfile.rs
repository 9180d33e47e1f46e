//! All pins of a spec, by image and platform.

use std::collections::BTreeMap;

use super::pin::{LockedImage, Pin};
use crate::model::{Digest, Platform};

/// All pins of a spec. The value is immutable: changes return a new one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    pub(super) images: BTreeMap<String, LockedImage>,
}

impl Lock {
    /// Creates a lockfile without pins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all images by name, sorted.
    pub fn images(&self) -> &BTreeMap<String, LockedImage> {
        &self.images
    }

    /// Returns the image with this name.
    pub fn image(&self, name: &str) -> Option<&LockedImage> {
        self.images.get(name)
    }

    /// Returns the pin of an image for a platform.
    pub fn pin(&self, name: &str, platform: &Platform) -> Option<&Pin> {
        self.image(name)?.pin(platform)
    }

    /// Returns a lockfile with one more pin, or with the pin replaced. If the image was pinned to another index, the
    /// pins of its other platforms are removed: all pins of an image belong to one index.
    pub fn with_pin(&self, name: &str, index: Option<Digest>, platform: &Platform, pin: Pin) -> Self {
        let mut images = self.images.clone();
        let image = images.entry(name.to_owned()).or_default();
        if image.index != index {
            *image = LockedImage {
                index,
                ..LockedImage::default()
            };
        }
        image.insert(platform.clone(), pin);
        Self { images }
    }

    /// Returns a lockfile without an image.
    pub fn without(&self, name: &str) -> Self {
        let mut images = self.images.clone();
        images.remove(name);
        Self { images }
    }

    /// Returns a lockfile with only the wanted pins.
    pub fn retain(&self, is_wanted: impl Fn(&str, &Platform) -> bool) -> Self {
        let mut images = self.images.clone();
        images.retain(|name, image| {
            image.platforms.retain(|platform, _| is_wanted(name, platform));
            !image.platforms.is_empty()
        });
        Self { images }
    }
}
