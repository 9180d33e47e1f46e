//! Access to images: the two traits that layouts, archives, registries and memory implement, and the one function that
//! opens a blob.
//!
//! A backend does not verify what it reads: [`open`] wraps every reader in a [`VerifiedReader`], and nothing else calls
//! [`Source::open_unverified`].

mod choose;
#[cfg(test)]
pub(crate) mod contract;
mod entries;
mod error;
mod error_code;
mod layout_images;
mod layout_index;
pub mod local;
mod memory;
pub mod output;
mod put;
mod read;
mod resolve;
mod restrict;
mod verified;

use std::pin::Pin;

use async_trait::async_trait;
use tokio::io::AsyncRead;

use crate::model::{Descriptor, Repository, Root, Selector, Tag};

#[cfg(test)]
use crate::model::{Digest, Document, ImageConfig, ImageIndex, ImageManifest, MediaType};

pub use choose::{Candidate, choose, not_found};
pub use entries::{
    Entries, ListedImage, ReadEntry, SkippedEntry, check_listed, list_entries, read_listed, why_no_image,
};
pub use error::{Side, StoreError};
pub use error_code::ErrorCode;
pub use layout_images::resolve_listed;
pub use layout_index::{
    INDEX_NAME, LAYOUT_MARKER, LAYOUT_MARKER_NAME, LayoutIndex, MAX_MARKER_BYTES, check_layout_marker, named,
};
pub use memory::MemoryStore;
pub use put::put_bytes;
pub use read::{read_config, read_image, read_root};
pub use resolve::{PlatformMatch, select_platform};
pub use restrict::select_platforms;
pub use verified::{VerifiedReader, open};

/// Bytes of a blob from a backend, not verified yet.
pub type BlobReader = Pin<Box<dyn AsyncRead + Send>>;

/// A place that images are read from.
#[async_trait]
pub trait Source: Send + Sync {
    /// Returns its name for messages: `oci:build/oci`, `ghcr.io/stigmer/agent-runner`.
    fn describe(&self) -> String;

    /// Returns its side: damage in a registry is a remote failure, damage in a local source is invalid input.
    fn side(&self) -> Side;

    /// Reads the manifest or index that `selector` names, whole, of at most [`crate::model::MAX_MANIFEST_BYTES`].
    ///
    /// If the selector has a digest, it has been verified. Returns [`StoreError::NotFound`] if the image does not
    /// exist.
    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError>;

    /// Opens a blob or a manifest for reading from its first byte. Only [`open`] calls it.
    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError>;

    /// Checks whether one of these blobs exists in a form that cannot be opened, as far as this can be determined
    /// without reading them. A missing blob is not an error: it may not be needed.
    async fn check_blobs(&self, _descriptors: &[Descriptor]) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns the repository of a registry that has the blob, and from which another repository of that registry may
    /// mount it.
    fn origin(&self, _descriptor: &Descriptor) -> Option<Repository> {
        None
    }
}

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

    /// Writes a blob or a manifest, read from `source` through [`open`] one or more times. Putting existing content
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
