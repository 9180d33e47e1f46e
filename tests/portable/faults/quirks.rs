//! One test for each known registry: an image for two platforms is pushed and pulled, and the requests are checked.

use crate::faults::sailor::{guarded, log_in};
use crate::support::faults::answer::Reply;
use crate::support::faults::fake::Fake;
use crate::support::faults::fixtures::{MIB, Voyage, layer, two_platforms};
use crate::support::faults::flavour::Flavour;
use crate::support::faults::hook::Hook;
use crate::support::faults::internet::Internet;
use crate::support::faults::log::Log;
use crate::support::{Outcome, Sandbox};

/// Size of the layer, in bytes.
const LAYER_BYTES: u64 = 6 * MIB;

struct Trip {
    sandbox: Sandbox,
    fake: Fake,
}

impl Trip {
    /// Creates a registry, and an image that a user with credentials pushes.
    fn new(flavour: Flavour) -> Self {
        let sandbox = Sandbox::new();
        two_platforms(&sandbox, LAYER_BYTES);
        let fake = Fake::start(if flavour.tokens.is_some() {
            guarded(flavour)
        } else {
            flavour
        });
        fake.make("app");
        Self { sandbox, fake }
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let [flag, file] = log_in(&self.sandbox, self.fake.host());
        self.sandbox.run(&[arguments, &[&flag, &file]].concat())
    }

    fn push(&self) -> Outcome {
        self.run(&["push", "oci:image", &self.fake.image("app:1")])
    }

    /// Pushes and pulls the image.
    #[track_caller]
    fn there_and_back(self) -> Self {
        let pushed = self.push();
        assert_eq!(pushed.code, 0, "{}\n{:#?}", pushed.stderr, self.log().lines());
        let voyage = Voyage {
            sandbox: &self.sandbox,
            fake: &self.fake,
        };
        voyage.is_whole("pushed");
        voyage.pull(self.fake.host(), "pulled");
        self
    }

    fn log(&self) -> &Log {
        self.fake.log()
    }

    /// Checks that each blob was uploaded by one PUT and nothing else.
    #[track_caller]
    fn by_one_put(self) -> Self {
        assert_eq!(self.log().count("PATCH", ""), 0, "{:#?}", self.log().lines());
        let puts = self.log().of("PUT", "/blobs/uploads/");
        assert!(
            puts.iter().all(|seen| seen.status == Some(201)),
            "{:#?}",
            self.log().lines()
        );
        assert_eq!(puts.len(), 3, "a layer and two configs: {:#?}", self.log().lines());
        self
    }

    /// Returns the sizes of the parts of the layer's upload, in bytes.
    fn parts(&self) -> Vec<u64> {
        let patches = self.log().of("PATCH", "/blobs/uploads/");
        let taken = patches
            .iter()
            .filter(|seen| seen.status.is_some_and(|status| status < 300));
        taken
            .map(|seen| seen.body_bytes)
            .filter(|bytes| *bytes > 10_000)
            .collect()
    }
}

#[test]
fn distribution() {
    Trip::new(Flavour::distribution3()).there_and_back().by_one_put();
    Trip::new(Flavour::distribution2()).there_and_back().by_one_put();
}

#[test]
fn zot() {
    Trip::new(Flavour::zot()).there_and_back().by_one_put();
}

#[test]
fn ecr() {
    Trip::new(Flavour::ecr()).there_and_back().by_one_put();
}

#[test]
fn ecr_without_the_repository() {
    // It breaks the connection without a reply: this may be a transient failure.
    let trip = Trip::new(Flavour::ecr());
    let failed = trip
        .run(&["push", "oci:image", &trip.fake.image("nobody-made-it:1")])
        .expect(5);
    assert!(failed.stderr.contains("nobody-made-it"), "{}", failed.stderr);
    assert_eq!(trip.log().count("PUT", ""), 0, "{:#?}", trip.log().lines());
}

