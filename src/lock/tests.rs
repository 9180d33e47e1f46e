use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::limits::{LOCK_VERSION, MAX_FACTS_BYTES, MAX_LOCK_BYTES};
use super::pin::LockedLayer;
use super::*;
use crate::model::{Descriptor, Diagnostic as _, DiffId, Digest, MediaType, Platform, facts_directory};
use crate::tree::{FACTS_VERSION, Facts};

mod first_version;
mod reading;

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
    let at_hand =
        (any::<u8>(), platforms).prop_map(|(byte, platforms)| LockedImage::with_pins(Digest::of(&[byte]), platforms));
    let absent = (any::<u8>(), prop::option::of(any::<u8>()))
        .prop_map(|(byte, facts)| LockedImage::new(Digest::of(&[byte]), facts.map(|byte| Digest::of(&[byte]))));
    let name = prop_oneof!["[a-z./:\"\\\\]{1,8}", any::<String>()];
    let image = prop_oneof![at_hand, absent];
    prop::collection::btree_map(name, image, 0..3).prop_map(|images| {
        let add = |lock: Lock, (name, image): (&String, &LockedImage)| lock.with_image(name, image.clone());
        images.iter().fold(Lock::new(), add)
    })
}

fn path() -> &'static Path {
    Path::new("dir/ocitect.lock")
}

fn descriptor_of(text: &str) -> Descriptor {
    Descriptor::new(MediaType::OciManifest, Digest::of(text.as_bytes()), 7)
}

fn pin_of(text: &str) -> Pin {
    let layer = LockedLayer {
        descriptor: descriptor_of("layer"),
        diff_id: DiffId::of(b"tar"),
    };
    Pin {
        manifest: descriptor_of(text),
        config: descriptor_of("config"),
        layers: vec![layer],
        facts: LockedFacts::new(Facts::empty().compress().unwrap()),
    }
}

const PYTHON: &str = "docker.io/library/python:3.11";

fn sample() -> Lock {
    let index = Digest::of(b"index");
    Lock::new()
        .with_pin(PYTHON, index, &platform("linux/amd64"), pin_of("amd64"))
        .with_pin(PYTHON, index, &platform("linux/arm64"), pin_of("arm64"))
        .with_pin(
            "oci:bases",
            Digest::of(b"other"),
            &platform("linux/amd64"),
            pin_of("other"),
        )
}

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

/// Writes the lockfile and its facts files into a directory.
fn write(lock: &Lock, path: &Path) {
    fs::write(path, lock.to_text()).unwrap();
    fs::create_dir_all(facts_directory(path)).unwrap();
    for (digest, text) in lock.facts_files() {
        fs::write(facts_directory(path).join(facts_file_name(&digest)), text).unwrap();
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(lock in lock()) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocitect.lock");
        write(&lock, &path);
        let loaded = Lock::load(&path).unwrap().unwrap();
        prop_assert_eq!(&loaded.lock, &lock);
        prop_assert!(loaded.is_canonical && loaded.warnings.is_empty());
        fs::remove_dir_all(facts_directory(&path)).unwrap();
        let without = Lock::load(&path).unwrap().unwrap();
        prop_assert_eq!(without.lock.to_text(), lock.to_text());
        prop_assert!(without.lock.facts_files().is_empty() && without.is_canonical);
    }

    /// A changed lockfile pins something else, or nothing: it never has other facts for the image of a pin.
    #[test]
    fn no_change_of_a_byte_gives_a_pin_other_facts(at in any::<prop::sample::Index>(), byte in 0x20u8..0x7f) {
        let lock = sample();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocitect.lock");
        write(&lock, &path);
        let mut bytes = lock.to_text().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        fs::write(&path, bytes).unwrap();
        let Ok(Some(loaded)) = Lock::load(&path) else { return Ok(()) };
        for image in loaded.lock.images().values().filter(|image| !image.platforms().is_empty()) {
            prop_assert!(lock.images().values().any(|known| known == image));
        }
    }
}

