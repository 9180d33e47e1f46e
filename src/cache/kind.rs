//! The kinds of files in the cache.

/// Size limit of a block in bytes: several times the largest block of any compressor.
const MAX_BLOCK_BYTES: u64 = 32 << 20;

/// Size limit of a layer's record in bytes: a million files in one layer, with their paths.
const MAX_RECORD_BYTES: u64 = 256 << 20;

/// Size limit of a layer's repositories in bytes: a few names of at most 255 bytes after their registry.
const MAX_ORIGINS_BYTES: u64 = 16 << 10;

/// A kind of file: the first part of its path, and its size limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub(super) name: &'static str,
    version: u32,
    pub(super) max_bytes: u64,
}

impl Kind {
    /// Compressed blocks of layers.
    pub const BLOCKS: Self = Self {
        name: "blocks",
        version: 1,
        max_bytes: MAX_BLOCK_BYTES,
    };

    /// Records of layers: a layer's inputs and its result.
    pub const LAYERS: Self = Self {
        name: "layers",
        version: 1,
        max_bytes: MAX_RECORD_BYTES,
    };

    /// The repositories that layers are known to be in, by the layers' digests.
    pub const ORIGINS: Self = Self {
        name: "origins",
        version: 1,
        max_bytes: MAX_ORIGINS_BYTES,
    };

    /// Returns the kind of images' facts, by the digests of their manifests. `version` is the version of their
    /// encoding, `max_bytes` their size limit.
    pub const fn facts(version: u32, max_bytes: u64) -> Self {
        Self {
            name: "facts",
            version,
            max_bytes,
        }
    }

    /// Returns the kind of manifests and configs, by their digests.
    pub const fn documents(max_bytes: u64) -> Self {
        Self {
            name: "documents",
            version: 1,
            max_bytes,
        }
    }

    /// Returns its directory below the root. Files of another version are in another directory and are never read as
    /// this version.
    pub(super) fn directory(self) -> String {
        format!("{}/v{}", self.name, self.version)
    }
}

/// The names of all kinds, in the order in which they are printed.
pub(super) const NAMES: [&str; 5] = ["blocks", "layers", "facts", "documents", "origins"];

/// The directory in which the registry module records uploads in progress, and the kind of these entries.
pub(super) const UPLOADS: &str = "uploads";
