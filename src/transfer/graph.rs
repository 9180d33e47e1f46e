//! The content of an image, each digest once, children before parents.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::model::{Descriptor, Digest, MAX_INDEX_DEPTH, Platform, Root};
use crate::store::{Source, StoreError, read_root};

/// Limit on the blobs and manifests of one image. The largest indexes in use list some hundred manifests of some
/// hundred layers.
pub const MAX_BLOBS: usize = 100_000;

/// Limit on the bytes of manifests that are kept until they are written: enough for hundreds of platforms. Others are
/// read again.
const MAX_KEPT_BYTES: usize = 4 * 1024 * 1024;

/// The blobs and the manifests below a root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    /// Configs and layers, in the order of the manifests, and entries of an index that are no manifests.
    pub blobs: Vec<Descriptor>,
    /// Manifests and indexes below the root, children before parents.
    pub manifests: Vec<Descriptor>,
    /// The manifests and indexes that name each blob or manifest.
    parents: BTreeMap<Digest, BTreeSet<Digest>>,
    /// The platforms of manifests, as their index names them.
    platforms: BTreeMap<Digest, Platform>,
    root: Option<Digest>,
    /// Manifests that were read, so that they need not be read again to be written.
    documents: BTreeMap<Digest, Bytes>,
}

impl Graph {
    /// Reads every manifest below `root`.
    pub async fn read(source: &dyn Source, root: &Root) -> Result<Self, StoreError> {
        let mut graph = Self {
            root: Some(root.descriptor().digest),
            ..Self::default()
        };
        let mut seen = BTreeSet::from([root.descriptor().digest]);
        // Manifests whose children are not read yet, the next one last.
        let mut todo: Vec<(Root, usize)> = vec![(root.clone(), 0)];
        // Parents before children; reversed at the end.
        let mut parents_first = Vec::new();
        let mut kept_bytes = 0;
        while let Some((parent, depth)) = todo.pop() {
            let mut below = Vec::new();
            refuse_unsupported(source, &parent)?;
            for child in parent.children() {
                graph
                    .parents
                    .entry(child.digest)
                    .or_default()
                    .insert(parent.descriptor().digest);
                if let Some(platform) = &child.platform {
                    graph.platforms.insert(child.digest, platform.clone());
                }
                if !seen.insert(child.digest) {
                    continue;
                }
                if seen.len() > MAX_BLOBS || depth > MAX_INDEX_DEPTH {
                    return Err(too_large(source, root));
                }
                let is_document = child.media_type.is_manifest() || child.media_type.is_index();
                if matches!(parent, Root::Index(_)) && is_document {
                    let root = read_root(source, child).await?;
                    kept_bytes += root.bytes().len();
                    if kept_bytes <= MAX_KEPT_BYTES {
                        graph.documents.insert(child.digest, root.bytes().clone());
                    }
                    below.push((root, depth + 1));
                    parents_first.push(child.clone());
                } else {
                    graph.blobs.push(child.clone());
                }
            }
            todo.extend(below.into_iter().rev());
        }
        graph.manifests = parents_first;
        graph.manifests.reverse();
        Ok(graph)
    }

    /// Returns the bytes of a manifest, if they were kept.
    pub(super) fn document(&self, digest: &Digest) -> Option<Bytes> {
        self.documents.get(digest).cloned()
    }

    /// Returns the platform of a manifest, or of a blob that manifests of one platform name.
    pub(super) fn platform(&self, digest: &Digest) -> Option<&Platform> {
        if let Some(platform) = self.platforms.get(digest) {
            return Some(platform);
        }
        let parents = self.parents.get(digest)?;
        let mut platforms = parents.iter().map(|parent| self.platforms.get(parent));
        let first = platforms.next()?;
        first.filter(|_| platforms.all(|other| other == first))
    }

    /// Returns the digests that are still needed if the `held` manifests exist with everything below them: those that
    /// can be reached from the root without passing a held manifest.
    pub fn wanted(&self, held: &BTreeSet<Digest>) -> BTreeSet<Digest> {
        let mut wanted = BTreeSet::from_iter(self.root);
        // Parents before children, so that one walk is enough.
        for descriptor in self.manifests.iter().rev().chain(&self.blobs) {
            let parents = self.parents.get(&descriptor.digest);
            let is_named = parents.is_some_and(|parents| !parents.is_disjoint(&wanted));
            if is_named && !held.contains(&descriptor.digest) {
                wanted.insert(descriptor.digest);
            }
        }
        wanted
    }
}

/// Rejects unsupported entries: an index cannot be copied without everything that it lists.
fn refuse_unsupported(source: &dyn Source, parent: &Root) -> Result<(), StoreError> {
    let Root::Index(index) = parent else { return Ok(()) };
    let Some(entry) = index.value().unsupported.first() else {
        return Ok(());
    };
    let listed = crate::model::escape(entry.digest.as_bytes());
    Err(StoreError::Unsupported {
        place: source.describe(),
        what: format!(
            "provide {} as a whole: it lists {listed}, but only sha256 digests are supported",
            index.descriptor().digest
        ),
        help: Some("copy one platform with --platform".to_owned()),
    })
}

fn too_large(source: &dyn Source, root: &Root) -> StoreError {
    StoreError::Malformed {
        place: source.describe(),
        reason: format!(
            "{} has more than {MAX_BLOBS} blobs, or indexes nested deeper than {MAX_INDEX_DEPTH}",
            root.descriptor().digest
        ),
        help: None,
    }
}
