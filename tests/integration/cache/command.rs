//! `ocitect cache`, alone and with `prune` and `verify`.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::images::write_spec;
use crate::support::on_base;
use crate::support::{Outcome, Sandbox, files_below};

fn shown(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.ok(&["cache", "--json"]).stdout).unwrap()
}

fn files(shown: &Value) -> u64 {
    shown["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["files"].as_u64().unwrap())
        .sum()
}

/// Returns the files of the cache, without the ledger.
fn entries(sandbox: &Sandbox) -> Vec<PathBuf> {
    files_below(&sandbox.path("cache"))
        .into_iter()
        .filter(|path| *path != sandbox.path("cache/size"))
        .collect()
}

#[test]
fn what_is_kept_is_shown_by_kind() {
    let sandbox = Sandbox::new();
    let empty = shown(&sandbox);
    assert_eq!((files(&empty), empty["limit_bytes"].as_u64()), (0, Some(10 << 30)));
    assert_eq!(empty["directory"], sandbox.path("cache").to_str().unwrap());
    assert!(!sandbox.path("cache").exists(), "showing makes nothing");
    write_spec(&sandbox, &on_base());
    sandbox.ok(&["build"]);
    let full = shown(&sandbox);
    let names: Vec<_> = full["kinds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["blocks", "layers", "facts", "documents", "origins", "uploads"]);
    assert_eq!(
        (&full["kinds"][2]["files"], &full["kinds"][3]["files"]),
        (&2.into(), &4.into())
    );
    let size_bytes: u64 = entries(&sandbox)
        .iter()
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    assert_eq!(full["size_bytes"], size_bytes);
    let oldest = full["kinds"][2]["oldest_use"].as_str().unwrap();
    assert!(oldest.starts_with("20") && oldest.ends_with('Z'), "{oldest}");
    let text = sandbox.ok(&["cache"]).stdout;
    for line in [
        sandbox.path("cache").to_str().unwrap(),
        "documents",
        "4 files",
        "oldest use 20",
        "of 10.7 GB",
    ] {
        assert!(text.contains(line), "{line} in:\n{text}");
    }
}

#[test]
fn a_build_keeps_the_cache_within_its_limit_and_all_can_go() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &on_base());
    let build = || sandbox.ok(&["build"]).digest();
    let digest = build();
    let all = entries(&sandbox).len();
    let said = sandbox.ok(&["cache", "prune"]).stdout;
    assert!(said.starts_with("nothing to remove\nkept "), "{said}");
    let said = sandbox.ok(&["cache", "prune", "--keep", "1kB"]).stdout;
    assert!(
        said.contains("removed facts ") && said.lines().last().unwrap().starts_with("kept "),
        "{said}"
    );
    assert!(entries(&sandbox).len() < all && shown(&sandbox)["size_bytes"].as_u64().unwrap() <= 1000);
    let said: Value = serde_json::from_str(&sandbox.ok(&["cache", "prune", "--all", "--json"]).stdout).unwrap();
    assert_eq!((said["kept_bytes"].as_u64(), entries(&sandbox)), (Some(0), Vec::new()));
    // Without the lockfile, which has the facts too.
    fs::remove_file(sandbox.path("ocitect.lock")).unwrap();
    let mut command = sandbox.command(&["build"]);
    command.env("OCITECT_CACHE_SIZE", "2 kB");
    assert_eq!(Outcome::of(command).expect(0).digest(), digest);
    assert!(shown(&sandbox)["size_bytes"].as_u64().unwrap() <= 2000);
    assert_eq!(build(), digest);
    fs::remove_dir_all(sandbox.path("cache")).unwrap();
    assert_eq!(build(), digest);
}

#[test]
fn damage_is_found_deleted_and_no_failure() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &on_base());
    let digest = sandbox.ok(&["build"]).digest();
    let all = entries(&sandbox);
    let whole = format!("{} files, ", all.len());
    assert!(sandbox.ok(&["cache", "verify"]).stdout.starts_with(&whole));
    let mut damaged = Vec::new();
    for (at, path) in all.iter().enumerate().filter(|(at, _)| at % 2 == 0) {
        let mut bytes = fs::read(path).unwrap();
        match at % 3 {
            0 => bytes.truncate(at),
            1 => bytes[0] ^= 1,
            _ => *bytes.last_mut().unwrap() ^= 1,
        }
        fs::write(path, bytes).unwrap();
        damaged.push(path.clone());
    }
    let said = sandbox.ok(&["cache", "verify"]).stdout;
    for path in &damaged {
        assert!(
            said.contains(&format!("{}: damaged, deleted\n", path.display())) && !path.exists(),
            "{said}"
        );
    }
    assert_eq!(said.lines().count(), damaged.len() + 1, "{said}");
    let again: Value = serde_json::from_str(&sandbox.ok(&["cache", "verify", "--json"]).stdout).unwrap();
    assert_eq!(
        (again["damaged"].as_array().unwrap().len(), &again["intact"]["files"]),
        (0, &(all.len() - damaged.len()).into())
    );
    assert_eq!(sandbox.ok(&["build"]).digest(), digest);
}

#[test]
fn bad_usage_and_places_are_told() {
    let sandbox = Sandbox::new();
    for (arguments, text) in [
        (
            &["cache", "prune", "--keep", "much"][..],
            "--keep: \"much\" is not a size",
        ),
        (&["cache", "prune", "--keep", "1GB", "--all"], "cannot be used with"),
        (&["cache", "prune", "--layout", "x", "--all"], "cannot be used with"),
        (&["cache", "prune", "--dry-run"], "--layout"),
        (&["cache", "show"], "show"),
    ] {
        sandbox.run(arguments).expect(2).says(&[text]);
    }
    sandbox.run(&["cache", "prune", "--layout", "nowhere"]).expect(6);
    sandbox
        .write("other/file", "")
        .run(&["cache", "prune", "--layout", "other"])
        .expect(2);
    write_spec(&sandbox, "");
    for arguments in [&["cache"][..], &["build"]] {
        let mut command = sandbox.command(arguments);
        command.env("OCITECT_CACHE_SIZE", "-1");
        Outcome::of(command)
            .expect(2)
            .says(&["OCITECT_CACHE_SIZE: \"-1\" is not a size"]);
    }
    let mut command = sandbox.command(&["cache"]);
    command.env_remove("OCITECT_CACHE_DIR").env_remove("HOME");
    Outcome::of(command)
        .expect(2)
        .says(&["HOME is not set", "OCITECT_CACHE_DIR"]);
    let mut command = sandbox.command(&["cache"]);
    command.env("OCITECT_CACHE_DIR", sandbox.path("other/file"));
    Outcome::of(command).expect(1).says(&["other/file"]);
}
