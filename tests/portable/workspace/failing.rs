//! What happens to the other members if one fails.

use std::io::Write as _;

use zip::write::{SimpleFileOptions, ZipWriter};

use super::{MEMBERS, write_stack};
use crate::support::Sandbox;
use crate::support::faults::answer::Reply;
use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::Flavour;
use crate::support::faults::hook::Hook;

/// Returns the members whose tag exists.
fn tagged(fake: &Fake) -> Vec<&'static str> {
    let exists = |member: &&str| fake.contents().manifest(&format!("ws/{member}"), "1.0").is_some();
    MEMBERS.into_iter().filter(exists).collect()
}

fn stack() -> (Sandbox, Fake) {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    (sandbox, fake)
}

fn push<'a>(fake: &'a Fake, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["build", "--push", "--plain-http", fake.host()][..], arguments].concat()
}

#[test]
fn the_members_that_do_not_need_a_failed_one_are_built() {
    let (sandbox, fake) = stack();
    std::fs::remove_file(sandbox.path("agents/planner/notes")).unwrap();
    sandbox
        .write("agents/late/ocitect.toml", "format = 1\n[image]\nname = \"")
        .write(
            "agents/late/ocitect.toml",
            format!(
                "format = 1\n[image]\nname = \"{}/ws/late\"\nbase = \"workspace:planner\"\n",
                fake.host()
            ),
        );
    let failed = sandbox.run(&push(&fake, &[])).expect(2);
    failed.says(&["cannot build planner", "late is not built: planner failed"]);
    assert_eq!(tagged(&fake), [""; 0]);
    let before = fake.log().all().len();
    let failed = sandbox
        .run(&push(&fake, &["--keep-going", "--metadata", "m.json"]))
        .expect(2);
    assert_eq!(failed.stdout.lines().count(), MEMBERS.len() - 1);
    let failed = failed.says(&["error: cannot build planner", "planner", "not built: planner failed"]);
    assert!(
        failed
            .stderr
            .contains("7 images: 5 written, 0 unchanged, 2 failed or not built"),
        "{}",
        failed.stderr
    );
    assert_eq!(tagged(&fake), ["base", "auth", "billing", "mail", "writer"]);
    let of_planner = |line: &str| line.contains("/ws/planner/") || line.contains("/ws/late/");
    let writes: Vec<String> = fake.log().all()[before..]
        .iter()
        .filter(|seen| seen.method != "HEAD" && seen.method != "GET")
        .map(|seen| seen.line())
        .filter(|line| of_planner(line))
        .collect();
    assert!(writes.is_empty(), "{writes:#?}");
    let metadata = sandbox.json("m.json");
    assert_eq!(metadata["images"].as_array().unwrap().len(), 5);
    assert_eq!(metadata["failed"][0]["member"], "planner");
    assert_eq!(metadata["failed"][0]["exit_code"], 2);
    assert!(metadata["failed"][0]["error"].as_str().unwrap().contains("notes"));
    assert_eq!(
        metadata["failed"][1],
        serde_json::json!({ "member": "late", "needs": "planner" })
    );
}

#[test]
fn a_base_that_fails_leaves_nothing_to_build() {
    let (sandbox, fake) = stack();
    std::fs::remove_file(sandbox.path("base/common.txt")).unwrap();
    let failed = sandbox.run(&push(&fake, &["--keep-going"])).expect(2);
    failed.says(&["cannot build base", "writer is not built: base failed"]);
    assert_eq!(tagged(&fake), [""; 0]);
}

#[test]
fn a_member_that_would_not_start_is_left_out() {
    let (sandbox, fake) = stack();
    let spec = std::fs::read_to_string(sandbox.path("agents/writer/ocitect.toml")).unwrap();
    sandbox.write(
        "agents/writer/ocitect.toml",
        spec + "[config]\nuser = \"nobody-here\"\n",
    );
    sandbox
        .run(&push(&fake, &[]))
        .expect(3)
        .says(&["the check found 2 errors"]);
    assert_eq!(tagged(&fake), [""; 0]);
    let failed = sandbox.run(&push(&fake, &["--keep-going"])).expect(3);
    let failed = failed.says(&["error[unknown-user]", "cannot build writer"]);
    assert_eq!(
        failed.stderr.matches("error[unknown-user]").count(),
        1,
        "{}",
        failed.stderr
    );
    assert_eq!(tagged(&fake), MEMBERS[..5]);
}

