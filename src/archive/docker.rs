//! Reading of a docker-archive, of any version of `docker save` since 1.10: an OCI manifest is built over its config
//! and its stored layers.

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use serde::Deserialize;

use super::members::Members;
use super::section::{Section, SectionReader};
use crate::compress::{Algorithm, sniff};
use crate::model::{
    Descriptor, Digest, Document, ImageManifest, MAX_CONFIG_BYTES, MAX_MANIFEST_BYTES, MediaType, Root, Selector,
    escape, escape_path,
};
use crate::store::local::hash;
use crate::store::{BlobReader, Candidate, Side, Source, StoreError, choose, not_found};

/// Name of the list of images.
pub(super) const LIST_NAME: &str = "manifest.json";

/// Number of first bytes of a layer that identify its compression.
const SNIFF_BYTES: u64 = 16;

/// A docker-archive that is read in place.
#[derive(Debug)]
pub struct DockerArchive {
    place: String,
    images: Vec<DockerImage>,
    blobs: BTreeMap<Digest, Section>,
}

#[derive(Debug)]
struct DockerImage {
    names: Vec<String>,
    manifest: Document<ImageManifest>,
}

/// One image of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

impl DockerArchive {
    /// Opens an archive, uncompressed or with gzip or zstd. A compressed one is decompressed once, into an unnamed file
    /// in the directory `spool`. Synchronous: reads and hashes every config and layer, since the archive does not have
    /// their digests.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if the file does not exist; [`StoreError::Malformed`] if it is not a tar, is truncated,
    /// is not a docker-archive, or is missing a part of an image.
    pub fn open(path: &Path, spool: &Path) -> Result<Self, StoreError> {
        let label = escape_path(path);
        let place = format!("docker-archive:{label}");
        let members = Members::open(path, spool, &place)?;
        let Some(list) = members.read(LIST_NAME, MAX_MANIFEST_BYTES)? else {
            let is_oci = members.file(crate::store::LAYOUT_MARKER_NAME)?.is_some();
            let error = StoreError::malformed(place, format!("it is not a docker-archive: it has no file {LIST_NAME}"));
            return Err(if is_oci {
                error.with_help(format!("it contains an OCI layout: write oci-archive:{label}"))
            } else {
                error
            });
        };
        // Duplicate keys are rejected here too, for the known fields; Docker's are capitalized.
        let list: Option<Vec<Listed>> = serde_json::from_slice(&list)
            .map_err(|cause| StoreError::malformed(&place, format!("cannot read its {LIST_NAME}: {cause}")))?;
        let mut reading = Reading {
            members: &members,
            place: &place,
            hashed: BTreeMap::new(),
            blobs: BTreeMap::new(),
        };
        let images = list
            .unwrap_or_default()
            .into_iter()
            .map(|listed| reading.image(listed))
            .collect::<Result<_, _>>()?;
        let blobs = reading.blobs;
        Ok(Self { images, blobs, place })
    }

    /// Returns each image's names (`RepoTags`), with the descriptor of the manifest that is built for it.
    #[cfg(test)]
    pub fn images(&self) -> impl Iterator<Item = (&[String], &Descriptor)> {
        self.images
            .iter()
            .map(|image| (image.names.as_slice(), image.manifest.descriptor()))
    }

    fn candidates(&self) -> Vec<Candidate> {
        let candidate = |image: &DockerImage| Candidate {
            names: image.names.clone(),
            digest: image.manifest.descriptor().digest,
        };
        self.images.iter().map(candidate).collect()
    }
}

/// State while the images are assembled.
struct Reading<'a> {
    members: &'a Members,
    place: &'a str,
    /// Digests by the offset of the hashed content: images share layers.
    hashed: BTreeMap<u64, Digest>,
    blobs: BTreeMap<Digest, Section>,
}

