//! Reads one layer of an image as a verified, uncompressed stream: the store's reader verifies digest and size of the
//! stored bytes, this module the digest of the uncompressed bytes.
//!
//! Each layer is decoded on its own thread, which ends soon after the waiting future is dropped.

use std::io::{self, BufReader, Read};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::io::SyncIoBridge;

use super::error::{LayerError, TreeError};
use crate::compress;
use crate::events::Task;
use crate::model::{Descriptor, DiffId, Hasher, MAX_EXPANSION, is_overexpanded};
use crate::store::{Source, StoreError, open};

/// Size of the buffer for the uncompressed stream, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// Number of attempts to start a thread for a layer. With the delays in between, they take a second in total.
const MAX_START_ATTEMPTS: u32 = 50;
const START_INTERVAL: Duration = Duration::from_millis(20);

/// Opens a layer and passes its uncompressed stream to `work`, which need not read it to its end. The result of `work`
/// is returned only if the layer has its digest, size and diff ID. `task` advances by the compressed bytes.
pub(super) async fn read_layer<T: Send + 'static>(
    source: &dyn Source,
    descriptor: &Descriptor,
    diff_id: &DiffId,
    task: Arc<Task>,
    work: impl FnOnce(&mut dyn Read) -> Result<T, LayerError> + Send + 'static,
) -> Result<T, TreeError> {
    let digest = descriptor.digest;
    let place = source.describe();
    let side = source.side();
    if !descriptor.media_type.is_layer() {
        return Err(TreeError::LayerType {
            digest,
            media_type: descriptor.media_type.clone(),
            place,
        });
    }
    let reader = match open(source, descriptor).await {
        Ok(reader) => reader,
        Err(cause @ StoreError::NotFound { .. }) if descriptor.media_type.is_foreign() => {
            return Err(TreeError::Foreign {
                digest,
                place,
                cause: Box::new(cause),
            });
        }
        Err(cause) => return Err(cause.into()),
    };
    let stop = StopOnDrop(Arc::default());
    let read_bytes = Arc::<AtomicU64>::default();
    let reader = SyncIoBridge::new(reader);
    let stored = Stored {
        reader,
        task,
        read_bytes: Arc::clone(&read_bytes),
        stop: Arc::clone(&stop.0),
    };
    let outcome = on_own_thread(move || decode(stored, &read_bytes, work)).await;
    drop(stop);
    match outcome {
        Ok((value, actual)) if actual == *diff_id => Ok(value),
        Ok((_, actual)) => Err(TreeError::DiffId {
            digest,
            place,
            side,
            expected: *diff_id,
            actual,
        }),
        Err(LayerError::Read(cause)) => Err(match StoreError::from_reader(cause) {
            Ok(error) => error.into(),
            Err(cause) => TreeError::Layer {
                digest,
                place,
                side,
                cause: LayerError::Read(cause),
            },
        }),
        Err(cause) => Err(TreeError::Layer {
            digest,
            place,
            side,
            cause,
        }),
    }
}

/// Runs work that waits for data from other threads, on a separate thread. On a thread of the pool that reads the data,
/// all could wait for each other if the system does not allow more threads.
async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LayerError> + Send + 'static,
) -> Result<T, LayerError> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        let outcome = panic::catch_unwind(AssertUnwindSafe(work));
        // The receiver is gone if the future was dropped.
        let _ = sender.send(outcome);
    };
    start(run)
        .await
        .map_err(|cause| LayerError::Read(io::Error::other(format!("cannot start a thread: {cause}"))))?;
    match receiver.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panicked)) => panic::resume_unwind(panicked),
        Err(ended) => Err(LayerError::Read(io::Error::other(ended))),
    }
}

/// Starts a thread. If the system limits threads, a thread of the previous layer may count for a moment after its end;
/// this function waits for it.
async fn start(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let run = Arc::new(Mutex::new(Some(run)));
    let mut attempts = 1;
    loop {
        let shared = Arc::clone(&run);
        let take = move || shared.lock().unwrap_or_else(PoisonError::into_inner).take();
        let started = thread::Builder::new()
            .name("layer".to_owned())
            .spawn(move || take().map_or((), |run| run()));
        match started {
            Ok(_) => return Ok(()),
            Err(cause) if attempts == MAX_START_ATTEMPTS => return Err(cause),
            Err(_) => attempts += 1,
        }
        tokio::time::sleep(START_INTERVAL).await;
    }
}

fn decode<T>(
    mut stored: impl Read + Send,
    stored_bytes: &AtomicU64,
    work: impl FnOnce(&mut dyn Read) -> Result<T, LayerError>,
) -> Result<(T, DiffId), LayerError> {
    let outcome = decode_and_hash(&mut stored, stored_bytes, work);
    // The store's reader verifies at its end, so it is read to there, regardless of data after the compressed stream.
    // For a damaged stream, this shows whether the image itself or its transfer is damaged.
    if outcome.as_ref().err().is_none_or(LayerError::is_damage) {
        io::copy(&mut stored, &mut io::sink())?;
    }
    outcome
}

fn decode_and_hash<T>(
    stored: impl Read + Send,
    stored_bytes: &AtomicU64,
    work: impl FnOnce(&mut dyn Read) -> Result<T, LayerError>,
) -> Result<(T, DiffId), LayerError> {
    let reader = compress::decoder(stored)?;
    let mut hashing = Hashing {
        reader,
        hasher: Hasher::new(),
        size_bytes: 0,
        stored_bytes,
    };
    let mut buffered = BufReader::with_capacity(BUFFER_BYTES, &mut hashing);
    let value = work(&mut buffered)?;
    io::copy(&mut buffered, &mut io::sink())?;
    drop(buffered);
    Ok((value, hashing.hasher.diff_id()))
}

/// The uncompressed bytes: hashed, and limited by the greatest expansion of the stored size.
struct Hashing<'a, R> {
    reader: R,
    hasher: Hasher,
    size_bytes: u64,
    stored_bytes: &'a AtomicU64,
}

impl<R: Read> Read for Hashing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.size_bytes += count as u64;
        let stored_bytes = self.stored_bytes.load(Ordering::Relaxed);
        if is_overexpanded(self.size_bytes, stored_bytes) {
            let what = "the uncompressed size in multiples of the stored size, after the first GiB";
            return Err(LayerError::OverLimit {
                what,
                limit: MAX_EXPANSION,
            }
            .into());
        }
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// The stored bytes: counted, and ended when the receiver is gone.
struct Stored<R> {
    reader: R,
    task: Arc<Task>,
    read_bytes: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl<R: Read> Read for Stored<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("the layer is no longer needed"));
        }
        let count = self.reader.read(buffer)?;
        self.read_bytes.fetch_add(count as u64, Ordering::Relaxed);
        self.task.advance(count as u64);
        Ok(count)
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
