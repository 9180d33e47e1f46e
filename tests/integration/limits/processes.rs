//! Limits on processes and on open files: a run works within them, or ends with an error that names the limit. It never
//! panics or hangs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::support::{Outcome, Sandbox};

/// A longer run hangs: it packs a few bytes.
const PATIENCE_S: &str = "60";

/// A user for each test, so that no other processes count.
const USER: &str = "54321";
const USER_OF_MANY_LAYERS: &str = "54322";

/// A project, and a copy of the program that every user may run.
fn project() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::set_permissions(sandbox.root(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_ocitect"), sandbox.path("ocitect")).unwrap();
    for number in 0..40 {
        sandbox.write(&format!("files/{number}/text"), format!("{number}\n"));
    }
    let layers: Vec<String> = (0..3)
        .map(|at| format!("[[layers]]\nname = \"l{at}\"\nfiles = [{{ from = \"files/\", to = \"/l{at}\" }}]\n"))
        .collect();
    sandbox.spec(&format!(
        "[image]\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n{}",
        layers.concat()
    ));
    sandbox
}

/// Runs the program with a limit of `prlimit`, as a user without privileges, in a new directory each time.
fn limited(sandbox: &Sandbox, limit: &str, arguments: &[&str]) -> Outcome {
    limited_as(USER, sandbox, limit, arguments)
}

fn limited_as(user: &str, sandbox: &Sandbox, limit: &str, arguments: &[&str]) -> Outcome {
    let mut command = Command::new("timeout");
    command.args([
        "--signal=KILL",
        PATIENCE_S,
        "setpriv",
        "--reuid",
        user,
        "--regid",
        user,
        "--clear-groups",
    ]);
    command
        .args(["prlimit", limit])
        .arg(sandbox.path("ocitect"))
        .args(arguments);
    command
        .current_dir(sandbox.root())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .env("HOME", sandbox.path("nobody"))
        .env("TMPDIR", sandbox.root());
    Outcome::of(command)
}

/// Returns `true` if the run succeeds, and checks that a failure names the limit.
#[track_caller]
fn works_or_says_why(outcome: &Outcome, limit: &str, words: &[&str]) -> bool {
    assert!(!outcome.stderr.contains("panicked"), "{limit}: {}", outcome.stderr);
    match outcome.code {
        0 => true,
        1 => {
            let says = words.iter().any(|word| outcome.stderr.contains(word));
            assert!(
                says && outcome.stderr.contains("error: "),
                "{limit}: {}",
                outcome.stderr
            );
            false
        }
        other => panic!("{limit}: {other} (-1 or 137: it hangs)\n{}", outcome.stderr),
    }
}

#[test]
fn few_processes_make_a_run_slower_or_end_it() {
    let sandbox = project();
    let whole = limited(&sandbox, "--nproc=1000", &["build", "-o", "oci:whole"])
        .expect(0)
        .digest();
    let mut worked = 0;
    for count in 1..=12 {
        let limit = format!("--nproc={count}");
        let output = format!("oci:out-{count}");
        let built = limited(&sandbox, &limit, &["build", "-o", &output]);
        if works_or_says_why(&built, &limit, &["ulimit -u"]) {
            assert_eq!(built.digest(), whole);
            worked += 1;
        }
        let copied = limited(
            &sandbox,
            &limit,
            &["copy", "oci:whole", &format!("oci-archive:out-{count}.tar")],
        );
        works_or_says_why(&copied, &limit, &["ulimit -u", "cannot start a thread"]);
        let checked = limited(&sandbox, &limit, &["check", "oci:whole"]);
        works_or_says_why(&checked, &limit, &["ulimit -u", "cannot start a thread"]);
    }
    assert!(worked >= 6, "a few threads are enough: {worked}");
}

#[test]
fn a_base_with_many_layers_is_read_with_few_processes() {
    let sandbox = project();
    let layers = (0..60)
        .map(|at| format!("[[layers]]\nname = \"l{at}\"\nfiles = [{{ from = \"files/1\", to = \"/l{at}\" }}]\n"));
    sandbox.spec(&format!(
        "[image]\nplatforms = [\"linux/amd64\"]\n{}",
        layers.collect::<String>()
    ));
    limited_as(
        USER_OF_MANY_LAYERS,
        &sandbox,
        "--nproc=1000",
        &["build", "-o", "oci:many"],
    )
    .expect(0);
    // One thread that works, one that waits for the disk, and one that unpacks.
    for limit in ["--nproc=3", "--nproc=4", "--nproc=5"] {
        limited_as(USER_OF_MANY_LAYERS, &sandbox, limit, &["check", "oci:many"]).expect(0);
    }
}

#[test]
fn few_open_files_end_a_run_with_a_word() {
    let sandbox = project();
    // Below 4 the system itself cannot load a program.
    for count in 4..=40 {
        let limit = format!("--nofile={count}");
        let built = limited(&sandbox, &limit, &["build", "-o", &format!("oci:out-{count}")]);
        works_or_says_why(&built, &limit, &["ulimit -n", "os error 24"]);
    }
    limited(&sandbox, "--nofile=64", &["build", "-o", "oci:whole"]).expect(0);
}

#[test]
fn a_deep_and_wide_tree_needs_few_open_files() {
    let sandbox = project();
    let mut deep = String::from("files");
    for _ in 0..300 {
        deep.push_str("/deeper");
        sandbox.write(&format!("{deep}/file"), "x");
    }
    for number in 0..500 {
        sandbox.write(&format!("files/wide/{number}/file"), "x");
    }
    let few = limited(&sandbox, "--nofile=64", &["build", "-o", "oci:few"])
        .expect(0)
        .digest();
    assert_eq!(
        few,
        limited(&sandbox, "--nofile=1000", &["build", "-o", "oci:many"])
            .expect(0)
            .digest()
    );
}
