//! Influences that must not change a digest: the machine, the time, the checkout, and how the files were created.

use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::reproducibility::fixture::{COMPRESSIONS, Checkout, names, write_items};
use crate::support::{Sandbox, part, tool};

/// Returns the digests of the unchanged fixture, in the order of `COMPRESSIONS`; built once for all tests.
fn expected() -> &'static [String; 3] {
    static EXPECTED: OnceLock<[String; 3]> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let sandbox = Sandbox::new();
        let checkout = Checkout::write(sandbox.path("checkout"));
        COMPRESSIONS.map(|compression| checkout.build(&sandbox, compression).index_digest)
    })
}

/// Builds `checkout` with every compression and the changed command, and compares.
#[track_caller]
fn assert_same(sandbox: &Sandbox, checkout: &Checkout, change: impl Fn(Command) -> Command) {
    for (compression, expected) in COMPRESSIONS.iter().zip(expected()) {
        let built = checkout.build_with(sandbox, compression, "again", &change);
        assert_eq!(&built.index_digest, expected, "{compression}");
    }
}

/// Returns the command, started by another program with these arguments before it.
fn through(command: &Command, program: &str, arguments: &[&str]) -> Command {
    let mut outer = Command::new(program);
    outer
        .args(arguments)
        .arg(command.get_program())
        .args(command.get_args());
    outer.env_clear().current_dir(command.get_current_dir().unwrap());
    outer.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| value.map(|value| (name, value))),
    );
    outer
}

/// Returns every file and directory below `root`, but no link.
fn below(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_path_buf()];
    let mut at = 0;
    while at < found.len() {
        if found[at].is_dir() {
            let entries = fs::read_dir(&found[at]).unwrap().map(|entry| entry.unwrap().path());
            found.extend(entries.filter(|path| !path.is_symlink()).collect::<Vec<_>>());
        }
        at += 1;
    }
    found
}

#[test]
fn the_umask_does_not_reach_a_digest() {
    for mask in ["0000", "0077"] {
        let sandbox = Sandbox::new();
        let checkout = Checkout::write(sandbox.path("checkout"));
        let script = format!("umask {mask}; exec \"$0\" \"$@\"");
        assert_same(&sandbox, &checkout, |command| through(&command, "sh", &["-c", &script]));
    }
}

#[test]
fn times_of_the_sources_do_not_reach_a_digest() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::write(sandbox.path("checkout"));
    for (at, path) in below(&checkout.directory).iter().enumerate() {
        let time = format!("@{}.123456789", 1_000_000 * at);
        tool("touch", &["-d".as_ref(), time.as_ref(), path.as_os_str()]);
    }
    tool(
        "touch",
        &[
            "-h".as_ref(),
            "-d".as_ref(),
            "@7".as_ref(),
            checkout.directory.join("tree/link/text").as_os_str(),
        ],
    );
    assert_same(&sandbox, &checkout, |command| command);
}

#[test]
fn the_order_of_a_directory_does_not_reach_a_digest() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::write(sandbox.path("checkout"));
    // A tmpfs lists the newest entry first; other file systems have another order.
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let mut items = names();
    write_items(&memory.path().join("forward"), &items);
    items.reverse();
    write_items(&memory.path().join("backward"), &items);
    let order = |name: &str| -> Vec<_> {
        fs::read_dir(memory.path().join(name))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect()
    };
    assert_ne!(order("forward"), order("backward"), "the test wants two orders");
    fs::remove_dir_all(checkout.directory.join("tree")).unwrap();
    for name in ["forward", "backward"] {
        symlink(memory.path().join(name), checkout.directory.join("tree")).unwrap();
        assert_same(&sandbox, &checkout, |command| command);
        fs::remove_file(checkout.directory.join("tree")).unwrap();
    }
}

#[test]
fn language_and_time_zone_do_not_reach_a_digest() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::write(sandbox.path("checkout"));
    for (zone, language) in [
        ("Pacific/Kiritimati", "tr_TR.UTF-8"),
        ("America/St_Johns", "C"),
        ("UTC", "ja_JP.EUC-JP"),
    ] {
        assert_same(&sandbox, &checkout, |mut command| {
            command.env("TZ", zone).env("LANG", language).env("LC_ALL", language);
            command
        });
    }
}

#[test]
fn the_number_of_threads_does_not_reach_a_digest() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::write(sandbox.path("checkout"));
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap()
        .trim();
    let first = allowed.split(['-', ',']).next().unwrap();
    assert_same(&sandbox, &checkout, |command| {
        through(&command, "taskset", &["-c", first])
    });
    assert_same(&sandbox, &checkout, |command| {
        through(&command, "taskset", &["-c", allowed])
    });
}

#[test]
fn the_path_of_the_checkout_does_not_reach_a_digest() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::write(sandbox.path("some where/\u{e9}lse/deep/in/the [tree]"));
    assert_same(&sandbox, &checkout, |command| command);
    // The same from inside of the directory, with the spec as a relative path.
    let directory = checkout.directory.clone();
    let relative = Checkout {
        directory: PathBuf::new(),
    };
    for (compression, expected) in COMPRESSIONS.iter().zip(expected()) {
        let built = relative.build_with(&sandbox, compression, "inside", |mut command| {
            command.current_dir(&directory);
            command
        });
        assert_eq!(&built.index_digest, expected, "{compression}");
    }
}

