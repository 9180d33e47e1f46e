//! Config, manifest and index as bytes.

use super::*;
use crate::model::{DiffId, Layer};
use crate::plan::{assemble, index, index_annotations};

fn packed(name: &str) -> Layer {
    Layer {
        descriptor: Descriptor::new(MediaType::OciLayerGzip, digest(name), 10),
        diff_id: DiffId::of(name.as_bytes()),
        tar_size_bytes: 100,
    }
}

fn with_annotation(mut plan: BuildPlan, name: &str, value: &str) -> BuildPlan {
    plan.annotations.insert(name.to_owned(), value.to_owned());
    plan
}

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_small_image_is_canonical_to_the_byte() {
    let mut layer = layer("app").file("x", "/x");
    layer.spec.annotations.insert("k".to_owned(), "v".to_owned());
    let mut input = with_layers(input(None), vec![layer]);
    input.platform_spec.platform.variant = Some("v2".to_owned());
    input.config.env.insert("A".to_owned(), Some("1".to_owned()));
    let plan = plan(input).unwrap();
    let (config, manifest) = assemble(&plan, &[packed("app")]).unwrap();
    let diff_id = DiffId::of(b"app");
    assert_eq!(
        text(config.bytes()),
        format!(
            r#"{{"architecture":"amd64","config":{{"Env":["A=1"]}},"created":"1970-01-01T00:00:00Z","history":[{{"created":"1970-01-01T00:00:00Z","created_by":"ocitect: app"}}],"os":"linux","rootfs":{{"diff_ids":["{diff_id}"],"type":"layers"}},"variant":"v2"}}"#
        )
    );
    let config = config.descriptor();
    let layer = digest("app");
    assert_eq!(
        text(manifest.bytes()),
        format!(
            r#"{{"config":{{"digest":"{}","mediaType":"application/vnd.oci.image.config.v1+json","size":{}}},"layers":[{{"annotations":{{"dev.ocitect.packed":"1 gzip 6","k":"v"}},"digest":"{layer}","mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":10}}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}}"#,
            config.digest, config.size_bytes
        )
    );
    assert_eq!(
        manifest.descriptor(),
        &Descriptor::of(MediaType::OciManifest, manifest.bytes())
    );
}

#[test]
fn the_bases_fields_and_layers_are_carried_by_value() {
    let fields = json!({
        "author": "someone", "variant": "v8", "created": "2020-01-01T00:00:00Z", "docker_version": "20",
        "config": { "Healthcheck": { "Test": ["CMD", "x"] }, "Shell": ["/bin/bash"] },
        "history": [{ "created_by": "ADD", "comment": "c" }, { "created_by": "ENV", "empty_layer": true }],
    });
    let base = base_with(MediaType::DockerLayerGzip, fields);
    let manifest_digest = base.image.manifest().descriptor().digest;
    let plan = plan(with_layers(input(Some(base)), vec![layer("app").file("x", "/x")])).unwrap();
    let (config, manifest) = assemble(&plan, &[packed("app")]).unwrap();
    let expected = json!({
        "author": "someone", "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
        "docker_version": "20",
        "config": { "Healthcheck": { "Test": ["CMD", "x"] }, "Shell": ["/bin/bash"] },
        "rootfs": { "type": "layers", "diff_ids": [digest("base tar"), digest("app")] },
        "history": [
            { "created_by": "ADD", "comment": "c" }, { "created_by": "ENV", "empty_layer": true },
            { "created": "1970-01-01T00:00:00Z", "created_by": "ocitect: app" },
        ],
    });
    assert_eq!(Value::Object(config.value().fields().clone()), expected);
    let layers = &manifest.value().layers;
    assert_eq!(
        layers[0],
        Descriptor::new(MediaType::OciLayerGzip, digest("base layer"), 1000)
    );
    let annotations = &manifest.value().annotations;
    assert_eq!(
        annotations["org.opencontainers.image.base.digest"],
        manifest_digest.to_string()
    );
    assert_eq!(
        annotations["org.opencontainers.image.base.name"],
        "docker.io/library/node:22"
    );
}

#[test]
fn history_is_filled_up_to_the_bases_layers() {
    let layer = json!({ "created_by": "ADD" });
    let empty = json!({ "created_by": "ENV", "empty_layer": true });
    let fill = json!({ "created_by": "base" });
    for (history, expected) in [
        (json!(null), vec![fill.clone()]),
        (json!([empty]), vec![empty.clone(), fill]),
        (json!([layer]), vec![layer.clone()]),
    ] {
        let base = base_with(MediaType::OciLayerGzip, json!({ "history": history }));
        let (config, _) = assemble(&plan(input(Some(base))).unwrap(), &[]).unwrap();
        assert_eq!(config.value().fields()["history"], Value::Array(expected));
    }
    let base = base_with(MediaType::OciLayerGzip, json!({ "history": {} }));
    let error = assemble(&plan(input(Some(base))).unwrap(), &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the field \"history\" of the base's config is not a list"
    );
}

