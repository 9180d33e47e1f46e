//! Parts of a build that leaves out what did not change since an earlier one, joined with the earlier images.

use std::collections::BTreeSet;

use serde_json::Value;

use super::merging::{PLATFORMS, merge, part_file, push_parts};
use super::{MEMBERS, write_stack};
use crate::support::Sandbox;
use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::Flavour;

/// Merges jobs for single platforms that leave out what did not change since `last.json`, which the merge writes anew.
/// Returns the images that it prints, and those of a build of all platforms.
fn merged_changes(sandbox: &Sandbox, fake: &Fake, round: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<String>>();
    let mut files = Vec::new();
    for platform in PLATFORMS {
        let file = format!("{round}-{}", part_file(platform));
        let push = [
            "build",
            "--push",
            "--plain-http",
            fake.host(),
            "--changed-from",
            "last.json",
        ];
        sandbox.ok(&[&push[..], &["--platform", platform, "--metadata", &file]].concat());
        files.push(file);
    }
    let merged = sandbox.ok(&merge(fake, &["--metadata", "last.json", &files[0], &files[1]]));
    let whole = sandbox.ok(&["build", "-o", &format!("oci:whole-{round}")]);
    (lines(&merged.stdout), lines(&whole.stdout))
}

#[test]
fn changes_of_one_platform_are_merged_with_the_earlier_image_of_the_other() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    for (spec, file) in [
        ("base/ocitect.toml", "common.txt"),
        ("agents/planner/ocitect.toml", "notes"),
    ] {
        let text = std::fs::read_to_string(sandbox.path(spec)).unwrap();
        let directory = spec.trim_end_matches("ocitect.toml");
        sandbox.write(spec, text.replace(&format!("\"{file}\""), "\"${arch}.txt\""));
        for arch in ["amd64", "arm64"] {
            sandbox.write(&format!("{directory}{arch}.txt"), format!("first, for {arch}\n"));
        }
    }
    push_parts(&sandbox, &fake);
    let files = PLATFORMS.map(part_file);
    sandbox.ok(&merge(&fake, &["--metadata", "last.json", &files[0], &files[1]]));

    // An agent, then the base of all, then nothing.
    for (round, changed) in [
        ("agent", Some("agents/planner/amd64.txt")),
        ("base", Some("base/arm64.txt")),
        ("nothing", None),
    ] {
        let before = sandbox.json("last.json");
        if let Some(changed) = changed {
            sandbox.write(changed, format!("changed in {round}\n"));
        }
        let (merged, whole) = merged_changes(&sandbox, &fake, round);
        assert_eq!(merged, whole, "{round}");
        let part = sandbox.json(&format!("{round}-linux-amd64.json"));
        let images = part["images"].as_array().unwrap();
        let count = images.iter().filter(|image| image["state"] == "unchanged").count();
        let expected = if round == "agent" {
            MEMBERS.len() - 1
        } else {
            MEMBERS.len()
        };
        assert_eq!(count, expected, "{round}");
        let digests = |metadata: &Value| -> Vec<Value> {
            let images = metadata["images"].as_array().unwrap().iter();
            images.map(|image| image["digest"].clone()).collect()
        };
        let is_same = digests(&sandbox.json("last.json")) == digests(&before);
        assert_eq!(is_same, round == "nothing", "{round}");
    }
}
