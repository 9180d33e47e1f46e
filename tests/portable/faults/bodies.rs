//! Bodies of pulls that are interrupted, damaged, misdeclared, or replied to with another range.

use crate::support::Sandbox;
use crate::support::faults::answer::Content;
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::{MIB, Voyage, layer, one_layer};
use crate::support::faults::flavour::{Flavour, Presigned};
use crate::support::faults::hook::Hook;
use crate::support::faults::log::Seen;

/// A registry with an image of one layer.
fn with_image(sandbox: &Sandbox, layer_bytes: u64, flavour: Flavour) -> Fake {
    one_layer(sandbox, layer_bytes);
    let fake = Fake::start(flavour);
    Voyage { sandbox, fake: &fake }.push(fake.host(), "fair weather");
    fake
}

/// Returns the GETs of the layer.
fn gets(sandbox: &Sandbox, fake: &Fake) -> Vec<Seen> {
    fake.log().of("GET", &layer(sandbox).digest)
}

#[test]
fn a_blob_that_breaks_off_goes_on_from_there() {
    let sandbox = Sandbox::new();
    let fake = with_image(&sandbox, MIB, Flavour::distribution3());
    let layer = layer(&sandbox);
    for cut in [0, 1, 4096, layer.size_bytes / 2, layer.size_bytes - 1] {
        for is_chunked in [false, true] {
            fake.unhook();
            let before = gets(&sandbox, &fake).len();
            fake.hook(
                Hook::deliver(move |delivery| {
                    (delivery.cut_after_bytes, delivery.is_chunked) = (Some(cut), is_chunked);
                })
                .on("GET", &layer.digest)
                .times(1),
            );
            let what = format!("cut after {cut} bytes, chunked: {is_chunked}");
            Voyage {
                sandbox: &sandbox,
                fake: &fake,
            }
            .pull(fake.host(), &what);
            let seen = gets(&sandbox, &fake).split_off(before);
            assert_eq!(seen.len(), 2, "{what}: {:#?}", fake.log().lines());
            let range = seen[1].header("range").map(ToOwned::to_owned);
            // The bytes that were read last may have been lost with the connection.
            let start = range
                .as_deref()
                .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            assert!(start.unwrap_or(0) <= cut, "{what}: {range:?}");
        }
    }
}

#[test]
fn a_blob_that_breaks_off_again_and_again_is_read_to_its_end() {
    let sandbox = Sandbox::new();
    let fake = with_image(&sandbox, 12 * MIB, Flavour::distribution3());
    let layer = layer(&sandbox);
    fake.hook(Hook::cut(MIB).on("GET", &layer.digest));
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .pull(fake.host(), "cut after each MiB");
    let seen = gets(&sandbox, &fake);
    assert!(seen.len() >= 12 && seen.len() < 20, "{:#?}", fake.log().lines());
}

#[test]
fn a_blob_that_never_comes_is_an_error() {
    let sandbox = Sandbox::new();
    let fake = with_image(&sandbox, MIB, Flavour::distribution3());
    fake.hook(Hook::cut(0).on("GET", &layer(&sandbox).digest));
    sandbox
        .run(&["copy", &fake.image("app:1"), "oci:back:latest"])
        .expect(5);
    assert!(
        !sandbox.path("back/index.json").exists()
            || sandbox.layout("back").index()["manifests"] == serde_json::json!([])
    );
}

#[test]
fn a_part_that_is_another_is_not_taken() {
    let sandbox = Sandbox::new();
    let fake = with_image(&sandbox, MIB, Flavour::distribution3());
    let layer = layer(&sandbox);
    for (what, hook) in [
        ("200 to a Range", Hook::ignore_range()),
        ("206 that begins before", Hook::shift_range(1000)),
        (
            "206 without Content-Range",
            Hook::change(|reply| reply.without("Content-Range")),
        ),
        (
            "206 of another size",
            Hook::change(|reply| reply.instead("Content-Range", "bytes 524288-1048575/99999999")),
        ),
        (
            "206 of all",
            Hook::change(|reply| reply.instead("Content-Range", "bytes 0-99/100")),
        ),
    ] {
        fake.unhook();
        fake.hook(Hook::cut(layer.size_bytes / 2).on("GET", &layer.digest).times(1));
        // Only the second GET and no later one: the first is the interrupted one.
        fake.hook(hook.on("GET", &layer.digest).times(1));
        Voyage {
            sandbox: &sandbox,
            fake: &fake,
        }
        .pull(fake.host(), what);
    }
}

