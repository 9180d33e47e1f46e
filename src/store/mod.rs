//! Where images are: the two traits that every layout, archive, registry and memory implements, and the one function
//! that opens a blob.
//!
//! A backend never verifies what it reads: [`open`] wraps every reader in a [`VerifiedReader`], and nothing else calls
//! [`Source::open_unverified`].

mod choose;
#[cfg(test)]
pub(crate) mod contract;
mod entries;
mod error;
mod layout_images;
mod layout_index;
pub mod local;
mod memory;
pub mod output;
mod read;
mod resolve;
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
pub use layout_images::resolve_listed;
pub use layout_index::{
    INDEX_NAME, LAYOUT_MARKER, LAYOUT_MARKER_NAME, LayoutIndex, MAX_MARKER_BYTES, check_layout_marker, named,
};
pub use memory::MemoryStore;
pub use read::{read_config, read_image, read_root};
pub use resolve::{PlatformMatch, select_platform};
pub use verified::{VerifiedReader, open};

/// Bytes of a blob as a backend gives them, not verified yet.
pub type BlobReader = Pin<Box<dyn AsyncRead + Send>>;

/// Something that images are read from.
#[async_trait]
pub trait Source: Send + Sync {
    /// What it is, for messages: `oci:build/oci`, `ghcr.io/stigmer/agent-runner`.
    fn describe(&self) -> String;

    /// Which side of a mistake it is: a registry's damage is the other side's failure, a local one is bad input.
    fn side(&self) -> Side;

    /// Reads the manifest or index that `selector` names, whole, at most [`crate::model::MAX_MANIFEST_BYTES`].
    ///
    /// A digest in the selector has been checked against the bytes. What is not there is [`StoreError::NotFound`].
    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError>;

    /// Opens a blob or a manifest for reading from its first byte. Only [`open`] calls it.
    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError>;

    /// Looks whether one of these blobs lies there in a form that cannot be opened, as far as that is seen without reading
    /// them. A blob that is not there is no error: it may not be needed.
    async fn check_blobs(&self, _descriptors: &[Descriptor]) -> Result<(), StoreError> {
        Ok(())
    }

    /// The repository of a registry that holds the blob, from which another repository of that registry may mount it.
    fn origin(&self, _descriptor: &Descriptor) -> Option<Repository> {
        None
    }
}

/// How a blob came to be where it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supplied {
    /// It was there.
    Found,
    /// Another repository of the registry had it.
    Mounted,
    /// Its bytes were written.
    Put,
}

/// Something that images are written to.
///
/// Nothing is visible under a name before [`Sink::publish`]; what was put before and is not referred to is harmless.
#[async_trait]
pub trait Sink: Send + Sync {
    /// What it is, for messages.
    fn describe(&self) -> String;

    /// How many blobs may be put at the same time; 1 where the order of blobs reaches the output.
    fn concurrency_limit(&self) -> usize;

    /// Asks whether it may be written to by whoever asks, without writing anything. [`StoreError::Unauthorized`] where it says
    /// no; `Ok` where it does not say.
    async fn check_access(&self, _tags: &[Tag]) -> Result<(), StoreError> {
        Ok(())
    }

    /// True where the blob or manifest is there, whole. A local sink has checked size and hash before it says so.
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, StoreError>;

    /// Writes a blob or a manifest, read from `source` through [`open`], once or as often as it takes. Putting what is
    /// there already changes nothing. On return it is durable; on an error nothing of it can be seen.
    ///
    /// An error of the source comes back as the source's own error, with [`StoreError::is_source`] true.
    async fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<(), StoreError>;

    /// Makes the blob or the manifest be there in the cheapest way that the backend knows: it is there, it can be had from
    /// where [`Source::origin`] says that it is, or it is put.
    async fn supply(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<Supplied, StoreError> {
        if self.contains(descriptor).await? {
            return Ok(Supplied::Found);
        }
        self.put(descriptor, source).await.map(|()| Supplied::Put)
    }

    /// True where a manifest cannot be there without everything that it names: what stands below it need not be asked for.
    fn keeps_manifests_whole(&self) -> bool {
        false
    }

    /// True where all of `tags` (without tags: the digest) name the root already and nothing is left to do; false where that
    /// is not known.
    async fn is_published(&self, _root: &Root, _tags: &[Tag]) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Writes the root, whose children are all there, and then the tags, atomically each, in the given order. With no
    /// tags the root is there by its digest alone. Tags that name something else are moved.
    async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), StoreError>;
}
