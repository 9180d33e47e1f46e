//! Encoded blocks that are kept from one packing to the next.

use crate::compress::Compression;
use crate::model::{BYTE_FORMAT, Digest, Hasher, Layer};
use crate::secrets::SightedFile;

/// Where encoded blocks are kept. What is loaded must be what was stored, to the byte; whether it is kept at all, and for
/// how long, is free. Called from several threads at once.
pub trait BlockCache: Sync {
    /// The block that was stored under `key`, where it is still kept.
    fn load(&self, key: &Digest) -> Option<Vec<u8>>;

    /// Keeps an encoded block. A cache that cannot is silent.
    fn store(&self, key: &Digest, encoded: &[u8]);
}

/// A packed layer, as it is kept: enough to put its bytes together again from kept blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLayer {
    /// Descriptor, diff id and sizes.
    pub layer: Layer,
    /// CRC-32 of the uncompressed tar, which gzip's trailer has.
    pub crc32: u32,
    /// The keys of the blocks that its bytes consist of, between a header and a trailer.
    pub blocks: Vec<Digest>,
    /// The files in which something looks like a secret, in the plan's order.
    pub sighted: Vec<SightedFile>,
}

/// The key of a block: the digest of what decides its bytes, which are byte format, algorithm, level and content.
pub(super) fn block_key(compression: Compression, block: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    let (algorithm, level) = (compression.algorithm(), compression.level());
    hasher.update(format!("block of byte format {BYTE_FORMAT}, {algorithm} {level}\n").as_bytes());
    hasher.update(block);
    hasher.digest()
}
