//! Small images to push, and the entries of a push in access logs.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Request, Sandbox, part, requests};

/// Returns `REGISTRY/REPOSITORY` at one of the test registries.
pub fn at(registry: &str, repository: &str) -> String {
    format!("{}/{repository}", part(&format!("REGISTRY_{registry}")))
}

/// Writes a spec for two platforms, with one layer on `base`.
pub fn write_spec(sandbox: &Sandbox, name: &str, base: &str) {
    write_spec_with(sandbox, name, base, "");
}

/// Writes such a spec with more lines in `[image]`.
pub fn write_spec_with(sandbox: &Sandbox, name: &str, base: &str, more: &str) {
    sandbox.write("files/name", format!("{name}\n"));
    let image = format!("[image]\nname = \"{name}\"\nbase = \"{base}\"\n{more}\n");
    let platforms = "platforms = [\"linux/amd64\", \"linux/arm64\"]\n";
    let layer = "[[layers]]\nname = \"own\"\nfiles = [{ from = \"files/\", to = \"/own\" }]\n";
    sandbox.spec(&format!("{image}{platforms}{layer}"));
}

/// Writes a layout `image` with a small image without a base. Returns its digest.
pub fn small_image(sandbox: &Sandbox) -> String {
    write_spec(sandbox, "localhost/small", "scratch");
    sandbox.ok(&["build", "-o", "oci:image"]).digest()
}

/// Copies the base of the tests to a repository for a single test, so that its requests can be counted.
pub fn own_base(sandbox: &Sandbox, registry: &str, repository: &str) -> String {
    let name = at(registry, repository);
    sandbox.ok(&["push", &format!("oci:{}", part("BASE")), &format!("{name}:latest")]);
    format!("{name}:latest")
}

/// Returns the digests of all layers of the base, over both platforms.
pub fn base_layers() -> BTreeSet<String> {
    let layout = crate::support::Layout {
        directory: part("BASE").into(),
    };
    let manifests = ["linux/amd64", "linux/arm64"].map(|platform| layout.manifest("latest", platform));
    let digest = |layer: &Value| layer["digest"].as_str().unwrap().to_owned();
    manifests
        .iter()
        .flat_map(|manifest| manifest["layers"].as_array().unwrap().iter().map(digest))
        .collect()
}

/// Returns the requests to a repository since the `skip`th. Requests a tag that does not exist, and waits until the log
/// has that request.
#[track_caller]
pub fn all_requests(sandbox: &Sandbox, registry: &str, repository: &str, skip: usize) -> Vec<Request> {
    let marker = format!("marker-{skip}");
    sandbox
        .run(&["inspect", &format!("{}:{marker}", at(registry, repository))])
        .expect(6);
    let end = format!("/manifests/{marker}");
    let mut found = requests(registry, repository, skip, |request| request.path.ends_with(&end));
    found.retain(|request| !request.path.ends_with(&end));
    found
}

/// Returns the number of requests to a repository, including those that mark the end.
#[track_caller]
pub fn count(sandbox: &Sandbox, registry: &str, repository: &str) -> usize {
    sandbox
        .run(&["inspect", &format!("{}:counted", at(registry, repository))])
        .expect(6);
    requests(registry, repository, 0, |request| {
        request.path.ends_with("/manifests/counted")
    })
    .len()
}

/// Returns `true` for requests that change nothing.
pub fn is_read(request: &Request) -> bool {
    matches!(request.method.as_str(), "GET" | "HEAD")
}

/// Returns `true` for the `GET` of one of these blobs.
pub fn is_get_of(request: &Request, digests: &BTreeSet<String>) -> bool {
    request.method == "GET"
        && digests
            .iter()
            .any(|digest| request.path.ends_with(&format!("/blobs/{digest}")))
}

/// Returns `true` for the `PUT` that ends an upload.
pub fn is_upload(request: &Request) -> bool {
    request.method == "PUT" && request.path.contains("/blobs/uploads/")
}

/// Returns `true` for a `POST` that mounts.
pub fn is_mount(request: &Request) -> bool {
    request.method == "POST" && request.path.contains("mount=")
}

/// Returns `true` for the `PUT` of a manifest.
pub fn is_manifest(request: &Request) -> bool {
    request.method == "PUT" && request.path.contains("/manifests/")
}
