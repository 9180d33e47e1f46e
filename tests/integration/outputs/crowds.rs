//! Two to thirty-two processes that write into one layout at once, while another reads: no tag is lost, and the layout
//! is valid at every moment.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::outputs::interrupted::index;
use crate::support::images::{sha256, sound_blobs, write_spec};
use crate::support::on_base;
use crate::support::{Outcome, Sandbox, tool};

/// Concurrent writers: two, as for one person; a matrix of jobs; and more than any test machine has processors.
const CROWDS: [usize; 3] = [2, 8, 32];

/// A tag that all of them write.
const SHARED: &str = "shared";

/// Returns the digest of each tag in the layout's index.
fn tags(index: &Value) -> BTreeMap<String, String> {
    let entries = index["manifests"].as_array().unwrap().iter();
    let named = entries.filter_map(|entry| {
        let tag = entry["annotations"]["org.opencontainers.image.ref.name"].as_str()?;
        Some((tag.to_owned(), entry["digest"].as_str().unwrap().to_owned()))
    });
    named.collect()
}

/// Reads the layout until `is_over`. Returns the number of reads. Listed images are kept and are complete.
fn keep_reading(sandbox: &Sandbox, is_over: &AtomicBool) -> usize {
    let mut seen = BTreeMap::new();
    let mut reads = 0;
    while !is_over.load(Ordering::SeqCst) {
        // There is no index before the first writer has listed its image.
        let Some(index) = index(sandbox) else { continue };
        let found = tags(&index);
        for (tag, digest) in &seen {
            assert!(found.contains_key(tag), "{tag} was there, and is lost");
            assert!(
                tag == SHARED || found[tag] == *digest,
                "{tag} named another image before"
            );
        }
        for digest in found.values() {
            let path = sandbox
                .path("out/blobs/sha256")
                .join(digest.strip_prefix("sha256:").unwrap());
            assert_eq!(sha256(&fs::read(path).expect("what a tag names is there")), *digest);
        }
        (seen, reads) = (found, reads + 1);
    }
    reads
}

/// Starts a build of a distinct image.
fn start_writer(sandbox: &Sandbox, spec: &str, number: usize) -> Child {
    let own = format!("[[layers]]\nname = \"own\"\nfiles = [{{ from = \"own-{number}\", to = \"/own\" }}]\n");
    sandbox.write(&format!("own-{number}"), format!("{number}\n"));
    sandbox.write(&format!("spec-{number}.toml"), format!("{spec}{own}"));
    let file = format!("spec-{number}.toml");
    let tag = format!("t{number}");
    let mut command = sandbox.command(&["build", &file, "-t", &tag, "-t", SHARED, "-o", "oci:out"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn crowd(writers: usize) {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &on_base());
    let spec = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    let is_over = AtomicBool::new(false);
    let built = std::thread::scope(|scope| {
        let reader = scope.spawn(|| keep_reading(&sandbox, &is_over));
        let children: Vec<Child> = (0..writers)
            .map(|number| start_writer(&sandbox, &spec, number))
            .collect();
        let ended: Vec<_> = children
            .into_iter()
            .map(|child| child.wait_with_output().unwrap())
            .collect();
        is_over.store(true, Ordering::SeqCst);
        println!("{writers} writers, {} reads", reader.join().unwrap());
        ended
            .into_iter()
            .map(|output| Outcome::from(output).expect(0).digest())
            .collect::<Vec<String>>()
    });
    let found = tags(&index(&sandbox).unwrap());
    for (number, digest) in built.iter().enumerate() {
        assert_eq!(found.get(&format!("t{number}")), Some(digest), "t{number}");
    }
    assert!(built.contains(&found[SHARED]), "{}", found[SHARED]);
    sound_blobs(&sandbox.path("out"));
    let listed = tool("umoci", &["ls", "--layout", sandbox.path("out").to_str().unwrap()]);
    assert_eq!(listed.lines().count(), writers + 1, "{listed}");
    for path in ["out", "out/blobs", "cache/documents/v1"] {
        let names = fs::read_dir(sandbox.path(path))
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = names.filter(|name| name.to_string_lossy().contains("tmp")).collect();
        assert!(left.is_empty(), "{path}: {left:?}");
    }
}

#[test]
fn writers_at_once_lose_no_tag() {
    for writers in CROWDS {
        crowd(writers);
    }
}

#[test]
fn writers_of_one_archive_leave_one_of_them() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, "");
    let spec = fs::read_to_string(sandbox.path("ocitect.toml")).unwrap();
    let started: Vec<Child> = (0..CROWDS[1])
        .map(|number| {
            let text = spec.replace("to = \"/app\"", &format!("to = \"/app-{number}\""));
            let file = format!("spec-{number}.toml");
            sandbox.write(&file, text);
            let mut command = sandbox.command(&["build", &file, "-o", "oci-archive:out.tar"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let ended = started
        .into_iter()
        .map(|child| Outcome::from(child.wait_with_output().unwrap()).expect(0));
    let built: Vec<String> = ended.map(|outcome| outcome.digest()).collect();
    let said: Value = serde_json::from_str(&sandbox.ok(&["inspect", "--json", "oci-archive:out.tar"]).stdout).unwrap();
    assert!(built.iter().any(|digest| said["digest"] == **digest), "{said}");
    tool(
        "skopeo",
        &[
            "inspect",
            "--raw",
            &format!("oci-archive:{}", sandbox.path("out.tar").display()),
        ],
    );
}
