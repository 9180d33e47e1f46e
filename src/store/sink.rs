//! The trait of places that images are written to.

use async_trait::async_trait;

use super::error::StoreError;
use super::source::Source;
use crate::model::{Descriptor, Root, Tag};

/// How a blob came to exist in the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ensured {
    /// It existed already.
    Existing,
    /// It was mounted from another repository of the registry.
    Mounted,
    /// Its bytes were written.
    Uploaded,
}

/// A place that images are written to.
///
/// Nothing is visible under a name before [`Sink::publish`]. Blobs that nothing refers to do no harm.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Returns its name for messages.
    fn describe(&self) -> String;

    /// Returns `true` if it writes to files of this machine, or to a stream.
    fn is_local(&self) -> bool {
        false
    }

    /// Returns the limit on concurrent puts; 1 if the order of blobs determines the output's bytes.
    fn concurrency_limit(&self) -> usize;

    /// Checks whether the user may write, without writing anything. Returns [`StoreError::Unauthorized`] if access is
    /// denied, and `Ok` if it is allowed or not known.
    async fn check_access(&self, _tags: &[Tag]) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns `true` if the blob or manifest exists and is whole. A local sink verifies size and hash first.
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, StoreError>;

    /// Writes a blob or a manifest, read from `source` through [`super::open`] one or more times. Putting existing content
    /// again changes nothing. On return it is durable; on an error no part of it is visible.
    ///
    /// An error of the source is returned with [`StoreError::is_source`] true.
    async fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<(), StoreError>;

    /// Ensures that the blob or manifest exists: reuses an existing copy, mounts it from [`Source::origin`], or puts
    /// it.
    async fn ensure(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<Ensured, StoreError> {
        if self.contains(descriptor).await? {
            return Ok(Ensured::Existing);
        }
        self.put(descriptor, source).await.map(|()| Ensured::Uploaded)
    }

    /// Returns `true` if a manifest cannot exist without everything that it names, so that the content below it need
    /// not be checked.
    fn keeps_manifests_whole(&self) -> bool {
        false
    }

    /// Returns `true` if all of `tags` (without tags: the digest) already name the root and nothing is left to do, and
    /// `false` if that is not known.
    async fn is_published(&self, _root: &Root, _tags: &[Tag]) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Writes the root, whose children must all exist, and then the tags, each atomically, in the given order. Without
    /// tags the root can be selected by its digest only. Tags that name something else are moved.
    async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), StoreError>;
}
