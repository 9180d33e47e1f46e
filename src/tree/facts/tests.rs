use std::error::Error as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::testing::{LayerTar, TestImage, compressed, path};
use super::super::{LayerError, MAX_KEPT_FILE_BYTES, Package, PackageSystem};
use super::*;
use crate::compress::{Algorithm, CompressError};
use crate::events::{Event, Item, Observer, Task, Work};
use crate::model::{Diagnostic as _, DiffId, ErrorKind, MediaType};
use crate::store::{MemoryStore, StoreError};

const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/sh\n";

async fn read(image: TestImage) -> Result<Facts, TreeError> {
    let (store, image) = image.finish();
    read_from(&store, &image).await
}

async fn read_from(store: &MemoryStore, image: &Image) -> Result<Facts, TreeError> {
    let scratch = tempfile::tempdir().unwrap();
    read_facts(store, image, scratch.path(), &silent()).await
}

fn debian_like() -> Vec<u8> {
    let program = std::fs::read("/proc/self/exe").unwrap();
    LayerTar::new()
        .directory("tmp", 0o1777)
        .symlink("lib64", "usr/lib64")
        .symlink("lib", "usr/lib")
        .program("usr/lib64/ld-linux-x86-64.so.2", b"no ELF")
        .file("etc/passwd", PASSWD)
        .file("etc/group", b"root:x:0:\nstaff:x:50:node\n")
        .file("etc/ld.so.conf", b"include /etc/ld.so.conf.d/*.conf\n")
        .file("etc/ld.so.conf.d/libc.conf", b"/usr/local/lib\n")
        .file("etc/ld-musl-x86_64.path", b"/lib\n")
        .file(
            "var/lib/dpkg/status",
            b"Package: libc6\nStatus: install ok installed\nVersion: 2.36-9\n\n",
        )
        .file("lib/apk/db/installed", b"P:musl\nV:1.2\n\n")
        .program("usr/bin/script", b"#!/usr/bin/env -S sh -e\necho\n")
        .file("usr/bin/no-script", b"#!/bin/sh\n")
        .pax(&[("size", program.len().to_string().as_bytes())])
        .program("usr/bin/program", &program)
        .hard_link("usr/bin/same", "usr/bin/program")
        .finish()
}

#[tokio::test]
async fn everything_of_interest_is_found() {
    for algorithm in [Algorithm::Gzip, Algorithm::Zstd, Algorithm::None] {
        let facts = read(TestImage::new().with(&debian_like(), algorithm)).await.unwrap();
        assert_eq!(facts.passwd.as_deref(), Some(PASSWD));
        assert_eq!(facts.accounts().user("node").unwrap().uid, 1000);
        assert_eq!(facts.accounts().group("staff").unwrap().gid, 50);
        let configs: Vec<String> = facts.loader_configs.keys().map(ToString::to_string).collect();
        assert_eq!(
            configs,
            [
                "/etc/ld-musl-x86_64.path",
                "/etc/ld.so.conf",
                "/etc/ld.so.conf.d/libc.conf"
            ]
        );
        assert_eq!(
            facts.loader_configs[&path("etc/ld.so.conf.d/libc.conf")],
            b"/usr/local/lib\n"
        );
        let package = |system, name: &str, version: &str| Package {
            system,
            name: name.into(),
            version: version.into(),
        };
        let dpkg = PackageSystem::Dpkg;
        let apk = PackageSystem::Apk;
        assert_eq!(
            facts.packages,
            [package(dpkg, "libc6", "2.36-9"), package(apk, "musl", "1.2")]
        );
        assert_eq!(facts.shebangs.len(), 1);
        assert_eq!(facts.shebangs[&path("usr/bin/script")], b"#!/usr/bin/env -S sh -e");
        assert_eq!(facts.loaders(), [path("usr/lib64/ld-linux-x86-64.so.2")]);
        assert!(
            facts.elf[&path("usr/bin/program")]
                .needed
                .contains(&b"libc.so.6".to_vec())
        );
        assert_eq!(facts.elf[&path("usr/bin/same")], facts.elf[&path("usr/bin/program")]);
        assert_eq!(facts.tree.node(&path("tmp")).unwrap().mode, 0o1777);
        assert_eq!(Facts::decode(&facts.encode()).unwrap(), facts);
    }
}

