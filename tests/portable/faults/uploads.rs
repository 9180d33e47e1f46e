//! Interrupted uploads: cut at any byte, without a reply, with unusual Locations, and with false offsets.

use crate::support::Sandbox;
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::{MIB, Voyage, layer, one_layer, stormy, uploaded_bytes};
use crate::support::faults::flavour::{Flavour, Location, RangeWord, Stale};
use crate::support::faults::hook::Hook;
use crate::support::faults::proxy::Proxy;
use crate::support::faults::script::{Fault, Rule};
use crate::support::faults::server::CA_FILE;

/// Upper bound of the bytes of heads, configs and manifests.
const SMALL_BYTES: u64 = 64 * 1024;

/// Positions at which a body of so many bytes is interrupted.
fn cuts(size_bytes: u64) -> [u64; 5] {
    [0, 1, 4096, size_bytes / 2, size_bytes - 1]
}

/// Checks that a push whose layer is interrupted once at each position succeeds, and sends at most `most` bytes for the
/// position and the layer's size.
fn cut_once(flavour: &Flavour, methods: &'static [&'static str], layer_bytes: u64, most: impl Fn(u64, u64) -> u64) {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, layer_bytes);
    let size_bytes = layer(&sandbox).size_bytes;
    let body_bytes = if methods == ["PATCH"] {
        size_bytes.min(5 * MIB)
    } else {
        size_bytes
    };
    for cut in cuts(body_bytes) {
        let (fake, proxy) = stormy(flavour.clone());
        proxy.rule(
            Rule::new(Fault::ResetInBody(cut))
                .on(methods)
                .bodies_from(SMALL_BYTES)
                .times(1),
        );
        let what = format!("{}, {methods:?} cut after {cut} bytes", flavour.name);
        Voyage {
            sandbox: &sandbox,
            fake: &fake,
        }
        .push(&proxy.host(), &what);
        let sent_bytes = uploaded_bytes(proxy.log());
        let most_bytes = most(cut, size_bytes) + SMALL_BYTES;
        let log = proxy.log().lines();
        assert!(
            sent_bytes <= most_bytes,
            "{what}: {sent_bytes} bytes of {most_bytes}\n{log:#?}"
        );
        assert!(
            proxy.log().all().iter().any(|seen| seen.is_cut),
            "{what}: no cut\n{log:#?}"
        );
    }
}

#[test]
fn a_put_that_is_cut_goes_on_where_distribution_3_keeps_it() {
    // One byte and none have the same range.
    cut_once(&Flavour::distribution3(), &["PUT"], MIB, |cut, size_bytes| {
        size_bytes + cut.min(1)
    });
}

#[test]
fn a_put_that_is_cut_begins_again_on_distribution_2() {
    cut_once(&Flavour::distribution2(), &["PUT"], MIB, |cut, size_bytes| {
        cut + size_bytes
    });
}

#[test]
fn a_put_that_is_cut_begins_again_on_zot() {
    cut_once(&Flavour::zot(), &["PUT"], MIB, |cut, size_bytes| cut + size_bytes);
}

#[test]
fn a_put_that_is_cut_begins_again_on_ecr() {
    // Sent once more, since closing a session without bytes fails there.
    cut_once(&Flavour::ecr(), &["PUT"], MIB, |cut, size_bytes| cut + 2 * size_bytes);
}

/// Adds a limit on bodies, so that layers are sent in chunks.
fn chunked(flavour: Flavour) -> Flavour {
    Flavour {
        largest_body_bytes: Some(6 * MIB),
        ..flavour
    }
}

/// Bytes of a body above the limit of [`chunked`], which is refused in transit: how many of them were passed on by then
/// depends on buffers.
const REFUSED_BYTES: u64 = 12 * MIB;

#[test]
fn a_chunk_that_is_cut_goes_on_where_distribution_3_keeps_it() {
    let most = |_cut, size_bytes| REFUSED_BYTES + size_bytes + MIB;
    cut_once(&chunked(Flavour::distribution3()), &["PATCH"], 12 * MIB, most);
}

#[test]
fn a_chunk_that_is_cut_begins_again_elsewhere() {
    for flavour in [Flavour::distribution2(), Flavour::zot()] {
        let most = |cut, size_bytes| REFUSED_BYTES + cut + size_bytes;
        cut_once(&chunked(flavour), &["PATCH"], 12 * MIB, most);
    }
}

#[test]
fn a_chunk_that_is_cut_is_sent_again_to_ecr() {
    let most = |cut, size_bytes| REFUSED_BYTES + cut + size_bytes;
    cut_once(&chunked(Flavour::ecr()), &["PATCH"], 12 * MIB, most);
}

#[test]
fn a_push_through_many_cuts_converges_while_it_gets_on() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 16 * MIB);
    let size_bytes = layer(&sandbox).size_bytes;
    let (fake, proxy) = stormy(Flavour::distribution3());
    proxy.rule(
        Rule::new(Fault::ResetInBody(MIB))
            .on(&["PUT", "PATCH"])
            .bodies_from(MIB + 1),
    );
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .push(&proxy.host(), "cut after each MiB");
    let sent_bytes = uploaded_bytes(proxy.log());
    assert!(
        sent_bytes <= size_bytes + SMALL_BYTES,
        "{sent_bytes} bytes\n{:#?}",
        proxy.log().lines()
    );
}

