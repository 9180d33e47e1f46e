//! An image of a registry for `--offline`: it opens nothing, and its errors name what is missing.

use async_trait::async_trait;

use crate::model::{Descriptor, MediaType, Reference, Root, Selector};
use crate::store::{BlobReader, Side, Source, StoreError};

/// An image of which only the content of the lockfile and the cache is available.
pub(super) struct OfflineImage {
    reference: Reference,
}

impl OfflineImage {
    pub fn new(reference: Reference) -> Self {
        Self { reference }
    }

    fn lacking(&self, what: String, place: &str) -> StoreError {
        let image = &self.reference;
        let help = format!(
            "build once without --offline into the same layout, or run `ocitect copy {image} oci:DIR` with a network \
             and use oci:DIR in the spec"
        );
        StoreError::NotFound {
            what,
            place: format!("{place} (--offline does not contact registries)"),
            help: Some(help),
        }
    }
}

#[async_trait]
impl Source for OfflineImage {
    fn describe(&self) -> String {
        self.reference.to_string()
    }

    fn side(&self) -> Side {
        Side::Remote
    }

    async fn resolve(&self, _: &Selector) -> Result<Root, StoreError> {
        Err(self.lacking(format!("a pin of {}", self.reference), "the lockfile"))
    }

    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        let kind = match &descriptor.media_type {
            MediaType::OciConfig | MediaType::DockerConfig => "the config",
            manifest if manifest.is_manifest() => "the manifest",
            index if index.is_index() => "the index",
            _ => "the layer",
        };
        let what = format!("{kind} {} of {}", descriptor.digest, self.reference);
        Err(self.lacking(what, "local storage"))
    }
}
