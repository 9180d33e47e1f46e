//! Files that change while they are read.
//!
//! The moment of the change is exact: each line of progress has the name of the layer, which is longer than what the pipe
//! to the test holds. So the build is blocked in the middle of the file, from the moment that the test reads the start of
//! the first line of progress until it reads the rest.

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::process::Stdio;
use std::time::SystemTime;

use serde_json::Value;

use crate::support::refusal::{spec, state};
use crate::support::{Sandbox, tool};

/// Size of the file that is being read: many times what is read between two lines of progress.
const LARGE_BYTES: u64 = 64 * 1024 * 1024;

/// Length of a layer's name: a pipe holds 64 KiB, and the test reads some KiB more than it looks at.
const NAME_BYTES: usize = 200_000;

/// The start of a line of progress.
const PROGRESS: &[u8] = br#"{"event":"progress","#;

/// A sandbox with `tree/a`, large, and `tree/b`, which is read after it.
fn prepared() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("tree/a", "").write("tree/b", "1");
    let large = File::options().write(true).open(sandbox.path("tree/a")).unwrap();
    large.set_len(LARGE_BYTES).unwrap();
    // Any later write changes the time that the file was listed with.
    large.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let name = "n".repeat(NAME_BYTES);
    spec(
        &sandbox,
        &[&format!(
            "[[layers]]\nname = \"{name}\"\nfiles = [{{ from = \"tree\", to = \"/app\" }}]\n"
        )],
    );
    sandbox
}

/// Builds, calls `change` while `tree/a` is read, and returns the error, which must be a local one.
fn failed_by(change: impl FnOnce(&Sandbox)) -> Value {
    failed_in(&prepared(), change)
}

/// Like [`failed_by`], for a sandbox that was prepared in another way.
fn failed_in(sandbox: &Sandbox, change: impl FnOnce(&Sandbox)) -> Value {
    let mut before = None;
    let (code, last) = built_during(sandbox, |sandbox| {
        change(sandbox);
        before = Some(state(sandbox.root()));
    });
    assert_eq!(code, Some(1), "{last}");
    assert_eq!(Some(state(sandbox.root())), before);
    assert!(!sandbox.path("out").exists() && !sandbox.path("out.tar").exists());
    let error: Value = serde_json::from_str(&last).unwrap();
    assert_eq!(error["event"], "error");
    assert_eq!(error["exit_code"], 1);
    println!("{error:#}");
    error
}

/// Builds, and calls `change` while `tree/a` is read. Returns the exit status and the last line on stderr.
fn built_during(sandbox: &Sandbox, change: impl FnOnce(&Sandbox)) -> (Option<i32>, String) {
    let mut command = sandbox.command(&[
        "build",
        "--progress",
        "json",
        "-o",
        "oci:out",
        "-o",
        "oci-archive:out.tar",
    ]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(child.stderr.take().unwrap());
    let mut start = [0; PROGRESS.len()];
    loop {
        events.read_exact(&mut start).expect("a line of progress");
        if start == *PROGRESS {
            break;
        }
        events.skip_until(b'\n').unwrap();
    }
    change(sandbox);
    let mut lines = events.lines().map(|line| line.unwrap());
    let rest = lines.next().expect("the rest of the line");
    assert!(rest.contains("packing n"), "{}", &rest[..100]);
    let progress: Value = serde_json::from_str(&format!("{}{rest}", str::from_utf8(PROGRESS).unwrap())).unwrap();
    let done_bytes = progress["done_bytes"].as_u64().unwrap();
    assert!(done_bytes > 0 && done_bytes < LARGE_BYTES / 2, "{done_bytes}");
    let last = lines.last().expect("a last line");
    (child.wait().unwrap().code(), last)
}

#[track_caller]
fn assert_says(error: &Value, path: &str, what: &str) {
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(path) && message.contains(what), "{message}");
    assert_eq!(error["help"], "build again when nothing writes to it");
}

