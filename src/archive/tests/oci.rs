//! oci-archives: the contract, names, and files that are replaced or kept.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::super::{OciArchive, OciArchiveSink, Output};
use super::{Stream, has_temporary_file, tar_of};
use crate::compress::{Algorithm, Compression, Encoder};
use crate::model::{Diagnostic as _, ErrorKind, FULL_NAME_ANNOTATION, REF_NAME_ANNOTATION, Selector};
use crate::store::contract::{self, Fixture, Place, tags};
use crate::store::{Sink, Source, StoreError};

struct File {
    directory: tempfile::TempDir,
}

impl File {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("image.tar")
    }

    fn open(&self) -> Result<OciArchive, StoreError> {
        OciArchive::open(&self.path(), self.directory.path())
    }
}

impl Place for File {
    fn sink(&self) -> Box<dyn Sink> {
        Box::new(OciArchiveSink::new(
            Output::File(self.path()),
            Some("ghcr.io/a/b".parse().unwrap()),
            None,
        ))
    }

    fn source(&self) -> Result<Box<dyn Source>, StoreError> {
        Ok(Box::new(self.open()?))
    }
}

async fn publish(sink: &dyn Sink, content: &[u8]) -> Result<Fixture, StoreError> {
    let fixture = Fixture::new(content);
    for (descriptor, _) in &fixture.blobs {
        sink.put(descriptor, &fixture.store).await?;
    }
    sink.put(fixture.manifest.descriptor(), &fixture.store).await?;
    sink.publish(&fixture.index, &tags(&["1", "latest"])).await?;
    Ok(fixture)
}

#[tokio::test]
async fn the_contract_holds() {
    contract::holds(File::new).await;
}

#[tokio::test]
async fn the_same_image_is_the_same_file_and_is_not_written_anew() {
    let place = File::new();
    publish(&*place.sink(), b"layer").await.unwrap();
    let bytes = fs::read(place.path()).unwrap();
    let before = fs::metadata(place.path()).unwrap();
    let stream = Stream::new(usize::MAX);
    let name = Some("ghcr.io/a/b".parse().unwrap());
    let sink = OciArchiveSink::new(Output::Stream(Box::new(stream.clone())), name, None);
    publish(&sink, b"layer").await.unwrap();
    assert_eq!(stream.bytes(), bytes);
    publish(&*place.sink(), b"layer").await.unwrap();
    let after = fs::metadata(place.path()).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
    publish(&*place.sink(), b"other").await.unwrap();
    assert_ne!(fs::read(place.path()).unwrap(), bytes);
    assert!(!has_temporary_file(place.directory.path()));
}

#[tokio::test]
async fn what_is_given_up_leaves_the_old_file() {
    let place = File::new();
    fs::write(place.path(), "old").unwrap();
    let link = place.directory.path().join("link");
    std::os::unix::fs::symlink(place.path(), &link).unwrap();
    let fixture = Fixture::new(b"layer");
    let sink = OciArchiveSink::new(Output::File(link.clone()), None, None);
    assert!(!has_temporary_file(place.directory.path()));
    fixture.put_children(&sink).await;
    assert!(has_temporary_file(place.directory.path()));
    drop(sink);
    assert_eq!(fs::read(place.path()).unwrap(), b"old");
    assert!(!has_temporary_file(place.directory.path()));

    // A link is kept, and its target is replaced.
    let sink = OciArchiveSink::new(Output::File(link.clone()), None, None);
    fixture.put_children(&sink).await;
    sink.publish(&fixture.index, &[]).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(
        place.open().unwrap().resolve(&Selector::Only).await.unwrap(),
        fixture.index
    );
    assert!(sink.publish(&fixture.index, &[]).await.is_err());
}

#[tokio::test]
async fn outputs_that_cannot_be_written_are_named() {
    let place = File::new();
    for limit_bytes in [0, 600, 2000, 5000] {
        let sink = OciArchiveSink::new(Output::Stream(Box::new(Stream::new(limit_bytes))), None, None);
        let Err(error) = publish(&sink, &[7; 3000]).await else {
            panic!("{limit_bytes} bytes were enough")
        };
        assert_eq!(error.error_kind(), ErrorKind::Local, "{error}");
        assert!(matches!(&error, StoreError::Io { action: "write", .. }), "{error}");
    }
    fs::write(place.path(), "a file").unwrap();
    for bad in [place.directory.path().to_owned(), place.path().join("below")] {
        let sink = OciArchiveSink::new(Output::File(bad), None, None);
        assert!(publish(&sink, b"layer").await.is_err());
    }
}

