//! Reading of documents from a source: whole, verified, with a size limit.

use bytes::Bytes;
use tokio::io::AsyncReadExt as _;

use super::error::StoreError;
use super::source::Source;
use super::verified::open;
use crate::model::{
    Descriptor, Document, DocumentError, Image, ImageConfig, ImageManifest, MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES,
    MediaType, Root,
};

/// Reads a manifest or an index that a descriptor points to.
pub async fn read_root(source: &dyn Source, descriptor: &Descriptor) -> Result<Root, StoreError> {
    let bytes = read_whole(source, descriptor, MAX_MANIFEST_BYTES).await?;
    parse_root(source, Some(&descriptor.media_type), bytes)
}

/// Reads the config that a manifest points to. A manifest whose config is not an image config (an artifact) is
/// rejected.
pub async fn read_config(source: &dyn Source, manifest: &ImageManifest) -> Result<Document<ImageConfig>, StoreError> {
    let descriptor = &manifest.config;
    if !matches!(descriptor.media_type, MediaType::OciConfig | MediaType::DockerConfig) {
        let digest = descriptor.digest;
        let media_type = descriptor.media_type.clone();
        return Err(document_error(
            source,
            DocumentError::Unsupported { digest, media_type },
        ));
    }
    let bytes = read_whole(source, descriptor, MAX_CONFIG_BYTES).await?;
    Document::parse(descriptor.media_type.clone(), bytes).map_err(|cause| document_error(source, cause))
}

/// Reads the config of a manifest and returns both.
pub async fn read_image(source: &dyn Source, manifest: Document<ImageManifest>) -> Result<Image, StoreError> {
    let config = read_config(source, manifest.value()).await?;
    Image::new(manifest, config).map_err(|cause| document_error(source, cause))
}

/// Reads a blob whole into memory, verified. A descriptor over `limit_bytes` is rejected before the blob is opened; no
/// buffer is allocated by the descriptor's size.
pub(super) async fn read_whole(
    source: &dyn Source,
    descriptor: &Descriptor,
    limit_bytes: u64,
) -> Result<Bytes, StoreError> {
    let digest = descriptor.digest;
    let size_bytes = descriptor.size_bytes;
    if size_bytes > limit_bytes {
        return Err(document_error(
            source,
            DocumentError::TooLarge {
                digest,
                size_bytes,
                limit_bytes,
            },
        ));
    }
    let mut bytes = Vec::new();
    match open(source, descriptor).await?.read_to_end(&mut bytes).await {
        Ok(_) => Ok(bytes.into()),
        Err(cause) => Err(StoreError::from_reader(cause).unwrap_or_else(|cause| StoreError::Read {
            digest,
            place: source.describe(),
            side: source.side(),
            cause,
        })),
    }
}

/// Parses a manifest or an index from a source.
pub(super) fn parse_root(source: &dyn Source, declared: Option<&MediaType>, bytes: Bytes) -> Result<Root, StoreError> {
    Root::parse(declared, bytes).map_err(|cause| document_error(source, cause))
}

fn document_error(source: &dyn Source, cause: DocumentError) -> StoreError {
    StoreError::Document {
        place: source.describe(),
        side: source.side(),
        cause,
    }
}
