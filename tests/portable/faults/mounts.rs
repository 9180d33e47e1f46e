//! Mounts, and every way in which they are refused: the base's layers reach the repository all the same.

use std::collections::BTreeSet;

use crate::faults::sailor::{guarded, log_in};
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::{Noise, Voyage};
use crate::support::faults::flavour::{Flavour, Mounts};
use crate::support::faults::hook::Hook;
use crate::support::faults::tokens::{Joined, Tokens};
use crate::support::{Outcome, Sandbox};

/// Size of each layer of the base, in bytes.
const LAYER_BYTES: usize = 200_000;

/// Pushes a base of two layers for two platforms to `base:1` of a registry. Returns its layers.
pub fn push_base(fake: &Fake, flags: &[&str]) -> BTreeSet<String> {
    let base = Sandbox::new();
    let mut text = "[image]\ncompression = \"none\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n".to_owned();
    for name in ["one", "two"] {
        for architecture in ["amd64", "arm64"] {
            let file = format!("{name}-{architecture}");
            let seed = file.bytes().fold(0, |seed, byte| seed * 31 + u64::from(byte));
            base.write(&file, Noise(seed).bytes(LAYER_BYTES));
        }
        text +=
            &format!("[[layers]]\nname = \"{name}\"\nfiles = [{{ from = \"{name}-${{arch}}\", to = \"/{name}\" }}]\n");
    }
    base.spec(&text);
    base.ok(&["build", "-o", "oci:image"]);
    base.ok(&[&["push", "oci:image", &fake.image("base:1")], flags].concat());
    let layout = base.layout("image");
    let manifests = ["linux/amd64", "linux/arm64"].map(|platform| layout.manifest("latest", platform));
    let layers = manifests
        .iter()
        .flat_map(|manifest| manifest["layers"].as_array().unwrap());
    layers
        .map(|layer| layer["digest"].as_str().unwrap().to_owned())
        .collect()
}

/// Writes a spec with one additional layer on that base.
pub fn write_app(sandbox: &Sandbox, host: &str) {
    for architecture in ["amd64", "arm64"] {
        sandbox.write(&format!("own-{architecture}"), format!("{architecture}\n"));
    }
    sandbox.spec(&format!(
        "[image]\nname = \"{host}/app\"\ntags = [\"1\"]\nbase = \"{host}/base:1\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n\
         [[layers]]\nname = \"own\"\nfiles = [{{ from = \"own-${{arch}}\", to = \"/own\" }}]\n"
    ));
}

/// The requests of a registry during a push of an image on a base.
struct Pushed {
    fake: Fake,
    base: BTreeSet<String>,
    outcome: Outcome,
}

impl Pushed {
    /// Returns the number of PUTs of base layers.
    fn uploads(&self) -> usize {
        let puts = self.fake.log().of("PUT", "/app/blobs/uploads/");
        let is_base = |target: &str| {
            self.base
                .iter()
                .any(|digest| target.contains(&digest["sha256:".len()..]))
        };
        puts.iter().filter(|seen| is_base(&seen.target)).count()
    }

    fn mounts(&self) -> usize {
        self.fake.log().count("POST", "mount=")
    }
}

#[track_caller]
fn push_over(flavour: Flavour) -> Pushed {
    let what = format!("{}, {:?}, {:?}", flavour.name, flavour.mounts, flavour.tokens);
    let sandbox = Sandbox::new();
    let fake = Fake::start(guarded(flavour));
    fake.make("base").make("app");
    let flags = log_in(&sandbox, fake.host());
    let flags = flags.each_ref().map(String::as_str);
    let base = push_base(&fake, &flags);
    write_app(&sandbox, fake.host());
    let outcome = sandbox.run(&[&["build", "--push", "-o", "oci:image:latest"], &flags[..]].concat());
    assert_eq!(outcome.code, 0, "{what}\n{}\n{:#?}", outcome.stderr, fake.log().lines());
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .is_whole(&what);
    Pushed { fake, base, outcome }
}

fn with_mounts(mounts: Mounts) -> Flavour {
    Flavour {
        mounts,
        tokens: Some(Tokens::default()),
        ..Flavour::distribution3()
    }
}

#[test]
fn what_is_mounted_is_not_sent() {
    for flavour in [
        with_mounts(Mounts::FromRepository),
        with_mounts(Mounts::Anything),
        Flavour::docker_hub(),
        Flavour::quay(),
    ] {
        let pushed = push_over(flavour);
        assert_eq!(pushed.uploads(), 0, "{:#?}", pushed.fake.log().lines());
        assert!(pushed.mounts() >= pushed.base.len(), "{:#?}", pushed.fake.log().lines());
    }
}

#[test]
fn what_is_answered_with_a_session_is_sent_in_it() {
    let pushed = push_over(with_mounts(Mounts::Never));
    assert_eq!(pushed.uploads(), pushed.base.len(), "{:#?}", pushed.fake.log().lines());
    // No session is started besides those of the mounts, except for the image's own content.
    let posts = pushed.fake.log().count("POST", "/app/blobs/uploads/");
    assert!(posts <= pushed.base.len() + 4, "{:#?}", pushed.fake.log().lines());
    assert_eq!(
        pushed.fake.sessions().count(),
        0,
        "sessions were left open: {:#?}",
        pushed.fake.log().lines()
    );
}

