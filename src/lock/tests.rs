use std::path::Path;

use proptest::prelude::*;

use super::format::MAX_LOCK_BYTES;
use super::pin::LockedLayer;
use super::*;
use crate::model::{Descriptor, DiffId, Digest, MediaType, Platform};
use crate::tree::{FACTS_VERSION, Facts};

fn descriptor() -> impl Strategy<Value = Descriptor> {
    let media_type = prop_oneof![
        Just(MediaType::OciLayerGzip),
        "\\PC{0,6}".prop_map(|text| MediaType::from(&text[..]))
    ];
    (media_type, any::<u8>(), 0..=i64::MAX as u64)
        .prop_map(|(media_type, content, size_bytes)| Descriptor::new(media_type, Digest::of(&[content]), size_bytes))
}

fn pin() -> impl Strategy<Value = Pin> {
    let layer = (descriptor(), any::<u8>()).prop_map(|(descriptor, content)| LockedLayer {
        descriptor,
        diff_id: DiffId::of(&[content]),
    });
    let facts = (0u32..9, prop::collection::vec(any::<u8>(), 0..9))
        .prop_map(|(version, compressed)| LockedFacts { version, compressed });
    (descriptor(), descriptor(), prop::collection::vec(layer, 0..4), facts).prop_map(
        |(manifest, config, layers, facts)| Pin {
            manifest,
            config,
            layers,
            facts,
        },
    )
}

fn lock() -> impl Strategy<Value = Lock> {
    let platform = prop_oneof![Just("linux/amd64"), Just("linux/arm64/v8"), Just("linux/arm/v7")]
        .prop_map(|text| text.parse::<Platform>().unwrap());
    let platforms = prop::collection::btree_map(platform, pin(), 1..3);
    let image = (prop::option::of(any::<u8>()), platforms).prop_map(|(index, platforms)| LockedImage {
        index: index.map(|byte| Digest::of(&[byte])),
        platforms,
    });
    let name = prop_oneof!["[a-z./:\"\\\\]{1,8}", any::<String>()];
    prop::collection::btree_map(name, image, 0..3).prop_map(|images| Lock { images })
}

fn path() -> &'static Path {
    Path::new("dir/ocitect.lock")
}

fn sample() -> Lock {
    let descriptor = |text: &str| Descriptor::new(MediaType::OciManifest, Digest::of(text.as_bytes()), 7);
    let layer = LockedLayer {
        descriptor: descriptor("layer"),
        diff_id: DiffId::of(b"tar"),
    };
    let pin = |text: &str| Pin {
        manifest: descriptor(text),
        config: descriptor("config"),
        layers: vec![layer.clone()],
        facts: LockedFacts::new(Facts::empty().compress().unwrap()),
    };
    let index = Some(Digest::of(b"index"));
    Lock::new()
        .with_pin(
            "docker.io/library/python:3.11",
            index,
            &platform("linux/amd64"),
            pin("amd64"),
        )
        .with_pin(
            "docker.io/library/python:3.11",
            index,
            &platform("linux/arm64"),
            pin("arm64"),
        )
        .with_pin("oci:bases", None, &platform("linux/amd64"), pin("other"))
}

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(lock in lock()) {
        let text = lock.to_text();
        prop_assert_eq!(&Lock::parse(&text, path()).unwrap(), &lock);
    }

    /// An altered lockfile is always refused, and never accepted as another one.
    #[test]
    fn every_change_of_a_byte_is_noticed(lock in lock(), at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
        let mut bytes = lock.to_text().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte && bytes[at].is_ascii());
        bytes[at] = byte;
        let text = String::from_utf8(bytes).unwrap();
        prop_assert!(Lock::parse(&text, path()).is_err());
        prop_assert!(Lock::parse(&text[..at], path()).is_err());
    }
}

#[test]
fn it_reads_well() {
    let text = sample().to_text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("# ") && lines[1].contains("ocitect update"),
        "{text}"
    );
    assert_eq!(lines[2], "version = 1");
    assert!(lines[3].starts_with("checksum = \"sha256:"), "{text}");
    assert_eq!(
        lines[4..7],
        ["", "[[image]]", "name = \"docker.io/library/python:3.11\""]
    );
    assert_eq!(lines[7], format!("index = \"{}\"", Digest::of(b"index")));
    assert_eq!(lines[9..11], ["[[image.platform]]", "platform = \"linux/amd64\""]);
    let manifest = format!(
        "manifest = {{ media-type = \"application/vnd.oci.image.manifest.v1+json\", digest = \"{}\", size = 7 }}",
        Digest::of(b"amd64")
    );
    assert_eq!(lines[11], manifest);
    assert!(
        lines[14].starts_with("  { media-type = ") && lines[14].ends_with("\" },"),
        "{text}"
    );
    assert_eq!(lines[16], format!("facts-version = {FACTS_VERSION}"));
    assert!(lines.iter().all(|line| !line.ends_with(' ')));
}

