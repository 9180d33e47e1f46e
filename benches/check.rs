//! Measures what the check adds to a build: an image of 50,000 files, including the manifests of 2,000 packages and 300
//! ELF files of this machine, is planned, checked, and built to a layout. Prints the ratio at the end.
//!
//! `cargo bench --bench check`

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ocitect::build::{BuildOptions, Member, OutputRequest, Outputs, Transports, build, check_build, plan_build};
use ocitect::events::{Observer, Silent};
use ocitect::registry::{Client, RegistryOptions};
use ocitect::spec::{Inputs, Spec};

const FILES: usize = 50_000;
const PACKAGES: usize = 2_000;
const ELF_FILES: usize = 300;
const ROUNDS: usize = 5;

/// Greatest size of an ELF file, in bytes. Larger files would slow down the build and not the check.
const MAX_ELF_BYTES: u64 = 200_000;

fn main() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let elf_files = make_sources(directory.path());
    println!("{FILES} files, {elf_files} ELF files among them; {ROUNDS} rounds in turn");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut times: [Vec<Duration>; 3] = Default::default();
    for round in 0..ROUNDS {
        for (step, times) in [Step::Plan, Step::Check, Step::Build].into_iter().zip(&mut times) {
            let began = Instant::now();
            runtime.block_on(run(directory.path(), step, round));
            times.push(began.elapsed());
        }
    }
    let [plan, check, build] = times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    });
    println!("median: plan {plan:.2?}, plan and check {check:.2?}, build with check {build:.2?}");
    let added = check.saturating_sub(plan);
    let without = build.saturating_sub(added);
    println!(
        "the check adds {:.1} % to a cold build",
        100.0 * added.as_secs_f64() / without.as_secs_f64()
    );
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    Plan,
    Check,
    Build,
}

async fn run(directory: &Path, step: Step, round: usize) {
    let spec = Spec::load(directory, &Inputs::default()).expect("the spec is right");
    let output = format!("oci:{}/out-{round}", directory.display());
    let mut request = OutputRequest::default();
    request.outputs = vec![output.parse().expect("a name")];
    let naming = Outputs::decide(spec.image(), &request).expect("the outputs are right");
    let mut options = BuildOptions::new(directory.to_owned());
    options.threads = std::thread::available_parallelism().map_or(1, usize::from);
    let client = Client::new(RegistryOptions::default()).expect("a client");
    let transports = Transports::new(client, directory.to_owned(), || Box::new(std::io::sink()));
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let planned = plan_build(&[Member::alone(&spec, &naming)], &options, &transports, &observer)
        .await
        .expect("it can be planned");
    match step {
        Step::Plan => {}
        Step::Check => {
            let verdicts = check_build(planned, None, &options, &observer)
                .await
                .expect("it can be checked");
            assert!(
                !verdicts[0].findings.is_empty(),
                "an image that runs as root is told of"
            );
        }
        Step::Build => {
            build(
                &[Member::alone(&spec, &naming)],
                planned,
                &options,
                &transports,
                &observer,
            )
            .await
            .expect("it can be built");
        }
    }
}

/// Writes the spec and its files; returns the number of ELF files.
fn make_sources(directory: &Path) -> usize {
    let root = directory.join("root");
    for package in 0..PACKAGES {
        let folder = root.join(format!("node_modules/package-{package:04}"));
        fs::create_dir_all(&folder).expect("room");
        fs::write(
            folder.join("package.json"),
            format!("{{\"name\": \"package-{package:04}\", \"version\": \"1.0.0\"}}\n"),
        )
        .expect("room");
        for file in 0..FILES / PACKAGES - 1 {
            let line = format!("export const name{file} = \"{package}\"; // {}\n", file * 7919 % 1013);
            fs::write(folder.join(format!("{file:02}.js")), line.repeat(20 + file * 3)).expect("room");
        }
    }
    let sources = elf_files();
    for (number, source) in sources.iter().enumerate() {
        let target = root.join(format!("bin/{number:03}"));
        fs::create_dir_all(root.join("bin")).expect("room");
        fs::copy(source, &target).expect("room");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).expect("own file");
    }
    // The libraries of this machine are not in the image.
    let spec = "format = 1\n[image]\nplatforms = [\"linux/amd64\"]\n[[layers]]\nname = \"app\"\n\
                files = [{ from = \"root\", to = \"/app\" }]\n[config]\nentrypoint = [\"/app/bin/000\"]\n\
                [check]\nallow = [\"*:/app/**\"]\n";
    fs::write(directory.join("ocitect.toml"), spec).expect("room");
    sources.len()
}

/// Returns programs and libraries of this machine up to the size limit.
fn elf_files() -> Vec<PathBuf> {
    let folders = [
        "/usr/bin",
        "/usr/sbin",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
    ];
    let entries = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| is_small_elf(path))
        .collect();
    found.sort();
    found.truncate(ELF_FILES);
    found
}

fn is_small_elf(path: &Path) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return false;
    };
    if !metadata.is_file() || metadata.len() > MAX_ELF_BYTES {
        return false;
    }
    let mut magic = [0; 4];
    fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok()
        && magic == *b"\x7fELF"
}
