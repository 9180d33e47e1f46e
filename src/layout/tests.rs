//! Tests of layouts through the two traits: concurrent writers, damage, links, and files that must not change.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use super::{Layout, LayoutSink};
use crate::model::{Diagnostic as _, ErrorKind, Repository, Selector};
use crate::store::contract::{self, Fixture, Place, tags};
use crate::store::local::TEMPORARY_PREFIX;
use crate::store::{MemoryStore, Sink, Source, StoreError, open};

struct Directory {
    directory: tempfile::TempDir,
}

impl Directory {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("deep/er")
    }

    fn named(&self, name: &str) -> LayoutSink {
        let name: Repository = name.parse().unwrap();
        LayoutSink::new(Layout::create_or_open(&self.path()).unwrap(), Some(name))
    }

    fn unnamed(&self) -> LayoutSink {
        LayoutSink::new(Layout::create_or_open(&self.path()).unwrap(), None)
    }
}

impl Place for Directory {
    fn sink(&self) -> Box<dyn Sink> {
        Box::new(self.named("ghcr.io/a/b"))
    }

    fn source(&self) -> Result<Box<dyn Source>, StoreError> {
        Ok(Box::new(Layout::open(&self.path())?))
    }
}

#[tokio::test]
async fn a_blob_that_the_source_does_not_have_creates_no_directory() {
    let place = Directory::new();
    let content = Fixture::new(b"content");
    let nothing = MemoryStore::new("nothing");
    let wanted = &content.index.descriptor().clone();
    let error = place.unnamed().put(wanted, &nothing).await.unwrap_err();
    assert!(error.is_source(), "{error}");
    assert!(!place.path().exists());
}

async fn publish(sink: &dyn Sink, content: &[u8], tag: &str) -> Result<Fixture, StoreError> {
    let fixture = Fixture::new(content);
    fixture.put_children(sink).await;
    sink.publish(&fixture.index, &tags(&[tag])).await?;
    Ok(fixture)
}

/// Returns every file with its content and the time of its last change.
fn snapshot(path: &Path) -> Vec<(PathBuf, Vec<u8>, std::time::SystemTime)> {
    let mut files = Vec::new();
    let mut pending = vec![path.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let entry = entry.unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            if entry.file_type().unwrap().is_dir() {
                files.push((entry.path(), Vec::new(), modified));
                pending.push(entry.path());
            } else {
                files.push((entry.path(), fs::read(entry.path()).unwrap(), modified));
            }
        }
    }
    files.sort();
    files
}

#[tokio::test]
async fn the_contract_holds() {
    contract::holds(Directory::new).await;
}

#[tokio::test]
async fn publishing_again_changes_no_file() {
    let place = Directory::new();
    publish(&*place.sink(), b"layer", "1").await.unwrap();
    let before = snapshot(&place.path());
    publish(&*place.sink(), b"layer", "1").await.unwrap();
    assert_eq!(before, snapshot(&place.path()));
    let names: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(
        fs::read(place.path().join("oci-layout")).unwrap(),
        br#"{"imageLayoutVersion":"1.0.0"}"#
    );
}

#[tokio::test]
async fn nothing_is_written_before_the_first_blob() {
    let place = Directory::new();
    let sink = place.named("ghcr.io/a/b");
    sink.check_tags(&tags(&["1"])).unwrap();
    assert!(!sink.contains(&Fixture::new(b"x").blobs[0].0).await.unwrap());
    assert!(!place.path().exists());
}

#[tokio::test]
async fn a_damaged_blob_is_replaced() {
    let place = Directory::new();
    let fixture = publish(&*place.sink(), b"layer", "1").await.unwrap();
    let (layer, content) = &fixture.blobs[0];
    let path = place.path().join("blobs/sha256").join(layer.digest.hex());
    for damage in ["", "l4yer", "layer and more"] {
        fs::write(&path, damage).unwrap();
        let error = read_all(&*place.source().unwrap(), layer).await.unwrap_err();
        assert_eq!(error.error_kind(), ErrorKind::Input, "{error}");
        let sink = place.sink();
        assert!(!sink.contains(layer).await.unwrap());
        sink.put(layer, &fixture.store).await.unwrap();
        assert_eq!(&fs::read(&path).unwrap(), content);
    }
}