#[test]
fn ecr_in_parts() {
    // Like behind a proxy with a limit: `Range` does not advance, and the last part must be sent with the PUT.
    let trip = Trip::new(Flavour {
        largest_body_bytes: Some(LAYER_BYTES - 1),
        ..Flavour::ecr()
    })
    .there_and_back();
    assert!(!trip.parts().is_empty(), "{:#?}", trip.log().lines());
    let closing = trip.log().of("PUT", &layer(&trip.sandbox).digest.replace(':', "%3A"));
    assert!(closing.last().unwrap().body_bytes > 0, "{:#?}", trip.log().lines());
}

#[test]
fn ghcr() {
    let trip = Trip::new(Flavour::ghcr()).there_and_back().by_one_put();
    let storage = trip.fake.storage_log().all();
    assert!(
        !storage.is_empty() && storage.iter().all(|seen| seen.method == "GET"),
        "{storage:#?}"
    );
    assert!(
        storage.iter().all(|seen| seen.header("authorization").is_none()),
        "{storage:#?}"
    );
}

#[test]
fn ghcr_in_parts() {
    // It is known by its name to accept no ranged part above 4 MiB.
    let trip = Trip::new(Flavour::ghcr().uploads(|uploads| uploads.put_body_refused = Some(405)));
    let internet = Internet::start("ghcr.io", trip.fake.registry(), |_| Reply::new(404));
    let [flag, file] = log_in(&trip.sandbox, "ghcr.io");
    let mut command = trip.sandbox.command(&[
        "push",
        "oci:image",
        "ghcr.io/app:1",
        "--plain-http",
        "ghcr.io",
        &flag,
        &file,
    ]);
    command.env("HTTP_PROXY", internet.proxy());
    let pushed = Outcome::of(command);
    assert_eq!(pushed.code, 0, "{}\n{:#?}", pushed.stderr, internet.lines());
    Voyage {
        sandbox: &trip.sandbox,
        fake: &trip.fake,
    }
    .is_whole("in parts");
}

#[test]
fn quay() {
    Trip::new(Flavour::quay()).there_and_back().by_one_put();
}

#[test]
fn gitlab() {
    let trip = Trip::new(Flavour::gitlab()).there_and_back();
    assert!(trip.fake.tokens().count() > 1, "{:#?}", trip.log().lines());
}

#[test]
fn harbor() {
    Trip::new(Flavour::harbor()).there_and_back().by_one_put();
}

#[test]
fn harbor_with_its_quota_used_up() {
    let trip = Trip::new(Flavour {
        push_quota_bytes: Some(MIB),
        ..Flavour::harbor()
    });
    let failed = trip.push();
    assert_ne!(failed.code, 0);
    // Its message is shown, and the request is not retried.
    assert!(
        failed.stderr.contains("will exceed the quota of 1048576"),
        "{}",
        failed.stderr
    );
    let refused = trip.log().all().iter().filter(|seen| seen.status == Some(403)).count();
    assert!(refused <= 2, "{:#?}", trip.log().lines());
}

#[test]
fn artifact_registry() {
    Trip::new(Flavour::artifact_registry()).there_and_back().by_one_put();
}

#[test]
fn acr() {
    Trip::new(Flavour::acr().tokens(|tokens| tokens.is_checked_after_body = true)).there_and_back();
}

#[test]
fn artifactory() {
    let trip = Trip::new(Flavour::artifactory()).there_and_back();
    let missing = trip.run(&["inspect", &trip.fake.image("app:missing")]);
    assert!(matches!(missing.code, 4 | 6), "{}", missing.stderr);
}

#[test]
fn artifactory_with_a_node_that_knows_nothing_of_the_session() {
    let flavour = Flavour::artifactory().uploads(|uploads| uploads.put_body_refused = Some(405));
    let trip = Trip::new(flavour);
    trip.fake.hook(
        Hook::answer_after_body(Reply::error(404, "BLOB_UPLOAD_UNKNOWN", "another node"))
            .on("PATCH", "/blobs/uploads/")
            .times(1),
    );
    trip.there_and_back();
}

#[test]
fn gitea() {
    let trip = Trip::new(Flavour::gitea()).there_and_back().by_one_put();
    let asked = trip.log().of("GET", "/token");
    assert!(
        asked
            .iter()
            .any(|seen| seen.target.contains("repository%3Aapp%3Apull%2Cpush")),
        "{:#?}",
        trip.log().lines()
    );
}

