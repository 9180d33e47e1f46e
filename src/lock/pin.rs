//! What a lock holds of one image.

use std::collections::BTreeMap;

use super::error::LockError;
use crate::model::{Descriptor, DiffId, Digest, Image, Platform};
use crate::tree::{FACTS_VERSION, Facts, TreeError};

/// What a name of the spec means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockedImage {
    /// The digest of the index that the name meant; `None` where it meant a single manifest.
    pub index: Option<Digest>,
    /// The manifest for each platform of the spec, by the platform as the spec writes it.
    pub(super) platforms: BTreeMap<Platform, Pin>,
}

impl LockedImage {
    /// Its platforms, sorted, with their pins.
    pub fn platforms(&self) -> &BTreeMap<Platform, Pin> {
        &self.platforms
    }

    /// The pin for a platform, however its variant is written.
    pub fn pin(&self, platform: &Platform) -> Option<&Pin> {
        self.platforms.get(platform).or_else(|| {
            let found = self.platforms.iter().find(|(known, _)| is_same_platform(known, platform));
            found.map(|(_, pin)| pin)
        })
    }

    pub(super) fn insert(&mut self, platform: Platform, pin: Pin) {
        self.platforms.retain(|known, _| !is_same_platform(known, &platform));
        self.platforms.insert(platform, pin);
    }

    /// The digest of what the name meant: the index, else the manifest. `None` where nothing is pinned.
    pub fn root(&self) -> Option<Digest> {
        self.index.or_else(|| self.platforms.values().next().map(|pin| pin.manifest.digest))
    }
}

/// True where two ways of writing mean one platform (`linux/arm64` and `linux/arm64/v8`).
pub fn is_same_platform(left: &Platform, right: &Platform) -> bool {
    left.is_same_as(right)
}

/// One platform's image, pinned. Descriptors have media type, digest and size, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The manifest.
    pub manifest: Descriptor,
    /// The config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<LockedLayer>,
    /// What is in them.
    pub facts: LockedFacts,
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedLayer {
    /// As it is stored.
    pub descriptor: Descriptor,
    /// Digest of its uncompressed tar.
    pub diff_id: DiffId,
}

/// Facts as they are kept: compressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedFacts {
    /// [`FACTS_VERSION`] of the program that wrote them.
    pub version: u32,
    /// What [`Facts::compress`] gave.
    pub compressed: Vec<u8>,
}

impl LockedFacts {
    /// Facts of this program's version, compressed by [`Facts::compress`].
    pub fn new(compressed: Vec<u8>) -> Self {
        Self { version: FACTS_VERSION, compressed }
    }

    /// True where this program can read them.
    pub fn is_current(&self) -> bool {
        self.version == FACTS_VERSION
    }

    /// The facts.
    ///
    /// # Errors
    /// [`TreeError::Encoding`], where they are of another version or damaged.
    pub fn read(&self) -> Result<Facts, TreeError> {
        if self.is_current() {
            Facts::decompress(&self.compressed)
        } else {
            Err(TreeError::Encoding { reason: "they have another version" })
        }
    }
}

impl Pin {
    /// Pins an image with its facts.
    ///
    /// # Errors
    /// [`LockError::Size`]: a descriptor says a size that TOML has no number for.
    pub fn new(image: &Image, facts: LockedFacts) -> Result<Self, LockError> {
        let layer = |(descriptor, diff_id): (&Descriptor, &DiffId)| {
            Ok(LockedLayer { descriptor: bare(descriptor)?, diff_id: *diff_id })
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
    let Descriptor { media_type, digest, size_bytes, .. } = descriptor.clone();
    match i64::try_from(size_bytes) {
        Ok(_) => Ok(Descriptor::new(media_type, digest, size_bytes)),
        Err(_) => Err(LockError::Size { digest, size_bytes }),
    }
}
