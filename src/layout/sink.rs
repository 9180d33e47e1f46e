//! Writing of images into a layout.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::Layout;
use super::disk::{Hold, HoldKind};
use crate::model::{Descriptor, Digest, Repository, Root, Tag};
use crate::store::local::{blocking, copy_opened, open_blob};
use crate::store::{Sink, Source, StoreError};

/// Limit on concurrent puts: enough to keep a disk busy while sources are slow.
const CONCURRENT_PUTS: usize = 4;

/// A layout that images of one name are written to.
#[derive(Debug)]
pub struct LayoutSink {
    layout: Layout,
    name: Option<Repository>,
    /// Blobs that this sink has hashed or written, and need not hash again.
    known: Mutex<BTreeSet<Digest>>,
    /// Held from the first blob that was looked up or put: no blob that this sink relies on is deleted.
    hold: Mutex<Option<Hold>>,
}

impl LayoutSink {
    /// Returns a sink for images of the name `name`: their full name is `name:tag`. An image of another name with the
    /// same tag is not replaced; an unnamed image replaces no tag of a named one.
    pub fn new(layout: Layout, name: Option<Repository>) -> Self {
        Self {
            layout,
            name,
            known: Mutex::default(),
            hold: Mutex::default(),
        }
    }

    /// Checks `tags` before anything is written, and returns the error that [`Sink::publish`] would return:
    /// [`StoreError::ForeignTag`] for one of an image with a name, if this one has none. Synchronous; writes nothing.
    pub fn check_tags(&self, tags: &[Tag]) -> Result<(), StoreError> {
        self.layout.check_tags(self.name.as_ref(), tags)
    }

    /// A poisoned lock holds no partial change: each change is one insertion.
    fn is_known(&self, digest: &Digest) -> bool {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(digest)
    }

    /// Locks the blobs, if there are any yet.
    async fn hold(&self) -> Result<(), StoreError> {
        if self.hold.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let layout = self.layout.clone();
        let hold = blocking(move || layout.hold_blobs(HoldKind::Shared)).await?;
        *self.hold.lock().unwrap_or_else(PoisonError::into_inner) = hold;
        Ok(())
    }

    fn remember(&self, digest: Digest) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
    }
}

#[async_trait]
impl Sink for LayoutSink {
    fn describe(&self) -> String {
        self.layout.place()
    }

    fn is_local(&self) -> bool {
        true
    }

    fn concurrency_limit(&self) -> usize {
        CONCURRENT_PUTS
    }

    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        if self.is_known(&descriptor.digest) {
            return Ok(true);
        }
        self.hold().await?;
        let layout = self.layout.clone();
        let wanted = descriptor.clone();
        let is_there = blocking(move || layout.has_sound_blob(&wanted)).await?;
        if is_there {
            self.remember(descriptor.digest);
        }
        Ok(is_there)
    }

    async fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<(), StoreError> {
        if self.contains(descriptor).await? {
            return Ok(());
        }
        // First, so that nothing is created for a blob that the source does not have.
        let reader = open_blob(descriptor, source).await?;
        let layout = self.layout.clone();
        blocking(move || layout.prepare()).await?;
        self.hold().await?;
        let layout = self.layout.clone();
        let file = blocking(move || layout.new_blob()).await?;
        let directory = self.layout.path().to_owned();
        let failed = move |cause| StoreError::io("write to", &directory, cause);
        let file = copy_opened(descriptor, source, reader, file, failed).await?;
        let layout = self.layout.clone();
        let digest = descriptor.digest;
        blocking(move || layout.keep_blob(file, &digest)).await?;
        self.remember(digest);
        Ok(())
    }

    /// Lists `root` in `index.json` under the layout's lock, for which it waits at most [`super::LOCK_TIMEOUT`]. Other
    /// listed images are kept. An image whose only tag moves away is not listed any more, and its blobs are kept.
    async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), StoreError> {
        self.hold().await?;
        let layout = self.layout.clone();
        let name = self.name.clone();
        let root = root.clone();
        let tags = tags.to_vec();
        blocking(move || layout.publish(&root, name.as_ref(), &tags)).await
    }
}
