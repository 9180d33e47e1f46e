//! The image that a build produced, as a source to copy from: documents are in memory, own layers in temporary files,
//! the cache or an earlier image, and base layers in the base.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::build::layer::BuiltLayer;
use crate::model::{Descriptor, Digest, Image, Repository, Root, Selector};
use crate::store::{BlobReader, Side, Source, StoreError};

/// Everything that the root of a build refers to.
pub(crate) struct BuildOutput {
    root: Root,
    documents: BTreeMap<Digest, Bytes>,
    layers: BTreeMap<Digest, Arc<BuiltLayer>>,
    bases: BTreeMap<Digest, Arc<dyn Source>>,
}

impl BuildOutput {
    /// Creates a value whose root does not refer to anything yet.
    pub fn new(root: Root) -> Self {
        Self {
            root,
            documents: BTreeMap::new(),
            layers: BTreeMap::new(),
            bases: BTreeMap::new(),
        }
    }

    /// Returns the root.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Adds the config and the manifest of a platform.
    pub fn add_documents(&mut self, image: &Image) {
        let config = image.config();
        let manifest = image.manifest();
        self.documents
            .insert(config.descriptor().digest, config.bytes().clone());
        self.documents
            .insert(manifest.descriptor().digest, manifest.bytes().clone());
    }

    /// Adds a layer of the image itself.
    pub(super) fn add_layer(&mut self, layer: Arc<BuiltLayer>) {
        self.layers.insert(layer.layer.descriptor.digest, layer);
    }

    /// Adds the layers of a base.
    pub fn add_base(&mut self, base: &Image, source: &Arc<dyn Source>) {
        for (descriptor, _) in base.layers() {
            self.add_blob(descriptor, source);
        }
    }

    /// Adds a blob of another image.
    pub(super) fn add_blob(&mut self, descriptor: &Descriptor, source: &Arc<dyn Source>) {
        self.bases.insert(descriptor.digest, source.clone());
    }
}

#[async_trait]
impl Source for BuildOutput {
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
            return layer.open_unverified(descriptor).await;
        }
        match self.bases.get(digest) {
            // The verifying reader names the source of damaged bytes, so that the build is not blamed for them.
            Some(base) => Ok(Box::pin(crate::store::open(base.as_ref(), descriptor).await?)),
            None => Err(StoreError::blob_not_found(descriptor, self.describe())),
        }
    }

    fn origin(&self, descriptor: &Descriptor) -> Option<Repository> {
        // A layer that was packed here is read from here, even if the base has it too.
        match self.layers.get(&descriptor.digest) {
            Some(layer) => layer.origin(descriptor),
            None => self.bases.get(&descriptor.digest)?.origin(descriptor),
        }
    }
}
