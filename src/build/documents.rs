//! Reads the manifest and config of an image: from the cache if they are stored there, else from the image's source.

use async_trait::async_trait;

use crate::build::cache::BuildCache;
use crate::model::{Descriptor, Image, MAX_CONFIG_BYTES, MediaType, Root, Selector};
use crate::store::{BlobReader, Side, Source, StoreError, read_image, read_root};

/// Reads the image that a manifest's descriptor refers to, and stores its documents.
pub(super) async fn read_documents(
    source: &dyn Source,
    cache: &BuildCache,
    manifest: &Descriptor,
) -> Result<Image, StoreError> {
    let cached = CachedDocuments { source, cache };
    let image = match read_root(&cached, manifest).await? {
        Root::Manifest(manifest) => read_image(&cached, manifest).await?,
        Root::Index(_) => {
            let reason = format!("{} is locked as a manifest, but it is an index", manifest.digest);
            return Err(StoreError::Malformed {
                place: source.describe(),
                reason,
                help: None,
            });
        }
    };
    keep_documents(cache, &image);
    Ok(image)
}

/// Stores the documents of an image.
pub(super) fn keep_documents(cache: &BuildCache, image: &Image) {
    cache.store_document(image.manifest().descriptor(), image.manifest().bytes());
    cache.store_document(image.config().descriptor(), image.config().bytes());
}

/// A source that looks for documents in the cache first.
struct CachedDocuments<'a> {
    source: &'a dyn Source,
    cache: &'a BuildCache,
}

#[async_trait]
impl Source for CachedDocuments<'_> {
    fn describe(&self) -> String {
        self.source.describe()
    }

    fn side(&self) -> Side {
        self.source.side()
    }

    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        self.source.resolve(selector).await
    }

    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        let is_config = matches!(descriptor.media_type, MediaType::OciConfig | MediaType::DockerConfig);
        let is_document = descriptor.media_type.is_manifest() || is_config;
        if is_document
            && descriptor.size_bytes <= MAX_CONFIG_BYTES
            && let Some(bytes) = self.cache.load_document(descriptor)
        {
            return Ok(Box::pin(std::io::Cursor::new(bytes)));
        }
        self.source.open_unverified(descriptor).await
    }
}
