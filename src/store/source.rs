//! The trait of places that images are read from.

use std::pin::Pin;

use async_trait::async_trait;
use tokio::io::AsyncRead;

use super::error::{Side, StoreError};
use crate::model::{Descriptor, Repository, Root, Selector};

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

    /// Opens a blob or a manifest for reading from its first byte. Only [`super::open`] calls it.
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
