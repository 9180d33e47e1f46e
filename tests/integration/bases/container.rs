//! Builds the spec of a sandbox for one platform and loads the image into podman, to run programs in it.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::support::{Sandbox, part, tool};

/// Tests share podman's storage: each image has a unique name.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A spec on the base for two platforms, with more text.
pub fn on_base(text: &str) -> String {
    on(&format!("oci:{}", part("BASE")), text)
}

/// A spec on any base, for two platforms.
pub fn on(base: &str, text: &str) -> String {
    format!(
        "[image]\nname = \"localhost/bases\"\nbase = \"{base}\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n{text}"
    )
}

/// An image in podman's storage.
pub struct Container {
    name: String,
    platform: &'static str,
}

impl Container {
    /// Builds for linux/amd64.
    #[track_caller]
    pub fn build(sandbox: &Sandbox) -> Self {
        Self::build_for(sandbox, "linux/amd64")
    }

    /// Builds for a platform.
    #[track_caller]
    pub fn build_for(sandbox: &Sandbox, platform: &'static str) -> Self {
        let name = format!("localhost/bases-{}:1", NEXT.fetch_add(1, Ordering::Relaxed));
        let archive = sandbox.path("image.tar");
        let output = format!("docker-archive:{}:{name}", archive.display());
        sandbox.ok(&["build", "--platform", platform, "-o", &output]);
        tool("podman", &["load", "-q", "-i", archive.to_str().unwrap()]);
        fs::remove_file(archive).unwrap();
        Self { name, platform }
    }

    /// Runs an applet of the busybox in the image; on arm64 with qemu.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> String {
        let program = ["/usr/bin/busybox"];
        if self.platform == "linux/amd64" {
            let head = ["run", "--rm", "--network=none", "--entrypoint"];
            return tool("podman", &[&head[..], &program, &[&*self.name], arguments].concat());
        }
        let qemu = tool("sh", &["-c", "command -v qemu-aarch64-static"]);
        let mount = format!("{}:/qemu:ro", qemu.trim());
        let head = [
            "run",
            "--rm",
            "--network=none",
            "--platform",
            self.platform,
            "-v",
            &mount,
            "--entrypoint",
            "/qemu",
        ];
        tool("podman", &[&head[..], &[&*self.name], &program, arguments].concat())
    }

    /// Runs the image's own command.
    #[track_caller]
    pub fn start(&self, arguments: &[&str]) -> String {
        let head = ["run", "--rm", "--network=none", &self.name];
        tool("podman", &[&head[..], arguments].concat())
    }

    /// Returns `MODE UID:GID` and the type (`directory`, `regular file`, `symbolic link`) of each path; links are not
    /// followed.
    #[track_caller]
    pub fn stat(&self, paths: &[&str]) -> Vec<String> {
        let said = self.run(&[&["stat", "-c", "%n %a %u:%g %F"], paths].concat());
        said.lines().map(str::to_owned).collect()
    }

    /// Returns all paths below `directory`, sorted.
    #[track_caller]
    pub fn find(&self, directory: &str) -> Vec<String> {
        let said = self.run(&["find", directory]);
        let mut paths: Vec<String> = said.lines().map(str::to_owned).collect();
        paths.sort();
        paths
    }

    /// Returns the output of `podman image inspect`.
    #[track_caller]
    pub fn inspect(&self) -> Value {
        let said = tool("podman", &["image", "inspect", &self.name]);
        serde_json::from_str::<Value>(&said).unwrap()[0].take()
    }
}

/// Writes a layout without ocitect: a single-manifest image of linux/amd64 over these layers, with the tag `latest`.
pub fn write_layout(directory: &Path, layers: &[(&str, Vec<u8>)], diff_ids: &[String]) {
    fs::create_dir_all(directory.join("blobs/sha256")).unwrap();
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let blob = |media_type: &str, bytes: &[u8]| -> Value {
        let hex = sha256(bytes);
        fs::write(directory.join("blobs/sha256").join(&hex), bytes).unwrap();
        serde_json::json!({ "mediaType": media_type, "digest": format!("sha256:{hex}"), "size": bytes.len() })
    };
    let layers: Vec<Value> = layers
        .iter()
        .map(|(media_type, bytes)| blob(media_type, bytes))
        .collect();
    let config = serde_json::json!({
        "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = blob(
        "application/vnd.oci.image.config.v1+json",
        config.to_string().as_bytes(),
    );
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest =
        serde_json::json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers });
    let mut manifest = blob(media_type, manifest.to_string().as_bytes());
    manifest["annotations"] = serde_json::json!({ "org.opencontainers.image.ref.name": "latest" });
    let index = serde_json::json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(directory.join("index.json"), index.to_string()).unwrap();
}

/// The hash of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
