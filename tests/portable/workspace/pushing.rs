//! The order and the number of requests of a workspace's push, and what a failure leaves behind.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::{MEMBERS, write_stack};
use crate::support::Sandbox;
use crate::support::faults::answer::Reply;
use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::Flavour;
use crate::support::faults::hook::Hook;
use crate::support::faults::log::Seen;

fn pushed(sandbox: &Sandbox, fake: &Fake, arguments: &[&str]) -> Vec<Seen> {
    let before = fake.log().all().len();
    sandbox.ok(&[&["build", "--push", "--plain-http", fake.host()][..], arguments].concat());
    fake.log().all().split_off(before)
}

fn is_tag(seen: &Seen) -> bool {
    seen.method == "PUT" && seen.target.ends_with("/manifests/1.0")
}

/// Returns the members whose tags were written, in order.
fn tagged(seen: &[Seen]) -> Vec<String> {
    let member = |seen: &Seen| seen.target.split('/').nth(3).unwrap().to_owned();
    seen.iter().filter(|seen| is_tag(seen)).map(member).collect()
}

#[test]
fn tags_come_last_and_bases_first() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    let seen = pushed(&sandbox, &fake, &[]);
    assert_eq!(tagged(&seen), MEMBERS);
    let first_tag = seen.iter().position(is_tag).unwrap();
    let is_write = |seen: &&Seen| ["PUT", "POST", "PATCH"].contains(&&*seen.method) && !is_tag(seen);
    let late: Vec<String> = seen[first_tag..].iter().filter(is_write).map(Seen::line).collect();
    assert!(late.is_empty(), "{late:#?}");
    for member in MEMBERS {
        let contents = fake.contents();
        let (digest, _) = contents.manifest(&format!("ws/{member}"), "1.0").unwrap();
        assert!(
            contents.manifest(&format!("ws/{member}"), &digest).is_some(),
            "{member}"
        );
    }
}

#[test]
fn each_blob_is_sent_once_and_mounted_elsewhere() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    let seen = pushed(&sandbox, &fake, &[]);
    let digest_of = |seen: &Seen| seen.target.split("digest=").nth(1).map(str::to_owned);
    let mut sent: Vec<String> = seen
        .iter()
        .filter(|seen| seen.method == "PUT")
        .filter_map(digest_of)
        .collect();
    let count = sent.len();
    sent.sort();
    sent.dedup();
    assert_eq!(sent.len(), count, "{sent:#?}");
    // Two layers of the base, one of each agent, one of all servers, and two configs an image.
    assert_eq!(count, 2 + 2 + 1 + 2 * MEMBERS.len());
    let mounts = seen
        .iter()
        .filter(|seen| seen.target.contains("mount=") && seen.status == Some(201))
        .count();
    // The base's layers in five repositories, and the servers' layer in two more.
    assert_eq!(mounts, 2 * 5 + 2);
}

#[test]
fn an_unchanged_workspace_is_a_request_a_tag() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    pushed(&sandbox, &fake, &[]);
    let seen = pushed(&sandbox, &fake, &[]);
    let lines: Vec<String> = seen.iter().map(Seen::line).collect();
    assert_eq!(lines.len(), MEMBERS.len(), "{lines:#?}");
    assert!(
        seen.iter()
            .all(|seen| seen.method == "HEAD" && seen.target.ends_with("/manifests/1.0")),
        "{lines:#?}"
    );

    sandbox.write("agents/writer/notes", "new notes\n");
    let seen = pushed(&sandbox, &fake, &[]);
    assert_eq!(tagged(&seen), ["writer"]);
}

#[test]
fn a_failure_before_the_tags_moves_none_and_a_rerun_finishes() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    fake.hook(Hook::answer(Reply::error(403, "DENIED", "no")).on("PUT", "/v2/ws/mail/manifests/sha256:"));
    let failed = sandbox.run(&["build", "--push", "--plain-http", fake.host()]);
    assert_ne!(failed.code, 0);
    assert!(failed.stderr.contains("cannot build servers/mail"), "{}", failed.stderr);
    assert!(tagged(&fake.log().all()).is_empty());
    fake.unhook();
    let seen = pushed(&sandbox, &fake, &[]);
    assert_eq!(tagged(&seen), MEMBERS);
    // The members before it are whole.
    let is_whole = |seen: &&Seen| {
        ["base", "planner", "auth", "billing"]
            .iter()
            .any(|member| seen.target.contains(&format!("/ws/{member}/")))
    };
    let uploads = seen
        .iter()
        .filter(|seen| seen.method == "PUT" && seen.target.contains("digest="));
    let again: Vec<String> = uploads.filter(is_whole).map(Seen::line).collect();
    assert!(again.is_empty(), "{again:#?}");
}

#[test]
fn a_base_that_is_not_selected_is_pushed_by_digest() {
    let sandbox = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&sandbox, fake.host());
    let seen = pushed(&sandbox, &fake, &["-p", "planner"]);
    assert_eq!(tagged(&seen), ["planner"]);
    assert!(fake.contents().manifest("ws/base", "1.0").is_none());
    let puts = seen
        .iter()
        .filter(|seen| seen.method == "PUT" && seen.target.contains("/ws/base/manifests/sha256:"));
    assert_eq!(puts.count(), 3);
}

