//! Writing of a docker-archive: config and layers as they are stored, and `manifest.json` last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::json;

use super::docker::LIST_NAME;
use super::sink::BlobArchive;
use super::writer::Output;
use crate::model::{Descriptor, Digest, Document, ImageIndex, ImageManifest, Root, Tag, strict_json};
use crate::store::{Sink, Source, StoreError, read_root, why_no_image};

/// A docker-archive that one platform's image is written to.
pub struct DockerArchiveSink {
    archive: BlobArchive,
    names: Vec<String>,
    /// Manifests and indexes, which the archive cannot hold. The selected one names the config and the layers.
    documents: Mutex<BTreeMap<Digest, Root>>,
}

impl DockerArchiveSink {
    /// Returns an archive for an image of the given names, such as `ghcr.io/me/app:1.0`, which are written as they are,
    /// as `RepoTags`. Nothing is written before the first blob.
    pub fn new(output: Output, names: Vec<String>) -> Self {
        Self {
            archive: BlobArchive::new("docker-archive", output, Vec::new()),
            names,
            documents: Mutex::default(),
        }
    }

    /// A poisoned lock holds no partial change: each change is one insertion.
    fn document(&self, digest: &Digest) -> Option<Root> {
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(digest)
            .cloned()
    }

    /// Returns the manifest of the one platform that the archive can hold.
    fn only_manifest(&self, root: &Root) -> Result<Document<ImageManifest>, StoreError> {
        let index = match root {
            Root::Manifest(manifest) => return Ok(manifest.clone()),
            Root::Index(index) => index,
        };
        let images = self.images(index.value());
        match &images[..] {
            [(_, Some(manifest))] => Ok(manifest.clone()),
            [(entry, None)] => Err(StoreError::blob_not_found(entry, self.archive.place())),
            [] => Err(StoreError::Unsupported {
                place: self.archive.place(),
                what: format!("hold {}: it contains no image", root.descriptor().digest),
                help: Some("use an image".to_owned()),
            }),
            several => {
                let platform = |entry: &Descriptor| match &entry.platform {
                    Some(platform) => platform.to_string(),
                    None => entry.digest.to_string(),
                };
                let platforms: Vec<String> = several.iter().map(|(entry, _)| platform(entry)).collect();
                Err(StoreError::Unsupported {
                    place: self.archive.place(),
                    what: format!("hold {} platforms ({})", several.len(), platforms.join(", ")),
                    help: Some("choose one with --platform".to_owned()),
                })
            }
        }
    }

    /// Returns the images that an index and its nested indexes list, with the manifests that were put. The archive
    /// cannot hold other entries.
    fn images(&self, index: &ImageIndex) -> Vec<(Descriptor, Option<Document<ImageManifest>>)> {
        let mut images = Vec::new();
        let mut todo: Vec<Descriptor> = index.manifests.iter().rev().cloned().collect();
        let mut seen = BTreeSet::new();
        while let Some(entry) = todo.pop() {
            if why_no_image(&entry).is_some() || !seen.insert(entry.digest) {
                continue;
            }
            match self.document(&entry.digest) {
                Some(Root::Manifest(manifest)) if manifest.value().why_no_image().is_some() => {}
                Some(Root::Manifest(manifest)) => images.push((entry, Some(manifest))),
                Some(Root::Index(nested)) => todo.extend(nested.value().manifests.iter().rev().cloned()),
                None => images.push((entry, None)),
            }
        }
        images
    }
}

#[async_trait]
impl Sink for DockerArchiveSink {
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
        let digest = &descriptor.digest;
        Ok(self.document(digest).is_some() || self.archive.contains(digest).await)
    }

    /// A manifest or an index is stored in memory and not written.
    async fn put(&self, descriptor: &Descriptor, source: &dyn Source) -> Result<(), StoreError> {
        if !(descriptor.media_type.is_manifest() || descriptor.media_type.is_index()) {
            return self.archive.put(descriptor, source).await;
        }
        if self.document(&descriptor.digest).is_none() {
            let root = read_root(source, descriptor).await.map_err(StoreError::of_source)?;
            self.documents
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(descriptor.digest, root);
        }
        Ok(())
    }

    /// Completes the archive and moves it into place. The names are those from [`Self::new`]; `tags` are ignored. An
    /// index with more than one platform is [`StoreError::Unsupported`]. It can be called once.
    async fn publish(&self, root: &Root, _tags: &[Tag]) -> Result<(), StoreError> {
        let manifest = self.only_manifest(root)?;
        let names = self.names.clone();
        let place = self.archive.place();
        self.archive
            .change(move |state| {
                state.begin()?;
                let manifest = manifest.value();
                let layers = manifest
                    .layers
                    .iter()
                    .map(|layer| state.name_of(layer))
                    .collect::<Result<Vec<_>, _>>()?;
                let config = state.name_of(&manifest.config)?;
                let list = strict_json::canonical(&json!([{ "Config": config, "Layers": layers, "RepoTags": names }]))
                    .map_err(|cause| StoreError::malformed(place, cause.to_string()))?;
                state.writer.file(LIST_NAME, &list)?;
                state.writer.finish()
            })
            .await
    }
}
