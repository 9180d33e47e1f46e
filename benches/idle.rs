//! Measures a build that has nothing to pack: an image of 50,000 small files is listed, planned and checked. The lower
//! bound is a walk of the same tree by two threads that only reads the status of every file. Both run in turns; prints
//! the ratios at the end.
//!
//! `cargo bench --bench idle`, or `cargo bench --bench idle -- FILES DIRECTORY` for another number of files or an
//! existing directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use ocitect::build::{BuildOptions, Member, OutputRequest, Outputs, Transports, check_build, plan_build};
use ocitect::events::{Observer, Silent};
use ocitect::registry::{Client, RegistryOptions};
use ocitect::spec::{Inputs, Spec};

const FILES: usize = 50_000;
const FILES_PER_DIRECTORY: usize = 10;
const FLOOR_THREADS: usize = 2;
const ROUNDS: usize = 11;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let files = arguments
        .first()
        .map_or(FILES, |text| text.parse().expect("a number of files"));
    let own = tempfile::tempdir().expect("a temporary directory");
    let root = match arguments.get(1) {
        Some(directory) => fs::canonicalize(directory).expect("a directory that is there"),
        None => make_files(own.path(), files),
    };
    println!(
        "{} names below {}, {ROUNDS} rounds in turn",
        stat_walk(&root),
        root.display()
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let platforms = |number: usize| PLATFORMS[..number].join("\", \"");
    let steps: [(&str, Step<'_>); 5] = [
        ("stat walk", Box::new(|| assert!(stat_walk(&root) > 0))),
        (
            "plan",
            Box::new(|| runtime.block_on(run(own.path(), &root, &platforms(1), false))),
        ),
        (
            "plan and check",
            Box::new(|| runtime.block_on(run(own.path(), &root, &platforms(1), true))),
        ),
        (
            "plan, 8 platforms",
            Box::new(|| runtime.block_on(run(own.path(), &root, &platforms(8), false))),
        ),
        (
            "plan and check, 8 platforms",
            Box::new(|| runtime.block_on(run(own.path(), &root, &platforms(8), true))),
        ),
    ];
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); steps.len()];
    for _ in 0..ROUNDS {
        for ((_, step), times) in steps.iter().zip(&mut times) {
            let began = Instant::now();
            step();
            times.push(began.elapsed());
        }
    }
    let medians = times.into_iter().map(median).collect::<Vec<_>>();
    for ((name, _), time) in steps.iter().zip(&medians) {
        println!(
            "{name:28} {time:9.2?}  {:5.2} of the stat walk",
            time.as_secs_f64() / medians[0].as_secs_f64()
        );
    }
}

/// A measured step.
type Step<'a> = Box<dyn Fn() + 'a>;

const PLATFORMS: [&str; 8] = [
    "linux/amd64",
    "linux/arm64",
    "linux/386",
    "linux/arm/v6",
    "linux/arm/v7",
    "linux/ppc64le",
    "linux/riscv64",
    "linux/s390x",
];

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Writes files of 0.5 to 4 KiB, in packages of nested directories.
fn make_files(directory: &Path, files: usize) -> PathBuf {
    const FOLDERS: [&str; 5] = ["", "lib", "lib/internal", "dist/esm", "test"];
    let root = directory.join("tree");
    for number in 0..files {
        let folder = number / FILES_PER_DIRECTORY;
        let package = folder / FOLDERS.len();
        let inner = FOLDERS[folder % FOLDERS.len()];
        let folder = root.join(format!("package-{package:04}")).join(inner);
        if number % FILES_PER_DIRECTORY == 0 {
            fs::create_dir_all(&folder).expect("room");
        }
        let line = format!("export const name{number} = {};\n", number * 7919 % 1013);
        let size_bytes = 512 + number * 7919 % 3584;
        let text = &line.repeat(size_bytes / line.len() + 1)[..size_bytes];
        fs::write(folder.join(format!("module-{number:06}.js")), text).expect("room");
    }
    root
}

/// Reads the status of everything below `root`; returns the number of names.
fn stat_walk(root: &Path) -> usize {
    let walk = StatWalk {
        state: Mutex::new(Directories {
            pending: vec![root.to_owned()],
            busy: 0,
            waiting: 0,
        }),
        changed: Condvar::new(),
        names: AtomicUsize::new(0),
    };
    std::thread::scope(|scope| {
        for _ in 0..FLOOR_THREADS {
            scope.spawn(|| walk.work());
        }
    });
    walk.names.into_inner()
}

struct StatWalk {
    state: Mutex<Directories>,
    changed: Condvar,
    names: AtomicUsize,
}

struct Directories {
    /// Directories that are not read yet.
    pending: Vec<PathBuf>,
    /// Threads that are reading a directory.
    busy: usize,
    /// Threads that wait for a directory. If there are none, the system call that wakes them is skipped.
    waiting: usize,
}

impl StatWalk {
    fn work(&self) {
        while let Some(directory) = self.next() {
            let mut found = Vec::new();
            let mut names = 0;
            for entry in fs::read_dir(&directory).expect("own directory") {
                let entry = entry.expect("own directory");
                names += 1;
                if entry.metadata().expect("own file").is_dir() {
                    found.push(entry.path());
                }
            }
            self.names.fetch_add(names, Ordering::Relaxed);
            let mut state = self.state.lock().expect("no thread panics");
            state.pending.append(&mut found);
            state.busy -= 1;
            if state.waiting > 0 {
                self.changed.notify_all();
            }
        }
    }

    /// Returns the next directory; `None` if none is left and no thread can find more.
    fn next(&self) -> Option<PathBuf> {
        let mut state = self.state.lock().expect("no thread panics");
        loop {
            if let Some(directory) = state.pending.pop() {
                state.busy += 1;
                return Some(directory);
            }
            if state.busy == 0 {
                return None;
            }
            state.waiting += 1;
            state = self.changed.wait(state).expect("no thread panics");
            state.waiting -= 1;
        }
    }
}

async fn run(scratch: &Path, root: &Path, platforms: &str, checks: bool) {
    let text = format!(
        "format = 1\n[image]\nplatforms = [\"{platforms}\"]\n[[layers]]\nname = \"app\"\n\
         files = [{{ from = \"{}\", to = \"/app\" }}]\n[check]\nallow = [\"*:/**\"]\n",
        root.display()
    );
    fs::write(scratch.join("ocitect.toml"), text).expect("room");
    let spec = Spec::load(scratch, &Inputs::default()).expect("the spec is right");
    let naming = Outputs::decide(spec.image(), &OutputRequest::default()).expect("the outputs are right");
    let mut options = BuildOptions::new(scratch.to_owned());
    options.threads = std::thread::available_parallelism().map_or(1, usize::from);
    let client = Client::new(RegistryOptions::default()).expect("a client");
    let transports = Transports::new(client, scratch.to_owned(), || Box::new(std::io::sink()));
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let planned = plan_build(&[Member::alone(&spec, &naming)], &options, &transports, &observer)
        .await
        .expect("it can be planned");
    if checks {
        check_build(planned, None, &options, &observer)
            .await
            .expect("it can be checked");
    }
}
