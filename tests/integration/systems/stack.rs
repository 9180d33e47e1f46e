//! A system of many images: built and pushed together, through a proxy that records every request.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use serde_json::Value;

use crate::support::faults::log::Seen;
use crate::support::faults::proxy::Proxy;
use crate::support::{Layout, Outcome, part};
use crate::systems::system::System;

/// The tag of all images, which is the default of both systems.
pub const TAG: &str = "dev";

/// A workspace, and the registry that its images go to.
pub struct Stack {
    pub system: System,
    proxy: Proxy,
    prefix: String,
}

impl Stack {
    /// Sets the registry of a workspace: below `name` in the open registry, where nothing is yet, behind a proxy.
    pub fn new(system: System, name: &str) -> Self {
        let proxy = Proxy::start(part("REGISTRY_OPEN"));
        let unique = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let prefix = format!("systems/{name}/{unique}");
        let system = system.set("REGISTRY", proxy.image(&prefix));
        Self { system, proxy, prefix }
    }

    /// Builds and pushes with these arguments, which must succeed.
    #[track_caller]
    pub fn push(&self, arguments: &[&str]) -> Push {
        let push = self.try_push(arguments);
        assert_eq!(push.outcome.code, 0, "{}", push.outcome.stderr);
        push
    }

    /// Builds and pushes with these arguments.
    pub fn try_push(&self, arguments: &[&str]) -> Push {
        let before = self.proxy.log().all().len();
        let outcome = self.system.run("build", &[&["--push"], arguments].concat());
        Push {
            requests: self.proxy.log().all().split_off(before),
            prefix: self.prefix.clone(),
            outcome,
        }
    }

    /// Returns the full name of a member's image, with its tag, as the layout has it.
    pub fn name(&self, image: &str) -> String {
        format!("{}/{image}:{TAG}", self.proxy.image(&self.prefix))
    }

    /// Returns the layout `image`, to which builds write with `-o oci:image`.
    pub fn layout(&self) -> Layout {
        self.system.sandbox.layout("image")
    }

    /// Returns the manifest of an image in the layout.
    #[track_caller]
    pub fn manifest(&self, image: &str, platform: &str) -> Value {
        self.layout().manifest(&self.name(image), platform)
    }

    /// Returns the config of an image in the layout.
    #[track_caller]
    pub fn config(&self, image: &str, platform: &str) -> Value {
        self.layout().config(&self.name(image), platform)
    }

    /// Returns the name of an image with its tag in the open registry, without the proxy.
    pub fn in_registry(&self, image: &str) -> String {
        format!("{}/{}/{image}:{TAG}", part("REGISTRY_OPEN"), self.prefix)
    }

    /// Builds with a push and a layout, which must end with exit status 3 and errors of exactly these codes, and before
    /// any request that writes.
    #[track_caller]
    pub fn refused(&self, codes: &[&str]) -> Outcome {
        let push = self.try_push(&["-o", "oci:image"]);
        push.assert_wrote_nothing();
        assert!(!self.system.sandbox.path("image").exists());
        let outcome = push.outcome.expect(3).says(&["nothing was written"]);
        let found: BTreeSet<&str> = findings(&outcome).into_iter().map(|finding| finding.code).collect();
        assert_eq!(
            found,
            codes.iter().copied().collect(),
            "stdout:\n{}\nstderr:\n{}",
            outcome.stdout,
            outcome.stderr
        );
        outcome
    }
}

/// An error of the check.
#[derive(Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The ID of the member.
    pub member: &'a str,
    pub code: &'a str,
    /// The rest of its first line: platforms, path and message.
    pub text: &'a str,
    pub help: &'a str,
}

/// Returns the errors that a build printed, in its order.
pub fn findings(outcome: &Outcome) -> Vec<Found<'_>> {
    let mut found: Vec<Found<'_>> = Vec::new();
    let mut member = "";
    for line in outcome.stderr.lines() {
        if let Some((code, text)) = line.strip_prefix("error[").and_then(|rest| rest.split_once("]: ")) {
            let help = "";
            found.push(Found {
                member,
                code,
                text,
                help,
            });
        } else if let Some(help) = line.strip_prefix("  help: ") {
            found.iter_mut().rev().take(1).for_each(|last| last.help = help);
        } else if let Some(name) = line.strip_suffix(':') {
            member = name;
        }
    }
    found
}

