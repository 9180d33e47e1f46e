//! Layouts as other tools write them, created without ocitect.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// A layout that a test writes.
pub struct Foreign {
    pub directory: PathBuf,
}

impl Foreign {
    /// An empty layout without `index.json`.
    pub fn new(directory: &Path) -> Self {
        fs::create_dir_all(directory.join("blobs/sha256")).unwrap();
        fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Writes a blob. Returns its descriptor.
    pub fn blob(&self, bytes: &[u8], media_type: &str) -> Value {
        let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(self.directory.join("blobs/sha256").join(&hex), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len() })
    }

    /// Writes a document of the media type in its own field.
    pub fn document(&self, document: &Value) -> Value {
        let media_type = document["mediaType"].as_str().unwrap().to_owned();
        self.blob(document.to_string().as_bytes(), &media_type)
    }

    /// An image of one layer with the file `/etc/base`, listed for its platform.
    pub fn image(&self, platform: &str) -> Value {
        self.image_with(platform, |_, _| {})
    }

    /// Writes such an image with config and manifest changed.
    pub fn image_with(&self, platform: &str, change: impl FnOnce(&mut Value, &mut Value)) -> Value {
        let tar = tar_of("etc/base", platform.as_bytes());
        let layer = self.blob(&tar, LAYER);
        let diff_id = layer["digest"].clone();
        let mut parts = platform.split('/');
        let mut named = json!({ "os": parts.next().unwrap(), "architecture": parts.next().unwrap() });
        if let Some(variant) = parts.next() {
            named["variant"] = variant.into();
        }
        let mut config = named.clone();
        config["rootfs"] = json!({ "type": "layers", "diff_ids": [diff_id] });
        config["config"] = json!({});
        let mut manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": null, "layers": [layer] });
        change(&mut config, &mut manifest);
        if manifest["config"].is_null() {
            manifest["config"] = self.blob(config.to_string().as_bytes(), CONFIG);
        }
        let mut entry = self.document(&manifest);
        entry["platform"] = named;
        entry
    }

    /// Writes an SBOM like `oras attach`; `artifactType` is only in the manifest.
    pub fn artifact(&self) -> Value {
        let empty = self.blob(b"{}", EMPTY);
        self.document(&json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/spdx+json",
            "config": empty, "layers": [empty],
        }))
    }

    /// Writes an attestation like BuildKit.
    pub fn attestation(&self) -> Value {
        let mut entry = self.image_with("unknown/unknown", |_, _| {});
        entry["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
        entry
    }

    pub fn index(&self, entries: &[Value]) -> Value {
        self.document(&json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries }))
    }

    /// Writes `index.json`, with each entry under its tag, if it has one.
    pub fn list(&self, entries: &[(Value, &str)]) -> &Self {
        let named = entries.iter().map(|(entry, tag)| {
            if tag.is_empty() {
                entry.clone()
            } else {
                tagged(entry, tag)
            }
        });
        self.write_index(&json!({ "schemaVersion": 2, "manifests": named.collect::<Vec<_>>() }))
    }

    pub fn write_index(&self, index: &Value) -> &Self {
        fs::write(self.directory.join("index.json"), index.to_string()).unwrap();
        self
    }
}

/// Returns an entry of an index without its platform.
pub fn without_platform(mut entry: Value) -> Value {
    entry.as_object_mut().unwrap().remove("platform");
    entry
}

fn tagged(entry: &Value, tag: &str) -> Value {
    let mut entry = entry.clone();
    entry["annotations"][REF_NAME] = tag.into();
    entry
}

/// Returns a tar of one file and its directory.
fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut tar = header("etc/", 0o755, 0, b'5').to_vec();
    tar.extend(header(name, 0o644, content.len(), b'0'));
    tar.extend(content);
    tar.resize(tar.len().next_multiple_of(512) + 1024, 0);
    tar
}

fn header(name: &str, mode: u32, size_bytes: usize, kind: u8) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{size_bytes:011o}"));
    put(136, "00000000000");
    put(148, "        ");
    put(257, "ustar\x0000");
    header[156] = kind;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