#[test]
fn a_tag_that_cannot_be_written_is_reported_with_the_others() {
    let (sandbox, fake) = stack();
    let refused = || Hook::answer(Reply::error(403, "DENIED", "the tag is immutable"));
    fake.hook(refused().on("PUT", "/v2/ws/billing/manifests/1.0"));
    let failed = sandbox.run(&push(&fake, &[])).expect(4);
    failed.says(&[
        "tags written: base, planner, servers/auth; not written: servers/billing, servers/mail, writer",
        "cannot build servers/billing",
    ]);
    assert_eq!(tagged(&fake), MEMBERS[..3]);
    fake.unhook();
    fake.hook(refused().on("PUT", "/v2/ws/billing/manifests/1.0"));
    sandbox.run(&push(&fake, &["--keep-going"])).expect(4);
    assert_eq!(tagged(&fake), ["base", "planner", "auth", "mail", "writer"]);
    fake.unhook();
    sandbox.ok(&push(&fake, &[]));
    assert_eq!(tagged(&fake), MEMBERS);
}

#[test]
fn a_registry_that_refuses_one_repository_does_not_stop_the_others() {
    let (sandbox, fake) = stack();
    let denied = || Hook::answer(Reply::error(403, "DENIED", "no")).on("POST", "/v2/ws/auth/blobs/uploads/");
    fake.hook(denied());
    sandbox
        .run(&push(&fake, &["--keep-going"]))
        .expect(4)
        .says(&["cannot build servers/auth"]);
    assert_eq!(tagged(&fake), ["base", "planner", "billing", "mail", "writer"]);
}

/// Replaces the notes of an agent by a file `name` that can be listed and not read: the archive that it is in is damaged.
fn damage(sandbox: &Sandbox, agent: &str, name: &str) {
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.start_file(name, stored).unwrap();
    writer.write_all(b"{\"name\": \"x\"}").unwrap();
    let mut bytes = writer.finish().unwrap().into_inner();
    let at = bytes.windows(2).position(|two| two == b"\"x").unwrap();
    bytes[at + 1] = b'y';
    sandbox.write(&format!("agents/{agent}/files.zip"), bytes);
    let path = format!("agents/{agent}/ocitect.toml");
    let spec = std::fs::read_to_string(sandbox.path(&path)).unwrap();
    let files = "from = \"files.zip\", to = \"/app/notes\", unpack = true";
    sandbox.write(&path, spec.replace("from = \"notes\", to = \"/app/notes\"", files));
}

#[test]
fn a_member_whose_files_cannot_be_read_is_left_out() {
    // The check reads the one, and only packing reads the other.
    for (name, stage) in [("package.json", "checking"), ("data.bin", "packing")] {
        let (sandbox, fake) = stack();
        damage(&sandbox, "planner", name);
        let stopped = sandbox.run(&push(&fake, &["--metadata", "m.json"])).expect(2);
        stopped.says(&[
            "error: cannot build planner",
            "files.zip",
            "help: create or download the archive again",
        ]);
        assert_eq!(tagged(&fake), [""; 0], "{stage}");
        let metadata = sandbox.json("m.json");
        assert_eq!(metadata["images"], serde_json::json!([]), "{stage}");
        assert_eq!(metadata["failed"][0]["class"], "input", "{stage}");
        let unfinished = ["base", "servers/auth", "servers/billing", "servers/mail", "writer"];
        assert_eq!(metadata["unfinished"], serde_json::json!(unfinished), "{stage}");

        let going = push(&fake, &["--keep-going", "--metadata", "m.json"]);
        let failed = sandbox.run(&going).expect(2);
        failed.says(&[
            "error: cannot build planner",
            "6 images: 5 written, 0 unchanged, 1 failed or not built",
        ]);
        assert_eq!(tagged(&fake), ["base", "auth", "billing", "mail", "writer"], "{stage}");
        let metadata = sandbox.json("m.json");
        assert_eq!(metadata["images"].as_array().unwrap().len(), 5, "{stage}");
        assert_eq!(metadata["failed"].as_array().unwrap().len(), 1, "{stage}");
        assert_eq!(metadata.get("unfinished"), None, "{stage}");
    }
}

#[test]
fn a_layer_that_several_members_share_fails_all_of_them() {
    let (sandbox, fake) = stack();
    damage(&sandbox, "planner", "data.bin");
    std::fs::copy(sandbox.path("agents/planner/files.zip"), sandbox.path("files.zip")).unwrap();
    let spec = std::fs::read_to_string(sandbox.path("servers.toml")).unwrap();
    let files = "from = \"files.zip\", to = \"/srv\", unpack = true";
    sandbox.write(
        "servers.toml",
        spec.replace("from = \"shared.txt\", to = \"/srv/shared.txt\"", files),
    );
    let failed = sandbox.run(&push(&fake, &["--keep-going"])).expect(2);
    failed.says(&[
        "error: cannot build planner",
        "error: cannot build servers/auth",
        "error: cannot build servers/billing",
        "error: cannot build servers/mail",
    ]);
    assert_eq!(tagged(&fake), ["base", "writer"]);
    let checked = sandbox
        .run(&["check"])
        .expect(2)
        .says(&["error: cannot check servers/mail"]);
    assert!(checked.stdout.contains("writer:\n"), "{}", checked.stdout);
    assert!(!checked.stdout.contains("servers/"), "{}", checked.stdout);
}