#[test]
fn a_refused_mount_is_followed_by_an_upload() {
    for status in [400, 401, 403, 404, 405] {
        let pushed = push_over(with_mounts(Mounts::Refused(status)));
        assert_eq!(
            pushed.uploads(),
            pushed.base.len(),
            "{status}: {:#?}",
            pushed.fake.log().lines()
        );
    }
}

#[test]
fn a_mount_that_breaks_is_tried_again_or_done_without() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    push_base(&fake, &[]);
    write_app(&sandbox, fake.host());
    fake.hook(Hook::lose_reply().on("POST", "mount=").times(3));
    sandbox.ok(&["build", "--push", "-o", "oci:image:latest"]);
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .is_whole("mounts without an answer");
}

#[test]
fn scopes_that_are_not_granted_together_are_done_without() {
    for change in [
        |tokens: &mut Tokens| tokens.joined = Joined::Refused(400),
        |tokens: &mut Tokens| tokens.joined = Joined::FirstOnly,
        |tokens: &mut Tokens| tokens.refuses_unrelated = Some(403),
        |tokens: &mut Tokens| tokens.refuses_unrelated = Some(401),
        |tokens: &mut Tokens| tokens.leaves_out_unrelated = true,
    ] {
        for needs_source_scope in [false, true] {
            let flavour = with_mounts(Mounts::FromRepository).tokens(change);
            let pushed = push_over(flavour.tokens(|tokens| tokens.needs_source_scope = needs_source_scope));
            assert!(
                !pushed.outcome.stderr.contains("weather-token"),
                "{}",
                pushed.outcome.stderr
            );
        }
    }
}

/// Returns the digests of the layers that a repository got as uploads.
fn uploaded_layers(fake: &Fake, repository: &str, layers: &BTreeSet<String>) -> BTreeSet<String> {
    let puts = fake.log().of("PUT", &format!("/{repository}/blobs/uploads/"));
    let is_put = |digest: &&String| puts.iter().any(|seen| seen.target.contains(&digest["sha256:".len()..]));
    layers.iter().filter(is_put).cloned().collect()
}

/// Builds an image on a base of the registry into the layout `image`. Returns the layers of the base and all layers.
fn build_layout_on_base(sandbox: &Sandbox, fake: &Fake) -> (BTreeSet<String>, BTreeSet<String>) {
    let base = push_base(fake, &[]);
    write_app(sandbox, fake.host());
    sandbox.ok(&["build", "-o", "oci:image"]);
    let layout = sandbox.layout("image");
    let manifests = ["linux/amd64", "linux/arm64"].map(|platform| layout.manifest("1", platform));
    let layers = manifests
        .iter()
        .flat_map(|manifest| manifest["layers"].as_array().unwrap().clone());
    let all = layers
        .map(|layer| layer["digest"].as_str().unwrap().to_owned())
        .collect();
    (base, all)
}

#[test]
fn a_push_out_of_a_layout_mounts_what_the_registry_is_known_to_have() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    let (base, all) = build_layout_on_base(&sandbox, &fake);
    let own: BTreeSet<String> = all.difference(&base).cloned().collect();

    // The base's layers were read from the registry; nobody has the image's own.
    sandbox.ok(&["push", "oci:image", &fake.image("first:1")]);
    assert_eq!(uploaded_layers(&fake, "first", &all), own, "{:#?}", fake.log().lines());
    assert_eq!(fake.log().count("POST", "mount="), base.len());

    // Now one repository is known to have all of them.
    sandbox.ok(&["copy", "oci:image", &format!("docker://{}", fake.image("second:1"))]);
    assert_eq!(
        uploaded_layers(&fake, "second", &all),
        BTreeSet::new(),
        "{:#?}",
        fake.log().lines()
    );

    // Without the cache nothing is known.
    std::fs::remove_dir_all(sandbox.path("cache")).unwrap();
    sandbox.ok(&["push", "oci:image", &fake.image("third:1")]);
    assert_eq!(uploaded_layers(&fake, "third", &all), all);
}

#[test]
fn an_archive_that_was_copied_from_a_registry_is_mounted_too() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    let base = push_base(&fake, &[]);
    sandbox.ok(&["copy", &fake.image("base:1"), "oci-archive:base.tar"]);
    sandbox.ok(&["push", "oci-archive:base.tar", &fake.image("again:1")]);
    assert_eq!(uploaded_layers(&fake, "again", &base), BTreeSet::new());
}

#[test]
fn a_remembered_repository_that_lost_a_layer_costs_an_upload() {
    for mounts in [Mounts::Never, Mounts::Refused(404), Mounts::Refused(403)] {
        let sandbox = Sandbox::new();
        let fake = Fake::start(Flavour {
            mounts,
            ..Flavour::distribution3()
        });
        let (_, all) = build_layout_on_base(&sandbox, &fake);
        sandbox.ok(&["push", "oci:image", &fake.image("first:1")]);
        assert_eq!(uploaded_layers(&fake, "first", &all), all, "{:#?}", fake.log().lines());
    }
}
