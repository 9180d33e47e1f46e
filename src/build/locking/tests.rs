use super::*;
use crate::lock::{LockedFacts, Pin};
use crate::model::{Descriptor, Digest, MediaType};

const NAME: &str = "r.test/base:1";

fn platform(architecture: &str) -> Platform {
    Platform::new("linux", architecture)
}

fn needs_of(architectures: &[&str]) -> BTreeSet<Need> {
    let named = NamedImage {
        text: NAME.to_owned(),
        name: NAME.parse().unwrap(),
    };
    architectures
        .iter()
        .map(|architecture| (named.clone(), platform(architecture)))
        .collect()
}

/// Returns a lockfile with the facts of these platforms at hand.
fn with_facts(image: &str, architectures: &[&str]) -> Lock {
    let descriptor = |text: &str| Descriptor::new(MediaType::OciManifest, Digest::of(text.as_bytes()), 7);
    let add = |lock: Lock, architecture: &&str| {
        let pin = Pin {
            manifest: descriptor(architecture),
            config: descriptor("config"),
            layers: Vec::new(),
            facts: LockedFacts::new(vec![1, 2, 3]),
        };
        lock.with_pin(NAME, Digest::of(image.as_bytes()), &platform(architecture), pin)
    };
    architectures.iter().fold(Lock::new(), add)
}

/// Returns a lockfile with the same text, without its facts files.
fn without_facts(lock: &Lock) -> Lock {
    let image = lock.image(NAME).unwrap();
    Lock::new().with_image(NAME, LockedImage::new(image.digest, image.facts_digest()))
}

#[test]
fn a_build_of_some_platforms_keeps_the_digest_of_facts_that_are_not_at_hand() {
    let both = with_facts("1", &["amd64", "arm64"]);
    let absent = without_facts(&both);
    let one = with_facts("1", &["amd64"]);
    let needs = needs_of(&["amd64", "arm64"]);
    assert_eq!(settled(&absent, &one, Some(&needs)), absent);
    // The same facts again are written.
    assert_eq!(settled(&absent, &both, Some(&needs)), both);
    // So are those of all platforms of the spec, whatever the file had.
    assert_eq!(settled(&absent, &one, Some(&needs_of(&["amd64"]))), one);
    assert_eq!(settled(&without_facts(&one), &both, Some(&needs)), both);
    assert_eq!(settled(&absent, &one, None), absent);
}

#[test]
fn facts_are_added_where_none_are_stated_and_to_those_at_hand() {
    let one = with_facts("1", &["amd64"]);
    let needs = needs_of(&["amd64", "arm64"]);
    assert_eq!(settled(&Lock::new(), &one, Some(&needs)), one);
    let stated = Lock::new().with_image(NAME, LockedImage::new(Digest::of(b"1"), None));
    assert_eq!(settled(&stated, &one, Some(&needs)), one);
    assert_eq!(settled(&with_facts("1", &["arm64"]), &one, Some(&needs)), one);
    // Another image has other facts.
    assert_eq!(
        settled(&without_facts(&with_facts("2", &["arm64"])), &one, Some(&needs)),
        one
    );
}
