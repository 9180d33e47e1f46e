//! Writes content that is in memory.

use bytes::Bytes;

use super::error::StoreError;
use super::memory::MemoryStore;
use super::sink::Sink;
use crate::model::{Descriptor, Digest, MediaType};

/// Ensures that a blob with these bytes exists in `sink`, and returns its descriptor.
pub async fn put_bytes(sink: &dyn Sink, media_type: MediaType, bytes: Bytes) -> Result<Descriptor, StoreError> {
    let descriptor = Descriptor::new(media_type, Digest::of(&bytes), bytes.len() as u64);
    let source = MemoryStore::new("memory").with_blob(&descriptor, bytes);
    sink.ensure(&descriptor, &source).await?;
    Ok(descriptor)
}