#[test]
fn all_images_are_checked_although_a_file_of_one_cannot_be_read() {
    let (sandbox, fake) = stack();
    damage(&sandbox, "planner", "package.json");
    let spec = std::fs::read_to_string(sandbox.path("agents/writer/ocitect.toml")).unwrap();
    sandbox.write(
        "agents/writer/ocitect.toml",
        spec + "[config]\nuser = \"nobody-here\"\n",
    );
    let words = ["error[unknown-user]", "error: cannot build planner", "files.zip"];
    sandbox.run(&push(&fake, &[])).expect(2).says(&words);
    assert_eq!(tagged(&fake), [""; 0]);
    let checked = sandbox.run(&["check"]).expect(2);
    assert!(checked.stdout.contains("error[unknown-user]"), "{}", checked.stdout);
    assert!(!checked.stdout.contains("planner:\n"), "{}", checked.stdout);
    checked.says(&[
        "error: cannot check planner",
        "files.zip",
        "error: the check found 2 errors",
    ]);
}

#[test]
fn the_metadata_says_what_a_build_that_failed_has_written() {
    let (sandbox, fake) = stack();
    let refused = || Hook::answer(Reply::error(403, "DENIED", "the tag is immutable"));
    fake.hook(refused().on("PUT", "/v2/ws/billing/manifests/1.0"));
    let failed = sandbox.run(&push(&fake, &["--metadata", "m.json"])).expect(4);
    assert_eq!(failed.stdout, "");
    let metadata = sandbox.json("m.json");
    let written: Vec<&str> = metadata["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["member"].as_str().unwrap())
        .collect();
    assert_eq!(written, ["base", "planner", "servers/auth"]);
    assert_eq!(metadata["images"][2]["targets"][0]["tags"], serde_json::json!(["1.0"]));
    assert_eq!(metadata["failed"][0]["member"], "servers/billing");
    assert_eq!(metadata["failed"][0]["class"], "unauthorized");
    assert_eq!(metadata["failed"][0]["exit_code"], 4);
    assert_eq!(metadata["unfinished"], serde_json::json!(["servers/mail", "writer"]));
    fake.unhook();

    // Members that the check refuses, before anything is written.
    let spec = std::fs::read_to_string(sandbox.path("agents/writer/ocitect.toml")).unwrap();
    sandbox.write(
        "agents/writer/ocitect.toml",
        spec + "[config]\nuser = \"nobody-here\"\n",
    );
    sandbox
        .run(&push(&fake, &["--metadata", "m.json"]))
        .expect(3)
        .says(&["the check found 2 errors; nothing was written"]);
    let metadata = sandbox.json("m.json");
    assert_eq!(metadata["images"], serde_json::json!([]));
    assert_eq!(metadata["failed"][0]["member"], "writer");
    assert_eq!(metadata["failed"][0]["class"], "check-failed");
    assert_eq!(metadata["unfinished"].as_array().unwrap().len(), MEMBERS.len() - 1);

    // A spec on its own has no image to describe.
    let alone = Sandbox::new();
    alone.spec("[image]\nplatforms = [\"linux/amd64\"]\n[config]\nuser = \"nobody-here\"\n");
    for arguments in [
        &["build", "--metadata", "m.json"][..],
        &["build", "--metadata", "m.json", "--keep-going"],
    ] {
        let failed = alone.run(arguments).expect(3);
        assert!(!failed.stderr.contains("images:"), "{}", failed.stderr);
        assert!(!alone.path("m.json").exists());
    }
}

#[test]
fn members_that_fail_are_not_compared_with_an_earlier_build() {
    let (sandbox, fake) = stack();
    sandbox.ok(&push(&fake, &["--metadata", "first.json"]));
    std::fs::remove_file(sandbox.path("agents/planner/notes")).unwrap();
    let again = push(
        &fake,
        &[
            "--keep-going",
            "--changed-from",
            "first.json",
            "--metadata",
            "second.json",
        ],
    );
    let again = sandbox
        .run(&again)
        .expect(2)
        .says(&["5 of 6 members are unchanged", "error: cannot build planner"]);
    assert_eq!(again.stdout, "");
    let second = sandbox.json("second.json");
    assert_eq!(second["images"].as_array().unwrap().len(), 5, "{second:#}");
    assert_eq!(second["failed"][0]["member"], "planner");
    let stopped = push(&fake, &["--changed-from", "first.json", "--metadata", "third.json"]);
    let stopped = sandbox.run(&stopped).expect(2).says(&["error: cannot build planner"]);
    assert!(!stopped.stderr.contains("unchanged"), "{}", stopped.stderr);
    let third = sandbox.json("third.json");
    assert_eq!(third["failed"][0]["class"], "input");
    assert_eq!(third["unfinished"].as_array().unwrap().len(), MEMBERS.len() - 1);
}
