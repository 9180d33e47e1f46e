//! OCI layouts, read without ocitect.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// An OCI layout, read without ocitect.
pub struct Layout {
    pub directory: PathBuf,
}

impl Layout {
    /// Returns the number of files in `blobs/sha256`.
    pub fn blob_count(&self) -> usize {
        fs::read_dir(self.directory.join("blobs/sha256")).unwrap().count()
    }

    /// Returns the bytes of a blob.
    pub fn blob(&self, digest: &str) -> Vec<u8> {
        let hex = digest.strip_prefix("sha256:").unwrap();
        fs::read(self.directory.join("blobs/sha256").join(hex)).unwrap()
    }

    /// Returns a JSON blob.
    pub fn json(&self, digest: &str) -> Value {
        serde_json::from_slice(&self.blob(digest)).unwrap()
    }

    /// Returns `index.json`.
    pub fn index(&self) -> Value {
        serde_json::from_slice(&fs::read(self.directory.join("index.json")).unwrap()).unwrap()
    }

    /// Returns the digest that a tag names.
    #[track_caller]
    pub fn digest(&self, tag: &str) -> String {
        let index = self.index();
        let named = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
        let entry = index["manifests"].as_array().unwrap().iter().find(named);
        let entry = entry.unwrap_or_else(|| panic!("no tag {tag} in {index}"));
        entry["digest"].as_str().unwrap().to_owned()
    }

    /// Returns the document that a tag names.
    #[track_caller]
    pub fn tagged(&self, tag: &str) -> Value {
        self.json(&self.digest(tag))
    }

    /// Returns the manifest of a platform (`linux/amd64`), below a tag.
    #[track_caller]
    pub fn manifest(&self, tag: &str, platform: &str) -> Value {
        let root = self.tagged(tag);
        let (os, architecture) = platform.split_once('/').unwrap();
        let named = |entry: &&Value| entry["platform"]["os"] == os && entry["platform"]["architecture"] == architecture;
        let entry = root["manifests"].as_array().unwrap().iter().find(named);
        let entry = entry.unwrap_or_else(|| panic!("no {platform} in {root}"));
        self.json(entry["digest"].as_str().unwrap())
    }

    /// Returns the config of a platform, below a tag.
    #[track_caller]
    pub fn config(&self, tag: &str, platform: &str) -> Value {
        self.json(self.manifest(tag, platform)["config"]["digest"].as_str().unwrap())
    }

    /// Returns the path of the blob of layer number `at` of a manifest.
    #[track_caller]
    pub fn layer_path(&self, manifest: &Value, at: usize) -> PathBuf {
        let digest = manifest["layers"][at]["digest"].as_str().unwrap();
        self.directory
            .join("blobs/sha256")
            .join(digest.strip_prefix("sha256:").unwrap())
    }
}
