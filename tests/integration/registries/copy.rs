//! `copy` and `push` between places of every kind: the digest never changes.

use serde_json::Value;

use crate::registries::images::{
    all_requests, at, base_layers, is_get_of, is_mount, is_read, is_upload, own_base, small_image,
};
use crate::support::{Sandbox, is_put_of, part, requests};

fn inspect(sandbox: &Sandbox, image: &str) -> Value {
    serde_json::from_str(&sandbox.ok(&["inspect", "--json", image]).stdout).unwrap()
}

#[test]
fn an_image_keeps_its_digest_all_the_way_round() {
    let sandbox = Sandbox::new();
    let digest = small_image(&sandbox);
    let remote = format!("{}:1", at("OPEN", "copy/round"));
    let elsewhere = format!("{}:1", at("SECOND", "copy/round"));
    let steps = [
        ("oci:image", &*remote),
        (&remote, &elsewhere),
        (&elsewhere, "oci:again:x"),
        ("oci:again:x", "oci-archive:archive.tar"),
        (
            "oci-archive:archive.tar",
            &format!("docker://{}:2", at("OPEN", "copy/round")),
        ),
        ("oci-archive:archive.tar", "oci:last"),
    ];
    for (source, target) in steps {
        let copied = sandbox.ok(&["copy", source, target]);
        assert_eq!(copied.digest(), digest, "{source} to {target}");
        assert_eq!(copied.stdout.lines().count(), 1, "{}", copied.stdout);
    }
    assert_eq!(inspect(&sandbox, "oci:last")["digest"], *digest);
    assert_eq!(
        inspect(&sandbox, &format!("{}:2", at("OPEN", "copy/round")))["digest"],
        *digest
    );
}

#[test]
fn a_copy_within_a_registry_mounts() {
    let sandbox = Sandbox::new();
    let source = own_base(&sandbox, "OPEN", "copy/mount-source");
    sandbox.ok(&["copy", &source, &format!("{}:x", at("OPEN", "copy/mount"))]);
    let seen = requests("OPEN", "copy/mount", 0, is_put_of("x"));
    assert!(!seen.iter().any(is_upload), "{seen:#?}");
    // Layers and the two configs.
    assert_eq!(
        seen.iter().filter(|request| is_mount(request)).count(),
        base_layers().len() + 2,
        "{seen:#?}"
    );
    let of_source = all_requests(&sandbox, "OPEN", "copy/mount-source", 0);
    assert!(
        !of_source.iter().any(|request| is_get_of(request, &base_layers())),
        "{of_source:#?}"
    );
}

#[test]
fn a_copy_between_registries_streams_each_blob_once() {
    let sandbox = Sandbox::new();
    let source = own_base(&sandbox, "SECOND", "copy/stream");
    sandbox.ok(&["push", &source, &format!("{}:x", at("OPEN", "copy/stream"))]);
    let of_source = all_requests(&sandbox, "SECOND", "copy/stream", 0);
    let layers = base_layers();
    assert_eq!(
        of_source.iter().filter(|request| is_get_of(request, &layers)).count(),
        layers.len(),
        "{of_source:#?}"
    );
    let seen = requests("OPEN", "copy/stream", 0, is_put_of("x"));
    assert_eq!(
        seen.iter().filter(|request| is_upload(request)).count(),
        layers.len() + 2,
        "{seen:#?}"
    );
}