#[tokio::test]
async fn a_stream_that_broke_off_takes_no_more() {
    let fixture = Fixture::new(b"layer");
    let stream = Stream::new(usize::MAX);
    let sink = OciArchiveSink::new(Output::Stream(Box::new(stream)), None, None);
    let layer = &fixture.blobs[0].0;
    let damaged = crate::store::MemoryStore::new("damaged").with_raw(layer.digest, &b"la"[..]);
    assert!(sink.put(layer, &damaged).await.unwrap_err().is_source());
    assert!(matches!(
        sink.put(layer, &fixture.store).await,
        Err(StoreError::Io { .. })
    ));
}

#[tokio::test]
async fn one_descriptor_is_listed_under_the_first_full_name() {
    let name = || Some("ghcr.io/a/b".parse().unwrap());
    let cases = [
        (
            name(),
            None,
            &["1", "2"][..],
            Some("ghcr.io/a/b:1"),
            Some("ghcr.io/a/b:1"),
        ),
        (name(), Some("3"), &["1"], Some("3"), Some("ghcr.io/a/b:3")),
        (
            name(),
            Some("quay.io/c:4"),
            &["1"],
            Some("quay.io/c:4"),
            Some("quay.io/c:4"),
        ),
        (None, None, &["1"], Some("1"), None),
        (None, Some("x y"), &[], Some("x y"), None),
        (name(), None, &[], None, None),
    ];
    for (repository, ref_name, texts, listed, full_name) in cases {
        let place = File::new();
        let sink = OciArchiveSink::new(Output::File(place.path()), repository, ref_name.map(ToOwned::to_owned));
        let fixture = Fixture::new(b"layer");
        fixture.put_children(&sink).await;
        sink.publish(&fixture.index, &tags(texts)).await.unwrap();
        let archive = place.open().unwrap();
        let [descriptor] = archive.index().descriptors() else {
            panic!("expected one descriptor")
        };
        let annotation = |name: &str| descriptor.annotations.get(name).map(String::as_str);
        assert_eq!(
            (annotation(REF_NAME_ANNOTATION), annotation(FULL_NAME_ANNOTATION)),
            (listed, full_name)
        );
    }
}

#[tokio::test]
async fn compressed_archives_are_read() {
    let place = File::new();
    let fixture = publish(&*place.sink(), b"layer").await.unwrap();
    let plain = fs::read(place.path()).unwrap();
    for algorithm in [Algorithm::Gzip, Algorithm::Zstd] {
        let mut encoder = Encoder::new(Compression::new(algorithm, None).unwrap(), Vec::new()).unwrap();
        std::io::Write::write_all(&mut encoder, &plain).unwrap();
        let bytes = encoder.finish().unwrap();
        fs::write(place.path(), &bytes).unwrap();
        assert_eq!(
            place.open().unwrap().resolve(&Selector::Only).await.unwrap(),
            fixture.index
        );
        fs::write(place.path(), &bytes[..bytes.len() - 9]).unwrap();
        let error = place.open().unwrap_err();
        assert_eq!(error.error_kind(), ErrorKind::Input, "{error}");
    }
    assert_eq!(fs::read_dir(place.directory.path()).unwrap().count(), 1);
}

#[test]
fn what_is_no_layout_is_told_apart() {
    let place = File::new();
    assert_eq!(place.open().unwrap_err().error_kind(), ErrorKind::NotFound);
    let marker = (crate::store::LAYOUT_MARKER_NAME, crate::store::LAYOUT_MARKER);
    type Case<'a> = (&'a [(&'a str, &'a [u8])], Option<&'a str>);
    let cases: [Case; 5] = [
        (&[("x", b"1")], None),
        (&[("manifest.json", b"[]")], Some("docker-archive:")),
        (&[marker], None),
        (&[marker, ("index.json", b"{")], None),
        (
            &[("oci-layout", br#"{"imageLayoutVersion":"7"}"#), ("index.json", b"{}")],
            None,
        ),
    ];
    for (files, wanted) in cases {
        fs::write(place.path(), tar_of(files)).unwrap();
        let error = place.open().unwrap_err();
        assert_eq!(error.error_kind(), ErrorKind::Input, "{error}");
        let help = error.help().unwrap_or_default();
        assert!(wanted.is_none_or(|wanted| help.contains(wanted)), "{help}");
    }
}

#[test]
fn a_compressed_archive_that_grows_without_bound_is_refused() {
    use std::io::Read as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bomb.tar.zst");
    let mut encoder = Encoder::new(Compression::new(Algorithm::Zstd, Some(1)).unwrap(), Vec::new()).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(17 << 20), &mut encoder).unwrap();
    fs::write(&path, encoder.finish().unwrap()).unwrap();
    let error = OciArchive::open(&path, directory.path()).err().unwrap();
    assert!(error.to_string().contains("more than 256 times its size"), "{error}");
}
