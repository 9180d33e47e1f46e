//! Tags of merges while other runners write them.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Mutex;

use super::merging::{PLATFORMS, merge, part_file, push_parts, write_app};
use crate::support::Sandbox;
use crate::support::faults::answer::Reply;
use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::Flavour;
use crate::support::faults::hook::Hook;

/// Returns the digest that a tag names.
fn named(fake: &Fake, tag: &str) -> Option<String> {
    fake.contents().manifest("me/app", tag).map(|(digest, _)| digest)
}

#[test]
fn a_tag_that_someone_else_moved_is_not_written() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_app(&sandbox, fake.host(), "");
    push_parts(&sandbox, &fake);
    let files = PLATFORMS.map(part_file);
    let with = |expected: &str| sandbox.run(&merge(&fake, &["--if-tag", expected, &files[0], &files[1]]));
    let zeros = format!("sha256:{}", "0".repeat(64));
    with(&zeros).expect(3).says(&[
        "does not name the expected image",
        "found no image",
        "it was not written",
    ]);
    assert_eq!(named(&fake, "1.0"), None);
    let whole = with("none").expect(0).digest();
    // A rerun finds its own image.
    with("none").expect(0);
    write_app(&sandbox, fake.host(), "index = true\n[config]\nlabels = { a = \"b\" }");
    push_parts(&sandbox, &fake);
    with("none").expect(3).says(&[&whole]);
    with("1.0=none").expect(3);
    assert_eq!(named(&fake, "latest").as_ref(), Some(&whole));
    let next = with(&whole).expect(0).digest();
    assert_ne!(next, whole);
    for bad in ["", "x", "1.0=", "a b=none", "sha256:1"] {
        with(bad).expect(2).says(&["expected a digest or none"]);
    }
    with("2.0=none")
        .expect(2)
        .says(&["the tag 2.0 is not written", "use one of: 1.0, latest"]);
    let local = ["--if-tag", "none", "-o", "oci:out", &files[0], &files[1]];
    sandbox
        .run(&merge(&fake, &local))
        .expect(2)
        .says(&["no tag is written to a registry"]);
}

#[test]
fn a_tag_that_moves_while_it_is_written_is_noticed() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_app(&sandbox, fake.host(), "");
    push_parts(&sandbox, &fake);
    let files = PLATFORMS.map(part_file);
    let arm = sandbox.json(&files[1])["digest"].as_str().unwrap().to_owned();
    // Someone else moves the tag between the index and the tag: what is read then is another image.
    let other = fake.contents().manifest("me/app", &arm).unwrap().1;
    let moving = Mutex::new(Some(other));
    let registry = fake.registry();
    fake.hook(
        Hook::change(move |reply: Reply| {
            if let Some(other) = moving.lock().unwrap().take() {
                registry.contents().put_manifest("me/app", "1.0", other);
            }
            reply
        })
        .on("PUT", "/v2/me/app/manifests/sha256:"),
    );
    let outcome = sandbox.run(&merge(&fake, &["--if-tag", "none", &files[0], &files[1]]));
    outcome.expect(3).says(&["does not name the expected image", &arm]);
    assert_eq!(named(&fake, "1.0"), Some(arm));
    assert_eq!(named(&fake, "latest"), None);
}

/// Rounds of the race, and the seed of its order.
const ROUNDS: usize = 50;

/// Returns the next number of a fixed sequence (Knuth's MMIX generator).
fn next(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

#[test]
fn runners_that_race_leave_a_whole_image() {
    let fake = Fake::start(Flavour::distribution3());
    let sandboxes = ["one", "two"].map(|content| {
        let sandbox = Sandbox::new();
        write_app(&sandbox, fake.host(), "");
        sandbox
            .write("dist/amd64/app", content)
            .write("dist/arm64/app", content);
        push_parts(&sandbox, &fake);
        sandbox
    });
    let [one, two] = &sandboxes;
    let of_other = two.path("linux-arm64.json").to_string_lossy().into_owned();
    let push = ["build", "--push", "--plain-http", fake.host(), "--platform"];
    let pushed = |platform| [&push[..], &[platform]].concat();
    let files = PLATFORMS.map(part_file);
    let whole = merge(&fake, &[&files[0], &files[1]]);
    // The other's spec is the same: only the platforms say that something is missing.
    let lost = merge(&fake, &[&files[0]]);
    let twice = merge(&fake, &[&files[0], &files[1], &of_other]);
    let mut jobs = [
        (one, pushed(PLATFORMS[0]), 0),
        (two, pushed(PLATFORMS[1]), 0),
        (one, pushed(PLATFORMS[1]), 0),
        (two, pushed(PLATFORMS[0]), 0),
        (one, whole.clone(), 0),
        (two, whole, 0),
        (two, lost, 6),
        (one, twice, 2),
    ];
    let mut state = 14;
    let mut images = BTreeSet::new();
    for round in 0..ROUNDS {
        for at in (1..jobs.len()).rev() {
            jobs.swap(at, next(&mut state) % (at + 1));
        }
        let started: Vec<_> = jobs
            .iter()
            .map(|(sandbox, arguments, code)| {
                let mut command = sandbox.command(arguments);
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                (command.spawn().unwrap(), arguments, *code)
            })
            .collect();
        for (child, arguments, code) in started {
            assert_whole(&fake, round);
            let output = child.wait_with_output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{round}: {arguments:?}: {stderr}");
        }
        images.insert(assert_whole(&fake, round).unwrap());
    }
    assert_eq!(images.len(), 2, "both images won at least once");
}

/// Checks that the tag, if there is one, names an index with both platforms. Returns its digest.
fn assert_whole(fake: &Fake, round: usize) -> Option<String> {
    let contents = fake.contents();
    let (digest, manifest) = contents.manifest("me/app", "1.0")?;
    assert_eq!(manifest.json()["manifests"].as_array().unwrap().len(), 2, "{round}");
    assert_eq!(contents.missing("me/app", &manifest), None, "{round}");
    Some(digest)
}