#[test]
fn dockers_family_has_its_own_names_and_no_annotations() {
    let mut input = with_layers(
        input(Some(base_with(MediaType::OciLayerGzip, json!({})))),
        vec![layer("app").file("x", "/x")],
    );
    input.family = Family::Docker;
    let plan = plan(input).unwrap();
    let (config, manifest) = assemble(&plan, &[packed("app")]).unwrap();
    assert_eq!(config.descriptor().media_type, MediaType::DockerConfig);
    assert_eq!(manifest.descriptor().media_type, MediaType::DockerManifest);
    assert_eq!(manifest.value().media_type, Some(MediaType::DockerManifest));
    assert!(
        manifest
            .value()
            .layers
            .iter()
            .all(|layer| layer.media_type == MediaType::DockerLayerGzip)
    );
    assert!(manifest.value().annotations.is_empty());
    assert!(index_annotations(&[&plan]).is_empty());
    let children = [(plan.platform.clone(), manifest.descriptor().clone())];
    let index = index(&children, BTreeMap::new(), Family::Docker).unwrap();
    assert_eq!(index.value().media_type, Some(MediaType::DockerIndex));
}

#[test]
fn what_dockers_family_cannot_say_is_refused_before_packing() {
    let docker = |mut input: PlanInput| {
        input.family = Family::Docker;
        plan(input).unwrap_err().to_string()
    };
    let zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    let message = docker(input(Some(base_with(MediaType::OciLayerZstd, json!({})))));
    let layer_digest = digest("base layer");
    assert_eq!(
        message,
        format!("the base layer {layer_digest} has the media type {zstd}, which docker manifests do not support")
    );
    let mut own = layer("app").file("x", "/x");
    own.spec.compression = Compression::Zstd(3);
    let message = docker(with_layers(input(None), vec![own]));
    assert_eq!(
        message,
        format!("layer \"app\" has the media type {zstd}, which docker manifests do not support")
    );
    let mut annotated = input(None);
    annotated
        .platform_spec
        .annotations
        .insert("a.b".to_owned(), "c".to_owned());
    assert_eq!(
        docker(annotated),
        "docker manifests do not support annotations, but the image has \"a.b\""
    );
    let mut own = layer("app").file("x", "/x");
    own.spec.annotations.insert("a.b".to_owned(), "c".to_owned());
    assert_eq!(
        docker(with_layers(input(None), vec![own])),
        "docker manifests do not support annotations, but layer \"app\" has \"a.b\""
    );
}

/// Returns the history of an image on the one layer of [`base_with`], without own layers.
fn history_on(history: serde_json::Value) -> serde_json::Value {
    let base = base_with(MediaType::OciLayerGzip, json!({ "history": history }));
    let (config, _) = assemble(&plan(input(Some(base))).unwrap(), &[]).unwrap();
    config.value().fields()["history"].clone()
}

#[test]
fn as_many_entries_of_the_history_stand_for_layers_as_there_are() {
    let empty = |created_by: &str| json!({ "created_by": created_by, "empty_layer": true });
    let full = |created_by: &str| json!({ "created_by": created_by });
    assert_eq!(
        history_on(json!([full("a"), full("b"), full("c")])),
        json!([empty("a"), empty("b"), full("c")])
    );
    assert_eq!(
        history_on(json!([empty("a"), full("b"), full("c")])),
        json!([empty("a"), empty("b"), full("c")])
    );
    assert_eq!(
        history_on(json!([full("b"), full("c"), empty("d")])),
        json!([empty("b"), full("c"), empty("d")])
    );
    assert_eq!(
        history_on(json!([full("a"), empty("b")])),
        json!([full("a"), empty("b")])
    );
    assert_eq!(history_on(json!([empty("a")])), json!([empty("a"), full("base")]));
    assert_eq!(
        history_on(json!(["text", full("a")])),
        json!([{ "empty_layer": true }, full("a")])
    );
    let said = json!({ "created_by": "a", "empty_layer": false });
    assert_eq!(history_on(json!([said, full("b")])), json!([empty("a"), full("b")]));
}

#[test]
fn layers_that_are_none_and_windows_are_refused_by_name() {
    let encrypted = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    let error = plan(input(Some(base_with(encrypted.into(), json!({}))))).unwrap_err();
    let digest = digest("base layer");
    let said = format!("the base layer {digest} has the media type \"{encrypted}\", which is not a layer type");
    assert_eq!(error.to_string(), said);
    let mut windows = input(None);
    windows.platform_spec.platform = Platform::new("windows", "amd64");
    let said = "cannot build an image for windows/amd64: Windows layers are not supported";
    assert_eq!(plan(windows).unwrap_err().to_string(), said);
}

