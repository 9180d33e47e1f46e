//! Deletes the unreachable blobs of a layout.
//!
//! Reachable is what `index.json` lists, through indexes, manifests and every descriptor anywhere in them, and each
//! manifest or index whose `subject` is reachable (image-spec, manifest.md "subject"; a signature, an SBOM), with
//! everything that it reaches. This module must never guess: if something reachable is missing, damaged or of a kind
//! that could name more than this program knows of, nothing is deleted.
//!
//! Other processes of this program are kept from writing meanwhile. Other programs take no lock: they must not write at
//! the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;

use serde_json::Value;

use super::Layout;
use super::disk::{HoldKind, LOCK_TIMEOUT};
use crate::model::{Descriptor, Digest, MAX_MANIFEST_BYTES, Root, escape};
use crate::store::local::{parent, read_small, remove_abandoned, sync_directory};
use crate::store::{Side, StoreError};

/// The deleted and the remaining blobs of a layout.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrunedLayout {
    /// The unreachable blobs, with their sizes in bytes.
    pub removed: BTreeMap<Digest, u64>,
    /// The kept blobs, with their sizes in bytes.
    pub kept: BTreeMap<Digest, u64>,
}

impl Layout {
    /// Deletes every unreachable blob. With `is_dry_run` it only reports them, takes no lock and writes nothing. Waits
    /// for writers, at most [`LOCK_TIMEOUT`]; later writers wait for it. If it is killed, a part of the blobs is
    /// deleted.
    ///
    /// # Errors
    /// [`StoreError::Malformed`], [`StoreError::Damaged`] and [`StoreError::Document`] if it is not certain what is
    /// reachable: then nothing is deleted. [`StoreError::Io`] if a system call fails, or a writer takes too long.
    pub fn prune(&self, is_dry_run: bool) -> Result<PrunedLayout, StoreError> {
        // In the order in which writers take them.
        let _locks = if is_dry_run {
            None
        } else {
            Some((self.hold_blobs(HoldKind::Exclusive)?, self.lock(LOCK_TIMEOUT)?))
        };
        let index = self.index()?;
        if let Some(entry) = index.unsupported().first() {
            return Err(self.unknown_digest(&entry.digest));
        }
        let files = self.blob_files()?;
        let mut reach = Reach {
            layout: self,
            files: &files,
            reached: BTreeSet::new(),
            read: BTreeSet::new(),
        };
        reach.follow(
            index
                .descriptors()
                .iter()
                .map(|entry| Link::new(entry, Need::Listed))
                .collect(),
        )?;
        reach.follow_referrers()?;
        let reached = reach.reached;
        let (kept, removed) = files.into_iter().partition(|(digest, _)| reached.contains(digest));
        let pruned = PrunedLayout { removed, kept };
        if !is_dry_run {
            self.remove_blobs(&pruned.removed)?;
        }
        Ok(pruned)
    }

    /// Returns the error for an entry that cannot be followed, since its digest is not SHA-256.
    fn unknown_digest(&self, digest: &str) -> StoreError {
        let digest = escape(digest.as_bytes());
        let reason = format!("it lists {digest}, but only sha256 digests are supported");
        self.malformed(reason)
            .with_help("remove this image from the index; nothing was deleted")
    }

    /// Returns the existing blobs with their sizes. A file with another name, and anything but a regular file, is not a
    /// blob.
    fn blob_files(&self) -> Result<BTreeMap<Digest, u64>, StoreError> {
        self.check_blob_directories()?;
        let directory = self.blobs();
        let failed = |cause| StoreError::io("read", &directory, cause);
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(cause) => return Err(failed(cause)),
        };
        let mut files = BTreeMap::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let digest = entry
                .file_name()
                .to_str()
                .and_then(|name| format!("sha256:{name}").parse().ok());
            let metadata = entry.metadata().map_err(failed)?;
            if let (Some(digest), true) = (digest, metadata.is_file()) {
                files.insert(digest, metadata.len());
            }
        }
        Ok(files)
    }

    fn remove_blobs(&self, blobs: &BTreeMap<Digest, u64>) -> Result<(), StoreError> {
        for digest in blobs.keys() {
            let path = self.blob_path(digest);
            fs::remove_file(&path).map_err(|cause| StoreError::io("delete", &path, cause))?;
        }
        remove_abandoned(self.path());
        remove_abandoned(parent(&self.blobs()));
        if blobs.is_empty() {
            Ok(())
        } else {
            sync_directory(&self.blobs())
        }
    }
}

