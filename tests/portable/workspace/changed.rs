//! `--changed-from`: only what differs from an earlier build is checked, built and pushed.

use serde_json::{Value, json};

use super::write_stack;
use crate::support::Sandbox;
use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::Flavour;
use crate::support::faults::log::Seen;

fn stack() -> Sandbox {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    sandbox
}

/// Returns the last parts of the names on standard output.
fn built(stdout: &str) -> Vec<&str> {
    let name = |line: &'_ str| line.split('@').next().unwrap().len();
    stdout
        .lines()
        .map(|line| line[..name(line)].rsplit('/').next().unwrap())
        .collect()
}

/// Returns the ID and the state of each image of metadata.
fn states(metadata: &Value) -> Vec<(&str, &str)> {
    let images = metadata["images"].as_array().unwrap().iter();
    images
        .map(|image| (image["member"].as_str().unwrap(), image["state"].as_str().unwrap()))
        .collect()
}

#[test]
fn an_unchanged_workspace_is_left_as_it_is() {
    let sandbox = stack();
    sandbox.ok(&["build", "--metadata", "first.json"]);
    std::fs::remove_dir_all(sandbox.path("build")).unwrap();
    let again = sandbox.ok(&["build", "--changed-from", "first.json", "--metadata", "second.json"]);
    assert_eq!(again.stdout, "");
    let again = again.says(&["6 of 6 members are unchanged\n"]);
    assert!(!again.stderr.contains("images:"), "{}", again.stderr);
    assert!(!sandbox.path("build").exists());
    let second = sandbox.json("second.json");
    assert!(
        states(&second).iter().all(|(_, state)| *state == "unchanged"),
        "{second:#}"
    );
    assert_eq!(
        second["images"][2]["digest"],
        sandbox.json("first.json")["images"][2]["digest"]
    );
    let checked = sandbox.ok(&["check", "--changed-from", "first.json"]);
    assert_eq!(checked.stdout, "");
    checked.says(&["6 of 6 members are unchanged\n"]);
}

#[test]
fn changed_and_unknown_members_are_built_and_the_metadata_goes_on() {
    let sandbox = stack();
    sandbox.ok(&["build", "--metadata", "first.json"]);
    sandbox.write("agents/writer/notes", "other notes\n");
    let new = std::fs::read_to_string(sandbox.path("agents/writer/ocitect.toml")).unwrap();
    sandbox
        .write("agents/another/ocitect.toml", new.replace("ws/writer", "ws/another"))
        .write("agents/another/notes", "new\n");
    let arguments = ["--changed-from", "first.json"];
    let again = sandbox
        .ok(&[&["build", "--metadata", "second.json"][..], &arguments].concat())
        .says(&["5 of 7 members are unchanged"]);
    assert_eq!(built(&again.stdout), ["another", "writer"]);
    let second = sandbox.json("second.json");
    assert_eq!(
        states(&second),
        [
            ("base", "unchanged"),
            ("another", "written"),
            ("planner", "unchanged"),
            ("servers/auth", "unchanged"),
            ("servers/billing", "unchanged"),
            ("servers/mail", "unchanged"),
            ("writer", "written"),
        ]
    );
    // What it says of the others is complete: the next build has nothing to do.
    assert_eq!(second["images"][0]["tags"], json!(["1.0"]));
    sandbox
        .ok(&["build", "--changed-from", "second.json"])
        .says(&["7 of 7 members are unchanged"]);
    let checked = sandbox.ok(&[&["check"][..], &arguments].concat());
    assert!(checked.stdout.starts_with("another:\n"), "{}", checked.stdout);
    assert!(checked.stdout.contains("writer:\n") && !checked.stdout.contains("planner:\n"));
    sandbox
        .ok(&[&["build", "-p", "planner"][..], &arguments].concat())
        .says(&["1 of 1 members are unchanged"]);
    // The same without a cache, and for one platform.
    let uncached = sandbox.path("no-cache").display().to_string();
    sandbox.write("no-cache", "not a directory");
    let mut command = sandbox.command(&["build", "--platform", "linux/arm64", "--changed-from", "first.json"]);
    let output = command.env("OCITECT_CACHE_DIR", uncached).output().unwrap();
    assert_eq!(built(&String::from_utf8(output.stdout).unwrap()), ["another", "writer"]);
    // A changed base changes all.
    sandbox.write("base/common.txt", "other\n");
    sandbox
        .ok(&["build", "--changed-from", "second.json"])
        .says(&["0 of 7 members are unchanged"]);
}