#[test]
fn hardlinks_of_the_sources_do_not_reach_a_digest() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::write(sandbox.path("checkout"));
    let tree = checkout.directory.join("tree");
    for (path, other) in [
        ("same/two", "same/one"),
        ("text/ space ", "empty"),
        ("text/new\nline", "empty"),
    ] {
        fs::remove_file(tree.join(path)).unwrap();
        fs::hard_link(tree.join(other), tree.join(path)).unwrap();
    }
    assert_eq!(fs::metadata(tree.join("empty")).unwrap().nlink(), 3);
    assert_same(&sandbox, &checkout, |command| command);
}

#[test]
fn owners_of_the_sources_do_not_reach_a_digest() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::write(sandbox.path("checkout"));
    tool(
        "chown",
        &["-hR".as_ref(), "12345:54321".as_ref(), checkout.directory.as_os_str()],
    );
    assert_same(&sandbox, &checkout, |command| command);
}

#[test]
fn of_the_bits_of_a_source_only_the_owners_execute_bit_counts() {
    for (plain, program) in [(0o600, 0o700), (0o666, 0o777), (0o455, 0o544), (0o2644, 0o6744)] {
        let sandbox = Sandbox::new();
        let checkout = Checkout::write(sandbox.path("checkout"));
        for path in below(&checkout.directory) {
            let metadata = fs::metadata(&path).unwrap();
            let mode = if metadata.mode() & 0o100 == 0 { plain } else { program };
            let mode = if metadata.is_dir() { mode | 0o1000 } else { mode };
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        }
        assert_same(&sandbox, &checkout, |command| command);
    }
}

#[test]
fn a_warm_cache_gives_the_same_digest_as_a_cold_one() {
    let sandbox = Sandbox::new();
    sandbox.write("app/main", "#!/bin/sh\n").spec(&format!(
        "[image]\nname = \"localhost/cached\"\nbase = \"oci:{}\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n\
         [[layers]]\nname = \"app\"\nfiles = [{{ from = \"app\", to = \"/lib/app\" }}]\n",
        part("BASE")
    ));
    let cold = sandbox.ok(&["build", "-o", "oci:cold"]).digest();
    assert!(
        below(&sandbox.path("cache")).iter().any(|path| path.is_file()),
        "the test wants a cache"
    );
    let warm = sandbox.ok(&["build", "-o", "oci:warm"]).digest();
    fs::remove_dir_all(sandbox.path("cache")).unwrap();
    let again = sandbox.ok(&["build", "-o", "oci:warm"]).digest();
    assert_eq!([&warm, &again], [&cold, &cold]);
}

#[test]
fn the_source_date_epoch_changes_the_config_and_no_layer() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::write(sandbox.path("checkout"));
    let epoch = |seconds: &'static str| {
        move |mut command: Command| {
            command.env("SOURCE_DATE_EPOCH", seconds);
            command
        }
    };
    let without = checkout.build(&sandbox, "gzip");
    let zero = checkout.build_with(&sandbox, "gzip", "zero", epoch("0"));
    assert_eq!(zero.index_digest, without.index_digest);
    let later = checkout.build_with(&sandbox, "gzip", "later", epoch("1700000000"));
    for platform in ["linux/amd64", "linux/arm64"] {
        let before = without.layout.manifest("golden", platform);
        let after = later.layout.manifest("golden", platform);
        assert_eq!(before["layers"], after["layers"]);
        assert_ne!(before["config"], after["config"]);
        assert_eq!(before["annotations"], after["annotations"]);
        let mut config = later.layout.config("golden", platform);
        assert_eq!(config["created"], "2023-11-14T22:13:20Z");
        config["created"] = Value::from("1970-01-01T00:00:00Z");
        for entry in config["history"].as_array_mut().unwrap() {
            assert_eq!(entry["created"], "2023-11-14T22:13:20Z");
            entry["created"] = Value::from("1970-01-01T00:00:00Z");
        }
        assert_eq!(config, without.layout.config("golden", platform));
    }
}

#[test]
fn a_changed_byte_a_name_and_a_bit_do_reach_the_digest() {
    let sandbox = Sandbox::new();
    let checkout = Checkout::write(sandbox.path("checkout"));
    let tree = checkout.directory.join("tree");
    let mut seen = vec![expected()[0].clone()];
    let mut differs = |what: &str| {
        let digest = checkout.build(&sandbox, "gzip").index_digest;
        assert!(!seen.contains(&digest), "{what}");
        seen.push(digest);
    };
    fs::write(tree.join("same/two"), "twice the sane\n").unwrap();
    differs("content");
    fs::set_permissions(tree.join("run"), Permissions::from_mode(0o655)).unwrap();
    differs("the owner's execute bit");
    let raw = |name: &'static [u8]| tree.join(std::ffi::OsStr::from_bytes(name));
    fs::rename(raw(b"bytes/caf\xe9"), raw(b"bytes/caf\xe8")).unwrap();
    differs("a name");
}
