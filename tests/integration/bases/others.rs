//! Images of other tools, as a base and in every command that reads images.
//!
//! The results of other tools with the same input are beside each test. skopeo 1.9, umoci 0.4, podman 4.3 and containerd
//! 1.6.20 (`ctr image import`, `mount` and `run`) were run on it.

use serde_json::{Value, json};

use crate::support::foreign::{Foreign, MANIFEST, without_platform};
use crate::support::{Sandbox, tool};

/// Returns a sandbox with a spec on `oci:base:latest`, without a check: there is nothing to start.
fn on_base(platforms: &[&str]) -> (Sandbox, Foreign) {
    let sandbox = Sandbox::new();
    sandbox.write("app.txt", "the app\n").spec(&format!(
        "[image]\nname = \"localhost/others\"\nbase = \"oci:base:latest\"\nplatforms = {platforms:?}\n\
         [[layers]]\nname = \"app\"\nfiles = [{{ from = \"app.txt\", to = \"/srv/\" }}]\n[check]\nallow = [\"*:/**\"]\n"
    ));
    let base = Foreign::new(&sandbox.path("base"));
    (sandbox, base)
}

/// Returns the platform of the base layer in the build: the content of `/etc/base`, which names it.
#[track_caller]
fn taken(sandbox: &Sandbox, at: usize) -> String {
    let layout = sandbox.layout("build/oci");
    let entry = layout.tagged("latest")["manifests"][at].clone();
    let manifest = layout.json(entry["digest"].as_str().unwrap());
    tool(
        "tar",
        &["-xOf".into(), layout.layer_path(&manifest, 0), "etc/base".into()],
    )
}

#[track_caller]
fn listed(sandbox: &Sandbox, image: &str) -> Vec<String> {
    let shown: Value = serde_json::from_str(&sandbox.ok(&["inspect", "--json", image]).stdout).unwrap();
    let platforms = shown["platforms"].as_array().unwrap().iter();
    platforms
        .map(|image| image["platform"].as_str().unwrap().to_owned())
        .collect()
}

/// Every Go reader accepts `null` for an empty list or map. `umoci init` writes `"manifests":null`; skopeo reports that
/// the image does not exist, and writes into the layout.
#[test]
fn a_layout_of_umoci_init_is_written_to() {
    let sandbox = Sandbox::new();
    sandbox.write("app.txt", "1").spec(
        "[image]\nname = \"localhost/x\"\nplatforms = [\"linux/amd64\"]\n[[layers]]\nname = \"a\"\n\
         files = [{ from = \"app.txt\", to = \"/\" }]\n",
    );
    tool("umoci", &["init", "--layout", sandbox.path("made").to_str().unwrap()]);
    sandbox.ok(&["build", "-o", "oci:made:x"]);
    tool(
        "skopeo",
        &["inspect", "--raw", &format!("oci:{}:x", sandbox.path("made").display())],
    );
    sandbox.run(&["inspect", "oci:made:y"]).expect(6);
}

#[test]
fn null_is_what_is_absent_in_every_document() {
    let (sandbox, base) = on_base(&["linux/amd64"]);
    let mut entry = base.image_with("linux/amd64", |config, manifest| {
        config["config"] = json!({
            "Env": null, "Cmd": null, "Entrypoint": null, "Labels": null, "Volumes": null, "ExposedPorts": null,
            "OnBuild": null, "Healthcheck": null, "Shell": null, "User": "",
        });
        config["history"] = Value::Null;
        config["variant"] = Value::Null;
        config["os.features"] = Value::Null;
        manifest["annotations"] = Value::Null;
        manifest["subject"] = Value::Null;
        manifest["layers"][0]["annotations"] = Value::Null;
        manifest["layers"][0]["urls"] = Value::Null;
    });
    entry["annotations"] = Value::Null;
    entry["platform"]["os.features"] = Value::Null;
    entry["platform"]["variant"] = Value::Null;
    let index = base.document(&json!({
        "schemaVersion": 2, "mediaType": crate::support::foreign::INDEX, "manifests": [entry], "annotations": null, "subject": null,
    }));
    base.list(&[(index, "latest")]);
    sandbox.write("ocitect.toml", {
        let spec = std::fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
        format!(
            "{spec}[config]\nenv = {{ A = \"1\" }}\nlabels = {{ b = \"2\" }}\nports = [\"80\"]\nvolumes = [\"/v\"]\n"
        )
    });
    sandbox.ok(&["build"]);
    sandbox.ok(&["inspect", "oci:base"]);
    sandbox.ok(&["check", "oci:base"]);
    sandbox.ok(&["copy", "oci:base", "oci:copy:x"]);
    let config = sandbox.layout("build/oci").config("latest", "linux/amd64");
    assert_eq!(config["config"]["Env"], json!(["A=1"]));
}

