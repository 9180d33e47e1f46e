//! The kinds of files in the cache.

/// Size limit of a block in bytes: several times the largest block of any compressor.
const MAX_BLOCK_BYTES: u64 = 32 << 20;

/// Size limit of a layer's record in bytes: a million files in one layer, with their paths.
const MAX_RECORD_BYTES: u64 = 256 << 20;

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
pub(super) const NAMES: [&str; 4] = ["blocks", "layers", "facts", "documents"];

/// The directory in which the registry module records uploads in progress, and the kind of these entries.
pub(super) const UPLOADS: &str = "uploads";