#[test]
fn pins_are_found_however_the_variant_is_written() {
    let lock = sample();
    let name = "docker.io/library/python:3.11";
    assert_eq!(
        lock.pin(name, &platform("linux/arm64/v8")),
        lock.pin(name, &platform("linux/arm64"))
    );
    assert!(lock.pin(name, &platform("linux/arm64/v8")).is_some());
    assert_eq!(lock.pin(name, &platform("linux/arm/v7")), None);
    assert_eq!(lock.pin("oci:other", &platform("linux/amd64")), None);
    assert_eq!(lock.image("oci:bases").unwrap().root(), Some(Digest::of(b"other")));
    assert_eq!(lock.image(name).unwrap().root(), Some(Digest::of(b"index")));
}

#[test]
fn another_index_takes_the_pins_of_the_first_with_it() {
    let lock = sample();
    let name = "docker.io/library/python:3.11";
    let pin = lock.pin(name, &platform("linux/amd64")).unwrap().clone();
    let moved = lock.with_pin(name, Some(Digest::of(b"new")), &platform("linux/amd64"), pin);
    assert_eq!(moved.image(name).unwrap().platforms().len(), 1);
    assert_eq!(lock.image(name).unwrap().platforms().len(), 2, "the first is as it was");
    assert_eq!(moved.without(name).images().len(), 1);
    let kept = lock.retain(|name, platform| name != "oci:bases" && platform.architecture == "arm64");
    assert_eq!(kept.images().len(), 1);
    assert_eq!(kept.image(name).unwrap().platforms().len(), 1);
}

#[test]
fn a_newer_lock_is_refused_by_name_whatever_it_holds() {
    for text in ["version = 2\n", "version = 3\nwhat = { is = [1] }\n"] {
        let error = Lock::parse(text, path()).unwrap_err();
        assert!(matches!(error, LockError::Newer { .. }), "{error}");
        assert!(
            error.to_string().starts_with("lockfile dir/ocitect.lock has version"),
            "{error}"
        );
    }
}

#[test]
fn edits_and_bad_merges_are_refused_by_name() {
    let text = sample().to_text();
    let digest = Digest::of(b"amd64").to_string();
    let edits = [
        text.replace(&digest, &Digest::of(b"evil").to_string()),
        text.replace("version = 1", "version = 0"),
        text.replace("size = 7", "size = 8"),
        text.replace("\n[[image]]", "\n<<<<<<< HEAD\n[[image]]"),
        format!("{text}\n"),
        format!("{text}[extra]\n"),
        text.replace('\n', "\r\n"),
        text.replace("facts = \"", "facts = \"A"),
        text.replace("linux/arm64", "Linux/arm64"),
        String::new(),
        "version = 1\n".to_owned(),
    ];
    for edit in edits {
        let error = Lock::parse(&edit, path()).unwrap_err();
        assert!(matches!(error, LockError::Altered { .. }), "{error}: {edit}");
        assert!(
            error
                .to_string()
                .starts_with("lockfile dir/ocitect.lock was changed after"),
            "{error}"
        );
        let help = crate::model::Diagnostic::help(&error).unwrap();
        assert!(
            help.contains("version control") && help.contains("ocitect lock"),
            "{help}"
        );
    }
}

#[test]
fn facts_of_another_version_are_kept_and_not_read() {
    let facts = LockedFacts::new(Facts::empty().compress().unwrap());
    assert_eq!(facts.read().unwrap(), Facts::empty());
    let other = LockedFacts {
        version: FACTS_VERSION + 1,
        ..facts.clone()
    };
    assert!(!other.is_current() && other.read().is_err());
    let damaged = LockedFacts {
        compressed: vec![1, 2, 3],
        ..facts
    };
    assert!(damaged.read().is_err());
}

#[test]
fn a_file_that_is_not_there_is_no_lock_and_a_large_one_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ocitect.lock");
    assert_eq!(Lock::load(&path).unwrap(), None);
    std::fs::write(&path, sample().to_text()).unwrap();
    assert_eq!(Lock::load(&path).unwrap(), Some(sample()));
    std::fs::write(&path, b"\xff").unwrap();
    assert!(matches!(Lock::load(&path), Err(LockError::Altered { .. })));
    std::fs::File::create(&path)
        .unwrap()
        .set_len(MAX_LOCK_BYTES + 1)
        .unwrap();
    assert!(matches!(Lock::load(&path), Err(LockError::TooLarge { .. })));
    assert!(matches!(Lock::load(directory.path()), Err(LockError::Read { .. })));
}