/// containerd selects the nearest lower variant of amd64 and arm, but not arm64/v8 for arm64/v9. skopeo and podman select
/// only amd64 for amd64, and a lower variant of arm.
#[test]
fn the_nearest_lower_variant_serves() {
    for (offered, wanted, served) in [
        (
            &["linux/amd64", "linux/amd64/v2"][..],
            "linux/amd64/v3",
            "linux/amd64/v2",
        ),
        (&["linux/amd64"], "linux/amd64/v3", "linux/amd64"),
        (&["linux/amd64/v1"], "linux/amd64", "linux/amd64/v1"),
        (&["linux/arm64"], "linux/arm64/v8.2", "linux/arm64"),
        (&["linux/arm64/v8"], "linux/arm64/v9", "linux/arm64/v8"),
        (
            &["linux/arm64", "linux/arm64/v8.4", "linux/arm64/v8.6"],
            "linux/arm64/v9",
            "linux/arm64/v8.4",
        ),
        (&["linux/arm/v5", "linux/arm/v6"], "linux/arm", "linux/arm/v6"),
        (&["linux/aarch64"], "linux/arm64", "linux/aarch64"),
        (&["Linux/x86_64"], "linux/amd64/v2", "Linux/x86_64"),
        (&["linux/armhf"], "linux/arm/v7", "linux/armhf"),
    ] {
        let (sandbox, base) = on_base(&[wanted]);
        let entries: Vec<Value> = offered.iter().map(|platform| base.image(platform)).collect();
        base.list(&[(base.index(&entries), "latest")]);
        sandbox.ok(&["build"]);
        assert_eq!(taken(&sandbox, 0), served, "{wanted} of {offered:?}");
    }
    for (offered, wanted) in [
        ("linux/amd64/v2", "linux/amd64"),
        ("linux/arm64/v9", "linux/arm64"),
        ("linux/arm/v7", "linux/arm/v6"),
    ] {
        let (sandbox, base) = on_base(&[wanted]);
        base.list(&[(base.index(&[base.image(offered)]), "latest")]);
        sandbox
            .run(&["build"])
            .expect(6)
            .says(&[wanted, &format!("help: available platforms: {offered}")]);
    }
}

/// skopeo 1.9 shows a nested index and copies none of it; podman does not pull it; umoci unpacks it. containerd follows
/// it, but tries only the first of several entries without a platform.
#[test]
fn indexes_inside_of_indexes_are_followed() {
    let (sandbox, base) = on_base(&["linux/amd64", "linux/arm64"]);
    let inner = base.index(&[base.image("linux/arm64")]);
    let deeper = base.index(&[base.index(&[base.image("linux/amd64")])]);
    base.list(&[(base.index(&[inner, base.attestation(), deeper]), "latest")]);
    sandbox.ok(&["build"]);
    assert_eq!(
        (taken(&sandbox, 0), taken(&sandbox, 1)),
        ("linux/amd64".to_owned(), "linux/arm64".to_owned())
    );
    assert_eq!(listed(&sandbox, "oci:base"), ["linux/arm64", "linux/amd64"]);
    assert!(sandbox.ok(&["ls", "oci:base", "/etc"]).stdout.contains("/etc/base"));
    sandbox.ok(&["copy", "oci:base", "oci-archive:copy.tar"]);
    assert_eq!(listed(&sandbox, "oci-archive:copy.tar"), ["linux/arm64", "linux/amd64"]);
    sandbox.ok(&[
        "copy",
        "--platform",
        "linux/amd64",
        "oci:base",
        "docker-archive:one.tar:localhost/x:1",
    ]);

    let nested = (0..6).fold(base.index(&[base.image("linux/amd64")]), |inner, _| {
        base.index(&[inner])
    });
    base.list(&[(nested, "latest")]);
    std::fs::remove_file(sandbox.path("ocitect.lock")).unwrap();
    sandbox.run(&["build"]).expect(2).says(&["nests deeper than 4"]);
}