async fn read_all(source: &dyn Source, descriptor: &crate::model::Descriptor) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    match tokio::io::AsyncReadExt::read_to_end(&mut open(source, descriptor).await?, &mut bytes).await {
        Ok(_) => Ok(bytes),
        Err(cause) => Err(StoreError::from_reader(cause).unwrap()),
    }
}

#[tokio::test]
async fn links_in_a_layout_are_refused() {
    let place = Directory::new();
    let fixture = publish(&*place.sink(), b"layer", "1").await.unwrap();
    let (layer, content) = &fixture.blobs[0];
    let path = place.path().join("blobs/sha256").join(layer.digest.hex());
    let outside = place.directory.path().join("outside");
    fs::rename(&path, &outside).unwrap();
    std::os::unix::fs::symlink(&outside, &path).unwrap();
    let error = read_all(&*place.source().unwrap(), layer).await.unwrap_err();
    assert!(matches!(error, StoreError::Malformed { .. }), "{error}");
    // Putting it replaces the link, not its target.
    fs::write(&outside, "other").unwrap();
    place.sink().put(layer, &fixture.store).await.unwrap();
    assert_eq!(
        (fs::read(&outside).unwrap(), &fs::read(&path).unwrap()),
        (b"other".to_vec(), content)
    );

    let blobs = place.path().join("blobs/sha256");
    let elsewhere = place.directory.path().join("elsewhere");
    fs::rename(&blobs, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &blobs).unwrap();
    let error = read_all(&*place.source().unwrap(), layer).await.unwrap_err();
    assert!(matches!(error, StoreError::Malformed { .. }), "{error}");
    let other = Fixture::new(b"other");
    let error = place.sink().put(&other.blobs[0].0, &other.store).await.unwrap_err();
    assert!(matches!(error, StoreError::Malformed { .. }), "{error}");
}

#[tokio::test]
async fn tags_of_other_images_stay() {
    let place = Directory::new();
    publish(&place.named("ghcr.io/a/one"), b"1", "1").await.unwrap();
    publish(&place.named("ghcr.io/a/two"), b"2", "2").await.unwrap();
    let before = snapshot(&place.path().join("index.json").parent().unwrap().join("blobs"));
    let sink = place.unnamed();
    let error = sink.check_tags(&tags(&["1"])).unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Input);
    let help = error.help().unwrap();
    assert!(help.contains("-o oci:OTHER") && help.contains("`name`"), "{help}");
    let index = fs::read(place.path().join("index.json")).unwrap();
    assert!(matches!(
        publish(&sink, b"2", "1").await,
        Err(StoreError::ForeignTag { .. })
    ));
    assert_eq!(index, fs::read(place.path().join("index.json")).unwrap());
    assert_eq!(before, snapshot(&place.path().join("blobs")));
    let Err(StoreError::Several { names, .. }) = place.source().unwrap().resolve(&Selector::Only).await else {
        panic!("expected several")
    };
    assert_eq!(names, ["ghcr.io/a/one:1", "ghcr.io/a/two:2"]);
}

