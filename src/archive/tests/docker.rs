//! docker-archives: the contract, archives of Docker's versions, and images that the format cannot hold.

use std::fs;
use std::path::PathBuf;

use super::super::{DockerArchive, DockerArchiveSink, Output};
use super::tar_of;
use crate::model::{
    Descriptor, Diagnostic as _, Digest, Document, ErrorKind, ImageIndex, MediaType, Platform, Root, Selector,
};
use crate::store::contract::{self, Fixture, Place};
use crate::store::{Sink, Source, StoreError, read_image};

struct File {
    directory: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn with(bytes: &[u8]) -> Self {
        let place = Self::new();
        fs::write(place.path(), bytes).unwrap();
        place
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("image.tar")
    }

    fn open(&self) -> Result<DockerArchive, StoreError> {
        DockerArchive::open(&self.path(), self.directory.path())
    }
}

impl Place for File {
    fn sink(&self) -> Box<dyn Sink> {
        Box::new(DockerArchiveSink::new(Output::File(self.path()), vec![self.name()]))
    }

    fn source(&self) -> Result<Box<dyn Source>, StoreError> {
        Ok(Box::new(self.open()?))
    }

    fn name(&self) -> String {
        "localhost/app:1".to_owned()
    }

    fn keeps_documents(&self) -> bool {
        false
    }
}

/// Returns config and layers of an image with one layer for each of `layers`.
fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("\"{}\"", Digest::of(layer)))
        .collect();
    let diff_ids = diff_ids.join(",");
    format!(r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{diff_ids}]}}}}"#).into()
}

#[tokio::test]
async fn the_contract_holds() {
    contract::holds(File::new).await;
}

#[tokio::test]
async fn it_is_written_with_all_names_and_blobs_as_they_are_stored() {
    let place = File::new();
    let names = ["ghcr.io/a/b:1", "ghcr.io/a/b:latest"].map(ToOwned::to_owned);
    let sink = DockerArchiveSink::new(Output::File(place.path()), names.to_vec());
    let fixture = Fixture::new(b"layer");
    fixture.put_children(&sink).await;
    sink.publish(&fixture.index, &[]).await.unwrap();
    let mut archive = tar::Archive::new(fs::File::open(place.path()).unwrap());
    let mut members = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        members.push((name, std::io::read_to_string(&mut entry).unwrap()));
    }
    let [layer, config] = [0, 1].map(|at| format!("blobs/sha256/{}", fixture.blobs[at].0.digest.hex()));
    let list =
        format!(r#"[{{"Config":"{config}","Layers":["{layer}"],"RepoTags":["ghcr.io/a/b:1","ghcr.io/a/b:latest"]}}]"#);
    let names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["blobs/", "blobs/sha256/", &layer, &config, "manifest.json"]);
    assert_eq!((members[2].1.as_str(), members[4].1.as_str()), ("layer", list.as_str()));
}

#[tokio::test]
async fn several_platforms_are_refused_and_attestations_are_not_counted() {
    let place = File::new();
    let fixture = Fixture::new(b"layer");
    let Root::Index(index) = &fixture.index else {
        panic!("expected an index")
    };
    let with = |extra: Descriptor| {
        let mut index: ImageIndex = index.value().clone();
        index.manifests.push(extra);
        Root::Index(Document::write(MediaType::OciIndex, index).unwrap())
    };
    let mut other = Descriptor::of(MediaType::OciManifest, b"other");
    other.platform = Some(Platform::new("linux", "arm64"));
    let sink = place.sink();
    fixture.put_children(&*sink).await;
    let error = sink.publish(&with(other.clone()), &[]).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("linux/amd64, linux/arm64"), "{text}");
    assert_eq!(
        (error.error_kind(), error.help().as_deref()),
        (ErrorKind::Input, Some("choose one with --platform"))
    );
    assert!(!place.path().exists());
    other.platform = Some(Platform::new("unknown", "unknown"));
    sink.publish(&with(other), &[]).await.unwrap();
    assert_eq!(place.open().unwrap().images().count(), 1);
}

#[tokio::test]
async fn a_lacking_layer_is_an_error() {
    let place = File::new();
    let fixture = Fixture::new(b"layer");
    let sink = place.sink();
    sink.put(&fixture.blobs[1].0, &fixture.store).await.unwrap();
    let error = sink.publish(&fixture.manifest, &[]).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
    assert!(!place.path().exists());
}