#[test]
fn it_reads_well() {
    let lock = sample();
    let text = lock.to_text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].starts_with("# ") && lines[0].contains("`ocitect update`"),
        "{text}"
    );
    assert_eq!(lines[1..4], ["version = 2", "", "images = ["]);
    let facts = lock.image(PYTHON).unwrap().facts_digest().unwrap();
    let line = format!(
        "  {{ name = \"{PYTHON}\", digest = \"{}\", facts = \"{facts}\" }},",
        Digest::of(b"index")
    );
    assert_eq!(lines[4], line);
    assert!(lines[5].starts_with("  { name = \"oci:bases\", digest = "), "{text}");
    assert_eq!(lines[6..], ["]"]);
    let unknown = Lock::new().with_image("a", LockedImage::new(Digest::of(b"a"), None));
    let line = format!("\n  {{ name = \"a\", digest = \"{}\" }},\n", Digest::of(b"a"));
    assert!(unknown.to_text().contains(&line), "{}", unknown.to_text());
}

#[test]
fn a_facts_file_reads_well() {
    let lock = sample();
    let text = lock.image(PYTHON).unwrap().facts_text().unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("# "), "{text}");
    assert_eq!(lines[1], "version = 1");
    assert_eq!(lines[2], format!("image = \"{}\"", Digest::of(b"index")));
    assert_eq!(lines[4..6], ["[[platform]]", "platform = \"linux/amd64\""]);
    let manifest = format!(
        "manifest = {{ media-type = \"application/vnd.oci.image.manifest.v1+json\", digest = \"{}\", size = 7 }}",
        Digest::of(b"amd64")
    );
    assert_eq!(lines[6], manifest);
    assert_eq!(lines[11], format!("facts-version = {FACTS_VERSION}"));
    let digest = Digest::of(text.as_bytes());
    assert_eq!(lock.facts_files().get(&digest), Some(&text));
    assert_eq!(facts_file_name(&digest), format!("{}.toml", digest.hex()));
}

#[test]
fn only_names_of_facts_files_have_a_digest() {
    let digest = Digest::of(b"facts");
    let name = facts_file_name(&digest);
    assert_eq!(facts_file_digest(&name), Some(digest));
    let others = [
        name.to_uppercase(),
        digest.hex(),
        format!("{name}~"),
        format!(".{name}"),
        name[1..].to_owned(),
        "README.toml".to_owned(),
        ".toml".to_owned(),
        String::new(),
    ];
    for other in others {
        assert_eq!(facts_file_digest(&other), None, "{other}");
    }
}

#[test]
fn pins_are_found_however_the_variant_is_written() {
    let lock = sample();
    assert_eq!(
        lock.pin(PYTHON, &platform("linux/arm64/v8")),
        lock.pin(PYTHON, &platform("linux/arm64"))
    );
    assert!(lock.pin(PYTHON, &platform("linux/arm64/v8")).is_some());
    assert_eq!(lock.pin(PYTHON, &platform("linux/arm/v7")), None);
    assert_eq!(lock.pin("oci:other", &platform("linux/amd64")), None);
    let index = |name: &str| lock.image(name).unwrap().index();
    assert_eq!(index(PYTHON), Some(Digest::of(b"index")));
    assert_eq!(index("oci:bases"), None, "it is a single manifest");
}

#[test]
fn another_digest_takes_the_pins_of_the_first_with_it() {
    let lock = sample();
    let pin = lock.pin(PYTHON, &platform("linux/amd64")).unwrap().clone();
    let moved = lock.with_pin(PYTHON, Digest::of(b"new"), &platform("linux/amd64"), pin);
    assert_eq!(moved.image(PYTHON).unwrap().platforms().len(), 1);
    assert_eq!(
        lock.image(PYTHON).unwrap().platforms().len(),
        2,
        "the first is as it was"
    );
    assert_eq!(moved.without(PYTHON).images().len(), 1);
    let arm64 = platform("linux/arm64/v8");
    let kept = lock.only(&BTreeMap::from([(PYTHON, BTreeSet::from([&arm64]))]));
    assert_eq!(kept.images().len(), 1);
    assert_eq!(kept.image(PYTHON).unwrap().platforms().len(), 1);
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
