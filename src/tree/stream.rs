//! One layer of an image as an uncompressed stream, with everything about it verified: the stored bytes' digest and
//! size by the reader of the store, the uncompressed bytes' digest here.
//!
//! Each layer is decoded on a thread of its own. It ends soon after the future that waits for it was dropped.

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
use crate::model::{Descriptor, DiffId, Hasher, MAX_EXPANSION, is_overexpanded};
use crate::store::{Source, StoreError, open};

/// How much of the uncompressed stream is read at once, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// How often a thread for a layer is asked for, and how long is waited in between: a second in all.
const MAX_START_ATTEMPTS: u32 = 50;
const START_INTERVAL: Duration = Duration::from_millis(20);

/// Called with the number of compressed bytes that were read since the call before.
pub(super) type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// Opens a layer and hands its uncompressed stream to `work`, which need not read it to its end. What `work` gives is
/// passed on only where the layer has its digest, its size and its diff id.
pub(super) async fn read_layer<T: Send + 'static>(
    source: &dyn Source,
    descriptor: &Descriptor,
    diff_id: &DiffId,
    progress: Progress,
    work: impl FnOnce(&mut dyn Read) -> Result<T, LayerError> + Send + 'static,
) -> Result<T, TreeError> {
    let (digest, place, side) = (descriptor.digest, source.describe(), source.side());
    if !descriptor.media_type.is_layer() {
        return Err(TreeError::LayerType { digest, media_type: descriptor.media_type.clone(), place });
    }
    let reader = match open(source, descriptor).await {
        Ok(reader) => reader,
        Err(cause @ StoreError::NotFound { .. }) if descriptor.media_type.is_foreign() => {
            return Err(TreeError::Foreign { digest, place, cause: Box::new(cause) });
        }
        Err(cause) => return Err(cause.into()),
    };
    let stop = StopOnDrop(Arc::default());
    let read_bytes = Arc::<AtomicU64>::default();
    let reader = SyncIoBridge::new(reader);
    let stored = Stored { reader, progress, read_bytes: Arc::clone(&read_bytes), stop: Arc::clone(&stop.0) };
    let outcome = on_own_thread(move || decode(stored, &read_bytes, work)).await;
    drop(stop);
    match outcome {
        Ok((value, actual)) if actual == *diff_id => Ok(value),
        Ok((_, actual)) => Err(TreeError::DiffId { digest, place, side, expected: *diff_id, actual }),
        Err(LayerError::Read(cause)) => Err(match StoreError::from_reader(cause) {
            Ok(error) => error.into(),
            Err(cause) => TreeError::Layer { digest, place, side, cause: LayerError::Read(cause) },
        }),
        Err(cause) => Err(TreeError::Layer { digest, place, side, cause }),
    }
}

/// Runs work that waits for what others read, and so must not take one of the threads that they read with: where the
/// system allows no more of those, all would wait for each other.
async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LayerError> + Send + 'static,
) -> Result<T, LayerError> {
    let (sender, receiver) = oneshot::channel();
    let run = move || {
        let outcome = panic::catch_unwind(AssertUnwindSafe(work));
        // Nobody waits any more where the future was dropped.
        let _ = sender.send(outcome);
    };
    start(run).await.map_err(|cause| LayerError::Read(io::Error::other(format!("cannot start a thread: {cause}"))))?;
    match receiver.await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panicked)) => panic::resume_unwind(panicked),
        Err(ended) => Err(LayerError::Read(io::Error::other(ended))),
    }
}

/// Starts a thread. Where the system allows few, it counts the one of the layer before for a moment after its end: it is
/// waited for.
async fn start(run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let run = Arc::new(Mutex::new(Some(run)));
    let mut attempts = 1;
    loop {
        let shared = Arc::clone(&run);
        let take = move || shared.lock().unwrap_or_else(PoisonError::into_inner).take();
        let started = thread::Builder::new().name("layer".to_owned()).spawn(move || take().map_or((), |run| run()));
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
    // The store's reader verifies at its end: it is read to there, whatever follows the compressed data. And where the
    // stream is damaged, it tells whether the image is or what was sent of it.
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
    let mut hashing = Hashing { reader, hasher: Hasher::new(), size_bytes: 0, stored_bytes };
    let mut buffered = BufReader::with_capacity(BUFFER_BYTES, &mut hashing);
    let value = work(&mut buffered)?;
    io::copy(&mut buffered, &mut io::sink())?;
    drop(buffered);
    Ok((value, hashing.hasher.diff_id()))
}

/// The uncompressed bytes: hashed, and at an end where there are too many for what is stored.
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
            return Err(LayerError::OverLimit { what, limit: MAX_EXPANSION }.into());
        }
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// The stored bytes: counted, and at an end when nobody waits for them any more.
struct Stored<R> {
    reader: R,
    progress: Progress,
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
        (self.progress)(count as u64);
        Ok(count)
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
