//! Processes the blocks of a layer: each is hashed for the diff ID, encoded, and written.
//!
//! ```text
//! cut ──► read ──► diff id ──► encode, or found among kept blocks ──► write and digest
//! one at a time    in order                                          in order
//! ```
//!
//! All workers do the same, each with its own block. Ordered steps are done by the worker that adds the item which is
//! due ([`InOrder`]).

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;

use super::cache::{BlockCache, block_key};
use super::error::PackError;
use super::in_order::InOrder;
use super::workers::{self, Failure, Job, Room, Way};
use crate::compress::{BlockEncoder, Checksum, CompressError, Compression};
use crate::model::{DiffId, Digest, Hasher};

/// The facts about a layer after all of its bytes were processed.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) diff_id: DiffId,
    /// CRC-32 and size of the tar.
    pub(super) checksum: Checksum,
    pub(super) file: File,
    pub(super) digest: Digest,
    pub(super) size_bytes: u64,
    /// The keys of the blocks, in order; empty without a cache.
    pub(super) blocks: Vec<Digest>,
}

/// Encodes blocks.
pub(super) trait EncodeBlock {
    /// Encodes a block; see [`BlockEncoder::encode`].
    fn encode(&mut self, block: &[u8]) -> Result<Vec<u8>, CompressError>;
}

impl EncodeBlock for BlockEncoder {
    fn encode(&mut self, block: &[u8]) -> Result<Vec<u8>, CompressError> {
        Self::encode(self, block)
    }
}

/// Packs by `compression` to `file`, with one encoder per worker.
pub(super) fn pack<E: EncodeBlock>(
    job: &Job<'_>,
    compression: Compression,
    make_encoder: impl Fn() -> E + Sync,
    cache: Option<&dyn BlockCache>,
    file: File,
) -> Result<Outcome, Failure> {
    let mut file = HashedFile::new(file);
    file.write(compression.header()).map_err(Failure::File)?;
    let output = Output {
        file,
        checksum: Checksum::new(),
        blocks: Vec::new(),
    };
    let way = Packing {
        compression,
        make_encoder,
        cache,
        diff_id: InOrder::new(Hasher::new()),
        output: InOrder::new(output),
    };
    workers::run(job, &way)?;
    let Output {
        mut file,
        checksum,
        blocks,
    } = way.output.into_state();
    file.write(&compression.trailer(&checksum)).map_err(Failure::File)?;
    let (file, digest, size_bytes) = file.finish();
    Ok(Outcome {
        diff_id: way.diff_id.into_state().diff_id(),
        checksum,
        file,
        digest,
        size_bytes,
        blocks,
    })
}

/// Returns only the diff ID, and the size of the tar in bytes.
pub(super) fn hash(job: &Job<'_>) -> Result<(DiffId, u64), Failure> {
    let way = Hashing(InOrder::new((Hasher::new(), 0)));
    workers::run(job, &way)?;
    let (hasher, size_bytes) = way.0.into_state();
    Ok((hasher.diff_id(), size_bytes))
}

/// Reads all contents and discards them.
pub(super) fn read(job: &Job<'_>) -> Result<(), Failure> {
    workers::run(job, &Dropping)
}

struct Packing<'a, F> {
    compression: Compression,
    make_encoder: F,
    cache: Option<&'a dyn BlockCache>,
    diff_id: InOrder<Arc<Vec<u8>>, Hasher>,
    output: InOrder<EncodedBlock, Output>,
}

/// An encoded block, with the checksum of its uncompressed bytes.
struct EncodedBlock {
    bytes: Vec<u8>,
    checksum: Checksum,
    /// The key under which it is stored.
    key: Option<Digest>,
}

/// Receives the encoded blocks.
struct Output {
    file: HashedFile,
    checksum: Checksum,
    blocks: Vec<Digest>,
}

impl<E: EncodeBlock, F: Fn() -> E + Sync> Way for Packing<'_, F> {
    type Tools = E;

    fn tools(&self) -> E {
        (self.make_encoder)()
    }

    fn take(&self, index: u64, block: Vec<u8>, encoder: &mut E, room: &Room) -> Result<(), Failure> {
        let block = Arc::new(block);
        let Ok(()) = self.diff_id.bring(index, block.clone(), |hasher, block| {
            hasher.update(&block);
            Ok::<_, Infallible>(())
        });
        let encoded = self.encode(&block, encoder)?;
        drop(block);
        self.output.bring(index, encoded, |output, block| {
            output.write(&block)?;
            room.leave();
            Ok(())
        })
    }
}

impl<E: EncodeBlock, F> Packing<'_, F>
where
    F: Fn() -> E,
{
    /// Returns the encoded block: from the cache, or newly encoded and stored.
    fn encode(&self, block: &[u8], encoder: &mut E) -> Result<EncodedBlock, PackError> {
        let checksum = Checksum::of(block);
        let mut encode = || encoder.encode(block).map_err(|source| PackError::Encode { source });
        let Some(cache) = self.cache else {
            return Ok(EncodedBlock {
                bytes: encode()?,
                checksum,
                key: None,
            });
        };
        let key = block_key(self.compression, block);
        let bytes = match cache.load(&key) {
            Some(kept) => kept,
            None => {
                let encoded = encode()?;
                cache.store(&key, &encoded);
                encoded
            }
        };
        Ok(EncodedBlock {
            bytes,
            checksum,
            key: Some(key),
        })
    }
}

impl Output {
    fn write(&mut self, block: &EncodedBlock) -> Result<(), Failure> {
        self.checksum.append(&block.checksum);
        self.blocks.extend(block.key);
        self.file.write(&block.bytes).map_err(Failure::File)
    }
}

/// Hashes and discards blocks.
struct Hashing(InOrder<Vec<u8>, (Hasher, u64)>);

impl Way for Hashing {
    type Tools = ();

    fn tools(&self) {}

    fn take(&self, index: u64, block: Vec<u8>, (): &mut (), room: &Room) -> Result<(), Failure> {
        self.0.bring(index, block, |(hasher, size_bytes), block| {
            hasher.update(&block);
            *size_bytes += block.len() as u64;
            room.leave();
            Ok(())
        })
    }
}

/// Discards blocks.
struct Dropping;

impl Way for Dropping {
    type Tools = ();

    fn tools(&self) {}

    fn take(&self, _index: u64, _block: Vec<u8>, (): &mut (), room: &Room) -> Result<(), Failure> {
        room.leave();
        Ok(())
    }
}

/// The temporary file, and the hash of its content. Blocks are large, so writes are not buffered.
pub(super) struct HashedFile {
    file: File,
    hasher: Hasher,
    size_bytes: u64,
}

impl HashedFile {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            hasher: Hasher::new(),
            size_bytes: 0,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }

    /// Returns the file, the digest of its content, and its size in bytes.
    pub(super) fn finish(self) -> (File, Digest, u64) {
        (self.file, self.hasher.digest(), self.size_bytes)
    }
}
