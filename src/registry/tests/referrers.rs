use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::model::{Descriptor, Diagnostic as _, Digest, ErrorKind, MAX_MANIFEST_BYTES, MediaType, Root};
use crate::store::{MemoryStore, Sink as _, StoreError};

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const SBOM: &str = "application/spdx+json";

fn subject() -> Digest {
    Digest::of(b"subject")
}

fn tag_path() -> String {
    format!("/v2/x/manifests/sha256-{}", subject().hex())
}

/// Returns a referrer's descriptor, as an index lists it.
fn entry(name: &str, artifact_type: &str) -> Value {
    json!({
        "mediaType": MediaType::OciManifest, "digest": Digest::of(name.as_bytes()), "size": 7,
        "artifactType": artifact_type, "annotations": { "name": name },
    })
}

/// A registry without the API: manifests by their path. `meddle` may change them after a PUT of the fallback tag.
async fn registry(
    manifests: BTreeMap<String, Vec<u8>>,
    mut meddle: impl FnMut(&mut Vec<u8>) + Send + 'static,
) -> (Server, Arc<Mutex<BTreeMap<String, Vec<u8>>>>) {
    let held = Arc::new(Mutex::new(manifests));
    let kept = Arc::clone(&held);
    let meddler = Mutex::new(move |bytes: &mut Vec<u8>| meddle(bytes));
    let server = Server::start(move |request| {
        let mut held = held.lock().unwrap();
        match request.method.as_str() {
            "PUT" => {
                let mut bytes = request.body.clone();
                if request.path == tag_path() {
                    meddler.lock().unwrap()(&mut bytes);
                }
                held.insert(request.path.clone(), bytes);
                status(201)
            }
            "GET" => held
                .get(&request.path)
                .map_or(status(404), |bytes| status(200).body(bytes.clone())),
            _ => status(404),
        }
    })
    .await;
    (server, kept)
}

/// A manifest with a subject.
fn referrer(artifact_type: Option<&str>) -> Vec<u8> {
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": MediaType::OciManifest, "layers": [],
        "config": { "mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2 },
        "subject": { "mediaType": MediaType::OciManifest, "digest": subject(), "size": 7 },
        "annotations": { "name": "own" },
    });
    if let Some(artifact_type) = artifact_type {
        manifest["artifactType"] = json!(artifact_type);
    }
    manifest.to_string().into_bytes()
}

async fn put(server: &Server, manifest: &[u8], media_type: MediaType) -> Result<(), StoreError> {
    let descriptor = Descriptor::of(media_type, manifest);
    let source = MemoryStore::new("memory").with_blob(&descriptor, manifest.to_vec());
    server.repository().put(&descriptor, &source).await.map(drop)
}

fn listed(bytes: &[u8]) -> Vec<Value> {
    serde_json::from_slice::<Value>(bytes).unwrap()["manifests"]
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test]
async fn a_referrer_that_is_pushed_is_listed_at_the_tag_of_its_subject() {
    for (own, expected) in [(Some(SBOM), SBOM), (Some(""), "application/vnd.oci.empty.v1+json")] {
        let (server, held) = registry(BTreeMap::new(), |_| {}).await;
        let manifest = referrer(own);
        put(&server, &manifest, MediaType::OciManifest).await.unwrap();
        let bytes = held.lock().unwrap()[&tag_path()].clone();
        assert!(matches!(Root::parse(None, bytes.clone()), Ok(Root::Index(_))));
        let expected = json!({
            "mediaType": MediaType::OciManifest, "digest": Digest::of(&manifest), "size": manifest.len(),
            "artifactType": expected, "annotations": { "name": "own" },
        });
        assert_eq!(listed(&bytes), [expected]);
        let put_type = server
            .requests()
            .iter()
            .rfind(|request| request.method == "PUT")
            .unwrap()
            .header("content-type")
            .map(str::to_owned);
        assert_eq!(put_type.as_deref(), Some(INDEX_TYPE));
        put(&server, &manifest, MediaType::OciManifest).await.unwrap();
        assert_eq!(server.count(&format!("PUT {}", tag_path())), 1);
        assert_eq!(listed(&held.lock().unwrap()[&tag_path()]).len(), 1);
    }
}

#[tokio::test]
async fn an_index_can_refer_too() {
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [], "artifactType": SBOM,
        "subject": { "mediaType": MediaType::OciManifest, "digest": subject(), "size": 7 },
    });
    let (server, held) = registry(BTreeMap::new(), |_| {}).await;
    put(&server, index.to_string().as_bytes(), MediaType::OciIndex)
        .await
        .unwrap();
    let listed = listed(&held.lock().unwrap()[&tag_path()]);
    assert_eq!((listed.len(), &listed[0]["artifactType"]), (1, &json!(SBOM)));
    assert!(listed[0].get("annotations").is_none() && listed[0].get("platform").is_none());
    let mut broken = index;
    broken["subject"] = json!({ "digest": "sha256:../x" });
    let error = put(&server, broken.to_string().as_bytes(), MediaType::OciIndex)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("subject"), "{error}");
}