/// How certain it is that a descriptor refers to a blob of the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// An entry of an index: it must exist, and be of a kind whose own descriptors are known.
    Listed,
    /// A config or a layer: it must exist.
    Part,
    /// A descriptor in a field that this program does not use, such as `subject`: kept if it exists.
    Mentioned,
}

/// A descriptor to follow.
struct Link {
    descriptor: Descriptor,
    need: Need,
}

impl Link {
    fn new(descriptor: &Descriptor, need: Need) -> Self {
        Self {
            descriptor: descriptor.clone(),
            need,
        }
    }

    fn is_document(&self) -> bool {
        self.descriptor.media_type.is_index() || self.descriptor.media_type.is_manifest()
    }
}

/// The blobs reached so far.
struct Reach<'a> {
    layout: &'a Layout,
    /// All blobs of the layout.
    files: &'a BTreeMap<Digest, u64>,
    reached: BTreeSet<Digest>,
    /// Manifests and indexes whose descriptors were followed.
    read: BTreeSet<Digest>,
}

impl Reach<'_> {
    /// Follows descriptors to their end.
    fn follow(&mut self, mut links: Vec<Link>) -> Result<(), StoreError> {
        while let Some(link) = links.pop() {
            let digest = link.descriptor.digest;
            if !self.is_there(&link)? {
                continue;
            }
            self.reached.insert(digest);
            if link.is_document() {
                if self.read.insert(digest) {
                    let root = self.read_document(&link.descriptor)?;
                    if let Root::Index(index) = &root
                        && let Some(entry) = index.value().unsupported.first()
                    {
                        return Err(self.layout.unknown_digest(&entry.digest));
                    }
                    links.extend(self.links_of(&root));
                }
            } else if link.need == Need::Listed {
                return Err(self.unknown(&link.descriptor));
            }
        }
        Ok(())
    }

    /// Returns `false` for an optional blob that does not exist.
    fn is_there(&self, link: &Link) -> Result<bool, StoreError> {
        let Descriptor {
            media_type,
            digest,
            size_bytes,
            ..
        } = &link.descriptor;
        match self.files.get(digest) {
            Some(found_bytes) if found_bytes == size_bytes || link.need == Need::Mentioned => Ok(true),
            Some(found_bytes) => Err(self.damaged(digest, format!("{size_bytes} bytes"), format!("{found_bytes}"))),
            None if link.need == Need::Mentioned || media_type.is_foreign() => Ok(false),
            None => Err(self.refused(format!(
                "{digest} is missing, so the blobs that it refers to are unknown"
            ))),
        }
    }

    fn read_document(&self, descriptor: &Descriptor) -> Result<Root, StoreError> {
        let digest = &descriptor.digest;
        let bytes = read_small(&self.layout.blob_path(digest), MAX_MANIFEST_BYTES, &self.layout.place())?;
        let bytes = bytes.ok_or_else(|| {
            self.refused(format!(
                "{digest} is missing, so the blobs that it refers to are unknown"
            ))
        })?;
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(self.damaged(digest, digest.to_string(), found.to_string()));
        }
        let place = self.layout.place();
        Root::parse(Some(&descriptor.media_type), bytes).map_err(|cause| StoreError::Document {
            place,
            side: Side::Local,
            cause,
        })
    }

    /// Returns every descriptor of a document.
    fn links_of(&self, root: &Root) -> Vec<Link> {
        let (need, other) = match root {
            Root::Index(index) => (Need::Listed, &index.value().other),
            Root::Manifest(manifest) => (Need::Part, &manifest.value().other),
        };
        let mut links: Vec<Link> = root
            .children()
            .into_iter()
            .map(|child| Link::new(child, need))
            .collect();
        if let Root::Manifest(manifest) = root {
            links.extend(
                manifest
                    .value()
                    .subject
                    .iter()
                    .map(|subject| Link::new(subject, Need::Mentioned)),
            );
        }
        for value in other.values() {
            collect_mentioned(value, &mut links);
        }
        links
    }

    /// Follows referrers of reachable blobs, until there are no more.
    fn follow_referrers(&mut self) -> Result<(), StoreError> {
        let mut referrers = self.find_referrers()?;
        loop {
            let is_reached = |subject: &Digest| self.reached.contains(subject);
            let (found, others): (Vec<_>, Vec<_>) = referrers.into_iter().partition(|(_, subject)| is_reached(subject));
            if found.is_empty() {
                return Ok(());
            }
            for (digest, _) in found {
                let descriptor = self.descriptor_of(&digest)?;
                self.follow(vec![Link {
                    descriptor,
                    need: Need::Listed,
                }])?;
            }
            referrers = others;
        }
    }

    /// Returns the documents with a `subject` among the blobs that are not reached, with that subject.
    fn find_referrers(&self) -> Result<Vec<(Digest, Digest)>, StoreError> {
        let mut found = Vec::new();
        for (digest, size_bytes) in self.files {
            if *size_bytes > MAX_MANIFEST_BYTES || self.reached.contains(digest) {
                continue;
            }
            let bytes = read_small(&self.layout.blob_path(digest), MAX_MANIFEST_BYTES, &self.layout.place())?;
            let subject = bytes.as_deref().and_then(subject_of);
            found.extend(subject.map(|subject| (*digest, subject)));
        }
        Ok(found)
    }

    /// Returns the descriptor of a document that is not listed, from its own fields.
    fn descriptor_of(&self, digest: &Digest) -> Result<Descriptor, StoreError> {
        let bytes = read_small(&self.layout.blob_path(digest), MAX_MANIFEST_BYTES, &self.layout.place())?;
        let bytes = bytes.unwrap_or_default();
        let found = Digest::of(&bytes);
        if found != *digest {
            return Err(self.damaged(digest, digest.to_string(), found.to_string()));
        }
        let place = self.layout.place();
        let root = Root::parse(None, bytes).map_err(|cause| StoreError::Document {
            place,
            side: Side::Local,
            cause,
        })?;
        Ok(root.descriptor().clone())
    }

    fn damaged(&self, digest: &Digest, expected: String, actual: String) -> StoreError {
        StoreError::Damaged {
            digest: *digest,
            place: self.layout.place(),
            expected,
            actual,
            side: Side::Local,
        }
    }

    fn unknown(&self, descriptor: &Descriptor) -> StoreError {
        let media_type = escape(descriptor.media_type.as_str().as_bytes());
        self.refused(format!(
            "{} has the media type {media_type}, so the blobs that it refers to are unknown",
            descriptor.digest
        ))
    }

    fn refused(&self, reason: String) -> StoreError {
        self.layout
            .malformed(reason)
            .with_help("fix this image, or remove it from the index; nothing was deleted")
    }
}

/// Collects every descriptor anywhere in a value.
fn collect_mentioned(value: &Value, links: &mut Vec<Link>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect_mentioned(value, links)),
        Value::Object(fields) => {
            if let Ok(descriptor) = serde_json::from_value(value.clone()) {
                links.push(Link {
                    descriptor,
                    need: Need::Mentioned,
                });
            }
            fields.values().for_each(|value| collect_mentioned(value, links));
        }
        _ => {}
    }
}

/// Returns the digest of a document's `subject`. It is parsed leniently: a descriptor that cannot be followed is
/// rejected later, not skipped.
fn subject_of(bytes: &[u8]) -> Option<Digest> {
    bytes.trim_ascii_start().strip_prefix(b"{")?;
    let value: Value = serde_json::from_slice(bytes).ok()?;
    value.get("subject")?.get("digest")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests;
