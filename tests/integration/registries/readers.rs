//! Pushed images, read by other tools: oci-client, skopeo and podman.

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciImageIndex, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::registries::images::{at, write_spec};
use crate::support::{Sandbox, part, tool};

/// Pushes an image on the base. Returns its digest.
fn push(sandbox: &Sandbox, name: &str) -> String {
    write_spec(sandbox, name, &at("OPEN", "base:latest"));
    sandbox.ok(&["build", "--push", "-t", "1.0"]).digest()
}

fn sha256(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

#[test]
fn oci_client_pulls_every_document_and_blob() {
    let sandbox = Sandbox::new();
    let name = at("OPEN", "readers/oci-client");
    let digest = push(&sandbox, &name);
    // Its TLS requires a provider even for plain HTTP.
    let _ = rustls_graviola::default_provider().install_default();
    let client = Client::new(ClientConfig {
        protocol: ClientProtocol::Http,
        ..ClientConfig::default()
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let auth = RegistryAuth::Anonymous;
        let reference: Reference = format!("{name}:1.0").parse().unwrap();
        let accepted = [OCI_IMAGE_INDEX_MEDIA_TYPE];
        let (bytes, found) = client.pull_manifest_raw(&reference, &auth, &accepted).await.unwrap();
        assert_eq!((&found, &sha256(&bytes)), (&digest, &digest));
        let index: OciImageIndex = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(index.manifests.len(), 2);
        for child in index.manifests {
            let pinned: Reference = format!("{name}@{}", child.digest).parse().unwrap();
            let (bytes, _) = client
                .pull_manifest_raw(&pinned, &auth, &[OCI_IMAGE_MEDIA_TYPE])
                .await
                .unwrap();
            assert_eq!(sha256(&bytes), child.digest);
            let manifest: OciImageManifest = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(manifest.layers.len(), 3);
            for blob in manifest.layers.iter().chain([&manifest.config]) {
                let mut content = Vec::new();
                client.pull_blob(&reference, blob, &mut content).await.unwrap();
                assert_eq!(
                    (sha256(&content), content.len() as i64),
                    (blob.digest.clone(), blob.size)
                );
            }
        }
    });
}

#[test]
fn skopeo_inspects_and_copies() {
    let sandbox = Sandbox::new();
    let name = at("OPEN", "readers/skopeo");
    let digest = push(&sandbox, &name);
    let url = format!("docker://{name}:1.0");
    let raw = tool("skopeo", &["inspect", "--tls-verify=false", "--raw", &url]);
    assert_eq!(sha256(raw.as_bytes()), digest);
    let config = tool("skopeo", &["inspect", "--tls-verify=false", "--config", "--raw", &url]);
    let config: Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["config"]["Healthcheck"]["Retries"], 3);
    let target = format!("oci:{}:copied", sandbox.path("copied").display());
    tool(
        "skopeo",
        &["copy", "-q", "--all", "--src-tls-verify=false", &url, &target],
    );
    assert_eq!(sandbox.layout("copied").index()["manifests"][0]["digest"], digest);
    assert_eq!(
        sandbox
            .ok(&["inspect", "--json", "oci:copied"])
            .stdout
            .matches(&digest)
            .count(),
        1
    );
}

#[test]
fn podman_pulls_and_runs() {
    let sandbox = Sandbox::new();
    let name = at("OPEN", "readers/podman");
    push(&sandbox, &name);
    let image = format!("{name}:1.0");
    tool("podman", &["pull", "-q", "--tls-verify=false", &image]);
    let run = [
        "run",
        "--rm",
        "--network=none",
        &image,
        "/bin/cat",
        "/own/name",
        "/etc/motd",
    ];
    assert_eq!(tool("podman", &run), format!("{name}\na base image for tests\n"));
}

#[test]
fn what_skopeo_pushed_is_read() {
    let sandbox = Sandbox::new();
    let name = format!("{}:1", at("OPEN", "readers/from-skopeo"));
    let source = format!("oci:{}:latest", part("BASE_ZSTD"));
    tool(
        "skopeo",
        &[
            "copy",
            "-q",
            "--all",
            "--dest-tls-verify=false",
            &source,
            &format!("docker://{name}"),
        ],
    );
    let listed = sandbox
        .ok(&["ls", "--platform", "linux/arm64", &name, "/etc/motd"])
        .stdout;
    assert!(listed.starts_with("-rw-r--r--"), "{listed}");
    write_spec(&sandbox, "localhost/on-skopeo", &name);
    sandbox.ok(&["build"]);
}
