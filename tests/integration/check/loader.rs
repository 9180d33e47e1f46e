//! The check of libraries, compared with the dynamic loader itself, for every ELF file of the real bases.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocitect::check::{Execution, Loader, Subject};
use ocitect::events::Task;
use ocitect::layout::Layout as Source;
use ocitect::model::{EntryPath, Family, Image, Platform, Selector};
use ocitect::store::{Source as _, select_platform};
use ocitect::tree::{Facts, read_facts};

use crate::support::{Outcome, part, tool};

/// x86-64.
const MACHINE: u16 = 62;

/// The amd64 image of a base, with its facts.
fn base(name: &str) -> (Image, Facts) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let source = Source::open(Path::new(&part(name))).unwrap();
        let root = source.resolve(&Selector::Only).await.unwrap();
        let found = select_platform(&source, &root, &Platform::new("linux", "amd64"))
            .await
            .unwrap();
        let task = Arc::new(Task::silent());
        let facts = read_facts(&source, &found.image, &std::env::temp_dir(), &task)
            .await
            .unwrap();
        (found.image, facts)
    })
}

/// Unpacks its files.
fn unpack(name: &str, image: &Image) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (layer, _) in image.layers() {
        let blob = PathBuf::from(part(name)).join("blobs/sha256").join(layer.digest.hex());
        tool("tar", &[Path::new("-xpf"), &blob, Path::new("-C"), root.path()]);
    }
    root
}

/// Returns the loader's output for a file: the needed names, and where it found each, with links followed.
fn asked(root: &Path, path: &EntryPath) -> BTreeMap<String, Option<PathBuf>> {
    let mut command = std::process::Command::new("chroot");
    command
        .arg(root)
        .args(["/lib64/ld-linux-x86-64.so.2", "--list", &path.to_string()]);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin");
    let outcome = Outcome::of(command);
    let line = |line: &str| {
        let (name, rest) = line.trim().split_once(" => ")?;
        let place = rest.split(" (").next().unwrap_or_default();
        let found = (place != "not found").then(|| real_path(root, place));
        Some((name.to_owned(), found))
    };
    outcome.stdout.lines().filter_map(line).collect()
}

/// Resolves a path of the root; no link in the bases' library folders leaves the root.
fn real_path(root: &Path, path: &str) -> PathBuf {
    let real = fs::canonicalize(root.join(path.trim_start_matches('/'))).unwrap();
    Path::new("/").join(real.strip_prefix(fs::canonicalize(root).unwrap()).unwrap())
}

#[test]
fn libraries_are_found_where_the_loader_finds_them() {
    for name in ["REAL_SLIM", "REAL_PYTHON", "REAL_NODE"] {
        let (image, facts) = base(name);
        let root = unpack(name, &image);
        let execution = Execution::new(&image.config().value().execution());
        let nothing_beside = Arc::new(|_: &Path| false);
        let platform = Platform::new("linux", "amd64");
        let subject = Subject::new(
            platform,
            execution,
            Family::Oci,
            Arc::new(facts),
            BTreeMap::new(),
            nothing_beside,
        );
        let loader = Loader::new(&subject);
        let mut compared = 0;
        for (path, elf) in subject.elf_files() {
            if elf.machine != MACHINE || elf.needed.is_empty() {
                continue;
            }
            let needs = loader
                .needs(path)
                .unwrap_or_else(|| panic!("{name}: nothing is known of {path}"));
            let told = asked(root.path(), path);
            for (needed, found) in needs {
                let needed = String::from_utf8(needed).unwrap();
                // The loader itself is printed without an arrow.
                if needed.starts_with("ld-linux") {
                    continue;
                }
                let place = told
                    .get(&needed)
                    .unwrap_or_else(|| panic!("{name}: {path}: ld.so never names {needed}"));
                let found = found.map(|found| PathBuf::from(found.to_string()));
                assert_eq!(&found, place, "{name}: {needed} of {path}");
                compared += 1;
            }
        }
        assert!(compared > 1000, "{name}: only {compared} needs were compared");
    }
}
