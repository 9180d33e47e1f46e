//! Reading of images from a layout.

use async_trait::async_trait;

use super::Layout;
use crate::model::{Descriptor, Root, Selector};
use crate::store::local::blocking;
use crate::store::{BlobReader, Side, Source, StoreError, resolve_listed};

/// Size of a blob's read buffer, in bytes. It limits the memory of each open blob.
const READ_BUFFER_BYTES: usize = 256 * 1024;

#[async_trait]
impl Source for Layout {
    fn describe(&self) -> String {
        self.place()
    }

    fn side(&self) -> Side {
        Side::Local
    }

    /// A digest may be that of a listed image or of any manifest or index whose blob exists.
    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        let layout = self.clone();
        let selector = selector.clone();
        let (index, size_bytes) = blocking(move || {
            let size_bytes = match &selector {
                Selector::Digest(digest) => layout
                    .open_blob(digest)?
                    .and_then(|file| Some(file.metadata().ok()?.len())),
                Selector::Only | Selector::Tag(_) => None,
            };
            Ok(((layout.index()?, selector), size_bytes))
        })
        .await?;
        let (index, selector) = index;
        resolve_listed(self, &index, &selector, |_| size_bytes).await
    }

    /// Rejects symbolic links among the blobs, as Bazel writes them.
    async fn check_blobs(&self, descriptors: &[Descriptor]) -> Result<(), StoreError> {
        let layout = self.clone();
        let descriptors = descriptors.to_vec();
        blocking(move || descriptors.iter().try_for_each(|blob| layout.refuse_link(&blob.digest))).await
    }

    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        let layout = self.clone();
        let digest = descriptor.digest;
        let file = blocking(move || layout.open_blob(&digest)).await?;
        let file = file.ok_or_else(|| StoreError::blob_not_found(descriptor, self.place()))?;
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(READ_BUFFER_BYTES);
        Ok(Box::pin(file))
    }
}
