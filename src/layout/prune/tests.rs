//! Tests of pruning: everything reachable is kept, and if that is not certain, everything is kept.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::*;
use crate::layout::LayoutSink;
use crate::model::MediaType;
use crate::store::contract::{Fixture, tags};
use crate::store::{Sink, Source, open};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A layout whose blobs and index a test writes directly.
struct Written {
    directory: tempfile::TempDir,
}

impl Written {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("blobs/sha256")).unwrap();
        fs::write(directory.path().join("oci-layout"), crate::store::LAYOUT_MARKER).unwrap();
        Self { directory }
    }

    fn layout(&self) -> Layout {
        Layout::open(self.directory.path()).unwrap()
    }

    fn path(&self, digest: &Digest) -> std::path::PathBuf {
        self.directory.path().join("blobs/sha256").join(digest.hex())
    }

    /// Writes a blob. Returns its descriptor.
    fn blob(&self, media_type: &str, bytes: impl AsRef<[u8]>) -> Value {
        let bytes = bytes.as_ref();
        fs::write(self.path(&Digest::of(bytes)), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len() })
    }

    /// Writes a manifest over its own config and layer, with more fields.
    fn manifest(&self, content: &str, more: Value) -> Value {
        let config = self.blob("application/vnd.oci.image.config.v1+json", format!("config {content}"));
        let layer = self.blob("application/vnd.oci.image.layer.v1.tar", format!("layer {content}"));
        let mut fields = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer] });
        fields
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.blob(OCI_MANIFEST, fields.to_string())
    }

    fn index(&self, manifests: &[&Value], more: Value) -> Value {
        let media_type = MediaType::OciIndex;
        let mut fields = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
        fields
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.blob(media_type.as_str(), fields.to_string())
    }

    fn list(&self, manifests: &[&Value]) -> &Self {
        let index = json!({ "schemaVersion": 2, "manifests": manifests });
        fs::write(self.directory.path().join("index.json"), index.to_string()).unwrap();
        self
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.directory.path().join("blobs/sha256")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Prunes with and without `is_dry_run`; both must agree. Returns the number of removed blobs.
    #[track_caller]
    fn prune(&self) -> usize {
        let before = self.names();
        let said = self.layout().prune(true).unwrap();
        assert_eq!(self.names(), before, "a dry run deletes nothing");
        let pruned = self.layout().prune(false).unwrap();
        assert_eq!(pruned, said);
        assert_eq!(self.names(), pruned.kept.keys().map(Digest::hex).collect());
        assert_eq!(before.len(), self.names().len() + pruned.removed.len());
        pruned.removed.len()
    }

    /// Checks that pruning fails and deletes nothing.
    #[track_caller]
    fn refuses(&self, text: &str) {
        let before = self.names();
        for is_dry_run in [true, false] {
            let error = self.layout().prune(is_dry_run).unwrap_err();
            let chain = format!(
                "{error} {}",
                std::error::Error::source(&error)
                    .map(ToString::to_string)
                    .unwrap_or_default()
            );
            assert!(chain.contains(text), "{chain}");
            assert_eq!(crate::model::Diagnostic::error_kind(&error).exit_code(), 2, "{error}");
        }
        assert_eq!(self.names(), before);
    }
}

fn digest(descriptor: &Value) -> Digest {
    descriptor["digest"].as_str().unwrap().parse().unwrap()
}

#[test]
fn what_no_name_reaches_goes() {
    let layout = Written::new();
    let kept = layout.manifest("kept", json!({}));
    let nested = layout.manifest("nested", json!({}));
    let inner = layout.index(&[&nested], json!({}));
    let outer = layout.index(&[&inner, &kept], json!({}));
    let old = layout.manifest("old", json!({}));
    layout.index(&[&old, &kept], json!({}));
    layout.blob("x", "stray");
    layout.list(&[&outer]);
    assert_eq!(layout.prune(), 5);
    assert_eq!(layout.prune(), 0);
    layout.list(&[&kept]);
    assert_eq!(layout.prune(), 5);
    layout.list(&[]);
    assert_eq!(layout.prune(), 3);
}

