//! A pinned image, and what is known of it.

use std::collections::BTreeMap;

use super::error::LockError;
use crate::model::{Descriptor, DiffId, Digest, Image, Platform};
use crate::tree::{FACTS_VERSION, Facts, TreeError};

/// The image that a name resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedImage {
    /// The digest that the name resolved to: of the index, or of the manifest if it resolved to a single one.
    pub digest: Digest,
    /// The pin for each platform whose facts are at hand, by the platform as the spec writes it.
    platforms: BTreeMap<Platform, Pin>,
    /// Digest of the facts file that the lockfile states, if that file is not at hand.
    absent_facts: Option<Digest>,
}

impl LockedImage {
    /// Creates an image whose facts are not at hand, with the digest of its facts file if that is known.
    pub fn new(digest: Digest, absent_facts: Option<Digest>) -> Self {
        Self {
            digest,
            platforms: BTreeMap::new(),
            absent_facts,
        }
    }

    /// Creates an image with the pins of its platforms.
    pub fn with_pins(digest: Digest, platforms: BTreeMap<Platform, Pin>) -> Self {
        Self {
            digest,
            platforms,
            absent_facts: None,
        }
    }

    /// Returns the platforms whose facts are at hand, sorted, with their pins.
    pub fn platforms(&self) -> &BTreeMap<Platform, Pin> {
        &self.platforms
    }

    /// Returns the digest of its facts file if that file is not at hand.
    pub fn absent_facts(&self) -> Option<Digest> {
        self.absent_facts
    }

    /// Returns the pin for a platform, in any spelling of its variant.
    pub fn pin(&self, platform: &Platform) -> Option<&Pin> {
        self.platforms.get(platform).or_else(|| {
            let found = self
                .platforms
                .iter()
                .find(|(known, _)| is_same_platform(known, platform));
            found.map(|(_, pin)| pin)
        })
    }

    /// Returns the digest of the index; `None` if the name resolved to a single manifest, or if that is not known.
    pub fn index(&self) -> Option<Digest> {
        let is_manifest = |pin: &Pin| pin.manifest.digest == self.digest;
        let is_index = !self.platforms.is_empty() && !self.platforms.values().any(is_manifest);
        is_index.then_some(self.digest)
    }

    /// Returns it with one more pin, or with the pin replaced.
    pub(super) fn with_pin(mut self, platform: Platform, pin: Pin) -> Self {
        self.platforms.retain(|known, _| !is_same_platform(known, &platform));
        self.platforms.insert(platform, pin);
        self.absent_facts = None;
        self
    }

    /// Returns it with the pins of the wanted platforms only.
    pub(super) fn only(mut self, is_wanted: impl Fn(&Platform) -> bool) -> Self {
        self.platforms.retain(|platform, _| is_wanted(platform));
        self
    }
}

/// Returns `true` if both spellings mean the same platform (`linux/arm64` and `linux/arm64/v8`).
pub(super) fn is_same_platform(left: &Platform, right: &Platform) -> bool {
    left.is_same_as(right)
}

/// The pinned image of one platform. Its descriptors consist of media type, digest and size only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The manifest.
    pub manifest: Descriptor,
    /// The config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<LockedLayer>,
    /// The facts about the layers.
    pub facts: LockedFacts,
}

/// A layer of a pinned image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedLayer {
    /// The descriptor of the stored layer.
    pub descriptor: Descriptor,
    /// Digest of its uncompressed tar.
    pub diff_id: DiffId,
}

/// Facts in stored form: compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedFacts {
    /// [`FACTS_VERSION`] of the program that wrote them.
    pub version: u32,
    /// The result of [`Facts::compress`].
    pub compressed: Vec<u8>,
}

impl LockedFacts {
    /// Wraps facts of this program's version, compressed by [`Facts::compress`].
    pub fn new(compressed: Vec<u8>) -> Self {
        Self {
            version: FACTS_VERSION,
            compressed,
        }
    }

    /// Returns `true` if this program can read the facts.
    pub fn is_current(&self) -> bool {
        self.version == FACTS_VERSION
    }

    /// Decodes the facts.
    ///
    /// # Errors
    /// Returns [`TreeError::Encoding`] if they are of another version or damaged.
    pub fn read(&self) -> Result<Facts, TreeError> {
        if self.is_current() {
            Facts::decompress(&self.compressed)
        } else {
            Err(TreeError::Encoding {
                reason: "they have another version",
            })
        }
    }
}

impl Pin {
    /// Pins an image with its facts.
    ///
    /// # Errors
    /// Returns [`LockError::Size`] if the size in a descriptor is out of range for TOML.
    pub fn new(image: &Image, facts: LockedFacts) -> Result<Self, LockError> {
        let layer = |(descriptor, diff_id): (&Descriptor, &DiffId)| {
            Ok(LockedLayer {
                descriptor: bare(descriptor)?,
                diff_id: *diff_id,
            })
        };
        Ok(Self {
            manifest: bare(image.manifest().descriptor())?,
            config: bare(image.config().descriptor())?,
            layers: image.layers().map(layer).collect::<Result<_, LockError>>()?,
            facts,
        })
    }
}

fn bare(descriptor: &Descriptor) -> Result<Descriptor, LockError> {
    let Descriptor {
        media_type,
        digest,
        size_bytes,
        ..
    } = descriptor.clone();
    match i64::try_from(size_bytes) {
        Ok(_) => Ok(Descriptor::new(media_type, digest, size_bytes)),
        Err(_) => Err(LockError::Size { digest, size_bytes }),
    }
}
