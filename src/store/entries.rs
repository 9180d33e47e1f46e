//! The entries of an index: images with their platforms, and other entries (image-spec, image-index.md).
//!
//! Nested indexes are followed. An entry without a platform has that of its config, like in containerd's
//! `images.Manifest` and `skopeo inspect`. Attestations, signatures and other artifacts are not images.

use std::collections::BTreeSet;
use std::fmt;

use super::error::StoreError;
use super::read::{read_config, read_image, read_root};
use super::source::Source;
use crate::model::{Descriptor, Image, ImageIndex, MAX_INDEX_DEPTH, Platform, Root, escape};

/// Limit on nested indexes. Those in use have a handful; each costs a request.
const MAX_NESTED_INDEXES: usize = 64;

/// Limit on entries without a platform whose configs are read. The largest indexes in use have some dozen platforms;
/// each costs two requests.
const MAX_CONFIGS_READ: usize = 256;

/// Annotation of BuildKit: the relation of an entry to another one.
const REFERENCE_TYPE_ANNOTATION: &str = "vnd.docker.reference.type";

/// Annotation of BuildKit: the digest of that other entry.
pub(super) const REFERENCE_DIGEST_ANNOTATION: &str = "vnd.docker.reference.digest";

/// Architecture and OS of an entry that is for no platform.
const UNKNOWN: &str = "unknown";

/// An image that an index lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedImage {
    /// Its platform, with the names of [`Platform::normalized`]: the entry's, or else the config's.
    pub platform: Platform,
    /// Its manifest.
    pub descriptor: Descriptor,
}

/// An entry that was skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedEntry {
    /// Its digest, as written.
    pub digest: String,
    /// Its platform, as listed.
    pub platform: Option<Platform>,
    /// The reason, for people.
    pub reason: String,
}

impl fmt::Display for SkippedEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", escape(self.digest.as_bytes()))?;
        if let Some(platform) = &self.platform {
            write!(formatter, " ({platform})")?;
        }
        write!(formatter, ": {}", self.reason)
    }
}

impl SkippedEntry {
    fn new(descriptor: &Descriptor, reason: String) -> Self {
        let platform = descriptor.platform.as_ref().map(Platform::normalized);
        Self {
            digest: descriptor.digest.to_string(),
            platform,
            reason,
        }
    }
}

/// The entries of an index, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entries {
    /// The images. [`read_listed`] may find that one is not an image.
    pub images: Vec<ListedImage>,
    /// All other entries.
    pub skipped: Vec<SkippedEntry>,
}

impl Entries {
    /// Adds an image, unless it is listed for the same platform already.
    fn add(&mut self, listed: ListedImage) {
        let is_same = |known: &ListedImage| {
            (known.descriptor.digest, &known.platform) == (listed.descriptor.digest, &listed.platform)
        };
        if !self.images.iter().any(is_same) {
            self.images.push(listed);
        }
    }
}

/// A listed entry after reading.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "only a handful live at a time")]
pub enum ReadEntry {
    /// The entry is an image.
    Image(Image),
    /// The entry is not an image.
    Skipped(SkippedEntry),
}

/// Returns the digest of the image that an entry of an index is about, as written.
pub fn reference_of(entry: &Descriptor) -> Option<&str> {
    entry.annotations.get(REFERENCE_DIGEST_ANNOTATION).map(String::as_str)
}

/// Returns `true` if an entry says that it is about an image, or is for no platform: it is an attestation or the like.
pub fn is_attached(entry: &Descriptor) -> bool {
    let is_annotated = [REFERENCE_TYPE_ANNOTATION, REFERENCE_DIGEST_ANNOTATION]
        .iter()
        .any(|name| entry.annotations.contains_key(*name));
    is_annotated || entry.platform.as_ref().is_some_and(is_unknown)
}

/// Returns `true` for the platform of an entry that is for none.
pub fn is_unknown(platform: &Platform) -> bool {
    platform.os == UNKNOWN || platform.architecture == UNKNOWN
}

/// Returns why an entry of an index is not an image, as far as the entry says so, for people.
pub fn why_no_image(entry: &Descriptor) -> Option<String> {
    if let Some(kind) = entry.annotations.get(REFERENCE_TYPE_ANNOTATION) {
        let is_attestation = kind == "attestation-manifest";
        return Some(if is_attestation {
            "an attestation".to_owned()
        } else {
            format!("a {}", escape(kind.as_bytes()))
        });
    }
    if let Some(named) = entry.artifact_type() {
        return Some(format!("an artifact of type {}", escape(named.as_bytes())));
    }
    if !(entry.media_type.is_manifest() || entry.media_type.is_index()) {
        return Some(format!(
            "of media type {}",
            escape(entry.media_type.as_str().as_bytes())
        ));
    }
    entry
        .platform
        .as_ref()
        .filter(|platform| is_unknown(platform))
        .map(|_| "for an unknown platform".to_owned())
}