#[test]
fn a_byte_that_is_another_is_damage_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let fake = with_image(&sandbox, MIB, Flavour::distribution3());
    let layer = layer(&sandbox);
    for flipped in [0, layer.size_bytes / 2, layer.size_bytes - 1] {
        fake.unhook();
        fake.hook(Hook::flip(flipped).on("GET", &layer.digest));
        let failed = sandbox
            .run(&["copy", &fake.image("app:1"), "oci:back:latest"])
            .expect(5);
        assert!(failed.stderr.contains(&layer.digest), "{}", failed.stderr);
        let hex = layer.digest.strip_prefix("sha256:").unwrap();
        assert!(!sandbox.path("back/blobs/sha256").join(hex).exists());
    }
}

#[test]
fn a_byte_that_is_another_before_a_break_is_found_after_it() {
    let sandbox = Sandbox::new();
    let fake = with_image(&sandbox, MIB, Flavour::distribution3());
    let layer = layer(&sandbox);
    let half = layer.size_bytes / 2;
    fake.hook(
        Hook::deliver(move |delivery| (delivery.flip_at, delivery.cut_after_bytes) = (Some(10), Some(half)))
            .on("GET", &layer.digest)
            .times(1),
    );
    sandbox
        .run(&["copy", &fake.image("app:1"), "oci:back:latest"])
        .expect(5);
}

#[test]
fn lengths_that_are_wrong_do_no_harm() {
    let sandbox = Sandbox::new();
    let fake = with_image(&sandbox, MIB, Flavour::distribution3());
    let layer = layer(&sandbox);
    let size_bytes = layer.size_bytes;
    for declared in [0, 1, size_bytes - 1, size_bytes + 1, size_bytes * 2] {
        fake.unhook();
        fake.hook(
            Hook::deliver(move |delivery| delivery.declared_bytes = Some(declared))
                .on("GET", &layer.digest)
                .times(1),
        );
        let outcome = sandbox.run(&["copy", &fake.image("app:1"), &format!("oci:back-{declared}:latest")]);
        assert!(matches!(outcome.code, 0 | 5), "{declared}: {}", outcome.stderr);
        if outcome.code == 0 {
            let layout = sandbox.layout(&format!("back-{declared}"));
            assert!(layout.blob(&layer.digest).len() as u64 == size_bytes);
        }
    }
}

#[test]
fn a_blob_that_is_too_long_is_damage() {
    let sandbox = Sandbox::new();
    let fake = with_image(&sandbox, 1000, Flavour::distribution3());
    let layer = layer(&sandbox);
    let mut bytes = sandbox.layout("image").blob(&layer.digest);
    bytes.push(0);
    fake.hook(
        Hook::change(move |mut reply| {
            reply.content = Content::Bytes(bytes.clone());
            reply
        })
        .on("GET", &layer.digest),
    );
    sandbox
        .run(&["copy", &fake.image("app:1"), "oci:back:latest"])
        .expect(5);
}

#[test]
fn a_wrong_word_about_a_tags_digest_is_said_and_passed_over() {
    let sandbox = Sandbox::new();
    let fake = with_image(&sandbox, 1000, Flavour::distribution3());
    let wrong = format!("sha256:{}", "0".repeat(64));
    fake.hook(
        Hook::change(move |reply| reply.instead("Docker-Content-Digest", wrong.clone())).on("GET", "/manifests/"),
    );
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .pull(fake.host(), "a wrong Docker-Content-Digest");
}

#[test]
fn an_address_that_ends_halfway_is_asked_for_again() {
    let sandbox = Sandbox::new();
    let presigned = Presigned {
        ends_after_bytes: Some(MIB),
        status: 403,
    };
    let flavour = Flavour {
        presigned: Some(presigned),
        ..Flavour::distribution3()
    };
    let fake = with_image(&sandbox, 5 * MIB / 2, flavour);
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .pull(fake.host(), "addresses for a MiB");
    assert_eq!(gets(&sandbox, &fake).len(), 3, "{:#?}", fake.log().lines());
    let storage = fake.storage_log().all();
    assert!(
        storage.iter().all(|seen| seen.header("authorization").is_none()),
        "{storage:#?}"
    );
    let sizes: Vec<_> = storage
        .iter()
        .map(|seen| seen.header("range").map(ToOwned::to_owned))
        .collect();
    assert!(sizes.iter().flatten().count() >= 2, "{sizes:?}");
}
