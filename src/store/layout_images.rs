//! Selection of an image of a layout, in the cases in which the documents that `index.json` lists must be read.
//!
//! Some writers list the manifests of an image's platforms one by one, under one tag or under none. Here they are one
//! multi-platform image. crane then takes the list itself for the index; skopeo takes the first one of a tag and
//! refuses several without a tag; umoci refuses both. A layout may also list signatures and SBOMs, and some writers
//! list the manifests of an index again. These are not separate images.

use std::collections::BTreeSet;

use super::entries::platform_of_config;
use super::error::StoreError;
use super::layout_index::{LayoutIndex, names};
use super::read::{self, read_root};
use super::source::Source;
use crate::model::{
    Descriptor, Digest, Document, FULL_NAME_ANNOTATION, ImageIndex, MAX_MANIFEST_BYTES, MediaType, Platform,
    REF_NAME_ANNOTATION, Root, Selector,
};

/// Limit on the images that are read for a selection: more than the platforms of any image. A layout may list thousands
/// of images.
const MAX_IMAGES_READ: usize = 64;

/// Reads the image that `selector` names from a layout: one that `index` lists or, by its digest, any manifest or index
/// whose blob exists. `size_bytes` is the size of that blob, if it exists.
///
/// # Errors
/// [`StoreError::NotFound`] and [`StoreError::Several`] with the available names, and errors of reading.
pub async fn resolve_listed(
    source: &dyn Source,
    index: &LayoutIndex,
    selector: &Selector,
    size_bytes: impl Fn(&Digest) -> Option<u64>,
) -> Result<Root, StoreError> {
    if let Selector::Digest(digest) = selector {
        return by_digest(source, index, digest, size_bytes(digest)).await;
    }
    let place = source.describe();
    let hits = index.hits(selector, &place)?;
    match &hits[..] {
        [only] => read_root(source, only).await,
        hits if hits.len() > MAX_IMAGES_READ => Err(index.several(hits, &place)),
        hits => {
            let images = images_among(source, hits).await?;
            match &images[..] {
                [] => Err(index.several(hits, &place)),
                [only] => read_root(source, only).await,
                images => flat_image(source, images)
                    .await?
                    .ok_or_else(|| index.several(images, &place)),
            }
        }
    }
}

async fn by_digest(
    source: &dyn Source,
    index: &LayoutIndex,
    digest: &Digest,
    size_bytes: Option<u64>,
) -> Result<Root, StoreError> {
    if let Some(listed) = index.images().find(|entry| entry.digest == *digest) {
        return read_root(source, listed).await;
    }
    if let Some(size_bytes) = size_bytes {
        let descriptor = Descriptor::new(MediaType::OciManifest, *digest, size_bytes);
        let bytes = read::read_whole(source, &descriptor, MAX_MANIFEST_BYTES).await?;
        return read::parse_root(source, None, bytes);
    }
    // The index of an image whose platforms are listed one by one is not a blob.
    for group in groups(index) {
        let images = images_among(source, &group).await?;
        if let Some(root) = flat_image(source, &images).await?
            && root.descriptor().digest == *digest
        {
            return Ok(root);
        }
    }
    Err(index.not_found(&Selector::Digest(*digest), &source.describe()))
}

/// Returns groups of manifests with the same names, in the list's order.
fn groups(index: &LayoutIndex) -> Vec<Vec<&Descriptor>> {
    let mut groups: Vec<Vec<&Descriptor>> = Vec::new();
    for entry in index.images() {
        match groups.iter_mut().find(|group| names(group[0]) == names(entry)) {
            Some(group) if group.iter().any(|known| known.digest == entry.digest) => {}
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    groups.retain(|group| (2..=MAX_IMAGES_READ).contains(&group.len()));
    groups
}

/// Returns the `hits` that are separate images: no artifacts, and nothing that one of the indexes lists. An unreadable
/// document counts as an image.
async fn images_among<'a>(source: &dyn Source, hits: &[&'a Descriptor]) -> Result<Vec<&'a Descriptor>, StoreError> {
    let mut children = BTreeSet::new();
    let mut images = Vec::new();
    for hit in hits {
        match read_root(source, hit).await {
            Ok(Root::Manifest(manifest)) if manifest.value().why_no_image().is_some() => {}
            Ok(Root::Index(index)) => {
                children.extend(index.value().manifests.iter().map(|entry| entry.digest));
                images.push(*hit);
            }
            Ok(Root::Manifest(_)) | Err(StoreError::Document { .. } | StoreError::NotFound { .. }) => images.push(*hit),
            Err(error) => return Err(error),
        }
    }
    images.retain(|hit| !children.contains(&hit.digest));
    Ok(images)
}

/// Builds the index over manifests of the same names, or returns `None` if their platforms are not all different.
async fn flat_image(source: &dyn Source, images: &[&Descriptor]) -> Result<Option<Root>, StoreError> {
    let mut manifests: Vec<Descriptor> = Vec::new();
    for image in images {
        if !image.media_type.is_manifest() || names(image) != names(images[0]) {
            return Ok(None);
        }
        let Some(platform) = platform_of(source, image).await? else {
            return Ok(None);
        };
        if manifests
            .iter()
            .any(|other| other.platform.as_ref().is_some_and(|other| other.is_same_as(&platform)))
        {
            return Ok(None);
        }
        let mut entry = Descriptor {
            platform: Some(platform),
            ..(*image).clone()
        };
        entry
            .annotations
            .retain(|name, _| name != REF_NAME_ANNOTATION && name != FULL_NAME_ANNOTATION);
        manifests.push(entry);
    }
    if manifests.len() < 2 {
        return Ok(None);
    }
    let is_docker = manifests
        .iter()
        .all(|entry| entry.media_type == MediaType::DockerManifest);
    let media_type = if is_docker {
        MediaType::DockerIndex
    } else {
        MediaType::OciIndex
    };
    let index = ImageIndex {
        schema_version: 2,
        media_type: Some(media_type.clone()),
        manifests,
        unsupported: Vec::new(),
        annotations: Default::default(),
        other: Default::default(),
    };
    let index = Document::write(media_type, index).map_err(|cause| StoreError::Document {
        place: source.describe(),
        side: source.side(),
        cause,
    })?;
    Ok(Some(Root::Index(index)))
}

async fn platform_of(source: &dyn Source, image: &Descriptor) -> Result<Option<Platform>, StoreError> {
    match &image.platform {
        Some(platform) => Ok(Some(platform.clone())),
        None => match platform_of_config(source, image).await {
            Ok(platform) => Ok(platform.ok()),
            Err(StoreError::Document { .. } | StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        },
    }
}
