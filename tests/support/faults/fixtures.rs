//! Images for the tests of faults, made without a compressor, so that their sizes are known.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::Flavour;
use crate::support::faults::log::Log;
use crate::support::faults::proxy::Proxy;
use crate::support::{Layout, Outcome, Sandbox};

pub const MIB: u64 = 1024 * 1024;

/// Both platforms of most tests.
const PLATFORMS: &str = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n";

/// Bytes that no encoder compresses, the same in each run (splitmix64).
pub struct Noise(pub u64);

impl Noise {
    pub fn bytes(&mut self, size: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next())
            .flat_map(u64::to_le_bytes)
            .take(size)
            .collect()
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Writes a file of noise, in pieces.
pub fn write_noise(path: &Path, size_bytes: u64, seed: u64) {
    let mut file = File::create(path).unwrap();
    let mut noise = Noise(seed);
    for _ in 0..size_bytes / MIB {
        file.write_all(&noise.bytes(MIB as usize)).unwrap();
    }
    file.write_all(&noise.bytes((size_bytes % MIB) as usize)).unwrap();
}

/// Writes a layout `image` with one platform and one layer, of a file with so many bytes. Returns the image's digest.
pub fn one_layer(sandbox: &Sandbox, size_bytes: u64) -> String {
    write_noise(&sandbox.path("noise"), size_bytes, size_bytes);
    sandbox.spec(
        "[image]\ncompression = \"none\"\nplatforms = [\"linux/amd64\"]\n[[layers]]\nname = \"noise\"\n\
         files = [{ from = \"noise\", to = \"/noise\" }]\n",
    );
    sandbox.ok(&["build", "-o", "oci:image"]).digest()
}

/// The same for two platforms, which share the layer.
pub fn two_platforms(sandbox: &Sandbox, size_bytes: u64) -> String {
    write_noise(&sandbox.path("noise"), size_bytes, size_bytes);
    sandbox.spec(&format!(
        "[image]\ncompression = \"none\"\n{PLATFORMS}[[layers]]\nname = \"noise\"\n\
         files = [{{ from = \"noise\", to = \"/noise\" }}]\n"
    ));
    sandbox.ok(&["build", "-o", "oci:image"]).digest()
}

/// Returns the descriptor of the only layer of `image`.
pub fn layer(sandbox: &Sandbox) -> Layer {
    let layout = sandbox.layout("image");
    let manifest = layout.manifest("latest", "linux/amd64");
    let layer = &manifest["layers"][0];
    Layer {
        digest: layer["digest"].as_str().unwrap().to_owned(),
        size_bytes: layer["size"].as_u64().unwrap(),
    }
}

pub struct Layer {
    pub digest: String,
    pub size_bytes: u64,
}

/// Checks that every blob of a layout's image is the same in another layout.
#[track_caller]
pub fn assert_same(one: &Layout, other: &Layout) {
    let digest = |layout: &Layout| layout.index()["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let root = digest(one);
    assert_eq!(root, digest(other));
    let mut left = vec![root];
    while let Some(digest) = left.pop() {
        let bytes = one.blob(&digest);
        assert!(bytes == other.blob(&digest), "{digest} differs");
        let json: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let entries = ["manifests", "layers"]
            .into_iter()
            .filter_map(|list| json[list].as_array())
            .flatten();
        let named = entries
            .chain([&json["config"]])
            .filter_map(|entry| entry["digest"].as_str());
        left.extend(named.map(ToOwned::to_owned));
    }
}

/// The image of a sandbox and a registry, for a push or a pull that must succeed.
pub struct Voyage<'a> {
    pub sandbox: &'a Sandbox,
    pub fake: &'a Fake,
}

impl Voyage<'_> {
    /// Pushes the layout `image` to `host`, which leads to the registry. It must succeed, and the registry must then
    /// have the same image, byte for byte.
    #[track_caller]
    pub fn push(&self, host: &str, what: &str) -> Outcome {
        let pushed = self.sandbox.run(&["push", "oci:image", &format!("{host}/app:1")]);
        let log = self.fake.log().lines();
        assert_eq!(pushed.code, 0, "{what}\n{}\n{log:#?}", pushed.stderr);
        self.is_whole(what);
        pushed
    }

    /// Checks that the registry has `image` unchanged.
    #[track_caller]
    pub fn is_whole(&self, what: &str) {
        let contents = self.fake.contents();
        let layout = self.sandbox.layout("image");
        let root = layout.index()["manifests"][0]["digest"].as_str().unwrap().to_owned();
        let mut left = vec![root];
        while let Some(digest) = left.pop() {
            let bytes = layout.blob(&digest);
            let manifest = contents.manifest("app", &digest).map(|(_, manifest)| manifest);
            match manifest {
                Some(manifest) => {
                    assert_eq!(manifest.bytes, bytes, "{what}: {digest}");
                    let (blobs, manifests) = manifest.children();
                    left.extend(blobs.into_iter().chain(manifests));
                }
                None => {
                    let blob = contents.blob("app", &digest);
                    let blob = blob.unwrap_or_else(|| panic!("{what}: {digest} is not there"));
                    assert_eq!(blob.size_bytes, bytes.len() as u64, "{what}: {digest}");
                    assert_eq!(crate::support::faults::content::digest(&blob.bytes()), digest, "{what}");
                }
            }
        }
    }

    /// Copies the image to the layout `back`, which must succeed and be the same.
    #[track_caller]
    pub fn pull(&self, host: &str, what: &str) -> Outcome {
        let _ = std::fs::remove_dir_all(self.sandbox.path("back"));
        let pulled = self.sandbox.run(&["copy", &format!("{host}/app:1"), "oci:back:latest"]);
        let log = self.fake.log().lines();
        assert_eq!(pulled.code, 0, "{what}\n{}\n{log:#?}", pulled.stderr);
        assert_same(&self.sandbox.layout("image"), &self.sandbox.layout("back"));
        pulled
    }
}

/// A registry with the repository `app`, and a proxy in front of it.
pub fn stormy(flavour: Flavour) -> (Fake, Proxy) {
    let fake = Fake::start(flavour);
    fake.make("app");
    let proxy = Proxy::start(fake.host());
    (fake, proxy)
}

/// Returns the bytes of all bodies of PUT and PATCH to uploads.
pub fn uploaded_bytes(log: &Log) -> u64 {
    let uploads = log
        .of("PUT", "/blobs/uploads/")
        .into_iter()
        .chain(log.of("PATCH", "/blobs/uploads/"));
    uploads.map(|seen| seen.body_bytes).sum()
}