#[test]
fn shards_compare_their_own_members() {
    let sandbox = stack();
    for shard in ["1", "2"] {
        sandbox.ok(&[
            "build",
            "--shard",
            &format!("{shard}/2"),
            "--metadata",
            &format!("{shard}.json"),
        ]);
    }
    sandbox.write("agents/planner/notes", "other notes\n");
    let both = ["--changed-from", "1.json", "--changed-from", "2.json"];
    let first = sandbox.ok(&[&["build", "--shard", "1/2"][..], &both].concat());
    assert_eq!(first.stdout, "");
    first.says(&["3 of 3 members are unchanged"]);
    let second = sandbox.ok(&[&["build", "--shard", "2/2", "--metadata", "m.json"][..], &both].concat());
    assert_eq!(built(&second.stdout), ["planner"]);
    assert_eq!(sandbox.json("m.json")["shard"], "2/2");
}

#[test]
fn an_unchanged_base_is_pushed_by_digest_alone() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    let push = |arguments: &[&str]| {
        let before = fake.log().all().len();
        let done = sandbox.ok(&[&["build", "--push", "--plain-http", fake.host()][..], arguments].concat());
        (done, fake.log().all().split_off(before))
    };
    push(&["--metadata", "first.json"]);
    let (_, seen) = push(&["--changed-from", "first.json"]);
    assert!(
        seen.is_empty(),
        "{:#?}",
        seen.iter().map(Seen::line).collect::<Vec<_>>()
    );

    sandbox.write("agents/writer/notes", "other notes\n");
    let (done, seen) = push(&["--changed-from", "first.json", "--metadata", "second.json"]);
    assert_eq!(built(&done.stdout), ["writer"]);
    let is_write = |seen: &&Seen| ["PUT", "POST", "PATCH"].contains(&&*seen.method);
    let writes: Vec<&str> = seen.iter().filter(is_write).map(|seen| seen.target.as_str()).collect();
    assert!(
        writes.iter().all(|target| target.contains("/ws/writer/")),
        "{writes:#?}"
    );
    assert!(
        writes.iter().any(|target| target.ends_with("/manifests/1.0")),
        "{writes:#?}"
    );

    // A registry that lost the base gets it again, without its tag.
    let other = Fake::start(Flavour::distribution3());
    let elsewhere = Sandbox::new();
    write_stack(&elsewhere, other.host());
    elsewhere.ok(&["build", "-o", "oci:x", "--metadata", "first.json"]);
    elsewhere.write("agents/writer/notes", "other notes\n");
    let arguments = [
        "build",
        "--push",
        "--plain-http",
        other.host(),
        "--changed-from",
        "first.json",
    ];
    elsewhere.ok(&arguments);
    let first = elsewhere.json("first.json");
    let contents = other.contents();
    let base = first["images"][0]["digest"].as_str().unwrap();
    assert!(contents.manifest("ws/base", base).is_some());
    assert!(contents.manifest("ws/base", "1.0").is_none());
    assert!(contents.manifest("ws/writer", "1.0").is_some());
}

#[test]
fn new_tags_of_unchanged_members_are_named() {
    let sandbox = stack();
    sandbox.ok(&["build", "--metadata", "first.json"]);
    sandbox
        .ok(&["build", "-t", "2.0", "--changed-from", "first.json"])
        .says(&[
            "warning: 6 tags of unchanged members are not in the file of --changed-from",
            "base:2.0, planner:2.0",
        ]);
}

#[test]
fn other_files_are_refused() {
    let sandbox = stack();
    sandbox
        .write("bad.json", "{")
        .write("foreign.json", "{\"images\":[{}]}");
    for (file, words) in [
        (
            "gone.json",
            &["gone.json: the file does not exist", "leave out --changed-from"][..],
        ),
        (
            "bad.json",
            &["bad.json: it is not the metadata of a build", "--metadata FILE"],
        ),
        ("foreign.json", &["foreign.json: it is not the metadata of a build"]),
    ] {
        for command in ["build", "check"] {
            sandbox.run(&[command, "--changed-from", file]).expect(2).says(words);
        }
    }
    assert!(!sandbox.path("build").exists());
    let alone = Sandbox::new();
    alone.spec("[image]\nplatforms = [\"linux/amd64\"]\n[config]\nuser = \"0\"\n");
    alone.ok(&["build", "--metadata", "m.json"]);
    std::fs::copy(alone.path("m.json"), sandbox.path("single.json")).unwrap();
    sandbox
        .run(&["build", "--changed-from", "single.json"])
        .expect(2)
        .says(&["the metadata is that of a single image"]);
    for command in ["build", "check"] {
        alone
            .run(&[command, "--changed-from", "m.json"])
            .expect(2)
            .says(&["--changed-from selects members of a workspace"]);
    }
    sandbox
        .run(&["check", "oci:build/oci", "--changed-from", "m.json"])
        .expect(2)
        .says(&["an image is checked"]);
}
