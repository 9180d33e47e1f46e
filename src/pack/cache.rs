//! Encoded blocks that are stored from one packing to the next.

use crate::compress::Compression;
use crate::model::{BYTE_FORMAT, Digest, Hasher, Layer};
use crate::secrets::SightedFile;

/// Stores encoded blocks. A loaded block must equal the stored one exactly; a cache may drop blocks at any time. Called
/// from several threads at once.
pub trait BlockCache: Sync {
    /// Returns the block that was stored under `key`, if it still exists.
    fn load(&self, key: &Digest) -> Option<Vec<u8>>;

    /// Stores an encoded block. Failures are not reported.
    fn store(&self, key: &Digest, encoded: &[u8]);
}

/// A packed layer in stored form: enough to assemble its bytes from stored blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLayer {
    /// Descriptor, diff ID and sizes.
    pub layer: Layer,
    /// CRC-32 of the uncompressed tar, for gzip's trailer.
    pub crc32: u32,
    /// The keys of its blocks, between the header and the trailer.
    pub blocks: Vec<Digest>,
    /// The files that contain something that looks like a secret, in the plan's order.
    pub sighted: Vec<SightedFile>,
}

/// Returns the key of a block: the digest of everything that its bytes depend on, which is byte format, algorithm,
/// level and content.
pub(super) fn block_key(compression: Compression, block: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    let algorithm = compression.algorithm();
    let level = compression.level();
    hasher.update(format!("block of byte format {BYTE_FORMAT}, {algorithm} {level}\n").as_bytes());
    hasher.update(block);
    hasher.digest()
}