#[tokio::test]
async fn what_an_upper_layer_removes_or_replaces_does_not_count() {
    let upper = LayerTar::new()
        .file("etc/.wh.passwd", b"")
        .file("etc/ld.so.conf.d/.wh..wh..opq", b"")
        .file("etc/ld.so.conf.d/other.conf", b"/opt\n")
        .file("etc/group", b"root:x:0:\n")
        .file("usr/bin/script", b"#!/bin/sh\n")
        .program("usr/bin/program", b"#!/bin/zsh")
        .symlink("var/lib/dpkg/status", "nowhere")
        .finish();
    let image = TestImage::new()
        .with(&debian_like(), Algorithm::Gzip)
        .with(&upper, Algorithm::Zstd);
    let facts = read(image).await.unwrap();
    assert_eq!(facts.passwd, None);
    assert_eq!(facts.group.as_deref(), Some(&b"root:x:0:\n"[..]));
    assert_eq!(facts.loader_configs[&path("etc/ld.so.conf.d/other.conf")], b"/opt\n");
    assert!(!facts.loader_configs.contains_key(&path("etc/ld.so.conf.d/libc.conf")));
    let scripts: Vec<String> = facts.shebangs.keys().map(ToString::to_string).collect();
    assert_eq!(scripts, ["/usr/bin/program"]);
    let programs: Vec<String> = facts.elf.keys().map(ToString::to_string).collect();
    assert_eq!(programs, ["/usr/bin/same"], "the hard link keeps the old program");
    assert!(
        facts
            .packages
            .iter()
            .all(|package| package.system == PackageSystem::Apk)
    );
}

#[tokio::test]
async fn packages_of_rpm_are_read_from_its_database_wherever_it_is() {
    let database = include_bytes!("../../../testdata/rpmdb/rpmdb.sqlite");
    let at = "usr/lib/sysimage/rpm/rpmdb.sqlite";
    let linked = LayerTar::new()
        .file(at, database)
        .symlink("var/lib/rpm", "../../usr/lib/sysimage/rpm")
        .finish();
    let older = LayerTar::new().file("var/lib/rpm/rpmdb.sqlite", database).finish();
    for layer in [linked, older] {
        let facts = read(TestImage::new().with(&layer, Algorithm::Gzip)).await.unwrap();
        assert_eq!(facts.packages.len(), 42);
        let package = &facts.packages[0];
        assert_eq!((package.system, &*package.name), (PackageSystem::Rpm, "gpg-pubkey"));
        assert_eq!(Facts::decode(&facts.encode()).unwrap(), facts);
    }
    let damaged = LayerTar::new().file(at, &database[..5000]).finish();
    assert!(
        read(TestImage::new().with(&damaged, Algorithm::Gzip))
            .await
            .unwrap()
            .packages
            .is_empty()
    );
}

#[tokio::test]
async fn files_that_only_links_lead_to_are_read_too() {
    let lower = LayerTar::new()
        .file("usr/share/accounts", PASSWD)
        .file("usr/share/conf.d/a", b"/a\n")
        .finish();
    let upper = LayerTar::new()
        .symlink("etc/passwd", "../usr/share/accounts")
        .hard_link("etc/group", "usr/share/accounts")
        .symlink("etc/ld.so.conf.d", "/usr/share/conf.d")
        .finish();
    let image = TestImage::new()
        .with(&lower, Algorithm::Gzip)
        .with(&upper, Algorithm::Gzip);
    let facts = read(image).await.unwrap();
    assert_eq!(facts.passwd.as_deref(), Some(PASSWD));
    assert_eq!(facts.group.as_deref(), Some(PASSWD));
    assert_eq!(facts.loader_configs[&path("etc/ld.so.conf.d/a")], b"/a\n");
    let looping = LayerTar::new()
        .symlink("etc/passwd", "group")
        .symlink("etc/group", "passwd")
        .finish();
    assert_eq!(
        read(TestImage::new().with(&looping, Algorithm::None))
            .await
            .unwrap()
            .passwd,
        None
    );
}

#[tokio::test]
async fn an_image_without_layers_has_the_facts_of_nothing() {
    assert_eq!(read(TestImage::new()).await.unwrap(), Facts::empty());
}

#[tokio::test]
async fn a_file_over_its_limit_is_refused_where_it_counts() {
    let large = vec![b'x'; MAX_KEPT_FILE_BYTES as usize + 1];
    let lower = LayerTar::new().file("etc/passwd", &large).finish();
    let error = read(TestImage::new().with(&lower, Algorithm::Gzip)).await.unwrap_err();
    assert!(matches!(error, TreeError::TooLarge { .. }), "{error}");
    let upper = LayerTar::new().file("etc/passwd", PASSWD).finish();
    let image = TestImage::new()
        .with(&lower, Algorithm::Gzip)
        .with(&upper, Algorithm::Gzip);
    assert_eq!(read(image).await.unwrap().passwd.as_deref(), Some(PASSWD));
}

