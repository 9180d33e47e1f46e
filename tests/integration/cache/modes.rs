//! Permission to write to the cache: only its owner's, whatever the umask is.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::support::images::write_spec;
use crate::support::on_base;
use crate::support::{Outcome, Sandbox};

/// Returns every file and directory below one, itself first.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path))
        } else {
            found.push(path)
        }
    }
    found
}

#[test]
fn nobody_else_may_write_to_it() {
    for (umask, others_may_read) in [("000", true), ("002", true), ("022", true), ("077", false)] {
        let sandbox = Sandbox::new();
        write_spec(&sandbox, &on_base());
        let inner = sandbox.command(&[]);
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
            .arg(inner.get_program());
        command
            .args(["build", "-o", "oci:out"])
            .current_dir(sandbox.root())
            .env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        Outcome::of(command).expect(0);
        let kept = below(&sandbox.path("cache"));
        assert!(kept.len() > 10, "{kept:?}");
        for path in kept {
            let mode = fs::metadata(&path).unwrap().mode() & 0o777;
            assert_eq!(mode & 0o022, 0, "umask {umask}: {} is {mode:o}", path.display());
            assert_eq!(
                mode & 0o004 != 0,
                others_may_read,
                "umask {umask}: {} is {mode:o}",
                path.display()
            );
        }
        sandbox.ok(&["build", "-o", "oci:out"]);
    }
}

#[test]
fn a_cache_that_was_left_open_is_tightened_by_the_next_build() {
    let sandbox = Sandbox::new();
    write_spec(&sandbox, &on_base());
    sandbox.ok(&["build", "-o", "oci:out"]);
    let cache = sandbox.path("cache");
    let set_mode = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    below(&cache).iter().for_each(|path| set_mode(path));
    assert!(!sandbox.ok(&["build", "-o", "oci:out"]).stderr.contains("other users"));
    for path in below(&cache) {
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o022, 0, "{}", path.display());
    }

    sandbox.write("cache/other", "");
    set_mode(&cache);
    sandbox
        .ok(&["build", "-o", "oci:out"])
        .says(&["warning: other users can write to the cache at "]);
    assert_eq!(fs::metadata(&cache).unwrap().mode() & 0o777, 0o777);
}
