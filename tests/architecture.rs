//! Checks rules of the sources that the compiler does not know: which module may import which, that its files import
//! each other in no circle, what is used in a few modules only, how long a file may be, and that no dependency compiles
//! C. A violation is reported with file and line and how to fix it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use circles::circles;
use source::{Mention, Source};

#[path = "architecture/circles.rs"]
mod circles;
#[path = "architecture/samples.rs"]
mod samples;
#[path = "architecture/source.rs"]
mod source;

/// Modules of this crate that a module may import, besides itself.
enum Imports {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}
use Imports::{AllBut, Only};

/// All modules of `src/`. A new one is added here on purpose.
const MODULES: &[(&str, Imports)] = &[
    ("model", Only(&[])),
    ("compress", Only(&[])),
    ("elf", Only(&[])),
    ("events", Only(&["model"])),
    ("tar", Only(&["model"])),
    ("secrets", Only(&["model"])),
    ("spec", Only(&["model"])),
    ("store", Only(&["model"])),
    ("cache", Only(&["store", "model"])),
    ("files", Only(&["spec", "tar", "compress", "model"])),
    ("tree", Only(&["store", "tar", "compress", "elf", "events", "model"])),
    ("lock", Only(&["tree", "model"])),
    ("workspace", Only(&["spec", "model"])),
    ("deploy", Only(&["spec", "workspace", "model"])),
    ("plan", Only(&["spec", "lock", "tree", "model"])),
    ("check", Only(&["tree", "elf", "secrets", "plan", "model"])),
    ("pack", Only(&["compress", "secrets", "events", "model"])),
    ("layout", Only(&["store", "compress", "model"])),
    ("archive", Only(&["store", "tar", "compress", "model"])),
    ("registry", Only(&["store", "compress", "events", "model"])),
    ("transfer", Only(&["store", "events", "model"])),
    ("import", Only(&["spec", "check", "elf", "model"])),
    ("build", AllBut(&["environment", "facade", "cli"])),
    (
        "environment",
        Only(&["build", "cache", "registry", "spec", "pack", "model"]),
    ),
    ("facade", AllBut(&["cli"])),
    ("cli", AllBut(&[])),
];

/// Layout, archive and tree are synchronous inside; they are here for `spawn_blocking` and the traits of store.
const ASYNC_MODULES: &[&str] = &[
    "store", "registry", "transfer", "build", "facade", "cli", "layout", "archive", "tree",
];

/// Crates that only these modules may use, and what other modules do instead.
const CONFINED_CRATES: &[(&str, &[&str], &str)] = &[
    (
        "tokio",
        ASYNC_MODULES,
        "stay synchronous, and let build or a backend adapt it",
    ),
    (
        "tokio_util",
        ASYNC_MODULES,
        "stay synchronous, and let build or a backend adapt it",
    ),
    ("reqwest", &["registry"], "ask registry, which holds the only HTTP"),
    ("hyper", &["registry"], "ask registry, which holds the only HTTP"),
    ("rustls", &["registry"], "ask registry, which holds the only TLS"),
    (
        "rustls_graviola",
        &["registry"],
        "ask registry, which holds the only TLS",
    ),
    (
        "granit_parser",
        &["deploy"],
        "read YAML through deploy, which bounds it",
    ),
    (
        "rustls_native_certs",
        &["environment"],
        "take the roots as a value, which environment hands in",
    ),
];

/// Ends of paths that access the environment, the terminal or the wall clock, and what to do instead.
const PROCESS_PATHS: &[(&[&str], &str)] = &[
    (&["std", "env"], "take the value from the caller"),
    (&["io", "stdin"], "take a reader from the caller"),
    (&["io", "stdout"], "take a writer from the caller"),
    (
        &["io", "stderr"],
        "take a writer from the caller, or return an error or an event",
    ),
    (&["SystemTime", "now"], "take the time from the caller"),
    (&["OffsetDateTime", "now_utc"], "take the time from the caller"),
    (&["OffsetDateTime", "now_local"], "take the time from the caller"),
    (
        &["tempfile", "tempfile"],
        "it reads TMPDIR: use tempfile_in, with a directory from the caller",
    ),
    (
        &["tempfile", "tempdir"],
        "it reads TMPDIR: use tempdir_in, with a directory from the caller",
    ),
    (
        &["NamedTempFile", "new"],
        "it reads TMPDIR: use new_in, with a directory from the caller",
    ),
    (
        &["TempDir", "new"],
        "it reads TMPDIR: use new_in, with a directory from the caller",
    ),
];

/// Ends of paths in `std::env` that depend only on their arguments.
const PURE_PATHS: &[&[&str]] = &[&["env", "split_paths"], &["env", "join_paths"]];

