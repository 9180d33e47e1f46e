//! What happens to the other members if one fails.

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