#[test]
fn docker_hub() {
    let trip = Trip::new(Flavour::docker_hub()).there_and_back().by_one_put();
    assert!(trip.fake.tokens().count() <= 2, "{:#?}", trip.log().lines());
}

#[test]
fn docker_hub_by_its_other_names() {
    let trip = Trip::new(Flavour::docker_hub());
    let internet = Internet::start("registry-1.docker.io", trip.fake.registry(), |_| Reply::new(404));
    let [flag, file] = log_in(&trip.sandbox, "https://index.docker.io/v1/");
    for (at, name) in ["docker.io", "index.docker.io", "registry-1.docker.io"]
        .into_iter()
        .enumerate()
    {
        let image = format!("{name}/sailor/app:{at}");
        let mut command =
            trip.sandbox
                .command(&["push", "oci:image", &image, "--plain-http", "docker.io", &flag, &file]);
        command
            .env("HTTP_PROXY", internet.proxy())
            .env("HTTPS_PROXY", internet.proxy());
        let pushed = Outcome::of(command);
        assert_eq!(pushed.code, 0, "{name}: {}\n{:#?}", pushed.stderr, internet.lines());
    }
    assert_eq!(trip.fake.contents().repositories["sailor/app"].tags.len(), 3);
}

#[test]
fn docker_hub_with_its_quota_used_up() {
    let trip = Trip::new(Flavour {
        pull_quota: Some(3),
        ..Flavour::docker_hub()
    })
    .there_and_back();
    let counted = trip.log().count("GET", "/manifests/");
    let failed = trip
        .run(&["copy", &trip.fake.image("app:1"), "oci:other:latest"])
        .expect(5);
    assert!(failed.stderr.contains("quota"), "{}", failed.stderr);
    // One without a token, and one whose reply reports the quota.
    assert_eq!(
        trip.log().count("GET", "/manifests/") - counted,
        2,
        "{:#?}",
        trip.log().lines()
    );
}

#[test]
fn digital_ocean() {
    Trip::new(Flavour::digital_ocean()).there_and_back().by_one_put();
}

#[test]
fn aliyun() {
    Trip::new(Flavour::aliyun()).there_and_back().by_one_put();
    let trip = Trip::new(Flavour {
        largest_body_bytes: Some(LAYER_BYTES - 1),
        ..Flavour::aliyun()
    })
    .there_and_back();
    assert!(!trip.parts().is_empty(), "{:#?}", trip.log().lines());
}

#[test]
fn nexus_without_a_token_realm() {
    let trip = Trip::new(Flavour::nexus());
    trip.push().expect(5).says(&["token service"]);
}

#[test]
fn nexus_that_loses_its_upload() {
    let trip = Trip::new(Flavour::distribution3());
    let reply = Reply::error(400, "BLOB_UPLOAD_INVALID", "blob upload invalid");
    trip.fake
        .hook(Hook::answer_after_body(reply).on("PUT", "/blobs/uploads/").times(1));
    trip.there_and_back();
}

#[test]
fn a_proxy_with_a_limit_on_bodies() {
    let trip = Trip::new(Flavour::behind_small_proxy(LAYER_BYTES - 1)).there_and_back();
    assert!(!trip.parts().is_empty(), "{:#?}", trip.log().lines());
}

#[test]
fn a_registry_that_wants_large_parts() {
    let flavour = Flavour::behind_small_proxy(LAYER_BYTES - 1)
        .uploads(|uploads| uploads.min_chunk_header = Some(LAYER_BYTES / 2));
    let trip = Trip::new(flavour).there_and_back();
    assert!(
        trip.parts().iter().all(|bytes| *bytes >= LAYER_BYTES / 2),
        "{:#?}",
        trip.log().lines()
    );
}

#[test]
fn a_registry_whose_put_takes_no_body() {
    Trip::new(Flavour::put_without_body()).there_and_back();
    // One of them accepts a single PATCH without a range, like older versions.
    let flavour = Flavour::put_without_body().uploads(|uploads| uploads.streams_once = true);
    Trip::new(flavour).there_and_back();
    let flavour = Flavour::put_without_body().uploads(|uploads| uploads.largest_ranged_bytes = Some(0));
    Trip::new(flavour).there_and_back();
}
