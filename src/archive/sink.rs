//! Code that both kinds of archives share when they are written: blobs named by their digests, each once.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::writer::{Output, Writer};
use crate::model::{Descriptor, Digest};
use crate::store::local::{blocking, copy_blob};
use crate::store::{Source, StoreError};

/// An archive that is being written. Concurrent callers write one blob at a time.
pub(super) struct BlobArchive {
    place: String,
    state: Arc<Mutex<State>>,
}

/// The archive and its contents.
pub(super) struct State {
    pub(super) writer: Writer,
    /// Files before the first blob, with their contents.
    preamble: Vec<(&'static str, &'static [u8])>,
    blobs: BTreeSet<Digest>,
}

impl BlobArchive {
    pub(super) fn new(kind: &str, output: Output, preamble: Vec<(&'static str, &'static [u8])>) -> Self {
        let writer = Writer::new(kind, output);
        let place = writer.place().to_owned();
        Self {
            place,
            state: Arc::new(Mutex::new(State {
                writer,
                preamble,
                blobs: BTreeSet::new(),
            })),
        }
    }

    pub(super) fn place(&self) -> String {
        self.place.clone()
    }

    pub(super) async fn contains(&self, digest: &Digest) -> bool {
        self.state.lock().await.blobs.contains(digest)
    }

    pub(super) async fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<(), StoreError> {
        let state = self.state.clone().lock_owned().await;
        if state.blobs.contains(&descriptor.digest) {
            return Ok(());
        }
        let digest = descriptor.digest;
        let size_bytes = descriptor.size_bytes;
        let state = with(state, move |state| {
            state.begin()?;
            state.writer.begin(&blob_name(&digest), size_bytes)
        })
        .await?;
        let place = self.place.clone();
        let failed = move |cause| StoreError::Io {
            action: "write",
            path: place.clone(),
            cause,
        };
        let Content(state) = copy_blob(descriptor, source, Content(state), failed).await?;
        with(state, move |state| {
            state.writer.end()?;
            state.blobs.insert(digest);
            Ok(())
        })
        .await
        .map(|_| ())
    }

    /// Runs synchronous work on the archive.
    pub(super) async fn change(
        &self,
        work: impl FnOnce(&mut State) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let state = self.state.clone().lock_owned().await;
        with(state, work).await.map(|_| ())
    }
}

impl State {
    /// Writes the files before the first blob.
    pub(super) fn begin(&mut self) -> Result<(), StoreError> {
        if self.writer.is_empty() {
            for (name, bytes) in &self.preamble {
                self.writer.file(name, bytes)?;
            }
            self.writer.directory("blobs/")?;
            self.writer.directory("blobs/sha256/")?;
        }
        Ok(())
    }

    /// Writes a blob from memory, unless the archive has it already.
    pub(super) fn blob(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.begin()?;
        if !self.blobs.contains(digest) {
            self.writer.file(&blob_name(digest), bytes)?;
            self.blobs.insert(*digest);
        }
        Ok(())
    }

    /// Returns the blob's name in the archive, or an error if it does not exist.
    pub(super) fn name_of(&self, descriptor: &Descriptor) -> Result<String, StoreError> {
        if self.blobs.contains(&descriptor.digest) {
            return Ok(blob_name(&descriptor.digest));
        }
        Err(StoreError::blob_not_found(descriptor, self.writer.place().to_owned()))
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

async fn with(
    mut state: OwnedMutexGuard<State>,
    work: impl FnOnce(&mut State) -> Result<(), StoreError> + Send + 'static,
) -> Result<OwnedMutexGuard<State>, StoreError> {
    blocking(move || work(&mut state).map(|()| state)).await
}

/// The content of the member that is being written.
struct Content(OwnedMutexGuard<State>);

impl Write for Content {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.writer.flush()
    }
}