/// podman and skopeo read the config of an entry without a platform if no other entry matches, and take the first;
/// umoci reports an ambiguous tag. containerd reads the config of the first such entry, if no other entry matches.
#[test]
fn an_entry_without_a_platform_has_that_of_its_config() {
    let (sandbox, base) = on_base(&["linux/amd64", "linux/arm64"]);
    let amd64 = without_platform(base.image("linux/amd64"));
    let mut arm64 = base.image("linux/arm64");
    arm64["platform"] = json!({ "os": "", "architecture": "" });
    base.list(&[(base.index(&[without_platform(base.artifact()), arm64, amd64]), "latest")]);
    sandbox.ok(&["build"]);
    assert_eq!(
        (taken(&sandbox, 0), taken(&sandbox, 1)),
        ("linux/amd64".to_owned(), "linux/arm64".to_owned())
    );
    assert_eq!(listed(&sandbox, "oci:base"), ["linux/arm64", "linux/amd64"]);
    sandbox.ok(&["ls", "--platform", "linux/arm64", "oci:base"]);
}

/// Manifests of several platforms under one tag, or under none. skopeo and podman take the first of a tag, and report
/// several images without one; umoci reports an ambiguous tag; crane takes the list itself for the index.
#[test]
fn platforms_that_a_layout_lists_one_by_one_are_one_image() {
    for tag in ["latest", ""] {
        let (sandbox, base) = on_base(&["linux/amd64", "linux/arm64"]);
        let amd64 = without_platform(base.image("linux/amd64"));
        base.list(&[(base.image("linux/arm64"), tag), (amd64, tag), (base.artifact(), "")]);
        let spec = std::fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
        let name = if tag.is_empty() { "oci:base" } else { "oci:base:latest" };
        sandbox.write("ocitect.toml", spec.replace("oci:base:latest", name));
        sandbox.ok(&["build"]);
        assert_eq!(
            (taken(&sandbox, 0), taken(&sandbox, 1)),
            ("linux/amd64".to_owned(), "linux/arm64".to_owned())
        );
        assert_eq!(listed(&sandbox, name), ["linux/arm64", "linux/amd64"]);
        // The lockfile finds it again, for another platform too.
        sandbox.ok(&["build", "--locked"]);
        let locked = sandbox.path("ocitect.lock");
        sandbox.ok(&["outdated"]);
        std::fs::remove_file(&locked).unwrap();
        sandbox.ok(&["copy", name, "oci:copy:1"]);
        assert_eq!(
            sandbox.layout("copy").tagged("1")["manifests"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        assert_eq!(listed(&sandbox, "oci:copy:1"), ["linux/arm64", "linux/amd64"]);
    }
    let (sandbox, base) = on_base(&["linux/amd64"]);
    let other = base.image_with("linux/amd64", |config, _| config["author"] = "another".into());
    base.list(&[(base.image("linux/amd64"), ""), (other, "")]);
    sandbox
        .run(&["inspect", "oci:base"])
        .expect(2)
        .says(&["contains 2 images, but none was selected"]);
}

/// skopeo and podman count every entry of `index.json` as an image, and umoci every entry of an index.
#[test]
fn artifacts_are_no_images_and_copies_keep_them() {
    let (sandbox, base) = on_base(&["linux/amd64"]);
    let mut lying = base.artifact();
    lying["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let mut typed = base.artifact();
    typed["artifactType"] = "application/spdx+json".into();
    let index = base.index(&[lying, typed, base.image("linux/amd64"), base.attestation()]);
    // A referrer beside the image, and the image's own manifest once more.
    base.list(&[
        (base.artifact(), ""),
        (index, "latest"),
        (base.image("linux/amd64"), ""),
    ]);
    sandbox.ok(&["build"]);
    assert_eq!(taken(&sandbox, 0), "linux/amd64");
    assert_eq!(listed(&sandbox, "oci:base"), ["linux/amd64"]);
    let shown = sandbox.ok(&["inspect", "oci:base"]).stdout;
    for reason in ["an artifact of type application/spdx+json", "an attestation"] {
        assert!(shown.contains(reason), "{shown}");
    }
    sandbox.ok(&["copy", "oci:base", "docker-archive:one.tar:localhost/x:1"]);
    let members = tool("tar", &["-tf", sandbox.path("one.tar").to_str().unwrap()]);
    let files = members.lines().filter(|name| !name.ends_with('/'));
    assert_eq!(
        files.count(),
        3,
        "config, layer and manifest.json, nothing of the artifacts: {members}"
    );
    sandbox.ok(&["copy", "oci:base", "oci:copy:1"]);
    assert_eq!(
        sandbox.layout("copy").tagged("1")["manifests"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
}

/// skopeo, podman and umoci read the image beside an entry with another digest algorithm.
#[test]
fn an_entry_by_another_algorithm_spoils_nothing_but_itself() {
    let (sandbox, base) = on_base(&["linux/amd64"]);
    let image = base.image("linux/amd64");
    let mut other = image.clone();
    other["digest"] = format!("sha512:{}", "a".repeat(128)).into();
    let mut foreign = other.clone();
    foreign["platform"]["architecture"] = "arm64".into();
    let index = base.index(&[foreign, image]);
    base.list(&[(other, "other"), (index, "latest")]);
    sandbox.ok(&["build"]);
    assert_eq!(listed(&sandbox, "oci:base:latest"), ["linux/amd64"]);
    sandbox.run(&["inspect", "oci:base:other"]).expect(6);
    // The copy of a platform is complete; that of the index could not be.
    sandbox.ok(&["copy", "--platform", "linux/amd64", "oci:base:latest", "oci:copy:1"]);
    sandbox
        .run(&["copy", "oci:base:latest", "oci:copy:2"])
        .expect(2)
        .says(&["sha512:", "copy one platform"]);
    // Writing another image keeps the entry.
    sandbox.ok(&["build", "-o", "oci:base:new"]);
    assert_eq!(
        sandbox.layout("base").index()["manifests"][0]["annotations"][crate::support::foreign::REF_NAME],
        "other"
    );
    let pruned = sandbox.run(&["cache", "prune", "--layout", "base"]);
    assert_ne!(pruned.code, 0, "the blobs that it refers to are unknown");
}

/// skopeo, podman and containerd use the index alone, and start an image that cannot run; later podman versions warn.
#[test]
fn a_config_that_contradicts_its_entry_is_refused_with_both_platforms() {
    let (sandbox, base) = on_base(&["linux/amd64"]);
    let mut entry = base.image("linux/arm64");
    entry["platform"]["architecture"] = "amd64".into();
    let digest = entry["digest"].as_str().unwrap().to_owned();
    base.list(&[(base.index(&[entry]), "latest")]);
    let words = format!("lists {digest} for linux/amd64, but its config says linux/arm64");
    sandbox.run(&["build"]).expect(2).says(&[&words]);
    sandbox.run(&["check", "oci:base"]).expect(2).says(&[&words]);
    let shown = sandbox.ok(&["inspect", "oci:base"]).stdout;
    assert!(shown.contains("its config says linux/arm64"), "{shown}");
    // A config without a variant does not contradict the entry.
    let silent = base.image_with("linux/arm/v6", |config, _| {
        config.as_object_mut().unwrap().remove("variant");
    });
    base.list(&[(base.index(&[silent]), "latest")]);
    sandbox.ok(&["check", "oci:base"]);
}

/// Go readers match field names in any case, which does not affect labels, annotations and port names.
#[test]
fn free_maps_may_have_the_names_of_fields() {
    let sandbox = Sandbox::new();
    sandbox.write("app.txt", "1").spec(
        "[image]\nname = \"localhost/x\"\nplatforms = [\"linux/amd64\"]\n\
         annotations = { Digest = \"a\", Layers = \"b\", mediatype = \"c\", Config = \"d\" }\n\
         [[layers]]\nname = \"a\"\nannotations = { Size = \"1\" }\nfiles = [{ from = \"app.txt\", to = \"/srv/\" }]\n\
         [config]\nenv = { Entrypoint = \"x\", ENV = \"y\" }\nvolumes = [\"/Cmd\"]\n\
         labels = { Digest = \"a\", Layers = \"b\", RootFS = \"c\", Manifests = \"d\", OS = \"e\", digest = \"f\" }\n\
         [check]\nallow = [\"*:/**\"]\n",
    );
    sandbox.ok(&["build", "-o", "oci:made:1", "-o", "oci-archive:made.tar"]);
    for image in ["oci:made:1", "oci-archive:made.tar"] {
        sandbox.ok(&["inspect", image]);
        sandbox.ok(&["check", image]);
        sandbox.ok(&["ls", image]);
    }
    sandbox.ok(&["copy", "oci:made:1", "oci:copied:1"]);
    tool(
        "skopeo",
        &["inspect", &format!("oci:{}:1", sandbox.path("made").display())],
    );
}

#[test]
fn names_of_fields_in_another_case_are_refused_where_readers_would_act_on_them() {
    let (sandbox, base) = on_base(&["linux/amd64"]);
    for (what, words) in [
        ("config", "\"entrypoint\" differs from \"Entrypoint\" only in case"),
        ("descriptor", "\"Digest\" differs from \"digest\" only in case"),
        ("manifest", "\"Layers\" differs from \"layers\" only in case"),
    ] {
        let entry = base.image_with("linux/amd64", |config, manifest| match what {
            "config" => config["config"]["entrypoint"] = json!(["/bin/sh"]),
            "descriptor" => manifest["layers"][0]["Digest"] = "x".into(),
            _ => manifest["Layers"] = json!([]),
        });
        base.list(&[(base.index(&[entry]), "latest")]);
        sandbox.run(&["build"]).expect(2).says(&[words]);
    }
    let twice = format!(r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{}},"layers":[],"layers":[]}}"#);
    let entry = base.blob(twice.as_bytes(), MANIFEST);
    base.list(&[(entry, "latest")]);
    sandbox.run(&["build"]).expect(2).says(&["duplicate key \"layers\""]);
}

#[test]
fn an_image_that_is_named_by_its_path_alone_is_said_how_to_name() {
    let (sandbox, base) = on_base(&["linux/amd64"]);
    base.list(&[(base.image("linux/amd64"), "latest")]);
    sandbox.ok(&["copy", "oci:base", "oci-archive:oci.tar"]);
    sandbox.ok(&["copy", "oci:base", "docker-archive:docker.tar:localhost/x:1"]);
    for (arguments, words) in [
        (
            &["inspect", "base"][..],
            "help: base is an OCI layout: name it oci:base",
        ),
        (&["inspect", "./base"], "name it oci:./base"),
        (&["ls", "base"], "name it oci:base"),
        (
            &["inspect", "base:latest"],
            "name it oci:base (append the tag: :latest)",
        ),
        (&["check", "./base"], "name it oci:./base"),
        (&["inspect", "oci.tar"], "name it oci-archive:oci.tar"),
        (&["check", "docker.tar"], "name it docker-archive:docker.tar"),
        (&["check", "oci.tar"], "oci.tar is an OCI archive, not a spec"),
        (
            &["copy", "oci:base", "new.tar"],
            "oci-archive:new.tar or docker-archive:new.tar",
        ),
        (&["copy", "oci:base", "./new"], "oci:./new"),
        (&["push", "base", "localhost:1/x"], "name it oci:base"),
        (
            &["build", "-o", "out.tar"],
            "oci-archive:out.tar or -o docker-archive:out.tar",
        ),
    ] {
        let outcome = sandbox.run(arguments).expect(2).says(&[words]);
        assert!(!outcome.stderr.contains("docker.io"), "{}", outcome.stderr);
    }
}
