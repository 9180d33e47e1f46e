//! SIGKILL at a thousand points: before each change that any thread of a run makes to the disk. Every file is then in
//! its old state or in that of a complete run, everything that a tag names exists, and the next run has the usual
//! result without leftover files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::mount::Mount;
use crate::support::supervisor::supervise;
use crate::support::{Outcome, Sandbox, tool};

/// Required number of kills. The number of changes varies a little with the threads: there are more points.
const KILLS: usize = 1000;
/// Concurrent kills.
const KILLERS: usize = 2;
/// Number of kills after which another program reads the layout.
const READ_EVERY: usize = 50;

/// Prefix of incomplete files.
const TEMPORARY_PREFIX: &str = ".ocitect-tmp-";

/// Every file below a directory, by its path in it.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A command, its initial files, and the files after a complete run.
struct Scenario {
    name: &'static str,
    start: PathBuf,
    command: Vec<&'static str>,
    before: Files,
    after: Files,
    /// Number of changes of a complete run.
    changes: usize,
}

/// The layers of an old image and of a new one, which shares some of their names but no content.
const ONE: [&str; 10] = ["a", "b", "c", "d", "e", "f", "l", "m", "o", "p"];
const TWO: [&str; 11] = ["a", "b", "c", "g", "h", "i", "j", "k", "n", "q", "r"];

const BUILD: &[&str] = &[
    "build",
    "-t",
    "new",
    "-t",
    "moving",
    "-o",
    "oci:out",
    "-o",
    "oci-archive:out.tar",
];
const DOCKER: &[&str] = &[
    "build",
    "--platform",
    "linux/amd64",
    "-o",
    "docker-archive:docker.tar",
    "--metadata",
    "out.json",
];
const COPY: &[&str] = &["copy", "oci:new", "oci:out:moving"];
const UPDATE: &[&str] = &["update"];

/// Returns the program's command in `directory`, without anything outside that it could write to.
fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ocitect"));
    command
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .stdin(std::process::Stdio::null());
    command
        .env("HOME", directory.join("home"))
        .env("OCITECT_CACHE_DIR", directory.join("cache"));
    command.env("TMPDIR", directory.join("scratch"));
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Outcome {
    Outcome::of(command(directory, arguments))
}

/// Writes small layers for two platforms, on a small base.
fn write_project(directory: &Path, layers: &[&str], content: &str) {
    let mut spec = format!(
        "format = 1\n[image]\nname = \"example.com/app\"\nplatforms = [\"linux/amd64\", \"linux/arm64\"]\n\
         base = \"oci:{}/base\"\n",
        directory.parent().unwrap().display()
    );
    for layer in layers {
        fs::write(directory.join(layer), format!("{layer} {content}\n")).unwrap();
        let files = format!("files = [{{ from = \"{layer}\", to = \"/{layer}-${{arch}}\" }}]\n");
        spec.push_str(&format!("[[layers]]\nname = \"{layer}\"\n{files}"));
    }
    fs::write(directory.join("ocitect.toml"), spec).unwrap();
}

/// Writes the common base, in `root`.
fn write_base(root: &Path, content: &str) {
    let directory = new_directory(root, "making-the-base");
    write_project(&directory, &["etc"], content);
    let spec = fs::read_to_string(directory.join("ocitect.toml")).unwrap();
    let lines: Vec<&str> = spec.lines().filter(|line| !line.starts_with("base = ")).collect();
    fs::write(directory.join("ocitect.toml"), lines.join("\n")).unwrap();
    run(&directory, &["build", "-o", "oci:../base"]).expect(0);
}

fn new_directory(root: &Path, name: &str) -> PathBuf {
    let directory = root.join(name);
    fs::create_dir_all(directory.join("scratch")).unwrap();
    directory
}

fn scenarios(root: &Path) -> Vec<Scenario> {
    write_base(root, "of the base");
    let first = new_directory(root, "first");
    write_project(&first, &ONE, "one");

    let again = new_directory(root, "again");
    write_project(&again, &ONE, "one");
    run(
        &again,
        &[
            "build",
            "-t",
            "old",
            "-t",
            "moving",
            "-o",
            "oci:out",
            "-o",
            "oci-archive:out.tar",
        ],
    )
    .expect(0);
    write_project(&again, &TWO, "two");

    let docker = new_directory(root, "docker");
    write_project(&docker, &ONE, "one");
    run(&docker, DOCKER).expect(0);
    write_project(&docker, &TWO, "two");

    let copy = new_directory(root, "copy");
    write_project(&copy, &ONE, "one");
    run(&copy, &["build", "-o", "oci:old"]).expect(0);
    for tag in ["old", "moving"] {
        run(&copy, &["copy", "oci:old", &format!("oci:out:{tag}")]).expect(0);
    }
    write_project(&copy, &TWO, "two");
    run(&copy, &["build", "-o", "oci:new"]).expect(0);

    let update = new_directory(root, "update");
    write_project(&update, &["a"], "one");
    run(&update, &["lock"]).expect(0);
    fs::remove_dir_all(update.join("cache")).unwrap();
    // From now on the base differs from the pinned one.
    write_base(root, "of another base");

    let scenarios = [
        ("first", first, BUILD),
        ("again", again, BUILD),
        ("docker", docker, DOCKER),
        ("copy", copy, COPY),
        ("update", update, UPDATE),
    ];
    scenarios
        .into_iter()
        .map(|(name, start, command)| scenario(root, name, start, command))
        .collect()
}

