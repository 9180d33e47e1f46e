//! Writing of an oci-archive: `oci-layout`, the blobs as they arrive, and `index.json` last.

use async_trait::async_trait;

use super::sink::BlobArchive;
use super::writer::Output;
use crate::model::{Descriptor, Reference, Repository, Root, Tag};
use crate::store::{INDEX_NAME, LAYOUT_MARKER, LAYOUT_MARKER_NAME, LayoutIndex, Sink, Source, StoreError, named};

/// An oci-archive that one image is written to.
pub struct OciArchiveSink {
    archive: BlobArchive,
    repository: Option<Repository>,
    ref_name: Option<String>,
}

impl OciArchiveSink {
    /// Returns an archive for an image of the repository `repository`. `ref_name` is the name in the output itself
    /// (`oci-archive:FILE:NAME`): it is written as it is. Without it the image is listed by its full name with the
    /// first published tag, since podman loads a bare tag as `localhost/TAG`.
    ///
    /// Nothing is written before the first blob.
    pub fn new(output: Output, repository: Option<Repository>, ref_name: Option<String>) -> Self {
        let archive = BlobArchive::new("oci-archive", output, vec![(LAYOUT_MARKER_NAME, LAYOUT_MARKER)]);
        Self {
            archive,
            repository,
            ref_name,
        }
    }

    /// Returns the one descriptor of the archive: podman refuses to select among several.
    fn listed(&self, root: &Descriptor, tags: &[Tag]) -> Descriptor {
        let full_name = |tag: &str| {
            let tag: Tag = tag.parse().ok()?;
            self.repository.as_ref().map(|repository| format!("{repository}:{tag}"))
        };
        match (&self.ref_name, tags.first()) {
            (Some(name), _) => {
                let is_full = name.parse::<Reference>().is_ok();
                let full_name = if is_full { Some(name.clone()) } else { full_name(name) };
                named(root, name, full_name.as_deref())
            }
            (None, Some(tag)) => {
                let full_name = full_name(tag.as_str());
                named(root, full_name.as_deref().unwrap_or(tag.as_str()), full_name.as_deref())
            }
            (None, None) => root.clone(),
        }
    }
}

#[async_trait]
impl Sink for OciArchiveSink {
    fn describe(&self) -> String {
        self.archive.place()
    }

    fn is_local(&self) -> bool {
        true
    }

    /// Returns 1, since the order of the blobs determines the order of the bytes.
    fn concurrency_limit(&self) -> usize {
        1
    }

    /// Returns `true` for content that was put into this archive. A file that it will replace does not count.
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        Ok(self.archive.contains(&descriptor.digest).await)
    }

    async fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<(), StoreError> {
        self.archive.put(descriptor, source).await
    }

    /// Completes the archive and moves it into place. Only the first tag is listed. It can be called once.
    async fn publish(&self, root: &Root, tags: &[Tag]) -> Result<(), StoreError> {
        let listed = self.listed(root.descriptor(), tags);
        let root = root.clone();
        self.archive
            .change(move |state| {
                state.blob(&root.descriptor().digest, root.bytes())?;
                state
                    .writer
                    .file(INDEX_NAME, &LayoutIndex::new(vec![listed]).to_bytes()?)?;
                state.writer.finish()
            })
            .await
    }
}
