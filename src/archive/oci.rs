//! Reading of an oci-archive: a tar of a layout.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;

use super::members::Members;
use super::section::{Section, SectionReader};
use crate::model::{Descriptor, Digest, MAX_MANIFEST_BYTES, Root, Selector, escape_path};
use crate::store::{
    BlobReader, INDEX_NAME, LAYOUT_MARKER_NAME, LayoutIndex, MAX_MARKER_BYTES, Side, Source, StoreError,
    check_layout_marker, resolve_listed,
};

/// An oci-archive that is read in place.
#[derive(Debug)]
pub struct OciArchive {
    place: String,
    index: LayoutIndex,
    blobs: BTreeMap<Digest, Section>,
}

impl OciArchive {
    /// Opens an archive, uncompressed or with gzip or zstd. A compressed one is decompressed once, into an unnamed file
    /// in the directory `spool`. Synchronous: reads every header, and no blob.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the file does not exist; [`StoreError::Malformed`] if it is not a tar, is truncated,
    /// or does not contain a layout.
    pub fn open(path: &Path, spool: &Path) -> Result<Self, StoreError> {
        let label = escape_path(path);
        let place = format!("oci-archive:{label}");
        let members = Members::open(path, spool, &place)?;
        let Some(marker) = members.read(LAYOUT_MARKER_NAME, MAX_MARKER_BYTES)? else {
            let is_docker = members.file("manifest.json")?.is_some();
            let error = StoreError::malformed(
                place,
                format!("it contains no OCI layout: it has no file {LAYOUT_MARKER_NAME}"),
            );
            return Err(if is_docker {
                error.with_help(format!("it is a docker save archive: write docker-archive:{label}"))
            } else {
                error
            });
        };
        check_layout_marker(&marker, &place)?;
        let Some(index) = members.read(INDEX_NAME, MAX_MANIFEST_BYTES)? else {
            return Err(StoreError::malformed(place, format!("it has no file {INDEX_NAME}")));
        };
        let index = LayoutIndex::parse(index, &place)?;
        Ok(Self {
            blobs: members.blobs(),
            index,
            place,
        })
    }

    /// Returns its `index.json`.
    #[cfg(test)]
    pub fn index(&self) -> &LayoutIndex {
        &self.index
    }
}

#[async_trait]
impl Source for OciArchive {
    fn describe(&self) -> String {
        self.place.clone()
    }

    fn side(&self) -> Side {
        Side::Local
    }

    /// A digest may be that of a listed image or of any manifest or index whose blob exists.
    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        resolve_listed(self, &self.index, selector, |digest| {
            Some(self.blobs.get(digest)?.size_bytes)
        })
        .await
    }

    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        let section = self.blobs.get(&descriptor.digest);
        let section = section.ok_or_else(|| StoreError::blob_not_found(descriptor, self.place.clone()))?;
        Ok(Box::pin(SectionReader::new(section.clone())))
    }
}
