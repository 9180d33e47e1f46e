//! A disk that is full at each write in turn, page by page; and a limit on the size of files (`ulimit -f`), which needs
//! no root. Existing files are kept, and other programs can read them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::errors::disks::{FULL, leftovers};
use crate::support::mount::Mount;
use crate::support::refusal::{base, layer, spec};
use crate::support::{Outcome, Sandbox, part, tool};

/// Number of pages that is enough for every test.
const ENOUGH_PAGES: u64 = 40;

/// Writes layers of 100 bytes, of 5 KiB and of 30 KiB that do not compress.
fn project(sandbox: &Sandbox, seed: u64) {
    let mut state = seed;
    let mut noise = |size: usize| -> Vec<u8> {
        let next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(size).collect()
    };
    let mut layers = String::new();
    for (name, size) in [("small", 100), ("middle", 5 * 1024), ("large", 30 * 1024)] {
        sandbox.write(name, noise(size));
        layers.push_str(&format!(
            "[[layers]]\nname = \"{name}\"\nfiles = [{{ from = \"{name}\", to = \"/{name}\" }}]\n"
        ));
    }
    spec(sandbox, &[&layers]);
}

/// A file system in memory with the result of a first run, which can be restored.
struct Place<'a> {
    sandbox: &'a Sandbox,
    mount: Mount,
}

impl<'a> Place<'a> {
    fn new(sandbox: &'a Sandbox) -> Self {
        Self {
            sandbox,
            mount: Mount::small(sandbox, "disk", 1024),
        }
    }

    /// Runs `command` with room for no page, for one, and so on, until it succeeds; `refused` checks each failure. The
    /// place is restored before each run.
    #[track_caller]
    fn fill_up(&self, command: impl Fn() -> Command, mut refused: impl FnMut(Outcome)) {
        let kept = self.sandbox.path("kept");
        let kept = kept.to_str().unwrap();
        let disk = self.mount.path.to_str().unwrap();
        tool("cp", &["-a", disk, kept]);
        for pages in 0..ENOUGH_PAGES {
            tool("find", &[disk, "-mindepth", "1", "-delete"]);
            tool("cp", &["-a", &format!("{kept}/."), disk]);
            self.mount.fill_but(pages);
            let outcome = Outcome::of(command());
            assert_eq!(
                leftovers(&self.mount.path),
                Vec::<std::path::PathBuf>::new(),
                "with room for {pages} pages"
            );
            self.mount.make_room();
            if outcome.code == 0 {
                println!("enough: {pages} pages");
                return;
            }
            println!("{pages} pages: {}", outcome.stderr.replace('\n', " | "));
            refused(outcome);
        }
        panic!("{ENOUGH_PAGES} pages are not enough");
    }
}

/// Checks that another program finds the tag unchanged.
#[track_caller]
fn read_by_others(layout: &Path, digest: &str) {
    let raw = tool(
        "skopeo",
        &["inspect", "--raw", &format!("oci:{}:old", layout.display())],
    );
    assert_eq!(crate::support::liar::digest(raw.as_bytes()), digest);
}

#[test]
fn a_layout_on_a_disk_that_fills_up_keeps_its_tags() {
    let sandbox = Sandbox::new();
    let place = Place::new(&sandbox);
    project(&sandbox, 1);
    let old = sandbox.ok(&["build", "-t", "old", "-o", "oci:disk/image"]).digest();
    let index = fs::read(sandbox.path("disk/image/index.json")).unwrap();
    project(&sandbox, 2);
    let mut refusals = 0;
    place.fill_up(
        || sandbox.command(&["build", "-t", "new", "-o", "oci:disk/image"]),
        |outcome| {
            outcome.expect(1).says(&["disk/image", FULL, "help: free some space"]);
            assert_eq!(fs::read(sandbox.path("disk/image/index.json")).unwrap(), index);
            read_by_others(&sandbox.path("disk/image"), &old);
            refusals += 1;
        },
    );
    assert!(refusals > 10, "{refusals}");
    read_by_others(&sandbox.path("disk/image"), &old);
    sandbox.ok(&["inspect", "oci:disk/image:new"]);
}

