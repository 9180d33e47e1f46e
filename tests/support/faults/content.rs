//! The content of a registry in memory. Blobs are in unnamed files, so that they may be large.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Returns `sha256:…` of some bytes.
pub fn digest(bytes: &[u8]) -> String {
    named(Sha256::new_with_prefix(bytes))
}

fn named(hash: Sha256) -> String {
    let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// A blob: its size, and its bytes if they are kept.
#[derive(Debug, Clone)]
pub struct Blob {
    pub file: Option<Arc<File>>,
    pub size_bytes: u64,
}

impl Blob {
    /// Returns all bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.size_bytes).unwrap()];
        self.file
            .as_ref()
            .expect("this registry keeps its blobs")
            .read_exact_at(&mut bytes, 0)
            .unwrap();
        bytes
    }
}

/// Bytes that arrive. They are counted and hashed, and kept if they are read again.
pub struct Arriving {
    file: Option<File>,
    hash: Sha256,
    pub size_bytes: u64,
}

impl Arriving {
    pub fn new(is_kept: bool) -> Self {
        let file = is_kept.then(|| tempfile::tempfile().unwrap());
        Self {
            file,
            hash: Sha256::new(),
            size_bytes: 0,
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if let Some(file) = &mut self.file {
            file.write_all(bytes).unwrap();
        }
        self.hash.update(bytes);
        self.size_bytes += bytes.len() as u64;
    }

    /// Returns a copy of the current state, for [`Arriving::rewind`].
    pub fn mark(&self) -> (Sha256, u64) {
        (self.hash.clone(), self.size_bytes)
    }

    /// Returns to a state.
    pub fn rewind(&mut self, (hash, size_bytes): (Sha256, u64)) {
        if let Some(file) = &mut self.file {
            file.set_len(size_bytes).unwrap();
            file.seek(SeekFrom::Start(size_bytes)).unwrap();
        }
        (self.hash, self.size_bytes) = (hash, size_bytes);
    }

    pub fn digest(&self) -> String {
        named(self.hash.clone())
    }

    pub fn into_blob(self) -> Blob {
        Blob {
            file: self.file.map(Arc::new),
            size_bytes: self.size_bytes,
        }
    }
}

/// A manifest or an index, as it was put.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub media_type: String,
    pub bytes: Vec<u8>,
}

impl Manifest {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// Returns the digests that it names: of blobs, and of manifests.
    pub fn children(&self) -> (Vec<String>, Vec<String>) {
        let json = self.json();
        let digests = |value: &Value| -> Vec<String> {
            let all = value.as_array().into_iter().flatten();
            all.filter_map(|entry| entry["digest"].as_str())
                .map(ToOwned::to_owned)
                .collect()
        };
        let mut blobs = digests(&json["layers"]);
        blobs.extend(json["config"]["digest"].as_str().map(ToOwned::to_owned));
        (blobs, digests(&json["manifests"]))
    }
}

/// The content of one repository.
#[derive(Debug, Clone, Default)]
pub struct Repository {
    pub blobs: BTreeSet<String>,
    pub manifests: BTreeMap<String, Manifest>,
    pub tags: BTreeMap<String, String>,
}

/// The content of all repositories.
#[derive(Default)]
pub struct Contents {
    pub repositories: BTreeMap<String, Repository>,
    pub blobs: BTreeMap<String, Blob>,
}

impl Contents {
    /// Returns a blob of a repository.
    pub fn blob(&self, repository: &str, digest: &str) -> Option<Blob> {
        let has = self
            .repositories
            .get(repository)
            .is_some_and(|repository| repository.blobs.contains(digest));
        self.blobs.get(digest).filter(|_| has).cloned()
    }

    pub fn put_blob(&mut self, repository: &str, digest: &str, blob: Blob) {
        self.blobs.entry(digest.to_owned()).or_insert(blob);
        self.link_blob(repository, digest);
    }

    /// Adds a blob of the registry to a repository.
    pub fn link_blob(&mut self, repository: &str, digest: &str) {
        self.repositories
            .entry(repository.to_owned())
            .or_default()
            .blobs
            .insert(digest.to_owned());
    }

    /// Returns a manifest by tag or digest, and its digest.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Manifest)> {
        let repository = self.repositories.get(repository)?;
        let digest = repository.tags.get(reference).map_or(reference, String::as_str);
        Some((digest.to_owned(), repository.manifests.get(digest)?.clone()))
    }

    pub fn put_manifest(&mut self, repository: &str, reference: &str, manifest: Manifest) -> String {
        let digest = digest(&manifest.bytes);
        let repository = self.repositories.entry(repository.to_owned()).or_default();
        if !reference.starts_with("sha256:") {
            repository.tags.insert(reference.to_owned(), digest.clone());
        }
        repository.manifests.insert(digest.clone(), manifest);
        digest
    }

    /// Returns a digest that a manifest names and that does not exist.
    pub fn missing(&self, repository: &str, manifest: &Manifest) -> Option<String> {
        let (blobs, manifests) = manifest.children();
        let repository = self.repositories.get(repository);
        let lacks_blob = |digest: &&String| !repository.is_some_and(|repository| repository.blobs.contains(*digest));
        let lacks_manifest =
            |digest: &&String| !repository.is_some_and(|repository| repository.manifests.contains_key(*digest));
        blobs
            .iter()
            .find(lacks_blob)
            .or(manifests.iter().find(lacks_manifest))
            .cloned()
    }
}
