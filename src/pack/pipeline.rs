//! A layer's blocks on their way: each is read, hashed for the diff id, encoded, and written, by one of several workers.
//!
//! ```text
//! cut ──► read ──► diff id ──► encode, or found among kept blocks ──► write and digest
//! one at a time    in order                                          in order
//! ```
//!
//! All workers do the same, each with a block of its own; there are as many threads as workers. What has to be in order
//! is done by whichever worker brings what is due ([`InOrder`]). So many blocks are on their way at the most as memory
//! is granted for: a worker waits before it cuts another one.
//!
//! When a worker fails or panics, the others end after the block that they are at.

use std::fs::File;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::cache::{BlockCache, KeptBlock, block_key};
use super::content::Reading;
use super::error::PackError;
use super::in_order::InOrder;
use super::tar::{CutBlock, Tar};
use crate::compress::{BlockEncoder, Checksum, CompressError, Compression};
use crate::model::{DiffId, Digest, Hasher, LayerPlan};

/// Blocks on their way, for each worker: one that it encodes, twice in memory then, and one that is encoded and waits
/// for an earlier one to be written.
const BLOCKS_PER_WORKER: u64 = 2;

/// What is known of a layer once all of its bytes went by.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) diff_id: DiffId,
    pub(super) tar_size_bytes: u64,
    pub(super) written: Written,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) file: File,
    pub(super) digest: Digest,
    pub(super) size_bytes: u64,
    /// The blocks, in order; empty without a cache.
    pub(super) blocks: Vec<KeptBlock>,
}

/// Why a layer was not packed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The file could not be written.
    File(io::Error),
    /// Anything else.
    Other(PackError),
}

impl From<PackError> for Failure {
    fn from(error: PackError) -> Self {
        Self::Other(error)
    }
}

/// Makes an encoder for each worker: [`Compression::block_encoder`].
pub(super) type MakeEncoder<'a> = &'a (dyn Fn() -> Box<dyn EncodeBlock + 'a> + Sync);

/// Makes the bytes of a block.
pub(super) trait EncodeBlock {
    /// See [`BlockEncoder::encode`].
    fn encode(&mut self, block: &[u8]) -> Result<Vec<u8>, CompressError>;
}

impl EncodeBlock for BlockEncoder {
    fn encode(&mut self, block: &[u8]) -> Result<Vec<u8>, CompressError> {
        Self::encode(self, block)
    }
}

/// What is packed, and by what.
pub(super) struct Job<'a> {
    pub(super) plan: &'a LayerPlan,
    pub(super) compression: Compression,
    pub(super) make_encoder: MakeEncoder<'a>,
    pub(super) reading: Reading<'a>,
    pub(super) cache: Option<&'a dyn BlockCache>,
    /// At least one.
    pub(super) threads: usize,
}

/// Packs into `file`. All threads have ended on return, whatever happened. Of several failures, that of the earliest
/// block is given.
pub(super) fn run<'a>(job: &'a Job<'a>, file: File) -> Result<Outcome, Failure> {
    let mut output = Output { file: HashedFile::new(file), checksum: Checksum::new(), blocks: Vec::new() };
    output.file.write(job.compression.header())?;
    let line = Line {
        job,
        tar: Mutex::new(Tar::new(job.plan, job.compression.block_unit_bytes(), job.reading)),
        diff_id: InOrder::new(Hasher::new()),
        output: InOrder::new(output),
        state: Mutex::new(State { written: 0, failure: None }),
        moved: Condvar::new(),
    };
    thread::scope(|scope| {
        // This thread is a worker too.
        for _ in 1..job.threads {
            let worker = thread::Builder::new().name("pack".to_owned());
            if let Err(source) = worker.spawn_scoped(scope, || line.work()) {
                line.fail(u64::MAX, PackError::Thread { source }.into());
            }
        }
        line.work();
    });
    line.finish()
}

/// The way that all blocks go.
struct Line<'a> {
    job: &'a Job<'a>,
    tar: Mutex<Tar<'a>>,
    diff_id: InOrder<Arc<Vec<u8>>, Hasher>,
    output: InOrder<EncodedBlock, Output>,
    state: Mutex<State>,
    /// A block was written, or a worker failed.
    moved: Condvar,
}

struct State {
    /// Blocks that were written.
    written: u64,
    /// The failure of the earliest block, with the block's place.
    failure: Option<(u64, Failure)>,
}

/// A block that was encoded, and the checksum of what it was.
struct EncodedBlock {
    bytes: Vec<u8>,
    checksum: Checksum,
    /// Under what it is kept.
    key: Option<Digest>,
}