#[test]
fn archives_on_a_disk_that_fills_up_stay_as_they_were() {
    let sandbox = Sandbox::new();
    let place = Place::new(&sandbox);
    project(&sandbox, 1);
    let outputs = ["oci-archive:disk/oci.tar", "docker-archive:disk/docker.tar"];
    sandbox.ok(&["build", "-t", "old", "-o", outputs[0], "-o", outputs[1]]);
    let paths = ["disk/oci.tar", "disk/docker.tar"];
    let before = paths.map(|path| fs::read(sandbox.path(path)).unwrap());
    project(&sandbox, 2);
    for (output, path) in outputs.into_iter().zip(paths) {
        let mut refusals = 0;
        place.fill_up(
            || sandbox.command(&["build", "-o", output]),
            |outcome| {
                outcome.expect(1).says(&[path, FULL, "help: free some space"]);
                assert_eq!(paths.map(|path| fs::read(sandbox.path(path)).unwrap()), before);
                refusals += 1;
            },
        );
        assert!(refusals > 8, "{refusals}");
        fs::remove_dir_all(sandbox.path("kept")).unwrap();
        for (path, bytes) in paths.iter().zip(&before) {
            sandbox.write(path, bytes);
        }
    }
    tool(
        "skopeo",
        &[
            "inspect",
            "--raw",
            &format!("oci-archive:{}", sandbox.path(paths[0]).display()),
        ],
    );
}

#[test]
fn a_lock_and_a_metadata_file_on_a_disk_that_fills_up_stay_as_they_were() {
    let sandbox = Sandbox::new();
    let place = Place::new(&sandbox);
    spec(&sandbox, &[&base(&format!("oci:{}", part("BASE_SINGLE")))]);
    let text = fs::read(sandbox.path("ocitect.toml")).unwrap();
    sandbox.write("disk/ocitect.toml", text).write("disk/ocitect.lock", "");
    fs::remove_file(sandbox.path("disk/ocitect.lock")).unwrap();
    let mut refusals = 0;
    place.fill_up(
        || sandbox.command(&["lock", "disk"]),
        |outcome| {
            outcome
                .expect(1)
                .says(&["disk/ocitect.lock", FULL, "help: free some space"]);
            assert!(!sandbox.path("disk/ocitect.lock").exists());
            refusals += 1;
        },
    );
    assert!(refusals > 0);
    fs::remove_dir_all(sandbox.path("kept")).unwrap();

    let lock = fs::read(sandbox.path("disk/ocitect.lock")).unwrap();
    sandbox.write("disk/out.json", "{\"old\": true}\n");
    let mut refusals = 0;
    place.fill_up(
        || sandbox.command(&["build", "disk", "-o", "oci:image", "--metadata", "disk/out.json"]),
        |outcome| {
            outcome
                .expect(1)
                .says(&["disk/out.json", FULL, "help: free some space"]);
            assert_eq!(fs::read(sandbox.path("disk/out.json")).unwrap(), b"{\"old\": true}\n");
            assert_eq!(fs::read(sandbox.path("disk/ocitect.lock")).unwrap(), lock);
            refusals += 1;
        },
    );
    assert!(refusals > 0);
}

#[test]
fn a_cache_on_a_disk_that_fills_up_is_done_without() {
    let sandbox = Sandbox::new();
    let place = Place::new(&sandbox);
    spec(&sandbox, &[&base(&format!("oci:{}", part("BASE")))]);
    let mut warned = 0;
    for pages in 0..ENOUGH_PAGES {
        place.mount.fill_but(pages);
        let mut command = sandbox.command(&["build"]);
        command.env("OCITECT_CACHE_DIR", place.mount.path.join("cache"));
        let outcome = Outcome::of(command).expect(0);
        assert_eq!(leftovers(&place.mount.path), Vec::<std::path::PathBuf>::new());
        let warnings = outcome
            .stderr
            .lines()
            .filter(|line| line.starts_with("warning: "))
            .collect::<Vec<_>>();
        place.mount.make_room();
        let _ = fs::remove_dir_all(place.mount.path.join("cache"));
        if warnings.is_empty() {
            break;
        }
        assert_eq!(warnings.len(), 1, "{}", outcome.stderr);
        assert!(
            warnings[0].contains("cannot write to the cache") && warnings[0].contains(FULL),
            "{}",
            warnings[0]
        );
        assert!(warnings[0].contains("disk/cache"), "{}", warnings[0]);
        warned += 1;
    }
    assert!((1..ENOUGH_PAGES).contains(&warned), "{warned}");
}