#[test]
fn referrers_of_what_is_kept_stay_with_their_blobs() {
    let layout = Written::new();
    let image = layout.manifest("image", json!({}));
    let old = layout.manifest("old", json!({}));
    let signature = layout.manifest("signature", json!({ "subject": image }));
    layout.manifest(
        "of the signature",
        json!({ "subject": signature, "artifactType": "application/x" }),
    );
    let attached = layout.manifest("in an index", json!({}));
    layout.index(&[&attached], json!({ "subject": image }));
    let of_old = layout.manifest("of the old", json!({ "subject": old }));
    layout.manifest("of that", json!({ "subject": of_old }));
    layout.list(&[&image]);
    assert_eq!(layout.prune(), 9);
    // Listed itself, a referrer keeps what it refers to.
    let again = layout.manifest("again", json!({}));
    let listed = layout.manifest("listed", json!({ "subject": again }));
    layout.list(&[&listed]);
    assert_eq!(layout.prune(), 3 * 4 + 1);
    assert!(layout.path(&digest(&again)).exists());
    // The subject need not exist.
    fs::remove_file(layout.path(&digest(&again))).unwrap();
    layout.list(&[&listed]);
    assert_eq!(layout.prune(), 2);
}

#[test]
fn descriptors_in_unknown_fields_are_kept() {
    let layout = Written::new();
    let toc = layout.blob("application/x-toc", "toc");
    let base = layout.manifest("base", json!({}));
    let missing = json!({ "mediaType": "x", "digest": Digest::of(b"nowhere"), "size": 1 });
    let image = layout.manifest("image", json!({ "x-more": [{ "deep": toc }, missing], "x-base": base }));
    layout.list(&[&image]);
    assert_eq!(layout.prune(), 0);
}

#[test]
fn artifacts_and_foreign_layers_are_no_damage() {
    let layout = Written::new();
    let foreign = json!({
        "mediaType": MediaType::DockerForeignLayerGzip, "digest": Digest::of(b"elsewhere"), "size": 9, "urls": ["u"]
    });
    let config = layout.blob("application/vnd.oci.empty.v1+json", "{}");
    let chart = layout.blob("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "chart");
    let fields = json!({ "schemaVersion": 2, "config": config, "layers": [chart, foreign] });
    let image = layout.blob(OCI_MANIFEST, fields.to_string());
    layout.blob("x", "stray");
    layout.list(&[&image]);
    assert_eq!(layout.prune(), 1);
}

#[test]
fn where_it_is_not_certain_nothing_goes() {
    let layout = Written::new();
    let image = layout.manifest("image", json!({}));
    let child = layout.manifest("child", json!({}));
    let index = layout.index(&[&child], json!({}));
    layout.blob("x", "stray");
    layout.list(&[&image, &index]);
    let whole: BTreeMap<String, Vec<u8>> = layout
        .names()
        .into_iter()
        .map(|name| {
            (
                name.clone(),
                fs::read(layout.directory.path().join("blobs/sha256").join(&name)).unwrap(),
            )
        })
        .collect();
    let stray = Digest::of(b"stray").hex();
    for (name, bytes) in whole.iter().filter(|(name, _)| **name != stray) {
        let path = layout.directory.path().join("blobs/sha256").join(name);
        fs::remove_file(&path).unwrap();
        layout.refuses("is missing");
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        layout.refuses("is missing");
        fs::remove_file(&path).unwrap();
        fs::write(&path, &bytes[1..]).unwrap();
        layout.refuses("is damaged");
        fs::write(&path, bytes).unwrap();
    }
    // Of the same length.
    let path = layout.path(&digest(&child));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, vec![b' '; bytes.len()]).unwrap();
    layout.refuses("is damaged");
    fs::write(&path, bytes).unwrap();
    for media_type in [
        "application/vnd.oci.artifact.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+json",
        "text/plain",
    ] {
        let unknown = layout.blob(media_type, "unknown");
        layout.list(&[&image, &unknown]);
        layout.refuses("media type");
    }
    let lying = layout.blob(OCI_MANIFEST, json!({ "schemaVersion": 2, "manifests": [] }).to_string());
    layout.list(&[&lying]);
    layout.refuses("ambiguous");
    // A referrer that cannot be read may name anything.
    let artifact = "application/vnd.oci.artifact.manifest.v1+json";
    layout.list(&[&image]);
    let fields = json!({ "mediaType": artifact, "blobs": [], "subject": image });
    let unknown = layout.blob(artifact, fields.to_string());
    layout.refuses("not supported");
    fs::remove_file(layout.path(&digest(&unknown))).unwrap();
    for bad in ["{", "[]", r#"{"schemaVersion":2}"#] {
        fs::write(layout.directory.path().join("index.json"), bad).unwrap();
        layout.refuses("");
    }
    fs::remove_file(layout.directory.path().join("index.json")).unwrap();
    layout.refuses("index.json");
}