/// Docker 1.10 to 24 write layers by id, and a link for one that exists already.
#[tokio::test]
async fn archives_of_old_versions_are_read() {
    let gzip = b"\x1f\x8b\x08 not really";
    let mut builder = tar::Builder::new(Vec::new());
    let mut file = |name: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, name, bytes).unwrap();
    };
    file("one/layer.tar", b"plain");
    file("two/layer.tar", gzip);
    file("config.json", &config(&[b"plain", gzip, b"plain"]));
    let list = r#"[{"Config":"config.json","RepoTags":["app:1.0"],"Layers":["one/layer.tar","two/layer.tar","three/layer.tar"]}]"#;
    file("manifest.json", list.as_bytes());
    let mut link = tar::Header::new_gnu();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    builder
        .append_link(&mut link, "three/layer.tar", "../one/layer.tar")
        .unwrap();
    let place = File::with(&builder.into_inner().unwrap());
    let archive = place.open().unwrap();
    for name in [
        "app:1.0",
        "docker.io/library/app:1.0",
        "index.docker.io/library/app:1.0",
        "1.0",
    ] {
        let Root::Manifest(manifest) = archive.resolve(&Selector::Tag(name.to_owned())).await.unwrap() else {
            panic!("expected a manifest")
        };
        let types: Vec<_> = manifest
            .value()
            .layers
            .iter()
            .map(|layer| layer.media_type.clone())
            .collect();
        assert_eq!(
            types,
            [MediaType::OciLayer, MediaType::OciLayerGzip, MediaType::OciLayer]
        );
        assert_eq!(manifest.value().layers[2].digest, Digest::of(b"plain"));
        assert_eq!(read_image(&archive, manifest).await.unwrap().layers().count(), 3);
    }
}

#[tokio::test]
async fn one_of_several_images_is_chosen_by_name() {
    let one = config(&[]);
    let two = config(&[b"layer"]);
    let list = r#"[{"Config":"1.json","RepoTags":["a:1","a:2"],"Layers":[]},{"Config":"2.json","RepoTags":null,"Layers":["l"]}]"#;
    let bytes = tar_of(&[
        ("1.json", &one),
        ("2.json", &two),
        ("./l", b"layer"),
        ("manifest.json", list.as_bytes()),
    ]);
    let place = File::with(&bytes);
    let archive = place.open().unwrap();
    let digests: Vec<Digest> = archive.images().map(|(_, descriptor)| descriptor.digest).collect();
    let Err(StoreError::Several { names, .. }) = archive.resolve(&Selector::Only).await else {
        panic!("expected several")
    };
    assert_eq!(names, ["a:1".to_owned(), digests[1].to_string()]);
    for (selector, digest) in [
        (Selector::Tag("a:2".to_owned()), digests[0]),
        (Selector::Digest(digests[1]), digests[1]),
    ] {
        assert_eq!(archive.resolve(&selector).await.unwrap().descriptor().digest, digest);
    }
}

#[test]
fn damaged_archives_are_refused() {
    let good = config(&[b"layer"]);
    let list = |layer: &str| format!(r#"[{{"Config":"c","RepoTags":[],"Layers":["{layer}"]}}]"#);
    let missing = list("none");
    let outside = list("../../etc/passwd");
    let xz = list("xz");
    let cases: [&[(&str, &[u8])]; 7] = [
        &[("c", &good)],
        &[("c", &good), ("manifest.json", b"")],
        &[("c", &good), ("manifest.json", b"[{}]")],
        &[
            ("c", &good),
            ("manifest.json", br#"[{"Config":"c","Config":"d","Layers":[]}]"#),
        ],
        &[("c", &good), ("manifest.json", missing.as_bytes())],
        &[("c", &good), ("manifest.json", outside.as_bytes())],
        &[
            ("c", &good),
            ("xz", b"\xfd7zXZ\0 and more"),
            ("manifest.json", xz.as_bytes()),
        ],
    ];
    for files in cases {
        let error = File::with(&tar_of(files)).open().unwrap_err();
        assert_eq!(error.error_kind(), ErrorKind::Input, "{error}");
    }
    let oci = File::with(&tar_of(&[(
        crate::store::LAYOUT_MARKER_NAME,
        crate::store::LAYOUT_MARKER,
    )]));
    assert!(oci.open().unwrap_err().help().unwrap().contains("oci-archive:"));
}