impl Reading<'_> {
    fn image(&mut self, listed: Listed) -> Result<DockerImage, StoreError> {
        let config = self.blob(&listed.config, |size_bytes, _| match size_bytes {
            0..=MAX_CONFIG_BYTES => Ok(MediaType::OciConfig),
            _ => Err(format!(
                "has {size_bytes} bytes, more than the limit of {MAX_CONFIG_BYTES}"
            )),
        })?;
        let layers = listed.layers.unwrap_or_default();
        let layers = layers
            .iter()
            .map(|name| self.blob(name, layer_type))
            .collect::<Result<_, _>>()?;
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: Some(MediaType::OciManifest),
            config,
            layers,
            annotations: BTreeMap::new(),
            subject: None,
            other: BTreeMap::new(),
        };
        let manifest = Document::write(MediaType::OciManifest, manifest).map_err(|cause| StoreError::Document {
            place: self.place.to_owned(),
            side: Side::Local,
            cause,
        })?;
        Ok(DockerImage {
            names: listed.repo_tags.unwrap_or_default(),
            manifest,
        })
    }

    /// Returns the descriptor of a stored member. `media_type` determines its type from size and first bytes, or
    /// returns what is wrong with it.
    fn blob(
        &mut self,
        name: &str,
        media_type: impl Fn(u64, &[u8]) -> Result<MediaType, String>,
    ) -> Result<Descriptor, StoreError> {
        let label = escape(name.as_bytes());
        let malformed = |what: &str| StoreError::malformed(self.place, format!("its {label} {what}"));
        let name = name.trim_start_matches("./");
        let section = self.members.linked_file(name)?.ok_or_else(|| malformed("is missing"))?;
        let prefix = Section {
            size_bytes: section.size_bytes.min(SNIFF_BYTES),
            ..section.clone()
        };
        let prefix = self.members.read_section(name, prefix, SNIFF_BYTES)?;
        let media_type = media_type(section.size_bytes, &prefix).map_err(|what| malformed(&what))?;
        let digest = match self.hashed.get(&section.offset) {
            Some(digest) => *digest,
            None => {
                let (digest, size_bytes) = hash(section.clone()).map_err(|cause| self.members.failed(&label, cause))?;
                if size_bytes != section.size_bytes {
                    return Err(malformed("was truncated while it was read"));
                }
                self.hashed.insert(section.offset, digest);
                digest
            }
        };
        let descriptor = Descriptor::new(media_type, digest, section.size_bytes);
        self.blobs.insert(digest, section);
        Ok(descriptor)
    }
}

fn layer_type(_: u64, prefix: &[u8]) -> Result<MediaType, String> {
    match sniff(prefix) {
        Ok(Algorithm::None) => Ok(MediaType::OciLayer),
        Ok(Algorithm::Gzip) => Ok(MediaType::OciLayerGzip),
        Ok(Algorithm::Zstd) => Ok(MediaType::OciLayerZstd),
        Err(error) => Err(format!("cannot be used: {error}")),
    }
}

#[async_trait]
impl Source for DockerArchive {
    fn describe(&self) -> String {
        self.place.clone()
    }

    fn side(&self) -> Side {
        Side::Local
    }

    /// A name is looked up in `RepoTags`, as written, in Docker's full form, and as a tag; a digest is that of the
    /// manifest that is built.
    async fn resolve(&self, selector: &Selector) -> Result<Root, StoreError> {
        let candidates = self.candidates();
        match choose(&candidates, selector, &self.place)? {
            Some(at) => Ok(Root::Manifest(self.images[at].manifest.clone())),
            None => Err(not_found(&candidates, selector, &self.place)),
        }
    }

    async fn open_unverified(&self, descriptor: &Descriptor) -> Result<BlobReader, StoreError> {
        let digest = &descriptor.digest;
        if let Some(section) = self.blobs.get(digest) {
            return Ok(Box::pin(SectionReader::new(section.clone())));
        }
        let made = self
            .images
            .iter()
            .find(|image| image.manifest.descriptor().digest == *digest);
        let made = made.ok_or_else(|| StoreError::blob_not_found(descriptor, self.place.clone()))?;
        Ok(Box::pin(std::io::Cursor::new(made.manifest.bytes().clone())))
    }
}
