//! What a kept file is.

/// Greatest size of a block in bytes: several times the largest that any compressor makes.
const MAX_BLOCK_BYTES: u64 = 32 << 20;

/// Greatest size of a layer's record in bytes: a million files in one layer, with their paths.
const MAX_RECORD_BYTES: u64 = 256 << 20;

/// What a kept file is: the first part of its path, and the bound on its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub(super) name: &'static str,
    version: u32,
    pub(super) max_bytes: u64,
}

impl Kind {
    /// Compressed blocks of layers.
    pub const BLOCKS: Self = Self { name: "blocks", version: 1, max_bytes: MAX_BLOCK_BYTES };

    /// Records of layers: what a layer was made from and what came of it.
    pub const LAYERS: Self = Self { name: "layers", version: 1, max_bytes: MAX_RECORD_BYTES };

    /// The facts of images, by the digests of their manifests. `version` is their encoding's, `max_bytes` its bound.
    pub const fn facts(version: u32, max_bytes: u64) -> Self {
        Self { name: "facts", version, max_bytes }
    }

    /// Manifests and configs, by their digests.
    pub const fn documents(max_bytes: u64) -> Self {
        Self { name: "documents", version: 1, max_bytes }
    }

    /// Its directory below the root. Another version's files are another directory's, and are never read as this one's.
    pub(super) fn directory(self) -> String {
        format!("{}/v{}", self.name, self.version)
    }
}

/// The names of all kinds, in the order in which they are shown.
pub(super) const NAMES: [&str; 4] = ["blocks", "layers", "facts", "documents"];