#[test]
fn what_is_not_a_layout_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    assert_eq!(
        Layout::open(&path("none")).unwrap_err().error_kind(),
        ErrorKind::NotFound
    );
    fs::write(path("file"), "x").unwrap();
    let error = Layout::open(&path("file")).unwrap_err();
    assert!(error.help().unwrap().contains("oci-archive:"), "{error}");
    assert!(matches!(
        Layout::create_or_open(&path("file")),
        Err(StoreError::Malformed { .. })
    ));
    fs::create_dir(path("other")).unwrap();
    assert!(matches!(
        Layout::open(&path("other")),
        Err(StoreError::Malformed { .. })
    ));
    assert!(Layout::create_or_open(&path("other")).is_ok());
    fs::write(path("other/data"), "x").unwrap();
    let error = Layout::create_or_open(&path("other")).unwrap_err();
    assert_eq!(error.help().as_deref(), Some("use an empty or new directory"));
    fs::write(path("other/oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    assert!(Layout::open(&path("other")).is_err());
    fs::write(path("other/oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let error = Layout::open(&path("other")).unwrap().index().unwrap_err();
    assert!(matches!(error, StoreError::Malformed { .. }), "{error}");
    fs::write(path("other/index.json"), "{").unwrap();
    let error = Layout::open(&path("other")).unwrap().index().unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Input);
}

/// Bazel's rules lay out an image with links in place of blobs.
#[tokio::test]
async fn links_in_a_layout_are_refused_with_what_helps() {
    let place = Directory::new();
    let root = publish(&*place.sink(), b"layer", "1")
        .await
        .unwrap()
        .index
        .descriptor()
        .clone();
    let layout = Layout::open(&place.path()).unwrap();
    layout.check_blobs(std::slice::from_ref(&root)).await.unwrap();
    let absent = crate::model::Descriptor::of(crate::model::MediaType::OciLayer, b"absent");
    layout.check_blobs(&[absent]).await.unwrap();
    let blob = layout.path().join("blobs/sha256").join(root.digest.hex());
    let moved = place.path().join("moved");
    fs::rename(&blob, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &blob).unwrap();
    let error = layout.check_blobs(&[root]).await.unwrap_err();
    assert!(
        error.to_string().contains("symbolic link") && error.help().unwrap().contains("cp -rL"),
        "{error}"
    );
    assert_eq!(error.error_kind(), ErrorKind::Input);
    let blobs = layout.path().join("blobs");
    let elsewhere = place.path().join("elsewhere");
    fs::rename(&blobs, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &blobs).unwrap();
    let error = layout.resolve(&Selector::Tag("1".to_owned())).await.unwrap_err();
    assert!(
        error.to_string().contains("symbolic link") && error.help().unwrap().contains("cp -rL"),
        "{error}"
    );
}

#[tokio::test]
async fn what_killed_writers_leave_is_removed_and_hinders_nobody() {
    let place = Directory::new();
    fs::create_dir_all(place.path()).unwrap();
    let root = place.path().join(format!("{TEMPORARY_PREFIX}root"));
    fs::write(&root, "part").unwrap();
    let sink = place.sink();
    let fixture = Fixture::new(b"layer");
    fixture.put_children(&*sink).await;
    let blob = place.path().join("blobs").join(format!("{TEMPORARY_PREFIX}blob"));
    fs::write(&blob, "part").unwrap();
    sink.publish(&fixture.index, &tags(&["1"])).await.unwrap();
    assert!(!root.exists() && !blob.exists());
}

/// 32 writers in two threads, each with its own tag, and a reader that never sees a torn index.
#[test]
fn writers_lose_no_tag() {
    const WRITERS: usize = 16;
    let place = Directory::new();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    runtime().block_on(publish(&*place.sink(), b"first", "first")).unwrap();
    let write = |thread: usize| {
        let sinks: Vec<_> = (0..WRITERS).map(|_| place.named("ghcr.io/a/b")).collect();
        runtime().block_on(async {
            let mut writers = tokio::task::JoinSet::new();
            for (at, sink) in sinks.into_iter().enumerate() {
                let name = format!("{thread}-{at}");
                writers.spawn(async move { publish(&sink, name.as_bytes(), &name).await.map(|_| ()) });
            }
            while let Some(outcome) = writers.join_next().await {
                outcome.unwrap().unwrap();
            }
        });
    };
    thread::scope(|scope| {
        let writers = [scope.spawn(|| write(0)), scope.spawn(|| write(1))];
        let layout = Layout::open(&place.path()).unwrap();
        while !writers.iter().all(|writer| writer.is_finished()) {
            assert!(!layout.index().unwrap().descriptors().is_empty());
        }
    });
    let layout = Layout::open(&place.path()).unwrap();
    assert_eq!(layout.index().unwrap().descriptors().len(), 2 * WRITERS + 1);
    for name in (0..2).flat_map(|thread| (0..WRITERS).map(move |at| format!("{thread}-{at}"))) {
        let root = runtime()
            .block_on(layout.resolve(&Selector::Tag(name.clone())))
            .unwrap();
        assert_eq!(root, Fixture::new(name.as_bytes()).index);
    }
}