#[test]
fn a_file_that_grows_while_it_is_read() {
    let error = failed_by(|sandbox| {
        File::options()
            .append(true)
            .open(sandbox.path("tree/a"))
            .unwrap()
            .write_all(b"more")
            .unwrap();
    });
    assert_says(
        &error,
        "./tree/a changed",
        &format!("expected {LARGE_BYTES} bytes, found {}", LARGE_BYTES + 4),
    );
}

#[test]
fn a_file_that_shrinks_while_it_is_read() {
    let error = failed_by(|sandbox| {
        File::options()
            .write(true)
            .open(sandbox.path("tree/a"))
            .unwrap()
            .set_len(LARGE_BYTES / 2 + 1)
            .unwrap();
    });
    assert_says(
        &error,
        "./tree/a changed",
        &format!("expected {LARGE_BYTES} bytes, found {}", LARGE_BYTES / 2 + 1),
    );
}

#[test]
fn a_file_that_is_written_to_while_it_is_read() {
    let error = failed_by(|sandbox| {
        File::options()
            .write(true)
            .open(sandbox.path("tree/a"))
            .unwrap()
            .write_all_at(b"x", 0)
            .unwrap();
    });
    assert_says(&error, "./tree/a changed", "it was written to");
}

#[test]
fn a_file_whose_mode_changes_while_it_is_read() {
    let error = failed_by(|sandbox| {
        fs::set_permissions(sandbox.path("tree/a"), Permissions::from_mode(0o755)).unwrap();
    });
    assert_says(&error, "./tree/a changed", "its mode changed");
}

#[test]
fn files_that_get_another_name_while_they_are_read_have_not_changed() {
    // Like an installer that links the files of another tree to the same cache.
    let (code, last) = built_during(&prepared(), |sandbox| {
        for name in ["a", "b"] {
            fs::hard_link(
                sandbox.path(format!("tree/{name}")),
                sandbox.path(format!("other-{name}")),
            )
            .unwrap();
        }
    });
    assert_eq!(code, Some(0), "{last}");
}

#[test]
fn a_file_that_vanishes_before_it_is_read() {
    let error = failed_by(|sandbox| fs::remove_file(sandbox.path("tree/b")).unwrap());
    assert_says(&error, "./tree/b changed", "it no longer exists");
}

#[test]
fn a_file_whose_place_a_link_takes() {
    let error = failed_by(|sandbox| {
        fs::remove_file(sandbox.path("tree/b")).unwrap();
        symlink("/etc/hostname", sandbox.path("tree/b")).unwrap();
    });
    assert_says(&error, "./tree/b changed", "it was replaced");
}

#[test]
fn a_file_whose_place_another_takes() {
    let error = failed_by(|sandbox| {
        sandbox.write("new", "2");
        fs::rename(sandbox.path("new"), sandbox.path("tree/b")).unwrap();
    });
    assert_says(&error, "./tree/b changed", "it was replaced");
}

#[test]
fn an_archive_that_grows_while_it_is_unpacked() {
    let sandbox = prepared();
    let archive = sandbox.path("app.tar");
    let tree = sandbox.path("tree");
    tool(
        "tar",
        &["-cf", archive.to_str().unwrap(), "-C", tree.to_str().unwrap(), "."],
    );
    let name = "n".repeat(NAME_BYTES);
    let files = "files = [{ from = \"app.tar\", to = \"/app\", unpack = true }]";
    spec(&sandbox, &[&format!("[[layers]]\nname = \"{name}\"\n{files}\n")]);
    let error = failed_in(&sandbox, |sandbox| {
        File::options()
            .append(true)
            .open(sandbox.path("app.tar"))
            .unwrap()
            .write_all(b"more")
            .unwrap();
    });
    let causes = error["causes"].to_string();
    assert!(
        causes.contains("./app.tar") && causes.contains("the archive changed while it was read"),
        "{error}"
    );
    assert_eq!(error["help"], "build again when nothing writes to it");
}

#[test]
fn nothing_is_wrong_where_nothing_changes() {
    let sandbox = prepared();
    sandbox.ok(&["build", "--progress", "json"]);
}