/// What takes the encoded blocks.
struct Output {
    file: HashedFile,
    checksum: Checksum,
    blocks: Vec<KeptBlock>,
}

impl Line<'_> {
    /// A worker. The others would wait for the block of one that panicked, so they are told; nobody looks at what it
    /// left half-done.
    fn work(&self) {
        if panic::catch_unwind(AssertUnwindSafe(|| self.pack_blocks())).is_err() {
            self.fail(u64::MAX, PackError::Panicked { stage: "packing" }.into());
        }
    }

    /// Packs blocks until there are no more, or something failed.
    fn pack_blocks(&self) {
        let mut encoder = (self.job.make_encoder)();
        while let Some(block) = self.next_block() {
            let index = block.index();
            if let Err(failure) = self.pack(block, encoder.as_mut()) {
                self.fail(index, failure);
            }
        }
    }

    /// Waits until there is room for another block, and cuts it.
    fn next_block(&self) -> Option<CutBlock> {
        let mut tar = self.tar.lock().unwrap_or_else(PoisonError::into_inner);
        let room = BLOCKS_PER_WORKER * self.job.threads as u64;
        let mut state = self.state();
        while state.failure.is_none() && tar.cut_blocks() >= state.written + room {
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.failure.is_some() {
            return None;
        }
        drop(state);
        let index = tar.cut_blocks();
        tar.next_block().unwrap_or_else(|error| {
            self.fail(index, error.into());
            None
        })
    }

    /// The whole way of one block.
    fn pack(&self, block: CutBlock, encoder: &mut dyn EncodeBlock) -> Result<(), Failure> {
        let index = block.index();
        let bytes = Arc::new(block.read(self.job.plan, self.job.reading)?);
        self.diff_id.bring(index, bytes.clone(), |hasher, bytes| {
            hasher.update(&bytes);
            Ok::<_, Failure>(())
        })?;
        let encoded = self.encode(&bytes, encoder)?;
        drop(bytes);
        self.output.bring(index, encoded, |output, block| {
            output.write(&block)?;
            self.state().written += 1;
            self.moved.notify_all();
            Ok(())
        })
    }

    /// The encoded block: kept from earlier, or made now and kept for later.
    fn encode(&self, bytes: &[u8], encoder: &mut dyn EncodeBlock) -> Result<EncodedBlock, PackError> {
        let checksum = Checksum::of(bytes);
        let Some(cache) = self.job.cache else {
            let bytes = encoder.encode(bytes).map_err(|source| PackError::Encode { source })?;
            return Ok(EncodedBlock { bytes, checksum, key: None });
        };
        let key = block_key(self.job.compression, bytes);
        let bytes = match cache.load(&key) {
            Some(kept) => kept,
            None => {
                let encoded = encoder.encode(bytes).map_err(|source| PackError::Encode { source })?;
                cache.store(&key, &encoded);
                encoded
            }
        };
        Ok(EncodedBlock { bytes, checksum, key: Some(key) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a poisoned lock holds nothing half-made.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, index: u64, failure: Failure) {
        let mut state = self.state();
        if state.failure.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
            state.failure = Some((index, failure));
        }
        self.moved.notify_all();
    }

    /// What came of it, when all workers have ended.
    fn finish(self) -> Result<Outcome, Failure> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, failure)) = state.failure {
            return Err(failure);
        }
        let mut output = self.output.into_state();
        output.file.write(&self.job.compression.trailer(&output.checksum))?;
        let HashedFile { file, hasher, size_bytes } = output.file;
        let written = Written { file, digest: hasher.digest(), size_bytes, blocks: output.blocks };
        let (diff_id, tar_size_bytes) = (self.diff_id.into_state().diff_id(), output.checksum.size_bytes());
        Ok(Outcome { diff_id, tar_size_bytes, written })
    }
}

impl Output {
    fn write(&mut self, block: &EncodedBlock) -> Result<(), Failure> {
        self.checksum.append(&block.checksum);
        self.blocks.extend(block.key.map(|key| KeptBlock { key, size_bytes: block.bytes.len() as u64 }));
        self.file.write(&block.bytes)
    }
}

/// The temporary file, and the hash of what went into it. Blocks are large, and need no buffer.
struct HashedFile {
    file: File,
    hasher: Hasher,
    size_bytes: u64,
}

impl HashedFile {
    fn new(file: File) -> Self {
        Self { file, hasher: Hasher::new(), size_bytes: 0 }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(Failure::File)
    }
}