#[test]
fn docker_images_are_copied_as_they_are() {
    let sandbox = Sandbox::new();
    let layout = crate::support::Layout {
        directory: part("BASE_DOCKER").into(),
    };
    let expected = layout.index()["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let remote = format!("{}:1", at("OPEN", "copy/docker"));
    for (source, target) in [
        (format!("oci:{}", part("BASE_DOCKER")), &*remote),
        (remote.clone(), "oci:copied"),
        ("oci:copied".to_owned(), "oci-archive:copied.tar"),
    ] {
        assert_eq!(sandbox.ok(&["copy", &source, target]).digest(), expected, "{target}");
    }
    let root = sandbox.layout("copied").tagged("1");
    assert_eq!(
        root["mediaType"],
        "application/vnd.docker.distribution.manifest.list.v2+json"
    );
    assert_eq!(root, layout.tagged("latest"));
}

#[test]
fn one_platform_is_copied_as_the_manifest_that_it_is() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let platforms = inspect(&sandbox, "oci:image")["platforms"].clone();
    let arm64 = platforms[1]["digest"].as_str().unwrap();
    let remote = format!("{}:arm", at("OPEN", "copy/platform"));
    for (source, target) in [
        ("oci:image", &*remote),
        (&remote, "oci:arm"),
        ("oci:image", "docker-archive:arm.tar:localhost/x:1"),
    ] {
        let copied = sandbox.ok(&["copy", "--platform", "linux/arm64", source, target]);
        assert_eq!(copied.digest(), arm64, "{source} to {target}");
    }
    assert_eq!(
        inspect(&sandbox, &remote)["media_type"],
        "application/vnd.oci.image.manifest.v1+json"
    );
    let pushed = format!("{}:pushed", at("OPEN", "copy/platform"));
    assert_eq!(
        sandbox
            .ok(&["push", "--platform", "linux/arm64", "oci:image", &pushed])
            .digest(),
        arm64
    );
    sandbox
        .run(&["copy", "--platform", "linux/s390x", "oci:image", "oci:other"])
        .expect(6)
        .says(&["no image for linux/s390x"]);
    assert!(!sandbox.path("other").exists());
}

/// Writes a layout `image` of three platforms.
fn image_of_three(sandbox: &Sandbox) {
    sandbox.write("files/name", "small\n");
    let platforms = "[image]\nplatforms = [\"linux/amd64\", \"linux/arm64\", \"linux/s390x\"]\n";
    let rest = "annotations = { \"org.example.kept\" = \"yes\" }\n";
    let layer = "[[layers]]\nname = \"own\"\nfiles = [{ from = \"files/\", to = \"/own\" }]\n";
    sandbox.spec(&format!("{platforms}{rest}{layer}"));
    sandbox.ok(&["build", "-o", "oci:image"]);
}

#[test]
fn several_platforms_are_copied_as_an_index_of_these_alone() {
    let sandbox = Sandbox::new();
    image_of_three(&sandbox);
    let source = sandbox.layout("image").tagged("latest");
    let whole = inspect(&sandbox, "oci:image")["digest"].clone();
    let entries = source["manifests"].as_array().unwrap();
    let remote = format!("{}:two", at("OPEN", "copy/platforms"));
    // The order of the options does not matter.
    let first = sandbox.ok(&[
        "copy",
        "--platform",
        "linux/s390x,linux/amd64",
        "oci:image",
        "oci:two:2",
    ]);
    let again = [
        "copy",
        "--platform",
        "linux/amd64",
        "--platform",
        "linux/s390x",
        "oci:image",
        &remote,
    ];
    assert_eq!(sandbox.ok(&again).digest(), first.digest());
    let pushed = format!("{}:pushed", at("OPEN", "copy/platforms"));
    let push = ["push", "--platform", "linux/amd64,linux/s390x", "oci:image", &pushed];
    assert_eq!(sandbox.ok(&push).digest(), first.digest());
    let copied = sandbox.layout("two").tagged("2");
    assert_eq!(copied["manifests"], serde_json::json!([entries[0], entries[2]]));
    assert_eq!(copied["annotations"], source["annotations"]);
    assert_eq!(copied["mediaType"], source["mediaType"]);
    // The index, two manifests, their configs, and the layer that they share.
    assert_eq!(sandbox.layout("two").blob_count(), 6);
    assert_eq!(inspect(&sandbox, &remote)["digest"], *first.digest());
    // A copy of a copy is the same image. All platforms are the whole image.
    let further = sandbox.ok(&["copy", "--platform", "linux/amd64,linux/s390x", &remote, "oci:further"]);
    assert_eq!(further.digest(), first.digest());
    let all = "linux/amd64,linux/arm64,linux/s390x";
    assert_eq!(
        sandbox
            .ok(&["copy", "--platform", all, "oci:image", "oci:all"])
            .digest(),
        whole
    );
    // Two names of one platform are one platform.
    let twice = sandbox.ok(&[
        "copy",
        "--platform",
        "linux/arm64,linux/aarch64",
        "oci:image",
        "oci:one",
    ]);
    assert_eq!(twice.digest(), entries[1]["digest"]);
}