/// Places of a push at which the process is killed: before the reply to a PUT of that number, of a blob, a manifest or a
/// tag.
const KILLS: usize = 30;

/// Runs a push and kills it while it waits for the reply to its PUT of this number. Returns `false` if it ended before.
fn killed_at(sandbox: &Sandbox, fake: &Fake, place: usize) -> bool {
    let (reached, at_place) = mpsc::channel();
    let (dead, is_dead) = mpsc::channel::<()>();
    let (reached, is_dead) = (Mutex::new(reached), Mutex::new(is_dead));
    let count = AtomicUsize::new(0);
    fake.hook(
        Hook::change(move |reply| {
            if count.fetch_add(1, Ordering::SeqCst) == place {
                reached.lock().unwrap().send(()).unwrap();
                // An error means that the test is over.
                let _killed = is_dead.lock().unwrap().recv();
            }
            reply
        })
        .on("PUT", ""),
    );
    let mut command = sandbox.command(&["build", "--push", "--plain-http", fake.host()]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let was_killed = loop {
        match at_place.recv_timeout(Duration::from_millis(20)) {
            Ok(()) => {
                child.kill().unwrap();
                break true;
            }
            Err(_) if child.try_wait().unwrap().is_some() => break false,
            Err(_) => {}
        }
    };
    child.wait().unwrap();
    drop(dead);
    fake.unhook();
    was_killed
}

/// Returns what was put in a repository, other than tags: the repository, and the digest of the blob or the manifest.
fn put_content(seen: &[Seen]) -> BTreeSet<(String, String)> {
    let put = |seen: &Seen| {
        let (namespace, rest) = seen.target.strip_prefix("/v2/")?.split_once(['?', '/'])?;
        let (member, rest) = rest.split_once('/')?;
        let digest = rest.split_once("digest=").or_else(|| rest.split_once("manifests/"))?.1;
        let digest = digest.replace("%3A", ":");
        digest
            .starts_with("sha256:")
            .then(|| (format!("{namespace}/{member}"), digest))
    };
    seen.iter()
        .filter(|seen| seen.method == "PUT")
        .filter_map(put)
        .collect()
}

#[test]
fn a_kill_leaves_whole_images_and_the_next_push_finishes() {
    let whole = Sandbox::new();
    let fake = Fake::start(Flavour::distribution3());
    write_stack(&whole, fake.host());
    let puts = pushed(&whole, &fake, &[])
        .iter()
        .filter(|seen| seen.method == "PUT")
        .count();
    assert!(puts > KILLS, "{puts}");
    let mut killed_in_tags = 0;
    for kill in 0..KILLS {
        let sandbox = Sandbox::new();
        let fake = Fake::start(Flavour::distribution3());
        write_stack(&sandbox, fake.host());
        // The last of them is within the tags, the first in the blobs.
        let place = kill * (puts - 1) / (KILLS - 1);
        assert!(killed_at(&sandbox, &fake, place), "{place} of {puts}");
        let moved: Vec<&str> = MEMBERS
            .into_iter()
            .filter(|member| fake.contents().manifest(&format!("ws/{member}"), "1.0").is_some())
            .collect();
        assert_eq!(moved, MEMBERS[..moved.len()], "{place}: bases first");
        for member in &moved {
            let contents = fake.contents();
            let repository = format!("ws/{member}");
            let (_, manifest) = contents.manifest(&repository, "1.0").unwrap();
            assert_eq!(contents.missing(&repository, &manifest), None, "{place}: {member}");
        }
        let is_in_tags = place + MEMBERS.len() >= puts;
        assert!(is_in_tags || moved.is_empty(), "{place} of {puts}: {moved:?}");
        killed_in_tags += usize::from(is_in_tags);
        let mut there = put_content(&fake.log().all());
        there.retain(|(repository, digest)| {
            let contents = fake.contents();
            contents.blob(repository, digest).is_some() || contents.manifest(repository, digest).is_some()
        });
        assert!(there.len() + MEMBERS.len() >= place, "{place}: {there:#?}");
        let sent = put_content(&pushed(&sandbox, &fake, &[]));
        // A config is sent without a check, which would cost as much.
        let is_config = |(repository, digest): &(String, String)| {
            let blob = fake.contents().blob(repository, digest);
            blob.is_some_and(|blob| blob.bytes().starts_with(b"{"))
        };
        let again: Vec<_> = sent.intersection(&there).filter(|put| !is_config(put)).collect();
        assert!(again.is_empty(), "{place}: sent although it was there: {again:#?}");
        for member in MEMBERS {
            let contents = fake.contents();
            assert!(
                contents.manifest(&format!("ws/{member}"), "1.0").is_some(),
                "{place}: {member}"
            );
        }
    }
    assert!(killed_in_tags > 3, "{killed_in_tags}");
}