/// Macros that write to the terminal.
const PROCESS_MACROS: &[&str] = &["print!", "println!", "eprint!", "eprintln!", "dbg!"];

/// Modules that may access the process.
const PROCESS_MODULES: &[&str] = &["cli", "environment", "main"];

/// Length that a reviewer reads in one go.
const MAX_LINES: usize = 500;
/// A longer file gives the reason in one of its first lines.
const LONG_FILE_MARKER: &str = "// Over 500 lines: ";
const MARKER_LINES: usize = 5;

/// Crates whose build script runs a C compiler or an assembler, or links a C library of the machine.
const C_BUILD_CRATES: &[&str] = &[
    "autotools",
    "bindgen",
    "cc",
    "cmake",
    "cpp_build",
    "cxx-build",
    "gcc",
    "meson",
    "nasm-rs",
    "pkg-config",
    "vcpkg",
];
/// Names that such crates end in.
const C_BUILD_SUFFIXES: &[&str] = &["-sys", "-src"];
/// Crates with such a name that compile no C, and why that is so.
const PURE_RUST_ALL_THE_SAME: &[(&str, &str)] = &[("linux-raw-sys", "types and constants of the kernel, as Rust")];
/// Release targets. Dependencies of other systems may not be on this machine and are not checked.
const TARGETS: &[&str] = &["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

fn import_breaches(source: &Source) -> Vec<String> {
    let imports = MODULES
        .iter()
        .find(|(module, _)| *module == source.module)
        .map(|(_, imports)| imports);
    let may_import = |target: &str| {
        target == source.module
            || MODULES.iter().any(|(module, _)| *module == target)
                && match imports {
                    Some(Only(allowed)) => allowed.contains(&target),
                    Some(AllBut(forbidden)) => !forbidden.contains(&target),
                    // lib.rs contains all modules; main.rs is a separate crate without any.
                    None => source.module == "lib",
                }
    };
    let mut breaches = Vec::new();
    for mention in &source.mentions {
        if mention.segments[0] == "ocitect" {
            if source.module != "main" {
                breaches.push(source.breach(mention, "the library by its name", "write `crate::MODULE::ITEM`"));
            } else if mention.segments.get(1).is_none_or(|module| module != "cli") {
                breaches.push(source.breach(mention, "main may import ocitect::cli alone", "do it in cli"));
            }
        }
        let Some(absolute) = mention.inside_crate() else {
            continue;
        };
        let target = absolute.first().map_or("crate", String::as_str);
        if !may_import(target) {
            let rule = format!("{} may not import {target}", source.module);
            breaches.push(source.breach(
                mention,
                &rule,
                "move the type down to model, or hand the value or a trait in",
            ));
        }
    }
    breaches
}

fn glob_breaches(source: &Source) -> Vec<String> {
    let is_glob = |mention: &&Mention| mention.segments.last().is_some_and(|last| last == "*");
    let mut breaches = Vec::new();
    for mention in source.mentions.iter().filter(is_glob) {
        let absolute = match mention.inside_crate() {
            Some(absolute) => absolute,
            // In lib.rs a module needs no `crate::`.
            None if source.module == "lib" => mention.segments.clone(),
            None => continue,
        };
        if !mention.scope.is_test || absolute.first() != Some(&source.module) {
            breaches.push(source.breach(
                mention,
                "no glob imports across modules",
                "name what is imported; only tests may take all of the module that they test",
            ));
        }
    }
    breaches
}

fn crate_breaches(source: &Source) -> Vec<String> {
    let mut breaches = Vec::new();
    for mention in &source.mentions {
        for (confined, modules, help) in CONFINED_CRATES {
            if mention.segments[0] == *confined && !modules.contains(&source.module.as_str()) {
                let rule = format!("{confined} is for {} alone", modules.join(", "));
                breaches.push(source.breach(mention, &rule, help));
            }
        }
    }
    breaches
}

fn process_breaches(source: &Source) -> Vec<String> {
    let mut breaches = Vec::new();
    if PROCESS_MODULES.contains(&source.module.as_str()) {
        return breaches;
    }
    let rule = "only cli touches terminal, environment and clock";
    for mention in source.mentions.iter().filter(|mention| !mention.scope.is_test) {
        for (path, help) in PROCESS_PATHS {
            let is_pure = PURE_PATHS.iter().any(|pure| {
                mention
                    .segments
                    .windows(pure.len())
                    .last()
                    .is_some_and(|end| end == *pure)
            });
            if !is_pure && mention.segments.windows(path.len()).any(|window| window == *path) {
                breaches.push(source.breach(mention, rule, help));
            }
        }
        if mention
            .segments
            .last()
            .is_some_and(|last| PROCESS_MACROS.contains(&last.as_str()))
        {
            breaches.push(source.breach(mention, rule, "return a value, an error or an event"));
        }
    }
    breaches
}

fn length_breach(name: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let reason = |line: &str| {
        line.strip_prefix(LONG_FILE_MARKER)
            .is_some_and(|reason| !reason.trim().is_empty())
    };
    let breach = lines > MAX_LINES && !text.lines().take(MARKER_LINES).any(reason);
    breach.then(|| {
        format!(
            "{name}:{lines}: over {MAX_LINES} lines; help: split it, tests into a file of their own first, \
             or give the reason at its head: `{LONG_FILE_MARKER}REASON`"
        )
    })
}

fn dependency_breach(name: &str) -> Option<String> {
    let excused = PURE_RUST_ALL_THE_SAME.iter().any(|(crate_name, _)| *crate_name == name);
    let suspect = C_BUILD_CRATES.contains(&name) || C_BUILD_SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    (suspect && !excused).then(|| {
        format!(
            "Cargo.toml: `{name}` is for crates that compile or link C; help: see who wants it with \
             `cargo tree -e normal,build -i {name}`, and drop the crate or the feature"
        )
    })
}

fn package_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the Rust files below `directory` of the package, by name.
fn rust_files(directory: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut directories = vec![PathBuf::from(directory)];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(package_root().join(&directory)) else {
            continue;
        };
        for entry in entries.map(Result::unwrap) {
            let path = directory.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push((
                    path.to_str().unwrap().to_owned(),
                    fs::read_to_string(entry.path()).unwrap(),
                ));
            }
        }
    }
    files.sort();
    files
}

