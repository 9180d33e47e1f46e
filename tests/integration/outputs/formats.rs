//! The formats of an image: without an index, with Docker's media types, with other compressions.

use serde_json::{Value, json};

use crate::support::images::{write_spec, write_spec_for};
use crate::support::on_base;
use crate::support::{Sandbox, part, tool};

/// Loads the image for amd64 and runs the program in its layer.
fn podman_runs(sandbox: &Sandbox, name: &str) {
    sandbox.ok(&[
        "build",
        "--platform",
        "linux/amd64",
        "-t",
        name,
        "-o",
        "oci-archive:run.tar",
    ]);
    tool(
        "podman",
        &["load", "-q", "-i", sandbox.path("run.tar").to_str().unwrap()],
    );
    let run = ["run", "--rm", "--network=none", "--entrypoint", "/app/bin/greet", name];
    assert_eq!(tool("podman", &run), "greetings\n");
}

fn skopeo_copies(sandbox: &Sandbox, layout: &str, digest: &str) {
    let source = format!("oci:{}:latest", sandbox.path(layout).display());
    let target = format!("oci:{}:latest", sandbox.path("copied").display());
    tool(
        "skopeo",
        &["copy", "-q", "--all", "--preserve-digests", &source, &target],
    );
    assert_eq!(sandbox.layout("copied").index()["manifests"][0]["digest"], digest);
}

#[test]
fn one_platform_may_go_without_an_index() {
    let sandbox = Sandbox::new();
    write_spec_for(&sandbox, &format!("index = false\n{}", on_base()), &["linux/arm64"]);
    let built = sandbox.ok(&["build", "-o", "oci:out"]);
    let manifest = sandbox.layout("out").tagged("latest");
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 3);
    skopeo_copies(&sandbox, "out", &built.digest());
    write_spec(&sandbox, "index = false");
    sandbox.run(&["build", "-o", "oci:other"]).expect(2).says(&["index"]);
    assert!(!sandbox.path("other").exists());
}

#[test]
fn one_platform_has_an_index_unless_said_otherwise() {
    let sandbox = Sandbox::new();
    write_spec_for(&sandbox, "", &["linux/arm64"]);
    sandbox.ok(&["build", "-o", "oci:out"]);
    let index = sandbox.layout("out").tagged("latest");
    assert_eq!(
        index["manifests"][0]["platform"],
        json!({ "architecture": "arm64", "os": "linux" })
    );
}

#[test]
fn docker_types_are_used_throughout() {
    let sandbox = Sandbox::new();
    for base in ["BASE", "BASE_DOCKER"] {
        write_spec(
            &sandbox,
            &format!("media-types = \"docker\"\nbase = \"oci:{}\"", part(base)),
        );
        let output = format!("oci:out-{base}");
        sandbox.ok(&["build", "-o", &output]);
        let layout = sandbox.layout(&format!("out-{base}"));
        let list = layout.tagged("latest");
        assert_eq!(
            list["mediaType"],
            "application/vnd.docker.distribution.manifest.list.v2+json"
        );
        let manifest = layout.manifest("latest", "linux/amd64");
        assert_eq!(
            manifest["mediaType"],
            "application/vnd.docker.distribution.manifest.v2+json"
        );
        assert_eq!(
            manifest["config"]["mediaType"],
            "application/vnd.docker.container.image.v1+json"
        );
        for layer in manifest["layers"].as_array().unwrap() {
            assert_eq!(layer["mediaType"], "application/vnd.docker.image.rootfs.diff.tar.gzip");
        }
        assert_eq!(
            (&list["annotations"], &manifest["annotations"]),
            (&Value::Null, &Value::Null)
        );
    }
    // Podman reads Docker's media types from a registry or a docker-archive, not from a layout. It treats images with
    // the same config as one image, and keeps the first manifest.
    sandbox.write("files/of", "Docker's types\n");
    let name = format!("{}/formats/docker:1", part("REGISTRY_OPEN"));
    sandbox.ok(&["build", "--push", "-t", &name]);
    tool("podman", &["pull", "-q", "--tls-verify=false", &name]);
    let run = ["run", "--rm", "--network=none", "--entrypoint", "/app/bin/greet", &name];
    assert_eq!(tool("podman", &run), "greetings\n");
    assert_eq!(
        tool("podman", &["inspect", "--format", "{{.HealthCheck.Retries}}", &name]),
        "3\n"
    );

    write_spec(&sandbox, "media-types = \"docker\"\ncompression = \"zstd\"");
    sandbox.run(&["build", "-o", "oci:refused"]).expect(2).says(&[
        "Docker's media types do not support this compression",
        "media-types = \"oci\"",
    ]);
    write_spec(&sandbox, "media-types = \"docker\"\nannotations = { a = \"b\" }");
    sandbox
        .run(&["build", "-o", "oci:refused"])
        .expect(2)
        .says(&["annotations"]);
    assert!(!sandbox.path("refused").exists());
}

#[test]
fn zstd_and_plain_layers_are_read_by_podman_and_skopeo() {
    for (compression, media_type, name) in [
        (
            "zstd",
            "application/vnd.oci.image.layer.v1.tar+zstd",
            "localhost/formats/zstd:1",
        ),
        (
            "none",
            "application/vnd.oci.image.layer.v1.tar",
            "localhost/formats/plain:1",
        ),
        (
            "gzip",
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "localhost/formats/gzip:1",
        ),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("files/of", compression);
        write_spec(&sandbox, &format!("compression = \"{compression}\"\n{}", on_base()));
        let built = sandbox.ok(&["build", "-o", "oci:out"]);
        let manifest = sandbox.layout("out").manifest("latest", "linux/amd64");
        assert_eq!(manifest["layers"][2]["mediaType"], media_type);
        assert_eq!(
            manifest["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip",
            "the base's"
        );
        skopeo_copies(&sandbox, "out", &built.digest());
        podman_runs(&sandbox, name);
    }
}

#[test]
fn diff_ids_are_those_of_the_uncompressed_layers() {
    let sandbox = Sandbox::new();
    let mut diff_ids = Vec::new();
    for compression in ["gzip", "zstd", "none"] {
        write_spec(&sandbox, &format!("compression = \"{compression}\""));
        sandbox.ok(&["build", "-o", &format!("oci:{compression}")]);
        let layout = sandbox.layout(compression);
        diff_ids.push(layout.config("latest", "linux/arm64")["rootfs"]["diff_ids"].clone());
    }
    let manifest = sandbox.layout("none").manifest("latest", "linux/arm64");
    assert_eq!(diff_ids, vec![json!([manifest["layers"][0]["digest"]]); 3]);
}