#[test]
fn a_scratch_directory_on_a_disk_that_fills_up_is_named() {
    let sandbox = Sandbox::new();
    let place = Place::new(&sandbox);
    project(&sandbox, 1);
    let old = sandbox.ok(&["build", "-t", "old", "-o", "oci:image"]).digest();
    let index = fs::read(sandbox.path("image/index.json")).unwrap();
    project(&sandbox, 2);
    let mut refusals = 0;
    place.fill_up(
        || {
            let mut command = sandbox.command(&["build", "-t", "new", "-o", "oci:image"]);
            command.env("TMPDIR", &place.mount.path);
            command
        },
        |outcome| {
            outcome.expect(1).says(&[
                place.mount.path.to_str().unwrap(),
                FULL,
                "help: free some space there, or set TMPDIR",
            ]);
            assert_eq!(fs::read(sandbox.path("image/index.json")).unwrap(), index);
            read_by_others(&sandbox.path("image"), &old);
            refusals += 1;
        },
    );
    assert!(refusals > 5, "{refusals}");
}

/// Runs a build with a limit on the size of files, as `ulimit -f` sets it.
fn limited_build(sandbox: &Sandbox, limit_bytes: u64, output: &str) -> Outcome {
    let build = sandbox.command(&["build", "-t", "new", "-o", output]);
    let mut command = Command::new("prlimit");
    command
        .arg(format!("--fsize={limit_bytes}"))
        .arg(build.get_program())
        .args(build.get_args());
    command
        .env_clear()
        .envs(build.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(sandbox.root()).stdin(std::process::Stdio::null());
    Outcome::of(command)
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_that_names_the_place() {
    for (output, path, enough_bytes) in [
        ("oci:image", "image", 2000),
        ("oci-archive:image.tar", "image.tar", 10_000),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("app", "1");
        spec(&sandbox, &[&layer("app", "/app")]);
        sandbox.ok(&["build", "-t", "old", "-o", "oci:image", "-o", "oci-archive:image.tar"]);
        let old = sandbox.ok(&["build", "-t", "old", "-o", "oci:image"]).digest();
        let files = || ["image/index.json", "image.tar"].map(|path| fs::read(sandbox.path(path)).unwrap());
        let before = files();
        sandbox.write("app", "2");
        let scratch = std::env::temp_dir().to_str().unwrap().to_owned();
        let mut named = [0; 2];
        for limit_bytes in (0..enough_bytes).step_by(enough_bytes as usize / 40) {
            let outcome = limited_build(&sandbox, limit_bytes, output);
            println!("{limit_bytes} {output}: {}", outcome.stderr.replace('\n', " | "));
            if outcome.code == 0 {
                break;
            }
            let said = outcome
                .expect(1)
                .says(&["File too large", "help: raise the limit on file size"])
                .stderr;
            let place = [scratch.as_str(), path].iter().position(|place| said.contains(place));
            named[place.unwrap_or_else(|| panic!("no path in {said}"))] += 1;
            assert!(files() == before);
            assert_eq!(leftovers(sandbox.root()), Vec::<std::path::PathBuf>::new());
            read_by_others(&sandbox.path("image"), &old);
        }
        assert!(named.iter().all(|count| *count > 0), "{named:?}");
        limited_build(&sandbox, enough_bytes, output).expect(0);
        read_by_others(&sandbox.path("image"), &old);
    }
}