/// Lists the entries of an index and of the indexes inside it. A single manifest has none.
///
/// Reads indexes, and manifest and config of entries without a platform; no other manifest.
///
/// # Errors
/// Errors of reading, and [`StoreError::Malformed`] if there are too many of these.
pub async fn list_entries(source: &dyn Source, root: &Root) -> Result<Entries, StoreError> {
    let Root::Index(index) = root else {
        return Ok(Entries::default());
    };
    let mut entries = Entries::default();
    let mut seen = BTreeSet::from([root.descriptor().digest]);
    let mut configs_read = 0;
    // Indexes to read, the next one last.
    let mut todo: Vec<(Descriptor, usize)> = Vec::new();
    push_children(index.value(), 1, &mut todo, &mut entries);
    while let Some((entry, depth)) = todo.pop() {
        if let Some(reason) = why_no_image(&entry) {
            entries.skipped.push(SkippedEntry::new(&entry, reason));
        } else if entry.media_type.is_index() {
            if !seen.insert(entry.digest) {
                continue;
            }
            if depth > MAX_INDEX_DEPTH || seen.len() > MAX_NESTED_INDEXES {
                return Err(too_much(source, root));
            }
            if let Root::Index(nested) = read_root(source, &entry).await? {
                push_children(nested.value(), depth + 1, &mut todo, &mut entries);
            }
        } else if let Some(platform) = &entry.platform {
            entries.add(ListedImage {
                platform: platform.normalized(),
                descriptor: entry,
            });
        } else {
            configs_read += 1;
            if configs_read > MAX_CONFIGS_READ {
                return Err(too_much(source, root));
            }
            match platform_of_config(source, &entry).await? {
                Ok(platform) => entries.add(ListedImage {
                    platform,
                    descriptor: entry,
                }),
                Err(reason) => entries.skipped.push(SkippedEntry::new(&entry, reason)),
            }
        }
    }
    Ok(entries)
}

fn push_children(index: &ImageIndex, depth: usize, todo: &mut Vec<(Descriptor, usize)>, entries: &mut Entries) {
    todo.extend(index.manifests.iter().rev().map(|entry| (entry.clone(), depth)));
    entries.skipped.extend(index.unsupported.iter().map(|entry| {
        let reason = "its digest algorithm is not supported".to_owned();
        SkippedEntry {
            digest: entry.digest.clone(),
            platform: None,
            reason,
        }
    }));
}

/// Returns the platform in an image's config, or why it is not an image.
pub(super) async fn platform_of_config(
    source: &dyn Source,
    entry: &Descriptor,
) -> Result<Result<Platform, String>, StoreError> {
    let manifest = match read_root(source, entry).await? {
        Root::Manifest(manifest) => manifest,
        Root::Index(_) => return Ok(Err("an index listed as a manifest".to_owned())),
    };
    if let Some(reason) = manifest.value().why_no_image() {
        return Ok(Err(reason));
    }
    match read_config(source, manifest.value()).await {
        Ok(config) if config.value().names_platform() => Ok(Ok(config.value().platform().clone())),
        Ok(_) => Ok(Err("neither it nor its config has a platform".to_owned())),
        Err(StoreError::Document { cause, .. }) => Ok(Err(format!("it has no platform, and {cause}"))),
        Err(error) => Err(error),
    }
}

/// Reads a listed image, without comparing its config with the entry.
pub async fn read_listed(source: &dyn Source, entry: &Descriptor) -> Result<ReadEntry, StoreError> {
    let skipped = |reason| Ok(ReadEntry::Skipped(SkippedEntry::new(entry, reason)));
    let manifest = match read_root(source, entry).await? {
        Root::Manifest(manifest) => manifest,
        Root::Index(_) => return skipped("an index listed as a manifest".to_owned()),
    };
    if let Some(reason) = manifest.value().why_no_image() {
        return skipped(reason);
    }
    read_image(source, manifest).await.map(ReadEntry::Image)
}

/// Rejects an image whose config is for another platform than its entry. containerd and podman use the entry alone and
/// start an image that cannot run; podman warns.
///
/// # Errors
/// [`StoreError::Contradiction`].
pub fn check_listed(source: &dyn Source, listed: &ListedImage, image: &Image) -> Result<(), StoreError> {
    if !image.config().value().contradicts(&listed.platform) {
        return Ok(());
    }
    Err(StoreError::Contradiction {
        place: source.describe(),
        side: source.side(),
        manifest: listed.descriptor.digest,
        listed: Box::new(listed.platform.clone()),
        stated: Box::new(image.config().value().platform().clone()),
    })
}

fn too_much(source: &dyn Source, root: &Root) -> StoreError {
    let digest = root.descriptor().digest;
    let reason = format!(
        "{digest} has more than {MAX_NESTED_INDEXES} indexes inside, or {MAX_CONFIGS_READ} entries without a \
         platform, or nests deeper than {MAX_INDEX_DEPTH}"
    );
    StoreError::malformed(source.describe(), reason)
}
