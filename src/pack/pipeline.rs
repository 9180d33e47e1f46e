//! The stages behind the tar, side by side: blocks are hashed as they come, compressed by workers in any order, and
//! written in order by one writer, which hashes what it writes.
//!
//! ```text
//!             ┌─ jobs ──► worker ─┐ one slot a block
//! tar, diff id┤           worker  ├────────┐
//!             └─ slots, in order ─┴► writer: digest, file
//! ```
//!
//! Both queues are bounded. When a stage ends early, its ends of the channels go with it, and every other stage sees
//! that and ends too: a lost worker's slot closes, a lost writer closes the queue of slots, and a tar that stops closes
//! both queues.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread::{self, Scope, ScopedJoinHandle};

use super::blocks::Blocks;
use super::error::{PackError, Stop};
use crate::compress::{Checksum, CompressError, Compression};
use crate::model::{DiffId, Digest, Hasher};

/// What is known of a layer once all of its bytes went by.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) diff_id: DiffId,
    pub(super) tar_size_bytes: u64,
    pub(super) written: Written,
}

/// What the writer has written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) file: File,
    pub(super) digest: Digest,
    pub(super) size_bytes: u64,
}

/// Why the writer stopped before the end.
#[derive(Debug)]
pub(super) enum WriteFailure {
    /// The file could not be written.
    File(io::Error),
    /// Anything else.
    Other(PackError),
}

/// A block that was compressed, and the checksum of what it was.
struct EncodedBlock {
    bytes: Vec<u8>,
    checksum: Checksum,
}

/// Where a worker leaves its block, and the writer finds it.
type Slot = Receiver<Result<EncodedBlock, PackError>>;

/// A block to compress, and the slot to leave it in.
struct Job {
    block: Vec<u8>,
    slot: SyncSender<Result<EncodedBlock, PackError>>,
}

/// Makes the bytes of a block: [`Compression::encode_block`].
pub(super) type Encode<'a> = &'a (dyn Fn(&[u8]) -> Result<Vec<u8>, CompressError> + Sync);

/// Runs `produce` in this thread, and everything behind it in `threads` workers, which `encode`, and a writer. All have
/// ended on return, whatever happened.
pub(super) fn run(
    compression: Compression,
    encode: Encode<'_>,
    threads: usize,
    file: File,
    produce: impl FnOnce(Blocks<'_>) -> Result<u64, Stop>,
) -> Result<Outcome, WriteFailure> {
    thread::scope(|scope| {
        // Blocks wait in the slots' queue, one is with the writer and one is being filled: two a thread and one, and
        // while it is compressed a block is there twice. The queue of jobs never fills before that of the slots.
        let (slots, ordered) = mpsc::sync_channel::<Slot>(2 * threads - 1);
        let (jobs, queue) = mpsc::sync_channel::<Job>(2 * threads);
        let workers = start_workers(scope, encode, threads, queue)?;
        let writer = start(scope, move || write(compression, &ordered, file))?;

        let mut hasher = Hasher::new();
        let mut emit = |block: Vec<u8>| {
            hasher.update(&block);
            let (slot, filled) = mpsc::sync_channel(1);
            slots.send(filled).map_err(|_| Stop::Downstream)?;
            jobs.send(Job { block, slot }).map_err(|_| Stop::Downstream)
        };
        let produced = produce(Blocks::new(compression.block_size_bytes(), &mut emit));
        drop((slots, jobs));

        let written = writer.join().unwrap_or(Err(WriteFailure::Other(PackError::Panicked { stage: "writing" })));
        // A worker's panic has closed its slot, which the writer reports. Joining takes the panic in.
        workers.into_iter().for_each(|worker| drop(worker.join()));
        match produced {
            Ok(tar_size_bytes) => Ok(Outcome { diff_id: hasher.diff_id(), tar_size_bytes, written: written? }),
            Err(Stop::Failed(error)) => Err(WriteFailure::Other(error)),
            Err(Stop::Downstream) => Err(written.err().unwrap_or(compressing_panicked())),
        }
    })
}

fn start_workers<'scope>(
    scope: &'scope Scope<'scope, '_>,
    encode: Encode<'scope>,
    threads: usize,
    queue: Receiver<Job>,
) -> Result<Vec<ScopedJoinHandle<'scope, ()>>, WriteFailure> {
    // Owned by the workers alone: with the last of them the queue goes, and with it the slots of its jobs.
    let queue = Arc::new(Mutex::new(queue));
    (0..threads)
        .map(|_| {
            let queue = Arc::clone(&queue);
            start(scope, move || compress(encode, &queue))
        })
        .collect()
}

fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    stage: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>, WriteFailure> {
    thread::Builder::new()
        .name("pack".to_owned())
        .spawn_scoped(scope, stage)
        .map_err(|source| WriteFailure::Other(PackError::Thread { source }))
}

/// A worker: compresses jobs until there are no more.
fn compress(encode: Encode<'_>, queue: &Mutex<Receiver<Job>>) {
    while let Some(Job { block, slot }) = next_job(queue) {
        let checksum = Checksum::of(&block);
        let encoded =
            encode(&block).map(|bytes| EncodedBlock { bytes, checksum }).map_err(|source| PackError::Encode { source });
        // Nobody is there to take it where the writer has failed; then the queue ends soon.
        drop((slot.send(encoded), block));
    }
}

fn next_job(queue: &Mutex<Receiver<Job>>) -> Option<Job> {
    queue.lock().ok()?.recv().ok()
}

/// The writer: takes the slots in order.
fn write(compression: Compression, ordered: &Receiver<Slot>, file: File) -> Result<Written, WriteFailure> {
    let mut written = HashedFile { file, hasher: Hasher::new(), size_bytes: 0 };
    let mut checksum = Checksum::new();
    written.write(compression.header())?;
    for slot in ordered {
        let block = slot.recv().map_err(|_| compressing_panicked())?.map_err(WriteFailure::Other)?;
        checksum.append(&block.checksum);
        written.write(&block.bytes)?;
    }
    written.write(&compression.trailer(&checksum))?;
    Ok(Written { file: written.file, digest: written.hasher.digest(), size_bytes: written.size_bytes })
}

fn compressing_panicked() -> WriteFailure {
    WriteFailure::Other(PackError::Panicked { stage: "compressing" })
}

/// The temporary file, and the hash of what went into it. Blocks are large, and need no buffer.
struct HashedFile {
    file: File,
    hasher: Hasher,
    size_bytes: u64,
}

impl HashedFile {
    fn write(&mut self, bytes: &[u8]) -> Result<(), WriteFailure> {
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(WriteFailure::File)
    }
}