#[test]
fn what_is_no_blob_stays() {
    let layout = Written::new();
    let image = layout.manifest("image", json!({}));
    layout.list(&[&image]);
    let blobs = layout.directory.path().join("blobs/sha256");
    let outside = layout.directory.path().join("outside");
    fs::write(&outside, "x").unwrap();
    fs::write(blobs.join("README"), "x").unwrap();
    std::os::unix::fs::symlink(&outside, blobs.join(Digest::of(b"link").hex())).unwrap();
    fs::create_dir_all(layout.directory.path().join("blobs/sha512")).unwrap();
    fs::write(
        layout.directory.path().join("blobs/sha512").join(Digest::of(b"").hex()),
        "x",
    )
    .unwrap();
    let pruned = layout.layout().prune(false).unwrap();
    assert_eq!(
        (pruned.removed.len(), pruned.kept.len(), layout.names().len()),
        (0, 3, 5)
    );
    // A link in place of the directory leads elsewhere.
    fs::rename(&blobs, layout.directory.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", &blobs).unwrap();
    assert!(layout.layout().prune(false).is_err());
    assert!(layout.directory.path().join("elsewhere/README").exists());
}

fn sink(path: &Path) -> LayoutSink {
    LayoutSink::new(
        Layout::create_or_open(path).unwrap(),
        Some("example.com/a".parse().unwrap()),
    )
}

/// A writer finds an unreachable blob and relies on it: it must be kept until the writer is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_writer_found_or_put_stays_until_it_is_listed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("layout");
    let old = Fixture::new(b"old");
    let first = sink(&path);
    first
        .publish(&Fixture::new(b"first").index, &tags(&["1"]))
        .await
        .unwrap();
    old.put_children(&first).await;
    Fixture::new(b"first").put_children(&first).await;
    drop(first);
    let writer = sink(&path);
    assert!(writer.contains(&old.blobs[0].0).await.unwrap());
    let is_done = std::sync::Arc::new(AtomicBool::new(false));
    let layout = Layout::open(&path).unwrap();
    let seen = is_done.clone();
    let pruned = layout.clone();
    let pruning = tokio::task::spawn_blocking(move || {
        let pruned = pruned.prune(false).unwrap();
        assert!(seen.load(Ordering::SeqCst), "pruned before the writer was done");
        pruned
    });
    old.put_children(&writer).await;
    writer.publish(&old.index, &tags(&["2"])).await.unwrap();
    is_done.store(true, Ordering::SeqCst);
    drop(writer);
    assert_eq!(pruning.await.unwrap().removed.len(), 0);
    assert!(open(&layout, &old.blobs[0].0).await.is_ok());
}

/// Writers in separate threads, each moving one tag over few images, while another thread prunes repeatedly.
#[test]
fn nothing_that_is_listed_is_ever_lost() {
    const ROUNDS: usize = 60;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("layout");
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let write = |tag: &str, content: String| {
        runtime().block_on(async {
            let sink = sink(&path);
            let fixture = Fixture::new(content.as_bytes());
            fixture.put_children(&sink).await;
            sink.publish(&fixture.index, &tags(&[tag])).await.unwrap();
        });
    };
    write("start", "start".to_owned());
    let is_over = AtomicBool::new(false);
    let removed = std::thread::scope(|scope| {
        let pruner = scope.spawn(|| {
            let mut removed = 0;
            while !is_over.load(Ordering::SeqCst) {
                removed += Layout::open(&path).unwrap().prune(false).unwrap().removed.len();
            }
            removed
        });
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let write = &write;
                scope.spawn(move || {
                    (0..ROUNDS)
                        .for_each(|round| write(&format!("t{writer}"), format!("image {}", (round + writer) % 4)));
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        is_over.store(true, Ordering::SeqCst);
        pruner.join().unwrap()
    });
    assert!(removed > 0, "nothing was ever pruned");
    let layout = Layout::open(&path).unwrap();
    for tag in ["start", "t0", "t1", "t2"] {
        let selector = crate::model::Selector::Tag(tag.to_owned());
        let root = runtime().block_on(layout.resolve(&selector)).unwrap();
        runtime().block_on(async {
            for child in root.children() {
                open(&layout, child).await.unwrap();
            }
        });
    }
    let pruned = layout.prune(false).unwrap();
    assert!(!pruned.kept.is_empty());
}
