//! The lock file: which images a spec means, pinned by digest for each platform, and the facts of each.
//!
//! A lock is TOML, sorted, written in one way only and made for review in a diff. Its checksum covers all that follows it,
//! so that an edit by hand or a merge that went wrong is refused by name. What it must never hold: anything that depends
//! on the machine or on where the checkout lies.
//!
//! Digests and descriptors are those of the image-spec (descriptor.md); facts are those of [`crate::tree`], compressed.

mod error;
mod format;
mod pin;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use crate::model::{Digest, Platform, open_regular};

pub use error::LockError;
pub use pin::{LockedFacts, LockedImage, LockedLayer, Pin, is_same_platform};

/// Greatest size of a lock, in bytes. A platform of a large base has some 200 KB: this is room for hundreds of them.
pub const MAX_LOCK_BYTES: u64 = 64 * 1024 * 1024;

/// Version of the file. A lock of a later one is refused, since what it says cannot be known.
pub const LOCK_VERSION: i64 = 1;

/// All pins of a spec. A value: changes give a new one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    images: BTreeMap<String, LockedImage>,
}

impl Lock {
    /// A lock of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a lock; `None` where there is no such file.
    ///
    /// # Errors
    /// [`LockError`]: it cannot be read, is over [`MAX_LOCK_BYTES`], of a later version, or not what was written.
    pub fn load(path: &Path) -> Result<Option<Self>, LockError> {
        let failed = |cause| LockError::Read { path: path.to_owned(), cause };
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
        let altered = |_| LockError::Altered { path: path.to_owned(), reason: "it is not UTF-8".to_owned() };
        Self::parse(&text.map_err(altered)?, path).map(Some)
    }

    /// Takes the text of a lock that is named `path`: what [`Lock::to_text`] gave, to the byte.
    ///
    /// # Errors
    /// [`LockError::Newer`] and [`LockError::Altered`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, LockError> {
        format::parse(text, path)
    }

    /// The text of the file; the same lock always gives the same.
    pub fn to_text(&self) -> String {
        format::write(self)
    }

    /// All images by name, sorted.
    pub fn images(&self) -> &BTreeMap<String, LockedImage> {
        &self.images
    }

    /// The image of that name.
    pub fn image(&self, name: &str) -> Option<&LockedImage> {
        self.images.get(name)
    }

    /// The pin of an image for a platform.
    pub fn pin(&self, name: &str, platform: &Platform) -> Option<&Pin> {
        self.image(name)?.pin(platform)
    }

    /// With one more pin, or another one in its place. Where the image was pinned to another index, its other platforms'
    /// pins go: all of one image's are of one index.
    pub fn with_pin(&self, name: &str, index: Option<Digest>, platform: &Platform, pin: Pin) -> Self {
        let mut images = self.images.clone();
        let image = images.entry(name.to_owned()).or_default();
        if image.index != index {
            *image = LockedImage { index, ..LockedImage::default() };
        }
        image.insert(platform.clone(), pin);
        Self { images }
    }

    /// Without an image.
    pub fn without(&self, name: &str) -> Self {
        let mut images = self.images.clone();
        images.remove(name);
        Self { images }
    }

    /// With those pins alone that are wanted.
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
