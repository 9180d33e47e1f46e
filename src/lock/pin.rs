//! The content of a lockfile for one image.

use std::collections::BTreeMap;

use super::error::LockError;
use crate::model::{Descriptor, DiffId, Digest, Image, Platform};
use crate::tree::{FACTS_VERSION, Facts, TreeError};

/// The image that a name of the spec resolved to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockedImage {
    /// The digest of the index; `None` if the name resolved to a single manifest.
    pub index: Option<Digest>,
    /// The pin for each platform, by the platform as the spec writes it.
    pub(super) platforms: BTreeMap<Platform, Pin>,
}

impl LockedImage {
    /// Returns its platforms, sorted, with their pins.
    pub fn platforms(&self) -> &BTreeMap<Platform, Pin> {
        &self.platforms
    }

    /// Returns the pin for a platform, in any spelling of its variant.
    pub fn pin(&self, platform: &Platform) -> Option<&Pin> {
        self.platforms.get(platform).or_else(|| {
            let found = self.platforms.iter().find(|(known, _)| known.is_same_as(platform));
            found.map(|(_, pin)| pin)
        })
    }

    pub(super) fn insert(&mut self, platform: Platform, pin: Pin) {
        self.platforms.retain(|known, _| !known.is_same_as(&platform));
        self.platforms.insert(platform, pin);
    }

    /// Returns the digest that the name resolved to: the index, else the manifest. Returns `None` if nothing is pinned.
    pub fn root(&self) -> Option<Digest> {
        self.index
            .or_else(|| self.platforms.values().next().map(|pin| pin.manifest.digest))
    }
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