#[test]
fn a_blob_whose_answer_was_lost_is_found_and_not_sent_again() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, MIB);
    let layer = layer(&sandbox);
    for flavour in [
        Flavour::distribution3(),
        Flavour::distribution2(),
        Flavour::zot(),
        Flavour::ecr(),
    ] {
        let (fake, proxy) = stormy(flavour.clone());
        proxy.rule(
            Rule::new(Fault::CloseBeforeReply)
                .on(&["PUT"])
                .at("/blobs/uploads/")
                .times(2),
        );
        Voyage {
            sandbox: &sandbox,
            fake: &fake,
        }
        .push(&proxy.host(), flavour.name);
        let hex = layer.digest.strip_prefix("sha256:").unwrap();
        assert_eq!(
            fake.log().count("PUT", hex),
            1,
            "{}: {:#?}",
            flavour.name,
            fake.log().lines()
        );
        assert_eq!(
            fake.log().count("PUT", "/blobs/uploads/"),
            2,
            "{}: {:#?}",
            flavour.name,
            fake.log().lines()
        );
    }
}

#[test]
fn answers_to_other_requests_of_a_push_may_be_lost() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let requests: [(&'static [&'static str], &str); 4] = [
        (&["HEAD"], "/blobs/"),
        (&["POST"], "/blobs/uploads/"),
        (&["PUT"], "/manifests/"),
        (&["HEAD"], "/manifests/"),
    ];
    for (methods, text) in requests {
        let (fake, proxy) = stormy(Flavour::distribution3());
        proxy.rule(Rule::new(Fault::CloseBeforeReply).on(methods).at(text).times(2));
        Voyage {
            sandbox: &sandbox,
            fake: &fake,
        }
        .push(&proxy.host(), &format!("{methods:?} {text}"));
    }
}

#[test]
fn locations_of_every_form_are_gone_to() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, MIB);
    for location in [
        Location::Absolute,
        Location::Relative,
        Location::SchemeRelative,
        Location::Escaped,
    ] {
        let flavour = Flavour::distribution3().uploads(|uploads| uploads.location = location);
        let (fake, proxy) = stormy(flavour);
        proxy.rule(
            Rule::new(Fault::ResetInBody(MIB / 2))
                .on(&["PUT"])
                .bodies_from(MIB)
                .times(1),
        );
        Voyage {
            sandbox: &sandbox,
            fake: &fake,
        }
        .push(&proxy.host(), &format!("{location:?}"));
    }
}

#[test]
fn a_location_that_loses_tls_keeps_it_all_the_same() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, MIB);
    let flavour = Flavour::distribution3().uploads(|uploads| uploads.location = Location::Http);
    let fake = Fake::start_tls(flavour);
    sandbox.ok(&["push", "oci:image", &fake.image("app:1"), "--ca-file", CA_FILE]);
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .is_whole("http: in Location");
}

#[test]
fn a_session_without_a_location_is_an_error_of_the_registry() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, 1000);
    let fake = Fake::start(Flavour::distribution3().uploads(|uploads| uploads.location = Location::Missing));
    sandbox
        .run(&["push", "oci:image", &fake.image("app:1")])
        .expect(5)
        .says(&["Location"]);
}

#[test]
fn lies_about_what_is_there_do_not_damage_a_blob() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, MIB);
    let size_bytes = layer(&sandbox).size_bytes;
    let keeping = Flavour::distribution3;
    let lies = [
        keeping().uploads(|uploads| uploads.range = RangeWord::StuckAtFirst),
        keeping().uploads(|uploads| uploads.range = RangeWord::OfPart),
        keeping().uploads(|uploads| uploads.range = RangeWord::Beyond(1)),
        keeping().uploads(|uploads| uploads.range = RangeWord::Beyond(2 * MIB)),
        keeping().uploads(|uploads| uploads.range = RangeWord::None),
        keeping().uploads(|uploads| uploads.range = RangeWord::Always("0-0")),
        keeping().uploads(|uploads| uploads.range = RangeWord::Always("0--1")),
        keeping().uploads(|uploads| uploads.range = RangeWord::Always("bytes 5-9/10")),
        // Fewer than it has, without checking the address: only the digest detects it.
        keeping().uploads(|uploads| {
            uploads.range = RangeWord::Always("0-4095");
            uploads.stale = Stale::Ignored;
        }),
        keeping().uploads(|uploads| uploads.status_refused = Some(404)),
        keeping().uploads(|uploads| uploads.status_refused = Some(500)),
    ];
    for flavour in lies {
        let (fake, proxy) = stormy(flavour.clone());
        let half = size_bytes / 2;
        proxy.rule(
            Rule::new(Fault::ResetInBody(half))
                .on(&["PUT"])
                .bodies_from(half)
                .times(1),
        );
        let what = format!("{:?}", flavour.uploads);
        Voyage {
            sandbox: &sandbox,
            fake: &fake,
        }
        .push(&proxy.host(), &what);
    }
}

#[test]
fn a_session_that_is_gone_is_begun_again() {
    let sandbox = Sandbox::new();
    one_layer(&sandbox, MIB);
    let fake = Fake::start(Flavour::distribution3());
    let proxy = Proxy::start(fake.host());
    fake.hook(
        Hook::answer(crate::support::faults::answer::Reply::error(
            404,
            "BLOB_UPLOAD_UNKNOWN",
            "gone",
        ))
        .on("PUT", "/blobs/uploads/")
        .times(2),
    );
    Voyage {
        sandbox: &sandbox,
        fake: &fake,
    }
    .push(&proxy.host(), "404 to PUT");
}