#[tokio::test]
async fn others_stay_listed_once_with_all_that_the_index_says() {
    let old = json!({
        "schemaVersion": 2, "mediaType": INDEX_TYPE, "annotations": { "kept": "yes" }, "unknown": [1],
        "manifests": [entry("b", SBOM), entry("a", SBOM), entry("b", SBOM)],
    });
    let (server, held) = registry([(tag_path(), old.to_string().into_bytes())].into(), |_| {}).await;
    put(&server, &referrer(Some(SBOM)), MediaType::OciManifest)
        .await
        .unwrap();
    let bytes = held.lock().unwrap()[&tag_path()].clone();
    let names: Vec<_> = listed(&bytes)
        .iter()
        .map(|entry| entry["annotations"]["name"].clone())
        .collect();
    assert_eq!(names, ["b", "a", "own"]);
    let index: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        (&index["annotations"]["kept"], &index["unknown"]),
        (&json!("yes"), &json!([1]))
    );
}

#[tokio::test]
async fn a_registry_that_has_taken_note_is_left_to_it_and_images_have_no_subject() {
    let server = Server::start(|request| match request.method.as_str() {
        "PUT" => status(201).with("OCI-Subject", subject().to_string()),
        _ => status(404),
    })
    .await;
    put(&server, &referrer(None), MediaType::OciManifest).await.unwrap();
    assert_eq!((server.count("PUT"), server.count("GET")), (1, 0));
    let (server, held) = registry(BTreeMap::new(), |_| {}).await;
    put(&server, br#"{"schemaVersion":2,"manifests":[]}"#, MediaType::OciIndex)
        .await
        .unwrap();
    assert_eq!((held.lock().unwrap().len(), server.count("GET")), (1, 0));
}

#[tokio::test]
async fn an_update_that_another_writer_undoes_is_done_again() {
    let mut puts = 0;
    let theirs = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [entry("theirs", SBOM)] });
    let undo = move |bytes: &mut Vec<u8>| {
        puts += 1;
        if puts < 3 {
            *bytes = theirs.to_string().into_bytes();
        }
    };
    let (server, held) = registry(BTreeMap::new(), undo).await;
    put(&server, &referrer(None), MediaType::OciManifest).await.unwrap();
    let names: Vec<_> = listed(&held.lock().unwrap()[&tag_path()])
        .iter()
        .map(|entry| entry["annotations"]["name"].clone())
        .collect();
    assert_eq!(names, ["theirs", "own"]);
    assert_eq!(server.count(&format!("PUT {}", tag_path())), 3);
}

#[tokio::test]
async fn one_that_is_always_undone_ends() {
    let empty = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [] })
        .to_string()
        .into_bytes();
    let (server, _) = registry(BTreeMap::new(), move |bytes| bytes.clone_from(&empty)).await;
    let error = put(&server, &referrer(None), MediaType::OciManifest).await.unwrap_err();
    assert!(error.to_string().contains("another writer keeps removing"), "{error}");
    assert_eq!(error.error_kind(), ErrorKind::Remote);
    assert!(server.count(&format!("PUT {}", tag_path())) < 20);
}

#[tokio::test]
async fn a_tag_that_is_something_else_is_not_overwritten() {
    let manifest = referrer(None);
    let docker = json!({ "schemaVersion": 2, "mediaType": MediaType::DockerIndex, "manifests": [] }).to_string();
    for other in [
        &manifest[..],
        b"{}",
        b"<html>",
        docker.as_bytes(),
        &vec![b' '; MAX_MANIFEST_BYTES as usize + 1],
    ] {
        let (server, held) = registry([(tag_path(), other.to_vec())].into(), |_| {}).await;
        let error = put(&server, &manifest, MediaType::OciManifest).await.unwrap_err();
        assert_eq!(error.error_kind(), ErrorKind::Remote);
        assert_eq!(held.lock().unwrap()[&tag_path()], other);
        assert_eq!(server.count(&format!("PUT {}", tag_path())), 0);
    }
}

#[tokio::test]
async fn a_list_that_would_be_too_long_is_not_written() {
    let long = "x".repeat(MAX_MANIFEST_BYTES as usize - 1000);
    let full = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [], "unknown": long }).to_string();
    let (server, _) = registry([(tag_path(), full.into_bytes())].into(), |_| {}).await;
    let big = referrer(Some(&"t".repeat(2000)));
    let error = put(&server, &big, MediaType::OciManifest).await.unwrap_err();
    assert!(error.to_string().contains("more than 4194304 bytes"), "{error}");
    assert_eq!(server.count(&format!("PUT {}", tag_path())), 0);
}