#[tokio::test]
async fn another_diff_id_than_the_config_says_is_damage() {
    let tar = LayerTar::new().file("a", b"").finish();
    for algorithm in [Algorithm::Gzip, Algorithm::None] {
        let image = TestImage::new().with_stored(&compressed(&tar, algorithm), MediaType::OciLayer, DiffId::of(b"x"));
        let error = read(image).await.unwrap_err();
        assert!(matches!(error, TreeError::DiffId { .. }), "{error}");
        assert_eq!(error.error_kind(), ErrorKind::Input);
    }
    // Data after the end marker is part of the diff ID, but not an entry.
    let long = [&tar[..], &LayerTar::new().file("hidden", b"").finish()].concat();
    let facts = read(TestImage::new().with(&long, Algorithm::Gzip)).await.unwrap();
    assert_eq!(facts.tree.len(), 1);
    let image = TestImage::new().with_stored(&long, MediaType::OciLayer, DiffId::of(&tar));
    assert!(matches!(read(image).await, Err(TreeError::DiffId { .. })));
}

#[tokio::test]
async fn damaged_layers_are_told_from_damaged_transfers() {
    let tar = LayerTar::new().file("a", &[b'x'; 5000]).finish();
    // Inside a file; between two members, the end would be accepted.
    let cut = &tar[..2048];
    let error = read(TestImage::new().with(cut, Algorithm::Gzip)).await.unwrap_err();
    assert!(
        matches!(
            &error,
            TreeError::Layer {
                cause: LayerError::Truncated { position_bytes: 2048 },
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.error_kind(), ErrorKind::Input);

    let whole = compressed(&tar, Algorithm::Gzip);
    for stored in [&whole[..whole.len() - 4], &[&whole[..], b"tail"].concat()] {
        let image = TestImage::new().with_stored(stored, MediaType::OciLayerGzip, DiffId::of(&tar));
        let error = read(image).await.unwrap_err();
        let TreeError::Layer {
            cause: LayerError::Read(cause),
            ..
        } = &error
        else {
            panic!("{error}")
        };
        let cause = CompressError::of(cause).unwrap();
        assert!(
            matches!(
                cause,
                CompressError::Truncated { .. } | CompressError::TrailingData { .. }
            ),
            "{cause}"
        );
        assert_eq!(error.error_kind(), ErrorKind::Input);
    }
    // The blob in the store does not match its descriptor. The error reports that, regardless of other errors.
    let mut altered = whole.clone();
    altered[20] ^= 0xff;
    for stored in [&whole[..whole.len() - 4], &altered, b"no layer at all", b""] {
        let (store, image) = TestImage::new().with(&tar, Algorithm::Gzip).finish();
        let digest = image.manifest().value().layers[0].digest;
        let error = read_from(&store.with_raw(digest, stored.to_vec()), &image)
            .await
            .unwrap_err();
        assert!(matches!(error, TreeError::Store(StoreError::Damaged { .. })), "{error}");
    }
}

#[tokio::test]
async fn a_layer_may_end_without_a_marker_or_have_no_bytes_at_all() {
    let whole = LayerTar::new().file("a", b"x").finish();
    let bare = &whole[..whole.len() - 1024];
    for algorithm in [Algorithm::Gzip, Algorithm::Zstd, Algorithm::None] {
        let image = TestImage::new()
            .with(bare, algorithm)
            .with(b"", algorithm)
            .with(&bare[..513], algorithm);
        let image = image.with_stored(b"", MediaType::OciLayerGzip, DiffId::of(b""));
        assert_eq!(read(image).await.unwrap().tree.len(), 1);
    }
}

#[tokio::test]
async fn a_layer_of_an_unknown_type_is_named() {
    let text = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted";
    let image = TestImage::new().with_stored(b"ciphertext", text.into(), DiffId::of(b"x"));
    let error = read(image).await.unwrap_err();
    assert!(
        matches!(error, TreeError::LayerType { .. }) && error.to_string().contains(text),
        "{error}"
    );
    assert!(error.help().unwrap().contains("decrypt"));
    assert_eq!(error.error_kind(), ErrorKind::Input);
}

#[tokio::test]
async fn a_zstd_window_over_the_limit_is_refused_by_name() {
    // Magic, no single segment, and a window of 2^(10 + 18) bytes = 256 MiB.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 18 << 3, 0x01, 0x00, 0x00];
    let image = TestImage::new().with_stored(&frame, MediaType::OciLayerZstd, DiffId::of(b""));
    let error = read(image).await.unwrap_err();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    assert!(
        text.contains("window of 256 MiB is over the limit of 128 MiB"),
        "{text}"
    );
}

#[tokio::test]
async fn layers_that_are_not_there_are_named() {
    let error = read(TestImage::new().with_lacking(MediaType::OciForeignLayerGzip))
        .await
        .unwrap_err();
    assert!(matches!(error, TreeError::Foreign { .. }), "{error}");
    assert_eq!(error.error_kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&DiffId::of(b"lacking").hex()), "{error}");
    let error = read(TestImage::new().with_lacking(MediaType::OciLayerGzip))
        .await
        .unwrap_err();
    assert!(
        matches!(error, TreeError::Store(StoreError::NotFound { .. })),
        "{error}"
    );
}

/// Keeps the bytes of the last progress event.
#[derive(Default)]
struct Sum(AtomicU64);

impl Observer for Sum {
    fn event(&self, event: Event) {
        if let Event::Progress { done_bytes, .. } = event {
            self.0.store(done_bytes, Ordering::Relaxed);
        }
    }
}

fn silent() -> Arc<Task> {
    Arc::new(Task::silent())
}

#[tokio::test]
async fn progress_counts_the_stored_bytes() {
    let (store, image) = TestImage::new().with(&debian_like(), Algorithm::Gzip).finish();
    let scratch = tempfile::tempdir().unwrap();
    let sum = Arc::new(Sum::default());
    let observer: Arc<dyn Observer> = sum.clone();
    let work = Work::new("reading", Item::new("base"));
    let task = Arc::new(Task::start(&observer, work, None));
    read_facts(&store, &image, scratch.path(), &task).await.unwrap();
    task.finish(String::new());
    assert_eq!(
        sum.0.load(Ordering::Relaxed),
        image.manifest().value().layers[0].size_bytes
    );
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    let error = read_facts(&store, &image, &scratch.path().join("none"), &silent())
        .await
        .unwrap_err();
    assert!(matches!(error, TreeError::Scratch { .. }), "{error}");
}

#[tokio::test]
async fn contents_are_taken_out_of_the_layers_that_hold_them() {
    use super::super::{Wanted, extract};
    let base = LayerTar::new()
        .file("usr/lib/x", b"old")
        .symlink("lib", "usr/lib")
        .file("twice", b"1")
        .file("twice", b"2");
    let upper = LayerTar::new().file("./lib/y", b"new").hard_link("z", "usr/lib/x");
    let image = TestImage::new()
        .with(&base.finish(), Algorithm::Gzip)
        .with(&upper.finish(), Algorithm::Zstd);
    let (store, image) = image.finish();
    let facts = read_from(&store, &image).await.unwrap();
    let mut wanted = Wanted::new();
    for name in ["usr/lib/y", "z", "twice"] {
        let at = path(name);
        let (layer, stored) = facts.tree.node(&at).unwrap().content_at(&at).unwrap();
        wanted.entry(layer).or_default().insert(stored.clone());
    }
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    let sink = move |layer: u32, path: &EntryPath, content: &mut dyn Read| {
        let mut text = String::new();
        content.read_to_string(&mut text)?;
        log.lock().unwrap().push(format!("{layer} {path} {text}"));
        Ok(())
    };
    let _sink = extract(&store, &image, &wanted, &silent(), sink).await.unwrap();
    assert_eq!(
        *seen.lock().unwrap(),
        ["0 /usr/lib/x old", "0 /twice 1", "0 /twice 2", "1 /lib/y new"]
    );

    let lacking = Wanted::from([(1, BTreeSet::from([path("nothing")]))]);
    let error = extract(&store, &image, &lacking, &silent(), |_, _, _| Ok(()))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(
            &error,
            TreeError::Layer {
                cause: LayerError::NotThere { .. },
                ..
            }
        ),
        "{error}"
    );
    let beyond = Wanted::from([(2, BTreeSet::new())]);
    let error = extract(&store, &image, &beyond, &silent(), |_, _, _| Ok(()))
        .await
        .err()
        .unwrap();
    assert!(
        matches!(&error, TreeError::NoSuchLayer { layer: 2, layers: 2 }),
        "{error}"
    );
    let full = |_: u32, _: &EntryPath, _: &mut dyn Read| Err(std::io::Error::other("full"));
    let error = extract(&store, &image, &wanted, &silent(), full).await.err().unwrap();
    assert!(
        matches!(
            &error,
            TreeError::Layer {
                cause: LayerError::Sink { .. },
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.error_kind(), ErrorKind::Local);
}
