//! Killed writers: a layout or an archive is in the old or in the new state.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::support::images::{sound_blobs, write_spec};
use crate::support::on_base;
use crate::support::{Sandbox, tool};

/// Reads `index.json` at any moment, like another program.
pub fn index(sandbox: &Sandbox) -> Option<Value> {
    let bytes = fs::read(sandbox.path("out/index.json")).ok()?;
    Some(serde_json::from_slice(&bytes).expect("index.json is whole at every moment"))
}

/// Starts a build and kills it after its `events`th progress event. Returns `false` if it had ended by itself.
fn killed(sandbox: &Sandbox, arguments: &[&str], events: usize) -> bool {
    let mut command = sandbox.command(&[arguments, &["--progress", "json"]].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let seen = lines.map_while(Result::ok).take(events).count();
    if seen == events {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert!(status.success() || status.code().is_none(), "{status}");
    seen == events
}

#[test]
fn a_killed_build_leaves_the_layout_whole() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &on_base());
    let old = sandbox.ok(&["build", "-t", "old", "-o", "oci:out"]).digest();
    let mut events = 1;
    loop {
        // A change to write in every round.
        sandbox.write("files/round", format!("{events}\n"));
        let was_killed = killed(&sandbox, &["build", "-t", "new", "-o", "oci:out"], events);
        assert_eq!(index(&sandbox).unwrap()["manifests"][0]["digest"], *old);
        sandbox.ok(&["inspect", "oci:out:old"]);
        if index(&sandbox).unwrap()["manifests"].as_array().unwrap().len() > 1 {
            let new = format!("oci:{}:new", sandbox.path("out").display());
            let copied = format!("oci:{}:{events}", sandbox.path("copied").display());
            tool("skopeo", &["copy", "-q", "--all", &new, &copied]);
        }
        if !was_killed {
            break;
        }
        events += 2;
    }
    assert!(events > 10, "the build told too little: {events}");
    sandbox.ok(&["build", "-t", "new", "-o", "oci:out"]);
    // Complete, and without temporary files of the killed runs.
    sound_blobs(&sandbox.path("out"));
    let mut names: Vec<_> = fs::read_dir(sandbox.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    names.retain(|name| !name.to_string_lossy().contains("lock"));
    assert_eq!(names, ["blobs", "index.json", "oci-layout"]);
    let source = format!("oci:{}:old", sandbox.path("out").display());
    tool("skopeo", &["inspect", "--raw", &source]);
    let listed = tool("umoci", &["ls", "--layout", sandbox.path("out").to_str().unwrap()]);
    assert_eq!(listed, "old\nnew\n");
}

#[test]
fn a_first_build_that_is_killed_can_be_made_again() {
    for events in [2, 5, 8, 11, 14] {
        let sandbox = Sandbox::new();
        write_spec(&sandbox, &on_base());
        killed(
            &sandbox,
            &["build", "-o", "oci:out", "-o", "oci-archive:out.tar"],
            events,
        );
        if sandbox.path("out.tar").exists() {
            sandbox.ok(&["inspect", "oci-archive:out.tar"]);
        }
        let built = sandbox.ok(&["build", "-o", "oci:out", "-o", "oci-archive:out.tar"]);
        let said = sandbox.ok(&["inspect", "--json", "oci-archive:out.tar"]).stdout;
        assert!(said.contains(&built.digest()));
        sound_blobs(&sandbox.path("out"));
    }
}

#[test]
fn a_killed_build_leaves_an_old_archive_or_a_new_one() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &on_base());
    let mut known = vec![sandbox.ok(&["build", "-o", "oci-archive:out.tar"]).digest()];
    for events in (1..30).step_by(3) {
        sandbox.write("files/round", format!("{events}\n"));
        known.push(sandbox.ok(&["build", "-o", "oci:other"]).digest());
        killed(&sandbox, &["build", "-o", "oci-archive:out.tar"], events);
        let said: Value =
            serde_json::from_str(&sandbox.ok(&["inspect", "--json", "oci-archive:out.tar"]).stdout).unwrap();
        assert!(known.iter().any(|digest| said["digest"] == **digest), "{said}");
    }
}
