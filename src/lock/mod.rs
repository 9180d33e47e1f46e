//! The lockfile: the images of a spec, pinned by digest for each platform, with the facts of each image.
//!
//! A lockfile is sorted TOML with only one valid form, made for review in a diff. Its checksum covers everything that
//! follows it, so that a manual edit or a wrong merge is detected. It must never contain anything that depends on the
//! machine or on the location of the checkout.
//!
//! Digests and descriptors are those of the image-spec (descriptor.md). Facts are those of [`crate::tree`], compressed.

mod error;
mod format;
mod pin;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use crate::model::{Digest, Platform, open_regular};

pub use error::LockError;
pub use pin::{LockedFacts, LockedImage, Pin, is_same_platform};

/// Greatest size of a lockfile, in bytes. A platform of a large base image needs some 200 KB, so there is room for
/// hundreds of them.
pub const MAX_LOCK_BYTES: u64 = 64 * 1024 * 1024;

/// Version of the format. A lockfile of a later version is refused, since its meaning is not known.
pub const LOCK_VERSION: i64 = 1;

/// All pins of a spec. The value is immutable: changes return a new one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    images: BTreeMap<String, LockedImage>,
}

impl Lock {
    /// Creates a lockfile without pins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads a lockfile; returns `None` if the file does not exist.
    ///
    /// # Errors
    /// Returns [`LockError`] if it cannot be read, is larger than [`MAX_LOCK_BYTES`], is of a later version, or was
    /// altered.
    pub fn load(path: &Path) -> Result<Option<Self>, LockError> {
        let failed = |cause| LockError::Read {
            path: path.to_owned(),
            cause,
        };
        let file = match open_regular(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(failed(cause)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_LOCK_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_LOCK_BYTES {
            return Err(LockError::TooLarge { path: path.to_owned() });
        }
        let text = String::from_utf8(bytes);
        let altered = |_| LockError::Altered {
            path: path.to_owned(),
            reason: "it is not UTF-8".to_owned(),
        };
        Self::parse(&text.map_err(altered)?, path).map(Some)
    }

    /// Parses the text of the lockfile at `path`, which must be exactly what [`Lock::to_text`] returned.
    ///
    /// # Errors
    /// Returns [`LockError::Newer`] or [`LockError::Altered`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, LockError> {
        format::parse(text, path)
    }

    /// Returns the text of the file. Equal lockfiles have equal texts.
    pub fn to_text(&self) -> String {
        format::write(self)
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

#[cfg(test)]
mod tests;