fn scenario(root: &Path, name: &'static str, start: PathBuf, arguments: &'static [&'static str]) -> Scenario {
    let whole = root.join("whole");
    copy_directory(&start, &whole);
    let supervised = supervise(command(&whole, arguments), None);
    assert!(
        supervised.output.status.success(),
        "{}",
        String::from_utf8_lossy(&supervised.output.stderr)
    );
    let scenario = Scenario {
        name,
        before: files(&start),
        after: files(&whole),
        start,
        command: arguments.to_vec(),
        changes: supervised.changes,
    };
    println!("{name}: {} changes, {} files", scenario.changes, scenario.after.len());
    fs::remove_dir_all(&whole).unwrap();
    scenario
}

/// Returns all files except the ledger of the cache, which counts additions and not the current content.
fn files(root: &Path) -> Files {
    let mut found = Files::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path != root.join("cache/size") {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn copy_directory(source: &Path, target: &Path) {
    fs::create_dir_all(target).unwrap();
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let copied = target.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &copied);
        } else {
            fs::copy(entry.path(), copied).unwrap();
        }
    }
}

/// Kills one run, and checks the files after it. Returns `false` if the run was over before.
fn kill_once(scenario: &Scenario, directory: &Path, at: usize, is_read: bool) -> bool {
    copy_directory(&scenario.start, directory);
    let supervised = supervise(command(directory, &scenario.command), Some(at));
    let what = format!("{}, killed before change {at}", scenario.name);
    check_state(scenario, &files(directory), &what);
    if is_read {
        check_readers(scenario, directory);
    }
    let next = run(directory, &scenario.command);
    assert_eq!(next.code, 0, "{what}, then: {}", next.stderr);
    let left = files(directory);
    for (path, bytes) in &left {
        assert!(
            scenario.after.get(path) == Some(bytes),
            "{what}, then run again: {} differs",
            path.display()
        );
    }
    assert_eq!(left.len(), scenario.after.len(), "{what}, then run again");
    fs::remove_dir_all(directory).unwrap();
    supervised.was_killed
}

/// Checks that each file is an old or a new one, none is missing, and `index.json` and the lockfile are new only if
/// everything that they name exists. Facts of an old lockfile may be gone if the new one is there.
fn check_state(scenario: &Scenario, found: &Files, what: &str) {
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    for (path, bytes) in found
        .iter()
        .filter(|(path, _)| !name(path).starts_with(TEMPORARY_PREFIX))
    {
        let known = [scenario.before.get(path), scenario.after.get(path)];
        assert!(
            known.contains(&Some(bytes)),
            "{what}: {} is neither old nor new",
            path.display()
        );
    }
    let is_new = |path: &str| {
        let path = Path::new(path);
        found.contains_key(path) && found.get(path) != scenario.before.get(path)
    };
    for path in scenario.before.keys() {
        let is_replaced = is_new("ocitect.lock") && !scenario.after.contains_key(path);
        assert!(
            found.contains_key(path) || is_replaced,
            "{what}: {} is lost",
            path.display()
        );
    }
    for (name, needs) in [("out/index.json", "out"), ("ocitect.lock", "ocitect.lock.d")] {
        let needed = scenario.after.keys().filter(|path| path.starts_with(needs));
        for path in needed.filter(|_| is_new(name)) {
            assert!(
                found.contains_key(path),
                "{what}: {name} is new, and {} is not there",
                path.display()
            );
        }
    }
}

/// Checks that other programs can read the layout.
fn check_readers(scenario: &Scenario, directory: &Path) {
    let tags: &[&str] = if scenario.before.contains_key(Path::new("out/index.json")) {
        &["old", "moving"]
    } else {
        &[]
    };
    for tag in tags {
        run(directory, &["inspect", &format!("oci:out:{tag}")]).expect(0);
        let source = format!("oci:{}:{tag}", directory.join("out").display());
        let target = format!("oci:{}", directory.join("read").display());
        tool("skopeo", &["copy", "-q", "--all", &source, &target]);
        fs::remove_dir_all(directory.join("read")).unwrap();
    }
}

#[test]
fn a_thousand_kills_leave_everything_as_it_was_or_as_it_should_be() {
    let sandbox = Sandbox::new();
    let mount = Mount::small(&sandbox, "memory", 64 * 1024);
    let scenarios = scenarios(&mount.path);
    let points: Vec<(&Scenario, usize)> = scenarios
        .iter()
        .flat_map(|scenario| (0..scenario.changes).map(move |at| (scenario, at)))
        .collect();
    assert!(points.len() >= KILLS, "only {} changes are made", points.len());
    let next = AtomicUsize::new(0);
    let kills = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for killer in 0..KILLERS {
            let directory = mount.path.join(format!("killer-{killer}"));
            let next = &next;
            let kills = &kills;
            let points = &points;
            scope.spawn(move || {
                while let Some((scenario, at)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let was_killed = kill_once(scenario, &directory, *at, at % READ_EVERY == 0);
                    kills.fetch_add(usize::from(was_killed), Ordering::Relaxed);
                }
            });
        }
    });
    let kills = kills.into_inner();
    println!("{kills} kills at {} points", points.len());
    assert!(kills >= KILLS, "{kills} kills at {} points", points.len());
}