#[test]
fn platforms_that_the_source_does_not_have_are_refused_with_those_that_it_has() {
    let sandbox = Sandbox::new();
    image_of_three(&sandbox);
    for platforms in ["linux/amd64,linux/riscv64", "linux/riscv64,linux/amd64"] {
        sandbox
            .run(&["copy", "--platform", platforms, "oci:image", "oci:other"])
            .expect(6)
            .says(&[
                "no image for linux/riscv64",
                "available platforms: linux/amd64, linux/arm64, linux/s390x",
            ]);
    }
    sandbox.ok(&["copy", "--platform", "linux/amd64", "oci:image", "oci:one"]);
    sandbox
        .run(&["copy", "--platform", "linux/amd64,linux/arm64", "oci:one", "oci:other"])
        .expect(6)
        .says(&["no image for linux/arm64", "available platforms: linux/amd64"]);
    sandbox
        .run(&["copy", "--platform", "linux/amd64,", "oci:image", "oci:other"])
        .expect(2);
    let archive = "docker-archive:other.tar:localhost/x:1";
    sandbox
        .run(&["copy", "--platform", "linux/amd64,linux/arm64", "oci:image", archive])
        .expect(2)
        .says(&[
            "can hold one platform",
            "linux/amd64, linux/arm64",
            "--platform linux/amd64",
        ]);
    assert!(!sandbox.path("other").exists() && !sandbox.path("other.tar").exists());
}

#[test]
fn a_docker_archive_becomes_an_image_over_its_blobs_as_they_are() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    sandbox.ok(&[
        "copy",
        "--platform",
        "linux/amd64",
        "oci:image",
        "docker-archive:image.tar:example.com/small:1",
    ]);
    sandbox.ok(&["copy", "docker-archive:image.tar", "oci:from-archive:1"]);
    let remote = format!("{}:1", at("OPEN", "copy/docker-archive"));
    let pushed = sandbox
        .ok(&["push", "docker-archive:image.tar:example.com/small:1", &remote])
        .digest();
    let before = inspect(&sandbox, "oci:image");
    let after = inspect(&sandbox, "oci:from-archive");
    assert_eq!(after["digest"], *pushed);
    let layers = |image: &Value| image["platforms"][0]["layers"][0]["digest"].clone();
    assert_eq!(layers(&after), layers(&before));
    assert_eq!(
        after["platforms"][0]["config_digest"],
        before["platforms"][0]["config_digest"]
    );
    sandbox
        .run(&["push", "docker-archive:image.tar:no/such:1", &remote])
        .expect(6)
        .says(&["example.com/small:1"]);
}

#[test]
fn a_copy_from_a_registry_keeps_name_and_tag_in_the_layout() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let name = at("OPEN", "copy/named");
    sandbox.ok(&["push", "oci:image", &format!("{name}:7")]);
    sandbox.ok(&["copy", &format!("{name}:7"), "oci:copied"]);
    let annotations = &sandbox.layout("copied").index()["manifests"][0]["annotations"];
    assert_eq!(annotations["org.opencontainers.image.ref.name"], "7");
    assert_eq!(annotations["io.containerd.image.name"], format!("{name}:7"));
}

#[test]
fn a_copy_that_cannot_be_read_or_written_leaves_the_target_alone() {
    let sandbox = Sandbox::new();
    small_image(&sandbox);
    let manifest = sandbox.layout("image").manifest("latest", "linux/arm64");
    let layer = sandbox.layout("image").layer_path(&manifest, 0);
    let mut bytes = std::fs::read(&layer).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&layer, bytes).unwrap();
    let name = at("OPEN", "copy/damaged");
    sandbox
        .run(&["copy", "oci:image", &format!("{name}:1")])
        .expect(2)
        .says(&["failed at the source", "is damaged"]);
    sandbox
        .run(&["copy", "oci:image", "oci-archive:copied.tar"])
        .expect(2)
        .says(&["is damaged"]);
    assert!(!sandbox.path("copied.tar").exists());
    sandbox
        .run(&["copy", "oci:no-such-layout", &format!("{name}:1")])
        .expect(6)
        .says(&["no-such-layout"]);
    sandbox
        .run(&["copy", "oci:image:other", &format!("{name}:1")])
        .expect(6)
        .says(&["other", "latest"]);
    let seen = all_requests(&sandbox, "OPEN", "copy/damaged", 0);
    let finished = seen
        .iter()
        .filter(|request| request.method == "PUT" && request.status < 300);
    assert!(
        !finished.clone().any(|request| request.path.contains("/manifests/")),
        "{seen:#?}"
    );
    assert!(
        seen.iter().any(|request| !is_read(request)),
        "the damage is found only while the blob is sent"
    );
}