/// A push, and the requests that the registry received.
pub struct Push {
    pub requests: Vec<Seen>,
    prefix: String,
    pub outcome: Outcome,
}

/// How many requests of each kind a push made.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub requests: usize,
    pub uploads: usize,
    pub mounts: usize,
    pub manifests: usize,
    pub tags: usize,
}

impl Push {
    /// Returns the digests of `NAME@DIGEST` on stdout by the last part of the name.
    pub fn digests(&self) -> BTreeMap<String, String> {
        let image = |line: &str| {
            let (name, digest) = line.rsplit_once('@')?;
            Some((name.rsplit_once('/')?.1.to_owned(), digest.to_owned()))
        };
        self.outcome.stdout.lines().filter_map(image).collect()
    }

    /// Checks that the registry was read at most.
    #[track_caller]
    pub fn assert_wrote_nothing(&self) {
        let is_write = |seen: &&Seen| !["GET", "HEAD"].contains(&&*seen.method);
        let writes: Vec<String> = self.requests.iter().filter(is_write).map(Seen::line).collect();
        assert!(writes.is_empty(), "{writes:#?}");
    }

    /// Returns the digests of the blobs that were uploaded, one for each upload.
    pub fn uploads(&self) -> Vec<&str> {
        let digest = |seen: &'_ Seen| seen.method == "PUT" && seen.target.contains("/blobs/uploads/");
        let puts = self.requests.iter().filter(|seen| digest(seen));
        puts.map(|seen| seen.target.split("digest=").nth(1).unwrap_or(&seen.target))
            .collect()
    }

    /// Returns what was put below `/manifests/`, in order: image, and tag or digest.
    pub fn manifests(&self) -> Vec<(&str, &str)> {
        let start = format!("/v2/{}/", self.prefix);
        let puts = self.requests.iter().filter(|seen| seen.method == "PUT");
        puts.filter_map(|seen| seen.target.strip_prefix(&start)?.split_once("/manifests/"))
            .collect()
    }

    /// Returns the images whose tags were put, in order.
    pub fn tagged(&self) -> Vec<&str> {
        let tags = self.manifests().into_iter().filter(|(_, name)| *name == TAG);
        tags.map(|(image, _)| image).collect()
    }

    /// Counts the requests.
    pub fn counts(&self) -> Counts {
        let tags = self.tagged().len();
        Counts {
            requests: self.requests.len(),
            uploads: self.uploads().len(),
            mounts: self
                .requests
                .iter()
                .filter(|seen| seen.target.contains("mount="))
                .count(),
            manifests: self.manifests().len() - tags,
            tags,
        }
    }

    /// Checks that no dependent's manifest was put before all manifests of its base, and that tags came last, those of
    /// bases first. `based_on` is the base of an image.
    #[track_caller]
    pub fn assert_bases_first(&self, based_on: impl Fn(&str) -> Option<&'static str>) {
        let puts = self.manifests();
        let first_tag = puts.iter().position(|(_, name)| *name == TAG).unwrap_or(puts.len());
        let (contents, tags) = puts.split_at(first_tag);
        assert!(tags.iter().all(|(_, name)| *name == TAG), "{tags:#?}");
        for part in [contents, tags] {
            for (at, (image, _)) in part.iter().enumerate() {
                let Some(base) = based_on(image) else {
                    continue;
                };
                let late: Vec<_> = part[at..].iter().filter(|(other, _)| *other == base).collect();
                assert!(late.is_empty(), "{image} before its base: {late:#?}");
            }
        }
        let last = self
            .requests
            .iter()
            .rposition(|seen| seen.target.contains("/blobs/uploads/"));
        let tag = format!("/manifests/{TAG}");
        let tag = self
            .requests
            .iter()
            .position(|seen| seen.method == "PUT" && seen.target.ends_with(&tag));
        assert!(last < tag, "an upload after a tag");
    }
}
