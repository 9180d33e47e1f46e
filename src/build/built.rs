//! The image that a build has made, as a source to copy from: documents in memory, own layers in temporary files, base
//! layers where the base is.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use tokio::io::AsyncRead;
use tokio_util::io::StreamReader;

use crate::model::{Descriptor, Digest, Repository, Root, Selector};
use crate::pack::{LayerReader, PackedLayer};
use crate::store::{BlobReader, Side, Source, StoreError};

/// Everything that a build's root leads to.
pub(super) struct BuiltImage {
    root: Root,
    documents: BTreeMap<Digest, Bytes>,
    layers: BTreeMap<Digest, Arc<PackedLayer>>,
    bases: BTreeMap<Digest, Arc<dyn Source>>,
}

impl BuiltImage {
    /// With a root that leads to nothing yet.
    pub fn new(root: Root) -> Self {
        Self { root, documents: BTreeMap::new(), layers: BTreeMap::new(), bases: BTreeMap::new() }
    }

    /// Where everything begins.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// A config or a manifest.
    pub fn add_document(&mut self, descriptor: &Descriptor, bytes: Bytes) {
        self.documents.insert(descriptor.digest, bytes);
    }

    /// A layer that was packed.
    pub fn add_layer(&mut self, layer: Arc<PackedLayer>) {
        self.layers.insert(layer.layer.descriptor.digest, layer);
    }

    /// A layer of a base.
    pub fn add_base_layer(&mut self, descriptor: &Descriptor, base: Arc<dyn Source>) {
        self.bases.insert(descriptor.digest, base);
    }
}

#[async_trait]
impl Source for BuiltImage {
    fn describe(&self) -> String {
        "the build".to_owned()
    }

    fn side(&self) -> Side {
        Side::Local
    }

    async fn resolve(&self, _: &Selector) -> Result<Root, StoreError> {
        Ok(self.root.clone())
    }

    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        let digest = &descriptor.digest;
        if let Some(bytes) = self.documents.get(digest) {
            return Ok(Box::pin(std::io::Cursor::new(bytes.clone())));
        }
        if let Some(layer) = self.layers.get(digest) {
            return Ok(Box::pin(in_background(layer.reader())));
        }
        match self.bases.get(digest) {
            // Opened through the verifying reader: whoever sends damaged bytes is named, and not the build.
            Some(base) => Ok(Box::pin(crate::store::open(base.as_ref(), descriptor).await?)),
            None => Err(StoreError::blob_not_found(descriptor, self.describe())),
        }
    }

    fn origin(&self, descriptor: &Descriptor) -> Option<Repository> {
        if self.layers.contains_key(&descriptor.digest) {
            return None;
        }
        self.bases.get(&descriptor.digest)?.origin(descriptor)
    }
}

/// How much of a packed layer is read at once: large enough that the way between threads does not show.
const CHUNK_BYTES: usize = 256 * 1024;

/// A packed layer read on threads that may block.
fn in_background(reader: LayerReader) -> impl AsyncRead {
    let chunks = stream::try_unfold(reader, |mut reader| async move {
        let read = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; CHUNK_BYTES];
            let size = reader.read(&mut chunk)?;
            chunk.truncate(size);
            Ok::<_, io::Error>((Bytes::from(chunk), reader))
        });
        let (chunk, reader) = read.await.map_err(io::Error::other)??;
        Ok::<_, io::Error>((!chunk.is_empty()).then_some((chunk, reader)))
    });
    StreamReader::new(Box::pin(chunks))
}