#[test]
fn layers_of_dockers_other_types_take_the_family_of_the_manifest() {
    for (docker, oci) in [
        ("application/vnd.docker.image.rootfs.diff.tar", MediaType::OciLayer),
        (
            "application/vnd.docker.image.rootfs.diff.tar.zstd",
            MediaType::OciLayerZstd,
        ),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar",
            MediaType::OciForeignLayer,
        ),
        (
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            MediaType::OciForeignLayerGzip,
        ),
    ] {
        for family in [Family::Oci, Family::Docker] {
            let mut input = input(Some(base_with(docker.into(), json!({}))));
            input.family = family;
            let plan = plan(input).unwrap();
            let is_foreign = docker.contains("foreign");
            assert_eq!(
                plan.warnings.iter().any(|warning| warning.contains("is foreign")),
                is_foreign,
                "{docker}"
            );
            let (_, manifest) = assemble(&plan, &[]).unwrap();
            let expected = if family == Family::Oci {
                oci.clone()
            } else {
                docker.into()
            };
            assert_eq!(manifest.value().layers[0].media_type, expected);
        }
    }
}

#[test]
fn an_index_is_sorted_and_names_platforms_as_the_spec_does() {
    let platform = |text: &str| text.parse::<Platform>().unwrap();
    let child = |text: &str| (platform(text), Descriptor::new(MediaType::OciManifest, digest(text), 5));
    let names = [
        "windows/amd64",
        "linux/arm64",
        "linux/arm/v7",
        "linux/arm/v6",
        "linux/amd64",
    ];
    let children: Vec<_> = names.iter().map(|name| child(name)).collect();
    let annotations = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let index = index(&children, annotations, Family::Oci).unwrap();
    let found: Vec<_> = index
        .value()
        .manifests
        .iter()
        .map(|child| child.platform.as_ref().unwrap().to_string())
        .collect();
    assert_eq!(
        found,
        [
            "linux/amd64",
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64",
            "windows/amd64"
        ]
    );
    let amd64 = digest("linux/amd64");
    let start = format!(
        r#"{{"annotations":{{"a":"b"}},"manifests":[{{"digest":"{amd64}","mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{{"architecture":"amd64","os":"linux"}},"size":5}},"#
    );
    assert!(text(index.bytes()).starts_with(&start), "{}", text(index.bytes()));
    assert!(
        text(index.bytes()).ends_with(r#"],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#)
    );
}

#[test]
fn the_index_says_what_all_platforms_agree_on() {
    const DIGEST: &str = "org.opencontainers.image.base.digest";
    const NAME: &str = "org.opencontainers.image.base.name";
    let on = |base: Option<BaseImage>| with_annotation(plan(input(base)).unwrap(), "same", "1");
    let one = with_annotation(on(Some(base())), "differs", "1");
    let two = with_annotation(on(Some(base())), "differs", "2");
    let both = index_annotations(&[&one, &two]);
    assert_eq!(
        both.keys().map(String::as_str).collect::<Vec<_>>(),
        [DIGEST, NAME, "same"]
    );
    assert_eq!(both[DIGEST], digest("base index").to_string());
    let single = BaseImage {
        index: None,
        name: None,
        ..base()
    };
    let manifest_digest = single.image.manifest().descriptor().digest;
    let single = on(Some(single));
    let found = index_annotations(&[&single]);
    assert_eq!(found[DIGEST], manifest_digest.to_string());
    assert!(!found.contains_key(NAME));
    for other in [single, on(None)] {
        let mixed = index_annotations(&[&one, &other]);
        assert_eq!(mixed.keys().map(String::as_str).collect::<Vec<_>>(), ["same"]);
    }
    let own = with_annotation(on(Some(base())), NAME, "mine");
    assert_eq!(index_annotations(&[&own])[NAME], "mine");
    assert_eq!(assemble(&own, &[]).unwrap().1.value().annotations[NAME], "mine");
}

#[test]
fn foreign_layers_are_told_and_wrong_counts_refused() {
    let foreign = plan(input(Some(base_with(MediaType::DockerForeignLayerGzip, json!({}))))).unwrap();
    assert!(foreign.warnings[0].contains("foreign"), "{:?}", foreign.warnings);
    let error = assemble(&foreign, &[packed("x")]).unwrap_err();
    assert_eq!(error.to_string(), "expected 0 packed layers, found 1");
}

#[test]
fn a_plan_prints_everything_and_no_state_of_files() {
    let layer = layer("app").file("x", "/x").link("/l", "t");
    let mut input = with_layers(input(Some(base())), vec![layer]);
    input.platform_spec.max_size_bytes = Some(5);
    let printed = plan(input).unwrap().to_json();
    assert_eq!(printed["platform"], "linux/amd64");
    assert_eq!(printed["base"]["name"], "docker.io/library/node:22");
    assert_eq!(printed["max_size_bytes"], 5);
    let expected = json!([{
        "name": "app", "compression": "gzip:6", "mtime": 1, "annotations": { "dev.ocitect.packed": "1 gzip 6" },
        "entries": [
            { "path": "/l", "kind": "symlink", "target": "t", "mode": "0777", "owner": "0:0" },
            { "path": "/x", "kind": "file", "size_bytes": 3, "from": "file x", "mode": "0644", "owner": "0:0" },
        ],
    }]);
    assert_eq!(printed["layers"], expected);
    assert!(!printed.to_string().contains("stamp"));
}
