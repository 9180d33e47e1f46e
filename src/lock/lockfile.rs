//! All pins of a lockfile, and how they are loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::Path;

use super::error::LockError;
use super::facts_file::{facts_file_name, read_facts_file};
use super::limits::{MAX_FACTS_BYTES, MAX_LOCK_BYTES};
use super::pin::{LockedImage, Pin, is_same_platform};
use super::pin_text::line_at;
use super::text;
use crate::model::{Digest, Platform, escape, facts_directory, open_regular};

/// The images that some specs build on, pinned. The value is immutable: changes return a new one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lock {
    images: BTreeMap<String, LockedImage>,
}

/// A lockfile, as it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedLock {
    /// The pins, with the facts that are at hand.
    pub lock: Lock,
    /// Whether the file is exactly what this version of ocitect writes. It is not if it has version 1, or was edited.
    pub is_canonical: bool,
    /// Facts files that are not used because they are damaged, as text for people.
    pub warnings: Vec<String>,
}

impl Lock {
    /// Creates a lockfile without pins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads a lockfile with its facts files; returns `None` if the lockfile does not exist. Facts files that are missing,
    /// damaged, or of another image are left out.
    ///
    /// # Errors
    /// Returns [`LockError`] if the lockfile cannot be read, is larger than [`MAX_LOCK_BYTES`], or is invalid.
    pub fn load(path: &Path) -> Result<Option<LoadedLock>, LockError> {
        let Some(text) = read(path)? else {
            return Ok(None);
        };
        let mut lock = Self::parse(&text, path)?;
        let warnings = lock.load_facts(&facts_directory(path));
        Ok(Some(LoadedLock {
            is_canonical: lock.to_text() == text,
            lock,
            warnings,
        }))
    }

    /// Parses the text of the lockfile at `path`. Facts that it only refers to are not at hand.
    ///
    /// # Errors
    /// Returns [`LockError`] if it is invalid or of a later version.
    pub fn parse(text: &str, path: &Path) -> Result<Self, LockError> {
        let images = text::parse(text, path)?;
        Ok(Self { images })
    }

    /// Reads the facts files in `directory`. Returns warnings about those that are not used.
    fn load_facts(&mut self, directory: &Path) -> Vec<String> {
        let mut left_bytes = MAX_FACTS_BYTES;
        let mut warnings = Vec::new();
        for image in self.images.values_mut() {
            let Some(digest) = image.absent_facts() else { continue };
            let path = directory.join(facts_file_name(&digest));
            match read_facts_file(&path, &digest, left_bytes) {
                Ok(None) => {}
                Ok(Some(facts)) if facts.image == image.digest => {
                    left_bytes -= facts.size_bytes;
                    *image = LockedImage::with_pins(image.digest, facts.platforms);
                }
                // Another program moved the pin: the facts are those of the image that it was.
                Ok(Some(_)) => *image = LockedImage::new(image.digest, None),
                Err(reason) => warnings.push(format!(
                    "facts file {} is not used: {reason}",
                    escape(path.as_os_str().as_encoded_bytes())
                )),
            }
        }
        warnings
    }

    /// Returns the text of the lockfile. Equal pins have equal texts.
    pub fn to_text(&self) -> String {
        text::write(&self.images)
    }

    /// Returns the text of each facts file, by its digest.
    pub fn facts_files(&self) -> BTreeMap<Digest, String> {
        let texts = self.images.values().filter_map(LockedImage::facts_text);
        texts.map(|text| (Digest::of(text.as_bytes()), text)).collect()
    }

    /// Returns all images by name, sorted.
    pub fn images(&self) -> &BTreeMap<String, LockedImage> {
        &self.images
    }

    /// Returns the image with this name.
    pub fn image(&self, name: &str) -> Option<&LockedImage> {
        self.images.get(name)
    }

    /// Returns the pin of an image for a platform. Returns `None` if the image is not pinned, or its facts for the
    /// platform are not at hand.
    pub fn pin(&self, name: &str, platform: &Platform) -> Option<&Pin> {
        self.image(name)?.pin(platform)
    }

    /// Returns a lockfile with one more pin, or with the pin replaced. If the name was pinned to another digest, the pins
    /// of its other platforms are removed: all of them belong to one image.
    pub fn with_pin(&self, name: &str, digest: Digest, platform: &Platform, pin: Pin) -> Self {
        let known = self.image(name).filter(|image| image.digest == digest).cloned();
        let image = known.unwrap_or_else(|| LockedImage::new(digest, None));
        self.with_image(name, image.with_pin(platform.clone(), pin))
    }

    /// Returns a lockfile with an image added or replaced.
    pub fn with_image(&self, name: &str, image: LockedImage) -> Self {
        let mut images = self.images.clone();
        images.insert(name.to_owned(), image);
        Self { images }
    }

    /// Returns a lockfile without an image.
    pub fn without(&self, name: &str) -> Self {
        let mut images = self.images.clone();
        images.remove(name);
        Self { images }
    }

    /// Returns a lockfile with only the wanted images, and only the wanted platforms of each.
    pub fn only(&self, wanted: &BTreeMap<&str, BTreeSet<&Platform>>) -> Self {
        let kept = |(name, image): (&String, &LockedImage)| {
            let platforms = wanted.get(name.as_str())?;
            let is_wanted = |known: &Platform| platforms.iter().any(|platform| is_same_platform(known, platform));
            Some((name.clone(), image.clone().only(is_wanted)))
        };
        Self {
            images: self.images.iter().filter_map(kept).collect(),
        }
    }
}

/// Reads the text of a lockfile. Returns `None` if it does not exist.
fn read(path: &Path) -> Result<Option<String>, LockError> {
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
    let text = String::from_utf8(bytes).map_err(|error| LockError::Invalid {
        path: path.to_owned(),
        line: line_at(error.as_bytes(), error.utf8_error().valid_up_to()),
        reason: "it is not UTF-8".to_owned(),
    })?;
    Ok(Some(text))
}