fn check_sources(check: fn(&Source) -> Vec<String>) {
    let files = rust_files("src");
    assert!(
        files.len() > MODULES.len(),
        "only {} files found below src",
        files.len()
    );
    assert_none(
        files
            .iter()
            .flat_map(|(name, text)| check(&Source::read(name, text)))
            .collect(),
    );
}

fn assert_none(breaches: Vec<String>) {
    assert!(
        breaches.is_empty(),
        "{} found:\n{}",
        breaches.len(),
        breaches.join("\n")
    );
}

#[test]
fn modules_import_only_what_the_table_allows() {
    check_sources(import_breaches);
}

#[test]
fn files_of_a_module_import_each_other_in_no_circle() {
    let sources: Vec<Source> = rust_files("src")
        .iter()
        .map(|(name, text)| Source::read(name, text))
        .collect();
    let circles_of = |module: &str| {
        let room: Vec<&Source> = sources.iter().filter(|source| source.module == module).collect();
        assert!(!room.is_empty(), "no files of {module}");
        circles(&room)
    };
    assert_none(MODULES.iter().flat_map(|(module, _)| circles_of(module)).collect());
}

#[test]
fn every_module_has_its_line_in_the_table() {
    let entries = fs::read_dir(package_root().join("src")).unwrap();
    let found: BTreeSet<String> = entries
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .trim_end_matches(".rs")
                .to_owned()
        })
        .filter(|name| name != "lib" && name != "main")
        .collect();
    let listed = MODULES.iter().map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(
        found, listed,
        "src (left) and MODULES in tests/architecture.rs (right) differ"
    );
}

#[test]
fn no_module_is_imported_with_a_glob() {
    check_sources(glob_breaches);
}

#[test]
fn crates_stay_in_the_modules_that_they_are_for() {
    check_sources(crate_breaches);
}

#[test]
fn only_cli_touches_terminal_environment_and_clock() {
    check_sources(process_breaches);
}

#[test]
fn long_files_give_a_reason() {
    let files = ["src", "tests", "benches"].into_iter().flat_map(rust_files);
    assert_none(files.filter_map(|(name, text)| length_breach(&name, &text)).collect());
}

#[test]
fn no_dependency_compiles_c() {
    let tree = |extra: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.args([
            "tree",
            "--locked",
            "-e",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]);
        command
            .args(TARGETS.iter().flat_map(|target| ["--target", target]))
            .args(extra);
        command.current_dir(package_root()).output().unwrap()
    };
    let mut output = tree(&["--offline"]);
    if !output.status.success() {
        // A crate for the other processor has not been fetched on this machine yet.
        output = tree(&[]);
    }
    assert!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(
        names.contains("ocitect") && names.contains("rustls"),
        "no tree of ours: {text}"
    );
    assert_none(names.into_iter().filter_map(dependency_breach).collect());
}
